use axum::body::BodyDataStream;
use axum::http::StatusCode;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use portcullis_domain::decision::{DecisionId, DecisionRecord, Ending, OutcomeRecord, Verdict};
use portcullis_domain::ids::{TunnelId, VendorId};
use portcullis_domain::reason::Reason;
use portcullis_domain::spec::Kind;
use portcullis_policy::link::{FromGate, LogBatch};
use serde_json::json;
use uuid::Uuid;

use super::world::*;

pub(super) fn decision(world: &World, number: u8, verdict: Verdict, reason: Reason) -> DecisionRecord {
    let time = Timestamp::from_second(START + i64::from(number)).unwrap();
    let state = world.control.state();
    DecisionRecord {
        id: DecisionId::new(time.as_millisecond() as u64, [number; 10]),
        time,
        verdict,
        reason,
        gate: "gate-1".into(),
        snapshot: 1,
        vendor: state.resource(Kind::Vendor, "acme").map(|vendor| VendorId(vendor.id)),
        integration: None,
        client: None,
        route: None,
        method: "GET".into(),
        path: "/acme/{*rest}".into(),
        session: None,
        client_key: None,
        binding: None,
        peer: "192.0.2.1:40000".into(),
        ja4: None,
        ja4_context: None,
        protocol: "h2".into(),
        scope: vec![],
        risk: None,
        would_stop: None,
        tunnel: None,
    }
}

/// The first event of this name that a stream tells, as its data.
async fn next_event(stream: &mut BodyDataStream, name: &str) -> serde_json::Value {
    let mut text = String::new();
    while let Some(chunk) = stream.next().await {
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        while let Some((event, rest)) = text.split_once("\n\n") {
            if let Some(data) = event.strip_prefix(&format!("event: {name}\ndata: ")) {
                return serde_json::from_str(data).unwrap();
            }
            text = rest.to_owned();
        }
    }
    panic!("the stream has ended");
}

#[tokio::test]
async fn decisions_are_listed_explained_and_followed() {
    let world = World::with_integration().await;
    let response = world.raw(request("GET", "/v1/decisions/stream?verdict=deny", ADMIN, None)).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.into_body().into_data_stream();
    let decided: Vec<DecisionRecord> = (0..5)
        .map(|number| decision(&world, number, Verdict::Allow, Reason::Allowed))
        .chain([decision(&world, 5, Verdict::Deny, Reason::ScopeInsufficient)])
        .collect();
    let (first, last) = (decided[0].clone(), decided[5].clone());
    let ended = vec![OutcomeRecord {
        id: first.id,
        time: first.time,
        ending: Ending::Cut,
        reason: Reason::RecordsCut,
        status: 200,
        request_bytes: 0,
        response_bytes: 10,
        records: 3,
        duration_us: 1_000,
        risk: None,
    }];
    world.gate.send(FromGate::Decisions(LogBatch::of(&decided, &ended).unwrap())).await.unwrap();
    let told = next_event(&mut stream, "decision").await;
    assert_eq!((&told["id"], &told["verdict"]), (&json!(last.id), &json!("deny")));
    assert_eq!(told["names"]["vendor"], "acme");

    let list = world.get("/v1/decisions?vendor=acme&limit=4").await;
    assert_eq!(list.expect(StatusCode::OK)["items"].as_array().unwrap().len(), 4);
    assert_eq!(list.body["items"][0]["id"], json!(last.id));
    let next = list.body["next"].as_str().unwrap().to_owned();
    let rest = world.get(&format!("/v1/decisions?vendor=acme&limit=4&cursor={next}")).await;
    assert_eq!(rest.body["items"].as_array().unwrap().len(), 2, "{}", rest.text);
    assert_eq!((rest.body.get("next"), &rest.body["items"][1]["id"]), (None, &json!(first.id)));
    assert_eq!(world.get("/v1/decisions?vendor=other").await.body["items"], json!([]));
    let cut = world.get("/v1/decisions?reason=records_cut").await;
    assert_eq!(cut.body["items"].as_array().unwrap().len(), 1);
    let since = world.get("/v1/decisions?since=2027-01-15T08:00:05Z").await;
    assert_eq!(since.body["items"].as_array().unwrap().len(), 1, "{}", since.text);

    let explained = world.get(&format!("/v1/decisions/{}", first.id)).await;
    let explained = explained.expect(StatusCode::OK);
    assert_eq!(explained["why"]["code"], "allowed");
    assert_eq!(explained["why_ended"]["title"], Reason::RecordsCut.title());
    assert_eq!(explained["why_ended"]["how"], Reason::RecordsCut.how());
    let other = DecisionId::new(1, [9; 10]);
    world.get(&format!("/v1/decisions/{other}")).await.refused(404, "is known", "");
    world.get("/v1/decisions/x").await.refused(400, "`x` is not a decision id", "Portcullis-Decision");
    let metrics = world.get("/metrics").await.text;
    assert!(
        metrics.contains("{verdict=\"allow\"} 5\n") && metrics.contains("{verdict=\"deny\"} 1\n"),
        "{metrics}"
    );
    let reasons = world.get("/v1/reasons").await;
    assert_eq!(reasons.body.as_array().unwrap().len(), Reason::ALL.len());
}

