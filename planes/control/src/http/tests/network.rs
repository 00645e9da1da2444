//! The network plan by the API: whose networks are where, what is loaded for them, and what was dropped of them.

use axum::http::StatusCode;
use ipnet::IpNet;
use portcullis_domain::command::Command;
use portcullis_network::order::{DropMeasure, Measures, TunnelMeasure};
use portcullis_network::plan::{ClosedBy, Standing};
use serde_json::json;

use portcullis_policy::link::{DoorFault, FromGate};

use super::world::{World, acme};
use crate::network::Site;

/// Integration `acme` with networks in its ceilings.
fn with_networks(networks: &str) -> String {
    let text = acme();
    let parts: Vec<String> = text
        .split("\n---\n")
        .map(|part| {
            if part.contains("kind: Integration") {
                format!("{}\n  ceilings:\n    networks: {networks}\n", part.trim_end())
            } else {
                part.to_owned()
            }
        })
        .collect();
    parts.join("\n---\n")
}

async fn world() -> World {
    let world = World::new().await;
    let site = Site {
        doors: vec!["0.0.0.0:8443".parse().unwrap()],
        control: Some("127.0.0.1:8444".parse().unwrap()),
        balancers: vec!["10.9.0.0/24".parse().unwrap()],
    };
    world.control.stand_at(std::sync::Arc::new(site));
    world.apply(&with_networks("[192.0.2.0/28, \"2001:db8::/48\", AS64500]")).await.expect(StatusCode::OK);
    world
}

