//! What must hold for issuers and trust domains: one reading of each token, and of one vendor only.

use std::collections::BTreeSet;

use super::{After, is_scope};
use crate::command::Fault;
use crate::spec::trust_domain::{is_trust_domain, is_workload};
use crate::spec::{ClaimMapping, Declaration, IssuerSpec, Kind, Spec, TrustDomainSpec};
use crate::state::State;
use crate::state::issuers::LIFETIME_SECONDS_MAX;
use crate::state::resources::fault;

/// Mappings of one issuer.
const CLIENTS_MAX: usize = 1_000;
const CLAIMS_MAX: usize = 8;
/// Audiences, types and scopes, each.
const WORDS_MAX: usize = 64;
const WORD_BYTES_MAX: usize = 1_024;

/// Gathers the faults of one declaration.
pub struct Faults<'a> {
    declaration: &'a Declaration,
    found: &'a mut Vec<Fault>,
}

impl<'a> Faults<'a> {
    pub fn of(declaration: &'a Declaration, found: &'a mut Vec<Fault>) -> Self {
        Self { declaration, found }
    }

    pub fn add(&mut self, pointer: &str, message: impl Into<String>, hint: Option<&str>) {
        self.found.push(fault(self.declaration, pointer, message.into(), hint));
    }
}

pub fn check_issuer(
    state: &State,
    after: &After<'_>,
    declaration: &Declaration,
    spec: &IssuerSpec,
    found: &mut Vec<Fault>,
) {
    let mut faults = Faults { declaration, found };
    let named = |other: &Spec| matches!(other, Spec::Issuer(other) if other.issuer == spec.issuer);
    check_name_of_issuer(state, spec, &mut faults);
    check_single(after, Kind::Issuer, "/spec/issuer", &named, &mut faults);
    match (&spec.jwks, &spec.jwks_uri) {
        (Some(_), Some(_)) => faults.add(
            "/spec/jwks_uri",
            "the keys are given twice",
            Some("keep `jwks_uri`, and they follow the issuer; `jwks` is for issuers that can't be reached"),
        ),
        (None, Some(uri)) => check_https(uri, "/spec/jwks_uri", &mut faults),
        _ => {}
    }
    if spec.algorithms.is_empty() {
        let hint = "name those that its keys are for, such as [RS256]; tokens of no other are looked at";
        faults.add("/spec/algorithms", "no algorithm is named", Some(hint));
    }
    if spec.token_types.is_empty() {
        faults.add("/spec/token_types", "no type is named", Some("write [at+jwt, JWT]"));
    }
    check_words(&spec.audiences, "/spec/audiences", &mut faults);
    check_words(&spec.token_types, "/spec/token_types", &mut faults);
    if spec.scopes.len() > WORDS_MAX {
        faults.add("/spec/scopes", format!("more than {WORDS_MAX} scopes are named"), None);
    }
    for (theirs, ours) in &spec.scopes {
        if theirs.is_empty() || !is_scope(ours) {
            faults.add("/spec/scopes", format!("`{ours}` is not a scope"), None);
        }
    }
    check_times([spec.lifetime_seconds_max, spec.refresh_seconds, spec.stale_seconds], &mut faults);
    check_clients(after, &spec.vendor, spec.clients.iter().map(|mapping| &*mapping.client), &mut faults);
    check_claims(&spec.clients, &mut faults);
}

pub fn check_trust_domain(
    after: &After<'_>,
    declaration: &Declaration,
    spec: &TrustDomainSpec,
    found: &mut Vec<Fault>,
) {
    let mut faults = Faults { declaration, found };
    let named =
        |other: &Spec| matches!(other, Spec::TrustDomain(other) if other.trust_domain == spec.trust_domain);
    check_single(after, Kind::TrustDomain, "/spec/trust_domain", &named, &mut faults);
    if !is_trust_domain(&spec.trust_domain) {
        faults.add(
            "/spec/trust_domain",
            format!("`{}` is not a trust domain", spec.trust_domain),
            Some("write its name alone, such as `prod.vendor.example`"),
        );
    }
    match (&spec.bundle, &spec.bundle_uri) {
        (None, None) => faults.add(
            "/spec",
            "the trust domain has no bundle",
            Some("say where it is published (`bundle_uri`), or write it down (`bundle`)"),
        ),
        (Some(_), Some(_)) => faults.add("/spec/bundle_uri", "the bundle is given twice", None),
        (None, Some(uri)) => check_https(uri, "/spec/bundle_uri", &mut faults),
        (Some(_), None) => {}
    }
    check_words(&spec.audiences, "/spec/audiences", &mut faults);
    check_times([spec.lifetime_seconds_max, spec.refresh_seconds, spec.stale_seconds], &mut faults);
    check_clients(after, &spec.vendor, spec.clients.iter().map(|mapping| &*mapping.client), &mut faults);
    let mut seen = BTreeSet::new();
    for (place, mapping) in spec.clients.iter().enumerate() {
        let pointer = format!("/spec/clients/{place}/spiffe_id");
        if !is_workload(&mapping.spiffe_id, &spec.trust_domain) {
            let message = format!("`{}` is not a workload of this trust domain", mapping.spiffe_id);
            let hint = format!("write `spiffe://{}/PATH`", spec.trust_domain);
            faults.add(&pointer, message, Some(&hint));
        } else if !seen.insert(&mapping.spiffe_id) {
            faults.add(&pointer, "the workload is another client's already", None);
        }
        for (at, scope) in mapping.scopes.iter().enumerate() {
            if !is_scope(scope) {
                let pointer = format!("/spec/clients/{place}/scopes/{at}");
                faults.add(&pointer, format!("`{scope}` is not a scope"), None);
            }
        }
    }
}