#[tokio::test]
async fn decisions_are_found_by_the_tunnel_that_they_came_through() {
    let world = World::with_integration().await;
    world
        .apply(
            "kind: Tunnel\nname: acme-wg\nspec:\n  integration: acme\n  local_networks: [10.20.0.5/32]\n  \
             remote_networks: [10.30.0.0/28]\n  wireguard: {interface: pc-acme, listen_port: 51820, \
             peer_public_key: mtJUpr5qB1rO5g6LxFZnTOyDjbIhq6kjGdq6IHtAyDc=}\n",
        )
        .await
        .expect(StatusCode::OK);
    let id = TunnelId(world.control.state().resource(Kind::Tunnel, "acme-wg").unwrap().id);
    let gone = TunnelId(Uuid::from_u128(9));
    let stream = world.raw(request("GET", "/v1/decisions/stream?tunnel=acme-wg", ADMIN, None)).await;
    let mut stream = stream.into_body().into_data_stream();
    let through = |number, tunnel| DecisionRecord {
        tunnel,
        ..decision(&world, number, Verdict::Deny, Reason::TunnelForeign)
    };
    let decided = [through(0, None), through(1, Some(gone)), through(2, Some(id))];
    world.gate.send(FromGate::Decisions(LogBatch::of(&decided, &[]).unwrap())).await.unwrap();
    let told = next_event(&mut stream, "decision").await;
    assert_eq!((&told["id"], &told["tunnel"]), (&json!(decided[2].id), &json!(id)));
    assert_eq!(told["names"]["tunnel"], "acme-wg");
    let list = world.get("/v1/decisions?tunnel=acme-wg").await;
    let items = list.expect(StatusCode::OK)["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["id"]), (1, &json!(decided[2].id)));
    assert_eq!(world.get("/v1/decisions?tunnel=acme").await.body["items"], json!([]));
    // One that is gone has an id alone, and who came through none has neither.
    let shown = async |record: &DecisionRecord| {
        let answer = world.get(&format!("/v1/decisions/{}", record.id)).await;
        let body = answer.expect(StatusCode::OK);
        (body.get("tunnel").cloned(), body["names"].get("tunnel").cloned())
    };
    assert_eq!(shown(&decided[1]).await, (Some(json!(gone)), None));
    assert_eq!(shown(&decided[0]).await, (None, None));
}

#[tokio::test]
async fn events_are_followed_until_the_operator_is_removed() {
    let world = World::new().await;
    let jo = world.post("/v1/operators", &json!({ "name": "jo" })).await.body["token"].clone();
    let response = world.raw(request("GET", "/v1/events/stream", jo.as_str().unwrap(), None)).await;
    let mut stream = response.into_body().into_data_stream();
    let size = world.control.state().size;
    world.apply("kind: Vendor\nname: v\nspec: {legal_name: V}\n").await.expect(StatusCode::OK);
    let told = next_event(&mut stream, "event").await;
    assert_eq!(told, json!({ "sequence": size, "kind": "resource_defined" }));
    world.delete("/v1/operators/jo").await.expect(StatusCode::OK);
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_slow_reader_is_told_what_it_missed() {
    let world = World::with_integration().await;
    let response = world.raw(request("GET", "/v1/decisions/stream", ADMIN, None)).await;
    let mut slow = response.into_body().into_data_stream();
    let decided: Vec<_> = (0..5_000_u16)
        .map(|number| {
            let [high, low] = number.to_be_bytes();
            let id = DecisionId::new(START as u64 * 1_000, [0, 0, 0, 0, 0, 0, 0, 0, high, low]);
            DecisionRecord { id, ..decision(&world, 0, Verdict::Allow, Reason::Allowed) }
        })
        .collect();
    world.gate.send(FromGate::Decisions(LogBatch::of(&decided, &[]).unwrap())).await.unwrap();
    let told = next_event(&mut slow, "missed").await;
    let missed = told["missed"].as_u64().unwrap();
    // It goes on with the oldest that is still held.
    let next = next_event(&mut slow, "decision").await;
    let id: DecisionId = next["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(u64::from(u16::from_be_bytes([id.0[14], id.0[15]])), missed);
}
