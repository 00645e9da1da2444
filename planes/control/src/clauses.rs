//! Refusals by clauses of contracts, as gates tell of them: kept in memory, with a limit.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use portcullis_domain::decision::{DECISION_KIND, DecisionGlance, DecisionId, Verdict};
use portcullis_domain::ids::IntegrationId;
use portcullis_domain::reason::Reason;
use portcullis_domain::state::State;
use portcullis_policy::link::LogBatch;

/// Integrations and clauses that are told apart; those that came last stay.
const BREACHES_MAX: usize = 1_000;
/// What a request is refused for that breaks a clause.
const REASONS: [Reason; 2] = [Reason::ClauseTls, Reason::ClauseCountry];

/// What was refused of an integration by one clause.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Breach {
    pub integration: IntegrationId,
    pub reason: Reason,
    pub count: u64,
    pub first: Timestamp,
    pub last: Timestamp,
    /// The last one.
    pub decision: DecisionId,
}

#[derive(Default)]
pub(crate) struct ClausesSeen(Mutex<HashMap<(IntegrationId, Reason), Breach>>);

impl ClausesSeen {
    /// Counts what was refused by a clause; a batch without refusals isn't looked at.
    pub fn count(&self, batch: &LogBatch) {
        if !batch.by_verdict().any(|(verdict, count)| verdict == Verdict::Deny && count > 0) {
            return;
        }
        for entry in batch.entries().filter(|entry| entry.kind == DECISION_KIND) {
            let Ok(glance) = DecisionGlance::from_bytes(entry.payload) else { continue };
            if let Some(integration) = glance.integration.filter(|_| REASONS.contains(&glance.reason)) {
                self.refused(integration, &glance);
            }
        }
    }

    fn refused(&self, integration: IntegrationId, glance: &DecisionGlance<'_>) {
        let mut seen = self.seen();
        let key = (integration, glance.reason);
        if seen.len() >= BREACHES_MAX && !seen.contains_key(&key) {
            let oldest = seen.iter().min_by_key(|(_, breach)| breach.last).map(|(key, _)| *key);
            oldest.map(|oldest| seen.remove(&oldest));
        }
        let breach = seen.entry(key).or_insert_with(|| Breach {
            integration,
            reason: glance.reason,
            count: 0,
            first: glance.time,
            last: glance.time,
            decision: glance.id,
        });
        breach.count += 1;
        breach.first = breach.first.min(glance.time);
        if breach.last <= glance.time {
            (breach.last, breach.decision) = (glance.time, glance.id);
        }
    }

    /// For the findings. What is about integrations that are gone goes with them.
    pub fn told(&self, state: &State) -> Vec<Breach> {
        let mut seen = self.seen();
        seen.retain(|(integration, _), _| state.by_id(integration.0).is_some());
        let mut told: Vec<Breach> = seen.values().cloned().collect();
        told.sort_by_key(|breach| (breach.integration, breach.reason as u32));
        told
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<(IntegrationId, Reason), Breach>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use portcullis_domain::decision::DecisionRecord;
    use portcullis_domain::ids::VendorId;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn refused(number: u64, integration: u128, reason: Reason) -> DecisionRecord {
        let time = Timestamp::from_millisecond(1_795_000_000_000 + i64::try_from(number).unwrap()).unwrap();
        let record = json!({
            "id": DecisionId::new(1_795_000_000_000 + number, [0; 10]), "time": time,
            "verdict": if reason == Reason::Allowed { Verdict::Allow } else { Verdict::Deny },
            "reason": reason, "gate": "gate", "snapshot": 1,
            "vendor": VendorId(Uuid::from_u128(1)), "integration": IntegrationId(Uuid::from_u128(integration)),
            "client": null, "route": null, "method": "GET", "path": "/", "session": null, "client_key": null,
            "binding": null, "peer": "192.0.2.1:1", "ja4": null, "ja4_context": null, "protocol": "h2",
            "scope": [] });
        serde_json::from_value(record).unwrap()
    }

    fn declared(integrations: &[u128]) -> State {
        let mut state = State::default();
        for id in integrations {
            let spec = json!({ "contract": "paper", "purpose": "x", "routes": [], "scopes": [] });
            let declaration = json!({ "kind": "Integration", "name": format!("i{id}"), "spec": spec });
            state.apply(&portcullis_domain::event::Event::ResourceDefined {
                id: Uuid::from_u128(*id),
                declaration: serde_json::from_value(declaration).unwrap(),
                keys: Vec::new(),
                time: None,
            });
        }
        state
    }

    #[test]
    fn refusals_by_a_clause_are_counted_and_no_others() {
        let seen = ClausesSeen::default();
        let batch = |records: &[DecisionRecord]| LogBatch::of(records, &[]).unwrap();
        seen.count(&batch(&[
            refused(3, 7, Reason::ClauseTls),
            refused(1, 7, Reason::ClauseTls),
            refused(2, 7, Reason::ClauseCountry),
            refused(4, 7, Reason::CeilingCountry),
            refused(5, 7, Reason::Allowed),
            refused(6, 8, Reason::ClauseTls),
        ]));
        seen.count(&batch(&[refused(9, 7, Reason::ClauseTls)]));
        let told = seen.told(&declared(&[7]));
        let rows: Vec<_> = told
            .iter()
            .map(|breach| (breach.reason, breach.count, breach.first, breach.last, breach.decision))
            .collect();
        let at = |number| refused(number, 7, Reason::ClauseTls);
        assert_eq!(
            rows,
            [
                (Reason::ClauseTls, 3, at(1).time, at(9).time, at(9).id),
                (Reason::ClauseCountry, 1, at(2).time, at(2).time, at(2).id),
            ]
        );
        // Those of an integration that is gone are forgotten for good.
        assert_eq!(seen.told(&declared(&[7, 8])).len(), 2);
    }

    #[test]
    fn a_gate_cant_make_it_grow() {
        let seen = ClausesSeen::default();
        let count = BREACHES_MAX as u64 + 50;
        let all: Vec<_> =
            (0..count).map(|number| refused(number, u128::from(number), Reason::ClauseTls)).collect();
        seen.count(&LogBatch::of(&all, &[]).unwrap());
        assert_eq!(seen.seen().len(), BREACHES_MAX);
        let left = |number: u64| {
            let key = (IntegrationId(Uuid::from_u128(u128::from(number))), Reason::ClauseTls);
            seen.seen().contains_key(&key)
        };
        assert!(!left(49) && left(50) && left(count - 1), "those that came last stay");
    }
}
