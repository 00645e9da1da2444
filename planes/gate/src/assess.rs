//! How much a request is worth suspecting, before it is forwarded: its facts are put together, and the client's state judges.
//!
//! Nothing here allocates but for a path with `%` in it: what costs something was worked out with the connection, the token and
//! the route.

use std::borrow::Cow;

use http::Request;
use http::header::CONTENT_LENGTH;
use portcullis_domain::decision::DecisionId;
use portcullis_domain::spec::Impact;
use portcullis_policy::evaluate::Permit;
use portcullis_policy::policies::RiskRules;
use portcullis_policy::snapshot::Route;
use portcullis_risk::{
    Action, Answered, Assessment, Before, Endpoint, Known, Missing, Mode, RiskDraft, Rules, Stakes,
};

use crate::challenge::Form;
use crate::connection::{Connection, Greeting};
use crate::core::Core;
use crate::identify::{Caller, context};
use crate::shared::Ready;

/// A handshake, a nonce for one purpose, or a token where there is nothing better, that is no older counts as made for this
/// request.
pub const FRESH_US: i64 = 10_000_000;

/// What was judged, by what, and what came out.
pub struct Assessed {
    pub rules: Rules,
    pub before: Before,
    pub assessment: Assessment,
    /// When the question that is open in this context was asked.
    pub question_us: Option<i64>,
    /// By this very request.
    pub asked_now: bool,
}

impl Assessed {
    /// As the decision log keeps it.
    pub fn draft(&self) -> RiskDraft<'_> {
        let it = &self.assessment;
        RiskDraft {
            step: it.step,
            action: it.action,
            would: it.would,
            cause: it.cause,
            score: it.score,
            thresholds: it.thresholds,
            evidence: it.evidence,
            standing: it.standing,
            probation: it.probation,
            rules: self.rules,
            before: &self.before,
            parts: it.parts.as_slice(),
        }
    }

    /// Whether the context has a tenth of the client's records.
    pub fn is_narrowed(&self) -> bool {
        self.assessment.probation || self.assessment.action == Action::Limit
    }

    /// Public codes of what weighed most, the heaviest first.
    pub fn signals(&self) -> Vec<&'static str> {
        let mut parts: Vec<_> = self
            .assessment
            .parts
            .as_slice()
            .iter()
            .filter(|part| part.points > 0 && !part.observed_only && part.signal.is_public())
            .collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.points));
        let mut codes: Vec<&'static str> = Vec::new();
        for part in parts {
            if codes.len() < SIGNALS_TOLD && !codes.contains(&part.signal.code()) {
                codes.push(part.signal.code());
            }
        }
        codes
    }
}

/// Enough to look for the cause, and too few to learn the model from.
const SIGNALS_TOLD: usize = 3;

/// Judges a request whose caller is known and may have what it asks for; nothing where nothing is scored.
pub fn assess<B>(
    core: &Core,
    ready: &Ready,
    connection: &Connection,
    id: DecisionId,
    caller: &Caller,
    permit: &Permit,
    request: &Request<B>,
) -> Option<Assessed> {
    // What the step costs is looked at from outside.
    let _step = tracing::trace_span!("assess").entered();
    let greeting = connection.greeting()?;
    let client = permit.client();
    let RiskRules { rules, money } = ready.snapshot.rules(&client.integration, permit.route());
    if rules.mode == Mode::Off {
        return None;
    }
    let left = client.meter.records.left(core.monotonic_ms());
    let money = money.at_stake(permit.route().facts.page_max, left);
    let mut before = facts(core, (connection, greeting), id, caller, permit, request, money);
    let peers = client.peers.at(before.at_us);
    let (assessment, open_us, question_us) = client.risk.change(|risk| {
        let open_us = risk.question(&before.context);
        if before.answer == Answered::No {
            let since_us = risk.question_since(&before.context);
            before.answer = answered(caller, greeting, since_us, before.at_us);
        }
        let assessment = risk.before(&before, &peers, &rules);
        (assessment, open_us, risk.question(&before.context))
    });
    let asked_now = question_us.is_some() && question_us != open_us;
    Some(Assessed { rules, before, assessment, question_us, asked_now })
}

