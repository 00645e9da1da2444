use axum::body::Body;
use axum::http::{Request, StatusCode};
use portcullis_api::openapi::routes::routes;
use portcullis_api::reload::ReloadAnswer;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::world::*;
use crate::control::token_digest;
use crate::http::read::BODY_BYTES_MAX;
use crate::process::{MetricsAccess, Process};

fn filled(path: &str) -> String {
    let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    path.replace("{kind}.json", "Vendor.json")
        .replace("{kind}", "vendor")
        .replace("{name}", "nobody")
        .replace("{id}", id)
        .replace("{what}", id)
        .replace("{use}", "clients")
}

#[tokio::test]
async fn what_the_table_says_is_served() {
    let world = World::new().await;
    let table = routes();
    for route in &table {
        let path = filled(route.path);
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let listed =
                table.iter().any(|other| other.path == route.path && other.method.to_uppercase() == method);
            let status = world.raw(request(method, &path, ADMIN, None)).await.status();
            assert_eq!(status != StatusCode::METHOD_NOT_ALLOWED, listed, "{method} {path}");
            if ["{name}", "{id}", "{what}"].iter().any(|place| route.path.contains(place)) {
                continue;
            }
            assert_ne!(status, StatusCode::NOT_FOUND, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn an_operator_is_needed() {
    let world = World::new().await;
    for route in routes() {
        let (method, path) = (route.method.to_uppercase(), filled(route.path));
        for token in ["", "pcl_wrong", "pcl_admin2"] {
            let response = world.raw(request(&method, &path, token, None)).await;
            if route.path == "/calendar.ics" {
                // It has a token of its own, in its address.
                assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
            } else if route.public {
                assert_eq!(response.status(), StatusCode::OK, "{path}");
            } else {
                assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
                assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"portcullis\"");
            }
        }
    }
    let basic = Request::get("/v1/reasons").header("authorization", "Basic pcl_admin").body(Body::empty());
    world.send(basic.unwrap()).await.refused(401, "no operator token", "Authorization: Bearer TOKEN");
    let small = Request::get("/v1/reasons").header("authorization", "bearer pcl_admin").body(Body::empty());
    world.send(small.unwrap()).await.expect(StatusCode::OK);
    world.send(request("GET", "/v1/reasons", "pcl_no", None)).await.refused(
        401,
        "is not known",
        "operator add",
    );
}

#[tokio::test]
async fn what_can_t_be_read_is_refused_with_a_hint() {
    let world = World::new().await;
    world.get("/").await.refused(404, "there is nothing at `/`", "");
    world.get("/v1/nothing").await.refused(404, "there is nothing at `/v1/nothing`", "");
    world.get("/v1/resources/polisy").await.refused(404, "`polisy` is not a kind", "known kinds: `vendor`");
    world.get("/v1/resources/vendor?limit=0").await.refused(400, "`0` can't be", "1 to 1000");
    world.get("/v1/resources/vendor?limt=3").await.refused(400, "`limt`", "known here: `limit`, `cursor`");
    world.get("/v1/resources/vendor?limit=1&limit=2").await.refused(400, "there twice", "");
    world.get("/v1/decisions?verdict=alow").await.refused(400, "`alow` can't be", "`allow`");
    world.get("/v1/decisions?since=today").await.refused(400, "`today` can't be", "2026-12-31T18:00:00Z");
    world.get("/v1/decisions/%ff").await.refused(400, "can't be read", "openapi");
    world.get("/schemas/Vendor.yaml").await.refused(404, "/schemas/KIND.json", "");
    world.get("/v1/sever").await.refused(405, "another method", "/openapi.json");

    let body = |media: &str, body: String| {
        Request::post("/v1/apply")
            .header("authorization", format!("Bearer {ADMIN}"))
            .header("content-type", media)
            .body(Body::from(body))
            .unwrap()
    };
    world.send(body("text/plain", "{}".into())).await.refused(415, "not marked as JSON", "application/json");
    world.send(body("application/json", "{".into())).await.refused(400, "line 1 column 1", "openapi");
    world.send(body("application/json; charset=utf-8", "{}".into())).await.refused(400, "`manifests`", "");
    let unknown = json!({ "manifests": [], "dryrun": true }).to_string();
    world.send(body("application/json", unknown)).await.refused(400, "unknown field `dryrun`", "");
    world.send(body("application/json", " [[]]".into())).await.refused(
        400,
        "is not a JSON object",
        "openapi",
    );
    let mut deep = body("application/json", "{\"a\":".repeat(100_000));
    *deep.uri_mut() = "/v1/clients".parse().unwrap();
    world.send(deep).await.refused(400, "recursion limit", "");
    let large = " ".repeat(BODY_BYTES_MAX + 1);
    world.send(body("application/json", large)).await.refused(413, "longer than 2097152", "less");
}

#[tokio::test]
async fn what_is_public_is_there() {
    let world = World::new().await;
    assert_eq!(world.get("/healthz").await.text, "ok\n");
    assert_eq!(world.get("/readyz").await.text, "ready\n");
    let schema = world.get("/schemas/vendor.json").await;
    assert_eq!(schema.headers["content-type"], "application/schema+json");
    assert_eq!(schema.body["properties"]["kind"]["const"], "Vendor");
    assert_eq!(world.get("/openapi.json").await.body["openapi"], "3.1.0");
}

#[tokio::test]
async fn metrics_are_for_operators_and_for_who_holds_their_token() {
    let world = World::new().await;
    let metrics = world.get("/metrics").await;
    assert_eq!(metrics.headers["content-type"], "text/plain; version=0.0.4");
    assert!(metrics.text.contains("\nportcullis_ledger_size 4\n"), "{}", metrics.text);
    assert!(metrics.text.contains("\nportcullis_decisions_total{verdict=\"deny\"} 0\n"), "{}", metrics.text);
    let as_with = |token: &'static str| world.raw(request("GET", "/metrics", token, None));
    assert_eq!(as_with("pcm_prometheus").await.status(), StatusCode::UNAUTHORIZED);
    world.control.serve_with(Process {
        intel: None,
        authority: None,
        webhooks: std::sync::Arc::new(NoWebhooks),
        calendar_key: None,
        reload: Box::new(|| Box::pin(std::future::ready(Ok(ReloadAnswer::default())))),
        metrics: Box::new(|_| {}),
        postings: Box::new(Vec::new),
        metrics_access: MetricsAccess::Token { sha256: token_digest("pcm_prometheus") },
        checks: Box::new(|_| Box::pin(std::future::ready(Vec::new()))),
    });
    for (token, expect) in [("pcm_prometheus", 200), (ADMIN, 200), ("pcm_other", 401), ("", 401)] {
        assert_eq!(as_with(token).await.status(), expect, "{token}");
    }
    let other = world.raw(request("GET", "/v1/findings", "pcm_prometheus", None)).await;
    assert_eq!(other.status(), StatusCode::UNAUTHORIZED, "it opens nothing else");
}

#[tokio::test]
async fn open_metrics_are_for_everybody() {
    let world = World::new().await;
    world.control.serve_with(Process {
        intel: None,
        authority: None,
        webhooks: std::sync::Arc::new(NoWebhooks),
        calendar_key: None,
        reload: Box::new(|| Box::pin(std::future::ready(Ok(ReloadAnswer::default())))),
        metrics: Box::new(|_| {}),
        postings: Box::new(Vec::new),
        metrics_access: MetricsAccess::Open,
        checks: Box::new(|_| Box::pin(std::future::ready(Vec::new()))),
    });
    assert_eq!(world.raw(request("GET", "/metrics", "", None)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_vendor_s_metrics_are_found_by_name_and_by_id() {
    let world = World::with_integration().await;
    let by_name = world.get("/v1/vendors/acme/metrics?window=5m").await;
    assert_eq!(by_name.expect(StatusCode::OK)["integrations"][0]["routes"][0]["name"], "acme-read");
    let id = world.get("/v1/resources/vendor/acme").await.body["id"].as_str().unwrap().to_owned();
    assert_eq!(world.get(&format!("/v1/vendors/{id}/metrics?window=5m")).await.body, by_name.body);
    world.get("/v1/vendors/nobody/metrics").await.refused(404, "there is no vendor `nobody`", "");
    world.get("/v1/vendors/acme/metrics?window=2h").await.refused(400, "`2h` can't be", "`1h`");
}

/// JSON of any shape, with the names that bodies have.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!("vendor/acme")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let name = prop::sample::select(vec![
            "manifests",
            "file",
            "text",
            "dry_run",
            "name",
            "integration",
            "jwks",
            "keys",
            "certificates",
            "target",
            "reason",
            "confirm",
            "subject",
            "client_secret",
            "kty",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..4).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

#[test]
fn no_body_is_a_fault_of_ours() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::with_integration());
    let paths: Vec<&str> =
        routes().into_iter().filter(|route| route.request.is_some()).map(|route| route.path).collect();
    // Nobody reads feeds here, and the answer says so whatever the body.
    let paths: Vec<&str> = paths.into_iter().filter(|path| !path.starts_with("/v1/feeds/")).collect();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(400));
    runner
        .run(&(prop::sample::select(paths), any_json()), |(path, body)| {
            let answer = runtime.block_on(world.post(path, &body));
            prop_assert!(answer.status < 500, "{path} {body}: {}", answer.text);
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_path_and_no_query_is_a_fault_of_ours() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::with_integration());
    // Streams don't end.
    let paths: Vec<&str> = routes()
        .into_iter()
        .filter(|route| route.method != "post" && !route.path.ends_with("/stream"))
        .map(|route| route.path)
        .collect();
    let text = || prop::collection::vec(any::<u8>(), 0..12);
    let name =
        prop::sample::select(vec!["limit", "cursor", "since", "verdict", "reason", "vendor", "dry_run", "x"]);
    let encoded = |bytes: &[u8]| bytes.iter().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(400));
    let asked = (prop::sample::select(paths), text(), name, text(), any::<bool>());
    runner
        .run(&asked, |(path, segment, name, value, delete)| {
            let path = path.replace("{kind}", "vendor");
            let path = path.replace("{name}", &encoded(&segment)).replace("{id}", &encoded(&segment));
            let path = format!("{path}?{name}={}", encoded(&value));
            let method = if delete { "DELETE" } else { "GET" };
            let answer = runtime.block_on(world.send(request(method, &path, ADMIN, None)));
            prop_assert!(answer.status < 500, "{path}: {}", answer.text);
            Ok(())
        })
        .unwrap();
}

/// Nobody is told.
struct NoWebhooks;

impl crate::process::Webhooks for NoWebhooks {
    fn status(&self) -> Vec<portcullis_api::notify::WebhookView> {
        Vec::new()
    }

    fn test(&self, _: &str) -> Option<crate::process::Testing> {
        None
    }
}
