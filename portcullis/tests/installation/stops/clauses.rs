//! Clauses of a contract that the gate can see: what breaks one is refused there, and told as a finding.

use std::time::Instant;

use portcullis_api::findings::{Finding, FindingCode};
use serde_json::{Value, json};

use super::world::{Answer, WITHIN, World};
use super::{ClauseKind, NOON};

/// All clauses that a contract must have, and more in one of them.
fn with_clause(kind: ClauseKind, more: &Value) -> Value {
    let clauses = ClauseKind::ALL.into_iter().map(|each| {
        let mut clause = json!({ "kind": each, "report_hours": 24, "expires": "2039-12-31" });
        if each == kind {
            clause.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        }
        clause
    });
    json!({ "clauses": clauses.collect::<Vec<_>>() })
}

fn breached(world: &World) -> Vec<Finding> {
    let found = world.control.findings();
    found.into_iter().filter(|finding| finding.code == FindingCode::ClauseBreached).collect()
}

/// With how many records is another matter: a machine that speaks TLS 1.2 is a new context.
fn passes(answer: &Answer) -> bool {
    answer.status == 200
}

async fn until(what: &str, ask: impl AsyncFn() -> Answer, expected: impl Fn(&Answer) -> bool) {
    let began = Instant::now();
    loop {
        let answer = ask().await;
        if expected(&answer) {
            return;
        }
        assert!(began.elapsed() < WITHIN, "{what}: still {answer:?}");
    }
}

#[tokio::test]
async fn what_breaks_a_clause_is_refused_and_told_of() {
    let tls = json!({ "place": "§ 7.2", "tls_min": "1.3" });
    let (inside, outside) = (json!({ "countries": ["DE", "AT"] }), json!({ "countries": ["AT"] }));
    // The clause, whether TLS 1.3 passes under it, the code, and the finding's words.
    let rows = [
        (ClauseKind::Encryption, tls, true, Some(("clause_tls", "`encryption` (§ 7.2, TLS 1.3)"))),
        (ClauseKind::DataHandling, inside, true, None),
        (
            ClauseKind::DataHandling,
            outside,
            false,
            Some(("clause_country", "`data_handling` (calls from AT)")),
        ),
    ];
    for (kind, clause, new_passes, broken) in rows {
        let world = World::located(NOON.parse().unwrap(), *b"DE").await;
        // The very machine that is refused below.
        until("before", async || world.old_request().await, passes).await;
        assert_eq!(breached(&world), []);
        world.apply(vec![world.contract(with_clause(kind, &clause))]).await;
        let Some((code, words)) = broken else {
            until("inside", async || world.old_request().await, passes).await;
            assert_eq!(breached(&world), []);
            continue;
        };
        let refused = |answer: &Answer| (answer.status, answer.reason.as_str()) == (403, code);
        until(code, async || world.old_request().await, refused).await;
        assert_eq!(passes(&world.request().await), new_passes, "{code}");
        let began = Instant::now();
        let finding = loop {
            if let [finding] = breached(&world).as_slice() {
                break finding.clone();
            }
            assert!(began.elapsed() < WITHIN * 20, "{code} is told of nowhere");
            tokio::task::yield_now().await;
        };
        assert_eq!(finding.about, "contract/paper");
        for part in ["vendor `acme` breaks the clause ", words, "its contract `paper`", "2026-06-15T12:"] {
            assert!(finding.message.contains(part), "{part}: {finding:?}");
        }
        assert!(finding.hint.contains(&format!("--vendor acme --reason {code}")), "{finding:?}");
        // With the clause goes the finding.
        world.apply(vec![world.contract(json!({}))]).await;
        until("after", async || world.old_request().await, passes).await;
        assert_eq!(breached(&world), []);
    }
}
