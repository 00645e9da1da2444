//! Incidents over the API: opened by hand, by a severance, by a notice; their clocks, and what is told of them.

use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use jiff::Timestamp;
use portcullis_policy::link::RelayRequest;
use serde_json::{Value, json};

use super::world::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START + seconds).unwrap()
}

async fn say(world: &World, changes: Value) -> Answer {
    world.post("/v1/incidents/1/changes", &json!({ "changes": changes })).await
}

async fn open(world: &World, more: Value) -> Answer {
    let mut request = json!({ "vendor": "acme", "title": "a mailbox was read" });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.post("/v1/incidents", &request).await
}

fn clock<'a>(view: &'a Value, name: &str) -> &'a Value {
    view["clocks"].as_array().unwrap().iter().find(|clock| clock["clock"] == name).unwrap()
}

fn pass(world: &World, hours: i64) {
    world.seconds.fetch_add(hours * 3_600, Ordering::Relaxed);
}

async fn notices(world: &World) -> Vec<String> {
    let noticed = world.control.notices(0, 10_000).await.unwrap();
    noticed.notices.into_iter().map(|(_, notice)| format!("{}: {}", notice.kind, notice.title)).collect()
}

#[tokio::test]
async fn an_incident_is_opened_worked_on_and_closed_by_people() {
    let world = World::with_integration().await;
    world.get("/v1/incidents").await.expect(StatusCode::OK);
    world.get("/v1/incidents/1").await.refused(404, "there is no incident `1`", "");
    let opened = open(&world, json!({ "regimes": ["gdpr-33", "nis2-23"], "severity": "critical" })).await;
    let view = opened.expect(StatusCode::CREATED);
    assert_eq!(
        (&view["number"], &view["vendor"], &view["opened_by"]),
        (&json!(1), &json!("acme"), &json!("admin"))
    );
    assert_eq!(clock(view, "gdpr-33/authority")["due"], json!(at(72 * 3_600)));
    assert_eq!(clock(view, "nis2-23/final-report")["standing"], "waiting");
    assert_eq!(view["clocks"][0]["clock"], "nis2-23/early-warning", "what is over first comes first");
    assert_eq!(view["reading"]["minutes"], json!([]), "nothing was read");
    let told = say(
        &world,
        json!([
            { "change": "role", "role": "commander", "person": "Mara" },
            { "change": "note", "text": "called the vendor" },
            { "change": "decide", "what": "keep it open", "why": "payroll runs tonight" },
            { "change": "task", "title": "ask for logs", "owner": "ops" },
            { "change": "clock_met", "clock": "nis2-23/early-warning", "reference": "BSI 4711" },
        ]),
    )
    .await;
    let view = told.expect(StatusCode::OK);
    assert_eq!(clock(view, "nis2-23/early-warning")["standing"], "met");
    assert_eq!(view["roles"][0]["person"], "Mara");
    assert!(
        view["timeline"]
            .as_array()
            .unwrap()
            .iter()
            .all(|line| !line["text"].as_str().unwrap().contains("Mara"))
    );
    let list = world.get("/v1/incidents?vendor=acme&open=true").await;
    let line = &list.expect(StatusCode::OK)[0];
    assert_eq!(
        (&line["commander"], &line["running"], &line["next_clock"]["clock"]),
        (&json!("Mara"), &json!(2), &json!("gdpr-33/authority"))
    );
    let task = view["tasks"][0]["id"].clone();
    say(&world, json!([{ "change": "close", "summary": "over" }])).await.refused(
        409,
        "clocks run",
        "meet them",
    );
    say(&world, json!([{ "change": "clock_pause", "clock": "gdpr-33/authority" }])).await.refused(
        400,
        "clock_pause",
        "",
    );
    let closed = say(
        &world,
        json!([
            { "change": "task_done", "id": task },
            { "change": "clock_set_aside", "clock": "gdpr-33/authority", "reason": "no personal data" },
            { "change": "clock_met", "clock": "nis2-23/notification", "reference": "BSI 4712" },
            { "change": "clock_met", "clock": "nis2-23/final-report", "reference": "BSI 4713" },
            { "change": "close", "summary": "nothing was read" },
        ]),
    )
    .await;
    assert_eq!(closed.expect(StatusCode::OK)["closed"]["summary"], "nothing was read");
    let said = notices(&world).await;
    assert!(said.iter().any(|said| said == "incident.opened: incident 1: a mailbox was read"), "{said:?}");
    assert!(said.iter().any(|said| said.starts_with("incident.closed")), "{said:?}");
}

