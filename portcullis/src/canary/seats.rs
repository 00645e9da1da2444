//! Addresses of this machine that the canary's machines come from: a network of their own, as a vendor has one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use reqwest::Url;
use tokio::net::TcpSocket;

/// The network that the canary's contract names.
pub const NETWORK: &str = "127.0.66.0/28";
/// The canary's machines.
pub const MACHINES: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 66, 8));
/// A thief, who is somewhere else.
pub const THIEF: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 67, 7));

const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the gate is reached from there: it is not where a balancer on another machine stands before it.
pub async fn reach(gate: &str) -> bool {
    let Some(address) = address_of(gate).await else { return false };
    for seat in [MACHINES, THIEF] {
        let tried = async {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::new(seat, 0))?;
            socket.connect(address).await
        };
        if !matches!(tokio::time::timeout(PATIENCE, tried).await, Ok(Ok(_))) {
            return false;
        }
    }
    true
}

/// Only IPv4 has more than one loopback address.
async fn address_of(gate: &str) -> Option<SocketAddr> {
    let url = Url::parse(gate).ok()?;
    let (host, port) = (url.host_str()?, url.port_or_known_default()?);
    let mut found = tokio::net::lookup_host((host, port)).await.ok()?;
    found.find(SocketAddr::is_ipv4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_gate_on_this_machine_is_reached_from_the_seats_and_one_that_is_not_there_is_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(reach(&format!("https://127.0.0.1:{port}")).await);
        drop(listener);
        assert!(!reach(&format!("https://127.0.0.1:{port}")).await);
        assert!(!reach("https://[::1]:1").await);
        assert!(!reach("nonsense").await);
    }
}
