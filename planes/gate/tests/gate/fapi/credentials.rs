//! Credentials: where the token stands, under which scheme, and what it is bound to.

use std::sync::atomic::Ordering;

use http::Method;
use portcullis_tokens::access_token::Confirmation;
use serde_json::json;

use super::{ANY, BEARER_REQUEST, BEARER_TOKEN, DPOP_TOKEN, Line, PATH, PROOF, Party, check};
use crate::support::client::{BOTH, With, full, get, request};
use crate::support::identity::{Certificate, who};
use crate::support::world::{World, bound_to_certificate};

#[tokio::test]
async fn credentials_that_are_refused() {
    let world = World::new().await;
    for protocol in BOTH {
        let certificate = Certificate::new();
        let mut none = world.open(protocol, None).await;
        let mut own = world.open(protocol, Some(&certificate)).await;
        let mut other = world.open(protocol, Some(&Certificate::new())).await;
        let mut party = Party::new(&world, &mut none).await;
        let by_certificate = world.token(who(1, 1), &certificate);
        let both = Confirmation {
            jkt: Some(party.key.thumbprint()),
            x5t_s256: bound_to_certificate(certificate.thumbprint()).x5t_s256,
        };
        let both = world.mint(&world.claims(who(1, 1), both));
        let proof = |party: &Party| party.proof(json!({}), json!({}));
        let authorized =
            |scheme: &str, token: &str| get(PATH).with("authorization", &format!("{scheme} {token}"));
        let unsigned = {
            let payload = party.token.split('.').nth(1).unwrap();
            let header = json!({"alg": "none", "typ": "at+jwt", "kid": world.signing_key.kid()}).to_string();
            format!("{}.{payload}.", party.encoded(header.as_bytes()))
        };
        let form = |token: &str| {
            request(Method::POST, PATH, full(format!("access_token={token}")))
                .with("content-type", "application/x-www-form-urlencoded")
        };
        let query = format!("{PATH}?access_token={}", party.token);
        let token = party.token.clone();
        party.refresh(&world, &mut none).await;
        let lines = vec![
            Line("nothing", get(PATH), ANY, "token_missing"),
            Line("a proof without a token", get(PATH).with("dpop", &proof(&party)), ANY, "token_missing"),
            Line("the token in the query", get(&query).with("dpop", &proof(&party)), ANY, "token_missing"),
            Line("the token in the body", form(&token).with("dpop", &proof(&party)), ANY, "token_missing"),
            Line("Basic", authorized("Basic", "dTpw"), ANY, "token_missing"),
            Line("an unknown scheme", authorized("GNAP", &token), ANY, "token_missing"),
            Line(
                "two Authorization headers",
                party.with_proof(&proof(&party)).bearer(&token),
                BEARER_REQUEST,
                "token_malformed",
            ),
            Line(
                "the same Authorization twice",
                party.with_proof(&proof(&party)).with("authorization", &format!("DPoP {token}")),
                BEARER_REQUEST,
                "token_malformed",
            ),
            Line(
                "two tokens in one",
                authorized("DPoP", &format!("{token},{token}")),
                BEARER_TOKEN,
                "token_malformed",
            ),
            Line("a token that isn't signed", authorized("DPoP", &unsigned), BEARER_TOKEN, "token_malformed"),
            Line(
                "a proof in the token's place",
                authorized("DPoP", &proof(&party)),
                BEARER_TOKEN,
                "token_malformed",
            ),
            Line("a DPoP token as Bearer", get(PATH).bearer(&token), DPOP_TOKEN, "proof_missing"),
            Line(
                "a DPoP token as Bearer, with a proof",
                get(PATH).bearer(&token).with("dpop", &proof(&party)),
                DPOP_TOKEN,
                "scheme_wrong",
            ),
            Line("no certificate", get(PATH).bearer(&by_certificate), BEARER_TOKEN, "certificate_missing"),
            Line(
                "bound to both, without the certificate",
                authorized("DPoP", &both).with("dpop", &proof(&party)),
                DPOP_TOKEN,
                "certificate_missing",
            ),
        ];
        for Line(line, asked, expect, reason) in lines {
            check(line, &none.ask(asked).await.unwrap(), expect, reason);
        }
        let lines = vec![
            Line("another certificate", get(PATH).bearer(&by_certificate), BEARER_TOKEN, "certificate_wrong"),
            Line(
                "bound to both, with another certificate",
                authorized("DPoP", &both).with("dpop", &proof(&party)),
                DPOP_TOKEN,
                "certificate_wrong",
            ),
        ];
        for Line(line, asked, expect, reason) in lines {
            check(line, &other.ask(asked).await.unwrap(), expect, reason);
        }
        let lines = vec![
            Line(
                "a certificate-bound token as DPoP",
                authorized("DPoP", &by_certificate).with("dpop", &proof(&party)),
                BEARER_TOKEN,
                "scheme_wrong",
            ),
            Line("bound to both, as Bearer", get(PATH).bearer(&both), DPOP_TOKEN, "proof_missing"),
            Line("bound to both, without a proof", authorized("DPoP", &both), PROOF, "proof_missing"),
            Line(
                "bound to both, the proof with another token's hash",
                authorized("DPoP", &both).with("dpop", &proof(&party)),
                PROOF,
                "proof_token_hash",
            ),
        ];
        for Line(line, asked, expect, reason) in lines {
            check(line, &own.ask(asked).await.unwrap(), expect, reason);
        }
    }
    assert_eq!(world.upstream.log.requests.load(Ordering::SeqCst), 0, "nothing went on");
}
