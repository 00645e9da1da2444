//! A vendor's host looks for more than the gate: its requests weigh more for a while, and no other vendor's.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use portcullis_lab::available::{Need, available};
use portcullis_lab::clock::within;
use portcullis_lab::kernel;
use portcullis_lab::meter::Meter;
use portcullis_lab::operator::Operator;
use portcullis_lab::world::{Beside, Vendor, World};
use serde_json::{Value, json};

/// Packets are counted every ten seconds; the first count only says where counting began.
const PATIENCE: Duration = Duration::from_secs(45);
/// Where nothing of the gate listens.
const ELSEWHERE: u16 = 81;

#[test]
fn packets_outside_the_plan_weigh_on_their_vendors_requests_alone() {
    if !available(Need::Packets) {
        return;
    }
    let world =
        World::new(Path::new(env!("CARGO_BIN_EXE_portcullis")), &["acme", "bystander"], Beside::Enforcer);
    let operator = Operator::of(&world.installation, &world.gate);
    let on = json!({ "on": true });
    let segmented =
        operator.begin(&world.gate, Method::POST, "/v1/network/segmentation", &on).recv().unwrap();
    assert_eq!(segmented.unwrap().0, 200);
    let (acme, bystander) = (world.vendor("acme"), world.vendor("bystander"));
    let (acme_token, bystander_token) = (acme.token(), bystander.token());
    let told = |vendor: &Vendor, token: &str| told_of(&world, &operator, vendor, token);
    // Somebody counts, and there is nothing to say.
    let quiet = within(PATIENCE, || told(acme, &acme_token).is_none().then_some(()));
    assert_eq!(quiet, Some(()), "it is not said that nobody counts packets here");
    let seen = within(PATIENCE, || {
        let elsewhere = SocketAddr::from((acme.ours, ELSEWHERE));
        assert_eq!(
            kernel::answering(&acme.host, acme.address, &[elsewhere]),
            [""; 0],
            "segments let it pass"
        );
        told(acme, &acme_token)
    });
    let seen = seen.expect("its packets are dropped, and nothing is said of it");
    assert_eq!((seen["points"].as_f64(), &seen["family"]), (Some(4.0), &json!("origin")), "{seen}");
    assert_eq!(told(bystander, &bystander_token), None, "it has sent nothing of the kind");
}

/// What is said of packets outside with a request of a vendor, which passes whatever is said.
fn told_of(world: &World, operator: &Operator, vendor: &Vendor, token: &str) -> Option<Value> {
    let (machine, token) = (Arc::clone(&vendor.machine), token.to_owned());
    let decision = vendor.host.wait_for(async move {
        let mut connection = machine.http1(&Meter::new()).await.unwrap();
        let answer = machine.get(&mut connection, "/records", &token).await.unwrap();
        assert_eq!(answer.status(), 200, "points alone refuse nobody");
        answer.headers()["portcullis-decision"].to_str().unwrap().to_owned()
    });
    let path = format!("/v1/decisions/{decision}");
    let explained = within(PATIENCE, || match operator.get(&world.gate, &path).unwrap() {
        (200, explained) => Some(explained),
        _ => None,
    });
    let explained = explained.expect("the decision is told of");
    let parts = explained["risk"]["parts"].as_array().unwrap_or_else(|| panic!("{explained}"));
    parts.iter().find(|part| part["signal"] == "packets_outside").cloned()
}
