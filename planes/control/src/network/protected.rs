//! What a severance must not drop, whoever declares a network around it: upstreams, this host, machines of other vendors.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use jiff::{SignedDuration, Timestamp};
use portcullis_domain::decision::{DecisionRecord, Verdict};
use portcullis_domain::ids::{IntegrationId, TunnelId, VendorId};
use portcullis_domain::spec::{Kind, Spec};
use portcullis_domain::state::State;
use portcullis_domain::target::Target;
use portcullis_network::cut::Protected;
use portcullis_network::order::TunnelMeasure;
use portcullis_network::plan::Owner;
use tokio::net::lookup_host;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::arms::Enforcer;
use crate::control::WeakControl;

/// How often is looked who comes from where.
const AGAIN: Duration = Duration::from_secs(30);
/// How long a machine that was seen counts.
const SEEN: SignedDuration = SignedDuration::from_hours(24);
/// Machines of vendors that are remembered; each network of a cut is compared with all of them.
const MACHINES_MAX: usize = 2_000;
/// Names of upstreams that are resolved each time.
const NAMES_MAX: usize = 256;
const RESOLVE_WAIT: Duration = Duration::from_secs(2);

/// What the process has seen: by it a plan is made, and no ledger knows it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Seen {
    /// Addresses of this host.
    own: BTreeSet<IpAddr>,
    /// What names of upstreams lead to.
    resolved: BTreeMap<String, BTreeSet<IpAddr>>,
    /// Whose machines come from where.
    machines: BTreeSet<(IpAddr, VendorId, IntegrationId)>,
}

/// All that is protected. What is severed protects nothing.
pub(crate) fn of(state: &State, seen: &Seen) -> Vec<Protected> {
    let alone = |address: IpAddr, what: String, owner| Protected { network: address.into(), what, owner };
    let mut found: Vec<Protected> =
        seen.own.iter().map(|own| alone(*own, "this host".to_owned(), None)).collect();
    for (name, host) in upstreams(state) {
        let literal = host.parse::<IpAddr>().ok();
        let resolved = seen.resolved.get(&host).into_iter().flatten().copied();
        let addresses = literal.into_iter().chain(resolved);
        found.extend(addresses.map(|of| alone(of.to_canonical(), format!("upstream/{name}"), None)));
    }
    let machines = seen.machines.iter().filter_map(|(address, vendor, integration)| {
        let targets = [Target::Vendor { id: *vendor }, Target::Integration { id: *integration }];
        if targets.iter().any(|target| state.severances_of(target).next().is_some()) {
            return None;
        }
        let (_, vendor_name, _) = state.by_id(vendor.0)?;
        let (_, integration_name, _) = state.by_id(integration.0)?;
        let owner = Owner {
            vendor: *vendor,
            vendor_name: vendor_name.to_owned(),
            integration: *integration,
            integration_name: integration_name.to_owned(),
        };
        Some(alone(*address, format!("a machine of integration/{integration_name}"), Some(owner)))
    });
    found.extend(machines);
    found.sort();
    found.dedup();
    found
}

/// Names of upstreams, with their hosts.
fn upstreams(state: &State) -> impl Iterator<Item = (&str, String)> {
    state.of_kind(Kind::Upstream).filter_map(|(name, upstream)| {
        let Spec::Upstream(spec) = &upstream.declaration.spec else { return None };
        let uri: Uri = spec.url.parse().ok()?;
        Some((name, uri.host()?.trim_matches(['[', ']']).to_owned()))
    })
}

/// Looks again and again, until control is gone.
pub(crate) async fn watch(control: WeakControl, enforcer: Arc<Enforcer>) {
    let mut again = interval(AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = Seen::default();
    let mut machines = Machines::default();
    loop {
        again.tick().await;
        let state = {
            let Some(control) = control.upgrade() else { return };
            let (state, now) = (control.state(), control.clock().now());
            machines.note(&control.network_measures().tunnels, &control.recent_decisions(), &state, now);
            machines.forget(now);
            state
        };
        seen.machines = machines.0.keys().copied().collect();
        seen.own = own_addresses().await;
        seen.resolved = resolve(&state, seen.resolved).await;
        enforcer.protect(&seen);
    }
}

/// When each was seen last.
#[derive(Default)]
struct Machines(BTreeMap<(IpAddr, VendorId, IntegrationId), Timestamp>);

impl Machines {
    /// Peers of tunnels, and whoever was let through lately. Through a tunnel a machine has an address of its network.
    fn note(
        &mut self,
        tunnels: &[TunnelMeasure],
        decisions: &[DecisionRecord],
        state: &State,
        now: Timestamp,
    ) {
        let owners: BTreeMap<TunnelId, _> = state
            .tunnel_standings()
            .map(|of| (of.id(), (VendorId(of.vendor.id), IntegrationId(of.integration.id))))
            .collect();
        for tunnel in tunnels.iter().filter(|tunnel| tunnel.up) {
            let peer = tunnel.peer.as_deref().and_then(address);
            if let (Some(peer), Some((vendor, integration))) = (peer, owners.get(&tunnel.tunnel)) {
                self.0.insert((peer, *vendor, *integration), now);
            }
        }
        let passed = decisions.iter().filter(|of| matches!(of.verdict, Verdict::Allow | Verdict::Limit));
        for decision in passed.filter(|of| of.tunnel.is_none()) {
            if let (Some(peer), Some(vendor), Some(integration)) =
                (address(&decision.peer), decision.vendor, decision.integration)
            {
                let last = self.0.entry((peer, vendor, integration)).or_insert(decision.time);
                *last = decision.time.max(*last);
            }
        }
    }

    fn forget(&mut self, now: Timestamp) {
        self.0.retain(|_, seen| now.duration_since(*seen) <= SEEN);
        if self.0.len() > MACHINES_MAX {
            let mut times: Vec<Timestamp> = self.0.values().copied().collect();
            times.sort_unstable_by(|one, other| other.cmp(one));
            let oldest = times.get(MACHINES_MAX - 1).copied();
            self.0.retain(|_, seen| oldest.is_none_or(|oldest| *seen >= oldest));
        }
    }
}

/// `192.0.2.1:443`, or without the port.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = text.parse::<SocketAddr>().map(|peer| peer.ip());
    with_port.or_else(|_| text.parse()).ok().map(|address| address.to_canonical())
}

