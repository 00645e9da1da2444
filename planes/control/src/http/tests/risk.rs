use axum::http::StatusCode;
use portcullis_domain::decision::{DecisionRecord, Verdict};
use portcullis_domain::ids::ClientId;
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::Kind;
use portcullis_policy::link::{FromGate, LogBatch, Page, RiskStanding};
use portcullis_risk::{Cause, Context, ContextReport, Judgement, Lacks, Place, Points, Progress};
use serde_json::json;

use super::observing::decision;
use super::world::*;

fn client() -> String {
    let spec = json!({ "integration": "acme", "jwks": public_keys() });
    json!({ "kind": "Client", "name": "robot", "spec": spec }).to_string()
}

#[tokio::test]
async fn what_was_scored_is_explained_and_judged() {
    let world = World::with_integration().await;
    world.apply(&client()).await.expect(StatusCode::OK);
    let state = world.control.state();
    let client = state.resource(Kind::Client, "robot").map(|client| ClientId(client.id));
    let scored = DecisionRecord {
        client,
        risk: Some(portcullis_risk::example_record()),
        ..decision(&world, 1, Verdict::Challenge, Reason::ProofNonce)
    };
    let plain = decision(&world, 2, Verdict::Allow, Reason::Allowed);
    let decided = [scored.clone(), plain.clone()];
    world.gate.send(FromGate::Decisions(LogBatch::of(&decided, &[]).unwrap())).await.unwrap();
    let path = format!("/v1/decisions/{}", scored.id);
    let explained = loop {
        let explained = world.get(&path).await;
        if explained.status == 200 {
            break explained.body;
        }
        tokio::task::yield_now().await;
    };
    let risk = &explained["risk"];
    assert_eq!((&risk["score"], &risk["thresholds"]["challenge"]), (&json!(34.1), &json!(20.0)));
    assert_eq!(risk["parts"][0]["signal"], "unusual_records");
    assert_eq!(risk["parts"][0]["observed"], "12,000 records");
    let sum: f64 =
        risk["parts"].as_array().unwrap().iter().map(|part| part["points"].as_f64().unwrap()).sum();
    assert!((sum - 34.1).abs() < 1e-9, "{sum}");
    let way_out = "it would have passed with about 40 records instead of 12,000";
    assert!(risk["would_have_passed"].as_str().unwrap().starts_with(way_out), "{risk}");
    let metrics = world.get("/metrics").await.text;
    let counted = "portcullis_risk_actions_total{vendor=\"acme\",action=\"challenge\",cause=\"score\"} 1\n";
    assert!(metrics.contains(counted), "{metrics}");

    let judge =
        |judgement: serde_json::Value, reason: &str| json!({ "judgement": judgement, "reason": reason });
    let judgement = format!("{path}/judgement");
    world.post(&judgement, &judge(json!(null), "why")).await.refused(404, "nobody has judged", "explain");
    world.post(&judgement, &judge(json!("benign"), " ")).await.refused(422, "a reason is needed", "");
    let said = world.post(&judgement, &judge(json!("benign"), "month end")).await;
    assert_eq!(said.expect(StatusCode::OK)["judgement"], "benign");
    assert_eq!(world.get(&path).await.body["judgement"]["reason"], "month end");
    assert_eq!(world.get("/v1/decisions").await.body["items"][1]["judgement"]["judgement"], "benign");
    // The opposite word takes the earlier one back; gates get all of it in order.
    world.post(&judgement, &judge(json!("malicious"), "it wasn't")).await.expect(StatusCode::OK);
    let facts = world.control.snapshot_facts().judgements;
    let words: Vec<_> = facts.iter().map(|word| (word.judgement, word.undo)).collect();
    assert_eq!(words, [(Judgement::Benign, false), (Judgement::Benign, true), (Judgement::Malicious, false)]);
    assert!(
        facts.is_sorted_by_key(|word| word.sequence)
            && facts[0].context == scored.risk.unwrap().before.context
    );
    let undone = world.post(&judgement, &judge(json!(null), "the wrong one")).await;
    assert_eq!(undone.expect(StatusCode::OK)["undone"], true);
    assert_eq!(world.get(&path).await.body.get("judgement"), None);
    let unscored = format!("/v1/decisions/{}/judgement", plain.id);
    world.post(&unscored, &judge(json!("benign"), "x")).await.refused(409, "was not scored", "explain");
}

