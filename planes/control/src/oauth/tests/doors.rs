//! By which door somebody asks, and whose it is.

use portcullis_policy::doors::Door;
use serde_json::json;

use super::world::*;

const HERE: &str = "https://gate.example:8451";

fn port(number: u16) -> Door {
    std::num::NonZeroU16::new(number)
}

/// Integration `feed` is served at this door.
fn serve_at(world: &World, door: u16) {
    world.change(feed(json!({ "door": door })));
}

fn by(world: &World, door: Door, body: &str) -> Reply {
    let mut request = with_proof(post("/oauth/token", body));
    request.door = door;
    world.ask(request)
}

fn token_by(world: &World, door: Door) -> Reply {
    by(world, door, &world.body("grant_type=client_credentials"))
}

#[test]
fn a_token_is_given_at_the_door_of_its_integration_alone() {
    let world = World::new();
    assert_eq!(token_by(&world, None).status, 200);
    let refused = token_by(&world, port(8451));
    refused.expect(400, "unauthorized_client", "the integration is served at another port of the gate");
    refused.reasons(&["wrong_door"]);
    assert_eq!(refused.body["hint"], "connect to the common port of the gate");
    serve_at(&world, 8451);
    assert_eq!(token_by(&world, port(8451)).status, 200);
    for door in [None, port(8452)] {
        let refused = token_by(&world, door);
        refused.reasons(&["wrong_door"]);
        assert_eq!(refused.body["hint"], "connect to port 8451: this integration is served there alone");
    }
    // What is severed is told first.
    world.sever(
        portcullis_domain::target::Target::Vendor {
            id: portcullis_domain::ids::VendorId(uuid::Uuid::from_u128(VENDOR)),
        },
        2,
        vec![],
    );
    token_by(&world, None).reasons(&["vendor_severed", "wrong_door"]);
}

#[test]
fn the_server_has_the_address_of_the_door_that_it_is_asked_at() {
    let world = World::new();
    let metadata = |door: Door| {
        let mut request = post("/.well-known/oauth-authorization-server", "");
        (request.method, request.content_type, request.door) = ("GET".to_owned(), None, door);
        world.ask(request).body
    };
    assert_eq!(metadata(None)["issuer"], ISSUER);
    let here = metadata(port(8451));
    assert_eq!(
        (&here["issuer"], &here["token_endpoint"]),
        (&json!(HERE), &json!(format!("{HERE}/oauth/token")))
    );
    assert_eq!(here["mtls_endpoint_aliases"]["token_endpoint"], here["token_endpoint"]);
    serve_at(&world, 8451);
    // Assertions may name either address, at its own door.
    for (audience, door, status) in
        [(HERE, 8451, 200), (ISSUER, 8451, 200), ("https://gate.example:8452", 8451, 401)]
    {
        let assertion = world.assertion(json!({ "aud": audience }));
        let reply = by(&world, port(door), &world.token_body(&assertion));
        assert_eq!(reply.status, status, "{audience} {door}: {reply:?}");
    }
    let assertion = world.assertion(json!({ "aud": HERE }));
    by(&world, None, &world.token_body(&assertion)).expect(401, "invalid_client", "");
    // And so may resources.
    let ask = |resource: &str| {
        by(&world, port(8451), &world.body(&format!("grant_type=client_credentials&resource={resource}")))
    };
    let reply = ask(HERE);
    assert_eq!(world.claims(&reply).audience, [HERE]);
    assert_eq!(world.claims(&reply).issuer, ISSUER, "whoever looks into it finds one issuer");
    ask("https://gate.example:8452").expect(400, "invalid_target", "");
}

#[test]
fn an_enrolment_is_not_used_at_another_door() {
    let world = World::new();
    super::registering::open(&world);
    serve_at(&world, 8451);
    let key = super::registering::new_key();
    let enroll = |door: Door, audience: &str| {
        let proof = super::registering::proof_for(&world, &key, ("fresh", audience), None);
        let code = super::registering::CODE;
        let mut request = post("/oauth/enroll", &format!("client_id=fresh&code={code}&proof={proof}"));
        request.door = door;
        world.ask(request)
    };
    enroll(None, ISSUER).reasons(&["wrong_door"]);
    // The code is still good.
    assert_eq!(enroll(port(8451), HERE).status, 200);
}
