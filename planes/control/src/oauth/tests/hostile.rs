use proptest::prelude::*;
use serde_json::json;

use super::world::*;

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("/oauth/token".to_owned()),
        Just("/oauth/introspect".to_owned()),
        Just("/oauth/revoke".to_owned()),
        "/oauth/.{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever comes, there is an answer, and it is no token.
    #[test]
    fn arbitrary_requests_get_an_answer(
        path in path(),
        body in proptest::collection::vec(any::<u8>(), 0..400),
        authorization in proptest::option::of("\\PC{0,30}"),
        certificates in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..3),
    ) {
        let world = World::new();
        let mut request = with_proof(post(&path, ""));
        request.body = body;
        request.authorization = authorization;
        request.certificates = certificates;
        prop_assert!(world.ask(request).status >= 400);
    }

    /// Forms with the right names and any values.
    #[test]
    fn arbitrary_values_get_an_answer(
        path in path(),
        values in proptest::collection::vec("[ -~]{0,40}", 8),
    ) {
        let names = [
            "client_id", "client_assertion", "client_assertion_type", "scope", "resource", "token",
            "client_secret", "token_type_hint",
        ];
        let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let pairs: Vec<String> =
            names.iter().zip(&values).map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let body = format!("grant_type=client_credentials&{}", pairs.join("&"));
        prop_assert!(World::new().ask(with_proof(post(&path, &body))).status >= 400);
    }

    /// An authenticated client with hostile parameters: an answer, and never a scope beyond the grant.
    #[test]
    fn authenticated_nonsense_stays_within_the_grant(scope in "[ -~]{0,40}", resource in "[ -~]{0,40}") {
        let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let world = World::new();
        let reply = world.token(&format!("scope={}&resource={}", encode(&scope), encode(&resource)));
        if reply.status == 200 {
            for granted in world.claims(&reply).scope {
                prop_assert!(["parcels.read", "files.read"].contains(&granted.as_str()));
            }
        } else {
            prop_assert_eq!(reply.status, 400);
        }
    }

    /// One changed byte anywhere in an assertion, and it is no longer good.
    #[test]
    fn a_changed_assertion_is_refused(place: prop::sample::Index, byte in b'!'..=b'~') {
        let world = World::new();
        let mut assertion = world.assertion(json!({ "jti": "one" })).into_bytes();
        let place = place.index(assertion.len());
        prop_assume!(assertion[place] != byte && !b"&%+=".contains(&byte));
        assertion[place] = byte;
        let assertion = String::from_utf8(assertion).unwrap();
        let reply = world.ask(with_proof(post("/oauth/token", &world.token_body(&assertion))));
        prop_assert_eq!(reply.status, 401);
    }
}