#[tokio::test]
async fn the_most_specific_policy_is_in_force_and_named() {
    let world = World::with_integration().await;
    let all = "kind: Policy\nname: all\nspec: {mode: observe, money: {per_record: 2}}\n";
    let own =
        "kind: Policy\nname: own\nspec: {integrations: [acme], mode: enforce, families: {origin: off}}\n";
    world.apply(&format!("{all}---\n{own}")).await.expect(StatusCode::OK);
    let found = world.get("/v1/risk/policies?integration=acme").await;
    let said = &found.expect(StatusCode::OK)[0];
    assert_eq!((&said["mode"], &said["families"]), (&json!("enforce"), &json!({ "origin": "off" })));
    assert_eq!(said["policies"], json!({ "mode": "own", "origin": "own", "money_per_record": "all" }));
    assert_eq!(world.get("/v1/risk/policies?vendor=none").await.body, json!([]));
    // Equals that disagree, and a list of nothing, are refused with their places.
    let equal = "kind: Policy\nname: equal\nspec:\n  integrations: [acme]\n  mode: off\n";
    let faults = world.apply(equal).await.faults();
    assert!(faults[0].starts_with("5:9 /spec/mode policy `own` says something else"), "{faults:?}");
    for (spec, expect) in [
        ("{vendors: [], mode: off}", "/spec/vendors the list names nothing"),
        ("{vendors: [acme]}", "/spec the policy says nothing"),
        ("{sever_by_evidence: true}", "/spec/sever_by_evidence evidence alone may sever only those"),
        ("{routes: [x], mode: off}", "/spec/routes/0 there is no Route `x`"),
        ("{money: {reach: 0}}", "/spec/money/reach that is no reach"),
    ] {
        let faults = world.apply(&format!("kind: Policy\nname: x\nspec: {spec}\n")).await.faults();
        assert!(faults[0].contains(expect), "{expect}: {faults:?}");
    }
    world.delete("/v1/resources/Integration/acme").await.refused(409, "Policy `own`", "");
}

#[tokio::test]
async fn a_client_is_told_with_its_contexts() {
    let world = World::with_integration().await;
    world.apply(&client()).await.expect(StatusCode::OK);
    let state = world.control.state();
    let client = ClientId(state.resource(Kind::Client, "robot").unwrap().id);
    world.get("/v1/clients/nobody/risk").await.refused(404, "there is no client `nobody`", "");
    world.get("/v1/clients/robot/risk").await.refused(404, "no gate has told yet", "first request");
    let record = DecisionRecord {
        client: Some(client),
        risk: Some(portcullis_risk::example_record()),
        ..decision(&world, 1, Verdict::Challenge, Reason::ProofNonce)
    };
    let context = record.risk.as_ref().unwrap().before.context;
    let progress = Progress {
        days: 2,
        lacks: Lacks { days: true, ..Lacks::default() },
        drift_milli: Some(5_400),
        drift_alarm: true,
        passed_lately: 11,
        ..Progress::default()
    };
    let at_us = record.time.as_microsecond();
    let told = ContextReport {
        place: Place::Probation,
        context: Context { prefix: 99, ..context },
        w: Points(1_000),
        v: Points(2_000),
        calibrated: Points(500),
        last_us: at_us,
        until_us: Some(at_us + 1),
        question_us: None,
    };
    let standing = RiskStanding { client, at_us, progress, contexts: vec![told] };
    let page =
        Page { client, decision: record.id, cause: Cause::KeyEvidence, score: Points::whole(61), at_us };
    let decisions = FromGate::Decisions(LogBatch::of(&[record], &[]).unwrap());
    for message in [decisions, FromGate::Paged(page), FromGate::RiskStanding(Box::new(standing))] {
        world.gate.send(message).await.unwrap();
    }
    let seen = loop {
        let seen = world.get("/v1/clients/robot/risk").await;
        if seen.status == 200 {
            break seen.body;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((&seen["standing"], &seen["lacks"][0]["what"]), (&json!("observe"), &json!("days")));
    let context = &seen["contexts"][0];
    assert_eq!((&context["place"], &context["country"]), (&json!("probation"), &json!("DE")));
    assert_eq!((&context["asn"], &context["evidence"]["in_all"]), (&json!(64_500), &json!(2.0)));
    let findings = world.get("/v1/findings").await.body;
    let codes: Vec<&str> =
        findings.as_array().unwrap().iter().filter_map(|finding| finding["code"].as_str()).collect();
    for code in ["risk_paged", "risk_slow_drift", "risk_false_challenges"] {
        assert!(codes.contains(&code), "{codes:?}");
    }
}
