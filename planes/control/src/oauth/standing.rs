//! Whether a caller that has proved who it is may have anything now: nothing of it is severed, and
//! contract and grant are in force.

use std::num::NonZeroU16;

use jiff::Timestamp;
use portcullis_domain::access::{Access, AccessReason, VendorAccess};
use portcullis_domain::ids::VendorId;
use portcullis_domain::moment::{MomentError, zone};
use portcullis_domain::reason::Reason;
use portcullis_domain::state::Standing;
use portcullis_domain::target::Target;
use portcullis_tokens::access_token::Confirmation;
use portcullis_tokens::session::{context_of, network_of, session_id};
use portcullis_tokens::thumbprint::Thumbprint;

use super::Exchange;
use super::answer::Failure;
use super::authenticate::Caller;

/// What a caller in good standing has.
pub(super) struct Permit {
    /// The first second in which contract, grant or key is over.
    pub ends_at: i64,
    /// JA4 context key and network.
    pub context: String,
}

/// # Errors
/// Every reason that applies; the first one is described.
pub(super) fn check(
    exchange: &Exchange<'_>,
    caller: &Caller<'_>,
    confirmation: &Confirmation,
) -> Result<Permit, Box<Failure>> {
    judged(exchange, caller, confirmation, &over(exchange, caller))
}

/// The same for a caller whose key may have ended: it asks what became of it.
///
/// # Errors
/// As [`check`].
pub(super) fn check_open(
    exchange: &Exchange<'_>,
    caller: &Caller<'_>,
    confirmation: &Confirmation,
) -> Result<Permit, Box<Failure>> {
    judged(exchange, caller, confirmation, &[])
}

/// What comes out of a vendor's tunnel is that vendor's: with another's credentials somebody has them who shouldn't.
pub(super) fn comes_by_own(exchange: &Exchange<'_>, vendor: VendorId) -> bool {
    exchange.request.through.as_deref().is_none_or(|through| through.vendor == vendor)
}

/// An integration with a door of its own is served there alone, and nobody else is.
pub(super) fn comes_by_its_door(exchange: &Exchange<'_>, standing: &Standing<'_>) -> bool {
    exchange.request.door.map(NonZeroU16::get) == standing.integration_spec.door
}

/// Who is known may know its own door.
fn its_door(standing: &Standing<'_>) -> String {
    match standing.integration_spec.door {
        Some(port) => format!("connect to port {port}: this integration is served there alone"),
        None => "connect to the common port of the gate".to_owned(),
    }
}

/// The refusal of who comes by another door.
pub(super) fn wrong_door(standing: &Standing<'_>) -> Failure {
    refusal(vec![Reason::WrongDoor]).hint(its_door(standing))
}

