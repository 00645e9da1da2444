//! Packs over the API: which window the pack of an incident has.

use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use jiff::Timestamp;
use portcullis_api::packs::PackRequest;
use serde_json::json;

use super::world::*;
use crate::http::packs::order;

const DAY: i64 = 86_400;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START + seconds).unwrap()
}

#[tokio::test]
async fn the_pack_of_an_incident_begins_a_day_before_anything_that_is_known_of_it() {
    let world = World::with_integration().await;
    let window = |incident: &str, more: serde_json::Value| {
        let mut request = json!({ "incident": incident });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request: PackRequest = serde_json::from_value(request).unwrap();
        let order = order(&world.control, request).ok().unwrap();
        (order.from, order.to)
    };
    let open = async |knew: Option<i64>| {
        let moments = knew.map(|knew| json!({ "moment": "vendor_aware", "at": at(knew), "why": "x" }));
        let moments: Vec<_> = moments.into_iter().collect();
        let request = json!({ "vendor": "acme", "title": "a mailbox was read", "moments": moments });
        world.post("/v1/incidents", &request).await.expect(StatusCode::CREATED)["number"].to_string()
    };
    let plain = open(None).await;
    let known = open(Some(-30 * DAY)).await;
    let long_known = open(Some(-900 * DAY)).await;
    // It is found days after the vendor was severed.
    let sever = json!({ "target": "vendor/acme", "reason": "its key is for sale" });
    world.post("/v1/sever", &sever).await.expect(StatusCode::OK);
    world.control.look_at_incidents().await;
    world.seconds.fetch_add(5 * DAY, Ordering::Relaxed);
    let none = json!({});
    assert_eq!(window(&plain, none.clone()), (at(-DAY), at(5 * DAY)));
    assert_eq!(window(&known, none.clone()), (at(-31 * DAY), at(5 * DAY)));
    assert_eq!(window(&long_known, none.clone()), (at(-395 * DAY), at(5 * DAY)));
    // An end that lies in the future makes it no longer; what is asked for is what comes.
    let future = json!({ "to": at(50 * DAY) });
    assert_eq!(window(&long_known, future), (at(-395 * DAY), at(5 * DAY)));
    assert_eq!(window(&known, json!({ "from": at(-60), "to": at(60) })), (at(-60), at(60)));
}