/// What this request is to the question that is open here since `since_us`, if one is.
fn answered(caller: &Caller, greeting: &Greeting, since_us: Option<i64>, now_us: i64) -> Answered {
    let full_us = greeting.full_handshake_us;
    match (Form::of(&caller.token), since_us) {
        (Form::Nonce(_), Some(since_us)) if answers(caller.proven.purpose_us, since_us) => Answered::Valid,
        (Form::Handshake, Some(since_us)) if full_us.is_some_and(|full_us| full_us > since_us) => {
            Answered::Valid
        }
        (Form::Handshake, None) if is_fresh(full_us, now_us) => Answered::Ahead,
        // To the second, as tokens say it.
        (Form::Token, Some(since_us)) if caller.token.claims.issued_at >= since_us.div_euclid(1_000_000) => {
            Answered::Valid
        }
        _ => Answered::No,
    }
}

/// Whether a nonce that was given in this very place for the purpose of `purpose_us` answers the question that is open since
/// `since_us`. One of the moment before does, too: requests in flight were asked together, and the answer of one may be
/// followed by a question before the others have given theirs.
pub fn answers(purpose_us: Option<i64>, since_us: i64) -> bool {
    purpose_us.is_some_and(|purpose_us| purpose_us >= since_us.saturating_sub(FRESH_US))
}

fn is_fresh(made_us: Option<i64>, now_us: i64) -> bool {
    made_us.is_some_and(|made_us| now_us.saturating_sub(made_us) <= FRESH_US)
}

/// The facts of a request: all that its client's state ever sees of it.
fn facts<B>(
    core: &Core,
    (connection, greeting): (&Connection, &Greeting),
    id: DecisionId,
    caller: &Caller,
    permit: &Permit,
    request: &Request<B>,
    money: u64,
) -> Before {
    let (token, route) = (&caller.token, permit.route());
    let now_us = core.now_us();
    let critical = route.facts.impact == Impact::Critical;
    Before {
        at_us: now_us,
        sample: sample_of(id),
        context: caller.seen.context,
        issued_in: caller.seen.issued_in,
        endpoint: endpoint(route, request.method().as_str()),
        request_bytes: content_length(request),
        object: object(route, request.uri().path()),
        identity: context::identity(caller, now_us),
        origin: greeting.place.origin,
        tls: context::tls(greeting, permit.client()),
        posture: context::posture(
            permit.client(),
            &token.key,
            connection.peer().ip(),
            now_us.div_euclid(1_000_000),
        ),
        vendor: permit.client().integration.vendor_risk,
        outside: Some(permit.client().integration.outside.read(now_us)),
        stakes: Stakes { money, critical },
        fresh_nonce: match Form::of(token) {
            Form::Nonce(_) if critical => caller.proven.is_single,
            Form::Nonce(_) => is_fresh(caller.proven.purpose_us, now_us),
            Form::Handshake => is_fresh(greeting.full_handshake_us, now_us),
            Form::Token => is_fresh(Some(token.claims.issued_at.saturating_mul(1_000_000)), now_us),
        },
        answer: caller.proven.answer,
    }
}

/// What counts up from request to request, spread.
fn sample_of(id: DecisionId) -> u16 {
    let tail = id.0.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    (mixed(tail) >> 48) as u16
}

fn content_length<B>(request: &Request<B>) -> u64 {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

fn endpoint(route: &Route, method: &str) -> Endpoint {
    Endpoint(folded(spread(route.seed, method.as_bytes())))
}

/// What the route's parameters name in this path: whole segments, where the template has a parameter in them.
fn object(route: &Route, path: &str) -> Known<u32> {
    let template = route.facts.path.as_str();
    if !template.contains('{') {
        return Known::NoData(Missing::NotAsked);
    }
    // What is encoded may be written in two ways; only then it is taken apart.
    let path = decoded(path);
    let mut segments = path.split('/');
    let mut hash = route.seed;
    for part in template.split('/') {
        let segment = segments.next().unwrap_or_default();
        if part.starts_with("{*") {
            hash = spread(hash, segment.as_bytes());
            for rest in segments.by_ref() {
                hash = spread(spread(hash, b"/"), rest.as_bytes());
            }
        } else if part.contains('{') {
            hash = spread(spread(hash, b"/"), segment.as_bytes());
        }
    }
    Known::Is(folded(hash))
}

fn decoded(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = |digit: &u8| char::from(*digit).to_digit(16);
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if hex(high).is_some() && hex(low).is_some() => {
                bytes.push((hex(high).unwrap_or(0) << 4 | hex(low).unwrap_or(0)) as u8);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// FNV-1a: short words of our own, and identifiers that are counted, not trusted.
fn spread(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn folded(hash: u64) -> u32 {
    (mixed(hash) >> 32) as u32
}

/// The end of `MurmurHash3`: each bit of the input changes half of the output's.
fn mixed(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}