fn check_name_of_issuer(state: &State, spec: &IssuerSpec, faults: &mut Faults<'_>) {
    check_https(&spec.issuer, "/spec/issuer", faults);
    if spec.issuer.contains(['?', '#']) {
        faults.add("/spec/issuer", "an issuer has neither query nor fragment", None);
    }
    if state.installation.as_ref().is_some_and(|own| own.issuer == spec.issuer) {
        faults.add("/spec/issuer", "this is the gate's own issuer", Some("name the vendor's"));
    }
}

/// Two of one name, and nobody could say whose a token is.
fn check_single(
    after: &After<'_>,
    kind: Kind,
    pointer: &str,
    is_same: &dyn Fn(&Spec) -> bool,
    faults: &mut Faults<'_>,
) {
    let others = after.range((kind, "")..).take_while(|((found, _), _)| *found == kind);
    let name = &faults.declaration.name;
    let other = others.filter(|((_, other), _)| *other != name).find(|(_, spec)| is_same(spec));
    if let Some(((_, other), _)) = other {
        let message = format!("{kind} `{other}` is the same one");
        faults.add(pointer, message, Some("declare it once, for one vendor"));
    }
}

pub fn check_https(uri: &str, pointer: &str, faults: &mut Faults<'_>) {
    let host = uri.strip_prefix("https://").and_then(|rest| rest.split(['/', '?', '#']).next());
    let good = host.is_some_and(|host| !host.is_empty() && !host.contains('@'))
        && uri.len() <= WORD_BYTES_MAX
        && uri.bytes().all(|byte| byte.is_ascii_graphic());
    if !good {
        let uri: String = uri.chars().take(120).collect();
        faults.add(pointer, format!("`{uri}` is not an `https` address"), Some("write `https://HOST/PATH`"));
    }
}

fn check_words(words: &[String], pointer: &str, faults: &mut Faults<'_>) {
    if words.len() > WORDS_MAX {
        faults.add(pointer, format!("more than {WORDS_MAX} are named"), None);
    }
    for (place, word) in words.iter().enumerate() {
        if word.is_empty() || word.len() > WORD_BYTES_MAX {
            let message = format!("it must have 1 to {WORD_BYTES_MAX} characters");
            faults.add(&format!("{pointer}/{place}"), message, None);
        }
    }
}

fn check_times([lifetime, refresh, stale]: [u32; 3], faults: &mut Faults<'_>) {
    let ranges = [
        ("lifetime_seconds_max", lifetime, LIFETIME_SECONDS_MAX),
        ("refresh_seconds", refresh, 86_400),
        ("stale_seconds", stale, 604_800),
    ];
    for (field, seconds, seconds_max) in ranges {
        if !(60..=seconds_max).contains(&seconds) {
            faults.add(&format!("/spec/{field}"), format!("it must be 60 to {seconds_max}"), None);
        }
    }
    if refresh > stale {
        let message = "the keys would be stale before they are fetched again";
        faults.add("/spec/stale_seconds", message, Some("make it at least `refresh_seconds`"));
    }
}

/// Every mapped client is the vendor's own.
fn check_clients<'a>(
    after: &After<'_>,
    vendor: &str,
    clients: impl ExactSizeIterator<Item = &'a str>,
    faults: &mut Faults<'_>,
) {
    if clients.len() == 0 {
        faults.add("/spec/clients", "no client is mapped", None);
    }
    if clients.len() > CLIENTS_MAX {
        faults.add("/spec/clients", format!("more than {CLIENTS_MAX} clients are mapped"), None);
    }
    for (place, client) in clients.enumerate() {
        // One that isn't there was named as such already.
        if let Some(other) = vendor_of(after, client).filter(|other| *other != vendor) {
            faults.add(
                &format!("/spec/clients/{place}/client"),
                format!("client `{client}` is of vendor `{other}`"),
                Some("an issuer speaks for clients of its own vendor only"),
            );
        }
    }
}

fn vendor_of<'a>(after: &After<'a>, client: &str) -> Option<&'a str> {
    let Spec::Client(client) = after.get(&(Kind::Client, client))? else { return None };
    let integration = after.get(&(Kind::Integration, client.integration.as_str()))?;
    let Spec::Integration(integration) = integration else { return None };
    match after.get(&(Kind::Contract, integration.contract.as_str()))? {
        Spec::Contract(contract) => Some(&contract.vendor),
        _ => None,
    }
}

/// No token can be two clients': any two mappings differ in a claim that both name.
fn check_claims(mappings: &[ClaimMapping], faults: &mut Faults<'_>) {
    for (place, mapping) in mappings.iter().enumerate() {
        let pointer = format!("/spec/clients/{place}/claims");
        if mapping.claims.is_empty() || mapping.claims.len() > CLAIMS_MAX {
            let hint = "name a claim that only this client's tokens have, such as `azp`";
            faults.add(&pointer, format!("1 to {CLAIMS_MAX} claims must be named"), Some(hint));
            continue;
        }
        let too_long = |text: &String| text.is_empty() || text.len() > WORD_BYTES_MAX;
        if mapping.claims.iter().any(|(name, value)| too_long(name) || too_long(value)) {
            let message = format!("names and values must have 1 to {WORD_BYTES_MAX} characters");
            faults.add(&pointer, message, None);
        }
        let differs = |other: &ClaimMapping| {
            let claims = mapping.claims.iter();
            claims.clone().any(|(name, value)| other.claims.get(name).is_some_and(|found| found != value))
        };
        let twin = mappings.iter().take(place).position(|other| !differs(other));
        if let Some(twin) = twin {
            faults.add(
                &pointer,
                format!("a token could be that of mapping {twin} as well"),
                Some("name a claim in both, with different values"),
            );
        }
    }
}
