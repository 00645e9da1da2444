//! Tunnels that the plan doesn't know, to networks of vendors: WireGuard's peers, policies of the kernel's IPsec, and
//! routes into tunnel interfaces.

use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use portcullis_network::order::Bypass;
use portcullis_network::plan::{Link, NetworkPlan};
use serde_json::Value;

use super::{bypass, concerns, interfaces};
use crate::program::run;
use crate::{ArmError, Inspection};

const WAIT: Duration = Duration::from_secs(5);
/// `ARPHRD_NONE`, `TUNNEL`, `TUNNEL6`, `SIT` and `IPGRE`: what tunnel interfaces are (`linux/if_arp.h`).
const TUNNEL_TYPES: [u16; 5] = [65_534, 768, 769, 776, 778];

pub(super) async fn unknown(plan: &NetworkPlan, vendors: &[IpNet]) -> Inspection {
    look(plan, vendors, "wg", "ip").await
}

async fn look(plan: &NetworkPlan, vendors: &[IpNet], wg: &str, ip: &str) -> Inspection {
    let mut seen = Inspection::default();
    match said(wg, &["show", "all", "dump"]).await {
        Ok(peers) => seen.found.extend(unknown_peers(plan, vendors, &peers)),
        // Without an interface that could be WireGuard's there is no peer either.
        Err(ArmError::Absent(_)) if !any_tunnel().await => {}
        Err(error) => seen.unseen.push(format!("peers of WireGuard: {error}")),
    }
    match said(ip, &["xfrm", "policy"]).await {
        Ok(policies) => seen.found.extend(unknown_policies(plan, vendors, &policies)),
        Err(error) => seen.unseen.push(format!("policies of IPsec: {error}")),
    }
    let routes = said(ip, &["-j", "route", "show", "table", "all"]).await;
    match routes.and_then(|routes| routes_of(&routes)) {
        Ok(routes) => {
            for (interface, network) in routes {
                if concerns(vendors, network) && !is_known(plan, network) && is_tunnel(&interface).await {
                    seen.found.push(found(format!("route to {network} into {interface}")));
                }
            }
        }
        Err(error) => seen.unseen.push(format!("routes into tunnels: {error}")),
    }
    seen
}

