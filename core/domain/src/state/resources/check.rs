//! What must hold before a batch of declarations is taken: every fault at once, each with its place.

mod ceilings;
mod client;
mod door;
mod exercise;
mod feed;
mod issuers;
mod paper;
mod policies;
mod together;
mod tunnel;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::{fault, references};
use crate::archive::DECISIONS_DAYS;
use crate::command::{Fault, Prepared};
use crate::spec::{
    ContractSpec, Declaration, Impact, IntegrationSpec, Kind, RouteSpec, ServiceLevels, Spec, UnboundTokens,
    UpstreamSpec, is_name, posture,
};
use crate::state::State;

/// The paths at the gate's address that are its own.
pub const RESERVED: [&str; 2] = ["/oauth/", "/.well-known/"];

const KEY_DAYS_MAX: u32 = 3_650;
/// From a moment in which the client can turn to its new key, to a week.
const KEY_OVERLAP_SECONDS: std::ops::RangeInclusive<u32> = 1..=604_800;

/// The registry as it would be.
type After<'a> = BTreeMap<(Kind, &'a str), &'a Spec>;

/// Whether a client may be declared without anything to prove itself by: only when it is enrolled by a
/// code does it get its key later, or when somebody else vouches for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keyless {
    Allowed,
    Refused,
}

pub fn faults(state: &State, resources: &[Prepared], keyless: Keyless, now: Timestamp) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut after: After<'_> = state
        .resources
        .iter()
        .map(|((kind, name), resource)| ((*kind, name.as_str()), &resource.declaration.spec))
        .collect();
    let mut seen = BTreeSet::new();
    for Prepared { declaration, .. } in resources {
        let key = (declaration.spec.kind(), declaration.name.as_str());
        if !seen.insert(key) {
            faults.push(fault(declaration, "/name", "it is declared twice".into(), None));
        }
        after.insert(key, &declaration.spec);
    }
    for prepared in resources {
        check_one(state, &after, prepared, (keyless, now), &mut faults);
    }
    together::check_keys(state, resources, &mut faults);
    together::check_paths(&after, resources, &mut faults);
    together::check_pages(&after, resources, &mut faults);
    door::check_together(&after, resources, &mut faults);
    policies::check_together(&after, resources, &mut faults);
    exercise::check_canary(&after, resources, &mut faults);
    faults
}

fn check_one(
    state: &State,
    after: &After<'_>,
    prepared: &Prepared,
    (keyless, now): (Keyless, Timestamp),
    faults: &mut Vec<Fault>,
) {
    let declaration = &prepared.declaration;
    if !is_name(&declaration.name) {
        faults.push(fault(
            declaration,
            "/name",
            format!("`{}` is not a name", declaration.name),
            Some(
                "use at most 63 lower-case letters, digits and hyphens, with a letter or digit at both ends",
            ),
        ));
    }
    for (kind, name, pointer) in references(&declaration.spec) {
        if !after.contains_key(&(kind, name.as_str())) {
            faults.push(fault(declaration, &pointer, format!("there is no {kind} `{name}`"), None));
        }
    }
    for pointer in inexact_numbers(declaration) {
        faults.push(fault(
            declaration,
            &pointer,
            "the number is too large to be kept exactly".into(),
            Some("use whole numbers of at most 9007199254740991 (2^53 - 1)"),
        ));
    }
    match &declaration.spec {
        Spec::Vendor(spec) => {
            if spec.legal_name.trim().is_empty() {
                faults.push(fault(declaration, "/spec/legal_name", "the legal name is empty".into(), None));
            }
            if let Some(days) = spec.decisions_days.filter(|days| !DECISIONS_DAYS.contains(days)) {
                let message = format!("decisions can't be kept for `{days}` days");
                faults.push(fault(declaration, "/spec/decisions_days", message, Some("use 1 to 36500 days")));
            }
            paper::check_vendor(declaration, spec, faults);
            exercise::check_vendor(state, declaration, spec, faults);
        }
        Spec::Contract(spec) => {
            check_contract(state, declaration, spec, faults);
            paper::check_contract(declaration, spec, faults);
        }
        Spec::Upstream(spec) => check_upstream(declaration, spec, faults),
        Spec::Route(spec) => check_route(declaration, spec, faults),
        Spec::Integration(spec) => check_integration(state, after, declaration, spec, faults),
        Spec::Client(spec) => {
            let mapped = after.values().any(|other| crate::state::issuers::maps(other, &declaration.name));
            let keyless = if mapped { Keyless::Allowed } else { keyless };
            client::check(state, spec, prepared, keyless, faults);
            client::check_may_come(state, after, (declaration, spec), now, faults);
        }
        Spec::Issuer(spec) => issuers::check_issuer(state, after, declaration, spec, faults),
        Spec::TrustDomain(spec) => issuers::check_trust_domain(after, declaration, spec, faults),
        Spec::Policy(spec) => policies::check(declaration, spec, faults),
        Spec::Feed(spec) => feed::check(after, declaration, spec, faults),
        Spec::Tunnel(spec) => tunnel::check(state, after, declaration, spec, faults),
        Spec::Exercise(spec) => exercise::check(after, declaration, spec, faults),
    }
}