#[tokio::test]
async fn networks_of_contracts_are_the_plan_and_a_word_segments_it() {
    let world = world().await;
    let view = world.get("/v1/network").await;
    let view = view.expect(StatusCode::OK);
    assert_eq!(view["segmented"], false);
    assert_eq!(view["doors"], json!(["0.0.0.0:8443"]));
    assert_eq!(view["balancers"], json!(["10.9.0.0/24"]));
    let segment = &view["segments"][0];
    // Packets don't show autonomous systems.
    assert_eq!(segment["networks"], json!(["192.0.2.0/28", "2001:db8::/48"]));
    assert_eq!((&segment["vendor"], &segment["standing"]), (&json!("acme"), &json!("open")));

    let rules = world.get("/v1/network/rules").await;
    let text = rules.expect(StatusCode::OK)["text"].as_str().unwrap().to_owned();
    assert!(text.contains("table inet portcullis_closed {") && !text.contains("table inet portcullis {"));

    // Nobody has it in force, and it is recorded all the same.
    let on = world.post("/v1/network/segmentation", &json!({ "on": true })).await;
    let on = on.expect(StatusCode::OK);
    assert_eq!((&on["changed"], &on["in_force"]), (&json!(true), &json!(false)));
    assert!(on["why_not"].as_str().unwrap().contains("no enforcer"), "{on}");
    let again = world.post("/v1/network/segmentation", &json!({ "on": true })).await;
    let again = again.expect(StatusCode::OK);
    assert_eq!(again["changed"], false);
    assert_eq!(again["ledger_size"], on["ledger_size"]);
    let view = world.get("/v1/network").await;
    let view = view.expect(StatusCode::OK);
    assert_eq!((&view["segmented"], &view["by"]), (&json!(true), &json!("admin")));
    let rules = world.get("/v1/network/rules").await;
    let rules = rules.expect(StatusCode::OK);
    let text = rules["text"].as_str().unwrap();
    for part in [
        "table inet portcullis {",
        "192.0.2.0/28 comment \"acme/acme\"",
        "2001:db8::/48",
        "8443",
        "10.9.0.0/24",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(rules["tables"].as_array().unwrap().len(), 2);
    world.get("/v1/network/differences").await.refused(409, "no enforcer is set up", "");
}

#[tokio::test]
async fn a_severance_closes_networks_and_the_end_of_a_contract_does_not() {
    let world = world().await;
    let networks: Vec<IpNet> = vec!["192.0.2.0/28".parse().unwrap(), "2001:db8::/48".parse().unwrap()];
    world.seconds.fetch_add(20 * 366 * 86_400, std::sync::atomic::Ordering::Relaxed);
    assert!(world.control.network_plan_here().closed_networks().is_empty());
    world
        .post("/v1/sever", &json!({ "target": "integration/acme", "reason": "leak" }))
        .await
        .expect(StatusCode::OK);
    let plan = world.control.network_plan_here();
    assert_eq!(plan.closed_networks(), networks);
    assert!(matches!(plan.segments[0].standing, Standing::Closed { why: ClosedBy::Severance { .. } }));
    let view = world.get("/v1/network").await;
    assert_eq!(view.expect(StatusCode::OK)["segments"][0]["standing"], "severed");
    let rules = world.get("/v1/network/rules").await;
    assert!(rules.expect(StatusCode::OK)["text"].as_str().unwrap().contains("severed vendor/acme"));
}

#[tokio::test]
async fn packets_outside_are_a_finding_and_a_page() {
    let world = world().await;
    let vendor = world.control.network_plan_here().segments[0].owner.vendor;
    let mut notices = world.control.follow_notices();
    let measured = |packets| Measures {
        dropped: vec![DropMeasure { vendor, packets, bytes: packets * 60 }],
        ..Measures::default()
    };
    world.control.note_network_measures(measured(10));
    let found = |world: &World| {
        world.control.findings().into_iter().find(|found| found.code.as_str() == "packets_outside")
    };
    assert!(found(&world).is_none(), "counted before this process began");
    world.control.note_network_measures(measured(1_010));
    let finding = found(&world).unwrap();
    assert_eq!((finding.about.as_str(), finding.severity.as_str()), ("vendor/acme", "high"));
    assert!(
        finding.message.contains("1000 packets") && finding.message.contains("200 a minute"),
        "{finding:?}"
    );
    let page = notices.try_recv().unwrap();
    assert_eq!((page.kind.as_str(), page.vendor.as_deref()), ("packets.outside", Some("acme")));
    world.control.note_network_measures(measured(1_020));
    assert!(notices.try_recv().is_err(), "told once");
    let view = world.get("/v1/network").await;
    assert_eq!(view.expect(StatusCode::OK)["dropped"][0]["packets"], 1_020);
    // Gates score with it: those that are linked are told, and later snapshots say so too.
    let now_us = world.control.clock().now().as_microsecond();
    let facts = world.control.snapshot_facts();
    let outside = facts.vendors.iter().find(|facts| facts.id == vendor).unwrap().outside;
    assert_eq!((outside.counted, outside.last_us), (true, Some(now_us)));
    world.seconds.fetch_add(2 * 86_400, std::sync::atomic::Ordering::Relaxed);
    assert!(found(&world).is_none(), "it is over");
}

#[tokio::test]
async fn what_tunnels_did_is_in_the_ledger() {
    let world = world().await;
    let tunnel = json!({ "kind": "Tunnel", "name": "main", "spec": {
        "integration": "acme", "local_networks": ["10.20.0.5/32"], "remote_networks": ["10.30.0.0/28"],
        "ipsec": { "peer_address": "198.51.100.7", "local_identity": "gate.example.com",
            "peer_identity": "vpn.acme.example" } } });
    world.apply(&tunnel.to_string()).await.expect(StatusCode::OK);
    let id = world.control.state().tunnel("main").unwrap().id();
    let look = async |up, bytes_in| {
        let measure = TunnelMeasure {
            tunnel: id,
            up,
            bytes_in,
            bytes_out: 2 * bytes_in,
            packets_in: 1,
            packets_out: 1,
            handshake_age_seconds: up.then_some(4),
            peer: None,
            associations: u32::from(up),
        };
        world.control.note_network_measures(Measures { tunnels: vec![measure], ..Measures::default() });
        world.control.record_tunnels().await;
        world.control.state().size
    };
    let pass = |seconds| world.seconds.fetch_add(seconds, std::sync::atomic::Ordering::Relaxed);
    let before = world.control.state().size;
    assert_eq!(look(false, 0).await, before, "it was never up");
    assert_eq!(look(true, 100).await, before + 1);
    pass(10);
    assert_eq!(look(true, 900).await, before + 1, "still up");
    pass(10);
    assert_eq!(look(false, 0).await, before + 1, "so soon after");
    pass(300);
    assert_eq!(look(false, 0).await, before + 2);
    let state = world.control.state();
    let last = state.tunnels.observed.get(&id).unwrap();
    let second = |after: i64| jiff::Timestamp::from_second(super::world::START + after).unwrap();
    assert_eq!((last.up, last.changes, last.since, last.time), (false, 1, second(20), second(320)));
    let carried = last.carried.as_ref().unwrap();
    assert_eq!((carried.bytes_in, carried.bytes_out), (900, 1_800));
    assert_eq!(carried.last_handshake, Some(second(6)));
    // It stays down, and that is no news.
    assert_eq!(look(false, 0).await, before + 2);
    pass(300);
    assert_eq!(look(true, 5).await, before + 3);
    pass(86_399);
    assert_eq!(look(true, 5).await, before + 3);
    pass(1);
    assert_eq!(look(true, 5).await, before + 4, "once a day");
}

/// Of a tunnel with credentials of thirty days, and its contract: between two moments that are said nothing turns.
#[tokio::test]
async fn the_plan_changes_by_itself_at_the_moments_that_are_said_and_at_no_other() {
    let world = world().await;
    let tunnel = |name: &str, remote: &str, ipsec: serde_json::Value| {
        json!({ "kind": "Tunnel", "name": name, "spec": {
            "integration": "acme", "local_networks": ["10.20.0.5/32"], "remote_networks": [remote], "ipsec": ipsec,
        } })
        .to_string()
    };
    let gateway = json!({
        "peer_address": "198.51.100.7", "local_identity": "gate.example.com", "peer_identity": "vpn.acme.example",
    });
    world.apply(&tunnel("main", "10.30.0.0/28", gateway)).await.expect(StatusCode::OK);
    let start = world.control.clock().now();
    let by = *world.control.state().operators.keys().next().unwrap();
    let ends = start.checked_add(jiff::SignedDuration::from_hours(30 * 24 + 5)).unwrap();
    let credentials = portcullis_domain::state::tunnels::NewCredentials {
        id: uuid::Uuid::from_u128(7),
        fingerprints: Vec::new(),
        not_after: Some(ends),
    };
    let issue = Command::IssueTunnelCredentials { tunnel: "main".into(), credentials, by };
    world.control.execute(issue).await.unwrap();
    let state = world.control.state();
    let issued = state.tunnels.credentials.values().next().unwrap();
    let signature =
        |at| (crate::network::plan(&state, &Site::default(), None, at), state.credentials_hold(issued, at));
    let (mut at, mut turns) = (start, Vec::new());
    let horizon = start.checked_add(jiff::SignedDuration::from_hours(900 * 24)).unwrap();
    while at < horizon {
        let next = crate::network::terms::next_change(&state, at);
        assert!(next > at, "it goes on");
        let before = next.checked_sub(jiff::SignedDuration::from_micros(1)).unwrap();
        assert!(signature(at) == signature(before), "something turned between {at} and {next}");
        if signature(before) != signature(next) {
            turns.push(next);
        }
        at = next;
    }
    assert!(turns.contains(&ends), "the credentials end: {turns:?}");
    assert!(turns.len() >= 2, "and so does the contract: {turns:?}");
}

/// Integration `acme` with this member of its spec, and a second one of the same vendor.
fn with_door(door: &str, other: &str) -> String {
    let mut parts = Vec::new();
    for part in acme().split("\n---\n") {
        if part.contains("kind: Integration") {
            let networks = "ceilings:\n    networks: [192.0.2.0/28]";
            parts.push(format!("{}\n  {door}\n  {networks}\n", part.trim_end()));
            parts.push(format!("{}\n  {other}\n", part.trim_end().replacen("name: acme", "name: more", 1)));
        } else {
            parts.push(part.to_owned());
        }
    }
    parts.join("\n---\n")
}

#[tokio::test]
async fn a_door_of_an_integrations_own_is_in_the_plan_and_what_can_not_be_opened_is_told() {
    let world = world().await;
    for (door, message) in [
        ("door: 8443", "8443 is the gate's common port: it listens on `0.0.0.0:8443`"),
        ("door: 8444", "8444 is control's own port: it listens on `127.0.0.1:8444`"),
        ("door: 0", "`0` is no port"),
        ("door: 70000", ""),
    ] {
        let answer = world.apply(&with_door(door, "door: 8452")).await;
        assert!(matches!(answer.status, 400 | 422), "{door}: {}", answer.text);
        assert!(answer.text.contains(message), "{door}: {}", answer.text);
    }
    let twice = world.apply(&with_door("door: 8451", "door: 8451")).await;
    assert!(twice.text.contains("door 8451 is integration `more`'s"), "{}", twice.text);
    world.apply(&with_door("door: 8451", "door: 8452")).await.expect(StatusCode::OK);
    let doors = |world: &World| {
        let facts = world.control.snapshot_facts();
        let doors =
            facts.integrations.iter().map(|of| (of.name.clone(), of.door.map(std::num::NonZeroU16::get)));
        doors.collect::<std::collections::BTreeMap<_, _>>()
    };
    let both =
        std::collections::BTreeMap::from([("acme".to_owned(), Some(8451)), ("more".to_owned(), Some(8452))]);
    assert_eq!(doors(&world), both);
    let plan = world.control.network_plan_here();
    let told: Vec<_> =
        plan.own_doors.iter().map(|of| (of.port, &*of.owner.integration_name, of.from_anywhere)).collect();
    assert_eq!(told, [(8451, "acme", false), (8452, "more", true)]);
    assert!(plan.common_from_anywhere.is_empty());
    // What it may be reached by is read back whole from an older word, too.
    let mut older = serde_json::to_value(&*plan).unwrap();
    older.as_object_mut().unwrap().retain(|name, _| name != "own_doors" && name != "common_from_anywhere");
    let older: portcullis_network::plan::NetworkPlan = serde_json::from_value(older).unwrap();
    assert!(older.own_doors.is_empty() && older.segments == plan.segments);

    let port = std::num::NonZeroU16::new(8452).unwrap();
    let why = "can't listen on `0.0.0.0:8452`: it is in use".to_owned();
    let fault = DoorFault { port, why };
    world.gate.send(FromGate::DoorsUnopened { faults: vec![fault] }).await.unwrap();
    let finding = || {
        let found = world.control.findings();
        found.into_iter().find(|found| found.code.as_str() == "door_unopened")
    };
    let finding = loop {
        if let Some(finding) = finding() {
            break finding;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((finding.about.as_str(), finding.severity.as_str()), ("integration/more", "high"));
    assert!(finding.message.contains("door 8452") && finding.message.contains("in use"), "{finding:?}");
    let view = world.get("/v1/network").await;
    let view = view.expect(StatusCode::OK);
    assert_eq!(view["own_doors"][0], json!({ "port": 8451, "vendor": "acme", "integration": "acme" }));
    assert_eq!(view["own_doors"][1]["faults"].as_array().unwrap().len(), 1, "{view}");
    // Without its door the other one leads to the common one from wherever its vendor's machines are.
    world.apply(&with_door("door: 8451", "business_unit: more")).await.expect(StatusCode::OK);
    let plan = world.control.network_plan_here();
    assert_eq!(plan.common_from_anywhere, [plan.segments[0].owner.vendor]);
    assert!(!world.control.findings().iter().any(|found| found.code.as_str() == "door_unopened"), "nobody's");
}