/// Lines of peers: interface, public key, preshared key, endpoint, allowed addresses, and counters.
fn unknown_peers(plan: &NetworkPlan, vendors: &[IpNet], dump: &str) -> Vec<Bypass> {
    let known = |interface: &str, key: &str, network: IpNet| {
        plan.tunnels.iter().filter(|tunnel| tunnel.standing.is_open()).any(|tunnel| {
            matches!(&tunnel.link, Link::Wireguard(of) if of.interface == interface
                && of.peer_public_key.as_deref() == Some(key))
                && tunnel.remote_networks.iter().any(|own| own.contains(&network))
        })
    };
    let peers = dump.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [interface, key, _, _, allowed, _, _, _, _] = *fields else { return None };
        let networks = allowed.split(',').filter_map(|network| network.parse().ok());
        let is_unknown = |of: &IpNet| concerns(vendors, *of) && !known(interface, key, *of);
        let theirs: Vec<IpNet> = networks.filter(is_unknown).collect();
        (!theirs.is_empty()).then(|| {
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

fn routes_of(listed: &str) -> Result<Vec<(String, IpNet)>, ArmError> {
    let failed =
        |error| ArmError::Failed { doing: "reading routes", why: format!("`ip` wrote no JSON: {error}") };
    // With no route at all, some versions write nothing.
    let listed = if listed.trim().is_empty() { "[]" } else { listed };
    let routes: Vec<Value> = serde_json::from_str(listed).map_err(failed)?;
    let read = |route: &Value| {
        let network = route.get("dst")?.as_str()?;
        let network =
            network.parse().ok().or_else(|| network.parse::<std::net::IpAddr>().ok().map(IpNet::from))?;
        Some((route.get("dev")?.as_str()?.to_owned(), network))
    };
    Ok(routes.iter().filter_map(read).collect())
}

/// Whether it is all of an open tunnel's: what is wider leads elsewhere, too, and a closed tunnel has nothing.
fn is_known(plan: &NetworkPlan, network: IpNet) -> bool {
    let open = plan.tunnels.iter().filter(|tunnel| tunnel.standing.is_open());
    open.flat_map(|tunnel| &tunnel.remote_networks).any(|known| known.contains(&network))
}

async fn any_tunnel() -> bool {
    for name in interfaces().await {
        if is_tunnel(&name).await {
            return true;
        }
    }
    false
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

/// What a program prints.
async fn said(program: &str, arguments: &[&str]) -> Result<String, ArmError> {
    let said = run(program, arguments, Vec::new(), WAIT, None).await?;
    if said.succeeded {
        return Ok(String::from_utf8_lossy(&said.output).into_owned());
    }
    let why = format!("`{program}`: {}", said.complaint);
    Err(ArmError::Failed { doing: "looking for tunnels", why })
}

#[cfg(test)]
mod tests {
    use portcullis_ids::ids::{IntegrationId, TunnelId, VendorId};
    use portcullis_network::plan::{ClosedBy, Owner, Standing, Tunnel, Wireguard};
    use uuid::Uuid;

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

    fn wireguard(interface: &str, key: &str, remote: &str, standing: Standing) -> Tunnel {
        let link = Wireguard {
            interface: interface.to_owned(),
            peer_public_key: Some(key.to_owned()),
            preshared_key: None,
            endpoint: None,
            keepalive_seconds: None,
            private_key: None,
            listen_port: None,
        };
        Tunnel {
            id: TunnelId(Uuid::from_u128(1)),
            name: "acme".to_owned(),
            owner: Owner {
                vendor: VendorId(Uuid::from_u128(1)),
                vendor_name: "acme".to_owned(),
                integration: IntegrationId(Uuid::from_u128(2)),
                integration_name: "orders".to_owned(),
            },
            link: Link::Wireguard(Box::new(link)),
            local_networks: Vec::new(),
            remote_networks: vec![remote.parse().unwrap()],
            standing,
        }
    }

    #[test]
    fn only_what_an_open_tunnel_has_all_of_is_known() {
        let closed = Standing::Closed { why: ClosedBy::Contract };
        let tunnels = vec![
            wireguard("wg0", "OPEN=", "10.101.0.0/24", Standing::Open),
            wireguard("wg0", "CLOSED=", "10.102.0.0/24", closed),
        ];
        let plan = NetworkPlan { tunnels, ..NetworkPlan::default() };
        let vendors = ["10.101.0.0/24".parse().unwrap(), "10.102.0.0/24".parse().unwrap()];
        for (network, known) in [
            ("10.101.0.0/24", true),
            ("10.101.0.128/25", true),
            ("10.101.0.0/16", false),
            ("10.0.0.0/8", false),
            ("10.102.0.0/24", false),
        ] {
            assert_eq!(is_known(&plan, network.parse().unwrap()), known, "{network}");
            let policy = format!("src {network} dst 10.0.0.0/24 \n\tdir in priority 1 \n");
            assert_eq!(unknown_policies(&plan, &vendors, &policy).is_empty(), known, "{network}");
        }
        for (key, allowed, known) in [
            ("OPEN=", "10.101.0.0/24", true),
            ("OPEN=", "10.101.0.0/24,10.102.0.0/24", false),
            ("CLOSED=", "10.102.0.0/24", false),
        ] {
            let dump = format!("wg0\t{key}\t(none)\t(none)\t{allowed}\t0\t0\t0\toff\n");
            assert_eq!(unknown_peers(&plan, &vendors, &dump).is_empty(), known, "{key} {allowed}");
        }
    }

    #[tokio::test]
    async fn a_tool_that_is_missing_or_fails_is_told_and_is_no_word_that_nothing_is_there() {
        let plan = NetworkPlan::default();
        // `false` fails whatever it is asked, and `echo` answers no routes.
        for (ip, wanted) in [("/nonexistent/ip", "is not installed"), ("false", "`false`")] {
            let seen = look(&plan, &[], "false", ip).await;
            assert_eq!((seen.found.len(), seen.unseen.len()), (0, 3), "{seen:?}");
            assert!(seen.unseen[1].contains(wanted) && seen.unseen[2].contains(wanted), "{seen:?}");
        }
        let seen = look(&plan, &[], "true", "echo").await;
        assert_eq!(seen.unseen.len(), 1, "{seen:?}");
        assert!(seen.unseen[0].contains("wrote no JSON"), "{seen:?}");
    }
}
