//! Thirty days of larkhill's machine. They are made up, and learnt for real: each exchange goes through the gate's own
//! learner with a time of its own, and the gate takes over what was learnt.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use portcullis_api::apply::ManifestText;
use portcullis_domain::ids::ClientId;
use portcullis_domain::spec::Kind;
use portcullis_risk::{
    Action, After, Answered, Before, ClientRisk, IssuedIn, Known, Peers, Progress, Rules, Standing,
};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;

use super::cast::{self, Credential};
use super::dossiers;
use super::habit::{Ask, Habit};
use super::scenes::{BODY_BYTES_MAX, refusal};
use super::watch;
use crate::machine::{Machine, authorities};
use crate::up::Installation;

const MANIFESTS: &str = include_str!("../../../examples/demo-past.yaml");
const CHANGES: &str = include_str!("../../../examples/demo-past.changes.yaml");
const DAYS: i64 = 30;
const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;
/// How long an exchange takes, and a machine that answers a question.
const EXCHANGE_US: i64 = 30_000;
/// A machine that doesn't pass by then never will.
const TRIES_MAX: u32 = 3;

/// What came of it.
pub struct Past {
    pub key: Arc<SigningKey>,
    pub exchanges: u64,
    pub progress: Progress,
}

/// Declares larkhill, sees each of its machine's requests once, lets thirty days of them be learnt, and gives the gate
/// what was learnt, before the machine begins its work.
pub async fn live_through(installation: &Installation, service: SocketAddr) -> Result<Past> {
    let key = Arc::new(SigningKey::generate(Algorithm::EdDSA)?);
    declare(installation, service, &key).await?;
    let roots = authorities(&std::fs::read(&installation.endpoints.ca)?)?;
    let credential = Credential::Key(Arc::clone(&key));
    let machine = cast::machine(installation, cast::LARKHILL, credential, roots, cast::Seat::HOME)?;
    let shapes = seen_once(installation, &machine).await?;
    let state = installation.control.state();
    let client = state.resource(Kind::Client, cast::LARKHILL).context("larkhill's machine is declared")?;
    let now_us = installation.control.clock().now().as_microsecond();
    let (risk, exchanges, _) = learnt(&shapes, now_us)?;
    let progress = risk.progress();
    ensure!(progress.standing == Standing::Deny, "thirty days were not enough: {progress:?}");
    installation.take_over(ClientId(client.id), Box::new(risk));
    Ok(Past { key, exchanges, progress })
}

async fn declare(installation: &Installation, service: SocketAddr, key: &Arc<SigningKey>) -> Result<()> {
    let client = Credential::Key(Arc::clone(key)).manifest(cast::LARKHILL, "larkhill-benefits");
    let now = installation.control.clock().now();
    let text = dossiers::filled(MANIFESTS, now)?.replace("UPSTREAM", &format!("http://{service}"));
    installation.apply(vec![ManifestText { file: "examples/demo-past.yaml".to_owned(), text }]).await?;
    dossiers::record(installation, "larkhill", CHANGES, now).await?;
    installation.apply(vec![ManifestText { file: "machine".to_owned(), text: client }]).await?;
    Ok(())
}

/// An exchange as the gate saw it.
#[derive(Clone, Copy)]
struct Shape {
    before: Before,
    after: After,
}

/// Makes each kind of request through the gate: places, endpoints and sizes are what they will be.
async fn seen_once(installation: &Installation, machine: &Machine) -> Result<[Shape; Ask::KINDS]> {
    let asks = [Ask::Plans, Ask::Absences { records: 20 }, Ask::Employee { number: 1 }];
    let mut shapes = Vec::new();
    for ask in asks {
        let mut answer = machine.request(&ask.call()).await?;
        ensure!(answer.status().is_success(), "larkhill: {}", refusal(&mut answer).await);
        let id = answer.decision().context("an answer names its decision")?.parse()?;
        answer.body(BODY_BYTES_MAX).await?;
        let seen = watch::ended(&installation.control, id).await?;
        let outcome = seen.outcome.as_ref().and_then(|outcome| outcome.risk.as_ref());
        let (Some(risk), Some(outcome)) = (&seen.record.risk, outcome) else {
            bail!("a request of larkhill was not scored")
        };
        shapes.push(Shape { before: risk.before, after: outcome.after });
    }
    shapes.try_into().map_err(|_| anyhow::anyhow!("a kind of request is missing"))
}

