use portcullis_tokens::thumbprint::Thumbprint;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, SanType};
use serde_json::{Value, json};

use super::world::*;

const ASK: &str = "grant_type=client_credentials&client_id=";

fn ask(world: &World, client: &str, chain: &[Vec<u8>]) -> Reply {
    world.ask(with_certificates(post("/oauth/token", &format!("{ASK}{client}")), chain))
}

#[test]
fn a_registered_certificate_authenticates_and_binds() {
    let world = World::new();
    let reply = ask(&world, "pinned", std::slice::from_ref(&world.certificate));
    assert_eq!(reply.body["token_type"], "Bearer", "{reply:?}");
    let claims = world.claims(&reply);
    let thumbprint = Thumbprint::of_certificate(&world.certificate);
    assert_eq!(claims.client_id, "pinned");
    assert_eq!(claims.confirmation.x5t_s256, Some(thumbprint));
    assert_eq!(claims.confirmation.jkt, None);
    assert_eq!(claims.lineage.client_key, thumbprint);

    let request = post("/oauth/token", &format!("{ASK}pinned"));
    let both = with_proof(with_certificates(request, std::slice::from_ref(&world.certificate)));
    let reply = world.ask(both);
    assert_eq!(reply.body["token_type"], "DPoP");
    let claims = world.claims(&reply);
    assert_eq!(
        (claims.confirmation.jkt, claims.confirmation.x5t_s256),
        (Some(proof_key()), Some(thumbprint))
    );
}

#[test]
fn other_certificates_and_other_clients_look_alike() {
    let world = World::new();
    let stranger = self_signed("pinned");
    let own = world.certificate.clone();
    let answers = [
        ask(&world, "nobody", std::slice::from_ref(&own)),
        ask(&world, "pinned", std::slice::from_ref(&stranger)),
        // Possession was proved of the first one only.
        ask(&world, "pinned", &[stranger.clone(), own.clone()]),
        ask(&world, "batch", std::slice::from_ref(&own)),
        ask(&world, "pinned", &[b"no certificate".to_vec()]),
        ask(&world, "pinned", &[Vec::new()]),
    ];
    for answer in &answers {
        answer.expect(401, "invalid_client", "client authentication failed");
        assert_eq!(answer.body, answers[0].body);
    }
    let request = post("/oauth/token", "grant_type=client_credentials");
    world.ask(with_certificates(request, &[own])).expect(401, "invalid_client", "`client_id` is missing");
    // A proof alone proves no client.
    world.ask(with_proof(post("/oauth/token", &format!("{ASK}pinned")))).expect(
        401,
        "invalid_client",
        "does not authenticate",
    );
}

fn named(params: &mut CertificateParams) {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "DE");
    params.distinguished_name.push(DnType::OrganizationName, "Acme, Inc.");
    params.distinguished_name.push(DnType::CommonName, "batch 1");
    params.subject_alt_names = vec![
        SanType::DnsName("batch.acme.example".try_into().unwrap()),
        SanType::DnsName("*.wild.example".try_into().unwrap()),
        SanType::URI("spiffe://acme.example/batch".try_into().unwrap()),
        SanType::IpAddress("192.0.2.9".parse().unwrap()),
        SanType::IpAddress("2001:db8::9".parse().unwrap()),
        SanType::Rfc822Name("Ops@acme.example".try_into().unwrap()),
    ];
}

