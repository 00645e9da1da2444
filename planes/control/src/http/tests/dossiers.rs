//! Dossiers over the API: from nothing to admitted, by two people, by two editors, and under one name after another.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use portcullis_policy::link::RelayRequest;
use serde_json::{Value, json};

use super::world::*;

const PATH: &str = "/v1/vendors/acme/dossier";
const STEPS: [&str; 8] = [
    "entity_check",
    "contract",
    "security_practices",
    "compliance_evidence",
    "resilience",
    "service_levels",
    "dependencies",
    "integration",
];

async fn say(world: &World, changes: Value) -> Answer {
    world.post(PATH, &json!({ "changes": changes })).await
}

fn approved(step: &str) -> Value {
    json!({ "change": "step_decided", "step": step, "state": "approved", "reason": "seen" })
}

fn vouched() -> Value {
    json!({ "change": "entity_checked", "record": { "legal_name": "acme", "standing": "active", "officers": [{ "name": "Jo Doe" }] } })
}

fn enforced(vendor: &str) -> String {
    json!({ "kind": "Policy", "name": "stops", "spec": { "vendors": [vendor], "stops": { "default": "off", "admission": "enforce", "vulnerability": "enforce", "integrity": "enforce", "penetration_test_refused": "enforce" } } }).to_string()
}

async fn other_operator(world: &World) -> String {
    let added = world.post("/v1/operators", &json!({ "name": "second" })).await;
    added.expect(StatusCode::CREATED)["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_vendor_goes_from_nothing_to_admitted() {
    let world = World::with_integration().await;
    world.apply(&enforced("acme")).await.expect(StatusCode::OK);
    let shown = world.get(PATH).await;
    let view = shown.expect(StatusCode::OK);
    assert_eq!(
        (&view["access"], &view["version"], &shown.headers["etag"]),
        (&json!("blocked"), &json!(0), &"\"0\"".parse().unwrap())
    );
    let next = view["next"].as_array().unwrap();
    assert!(
        next.iter().any(|next| next.as_str().unwrap().starts_with("portcullis vendor vouch acme")),
        "{next:?}"
    );
    say(&world, json!([approved("entity_check")])).await.refused(409, "no record says", "vouch");
    // All or nothing.
    say(&world, json!([vouched(), { "change": "admitted" }])).await.refused(409, "not approved yet", "");
    assert_eq!(world.get(PATH).await.body["version"], 0);
    say(&world, json!([vouched()])).await.expect(StatusCode::OK);
    let mut all: Vec<Value> = STEPS.iter().map(|step| approved(step)).collect();
    all.push(json!({ "change": "admitted" }));
    let tried = world.post(PATH, &json!({ "changes": all, "dry_run": true })).await;
    assert_eq!((&tried.body["changed"], &tried.body["dossier"]["access"]), (&json!(9), &json!("clear")));
    assert_eq!(world.get(PATH).await.body["version"], 1, "a dry run changes nothing");
    let admitted = say(&world, json!(all)).await;
    let body = admitted.expect(StatusCode::OK);
    assert_eq!((&body["dossier"]["access"], &body["dossier"]["version"]), (&json!("clear"), &json!(10)));
    assert_eq!(body["dossier"]["entity"][0]["officers"][0]["name"], "Jo Doe", "as people read it");
    assert_eq!(say(&world, json!([{ "change": "admitted" }])).await.body["changed"], 0);
    let line = world.get("/v1/dossiers").await.body["items"][0].clone();
    assert_eq!(
        (&line["vendor"], &line["access"], &line["approved"]),
        (&json!("acme"), &json!("clear"), &json!(8))
    );
}

#[tokio::test]
async fn an_exception_takes_two_people_and_a_list_tells_what_comes() {
    let world = World::with_integration().await;
    world.apply(&enforced("acme")).await.expect(StatusCode::OK);
    let published = "2026-11-01T00:00:00Z";
    let found = json!({ "id": "CVE-2026-1", "cvss_tenths": 98, "published": published });
    say(
        &world,
        json!([vouched(), { "change": "vulnerability_found", "vulnerability": found, "evidence": null }]),
    )
    .await
    .expect(StatusCode::OK);
    let view = world.get(PATH).await.body;
    let stop = view["stops"]
        .as_array()
        .unwrap()
        .iter()
        .find(|held| held["stop"] == "vulnerability")
        .unwrap()
        .clone();
    assert_eq!((&stop["access"], &stop["mode"]), (&json!("blocked"), &json!("enforce")), "{stop}");
    let until = "2027-02-01T00:00:00Z";
    let proposed = json!([{ "change": "exception_proposed", "stop": "vulnerability", "subject": "CVE-2026-1", "control": "read only", "until": until }]);
    let proposed = say(&world, proposed).await;
    let id = proposed.expect(StatusCode::OK)["changes"][0]["id"].as_str().unwrap().to_owned();
    let confirm = json!({ "changes": [{ "change": "exception_confirmed", "id": id }] });
    world.post(PATH, &confirm).await.refused(
        403,
        "the person who proposed can't confirm",
        "another operator",
    );
    let token = other_operator(&world).await;
    let confirmed = world.send(request("POST", PATH, &token, Some(&confirm))).await;
    let exceptions = &confirmed.expect(StatusCode::OK)["dossier"]["exceptions"][0];
    assert_eq!(
        (&exceptions["state"], &exceptions["proposed_by"], &exceptions["confirmed_by"]),
        (&json!("in_force"), &json!("admin"), &json!("second"))
    );
    let outlook = world.get("/v1/vendors/acme/outlook?days=60").await;
    let stretches = outlook.expect(StatusCode::OK)["stretches"].as_array().unwrap().clone();
    assert!(stretches.iter().any(|stretch| stretch["from"] == until), "{stretches:?}");
    world.get("/v1/vendors/acme/outlook?days=0").await.refused(400, "days", "from 1 to 3650");
    let found = world.get("/v1/findings").await.body;
    let codes: Vec<&str> =
        found.as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"vendor_stopped"), "{codes:?}");
}