/// Thirty days that end an hour ago; exchanges, and questions that the machine answered in them.
fn learnt(shapes: &[Shape; Ask::KINDS], now_us: i64) -> Result<(ClientRisk, u64, u64)> {
    let mut risk = ClientRisk::new();
    let mut habit = Habit::new(30);
    let (peers, rules) = (Peers::default(), Rules::default());
    let (mut exchanges, mut questions) = (0, 0);
    let mut at_us = now_us - DAYS * DAY_US;
    while at_us < now_us - 3_600 * SECOND_US {
        let step = habit.next();
        let Some(shape) = shapes.get(step.ask.kind()) else { bail!("a kind of request is missing") };
        let before = shape.at(at_us, step.ask, habit.sample());
        let mut assessed = risk.before(&before, &peers, &rules);
        let mut tries = 0;
        while assessed.action == Action::Challenge {
            ensure!(tries < TRIES_MAX, "larkhill's machine answers and is asked again: {:?}", assessed.cause);
            tries += 1;
            questions += 1;
            at_us += EXCHANGE_US;
            let answered = Before { at_us, answer: Answered::Valid, fresh_nonce: true, ..before };
            assessed = risk.before(&answered, &peers, &rules);
        }
        ensure!(
            assessed.action == Action::Allow,
            "larkhill's own work comes to {:?} after {exchanges} exchanges: {:?}",
            assessed.action,
            assessed.parts.as_slice()
        );
        at_us += EXCHANGE_US;
        risk.after(assessed.ticket, &shape.end(at_us, step.ask), &peers, &rules);
        exchanges += 1;
        at_us += micros(step.pause);
    }
    Ok((risk, exchanges, questions))
}

impl Shape {
    fn at(&self, at_us: i64, ask: Ask, sample: u16) -> Before {
        let object = match ask {
            Ask::Employee { number } => Known::Is(spread(number)),
            _ => self.before.object,
        };
        let mut identity = self.before.identity;
        // Tokens are renewed each quarter of an hour, and the key is as old as the contract.
        identity.token_age_seconds = Known::Is(at_us.div_euclid(SECOND_US).rem_euclid(900) as u32);
        identity.key_age_seconds = Known::Is(90 * 86_400);
        Before {
            at_us,
            sample,
            object,
            identity,
            issued_in: IssuedIn::SameContext,
            answer: Answered::No,
            fresh_nonce: self.before.stakes.critical,
            ..self.before
        }
    }

    /// Sizes go with the records.
    fn end(&self, at_us: i64, ask: Ask) -> After {
        let seen = self.after.records.value().unwrap_or(1).max(1);
        let response_bytes = self.after.response_bytes * ask.records() / seen;
        After { at_us, response_bytes, records: Known::Is(ask.records()), ..self.after }
    }
}

