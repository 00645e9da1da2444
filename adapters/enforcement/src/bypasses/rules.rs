//! Rules of others in nf_tables.

use ipnet::IpNet;
use portcullis_network::order::Bypass;
use portcullis_network::ruleset::{CLOSED, SEGMENTS};
use serde_json::Value;

use super::{bypass, concerns};

/// What comes before ours in the hook that packets arrive at.
const OURS: i64 = -450;

pub(super) fn ways(listed: &[Value], segmented: bool, vendors: &[IpNet]) -> Vec<Bypass> {
    let chains: Vec<Chain<'_>> =
        listed.iter().filter_map(|object| Chain::read(object.get("chain")?)).collect();
    let mut bypasses = Vec::new();
    for flowtable in listed.iter().filter_map(|object| object.get("flowtable")) {
        bypasses.push(bypass(
            "rule",
            format!("flowtable {} in table {}", text(flowtable, "name"), table(flowtable)),
            "connections that it takes over pass by every chain, a cut one's too",
            "take vendors' networks out of it, or remove it",
        ));
    }
    for rule in listed.iter().filter_map(|object| object.get("rule")) {
        if ours(rule) {
            continue;
        }
        let chain = chains.iter().find(|chain| chain.holds(rule));
        if let Some((why, hint)) = way(rule, chain, segmented)
            && may_match(rule, vendors)
        {
            let (chain, handle) =
                (text(rule, "chain"), rule.get("handle").and_then(Value::as_u64).unwrap_or(0));
            let what = format!("table {}, chain {chain}, rule {handle}", table(rule));
            bypasses.push(bypass("rule", what, why, hint));
        }
    }
    bypasses
}

fn way(rule: &Value, chain: Option<&Chain<'_>>, segmented: bool) -> Option<(&'static str, &'static str)> {
    let does = |statement: &str| {
        let statements = rule.get("expr").and_then(Value::as_array).into_iter().flatten();
        statements.filter_map(Value::as_object).any(|of| of.contains_key(statement))
    };
    if does("fwd") || does("dup") {
        let why = "it sends packets on, or a copy of them, before any chain of ours sees them";
        return Some((why, "take vendors' networks out of it"));
    }
    if rule.to_string().contains("\"saddr\"") && does("mangle") && chain.is_some_and(Chain::is_before_ours) {
        return Some(("it changes where packets seem to come from, before ours sees them", "remove it"));
    }
    if segmented {
        // A drop of ours is final, whatever others say.
        return None;
    }
    let apply = "`portcullis network apply` drops what it lets pass";
    if ["dnat", "redirect", "tproxy"].into_iter().any(does) {
        return Some(("it leads packets of vendors' networks elsewhere", apply));
    }
    let filters = chain.is_some_and(|chain| matches!(chain.hook, "input" | "forward"));
    (filters && does("accept") && names_sources(rule))
        .then_some(("it accepts packets of vendors' networks", apply))
}

/// Whether packets of vendors can match: a rule that names other sources alone can't.
fn may_match(rule: &Value, vendors: &[IpNet]) -> bool {
    let statements = rule.get("expr").and_then(Value::as_array).into_iter().flatten();
    let sources =
        statements.filter_map(|of| of.get("match")).filter(|of| is_source(of) && text(of, "op") == "==");
    let mut sources = sources.filter_map(|of| network(of.get("right")?));
    sources.all(|network| concerns(vendors, network))
}

fn names_sources(rule: &Value) -> bool {
    let statements = rule.get("expr").and_then(Value::as_array).into_iter().flatten();
    statements.filter_map(|of| of.get("match")).any(is_source)
}

fn is_source(of: &Value) -> bool {
    of.get("left")
        .and_then(|left| left.get("payload"))
        .is_some_and(|payload| text(payload, "field") == "saddr")
}

fn network(value: &Value) -> Option<IpNet> {
    if let Some(address) = value.as_str() {
        return address.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address));
    }
    let prefix = value.get("prefix")?;
    IpNet::new(text(prefix, "addr").parse().ok()?, u8::try_from(prefix.get("len")?.as_u64()?).ok()?).ok()
}

struct Chain<'a> {
    family: &'a str,
    table: &'a str,
    name: &'a str,
    hook: &'a str,
    priority: i64,
}

