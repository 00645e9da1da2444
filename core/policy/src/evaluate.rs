//! The hard rules: what a caller must hold for a request to pass. Authentication was before.

use std::sync::Arc;

use portcullis_domain::ids::{ClientId, IntegrationId, VendorId};
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::{Impact, UnboundTokens};

use crate::liveness::{KeyCell, Liveness};
use crate::snapshot::{Client, Route, Snapshot};

/// What was learnt about the caller from its token, and checked.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    pub vendor: VendorId,
    pub integration: IntegrationId,
    pub client: ClientId,
    pub issued: Issued,
    /// Whether whoever holds the token must prove a key or a certificate.
    pub bound: bool,
    /// Thumbprints of the registered key and of the keys that the token is bound to.
    pub keys: &'a [String],
    /// The term of the registered key.
    pub key: &'a KeyCell,
    /// `kid` of the issuer's key that signed the token; refused once that key is withdrawn.
    pub signed_by: &'a str,
    pub session: &'a str,
    /// The same context under its other name: by its /24 or /48, where the first is by its autonomous system.
    pub session_by_prefix: Option<&'a str>,
    pub token_id: &'a str,
    pub scope: &'a [String],
    pub audience: &'a [String],
}

/// From which time a token stems.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Issued {
    /// By ourselves, in these epochs of vendor, integration and client.
    In([u64; 3]),
    /// Elsewhere, where nobody knows of epochs: in this second of the Unix epoch at the earliest, by our clock.
    At(i64),
}

/// A pass for one exchange; only [`evaluate`] makes one.
#[derive(Clone, Debug)]
pub struct Permit {
    client: Arc<Client>,
    route: Arc<Route>,
}

impl Permit {
    #[must_use]
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    #[must_use]
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }
}

/// Judges one request for `route` at `path`, at `now_us` of wall time.
///
/// # Errors
/// The first rule that doesn't hold, severances first.
pub fn evaluate(
    snapshot: &Snapshot,
    liveness: &Liveness,
    facts: &Facts<'_>,
    route: &Arc<Route>,
    path: &str,
    now_us: i64,
) -> Result<Permit, Reason> {
    let client = snapshot.client(facts.client).ok_or(Reason::ClientUnknown)?;
    // A token names the lineage that it was issued under; a client never moves.
    if client.integration.id != facts.integration || client.integration.vendor != facts.vendor {
        return Err(Reason::ClientUnknown);
    }
    standing(client, liveness, facts, now_us)?;
    let origins = snapshot.origins_at(client.integration.door);
    if !facts.audience.iter().any(|audience| covers(audience, origins, path)) {
        return Err(Reason::TokenAudience);
    }
    if !client.integration.routes.contains(&route.facts.id) {
        return Err(Reason::RouteNotGranted);
    }
    // Both: the grant may have shrunk since the token was issued, and the token may carry less.
    if !client.integration.scopes.contains(&route.facts.scope) || !facts.scope.contains(&route.facts.scope) {
        return Err(Reason::ScopeInsufficient);
    }
    let open = route.facts.unbound == UnboundTokens::Allow && route.facts.impact == Impact::Low;
    if !facts.bound && !open {
        return Err(Reason::TokenUnbound);
    }
    Ok(Permit { client: Arc::clone(client), route: Arc::clone(route) })
}

/// Whether the caller may have anything at all: looked at again before forwarding.
///
/// # Errors
/// Why not.
pub fn standing(client: &Client, liveness: &Liveness, facts: &Facts<'_>, now_us: i64) -> Result<(), Reason> {
    client.lifeline.check(now_us)?;
    client.lifeline.check_open(now_us)?;
    let refused =
        not_refused(client, liveness, facts, now_us).and_then(|()| token_stands(client, liveness, facts));
    let Err(reason) = refused else { return Ok(()) };
    // A severance that came between the two looks is the first reason, not what follows from it.
    client.lifeline.check(now_us)?;
    Err(reason)
}

/// Whether what has begun may go on: looked at before each chunk that leaves. The token's own end, its
/// revocation and a sign-out end nothing that has begun.
///
/// # Errors
/// Why not.
pub fn may_go_on(client: &Client, liveness: &Liveness, facts: &Facts<'_>, now_us: i64) -> Result<(), Reason> {
    client.lifeline.check(now_us)?;
    let Err(reason) = not_refused(client, liveness, facts, now_us) else { return Ok(()) };
    client.lifeline.check(now_us)?;
    Err(reason)
}

fn not_refused(client: &Client, liveness: &Liveness, facts: &Facts<'_>, now_us: i64) -> Result<(), Reason> {
    if facts.keys.iter().any(|key| liveness.key_refused(key)) {
        return Err(Reason::KeySevered);
    }
    if liveness.session_refused(facts.session)
        || facts.session_by_prefix.is_some_and(|session| liveness.session_refused(session))
    {
        return Err(Reason::SessionSevered);
    }
    // The key that signed the token may be in other hands: whatever came under it ends.
    if liveness.key_refused(facts.signed_by) {
        return Err(Reason::TokenRevoked);
    }
    client.lifeline.check_key(facts.key, now_us)
}

fn token_stands(client: &Client, liveness: &Liveness, facts: &Facts<'_>) -> Result<(), Reason> {
    if liveness.token_revoked(facts.token_id) {
        return Err(Reason::TokenRevoked);
    }
    let line = &client.lifeline;
    let cells = [&line.vendor, &line.integration, &line.client];
    let current = match facts.issued {
        Issued::In(epochs) => epochs == cells.map(|cell| cell.epoch()),
        Issued::At(second) => cells.into_iter().all(|cell| second > cell.cut_off_seconds()),
    };
    if current { Ok(()) } else { Err(Reason::TokenSuperseded) }
}

/// Whether a token for `audience` (RFC 8707) opens `path` at one of our origins: an origin opens
/// all of it, a longer address what lies at or under its path.
fn covers(audience: &str, origins: &[String], path: &str) -> bool {
    origins.iter().any(|origin| {
        let Some(rest) = audience.strip_prefix(origin.as_str()) else { return false };
        let under = rest.trim_end_matches('/');
        under.is_empty()
            || (under.starts_with('/')
                && path.strip_prefix(under).is_some_and(|tail| tail.is_empty() || tail.starts_with('/')))
    })
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn an_audience_opens_what_lies_under_it() {
        let origins = ["https://gate.example:8443".to_owned()];
        let check = |audience: &str, path: &str, expect: bool| {
            assert_eq!(covers(audience, &origins, path), expect, "{audience} {path}");
        };
        check("https://gate.example:8443", "/parcels", true);
        check("https://gate.example:8443/", "/parcels", true);
        check("https://gate.example:8443/parcels", "/parcels", true);
        check("https://gate.example:8443/parcels", "/parcels/7", true);
        check("https://gate.example:8443/parcels", "/parcels-secret", false);
        check("https://gate.example:8443/parcels", "/customers", false);
        check("https://gate.example:84430", "/parcels", false);
        check("https://other.example", "/parcels", false);
    }
}
