//! What a vendor read, as its incident shows it: by when exchanges ended, and not by when they began.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use portcullis_control::sealing::Which;
use portcullis_domain::decision::{DecisionRecord, OutcomeRecord};
use portcullis_domain::ids::VendorId;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::decisions::{decision, outcome};
use crate::sealing::{Log, begun, seal};
use crate::world::{Process, World};

const HOUR: Duration = Duration::from_secs(3_600);

async fn ask(process: &Process, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path).header("authorization", "Bearer ann");
    let request = request.header("content-type", "application/json");
    let request = request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_string()))).unwrap();
    let router = portcullis_control::http::router(process.control.clone());
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, serde_json::from_slice(&bytes).unwrap())
}

/// The end of this exchange, now.
fn end(world: &World, record: &DecisionRecord, records: u64) -> OutcomeRecord {
    OutcomeRecord { time: world.now(), records, ..outcome(record) }
}

#[tokio::test]
async fn a_long_download_is_read_in_the_minute_in_which_it_is_cut() {
    let world = World::new();
    let process = world.start().await;
    process.operator("ann").await;
    process.acme().await;
    let mut log = Log::open(&world);
    let mut sealer = begun(&process).await;
    let opened = json!({ "vendor": "acme", "title": "a mailbox was read" });
    let (status, view) = ask(&process, "POST", "/v1/incidents", Some(opened)).await;
    assert_eq!(status, StatusCode::CREATED, "{view}");
    // The longest of all lives for a day.
    for (number, life) in [HOUR + HOUR / 2, 24 * HOUR].into_iter().enumerate() {
        let long = decision(&process, &world, 0, 2 * u8::try_from(number).unwrap());
        let mut foreign = decision(&process, &world, 0, 100 + 2 * u8::try_from(number).unwrap());
        foreign.vendor = Some(VendorId(Uuid::from_u128(7)));
        log.decided(&world, &long);
        log.decided(&world, &foreign);
        world.pass(life);
        let (kept, report) = seal(sealer, Which::Everything).await;
        assert_eq!(report.unwrap().rows, 2, "decisions without their ends");
        log.ended_with(&world, &long, &end(&world, &long, 2_000_000));
        log.ended_with(&world, &foreign, &end(&world, &foreign, 5));
        let read = async || {
            let (status, view) = ask(&process, "GET", "/v1/incidents/1", None).await;
            assert_eq!(status, StatusCode::OK, "{view}");
            let reading = view["reading"].clone();
            assert_eq!(
                (&reading["records"], &reading["exchanges"], &reading["partial"]),
                (&json!(2_000_000), &json!(1), &json!(false)),
                "after {life:?}: {reading}"
            );
            assert_eq!(reading["minutes"].as_array().unwrap().last(), Some(&json!(2_000_000)));
        };
        // Out of the log, then out of a file of the hour in which it began.
        read().await;
        let (kept, report) = seal(kept, Which::Everything).await;
        assert_eq!(report.unwrap().rows, 2, "ends without their decisions");
        read().await;
        sealer = kept;
        world.pass(2 * HOUR);
    }
}