#[tokio::test]
async fn two_people_who_edit_one_vendor_lose_nothing() {
    let world = World::with_integration().await;
    let with = |version: &str, title: &str| {
        let body =
            json!({ "changes": [{ "change": "task_opened", "title": title, "owner": null, "due": null }] });
        let mut request = request("POST", PATH, ADMIN, Some(&body));
        request.headers_mut().insert("if-match", version.parse().unwrap());
        request
    };
    world.send(with("\"0\"", "first")).await.expect(StatusCode::OK);
    world.send(with("\"0\"", "second")).await.refused(412, "has version 1", "look at it again");
    world.send(with("one", "second")).await.refused(400, "no version", "ETag");
    world.send(with("\"1\"", "second")).await.expect(StatusCode::OK);
    let tasks = world.get(PATH).await.body["tasks"].as_array().unwrap().len();
    assert_eq!(tasks, 2);
}

#[tokio::test]
async fn another_vendor_of_the_same_name_begins_with_an_empty_dossier() {
    let world = World::new().await;
    let vendor = json!({ "kind": "Vendor", "name": "acme", "spec": { "legal_name": "acme" } }).to_string();
    world.apply(&vendor).await.expect(StatusCode::OK);
    world.apply(&enforced("acme")).await.expect(StatusCode::OK);
    say(&world, json!([vouched(), { "change": "admitted_provisionally", "until": "2027-02-01T00:00:00Z" }]))
        .await
        .expect(StatusCode::OK);
    assert_eq!(world.get(PATH).await.body["access"], "clear");
    world.delete("/v1/resources/policy/stops").await.expect(StatusCode::OK);
    world.delete("/v1/resources/vendor/acme").await.expect(StatusCode::OK);
    world.get(PATH).await.refused(404, "no vendor `acme`", "");
    world.apply(&vendor).await.expect(StatusCode::OK);
    world.apply(&enforced("acme")).await.expect(StatusCode::OK);
    let view = world.get(PATH).await.body;
    assert_eq!((&view["access"], &view["version"]), (&json!("blocked"), &json!(0)));
}

#[tokio::test]
async fn what_nobody_can_say_is_refused() {
    let world = World::with_integration().await;
    say(&world, json!([{ "change": "reminded", "what": "x" }])).await.refused(
        422,
        "nothing that people say",
        "",
    );
    say(&world, json!([{ "change": "task_opened", "titel": "x" }])).await.refused(
        422,
        "missing field `title`",
        "",
    );
    let document = json!({ "name": "a", "media_type": "text/plain", "bytes": 1, "sha256": "0".repeat(64) });
    let evidence = json!({ "title": "t", "issuer": "i", "issued": "2026-12-01", "channel": "email", "kind": "policy", "document": document });
    let added = json!([{ "change": "evidence_added", "evidence": evidence }]);
    say(&world, added.clone()).await.refused(409, "keeps no documents", "");
    world.keep_documents();
    say(&world, added).await.refused(404, "no document", "");
    world.get("/v1/vendors/nobody/dossier").await.refused(404, "no vendor `nobody`", "");
    world.get("/v1/stops?vendor=nobody").await.refused(404, "no vendor `nobody`", "");
    assert_eq!(world.get("/v1/stops").await.body.as_array().unwrap().len(), 15);
}