#[tokio::test]
async fn what_a_vendor_read_is_looked_up_for_one_at_a_time_and_for_no_note() {
    let world = World::with_integration().await;
    open(&world, json!({})).await.expect(StatusCode::CREATED);
    let turn = world.control.reading_turn().acquire_owned().await.unwrap();
    let mut shown = std::pin::pin!(world.get("/v1/incidents/1"));
    tokio::select! {
        biased;
        _ = &mut shown => panic!("it was read while something else was"),
        said = say(&world, json!([{ "change": "note", "text": "called the vendor" }])) => {
            assert_eq!(said.expect(StatusCode::OK).get("reading"), None);
        }
    }
    drop(turn);
    assert_eq!(shown.await.expect(StatusCode::OK)["reading"]["minutes"], json!([]));
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_a_next_step() {
    let world = World::with_integration().await;
    open(&world, json!({ "vendor": "nobody" })).await.refused(404, "no vendor `nobody`", "");
    open(&world, json!({ "title": "" })).await.refused(422, "the title is empty", "");
    open(&world, json!({ "regimes": ["gdpr-99"] })).await.refused(
        422,
        "no text `gdpr-99`",
        "incident clocks",
    );
    let late = json!([{ "moment": "we_aware", "at": at(60), "why": "x" }]);
    open(&world, json!({ "moments": late })).await.refused(422, "lies in the future", "");
    open(&world, json!({ "pause": true })).await.refused(400, "unknown field `pause`", "");
    open(&world, json!({})).await.expect(StatusCode::CREATED);
    say(&world, json!([{ "change": "task_done", "id": "00000000-0000-0000-0000-000000000001" }]))
        .await
        .refused(404, "no task", "");
    let stale = json!({ "version": 1, "changes": [{ "change": "note", "text": "x" }] });
    world.post("/v1/incidents/1/changes", &stale).await.refused(412, "has version", "incident show 1");
    world.post("/v1/incidents/notices", &json!({})).await.refused(400, "no notice", "");
    let forged = world.post("/v1/incidents/notices", &json!({ "signed": "a.b.c" })).await;
    forged.refused(400, "the header isn't base64url", "");
}

#[tokio::test]
async fn a_severance_by_an_operator_opens_an_incident_once_and_clocks_are_told_of_once() {
    let world = World::with_integration().await;
    let sever = json!({ "target": "vendor/acme", "reason": "its key is for sale" });
    world.post("/v1/sever", &sever).await.expect(StatusCode::OK);
    for _ in 0..3 {
        world.control.look_at_incidents().await;
    }
    let view = world.get("/v1/incidents/1").await;
    let view = view.expect(StatusCode::OK);
    assert_eq!((&view["title"], &view["vendor"]), (&json!("vendor/acme was severed"), &json!("acme")));
    assert_eq!(view["moments"][0]["moment"], "we_aware");
    assert_eq!(view["severances"][0]["target"], "vendor/acme");
    assert_eq!(view["reading"]["cut"], true);
    assert_eq!(world.get("/v1/incidents").await.expect(StatusCode::OK).as_array().unwrap().len(), 1);
    let of_clocks =
        |said: Vec<String>| said.into_iter().filter(|said| said.contains("clock")).collect::<Vec<_>>();
    assert_eq!(of_clocks(notices(&world).await), [""; 0], "nothing is over soon");
    pass(&world, 19);
    for _ in 0..3 {
        world.control.look_at_incidents().await;
    }
    let said = of_clocks(notices(&world).await);
    assert_eq!(said.len(), 2, "24 hours of DORA and of NIS 2: {said:?}");
    assert!(
        said[0].starts_with(
            "incident.clock_warning: incident 1: clock dora-19/classification is nearly over, at"
        ),
        "{said:?}"
    );
    pass(&world, 6);
    for _ in 0..3 {
        world.control.look_at_incidents().await;
    }
    let said = of_clocks(notices(&world).await);
    assert_eq!(said.iter().filter(|said| said.starts_with("incident.clock_missed")).count(), 2, "{said:?}");
    let findings = world.get("/v1/findings").await;
    let codes: Vec<_> =
        findings.expect(StatusCode::OK).as_array().unwrap().iter().map(|one| one["code"].clone()).collect();
    assert!(
        codes.contains(&json!("incident_clock")) && codes.contains(&json!("incident_unled")),
        "{codes:?}"
    );
    assert_eq!(world.control.findings()[0].code.as_str(), "incident_clock", "the most pressing first");
    let link = world.post("/v1/calendar/link", &json!({})).await;
    assert_eq!(link.status, 503, "no process, no key of calendars");
    let state = world.control.state();
    let text =
        crate::assurance::calendar::calendar(&state, Some("acme"), None, ("https://gate.example", at(0)));
    assert!(text.contains("incident 1: Notification to the supervisory authority"), "{text}");
    assert!(
        !crate::assurance::calendar::calendar(&state, Some("other"), None, ("x", at(0)))
            .contains("incident 1")
    );
}

#[tokio::test]
async fn a_vendor_that_never_tells_is_held_by_the_clock_and_one_who_calls_is_taken_down() {
    let world = World::with_integration().await;
    world.apply(&json!({ "kind": "Policy", "name": "stops", "spec": { "vendors": ["acme"], "stops": { "default": "off", "breach_notice": "enforce" } } }).to_string()).await.expect(StatusCode::OK);
    let knew = json!([{ "moment": "vendor_aware", "at": at(-23 * 3_600), "why": "it was in the papers" }]);
    open(&world, json!({ "moments": knew })).await.expect(StatusCode::CREATED);
    let access =
        || async { world.get("/v1/vendors/acme/dossier").await.expect(StatusCode::OK)["access"].clone() };
    world.control.look_at_incidents().await;
    assert_ne!(access().await, "held");
    pass(&world, 2);
    world.control.look_at_incidents().await;
    assert_eq!(access().await, "held");
    let said = json!({ "reference": "call of Ada", "aware": at(-23 * 3_600), "what": "a mailbox was read" });
    let taken = world
        .post("/v1/incidents/notices", &json!({ "vendor": "acme", "notice": said, "received": at(3_600) }))
        .await;
    let taken = taken.expect(StatusCode::CREATED);
    assert_eq!(
        (&taken["in_time"], &taken["received"]),
        (&json!(true), &json!(at(3_600))),
        "told in time, and taken down late"
    );
    let incident = world.get("/v1/incidents/1").await;
    assert_eq!(incident.expect(StatusCode::OK)["notices"][0]["way"], "hand", "the one that waited for it");
    assert_eq!(world.get("/v1/incidents").await.expect(StatusCode::OK).as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_page_is_for_people_and_says_what_it_takes() {
    let world = World::with_integration().await;
    let relayed = |method: &str, body: &str| RelayRequest {
        relay: 1,
        method: method.to_owned(),
        path: "/oauth/incident".to_owned(),
        content_type: Some("application/x-www-form-urlencoded".to_owned()),
        authorization: None,
        body: body.as_bytes().to_vec(),
        certificates: Vec::new(),
        ja4_context: None,
        address: "192.0.2.7".to_owned(),
        network: None,
        through: None,
        door: None,
        proof_key: None,
    };
    let page = world.control.relayed(relayed("GET", "")).await;
    let text = String::from_utf8(page.body).unwrap();
    assert!(page.status == 200 && text.contains("signed_notice") && !text.contains("<script"), "{text}");
    let refused = world.control.relayed(relayed("POST", "page=1&signed_notice=%3Cb%3E")).await;
    let text = String::from_utf8(refused.body).unwrap();
    assert!(
        refused.status == 400 && text.contains("That didn&#39;t work") && !text.contains("<b>"),
        "{text}"
    );
}

#[tokio::test]
async fn the_clocks_in_use_are_listed_with_what_they_rest_on() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("own.yaml"), "id: own\ntitle: [").unwrap();
    let faults =
        world.control.use_clocks(folder.path().to_owned(), crate::incidents::IncidentSettings::default());
    assert_eq!(faults.len(), 1);
    let listed = world.get("/v1/incidents/clocks").await;
    let view = listed.expect(StatusCode::OK);
    assert_eq!(view["regimes"].as_array().unwrap().len(), 8);
    assert!(view["faults"][0].as_str().unwrap().contains("own.yaml:"), "{view}");
    assert!(world.control.findings().iter().any(|finding| finding.code.as_str() == "clock_file"));
    std::fs::write(folder.path().join("own.yaml"), "id: own\ntitle: Ours\nbasis: { kind: policy, citation: 4, source: x }\nin_force: 2026-01-01\napplies_to: us\nstages:\n- { id: a, title: b, recipient: c, starts: we_aware, within: { hours: 1 } }\n".replace("citation: 4", "citation: Handbook 4")).unwrap();
    assert_eq!(world.control.reload_clocks(), [""; 0]);
    assert_eq!(
        world.get("/v1/incidents/clocks").await.expect(StatusCode::OK)["regimes"].as_array().unwrap().len(),
        9
    );
}