/// Names that lead nowhere now lead where they did before.
async fn resolve(
    state: &State,
    mut before: BTreeMap<String, BTreeSet<IpAddr>>,
) -> BTreeMap<String, BTreeSet<IpAddr>> {
    let names: BTreeSet<String> = upstreams(state).map(|(_, host)| host).collect();
    let names = names.into_iter().filter(|host| host.parse::<IpAddr>().is_err()).take(NAMES_MAX);
    let looked = names.map(look_up);
    let looked = futures_util::future::join_all(looked).await;
    let kept = looked.into_iter().filter_map(|(host, found)| {
        let found = found.or_else(|| before.remove(&host))?;
        Some((host, found))
    });
    kept.collect()
}

async fn look_up(host: String) -> (String, Option<BTreeSet<IpAddr>>) {
    let found = timeout(RESOLVE_WAIT, lookup_host((host.as_str(), 0))).await;
    let found = found.ok().and_then(Result::ok).map(|found| found.map(|of| of.ip().to_canonical()).collect());
    (host, found)
}

/// Of every interface but loopback, as the kernel lists them; none where it doesn't.
async fn own_addresses() -> BTreeSet<IpAddr> {
    let four = tokio::fs::read_to_string("/proc/net/fib_trie").await.unwrap_or_default();
    let six = tokio::fs::read_to_string("/proc/net/if_inet6").await.unwrap_or_default();
    own_in(&four, &six)
}

fn own_in(fib_trie: &str, if_inet6: &str) -> BTreeSet<IpAddr> {
    let mut found = BTreeSet::new();
    let mut last = None;
    for line in fib_trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<IpAddr>().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(last);
        }
    }
    let six = if_inet6.lines().filter_map(|line| line.split_whitespace().next());
    let six = six.filter_map(|digits| u128::from_str_radix(digits, 16).ok());
    found.extend(six.map(|bits| IpAddr::from(Ipv6Addr::from(bits))));
    found.retain(|address: &IpAddr| !address.is_loopback());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lists_name_this_hosts_addresses() {
        let four = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     +-- 127.0.0.0/8 2 0 2\n        |-- 127.0.0.1\n           /32 host LOCAL\n     \
                    |-- 192.0.2.0\n        /24 link UNICAST\n     |-- 192.0.2.7\n        /32 host LOCAL\n     |-- 192.0.2.255\n        \
                    /32 link BROADCAST\n";
        let six = "00000000000000000000000000000001 01 80 10 80       lo\n20010db8000000000000000000000007 02 40 00 80     eth0\n";
        let found: Vec<_> = own_in(four, six).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.7", "2001:db8::7"]);
        assert!(own_in("", "").is_empty());
    }

    #[test]
    fn machines_are_forgotten_after_a_day_and_the_oldest_where_there_are_too_many() {
        let start: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        let at = |seconds: i64| start.checked_add(SignedDuration::from_secs(seconds)).unwrap();
        let id = uuid::Uuid::from_u128(1);
        let mut machines = Machines::default();
        for number in 0..i64::try_from(MACHINES_MAX).unwrap() + 10 {
            let peer = IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
            machines.0.insert((peer, VendorId(id), IntegrationId(id)), at(number));
        }
        machines.forget(at(5_000));
        assert_eq!(machines.0.len(), MACHINES_MAX);
        assert_eq!(machines.0.values().min(), Some(&at(10)));
        machines.forget(at(10 + 24 * 3_600 + 1));
        assert_eq!(machines.0.values().min(), Some(&at(11)));
        assert_eq!(address("[::ffff:192.0.2.1]:5"), Some(IpAddr::from([192, 0, 2, 1])));
    }
}
