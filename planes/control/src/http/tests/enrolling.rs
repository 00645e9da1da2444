use axum::http::StatusCode;
use portcullis_domain::event::KeyForm;
use portcullis_domain::spec::{Declaration, Kind};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use portcullis_tokens::thumbprint::Thumbprint;
use rcgen::{CertificateParams, IsCa, KeyPair};
use serde_json::{Value, json};

use super::world::*;
use crate::http::prepare::prepare;

fn certificate(until_year: i32, authority: bool) -> (String, String, Vec<u8>) {
    let mut params = CertificateParams::new(vec!["batch.acme.example".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(until_year, 1, 1);
    if authority {
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem(), certificate.der().to_vec())
}

fn body(members: Value) -> Value {
    let mut body = json!({ "name": "batch", "integration": "acme" });
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn a_client_comes_with_its_public_keys() {
    let world = World::with_integration().await;
    let (pem, _, der) = certificate(2099, false);
    let answer = world
        .post(
            "/v1/clients",
            &body(json!({ "jwks": public_keys(), "certificates": [pem], "labels": {"a": "b"} })),
        )
        .await;
    let enrolled = answer.expect(StatusCode::CREATED);
    assert_eq!(enrolled["authentication"], json!(["private_key_jwt", "self_signed_tls_client_auth"]));
    assert_eq!(enrolled["issuer"], "https://gate.example");
    assert_eq!(enrolled["scopes"], json!(["acme.read"]));
    assert_eq!(enrolled["client"]["labels"], json!({ "a": "b" }));
    let keys = &enrolled["client"]["status"]["keys"];
    assert_eq!(keys[1]["thumbprint"], Thumbprint::of_certificate(&der).to_string());
    assert_eq!((&keys[0]["form"], &keys[1]["form"]), (&json!("jwk"), &json!("certificate")));
    let again = world.post("/v1/clients", &body(json!({ "jwks": public_keys() }))).await;
    again.refused(409, "client `batch` is enrolled already", "portcullis apply");
}

#[tokio::test]
async fn secrets_are_refused_with_what_to_register_instead() {
    let world = World::with_integration().await;
    for name in ["client_secret", "secret", "api_key", "apiKey", "password", "token"] {
        let mut members = json!({});
        members[name] = json!("hunter2");
        world.post("/v1/clients", &body(members)).await.refused(
            400,
            "secrets and API keys can't be registered",
            "register a public key (`jwks`) or a certificate (`certificates`); `portcullis client enroll NAME --generate DIR` makes one",
        );
    }
    world.post("/v1/clients", &body(json!({}))).await.refused(422, "no way to prove who it is", "");
    let unknown = body(json!({ "jwks": public_keys(), "jwk": {} }));
    world.post("/v1/clients", &unknown).await.refused(400, "unknown field `jwk`", "openapi");
    let elsewhere = json!({ "name": "x", "integration": "none", "jwks": public_keys() });
    world.post("/v1/clients", &elsewhere).await.refused(422, "there is no Integration `none`", "");
    assert_eq!(world.control.state().of_kind(Kind::Client).count(), 0);
}

/// The faults of a client's spec as `POINTER MESSAGE | HINT`, or the number of its keys.
fn check(spec: Value, expect: &[&str]) {
    let whole = json!({ "kind": "Client", "name": "c", "spec": spec });
    let declaration: Declaration = serde_json::from_value(whole).unwrap();
    let now = jiff::Timestamp::from_second(START).unwrap();
    let found = match prepare(&portcullis_domain::state::State::default(), vec![declaration], now) {
        Ok(prepared) => vec![format!("{} keys", prepared[0].keys.len())],
        Err(faults) => faults
            .iter()
            .map(|fault| {
                format!("{} {} | {}", fault.pointer, fault.message, fault.hint.as_deref().unwrap_or(""))
            })
            .collect(),
    };
    assert_eq!(found.len(), expect.len(), "{found:?}");
    for (found, expect) in found.iter().zip(expect) {
        assert!(found.starts_with(expect), "{found}\n{expect}");
    }
}

#[test]
fn what_can_t_serve_as_a_key_is_pointed_at() {
    let jwks = |keys: Value| json!({ "integration": "i", "jwks": keys });
    let certificates = |pems: Vec<&str>| json!({ "integration": "i", "certificates": pems });
    let key = serde_json::to_value(SigningKey::generate(Algorithm::EdDSA).unwrap().public_jwk()).unwrap();
    check(jwks(json!({ "keys": [key] })), &["1 keys"]);
    check(
        jwks(key.clone()),
        &["/spec/jwks this is one key, and not a set of them | write `{\"keys\": [KEY]}`"],
    );
    check(jwks(json!({ "keys": [] })), &["/spec/jwks the set has 0 keys | 1 to 16"]);
    check(jwks(json!(3)), &["/spec/jwks the key isn't a JSON object"]);
    let mut private = key.clone();
    private["d"] = json!("AAAA");
    check(
        jwks(json!({ "keys": [key, private] })),
        &[
            "/spec/jwks/keys/1 key 2 of the set: this is a private key, it has `d` | give the public key, and replace",
        ],
    );
    check(
        jwks(json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] })),
        &[
            "/spec/jwks/keys/0 key 1 of the set: shared secrets (`kty` `oct`) aren't accepted | register a public key",
        ],
    );
    let (good, private, _) = certificate(2099, false);
    let (over, _, _) = certificate(2025, false);
    check(certificates(vec![&good]), &["1 keys"]);
    check(
        certificates(vec![&good, &over, "hello", &private]),
        &[
            "/spec/certificates/1 the certificate expired at 2025-01-01T00:00:00Z | register the certificate that",
            "/spec/certificates/2 this is not PEM of a certificate | give the PEM text of one certificate",
            "/spec/certificates/3 this is a private key | give the certificate, and replace the key",
        ],
    );
    check(certificates(vec![&good, &good]), &["/spec/certificates/1 key `"]);
    let two = format!("{good}{over}");
    check(certificates(vec![&two]), &["/spec/certificates/0 there is more than one certificate | "]);
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check(certificates(vec![junk]), &["/spec/certificates/0 this is not an X.509 certificate | export"]);
    let (authority, _, _) = certificate(2099, true);
    let subject = |pem: &str, address: &str| json!({ "integration": "i", "subject": { "certificate_authority": pem, "san_ip": address } });
    check(subject(&authority, "192.0.2.1"), &["0 keys"]);
    check(
        subject(&good, "nowhere"),
        &[
            "/spec/subject/certificate_authority the certificate is not an authority's | give the certificate",
            "/spec/subject/san_ip `nowhere` is not an IP address | ",
        ],
    );
}

#[tokio::test]
async fn a_certificate_may_expire_where_it_is_registered() {
    let world = World::with_integration().await;
    let (pem, _, _) = certificate(2028, false);
    world.post("/v1/clients", &body(json!({ "certificates": [pem] }))).await.expect(StatusCode::CREATED);
    world.seconds.fetch_add(2 * 365 * 86_400, std::sync::atomic::Ordering::Relaxed);
    let state = world.control.state();
    let known = state.resource(Kind::Client, "batch").unwrap().declaration.clone();
    let now = world.control.clock().now();
    let prepared = prepare(&state, vec![known.clone()], now).unwrap();
    assert_eq!(prepared[0].keys[0].form, KeyForm::Certificate);
    let other = Declaration { name: "other".into(), ..known };
    assert!(prepare(&state, vec![other], now).unwrap_err()[0].message.starts_with("the certificate expired"));
}
