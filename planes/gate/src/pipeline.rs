//! The life of a request, from top to bottom. Each line may refuse, and names its reason.

use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderMap, Request, Response};
use jiff::Timestamp;
use portcullis_decision_log::AppendError;
use portcullis_domain::access::Access;
use portcullis_domain::decision::{DecisionDraft, DecisionId, Verdict};
use portcullis_domain::ids::VendorId;
use portcullis_domain::reason::Reason;
use portcullis_policy::access::{AccessFrom, Observed};
use portcullis_policy::ceilings::Whence;
use portcullis_policy::doors::Door;
use portcullis_policy::evaluate::{Permit, evaluate};
use portcullis_policy::link::FromGate;
use portcullis_policy::snapshot::{Found, Route};
use portcullis_policy::tunnels::Through;
use portcullis_risk::Origin;
use portcullis_wire::http_rules::HeadFault;

use crate::assess::{Assessed, assess};
use crate::body::GateBody;
use crate::challenge::obey;
use crate::connection::{Connection, Owner};
use crate::core::Core;
use crate::exchange::{Exchange, Terms, UnderRisk};
use crate::forward::{Wishes, forward};
use crate::grpc::{self, is_grpc};
use crate::identify::{Caller, identify};
use crate::limit::{self, Reservation};
use crate::read::{check_head, other_reading};
use crate::record::{decision, method_kept};
use crate::refusal::{BINDING, Challenge, DECISION, DPOP_NONCE, KEY_EXPIRES, Refusal, put};
use crate::relay::{is_reserved, relay};
use crate::shared::Ready;
use crate::vendor_body::VendorBody;

/// What was learnt on the way down, for the record of the decision.
#[derive(Default)]
struct Learnt {
    /// Version of the snapshot that decides; 0 without one.
    snapshot: u64,
    route: Option<Arc<Route>>,
    caller: Option<Rc<Caller>>,
    assessed: Option<Assessed>,
    /// What hard stops that are only observed would leave of its vendor's access.
    observed: Option<Observed>,
}

/// What becomes of a request that isn't refused.
enum Decided {
    /// It is for the authorization server.
    Relay(Arc<Ready>),
    Forward(Admitted),
}

/// A request that was allowed, and is recorded so.
struct Admitted {
    ready: Arc<Ready>,
    exchange: Rc<Exchange>,
    wishes: Wishes,
    reservation: Reservation,
}

/// Answers one request.
pub async fn handle(
    core: Rc<Core>,
    connection: Rc<Connection>,
    request: Request<VendorBody>,
) -> Response<GateBody> {
    let id = core.decision_id();
    connection.asked(core.monotonic_ms());
    match decide(&core, &connection, id, &request) {
        Ok(Decided::Forward(admitted)) => carry_out(admitted, request).await,
        Ok(Decided::Relay(ready)) => {
            let (method, grpc) = (request.method().clone(), is_grpc(request.headers()));
            let answer = relay(&core, &ready, &connection, id, request).await;
            answer.unwrap_or_else(|refusal| {
                let learnt = Learnt { snapshot: ready.snapshot.version, ..Learnt::default() };
                refuse(&core, &connection, id, &learnt, (method.as_str(), grpc), &refusal)
            })
        }
        Err(response) => response,
    }
}

/// Refuses what is not a request that can be read in one way only.
pub fn refuse_head(core: &Core, connection: &Connection, fault: HeadFault) -> Response<GateBody> {
    let reason = match fault.status() {
        414 | 431 => Reason::HeadTooLarge,
        _ => Reason::HeadAmbiguous,
    };
    let refusal = Refusal::with_detail(reason, fault.to_string()).and_close();
    if let Some(ready) = core.shared.ready.load_full() {
        connection.through(&ready.snapshot);
    }
    refuse(core, connection, core.decision_id(), &Learnt::default(), ("", false), &refusal)
}

/// Decides about a request in one step, and records what was decided.
fn decide(
    core: &Rc<Core>,
    connection: &Rc<Connection>,
    id: DecisionId,
    request: &Request<VendorBody>,
) -> Result<Decided, Response<GateBody>> {
    let mut learnt = Learnt::default();
    judge(core, connection, id, &mut learnt, request).map_err(|refusal| {
        let asked = (request.method().as_str(), is_grpc(request.headers()));
        refuse(core, connection, id, &learnt, asked, &refusal)
    })
}

