//! What vendors may have, said over the API, and what gates are told of it.

use axum::http::StatusCode;
use portcullis_domain::access::Access;
use portcullis_domain::spec::Kind;
use portcullis_policy::access::AccessLine;
use portcullis_risk::Grade;
use serde_json::json;

use super::world::*;

fn client(name: &str) -> String {
    let spec = json!({ "integration": "acme", "jwks": public_keys() });
    json!({ "kind": "Client", "name": name, "spec": spec }).to_string()
}

#[tokio::test]
async fn a_vendor_is_held_shown_and_released() {
    let world = World::with_integration().await;
    world.apply(&client("robot")).await.expect(StatusCode::OK);
    let told = || AccessLine::of(&world.control.snapshot_facts().vendors[0].access).level(0);
    let path = "/v1/resources/vendor/acme";
    let shown = world.get(path).await.expect(StatusCode::OK)["status"]["access"].clone();
    assert_eq!((shown, told()), (json!({ "level": "clear" }), Access::Clear));
    let hold = |level: &str, reason: &str| json!({ "level": level, "reason": reason });
    for (level, expect) in
        [("limited", Access::Limited), ("held", Access::Held), ("blocked", Access::Blocked)]
    {
        let answer = world.post("/v1/vendors/acme/hold", &hold(level, "no exit")).await;
        let access = json!({ "level": level,
            "reasons": [{ "level": level, "code": "manual_hold", "sentence": "no exit" }] });
        let body = answer.expect(StatusCode::OK);
        assert_eq!((&body["vendor"], &body["access"]), (&json!("acme"), &access));
        assert_eq!((body.get("gates_behind"), told()), (None, expect));
        let findings = world.get("/v1/findings").await.body;
        let held = findings.as_array().unwrap().iter().find(|found| found["code"] == "vendor_held");
        let held = held.unwrap_or_else(|| panic!("{findings}"));
        let severity = match expect {
            Access::Blocked => "high",
            Access::Held => "medium",
            _ => "low",
        };
        assert_eq!((&held["about"], &held["severity"]), (&json!("vendor/acme"), &json!(severity)));
        assert!(held["message"].as_str().unwrap().contains("(manual_hold: no exit)"), "{held}");
        for resource in ["vendor/acme", "integration/acme", "client/robot"] {
            let status = world.get(&format!("/v1/resources/{resource}")).await.body["status"].clone();
            assert_eq!(status["access"], access, "{resource}");
        }
    }
    // Only the last one ended tokens.
    assert_eq!(world.get(path).await.body["status"]["epoch"], 2);
    assert_eq!(world.apply(&client("newcomer")).await.status, 422);
    let released = world.post("/v1/vendors/acme/release", &json!({})).await;
    assert_eq!(released.expect(StatusCode::OK)["access"], json!({ "level": "clear" }));
    assert_eq!((told(), world.control.snapshot_facts().vendors[0].epoch), (Access::Clear, 2));
    assert!(!world.get("/v1/findings").await.body.to_string().contains("vendor_held"));
    world.apply(&client("newcomer")).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn what_is_no_hold_is_told() {
    let world = World::with_integration().await;
    let hold = |level: &str, reason: &str| json!({ "level": level, "reason": reason });
    let path = "/v1/vendors/acme/hold";
    world.post(path, &hold("clear", "why")).await.refused(
        422,
        "can't be held at `clear`",
        "vendor release acme",
    );
    world.post(path, &hold("held", "")).await.refused(422, "a reason is needed", "");
    world.post(path, &hold("held", &"x".repeat(1_001))).await.refused(422, "longer than 1000 bytes", "");
    assert_eq!(world.post(path, &hold("gone", "why")).await.status, 400);
    world.post("/v1/vendors/nobody/hold", &hold("held", "why")).await.refused(404, "no vendor `nobody`", "");
    world.post("/v1/vendors/acme/release", &json!({})).await.refused(409, "is not held", "");
}

#[tokio::test]
async fn ceilings_and_grades_reach_the_gates_facts() {
    let world = World::with_integration().await;
    let facts = world.control.snapshot_facts();
    assert_eq!((facts.integrations[0].ceilings.clone(), facts.vendors[0].risk), (Default::default(), None));
    let text = acme()
        .replace("  # risk: B\n", "  risk: B\n")
        .replace("  # ceilings:\n", "  ceilings:\n    routes: [acme-read]\n")
        .replace("  #   records_per_day", "    records_per_day")
        .replace("  #   countries", "    countries")
        .replace("  #   networks", "    networks");
    world.apply(&text).await.expect(StatusCode::OK);
    let facts = world.control.snapshot_facts();
    let ceilings = &facts.integrations[0].ceilings;
    let route = world.control.state().resource(Kind::Route, "acme-read").unwrap().id;
    assert_eq!(ceilings.routes.as_ref().map(|routes| routes[0].0), Some(route));
    assert_eq!(ceilings.records_per_day, Some(100_000));
    assert_eq!(ceilings.countries, Some(vec!["DE".into(), "AT".into()]));
    assert_eq!(ceilings.networks, Some(vec!["192.0.2.0/24".into(), "AS64500".into()]));
    assert_eq!(facts.vendors[0].risk, Some(Grade::B));
    // Nobody can look a country up here: what is refused is said before anybody calls at night.
    let checks = world.get("/v1/checks").await.body;
    let checks = checks.as_array().unwrap();
    let named = |name: &str| checks.iter().find(|check| check["check"] == name);
    for name in ["ceilings of countries", "ceilings of autonomous systems"] {
        let check = named(name).unwrap_or_else(|| panic!("{checks:?}"));
        assert_eq!(check["finding"], "warning");
        assert!(check["detail"].as_str().unwrap().starts_with("`acme`: there is a ceiling of"), "{check}");
    }
    let findings = world.get("/v1/findings").await.body;
    let of_ceilings =
        findings.as_array().unwrap().iter().filter(|found| found["code"] == "ceiling_without_data");
    let about: Vec<_> = of_ceilings.map(|found| (&found["about"], &found["severity"])).collect();
    assert_eq!(about, [(&json!("integration/acme"), &json!("high")); 2], "{findings}");
    let bad = world.apply(&text.replace("[DE, AT]", "[DE, UK]")).await;
    let faults = bad.faults();
    assert_eq!(bad.status, 422);
    assert!(faults[0].ends_with("/spec/ceilings/countries/1 `UK` is not a country"), "{faults:?}");
}
