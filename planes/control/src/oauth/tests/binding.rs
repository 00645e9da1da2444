use portcullis_domain::target::Target;
use portcullis_tokens::thumbprint::Thumbprint;

use super::world::*;

#[test]
fn every_token_is_bound_to_what_the_request_shows() {
    let world = World::new();
    let stranger = self_signed("stranger");
    let check = |proof: bool, certificate: Option<&Vec<u8>>, token_type: &str| {
        let mut request = post("/oauth/token", &world.body("grant_type=client_credentials"));
        if proof {
            request = with_proof(request);
        }
        if let Some(certificate) = certificate {
            request = with_certificates(request, std::slice::from_ref(certificate));
        }
        let reply = world.ask(request);
        assert_eq!(reply.body["token_type"], token_type, "{reply:?}");
        let confirmation = world.claims(&reply).confirmation;
        assert_eq!(confirmation.jkt, proof.then(proof_key));
        assert_eq!(confirmation.x5t_s256, certificate.map(|der| Thumbprint::of_certificate(der)));
    };
    check(true, None, "DPoP");
    // With a key of its own the client may come with any certificate: it is bound to it.
    check(false, Some(&stranger), "Bearer");
    check(true, Some(&stranger), "DPoP");
}

#[test]
fn without_a_key_there_is_no_token() {
    let world = World::new();
    let reply = world.ask(post("/oauth/token", &world.body("grant_type=client_credentials")));
    reply.expect(400, "invalid_request", "always bound to a key");
    assert!(reply.body["hint"].as_str().unwrap().contains("DPoP proof"));
}

#[test]
fn a_refused_key_binds_nothing() {
    let world = World::new();
    let stranger = self_signed("stranger");
    let ask = || {
        let request = with_proof(post("/oauth/token", &world.body("grant_type=client_credentials")));
        world.ask(with_certificates(request, std::slice::from_ref(&stranger)))
    };
    assert_eq!(ask().status, 200);
    let refuse = |thumbprint: String| {
        let target = Target::Key { client: batch(), thumbprint: thumbprint.clone() };
        world.sever(target, 0, vec![thumbprint]);
    };
    refuse(Thumbprint::of_certificate(&stranger).to_string());
    let reply = ask();
    reply.expect(401, "invalid_client", "this client key is closed");
    reply.reasons(&["key_severed"]);
    // The client itself may go on with another certificate, or none.
    assert_eq!(world.token("").status, 200);
    refuse(proof_key().to_string());
    world.token("").reasons(&["key_severed"]);
}

#[test]
fn nonsense_of_the_gate_is_no_token() {
    let world = World::new();
    let good = || with_proof(post("/oauth/token", &world.body("grant_type=client_credentials")));
    let mut request = good();
    request.proof_key = Some("short".to_owned());
    world.ask(request).expect(500, "server_error", "failed");
    let mut request = good();
    request.address = "192.0.2.7:443".to_owned();
    world.ask(request).expect(500, "server_error", "failed");
}
