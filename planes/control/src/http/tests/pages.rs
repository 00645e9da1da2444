//! What somebody is called for, as they read it.

use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::people::add_operator;
use super::world::*;

/// Severs each a minute after the one before, and gives the page that comes of it.
async fn severed(targets: &[&str]) -> Value {
    let world = world().await;
    for target in targets {
        world.seconds.fetch_add(60, Ordering::Relaxed);
        world.post("/v1/sever", &json!({ "target": target, "reason": "x" })).await.expect(StatusCode::OK);
    }
    raised(&world).await
}

/// The newest page, once incidents and pages were looked at.
async fn raised(world: &World) -> Value {
    world.control.look_at_incidents().await;
    world.control.raise_due_pages().await;
    let pages = world.get("/v1/pages").await;
    pages.expect(StatusCode::OK).as_array().unwrap().last().unwrap().clone()
}

/// The lines about what is cut.
fn cut(page: &Value) -> String {
    let text = page["text"].as_str().unwrap();
    let (_, rest) = text.split_once("opened ").unwrap_or_else(|| panic!("{text}"));
    let (_, rest) = rest.split_once(".\n").unwrap();
    rest.split_once("\nNow:").unwrap().0.to_owned()
}

/// `acme` with a second integration, `acme-files`.
async fn world() -> World {
    let world = World::with_integration().await;
    let second = acme();
    let second = second.split("---").find(|text| text.contains("kind: Integration")).unwrap();
    let second = second.replacen("name: acme\n", "name: acme-files\n", 1);
    world.apply(&second).await.expect(StatusCode::OK);
    world
}

#[tokio::test]
async fn a_page_names_what_is_severed_and_what_is_not() {
    let page = severed(&["integration/acme"]).await;
    let title = page["title"].as_str().unwrap();
    assert_eq!(title, "acme: integration/acme was severed (incident 1)");
    assert_eq!(
        cut(&page),
        "Severed:\n  integration/acme, since 2027-01-15T08:01:00Z\nAll else of the vendor is open:\n  integration/acme-files\n"
    );
    let page = severed(&["integration/acme", "integration/acme-files"]).await;
    assert_eq!(
        cut(&page),
        "Severed:\n  integration/acme, since 2027-01-15T08:01:00Z\n  integration/acme-files, since 2027-01-15T08:02:00Z\nThe vendor has no other integration.\n"
    );
    let page = severed(&["integration/acme", "vendor/acme"]).await;
    assert_eq!(cut(&page), "Every path of the vendor is severed since 2027-01-15T08:02:00Z.\n");
}

#[tokio::test]
async fn a_page_says_what_is_open_again_and_what_was_never_cut() {
    let world = world().await;
    let other = add_operator(&world, "jo").await;
    let severing = json!({ "target": "integration/acme", "reason": "x" });
    world.post("/v1/sever", &severing).await.expect(StatusCode::OK);
    world.control.look_at_incidents().await;
    // Restored before anybody was called.
    let proposed = world.post("/v1/restore", &json!({ "target": "integration/acme" })).await;
    let confirm = json!({ "target": "integration/acme", "confirm": proposed.body["id"] });
    let restored = world.send(request("POST", "/v1/restore", &other, Some(&confirm))).await;
    restored.expect(StatusCode::OK);
    let page = raised(&world).await;
    assert_eq!(cut(&page), "What was severed is restored: the vendor's paths are open.\n");

    let world = self::world().await;
    let incident = json!({ "vendor": "acme", "title": "a mailbox was read", "regimes": ["gdpr-33"] });
    world.post("/v1/incidents", &incident).await.expect(StatusCode::CREATED);
    world.seconds.fetch_add(71 * 3_600, Ordering::Relaxed);
    let page = raised(&world).await;
    let title = page["title"].as_str().unwrap();
    assert!(title.starts_with("acme: clock gdpr-33/authority is nearly over"), "{title}");
    assert_eq!(cut(&page), "Nothing is severed: the vendor's paths are open.\n");
}