fn judge(
    core: &Rc<Core>,
    connection: &Rc<Connection>,
    id: DecisionId,
    learnt: &mut Learnt,
    request: &Request<VendorBody>,
) -> Result<Decided, Refusal> {
    // One snapshot for the whole exchange; liveness is looked at apart, again and again.
    let ready = core.shared.ready.load_full().ok_or(Reason::NotReady)?;
    learnt.snapshot = ready.snapshot.version;
    // For whatever is recorded of it.
    connection.through(&ready.snapshot);
    check_head(request)?;
    if is_reserved(request.uri().path()) {
        return Ok(Decided::Relay(ready));
    }
    let route = find_route(&ready, request)?;
    learnt.route = Some(route.clone());
    let identified = identify(core, &ready, connection, &route, request);
    let (caller, failure) = identified_or_wrong(identified)?;
    learnt.caller = Some(Rc::clone(&caller));
    // Registered first, then judged: a severance sees the connection, or the judge sees the severance.
    let first = claim(&ready, connection, &caller)?;
    if first {
        tell_certificate(core, connection, &caller);
    }
    let permit =
        authorize(core, &ready, connection, &route, &caller, request.uri().path()).inspect_err(|_| {
            // Who was never let in has nothing to cut: a reset could outrun the answer that says why.
            if first {
                connection.disown();
            }
        })?;
    let now = permit.client().integration.access.at(core.now_us());
    learnt.observed = now.and_then(|from| from.observed);
    let wishes = Wishes::of(request, &route)?;
    learnt.assessed = assess(core, &ready, connection, id, &caller, &permit, request);
    obey(core, connection, id, &caller, permit.client(), learnt.assessed.as_ref())?;
    if let Some(failure) = failure {
        if first {
            connection.disown();
        }
        return Err(failure);
    }
    let narrowed = learnt.assessed.as_ref().is_some_and(Assessed::is_narrowed);
    let client = permit.client();
    let less = client.integration.access.at(core.now_us()).filter(|from| from.level > Access::Clear);
    let windows = client.windows(less.is_some(), &core.shared.meters);
    let windows = windows.narrowed(narrowed.then_some(&client.narrow));
    let granted = limit::take(core, &permit, &windows)?;
    let verdict = if narrowed || less.is_some() { Verdict::Limit } else { Verdict::Allow };
    let reason = less.map_or(Reason::Allowed, AccessFrom::recorded);
    let record = record_of(core, connection, id, learnt, request.method().as_str(), verdict, reason);
    // Recorded before the first byte goes upstream: what can't be recorded doesn't happen.
    if let Err(error) = core.recorder.borrow_mut().decided(&record) {
        unrecorded(&error);
        return Err(Reason::DecisionLogUnavailable.into());
    }
    let under_risk = learnt.assessed.as_ref().map(|assessed| UnderRisk::of(id, assessed, permit.client()));
    let terms = Terms { verdict, windows, risk: under_risk, place: granted.place };
    let exchange = Exchange::begin(core.clone(), connection.clone(), id, caller, permit, terms);
    Ok(Decided::Forward(Admitted { ready, exchange, wishes, reservation: granted.reservation }))
}

/// The caller; and why it is refused, if it has only answered a question wrongly.
fn identified_or_wrong(
    identified: Result<Caller, Refusal>,
) -> Result<(Rc<Caller>, Option<Refusal>), Refusal> {
    match identified {
        Ok(caller) => Ok((Rc::new(caller), None)),
        Err(mut refusal) => match refusal.culprit.take() {
            Some(caller) => Ok((caller, Some(refusal))),
            None => Err(refusal),
        },
    }
}

async fn carry_out(admitted: Admitted, request: Request<VendorBody>) -> Response<GateBody> {
    let Admitted { ready, exchange, wishes, reservation } = admitted;
    let mut response = match forward(&exchange, &ready, request, wishes, reservation).await {
        Ok(response) => response,
        Err(refusal) => return broken(&exchange, &refusal, wishes.grpc),
    };
    let (core, caller) = (&exchange.core, &exchange.caller);
    put(response.headers_mut(), DECISION, exchange.id_text());
    if let Some(nonce) = &caller.fresh_nonce {
        put(response.headers_mut(), DPOP_NONCE, nonce);
    }
    if caller.token.is_unbound() {
        // Nobody shall overlook that a stolen token would have done.
        put(response.headers_mut(), BINDING, "none");
    }
    limit::describe(core, &exchange.permit, exchange.windows(), response.headers_mut());
    if let Some(until_us) = caller.token.key.warning(core.now_us()) {
        warn_of_key(until_us, response.headers_mut());
    }
    response
}

/// Rounded down: the key is good until then, and no longer.
fn warn_of_key(until_us: i64, headers: &mut HeaderMap) {
    if let Ok(until) = Timestamp::from_second(until_us.div_euclid(1_000_000)) {
        put(headers, KEY_EXPIRES, &until.to_string());
    }
}