impl<'a> Chain<'a> {
    fn read(chain: &'a Value) -> Option<Self> {
        Some(Self {
            family: text(chain, "family"),
            table: text(chain, "table"),
            name: text(chain, "name"),
            hook: text(chain, "hook"),
            priority: chain.get("prio").and_then(Value::as_i64).unwrap_or(0),
        })
    }

    fn holds(&self, rule: &Value) -> bool {
        (self.family, self.table, self.name)
            == (text(rule, "family"), text(rule, "table"), text(rule, "chain"))
    }

    fn is_before_ours(&self) -> bool {
        self.hook == "ingress" || (self.hook == "prerouting" && self.priority <= OURS)
    }
}

fn ours(rule: &Value) -> bool {
    text(rule, "family") == "inet" && [SEGMENTS, CLOSED].contains(&text(rule, "table"))
}

fn table(object: &Value) -> String {
    format!("{} {}", text(object, "family"), text(object, "table"))
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(rules: &str) -> Vec<Value> {
        let chains = r#"
            {"chain": {"family": "ip", "table": "nat", "name": "PREROUTING", "hook": "prerouting", "prio": -100}},
            {"chain": {"family": "ip", "table": "raw", "name": "EARLY", "hook": "prerouting", "prio": -500}},
            {"chain": {"family": "inet", "table": "filter", "name": "input", "hook": "input", "prio": 0}},"#;
        serde_json::from_str(&format!("[{chains}{rules}]")).unwrap()
    }

    #[track_caller]
    fn check(rules: &str, segmented: bool, wanted: &[&str]) {
        let vendors = ["192.0.2.0/24".parse().unwrap()];
        let found = ways(&listed(rules), segmented, &vendors);
        let found: Vec<_> = found.iter().map(|of| format!("{}: {}", of.what, of.why)).collect();
        assert_eq!(found.len(), wanted.len(), "{found:?}");
        for (found, wanted) in found.iter().zip(wanted) {
            assert!(found.contains(wanted), "{found}");
        }
    }

    fn rule(family: &str, table: &str, chain: &str, expr: &str) -> String {
        format!(
            r#"{{"rule": {{"family": "{family}", "table": "{table}", "chain": "{chain}", "handle": 7, "expr": [{expr}]}}}}"#
        )
    }

    fn from(address: &str) -> String {
        format!(
            r#"{{"match": {{"op": "==", "left": {{"payload": {{"protocol": "ip", "field": "saddr"}}}}, "right": "{address}"}}}}"#
        )
    }

    #[test]
    fn what_leads_elsewhere_is_a_way_only_without_segments() {
        let dnat = rule("ip", "nat", "PREROUTING", r#"{"dnat": {"addr": "10.0.0.9"}}"#);
        check(&dnat, false, &["table ip nat, chain PREROUTING, rule 7: it leads"]);
        check(&dnat, true, &[]);
        let others = format!(r#"{}, {{"dnat": {{"addr": "10.0.0.9"}}}}"#, from("198.51.100.1"));
        check(&rule("ip", "nat", "PREROUTING", &others), false, &[]);
        let accept = format!(r#"{}, {{"accept": null}}"#, from("192.0.2.8"));
        check(&rule("inet", "filter", "input", &accept), false, &["accepts"]);
        check(&rule("inet", "filter", "input", r#"{"accept": null}"#), false, &[]);
    }

    #[test]
    fn what_ours_never_sees_is_a_way_at_any_time() {
        check(
            r#"{"flowtable": {"family": "ip", "table": "fast", "name": "ft"}}"#,
            true,
            &["flowtable ft in table ip fast"],
        );
        check(&rule("netdev", "x", "y", r#"{"fwd": {"dev": "eth1"}}"#), true, &["sends packets on"]);
        let mangle =
            r#"{"mangle": {"key": {"payload": {"protocol": "ip", "field": "saddr"}}, "value": "10.0.0.1"}}"#;
        check(&rule("ip", "raw", "EARLY", mangle), true, &["seem to come from"]);
        check(&rule("ip", "nat", "PREROUTING", mangle), true, &[]);
        check(&rule("inet", "portcullis", "entering", r#"{"dup": {"addr": "10.0.0.1"}}"#), true, &[]);
    }
}
