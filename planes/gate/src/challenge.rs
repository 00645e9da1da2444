//! The question whether the caller still holds its key: 401 before anything is forwarded, in the form that its client can answer.
//!
//! A proof over the question's nonce, a full handshake after the question, or a token that was issued after it. What only
//! waits for an answer is never forwarded; many requests in flight are one question, with one nonce.

use std::rc::Rc;

use portcullis_domain::decision::DecisionId;
use portcullis_domain::reason::Reason;
use portcullis_policy::link::{FromGate, Page};
use portcullis_policy::risks::Found;
use portcullis_policy::snapshot::Client;
use portcullis_risk::{Action, Answered, Cause, Points};
use portcullis_tokens::thumbprint::Thumbprint;

use crate::assess::{Assessed, answers};
use crate::connection::{Connection, Greeting};
use crate::core::Core;
use crate::identify::{Caller, KnownToken};
use crate::outlet::CUT_GRACE_MS;
use crate::refusal::{Challenge, Refusal};
use crate::seen::Seen;

/// How a caller shows that it still holds what it is known by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form<'a> {
    /// By a proof over a nonce (RFC 9449), with this key.
    Nonce(&'a Thumbprint),
    /// By a full handshake with its certificate.
    Handshake,
    /// Nothing is bound: by another token (RFC 9470).
    Token,
}

impl<'a> Form<'a> {
    pub fn of(token: &'a KnownToken) -> Self {
        match &token.claims.confirmation {
            confirmation if confirmation.jkt.is_some() => {
                confirmation.jkt.as_ref().map_or(Self::Token, Self::Nonce)
            }
            confirmation if confirmation.x5t_s256.is_some() => Self::Handshake,
            _ => Self::Token,
        }
    }
}

/// Does what an assessment says; the request goes on, or is refused.
pub fn obey(
    core: &Core,
    connection: &Connection,
    id: DecisionId,
    caller: &Caller,
    client: &Client,
    assessed: Option<&Assessed>,
) -> Result<(), Refusal> {
    let (Some(assessed), Some(greeting)) = (assessed, connection.greeting()) else { return Ok(()) };
    let it = &assessed.assessment;
    if it.page {
        page(core, client, id, it.cause, it.score);
    }
    let refusal = match it.action {
        Action::Allow => return Ok(()),
        Action::Limit => {
            found(core, client, &caller.seen, Found::Narrowed);
            return Ok(());
        }
        Action::Challenge => {
            if assessed.asked_now {
                // Streams of this context end.
                client.risk.turn();
                core.wake_session(client.id, &caller.seen.session);
            }
            challenged(core, connection, greeting, caller, assessed)
        }
        Action::Deny => {
            found(core, client, &caller.seen, Found::Denied);
            Refusal::from(Reason::RiskDenied)
        }
        Action::Sever => sever(core, connection, id, caller, client, it.cause),
    };
    Err(Refusal { signals: assessed.signals(), ..refusal })
}

/// What this context has under way ends, or goes on with a tenth of the records.
pub fn found(core: &Core, client: &Client, seen: &Seen, found: Found) {
    client.risk.find(&seen.context, found, core.now_us());
    core.wake_session(client.id, &seen.session);
}

/// Tells people to look at a decision.
pub fn page(core: &Core, client: &Client, decision: DecisionId, cause: Cause, score: Points) {
    let page = Page { client: client.id, decision, cause, score, at_us: core.now_us() };
    // When control is behind, the record of the decision says it, too.
    let _ = core.shared.to_control.try_send(FromGate::Paged(page));
}

/// Closes this context of the client: the answer says so, and is the last on its connection.
fn sever(
    core: &Core,
    connection: &Connection,
    id: DecisionId,
    caller: &Caller,
    client: &Client,
    cause: Cause,
) -> Refusal {
    let reason = match cause {
        Cause::ChallengeFailed => Reason::ChallengeFailed,
        _ => Reason::RiskSevered,
    };
    client.risk.turn();
    core.cut_session(client.id, &caller.seen.session, id, reason, Some(connection.number));
    connection.cut_when_delivered(id, core.monotonic_ms() + CUT_GRACE_MS);
    Refusal::from(reason).and_close()
}

fn challenged(
    core: &Core,
    connection: &Connection,
    greeting: &Greeting,
    caller: &Caller,
    assessed: &Assessed,
) -> Refusal {
    let reason = match assessed.assessment.cause {
        Cause::NewContext => Reason::ChallengeNewContext,
        Cause::Listed => Reason::ChallengeListed,
        Cause::NotFresh => Reason::ChallengeFreshNonce,
        Cause::Score | Cause::KeyEvidence => Reason::ChallengeRisk,
        Cause::Rehearsal => Reason::ChallengeRehearsal,
        Cause::Nothing | Cause::Pending | Cause::ChallengeFailed => Reason::ChallengeOpen,
    };
    let refusal = Refusal::from(reason);
    match Form::of(&caller.token) {
        Form::Nonce(key) => {
            // On a critical route each request must have one of its own, which answers a question, too.
            let question_us = assessed.question_us.filter(|_| !assessed.before.stakes.critical);
            let purpose_us = question_us.unwrap_or_else(|| core.single_us());
            let nonce = core.shared.nonces.issue_for(key, greeting.place.hash, purpose_us);
            refusal.challenged(Challenge::Dpop { error: "use_dpop_nonce" }).with_nonce(nonce)
        }
        Form::Handshake => {
            // What comes next must come on another connection.
            connection.part(core.monotonic_ms());
            let detail = "open a new connection with a full TLS handshake, and send the request there";
            Refusal { detail: Some(detail.to_owned()), ..refusal }
                .challenged(Challenge::StepUp { max_age: false })
                .and_close()
        }
        Form::Token => {
            let detail = "get a new token by a new proof of who you are, and send the request with it";
            Refusal { detail: Some(detail.to_owned()), ..refusal }
                .challenged(Challenge::StepUp { max_age: true })
        }
    }
}

/// Whether a proof that does not hold was made over the nonce of the question that is open here: then nobody else can have
/// made it than whoever was asked.
pub fn is_wrong_answer(
    core: &Core,
    client: &Client,
    caller: &Caller,
    greeting: &Greeting,
    nonce: &str,
) -> bool {
    let Form::Nonce(key) = Form::of(&caller.token) else { return false };
    let good = core.shared.nonces.check_in(nonce, key, greeting.place.hash, core.now_seconds());
    let purpose_us = good.and_then(|good| good.purpose_us);
    let since_us = client.risk.look(|risk| risk.question_since(&caller.seen.context)).flatten();
    since_us.is_some_and(|since_us| answers(purpose_us, since_us))
}

/// The caller of such a proof.
pub fn wrong(caller: Caller) -> Rc<Caller> {
    let mut caller = caller;
    caller.proven.answer = Answered::Wrong;
    Rc::new(caller)
}