fn spread(number: u64) -> u32 {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

fn micros(pause: Duration) -> i64 {
    i64::try_from(pause.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use portcullis_risk::{
        Assessment, Binding, Context, Endpoint, Identity, Missing, Mode, Origin, Points, Stakes, Tls,
    };

    use super::*;

    const RULES: Rules = Rules { mode: Mode::Enforce, families: [Mode::Enforce; 6], sever_by_evidence: true };
    const NOW_US: i64 = 1_800_000_000 * SECOND_US;

    fn shapes() -> [Shape; Ask::KINDS] {
        let unknown = Known::NoData(Missing::NotAsked);
        let before = |endpoint: u32, money: u64, critical: bool| Before {
            at_us: NOW_US,
            sample: 0,
            context: Context { key: 1, ja4: Known::Is(2), network: 3, prefix: 4 },
            issued_in: IssuedIn::SameContext,
            endpoint: Endpoint(endpoint),
            request_bytes: 0,
            object: Known::NoData(Missing::NotAsked),
            identity: Identity {
                binding: Binding::Dpop,
                token_age_seconds: Known::Is(1),
                key_age_seconds: Known::Is(1),
                rotation_overdue: false,
            },
            origin: Origin::UNKNOWN,
            tls: Tls {
                listed: Known::NoData(Missing::NoDatabase),
                misfit: unknown,
                alpn_odd: unknown,
                sni_odd: unknown,
            },
            posture: Known::NoData(Missing::NotAsked),
            vendor: Known::NoData(Missing::NotAssessed),
            outside: None,
            stakes: Stakes { money, critical },
            fresh_nonce: false,
            answer: Answered::No,
        };
        let after = |bytes: u64, records: u64| After {
            at_us: NOW_US,
            status: 200,
            request_bytes: 0,
            response_bytes: bytes,
            records: Known::Is(records),
        };
        [
            Shape { before: before(11, 1_000, false), after: after(1_300, 20) },
            Shape { before: before(12, 1_000_000, true), after: after(1_350, 20) },
            Shape { before: before(13, 100_000, false), after: after(70, 1) },
        ]
    }

    /// A request; a question is answered, as whoever has the key can.
    fn ask(risk: &mut ClientRisk, before: Before) -> Assessment {
        let assessed = risk.before(&before, &Peers::default(), &RULES);
        if assessed.action != Action::Challenge {
            return assessed;
        }
        let at_us = before.at_us + 1_000;
        let answered = Before { at_us, answer: Answered::Valid, fresh_nonce: true, ..before };
        risk.before(&answered, &Peers::default(), &RULES)
    }

    #[test]
    fn thirty_days_tell_the_machine_from_a_thief_with_its_key() {
        let shapes = shapes();
        let (mut risk, exchanges, questions) = learnt(&shapes, NOW_US).unwrap();
        assert!(exchanges > 20_000 && questions >= 1, "{exchanges} {questions}");
        assert_eq!(risk.progress().standing, Standing::Deny);
        let mut habit = Habit::new(1);
        let (mut next_us, mut pending) = (NOW_US, Vec::new());
        let (mut narrowed, mut severed) = (None, None);
        for tick in 0..400_i64 {
            let at_us = NOW_US + tick * 25_000;
            if at_us >= next_us {
                let step = habit.next();
                let shape = &shapes[step.ask.kind()];
                let assessed = ask(&mut risk, shape.at(at_us, step.ask, 0));
                assert_eq!(assessed.action, Action::Allow, "{:?}", assessed.parts.as_slice());
                assert!(assessed.evidence[1] < Points::whole(25), "{:?}", assessed.evidence);
                risk.after(assessed.ticket, &shape.end(at_us + 20_000, step.ask), &Peers::default(), &RULES);
                next_us = at_us + micros(step.pause).min(450_000);
            }
            let theft = Ask::Absences { records: 300 };
            let shape = &shapes[theft.kind()];
            if tick % 16 == 4 && severed.is_none() {
                let context = Context { key: 1, ja4: Known::Is(2), network: 30, prefix: 40 };
                let before =
                    Before { context, issued_in: IssuedIn::OtherNetwork, ..shape.at(at_us, theft, 0) };
                let assessed = ask(&mut risk, before);
                assert!(assessed.probation);
                if assessed.action <= Action::Limit {
                    pending.push((at_us + 3_600_000, assessed.ticket));
                }
                if assessed.action == Action::Limit {
                    narrowed.get_or_insert(tick);
                }
            }
            while pending.first().is_some_and(|(ends_us, _)| *ends_us <= at_us) {
                let (_, ticket) = pending.remove(0);
                let ended = risk.after(ticket, &shape.end(at_us, theft), &Peers::default(), &RULES);
                if ended.sever {
                    severed.get_or_insert(tick);
                    pending.clear();
                }
            }
        }
        assert!(narrowed.unwrap() < severed.unwrap(), "{narrowed:?} {severed:?}");
    }
}