#[test]
fn the_subject_is_matched_exactly_in_each_form() {
    let world = World::new();
    let authority = Authority::new();
    let leaf = authority.sign(named);
    let check = |form: &str, value: &str, good: bool| {
        let subject = json!({ "certificate_authority": authority.pem, form: value });
        world.enroll(30, "chained", json!({ "subject": subject }), vec![]);
        let reply = ask(&world, "chained", std::slice::from_ref(&leaf));
        if good {
            assert_eq!(reply.status, 200, "{form} {value} {reply:?}");
            let claims = world.claims(&reply);
            assert_eq!(claims.lineage.client_key, Thumbprint::of_certificate(&leaf));
            assert_eq!(claims.confirmation.x5t_s256, Some(claims.lineage.client_key));
        } else {
            reply.expect(401, "invalid_client", "client authentication failed");
        }
    };
    check("dn", "CN=batch 1,O=Acme\\, Inc.,C=DE", true);
    check("dn", "cn=batch 1, o=Acme\\2c Inc., c=DE", true);
    check("dn", "CN=batch 1", false);
    check("dn", "CN=batch 1,O=Acme\\, Inc.", false);
    check("dn", "CN=Batch 1,O=Acme\\, Inc.,C=DE", false);
    check("dn", "", false);
    check("san_dns", "batch.acme.example", true);
    check("san_dns", "BATCH.acme.example", true);
    check("san_dns", "acme.example", false);
    // A wildcard is a name like any other here.
    check("san_dns", "a.wild.example", false);
    check("san_uri", "spiffe://acme.example/batch", true);
    check("san_uri", "spiffe://acme.example/batch/", false);
    check("san_uri", "batch.acme.example", false);
    check("san_ip", "192.0.2.9", true);
    check("san_ip", "2001:db8:0::9", true);
    check("san_ip", "192.0.2.10", false);
    check("san_ip", "192.0.2.0/24", false);
    check("san_email", "Ops@ACME.example", true);
    check("san_email", "ops@acme.example", false);
    check("san_email", "acme.example", false);
}

#[test]
fn the_chain_must_hold_now() {
    let world = World::new();
    let authority = Authority::new();
    let enroll = |name: &str, authority: &Authority| {
        let subject = json!({ "certificate_authority": authority.pem, "san_dns": "batch.acme.example" });
        world.enroll(30, name, json!({ "subject": subject }), vec![]);
    };
    enroll("chained", &authority);
    let check = |name: &str, chain: &[Vec<u8>], good: bool| {
        let reply = ask(&world, "chained", chain);
        assert_eq!(reply.status, if good { 200 } else { 401 }, "{name} {reply:?}");
    };
    let with = |change: &dyn Fn(&mut CertificateParams)| {
        authority.sign(|params| {
            named(params);
            change(params);
        })
    };
    check("plain", &[with(&|_| {})], true);
    check(
        "for clients",
        &[with(&|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth])],
        true,
    );
    check(
        "for servers",
        &[with(&|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])],
        false,
    );
    check(
        "an authority itself",
        &[with(&|p| p.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained))],
        false,
    );
    // 1,800,000,000 is in January 2027.
    check("over", &[with(&|p| p.not_after = rcgen::date_time_ymd(2027, 1, 1))], false);
    check("not yet", &[with(&|p| p.not_before = rcgen::date_time_ymd(2027, 2, 1))], false);
    check("of another authority", &[Authority::new().sign(named)], false);
    check("self-signed", &[self_signed("batch.acme.example")], false);

    let (intermediate, between) = authority.intermediate();
    let leaf = intermediate.sign(named);
    check("with its intermediate", &[leaf.clone(), between.clone()], true);
    check("without its intermediate", std::slice::from_ref(&leaf), false);
    check("in another order", &[between.clone(), leaf.clone()], false);
    let far: Vec<Vec<u8>> =
        [leaf.clone()].into_iter().chain((0..8).map(|_| self_signed("x"))).chain([between]).collect();
    check("behind more than is looked at", &far, false);

    world.enroll(
        30,
        "chained",
        json!({ "subject": { "certificate_authority": "no pem", "san_dns": "batch.acme.example" } }),
        vec![],
    );
    check("without an authority", &[with(&|_| {})], false);
    let subject: Value = json!({ "certificate_authority": authority.pem });
    world.enroll(30, "chained", json!({ "subject": subject }), vec![]);
    check("without a form", &[with(&|_| {})], false);
}

#[test]
fn several_ways_may_be_registered() {
    let world = World::new();
    let authority = Authority::new();
    let (pinned, chained) = (self_signed("x"), authority.sign(named));
    let spec = json!({
        "jwks": jwks(&world.key),
        "certificates": ["(pem)"],
        "subject": { "certificate_authority": authority.pem, "san_dns": "batch.acme.example" },
    });
    world.enroll(31, "all", spec, vec![of_certificate(&pinned)]);
    assert_eq!(ask(&world, "all", &[pinned]).status, 200);
    assert_eq!(ask(&world, "all", std::slice::from_ref(&chained)).status, 200);
    let body = world.token_body(&world.assertion_by(&world.key, "all", json!({})));
    let reply = world.ask(with_certificates(post("/oauth/token", &body), &[chained]));
    assert_eq!(world.claims(&reply).lineage.client_key.to_string(), world.key.kid());
}