fn find_route(ready: &Ready, request: &Request<VendorBody>) -> Result<Arc<Route>, Refusal> {
    let (method, path) = (request.method().as_str(), request.uri().path());
    let route = match ready.snapshot.find(method, path) {
        Found::Route(route) => route,
        Found::OtherMethods(allow) => {
            return Err(Refusal { allow: Some(allow), ..Refusal::from(Reason::MethodNotAllowed) });
        }
        Found::Nothing => return Err(Reason::RouteUnknown.into()),
    };
    let other = other_reading(path).map(|reading| ready.snapshot.find(method, &reading));
    match other {
        None | Some(Found::Nothing) => Ok(route),
        Some(Found::Route(other)) if other.facts.id == route.facts.id => Ok(route),
        // Allowed as one route, and served by the upstream as another.
        Some(_) => {
            let what =
                "the path may be read as another route's: it is encoded, or has `;` or a slash at its end";
            Err(Refusal::with_detail(Reason::PathNotCanonical, what))
        }
    }
}

fn claim(ready: &Ready, connection: &Connection, caller: &Caller) -> Result<bool, Refusal> {
    let lineage = &caller.token.claims.lineage;
    if connection.is_claimed(lineage.client, &caller.token, &caller.seen.session) {
        return Ok(false);
    }
    let client = ready.snapshot.client(lineage.client).ok_or_else(|| {
        Refusal::from(Reason::ClientUnknown).challenged(Challenge::Bearer { error: "invalid_token" })
    })?;
    let owner = Owner {
        vendor: client.integration.vendor,
        integration: client.integration.id,
        client: client.id,
        lifeline: client.lifeline.clone(),
        keys: caller.token.closed_by(),
        sessions: caller.sessions().map(str::to_owned).collect(),
    };
    connection.claim(owner).map_err(|reason| Refusal::from(reason).and_close())
}

/// A severance of a client that is trusted through its authority refuses the certificates it came with.
fn tell_certificate(core: &Core, connection: &Connection, caller: &Caller) {
    let presented =
        connection.greeting().and_then(|greeting| greeting.certificate.as_ref().map(ToString::to_string));
    // Nor are the keys registered that a vendor's own issuer vouches for.
    let vouched = if caller.token.is_external() { caller.token.keys.as_slice() } else { &[] };
    let client = caller.token.claims.lineage.client;
    for thumbprint in presented.into_iter().chain(vouched.iter().cloned()) {
        // When control is behind, the next connection tells it again.
        let _ = core.shared.to_control.try_send(FromGate::CertificateSeen { client, thumbprint });
    }
}

fn authorize(
    core: &Core,
    ready: &Ready,
    connection: &Connection,
    route: &Arc<Route>,
    caller: &Caller,
    path: &str,
) -> Result<Permit, Refusal> {
    let facts = caller.facts();
    let now_us = core.now_us();
    let permit = evaluate(&ready.snapshot, &core.shared.liveness, &facts, route, path, now_us);
    let under_ceilings = permit.and_then(|permit| {
        check_tunnel(connection.through(&ready.snapshot), permit.client().integration.vendor)?;
        check_door(connection.door, permit.client().integration.door)?;
        let origin = connection.greeting().map_or(&Origin::UNKNOWN, |greeting| &greeting.place.origin);
        let ceilings = &permit.client().integration.ceilings;
        let tls13 = connection.greeting().is_some_and(|greeting| greeting.tls13);
        let whence = Whence { address: connection.peer().ip(), origin, tls13 };
        ceilings.check(route.facts.id, whence)?;
        Ok(permit)
    });
    under_ceilings.map_err(|reason| {
        let dpop = caller.token.is_dpop();
        let refusal = match reason {
            Reason::WrongDoor => wrong_door(ready, caller),
            _ => explained(ready, caller, reason, now_us),
        };
        match reason {
            Reason::ScopeInsufficient => {
                refusal.challenged(Challenge::Scope { dpop, scope: route.facts.scope.clone() })
            }
            _ if reason.status() == 401 => refusal.challenged(if dpop {
                Challenge::Dpop { error: "invalid_token" }
            } else {
                Challenge::Bearer { error: "invalid_token" }
            }),
            _ => refusal,
        }
    })
}

/// What comes out of a vendor's tunnel is that vendor's: who comes so with another's credentials has them from somebody else.
fn check_tunnel(through: Option<Through>, vendor: VendorId) -> Result<(), Reason> {
    match through {
        Some(through) if through.vendor != vendor => Err(Reason::TunnelForeign),
        _ => Ok(()),
    }
}

/// A door of an integration's own lets in its clients alone, and they come by no other.
fn check_door(by: Door, served_at: Door) -> Result<(), Reason> {
    if by == served_at { Ok(()) } else { Err(Reason::WrongDoor) }
}