fn raw(path: &str, bytes: &[u8]) -> Request<Body> {
    let mut request = request("POST", path, ADMIN, None);
    *request.body_mut() = Body::from(bytes.to_vec());
    request
}

#[tokio::test]
async fn a_document_is_kept_given_out_and_stops_the_vendor_when_a_byte_changes() {
    let world = World::with_integration().await;
    world.apply(&enforced("acme")).await.expect(StatusCode::OK);
    let folder = world.keep_documents();
    let kept = world.send(raw("/v1/vendors/acme/documents?kind=policy", b"a policy")).await;
    let sha256 = kept.expect(StatusCode::CREATED)["sha256"].as_str().unwrap().to_owned();
    let evidence = json!({ "title": "Policy", "issuer": "acme", "issued": "2026-12-01", "kind": "policy" });
    let body = json!({ "evidence": evidence, "document": { "sha256": sha256, "name": "policy.txt" } });
    let added = world.post("/v1/vendors/acme/evidence", &body).await;
    let added = added.expect(StatusCode::CREATED);
    let filed = &added["answer"]["dossier"]["evidence"][0];
    assert_eq!(
        (&filed["state"], &filed["evidence"]["channel"], &filed["evidence"]["id"]),
        (&json!("in_force"), &json!("email"), &added["id"])
    );
    let path = format!("/v1/vendors/acme/documents/{sha256}");
    let got = world.get(&path).await;
    assert_eq!(
        (got.text.as_str(), &got.headers["x-content-type-options"]),
        ("a policy", &"nosniff".parse().unwrap())
    );
    let signed =
        json!({ "evidence": evidence, "document": { "sha256": sha256, "name": "p" }, "signature": "no" });
    assert_eq!(world.post("/v1/vendors/acme/evidence", &signed).await.status, 422);
    // One byte of what is stored.
    let vendor = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join(format!("{sha256}.doc")).exists());
    let file = vendor.unwrap().join(format!("{sha256}.doc"));
    let good = std::fs::read(&file).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bad).unwrap();
    let report = world.send(raw("/v1/documents/check", b"")).await;
    assert_eq!(report.expect(StatusCode::OK)["changed"][0]["vendor"], "acme");
    let view = world.get(PATH).await.body;
    assert_eq!(view["evidence"][0]["state"], "altered");
    assert!(
        view["stops"]
            .as_array()
            .unwrap()
            .iter()
            .any(|held| held["stop"] == "integrity" && held["access"] == "blocked")
    );
    assert_eq!(world.get(&path).await.status, 409);
    std::fs::write(&file, good).unwrap();
    let report = world.send(raw("/v1/documents/check?vendor=acme", b"")).await;
    assert_eq!(report.expect(StatusCode::OK)["mended"][0]["vendor"], "acme");
    assert_eq!(world.get(PATH).await.body["evidence"][0]["state"], "in_force");
}

async fn relayed(world: &World, method: &str, path: &str, media: &str, body: &[u8]) -> (u16, String) {
    let request = RelayRequest {
        relay: 1,
        method: method.into(),
        path: path.into(),
        content_type: (!media.is_empty()).then(|| media.into()),
        authorization: None,
        body: body.to_vec(),
        certificates: Vec::new(),
        ja4_context: None,
        address: "192.0.2.1".into(),
        network: None,
        through: None,
        door: None,
        proof_key: None,
    };
    let answer = world.control.relayed(request).await;
    (answer.status, String::from_utf8(answer.body).unwrap())
}

async fn asked(world: &World) -> String {
    let body = json!({ "wanted": "penetration_test", "contact": "sec@acme.example", "due": "2027-03-01", "note": "<b>soon</b>" });
    let made = world.post("/v1/vendors/acme/requests", &body).await;
    let link = made.expect(StatusCode::CREATED)["link"].as_str().unwrap().to_owned();
    link.strip_prefix("https://gate.example").unwrap().to_owned()
}

const PAGE: &str = "multipart/form-data; boundary=X";

fn field(name: &str, file: &str, text: &str) -> Vec<u8> {
    format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n\r\n{text}\r\n--X--\r\n").into_bytes()
}

