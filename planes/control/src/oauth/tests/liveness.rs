use jiff::Timestamp;
use portcullis_domain::access::{Access, VendorHold, VendorRelease};
use portcullis_domain::event::{Event, Restoration};
use portcullis_domain::ids::{OperatorId, RestoreId, SeveranceId, TunnelId, VendorId};
use portcullis_domain::target::Target;
use portcullis_policy::tunnels::Through;
use portcullis_tokens::access_token::Epochs;
use portcullis_tokens::session::session_id;
use serde_json::json;
use uuid::Uuid;

use super::world::*;

#[test]
fn what_is_severed_gets_nothing_at_any_endpoint() {
    let check = |target: Target, reason: &str, error: &str, status: u16| {
        let world = World::new();
        let keys = match &target {
            Target::Key { thumbprint, .. } => vec![thumbprint.clone()],
            _ => vec![],
        };
        world.sever(target, 2, keys);
        for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
            let body = world.body("grant_type=client_credentials&token=x");
            let reply = world.ask(with_proof(post(path, &body)));
            reply.expect(status, error, "closed");
            reply.reasons(&[reason]);
            assert!(reply.body["hint"].as_str().unwrap().contains("call the contact"));
        }
    };
    check(vendor(), "vendor_severed", "unauthorized_client", 400);
    check(integration(), "integration_severed", "unauthorized_client", 400);
    check(Target::Client { id: batch() }, "client_severed", "unauthorized_client", 400);
}

/// As an operator says it.
fn hold(world: &World, level: Access) {
    world.change(Event::VendorHeld(VendorHold {
        vendor: VendorId(vendor().id()),
        level,
        epoch: (level == Access::Blocked).then_some(2),
        by: OperatorId(Uuid::nil()),
        reason: "test".to_owned(),
        time: Timestamp::from_second(world.now()).unwrap(),
    }));
}

#[test]
fn a_vendor_that_is_held_gets_no_tokens_until_it_is_released() {
    let world = World::new();
    let old = world.token("");
    hold(&world, Access::Limited);
    assert_eq!(world.token("").status, 200);
    for (level, reason) in [(Access::Held, "vendor_held"), (Access::Blocked, "vendor_blocked")] {
        hold(&world, level);
        let refused = world.token("");
        refused.expect(400, "unauthorized_client", "the vendor is");
        refused.reasons(&[reason]);
    }
    // A severance is the first reason, and not the only one.
    world.sever(integration(), 2, vec![]);
    world.token("").reasons(&["integration_severed", "vendor_blocked"]);
    let world = World::new();
    hold(&world, Access::Blocked);
    world.change(Event::VendorReleased(VendorRelease {
        vendor: VendorId(vendor().id()),
        by: OperatorId(Uuid::nil()),
        reason: String::new(),
        time: Timestamp::from_second(world.now()).unwrap(),
    }));
    // The same key, and tokens of the new epoch.
    let new = world.token("");
    assert_eq!((old.status, new.status), (200, 200));
    assert_eq!(world.claims(&new).lineage.epochs.vendor, 2);
}

#[test]
fn a_severed_key_is_refused_in_every_context() {
    let world = World::new();
    let thumbprint = world.key.kid().to_owned();
    world.sever(Target::Key { client: batch(), thumbprint: thumbprint.clone() }, 0, vec![thumbprint]);
    let reply = world.token("");
    reply.expect(401, "invalid_client", "this client key is closed");
    reply.reasons(&["key_severed"]);
}

#[test]
fn a_severed_session_is_refused_in_its_context_only() {
    let world = World::new();
    let session = session_id(batch(), world.key.kid(), Some(JA4), "192.0.2.0/24");
    world.sever(Target::Session { client: batch(), session }, 0, vec![]);
    let check = |address: &str, ja4: Option<&str>, good: bool| {
        let mut request = with_proof(post("/oauth/token", &world.body("grant_type=client_credentials")));
        request.address = address.to_owned();
        request.ja4_context = ja4.map(str::to_owned);
        let reply = world.ask(request);
        assert_eq!(reply.status == 200, good, "{address} {ja4:?} {reply:?}");
        if !good {
            reply.reasons(&["session_severed"]);
        }
    };
    check("192.0.2.7", Some(JA4), false);
    check("192.0.2.200", Some(JA4), false);
    check("::ffff:192.0.2.7", Some(JA4), false);
    check("192.0.3.7", Some(JA4), true);
    check("192.0.2.7", Some("t13d1516h2_000000000000_e5627efa2ab1"), true);
    check("192.0.2.7", None, true);
    check("2001:db8::1", Some(JA4), true);
}

#[test]
fn nothing_is_given_through_another_vendors_tunnel() {
    let world = World::new();
    let through = |vendor: VendorId| {
        let mut request = with_proof(post("/oauth/token", &world.body("grant_type=client_credentials")));
        request.through = Some(Box::new(Through { tunnel: TunnelId(Uuid::from_u128(9)), vendor }));
        world.ask(request)
    };
    let foreign = VendorId(Uuid::from_u128(77));
    let reply = through(foreign);
    reply.expect(400, "unauthorized_client", "the request came through another vendor's tunnel");
    reply.reasons(&["tunnel_foreign"]);
    assert_eq!(through(VendorId(vendor().id())).status, 200);
    // What is severed is told first.
    world.sever(integration(), 2, vec![]);
    through(foreign).reasons(&["integration_severed", "tunnel_foreign"]);
}

#[test]
fn terms_hold_to_the_second() {
    let world = World::new();
    let moment = |seconds: i64| Timestamp::from_second(START + seconds).unwrap().to_string();
    let check = |expect: &[&str]| {
        let reply = world.token("");
        if expect.is_empty() {
            assert_eq!(reply.status, 200, "{reply:?}");
        } else {
            reply.expect(400, "unauthorized_client", "");
            reply.reasons(expect);
        }
    };
    world.change(contract(&moment(10), &moment(20)));
    check(&["contract_not_in_force"]);
    world.pass(9);
    check(&["contract_not_in_force"]);
    world.pass(1);
    check(&[]);
    world.pass(9);
    check(&[]);
    world.pass(1);
    check(&["contract_not_in_force", "grant_ended"]);
    world.change(contract("2026-01-01", "2027-12-31"));
    check(&[]);
    world.change(feed(json!({ "ends": moment(30) })));
    world.pass(9);
    check(&[]);
    world.pass(1);
    check(&["grant_ended"]);
    world.sever(vendor(), 2, vec![]);
    check(&["vendor_severed", "grant_ended"]);
}

#[test]
fn after_a_restoration_tokens_carry_the_new_epochs() {
    let world = World::new();
    let old = world.token("");
    world.sever(vendor(), 2, vec![]);
    world.change(Event::Restored(Restoration {
        id: RestoreId(Uuid::from_u128(901)),
        target: vendor(),
        severances: vec![SeveranceId(Uuid::from_u128(900))],
        epoch: 3,
        proposed_by: OperatorId(Uuid::nil()),
        confirmed_by: None,
        keys: vec![],
        time: Timestamp::from_second(START).unwrap(),
    }));
    let new = world.token("");
    assert_eq!(world.claims(&new).lineage.epochs, Epochs { vendor: 3, integration: 1, client: 1 });
    let active = |reply: &Reply| {
        let token = reply.body["access_token"].as_str().unwrap();
        world.ask(post("/oauth/introspect", &world.body(&format!("token={token}")))).body["active"].clone()
    };
    assert_eq!(active(&new), true);
    assert_eq!(active(&old), false);
}