/// Who is known may know its own door, and no other's.
fn wrong_door(ready: &Ready, caller: &Caller) -> Refusal {
    let client = ready.snapshot.client(caller.token.claims.lineage.client);
    let detail = match client.and_then(|client| client.integration.door) {
        Some(port) => format!("this integration is served at port {port} alone"),
        None => "this integration is served at the common port of the gate".to_owned(),
    };
    Refusal::with_detail(Reason::WrongDoor, detail)
}

/// Why the vendor has less than it was granted: what it may know goes into the answer, all of it into the record.
fn explained(ready: &Ready, caller: &Caller, reason: Reason, now_us: i64) -> Refusal {
    let client = ready.snapshot.client(caller.token.claims.lineage.client);
    let access = client.and_then(|client| client.lifeline.vendor.access(now_us));
    let Some(from) = access.filter(|from| from.level >= Access::Held && from.told() == reason) else {
        return reason.into();
    };
    let recorded = Some(from.recorded());
    Refusal { detail: from.detail, recorded, ..Refusal::from(reason) }
}

/// The exchange was allowed, recorded, and then could not be carried out.
fn broken(exchange: &Exchange, refusal: &Refusal, grpc: bool) -> Response<GateBody> {
    use portcullis_domain::decision::Ending;
    let ending = match (refusal.reason, refusal.reason.status()) {
        (Reason::DeadlinePassed, _) => Ending::Cut,
        (_, 502 | 504) => Ending::UpstreamFailed,
        _ => Ending::Cut,
    };
    exchange.end(ending, refusal.reason);
    let mut response = match refusal.reason {
        Reason::DeadlinePassed => grpc::deadline_passed(exchange.id),
        _ => refusal.response(exchange.id, exchange.connection.is_http2()),
    };
    if grpc {
        grpc::tell(refusal.reason, response.headers_mut());
    }
    exchange.answered(response.status().as_u16());
    response
}

fn refuse(
    core: &Core,
    connection: &Connection,
    id: DecisionId,
    learnt: &Learnt,
    (method, grpc): (&str, bool),
    refusal: &Refusal,
) -> Response<GateBody> {
    let reason = refusal.recorded.unwrap_or(refusal.reason);
    let record = record_of(core, connection, id, learnt, method, refusal.verdict(), reason);
    let mut response = write_refusal(core, &record, refusal, connection.is_http2());
    if grpc {
        grpc::tell(refusal.reason, response.headers_mut());
    }
    response
}

fn write_refusal(
    core: &Core,
    record: &DecisionDraft<'_>,
    refusal: &Refusal,
    http2: bool,
) -> Response<GateBody> {
    let id = record.id;
    let mut recorder = core.recorder.borrow_mut();
    if record.client.is_none() {
        recorder.stranger(record);
    } else if let Err(error) = recorder.decided(record) {
        unrecorded(&error);
        return Refusal::from(Reason::DecisionLogUnavailable).response(id, http2);
    }
    refusal.response(id, http2)
}

fn record_of<'a>(
    core: &'a Core,
    connection: &'a Connection,
    id: DecisionId,
    learnt: &'a Learnt,
    method: &'a str,
    verdict: Verdict,
    reason: Reason,
) -> DecisionDraft<'a> {
    let caller = learnt.caller.as_deref();
    let lineage = caller.map(|caller| &caller.token.claims.lineage);
    DecisionDraft {
        vendor: lineage.map(|lineage| lineage.vendor),
        integration: lineage.map(|lineage| lineage.integration),
        client: lineage.map(|lineage| lineage.client),
        route: learnt.route.as_ref().map(|route| route.facts.id),
        method: method_kept(method),
        path: learnt.route.as_ref().map_or("", |route| route.facts.path.as_str()),
        session: caller.map(|caller| &*caller.seen.session),
        client_key: caller.map(|caller| caller.token.client_key.as_str()),
        binding: caller.map(|caller| caller.token.binding()),
        scope: caller.map(|caller| caller.token.claims.scope.as_slice()).unwrap_or_default(),
        risk: learnt.assessed.as_ref().map(Assessed::draft),
        would_stop: learnt.observed.and_then(|observed| observed.would_stop().beyond(verdict)),
        ..decision(core, connection, id, learnt.snapshot, verdict, reason)
    }
}

/// A vendor whose share is spent is told so, and shown in the log's own figures: one line for each of
/// its requests would fill another log.
fn unrecorded(error: &AppendError) {
    if !matches!(error, AppendError::VendorShareSpent { .. }) {
        tracing::error!(%error, "a decision can't be recorded");
    }
}
