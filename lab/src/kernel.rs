//! What of a vendor is left on a host, as the kernel and the tunnels' programs say.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;

use crate::host::Host;
use crate::raw;

/// How long nobody may answer.
const KNOCK: Duration = Duration::from_millis(300);
/// The same for each port of a scan: the kernel answers for whoever listens, at once.
const SCANNED: Duration = Duration::from_millis(150);
/// As many descriptors as a process has at the least, less those that it needs itself.
const SCANNED_AT_ONCE: usize = 700;

/// Connections of TCP and UDP that have one of these addresses at their other end, as `ss` shows them; those that
/// only wait for their time to pass, and those that are forgotten already, aren't any.
#[must_use]
pub fn sockets_with(host: &Host, addresses: &[Ipv4Addr]) -> Vec<String> {
    let all = host.must("ss", &["-Htuna"]);
    let is_with = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let state = fields.get(1).copied().unwrap_or_default();
        let peer = fields.get(5).and_then(|peer| peer.rsplit_once(':')).map_or("", |(address, _)| address);
        let peer = peer.trim_start_matches("[::ffff:").trim_end_matches(']');
        let own = peer.parse::<Ipv4Addr>().is_ok_and(|peer| addresses.contains(&peer));
        own && !["TIME-WAIT", "CLOSED", "UNCONN"].contains(&state)
    };
    all.lines().filter(is_with).map(str::to_owned).collect()
}

/// Everything that stands in the sets of a table of nftables; none where there is no such table.
#[must_use]
pub fn elements(host: &Host, table: &str) -> Option<String> {
    let output = host.output("nft", &["-j", "list", "table", "inet", table]);
    let listed: Value = serde_json::from_slice(&output.stdout).ok()?;
    let sets = listed["nftables"].as_array()?.iter().filter_map(|item| item.get("set"));
    Some(sets.map(|set| set["elem"].to_string()).collect())
}

/// Every TCP port at which somebody accepts a connection from the vendor's host.
#[must_use]
pub fn open_ports(vendor: &Host, from: Ipv4Addr, target: IpAddr) -> Vec<u16> {
    vendor.wait_for(async move {
        let knock = |port| async move {
            let connected = tokio::time::timeout(SCANNED, raw::connect(from, SocketAddr::new(target, port)));
            matches!(connected.await, Ok(Ok(_))).then_some(port)
        };
        let knocks = futures_util::stream::iter((1..=u16::MAX).map(knock));
        let found: Vec<Option<u16>> = knocks.buffered(SCANNED_AT_ONCE).collect().await;
        found.into_iter().flatten().collect()
    })
}

/// Which of these addresses answer a connection from the vendor's host in any way.
#[must_use]
pub fn answering(vendor: &Host, from: Ipv4Addr, to: &[SocketAddr]) -> Vec<String> {
    let to = to.to_vec();
    vendor.wait_for(async move {
        let mut found = Vec::new();
        for address in to {
            match tokio::time::timeout(KNOCK, raw::connect(from, address)).await {
                Ok(Ok(_)) => found.push(format!("{address} accepts")),
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    found.push(format!("{address} refuses"));
                }
                // No way at all, or silence.
                Ok(Err(_)) | Err(_) => {}
            }
        }
        found
    })
}