/// The places of whole numbers that not every JSON reader keeps; the ledger's canonical form
/// (RFC 8785) has none for them.
fn inexact_numbers(declaration: &Declaration) -> Vec<String> {
    const INTEGER_MAX: u64 = (1 << 53) - 1;
    fn walk(value: &Value, pointer: &str, found: &mut Vec<String>) {
        match value {
            Value::Number(number) => {
                let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
                if magnitude.is_some_and(|magnitude| magnitude > INTEGER_MAX) {
                    found.push(pointer.to_owned());
                }
            }
            Value::Array(items) => {
                for (place, item) in items.iter().enumerate() {
                    walk(item, &format!("{pointer}/{place}"), found);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    walk(member, &format!("{pointer}/{name}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    if let Ok(value) = serde_json::to_value(declaration) {
        walk(&value, "", &mut found);
    }
    found
}

fn check_service_levels(declaration: &Declaration, levels: &ServiceLevels, faults: &mut Vec<Fault>) {
    let mut wrong = |name: &str, message: String, hint| {
        faults.push(fault(declaration, &format!("/spec/service_levels{name}"), message, Some(hint)));
    };
    if levels.availability_percent.is_none() && levels.latency_p99_ms.is_none() {
        let hint = "set `availability_percent`, `latency_p99_ms`, or both";
        wrong("", "the service levels promise nothing".into(), hint);
    }
    // At 100 there is no budget, and one failure would break the promise for good.
    if let Some(percent) = levels.availability_percent.filter(|percent| !(50.0..100.0).contains(percent)) {
        let message = format!("`{percent}` can't be promised");
        wrong(
            "/availability_percent",
            message,
            "promise at least 50 and less than 100 percent, such as 99.9",
        );
    }
    if let Some(limit) = levels.latency_p99_ms.filter(|limit| !(1..=3_600_000).contains(limit)) {
        wrong("/latency_p99_ms", format!("`{limit}` can't be promised"), "promise 1 to 3600000 milliseconds");
    }
    if !(1..=30).contains(&levels.window_days) {
        let message = format!("`{}` days can't be looked back", levels.window_days);
        wrong("/window_days", message, "count over 1 to 30 days");
    }
}

fn check_contract(state: &State, declaration: &Declaration, spec: &ContractSpec, faults: &mut Vec<Fault>) {
    match spec.term() {
        Err(error) => {
            let text = error.to_string();
            let (message, hint) =
                text.split_once("\nhint: ").map_or((text.as_str(), None), |(m, h)| (m, Some(h)));
            let pointer = if message.contains("time zone") { "/spec/time_zone" } else { "/spec/ends" };
            faults.push(fault(declaration, pointer, message.to_owned(), hint));
        }
        Ok((starts, ends)) if ends <= starts => {
            faults.push(fault(declaration, "/spec/ends", "the contract ends before it starts".into(), None));
        }
        Ok(_) => {}
    }
    if let Some(levels) = &spec.service_levels {
        check_service_levels(declaration, levels, faults);
    }
    if let Some(Spec::Contract(known)) =
        state.resource(Kind::Contract, &declaration.name).map(|known| &known.declaration.spec)
        && known.vendor != spec.vendor
    {
        faults.push(fault(
            declaration,
            "/spec/vendor",
            format!("a contract can't go over from vendor `{}` to another", known.vendor),
            Some("declare a new contract under another name"),
        ));
    }
}

fn check_upstream(declaration: &Declaration, spec: &UpstreamSpec, faults: &mut Vec<Fault>) {
    let authority = spec.url.strip_prefix("http://").or_else(|| spec.url.strip_prefix("https://"));
    let good = authority.is_some_and(|authority| {
        !authority.is_empty()
            && authority.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']' | b'_')
            })
    });
    if !good {
        faults.push(fault(
            declaration,
            "/spec/url",
            format!("`{}` is not an upstream's address", spec.url),
            Some("write `http://HOST:PORT` or `https://HOST:PORT`, without path, query or user"),
        ));
    }
    if spec.tls.is_some() && spec.url.starts_with("http://") {
        faults.push(fault(
            declaration,
            "/spec/tls",
            "`tls` is set for an address without TLS".into(),
            Some("write `https://` in `url`"),
        ));
    }
}

fn check_route(declaration: &Declaration, spec: &RouteSpec, faults: &mut Vec<Fault>) {
    if let Err(message) = crate::spec::route::check_template(&spec.path) {
        faults.push(fault(
            declaration,
            "/spec/path",
            message,
            Some("write a template such as `/parcels/{id}`"),
        ));
    }
    if RESERVED.iter().any(|reserved| format!("{}/", spec.path).starts_with(reserved)) {
        faults.push(fault(
            declaration,
            "/spec/path",
            format!("`{}` is reserved for the authorization server", spec.path),
            Some("choose a path outside `/oauth/` and `/.well-known/`"),
        ));
    }
    if spec.methods.is_empty() {
        faults.push(fault(declaration, "/spec/methods", "no method is named".into(), None));
    }
    for (place, method) in spec.methods.iter().enumerate() {
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        if !known.contains(&method.as_str()) {
            let message = format!("`{method}` is not a method that can be granted");
            let hint = format!("use one of {}", known.join(", "));
            faults.push(fault(declaration, &format!("/spec/methods/{place}"), message, Some(&hint)));
        }
    }
    if let Some(pointer) = &spec.records
        && !is_pointer(pointer)
    {
        let message = format!("`{pointer}` is not a JSON pointer");
        let hint = "write `/data` for the array in member `data` (RFC 6901)";
        faults.push(fault(declaration, "/spec/records", message, Some(hint)));
    }
    if spec.record_bytes == Some(0) {
        faults.push(fault(declaration, "/spec/record_bytes", "it must be 1 or more".into(), None));
    }
    if spec.websocket && !spec.methods.iter().any(|method| method == "GET") {
        let hint = "add `GET` to the methods: a WebSocket connection begins with it";
        let message = "WebSocket connections need the method `GET`";
        faults.push(fault(declaration, "/spec/websocket", message.into(), Some(hint)));
    }
    if spec.unbound == UnboundTokens::Allow && spec.impact != Impact::Low {
        let hint = "set `impact: low` if a stolen token would cost next to nothing, or leave `unbound` out";
        let message = "tokens that are bound to nothing are for routes of low impact only";
        faults.push(fault(declaration, "/spec/unbound", message.into(), Some(hint)));
    }
    if !is_scope(&spec.scope) {
        faults.push(fault(declaration, "/spec/scope", format!("`{}` is not a scope", spec.scope), None));
    }
    if spec.timeout_seconds == 0 || spec.timeout_seconds > 3_600 {
        faults.push(fault(declaration, "/spec/timeout_seconds", "it must be 1 to 3600".into(), None));
    }
}

fn check_integration(
    state: &State,
    after: &After<'_>,
    declaration: &Declaration,
    spec: &IntegrationSpec,
    faults: &mut Vec<Fault>,
) {
    if spec.token_seconds < 30 || spec.token_seconds > 600 {
        let message = "a token must live 30 to 600 seconds".into();
        faults.push(fault(declaration, "/spec/token_seconds", message, None));
    }
    for (place, scope) in spec.scopes.iter().enumerate() {
        if !is_scope(scope) {
            faults.push(fault(
                declaration,
                &format!("/spec/scopes/{place}"),
                format!("`{scope}` is not a scope"),
                None,
            ));
        }
    }
    for (place, route) in spec.routes.iter().enumerate() {
        if let Some(Spec::Route(route_spec)) = after.get(&(Kind::Route, route.as_str()))
            && !spec.scopes.contains(&route_spec.scope)
        {
            faults.push(fault(
                declaration,
                &format!("/spec/routes/{place}"),
                format!("route `{route}` needs scope `{}`, which is not granted", route_spec.scope),
                Some("add the scope to `scopes`, or take the route out"),
            ));
        }
    }
    let days = 1..=KEY_DAYS_MAX;
    if !days.contains(&spec.keys.age_days_max) {
        let message = format!("keys must live 1 to {KEY_DAYS_MAX} days");
        faults.push(fault(declaration, "/spec/keys/age_days_max", message, None));
    }
    if spec.keys.warn_days > KEY_DAYS_MAX {
        let message = format!("it must be at most {KEY_DAYS_MAX}");
        faults.push(fault(declaration, "/spec/keys/warn_days", message, None));
    }
    if !KEY_OVERLAP_SECONDS.contains(&spec.keys.overlap_seconds) {
        let (least, most) = (KEY_OVERLAP_SECONDS.start(), KEY_OVERLAP_SECONDS.end());
        let message = format!("a replaced key must stay good for {least} to {most} seconds");
        let hint = "an hour, `3600`, is enough for a client that turns to its new key by itself";
        faults.push(fault(declaration, "/spec/keys/overlap_seconds", message, Some(hint)));
    }
    for (place, message) in spec.posture.iter().flat_map(posture::faults) {
        let place = format!("/spec/posture/{place}");
        faults.push(fault(declaration, place.trim_end_matches('/'), message, None));
    }
    if let Some(exposed) = &spec.exposure {
        paper::check_exposure(declaration, exposed, faults);
    }
    for (name, text) in [("business_unit", &spec.business_unit), ("owner", &spec.owner)] {
        paper::check_text(declaration, name, text.as_deref(), faults);
    }
    ceilings::check(declaration, spec, faults);
    let limits = &spec.limits;
    let numbers = [
        ("requests/per_second", limits.requests.per_second),
        ("requests/burst", limits.requests.burst),
        ("bytes/per_second", limits.bytes.per_second),
        ("bytes/burst", limits.bytes.burst),
        ("concurrency", u64::from(limits.concurrency)),
        ("stream_seconds_max", u64::from(limits.stream_seconds_max)),
    ];
    for (place, number) in numbers {
        if number == 0 {
            faults.push(fault(
                declaration,
                &format!("/spec/limits/{place}"),
                "it must be at least 1".into(),
                None,
            ));
        }
    }
    let moved = |vendor: &str| match after.get(&(Kind::Contract, spec.contract.as_str())) {
        Some(Spec::Contract(contract)) => contract.vendor != vendor,
        _ => false,
    };
    if state.resource(Kind::Integration, &declaration.name).is_some()
        && let Some(vendor) = state.vendor_of_integration(&declaration.name)
        && moved(&vendor.declaration.name)
    {
        faults.push(fault(
            declaration,
            "/spec/contract",
            format!("an integration can't go over from vendor `{}` to another", vendor.declaration.name),
            Some("declare a new integration under another name"),
        ));
    }
}

/// RFC 6901 §3; at most 1,024 bytes, as the record counter takes it.
fn is_pointer(text: &str) -> bool {
    let mut escapes = text.split('~').skip(1);
    (text.is_empty() || text.starts_with('/'))
        && text.len() <= 1_024
        && escapes.all(|rest| rest.starts_with(['0', '1']))
}

/// RFC 6749 §3.3: visible ASCII without quote and backslash.
fn is_scope(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}
