//! What on this host would let packets of vendors' networks pass by the gate, though no rule of ours says so.
//!
//! With segmentation on, a drop of ours is final whatever other tables accept or translate: what is left then is
//! what our chains never see. Without it, every listener and every forwarded packet is a way in.

use std::path::Path;

use ipnet::IpNet;
use portcullis_network::cut::overlap;
use portcullis_network::order::Bypass;
use portcullis_network::plan::NetworkPlan;

use crate::nftables::Nft;
use crate::sockets::{Listener, listeners};
use crate::{ArmError, Inspection};

mod rules;
mod tunnels;

/// Of each kind.
const LISTED_MAX: usize = 100;

pub(crate) async fn inspect(nft: &Nft, plan: &NetworkPlan) -> Result<Inspection, ArmError> {
    let vendors = vendors(plan);
    let mut bypasses = Vec::new();
    if !plan.segmented {
        bypasses.extend(bounded(open_listeners(&listeners().await?, plan)));
        bypasses.extend(forwarding().await);
    }
    bypasses.extend(bridging().await);
    bypasses.extend(bounded(rules::ways(&nft.ruleset().await?, plan.segmented, &vendors)));
    bypasses.extend(legacy().await);
    let tunnels = tunnels::unknown(plan, &vendors).await;
    bypasses.extend(bounded(tunnels.found));
    Ok(Inspection { found: bypasses, unseen: tunnels.unseen })
}

/// Networks that vendors' machines come from, merged.
fn vendors(plan: &NetworkPlan) -> Vec<IpNet> {
    let networks: Vec<IpNet> = plan.owned().flat_map(|(_, _, networks)| networks.iter().copied()).collect();
    IpNet::aggregate(&networks)
}

fn concerns(vendors: &[IpNet], network: IpNet) -> bool {
    vendors.iter().any(|vendor| overlap(*vendor, network))
}

fn bypass(kind: &str, what: String, why: &str, hint: &str) -> Bypass {
    Bypass { kind: kind.to_owned(), what, why: why.to_owned(), hint: hint.to_owned() }
}

fn bounded(mut bypasses: Vec<Bypass>) -> Vec<Bypass> {
    let more = bypasses.len().saturating_sub(LISTED_MAX);
    bypasses.truncate(LISTED_MAX);
    if let Some(last) = bypasses.last().filter(|_| more > 0) {
        let more = Bypass { what: format!("{more} more"), ..last.clone() };
        bypasses.push(more);
    }
    bypasses
}

fn open_listeners(listeners: &[Listener], plan: &NetworkPlan) -> Vec<Bypass> {
    let is_door = |of: &Listener| {
        let port = of.address.port();
        let is_own = plan.own_doors.iter().any(|own| own.port == port);
        of.tcp
            && plan.doors.iter().any(|door| {
                (door.port() == port || is_own)
                    && (door.ip() == of.address.ip() || door.ip().is_unspecified())
            })
    };
    let reachable =
        listeners.iter().filter(|of| !of.address.ip().to_canonical().is_loopback() && !is_door(of));
    reachable
        .map(|of| {
            bypass(
                "listener",
                format!("{} {}", if of.tcp { "tcp" } else { "udp" }, of.address),
                "vendors' networks reach it, since segmentation is off",
                "`portcullis network apply` lets them reach the gate's doors only",
            )
        })
        .collect()
}

async fn forwarding() -> Vec<Bypass> {
    let mut bypasses = Vec::new();
    for (path, family) in
        [("/proc/sys/net/ipv4/ip_forward", "IPv4"), ("/proc/sys/net/ipv6/conf/all/forwarding", "IPv6")]
    {
        if is_on(path).await {
            bypasses.push(bypass(
                "forwarding",
                format!("{family} packets are forwarded"),
                "vendors' networks reach others through this host, since segmentation is off",
                "`portcullis network apply`, or turn forwarding off with `sysctl` where nothing needs it",
            ));
        }
    }
    bypasses
}

/// What a bridge passes on, no chain of the families `ip`, `ip6` and `inet` sees.
async fn bridging() -> Vec<Bypass> {
    if is_on("/proc/sys/net/bridge/bridge-nf-call-iptables").await {
        return Vec::new();
    }
    let names = interfaces().await;
    let bridges =
        names.into_iter().filter(|name| Path::new("/sys/class/net").join(name).join("bridge").exists());
    bounded(
        bridges
            .map(|name| {
                bypass(
                    "forwarding",
                    format!("bridge {name}"),
                    "what passes between its ports is not looked at by the packet filter",
                    "keep vendors' links off bridges, or set `net.bridge.bridge-nf-call-iptables` to 1",
                )
            })
            .collect(),
    )
}

/// Rules of iptables' old kind, which nft doesn't list.
async fn legacy() -> Vec<Bypass> {
    let mut bypasses = Vec::new();
    for (path, program) in
        [("/proc/net/ip_tables_names", "iptables-legacy"), ("/proc/net/ip6_tables_names", "ip6tables-legacy")]
    {
        let tables = tokio::fs::read_to_string(path).await.unwrap_or_default();
        let tables: Vec<&str> = tables.split_whitespace().take(8).collect();
        if !tables.is_empty() {
            bypasses.push(bypass(
                "rule",
                format!("{program} has the tables {}", tables.join(", ")),
                "nft doesn't list its rules: they may translate addresses of vendors before ours see them",
                &format!("look with `{program}-save`, and move its rules to nft"),
            ));
        }
    }
    bypasses
}

async fn interfaces() -> Vec<String> {
    let mut names = Vec::new();
    if let Ok(mut folder) = tokio::fs::read_dir("/sys/class/net").await {
        while let Ok(Some(entry)) = folder.next_entry().await {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    names
}

async fn is_on(path: &str) -> bool {
    tokio::fs::read_to_string(path).await.is_ok_and(|text| text.trim() == "1")
}
