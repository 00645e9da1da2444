//! Tunnels that the plan doesn't know, to networks of vendors: WireGuard's peers, policies of the kernel's IPsec, and
//! routes into tunnel interfaces.

use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use portcullis_network::cut::overlap;
use portcullis_network::order::Bypass;
use portcullis_network::plan::{Link, NetworkPlan};
use serde_json::Value;

use super::{bypass, concerns};
use crate::program::run;

const WAIT: Duration = Duration::from_secs(5);
/// `ARPHRD_NONE`, `TUNNEL`, `TUNNEL6`, `SIT` and `IPGRE`: what tunnel interfaces are (`linux/if_arp.h`).
const TUNNEL_TYPES: [u16; 5] = [65_534, 768, 769, 776, 778];

pub(super) async fn unknown(plan: &NetworkPlan, vendors: &[IpNet]) -> Vec<Bypass> {
    let peers = said("wg", &["show", "all", "dump"]).await;
    let policies = said("ip", &["xfrm", "policy"]).await;
    let routes = said("ip", &["-j", "route", "show", "table", "all"]).await;
    let mut bypasses = unknown_peers(plan, vendors, &peers);
    bypasses.extend(unknown_policies(plan, vendors, &policies));
    for (interface, network) in routes_of(&routes) {
        if concerns(vendors, network) && !is_known(plan, network) && is_tunnel(&interface).await {
            bypasses.push(found(format!("route to {network} into {interface}")));
        }
    }
    bypasses
}

/// Lines of peers: interface, public key, preshared key, endpoint, allowed addresses, and counters.
fn unknown_peers(plan: &NetworkPlan, vendors: &[IpNet], dump: &str) -> Vec<Bypass> {
    let known = |interface: &str, key: &str| {
        plan.tunnels.iter().any(|tunnel| {
            matches!(&tunnel.link, Link::Wireguard(of) if of.interface == interface
                && of.peer_public_key.as_deref() == Some(key))
        })
    };
    let peers = dump.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [interface, key, _, _, allowed, _, _, _, _] = *fields else { return None };
        let networks = allowed.split(',').filter_map(|network| network.parse().ok());
        let theirs: Vec<IpNet> = networks.filter(|network| concerns(vendors, *network)).collect();
        (!theirs.is_empty() && !known(interface, key)).then(|| {
            let networks = theirs.iter().take(4).map(ToString::to_string).collect::<Vec<_>>().join(", ");
            found(format!("WireGuard peer {key} of {interface} with {networks}"))
        })
    });
    peers.collect()
}

/// Lines such as `src 10.1.0.0/24 dst 10.0.0.0/24`, each followed by indented ones.
fn unknown_policies(plan: &NetworkPlan, vendors: &[IpNet], listed: &str) -> Vec<Bypass> {
    let mut bypasses = Vec::new();
    let mut source = None;
    for line in listed.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match *words {
            ["src", from, "dst", to, ..] if !line.starts_with(char::is_whitespace) => {
                source = from.parse::<IpNet>().ok().map(|from| (from, to.to_owned()));
            }
            ["dir", "in" | "fwd", ..] => {
                // One that is for everybody is none of a vendor's: a socket's own policy.
                let Some((from, to)) = source.take().filter(|(from, _)| from.prefix_len() > 0) else {
                    continue;
                };
                if concerns(vendors, from) && !is_known(plan, from) {
                    bypasses.push(found(format!("IPsec policy from {from} to {to}")));
                }
            }
            _ => {}
        }
    }
    bypasses.dedup();
    bypasses
}

fn routes_of(listed: &str) -> Vec<(String, IpNet)> {
    let routes: Vec<Value> = serde_json::from_str(listed).unwrap_or_default();
    let read = |route: &Value| {
        let network = route.get("dst")?.as_str()?;
        let network =
            network.parse().ok().or_else(|| network.parse::<std::net::IpAddr>().ok().map(IpNet::from))?;
        Some((route.get("dev")?.as_str()?.to_owned(), network))
    };
    routes.iter().filter_map(read).collect()
}

fn is_known(plan: &NetworkPlan, network: IpNet) -> bool {
    let mut networks = plan.tunnels.iter().flat_map(|tunnel| &tunnel.remote_networks);
    networks.any(|known| overlap(*known, network))
}

async fn is_tunnel(interface: &str) -> bool {
    // A name of the kernel's holds no slash; what is no name has no file.
    let path = Path::new("/sys/class/net").join(interface).join("type");
    let kind = tokio::fs::read_to_string(path).await.unwrap_or_default();
    kind.trim().parse().is_ok_and(|kind: u16| TUNNEL_TYPES.contains(&kind))
}

fn found(what: String) -> Bypass {
    bypass(
        "tunnel",
        what,
        "it reaches networks of a vendor, and no declared tunnel does: a severance doesn't close it",
        "declare it as a tunnel of the vendor's integration, or take it down",
    )
}

/// What a program prints; nothing where it isn't installed or fails.
async fn said(program: &str, arguments: &[&str]) -> String {
    match run(program, arguments, Vec::new(), WAIT).await {
        Ok(said) if said.succeeded => String::from_utf8_lossy(&said.output).into_owned(),
        Ok(_) | Err(_) => {
            tracing::debug!(program, "said nothing about tunnels");
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_and_policies_of_vendors_networks_are_told() {
        let vendors = ["10.101.0.0/16".parse().unwrap()];
        let plan = NetworkPlan::default();
        let dump = "wg0\tprivate\tpublic\t51820\toff\n\
                    wg0\tKEY=\t(none)\t192.0.2.1:51820\t10.101.7.0/24,10.9.0.0/16\t0\t0\t0\toff\n\
                    wg0\tOTHER=\t(none)\t(none)\t10.9.0.0/16\t0\t0\t0\toff\n";
        let found = unknown_peers(&plan, &vendors, dump);
        assert_eq!(
            found.iter().map(|of| &*of.what).collect::<Vec<_>>(),
            ["WireGuard peer KEY= of wg0 with 10.101.7.0/24"]
        );
        let policies = "src 10.101.0.0/24 dst 10.0.0.0/24 \n\tdir in priority 1 \n\ttmpl src 1.2.3.4 dst 5.6.7.8\n\
                        src 0.0.0.0/0 dst 0.0.0.0/0 \n\tdir in priority 0 \nsrc 10.9.0.0/24 dst 10.0.0.0/24 \n\tdir in\n";
        let found = unknown_policies(&plan, &vendors, policies);
        assert_eq!(
            found.iter().map(|of| &*of.what).collect::<Vec<_>>(),
            ["IPsec policy from 10.101.0.0/24 to 10.0.0.0/24"]
        );
    }
}