fn over(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Vec<Reason> {
    if exchange.now < caller.term.until {
        return Vec::new();
    }
    vec![if caller.term.lapses { Reason::ClientKeyLapsed } else { Reason::ClientKeyEnded }]
}

fn judged(
    exchange: &Exchange<'_>,
    caller: &Caller<'_>,
    confirmation: &Confirmation,
    over: &[Reason],
) -> Result<Permit, Box<Failure>> {
    let Ok(address) = exchange.request.address.parse() else {
        tracing::error!(address = %exchange.request.address, "the gate relayed no address");
        return Err(Failure::server_error().into());
    };
    let ja4_context = exchange.request.ja4_context.as_deref();
    let prefix = network_of(address);
    // The gate may know the network better; what was severed by either name stays so.
    let network = exchange.request.network.clone().unwrap_or_else(|| prefix.clone());
    let standing = &caller.standing;
    let named = |network| session_id(standing.client_id(), &caller.key.to_string(), ja4_context, network);
    let mut reasons = severed(exchange, standing, [named(&network), named(&prefix)]);
    let access = exchange.state.access(standing.vendor_id(), exchange.now);
    reasons.extend(withheld(&access).map(|reason| reason.told().0));
    let keys = [Some(caller.key), confirmation.jkt, confirmation.x5t_s256];
    if !comes_by_own(exchange, standing.vendor_id()) {
        reasons.push(Reason::TunnelForeign);
    }
    if !comes_by_its_door(exchange, standing) {
        reasons.push(Reason::WrongDoor);
    }
    let refused = |key: Thumbprint| exchange.state.refused_keys.contains_key(&key.to_string());
    if keys.into_iter().flatten().any(refused) {
        reasons.push(Reason::KeySevered);
    }
    reasons.extend(over);
    // Fails closed: a term that can't be computed is none.
    let ends = match term(standing) {
        Ok(term) => {
            if exchange.now < term.starts || exchange.now >= term.contract_ends {
                reasons.push(Reason::ContractNotInForce);
            }
            if exchange.now >= term.grant_ends {
                reasons.push(Reason::GrantEnded);
            }
            term.contract_ends.min(term.grant_ends)
        }
        Err(_) => {
            reasons.push(Reason::ContractNotInForce);
            Timestamp::MIN
        }
    };
    if reasons.is_empty() {
        let ends = ends.min(caller.term.until);
        return Ok(Permit { ends_at: ends.as_second(), context: context_of(ja4_context, &network) });
    }
    reasons.dedup();
    let first = reasons.first().copied();
    let failure = refusal(reasons);
    if first == Some(Reason::WrongDoor) {
        return Err(Box::new(failure.hint(its_door(standing))));
    }
    // Where nothing is severed, what the vendor lacks is told in words.
    let mut withheld = withheld(&access);
    let lack = withheld.find(|reason| Some(reason.told().0) == first);
    let Some(lack) = lack else { return Err(Box::new(failure)) };
    let failure = failure.recorded(lack.stop());
    Err(Box::new(match lack.told().1 {
        Some(sentence) => failure.hint(sentence),
        None => failure,
    }))
}

/// The refusal of a client that is known, for these reasons.
pub(super) fn refusal(reasons: Vec<Reason>) -> Failure {
    let first = reasons.first().copied().unwrap_or(Reason::ClientUnknown);
    // A closed key proves nobody any more; all else is about what the client may have.
    let failure = match first {
        Reason::KeySevered | Reason::ClientKeyEnded | Reason::ClientKeyLapsed => {
            Failure::invalid_client(first.title())
        }
        _ => Failure::bad_request("unauthorized_client", first.title()),
    };
    failure.hint(first.how()).reasons(reasons)
}

/// The refusal of a client whose vendor has less than a token needs: stops that it may know of with their sentences.
pub(super) fn less(access: &VendorAccess) -> Failure {
    let reasons: Vec<&AccessReason> = withheld(access).collect();
    let told: Vec<Reason> = reasons.iter().map(|reason| reason.told().0).collect();
    let detail = reasons.iter().find_map(|reason| reason.told().1);
    let recorded = reasons.first().map(|reason| reason.stop().unwrap_or_else(|| reason.told().0));
    let failure = refusal(told).recorded(recorded);
    match detail {
        Some(detail) => failure.hint(detail),
        None => failure,
    }
}

fn withheld(access: &VendorAccess) -> impl Iterator<Item = &AccessReason> {
    access.reasons.iter().filter(|reason| reason.level >= Access::Held)
}

fn severed(exchange: &Exchange<'_>, standing: &Standing<'_>, sessions: [String; 2]) -> Vec<Reason> {
    let client = standing.client_id();
    let targets = [
        (Target::Vendor { id: standing.vendor_id() }, Reason::VendorSevered),
        (Target::Integration { id: standing.integration_id() }, Reason::IntegrationSevered),
        (Target::Client { id: client }, Reason::ClientSevered),
    ];
    let sessions = sessions.map(|session| (Target::Session { client, session }, Reason::SessionSevered));
    let mut reasons: Vec<Reason> = targets
        .into_iter()
        .chain(sessions)
        .filter(|(target, _)| exchange.state.severances_of(target).next().is_some())
        .map(|(_, reason)| reason)
        .collect();
    reasons.dedup();
    reasons
}

struct Term {
    starts: Timestamp,
    contract_ends: Timestamp,
    grant_ends: Timestamp,
}

fn term(standing: &Standing<'_>) -> Result<Term, MomentError> {
    let (starts, contract_ends) = standing.contract_spec.term()?;
    let grant_ends = match standing.integration_spec.ends {
        Some(ends) => ends.end_in(&zone(&standing.contract_spec.time_zone)?)?,
        None => contract_ends,
    };
    Ok(Term { starts, contract_ends, grant_ends })
}