#[tokio::test]
async fn a_vendor_answers_by_its_link_once_and_lifts_no_stop_by_it() {
    let world = World::with_integration().await;
    world.apply(&enforced("acme")).await.expect(StatusCode::OK);
    world.keep_documents();
    let path = asked(&world).await;
    let (status, page) = relayed(&world, "GET", &path, "", b"").await;
    assert_eq!(status, 200);
    assert!(
        page.contains("penetration test") && page.contains("&lt;b&gt;soon") && !page.contains("<script"),
        "{page}"
    );
    let (status, page) = relayed(&world, "POST", &path, PAGE, &field("file", "../a.pdf", "%PDF")).await;
    assert!(status == 200 && page.contains("Thank you"), "{page}");
    let view = world.get(PATH).await.body;
    assert_eq!(
        (&view["requests"][0]["state"]["state"], &view["requests"][0]["sent"][0]),
        (&json!("open"), &view["evidence"][0]["evidence"]["id"])
    );
    assert_eq!(view["evidence"][0]["evidence"]["kind"], "other", "nobody has read it yet");
    assert_eq!(view["evidence"][0]["evidence"]["document"]["name"], "a.pdf");
    assert_eq!(view["tasks"].as_array().unwrap().len(), 1);
    assert_eq!(relayed(&world, "POST", &path, PAGE, &field("file", "b", "again")).await.0, 409);
    // Somebody reads it, and files it as what it is.
    let sha256 = view["evidence"][0]["evidence"]["document"]["sha256"].clone();
    let evidence = json!({ "title": "Test", "issuer": "lab", "issued": "2026-12-01", "kind": "penetration_test", "content": {} });
    let body = json!({ "evidence": evidence, "document": { "sha256": sha256, "name": "a.pdf" } });
    let added =
        world.post("/v1/vendors/acme/evidence", &body).await.expect(StatusCode::CREATED)["id"].clone();
    let request = view["requests"][0]["request"]["id"].clone();
    say(&world, json!([{ "change": "request_answered", "request": request, "evidence": added }]))
        .await
        .expect(StatusCode::OK);
    assert_eq!(world.get(PATH).await.body["requests"][0]["state"]["state"], "answered");
}

