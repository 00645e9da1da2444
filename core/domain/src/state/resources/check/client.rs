//! What must hold for a client.

use jiff::Timestamp;

use super::{After, Keyless};
use crate::access::Access;
use crate::command::{Fault, Prepared};
use crate::ids::{ClientId, VendorId};
use crate::ja4_pattern::Ja4Pattern;
use crate::spec::{ClientSpec, Declaration, Kind, Spec};
use crate::state::resources::fault;
use crate::state::{Keyring, State};

/// Each request is compared with all of them.
const JA4_PATTERNS_MAX: usize = 16;

/// # Faults
/// Keys that are closed or were replaced may stand in a declaration where they stood before: they stay
/// what they are, and the rest of it holds.
pub fn check(
    state: &State,
    spec: &ClientSpec,
    prepared: &Prepared,
    keyless: Keyless,
    faults: &mut Vec<Fault>,
) {
    let declaration = &prepared.declaration;
    let known = state.resource(Kind::Client, &declaration.name);
    let self_kept =
        known.and_then(|known| state.keyring(ClientId(known.id))).is_some_and(Keyring::is_self_kept);
    if spec.authentication().is_empty() && keyless == Keyless::Refused && !self_kept {
        faults.push(fault(
            declaration,
            "/spec",
            "the client has no way to prove who it is".into(),
            Some("register public keys (`jwks`), a certificate (`certificates`) or a subject (`subject`), or map it from an Issuer or a TrustDomain; secrets and API keys are not accepted"),
        ));
    }
    if spec.certificates.len() > 2 {
        let message = "at most two certificates may be registered, while one replaces the other".into();
        faults.push(fault(declaration, "/spec/certificates/2", message, None));
    }
    if spec.tls.ja4.len() > JA4_PATTERNS_MAX {
        let message = format!("at most {JA4_PATTERNS_MAX} patterns may be declared");
        faults.push(fault(declaration, "/spec/tls/ja4", message, None));
    }
    for (place, pattern) in spec.tls.ja4.iter().enumerate() {
        if let Err(error) = pattern.parse::<Ja4Pattern>() {
            let text = error.to_string();
            let (message, hint) =
                text.split_once("\nhint: ").map_or((text.as_str(), None), |(m, h)| (m, Some(h)));
            faults.push(fault(declaration, &format!("/spec/tls/ja4/{place}"), message.to_owned(), hint));
        }
    }
    if let Some(subject) = &spec.subject {
        let forms = [&subject.dn, &subject.san_dns, &subject.san_uri, &subject.san_ip, &subject.san_email];
        if forms.into_iter().flatten().count() != 1 {
            faults.push(fault(
                declaration,
                "/spec/subject",
                "exactly one form of the subject must be given".into(),
                Some("set one of `dn`, `san_dns`, `san_uri`, `san_ip`, `san_email` (RFC 8705 §2.1.2)"),
            ));
        }
    }
    if let Some(Spec::Client(known)) =
        state.resource(Kind::Client, &declaration.name).map(|known| &known.declaration.spec)
        && known.integration != spec.integration
    {
        faults.push(fault(
            declaration,
            "/spec/integration",
            format!("a client can't go over from integration `{}` to another", known.integration),
            Some("enroll a new client"),
        ));
    }
    for key in &prepared.keys {
        let unchanged = known.is_some_and(|known| known.keys.contains(key));
        if let (false, Some(severance)) = (unchanged, state.refused_keys.get(&key.thumbprint)) {
            faults.push(fault(
                declaration,
                "/spec",
                format!("key `{}` was closed by severance {severance}", key.thumbprint),
                Some("register a new key; a severed one stays refused"),
            ));
        } else if !unchanged && state.spent_keys.contains_key(&key.thumbprint) {
            faults.push(fault(
                declaration,
                "/spec",
                format!("key `{}` was replaced, and never comes back", key.thumbprint),
                Some("take it out: `portcullis client keys NAME` shows the client's keys"),
            ));
        }
    }
}

/// A vendor that is held gets no new clients.
pub fn check_may_come(
    state: &State,
    after: &After<'_>,
    (declaration, spec): (&Declaration, &ClientSpec),
    now: Timestamp,
    faults: &mut Vec<Fault>,
) {
    if state.resource(Kind::Client, &declaration.name).is_some() {
        return;
    }
    let Some(Spec::Integration(integration)) = after.get(&(Kind::Integration, spec.integration.as_str()))
    else {
        return;
    };
    let Some(Spec::Contract(contract)) = after.get(&(Kind::Contract, integration.contract.as_str())) else {
        return;
    };
    let access = match state.resource(Kind::Vendor, &contract.vendor) {
        Some(vendor) => Some(state.access(VendorId(vendor.id), now)),
        None => {
            let policies = after.values().filter_map(|spec| match spec {
                Spec::Policy(policy) => Some(&**policy),
                _ => None,
            });
            state.newcomer_access(&contract.vendor, &policies.collect::<Vec<_>>())
        }
    };
    let Some(access) = access.filter(|access| access.level >= Access::Held) else { return };
    let (vendor, level, why) = (&contract.vendor, access.level.as_str(), access.why());
    let message = format!("vendor `{vendor}` is {level}, and gets no new clients: {why}");
    let hint = format!("`portcullis describe vendor {vendor}` says what it needs");
    faults.push(fault(declaration, "/spec/integration", message, Some(&hint)));
}
