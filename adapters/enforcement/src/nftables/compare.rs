//! Whether the kernel has a table as it was written: its sets element by element, and its chains rule by rule, by
//! the comment and the verdict of each.

use std::collections::BTreeSet;

use portcullis_network::ruleset::{Chain, Set, Table, normal_key};
use serde_json::Value;

/// Names of elements that a difference lists.
const NAMED_MAX: usize = 5;

pub(super) fn has_table(listed: &[Value], name: &str) -> bool {
    listed.iter().filter_map(|object| object.get("table")).any(|table| named(table, "name", name))
}

/// What differs, in words.
pub(super) fn differences(table: &Table, listed: &[Value]) -> Vec<String> {
    if !has_table(listed, table.name) {
        return vec![format!("table `{}` is not there", table.name)];
    }
    let mut differences = Vec::new();
    let of = |kind: &'static str| {
        let objects = listed.iter().filter_map(move |object| object.get(kind));
        objects.filter(|object| named(object, "table", table.name))
    };
    let there: BTreeSet<&str> = of("counter").filter_map(|counter| counter.get("name")?.as_str()).collect();
    let wanted: BTreeSet<&str> = table.counters.iter().map(|counter| &*counter.name).collect();
    differences.extend(unlike(&format!("table `{}`: counter", table.name), &wanted, &there));
    for set in &table.sets {
        let kind = if set.map { "map" } else { "set" };
        match of(kind).find(|object| named(object, "name", set.name)) {
            Some(listed) => differences.extend(set_differences(set, listed)),
            None => differences.push(format!("{kind} `{}` is not there", set.name)),
        }
    }
    for chain in &table.chains {
        match of("chain").find(|object| named(object, "name", chain.name)) {
            Some(listed) => {
                let rules = of("rule").filter(|rule| named(rule, "chain", chain.name));
                differences.extend(chain_differences(chain, listed, rules));
            }
            None => differences.push(format!("chain `{}` is not there", chain.name)),
        }
    }
    let known: BTreeSet<&str> = table.chains.iter().map(|chain| chain.name).collect();
    let strange =
        of("chain").filter_map(|chain| chain.get("name")?.as_str()).filter(|name| !known.contains(name));
    differences.extend(strange.map(|name| format!("chain `{name}` of table `{}` is not ours", table.name)));
    differences
}

fn set_differences(set: &Set, listed: &Value) -> Vec<String> {
    let entry = |key: String, counter: &str| if set.map { format!("{key} : {counter}") } else { key };
    let wanted = set.elements.iter();
    let wanted: BTreeSet<String> =
        wanted.map(|of| entry(normal_key(&of.key), of.counter.as_deref().unwrap_or_default())).collect();
    let elements = listed.get("elem").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let there = elements.iter().filter_map(|element| match element {
        Value::Array(pair) => Some(entry(key(pair.first()?)?, pair.get(1)?.as_str()?)),
        element => key(element),
    });
    let there: BTreeSet<String> = there.collect();
    let (wanted, there) =
        (wanted.iter().map(String::as_str).collect(), there.iter().map(String::as_str).collect());
    unlike(&format!("set `{}`: element", set.name), &wanted, &there)
}

/// An element's key as it is written: see `libnftables-json(5)`.
fn key(element: &Value) -> Option<String> {
    match element {
        Value::String(text) => Some(normal_key(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(object) => {
            if let Some(inner) = object.get("elem") {
                return key(inner.get("val")?);
            }
            if let Some(prefix) = object.get("prefix") {
                let (address, length) = (prefix.get("addr")?.as_str()?, prefix.get("len")?.as_u64()?);
                return Some(normal_key(&format!("{address}/{length}")));
            }
            if let Some(Value::Array(ends)) = object.get("range") {
                return Some(normal_key(&format!("{}-{}", ends.first()?.as_str()?, ends.get(1)?.as_str()?)));
            }
            let parts = object.get("concat")?.as_array()?;
            Some(parts.iter().map(key).collect::<Option<Vec<_>>>()?.join(" . "))
        }
        _ => None,
    }
}

fn chain_differences<'a>(
    chain: &Chain,
    listed: &Value,
    rules: impl Iterator<Item = &'a Value>,
) -> Vec<String> {
    let mut differences = Vec::new();
    if let Some((hook, priority)) = chain.hook {
        let at = named(listed, "hook", hook)
            && listed.get("prio").and_then(Value::as_i64) == Some(i64::from(priority))
            && named(listed, "policy", "accept");
        if !at {
            differences.push(format!("chain `{}` is not hooked as it was written", chain.name));
        }
    }
    let wanted: Vec<(&str, Option<String>)> =
        chain.rules.iter().map(|rule| (rule.comment, rule.verdict().map(str::to_owned))).collect();
    let there: Vec<(&str, Option<String>)> = rules
        .map(|rule| (rule.get("comment").and_then(Value::as_str).unwrap_or_default(), verdict(rule)))
        .collect();
    if wanted != there {
        let first = wanted.iter().zip(&there).position(|(one, other)| one != other);
        let first = first.unwrap_or_else(|| wanted.len().min(there.len())).saturating_add(1);
        differences.push(format!(
            "chain `{}` has {} rules where {} were written; rule {first} is the first that differs",
            chain.name,
            there.len(),
            wanted.len()
        ));
    }
    differences
}

fn verdict(rule: &Value) -> Option<String> {
    let last = rule.get("expr")?.as_array()?.last()?.as_object()?;
    if let Some(goto) = last.get("goto") {
        return Some(format!("goto {}", goto.get("target")?.as_str()?));
    }
    ["accept", "drop"].into_iter().find(|verdict| last.contains_key(*verdict)).map(str::to_owned)
}

fn unlike(what: &str, wanted: &BTreeSet<&str>, there: &BTreeSet<&str>) -> Vec<String> {
    let missing = wanted.difference(there).map(|name| format!("{what} `{name}` is missing"));
    let strange = there.difference(wanted).map(|name| format!("{what} `{name}` is not in the plan"));
    let all: Vec<String> = missing.chain(strange).collect();
    let more = all.len().saturating_sub(NAMED_MAX);
    let more = (more > 0).then(|| format!("{what}: {more} more differ"));
    all.into_iter().take(NAMED_MAX).chain(more).collect()
}

fn named(object: &Value, field: &str, name: &str) -> bool {
    object.get(field).and_then(Value::as_str) == Some(name)
}