#[tokio::test]
async fn a_refusal_by_link_is_a_fact_and_a_wrong_or_old_link_is_none() {
    let world = World::with_integration().await;
    world.apply(&enforced("acme")).await.expect(StatusCode::OK);
    world.keep_documents();
    assert_eq!(relayed(&world, "GET", "/oauth/evidence/wrong", "", b"").await.0, 404);
    assert_eq!(relayed(&world, "GET", "/oauth/evidence/", "", b"").await.0, 404);
    // A long document comes in parts, and only parts are put together.
    let path = asked(&world).await;
    let (_, part) = relayed(&world, "POST", &path, "application/octet-stream", b"one ").await;
    let part: Value = serde_json::from_str(&part).unwrap();
    let form = "application/x-www-form-urlencoded";
    let parts = |digests: &str| format!("name=long.txt&parts={digests}").into_bytes();
    let sha256 = part["sha256"].as_str().unwrap();
    assert_eq!(relayed(&world, "POST", &path, form, &parts(&"0".repeat(64))).await.0, 400);
    let (status, text) = relayed(&world, "POST", &path, form, &parts(sha256)).await;
    assert_eq!(status, 200, "{text}");
    let path = asked(&world).await;
    let (status, _) =
        relayed(&world, "POST", &path, PAGE, &field("refuse", "", "we show it to nobody")).await;
    assert_eq!(status, 200);
    let view = world.get(PATH).await.body;
    let refused =
        view["requests"].as_array().unwrap().iter().find(|asked| asked["state"]["state"] == "refused");
    assert_eq!(refused.unwrap()["state"]["reason"], "we show it to nobody");
    assert!(view["stops"].as_array().unwrap().iter().any(|held| held["stop"] == "penetration_test_refused"));
    let path = asked(&world).await;
    world.seconds.fetch_add(86_400 * 80, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(relayed(&world, "GET", &path, "", b"").await.0, 404, "14 days after it was due");
}

#[tokio::test]
async fn lists_of_dossiers_come_in_pages_the_worst_first() {
    let world = World::with_integration().await;
    let vendor = |name: &str| format!("kind: Vendor\nname: {name}\nspec: {{ legal_name: {name} }}\n");
    let more: Vec<String> = ["a-one", "b-two", "c-three"].map(vendor).to_vec();
    world.apply(&more.join("---\n")).await.expect(StatusCode::OK);
    world.apply(&enforced("b-two")).await.expect(StatusCode::OK);
    let (mut seen, mut path) = (Vec::new(), "/v1/dossiers?limit=3".to_owned());
    loop {
        let page = world.get(&path).await;
        let page = page.expect(StatusCode::OK);
        seen.extend(
            page["items"].as_array().unwrap().iter().map(|line| line["vendor"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/dossiers?limit=3&cursor={next}");
    }
    assert_eq!(seen, ["b-two", "a-one", "acme", "c-three"]);
    for wrong in ["x", "clear", "open/acme"] {
        world.get(&format!("/v1/dossiers?cursor={wrong}")).await.refused(400, "names no place", "");
    }
}

#[tokio::test]
async fn signs_of_shells_are_shown_each_in_a_sentence() {
    let world = World::with_integration().await;
    let record = json!({
        "source": { "from": "registry", "name": "nevada" }, "legal_name": "Acne Widgets LLC", "formed": "2026-12-01",
        "registered_address": { "lines": ["PMB 7"], "city": "Reno", "country": "US", "shared_by": 412 },
    });
    say(&world, json!([{ "change": "entity_checked", "record": record }])).await.expect(StatusCode::OK);
    let signs = world.get(PATH).await.body["shell_signs"].clone();
    let signs: Vec<(&str, &str)> = signs
        .as_array()
        .unwrap()
        .iter()
        .map(|sign| (sign["sign"].as_str().unwrap(), sign["sentence"].as_str().unwrap()))
        .collect();
    assert_eq!(signs[0], ("mail_drop", "its registered address is shared by 412 firms"));
    let names: Vec<&str> = signs.iter().map(|(sign, _)| *sign).collect();
    assert_eq!(names[..3], ["mail_drop", "no_head_office", "formed_recently"], "{signs:?}");
    assert!(matches!(names[3], "name_differs" | "form_differs"), "{signs:?}");
}

#[tokio::test]
async fn documents_that_were_kept_long_enough_go_and_a_legal_hold_keeps_them() {
    use std::sync::atomic::Ordering::Relaxed;
    let world = World::with_integration().await;
    let folder = world.keep_documents();
    let retention = |days: u32| crate::control::DocumentRetention {
        days: [("policy".to_owned(), Some(days)), ("default".to_owned(), None)].into(),
    };
    let mut digests = Vec::new();
    for (kind, text) in [("policy", "a policy"), ("policy", "never filed"), ("other", "for ever")] {
        let kept = world.send(raw(&format!("/v1/vendors/acme/documents?kind={kind}"), text.as_bytes())).await;
        digests.push(kept.expect(StatusCode::CREATED)["sha256"].as_str().unwrap().to_owned());
    }
    let evidence = json!({ "title": "Policy", "issuer": "acme", "issued": "2026-12-01", "kind": "policy" });
    let body = json!({ "evidence": evidence, "document": { "sha256": digests[0], "name": "policy.txt" } });
    world.post("/v1/vendors/acme/evidence", &body).await.expect(StatusCode::CREATED);
    let there = |digest: &str| {
        let mut vendors = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        vendors.any(|path| path.join(format!("{digest}.doc")).exists())
    };
    // What is in force stays however short its kind's time is; what nobody has filed doesn't.
    assert_eq!(world.control.expire_documents(&retention(30)).await.unwrap(), 0);
    world.seconds.fetch_add(86_400 * 30, Relaxed);
    world.post("/v1/holds", &json!({ "vendor": "acme", "reason": "case" })).await.expect(StatusCode::CREATED);
    assert_eq!(world.control.expire_documents(&retention(30)).await.unwrap(), 0, "held");
    world.post("/v1/holds/lift", &json!({ "vendor": "acme", "reason": "over" })).await.expect(StatusCode::OK);
    assert_eq!(world.control.expire_documents(&retention(30)).await.unwrap(), 1);
    assert_eq!([0, 1, 2].map(|at| there(&digests[at])), [true, false, true]);
    // Two years later the policy says nothing any more.
    world.seconds.fetch_add(86_400 * 720, Relaxed);
    assert_eq!(world.control.expire_documents(&retention(3_650)).await.unwrap(), 0);
    assert_eq!(world.control.expire_documents(&retention(30)).await.unwrap(), 1);
    let view = world.get(PATH).await.body;
    let why = view["evidence"][0]["removed"]["why"].as_str().unwrap();
    assert!(why.contains("`policy` are kept 30 days"), "{why}");
    assert!(!there(&digests[0]) && there(&digests[2]));
    // It is gone by our own will: nobody is stopped for it, and it is said once.
    let report = world.send(raw("/v1/documents/check", b"")).await;
    assert_eq!(report.expect(StatusCode::OK)["checked"], 0);
    assert_eq!(world.control.expire_documents(&retention(30)).await.unwrap(), 0);
    for (kind, days) in [("polcy", Some(1)), ("policy", Some(0))] {
        let wrong = crate::control::DocumentRetention { days: [(kind.to_owned(), days)].into() };
        assert!(wrong.check().is_err());
    }
}
