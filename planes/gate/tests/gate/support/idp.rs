//! A vendor's own authorization server, with an RSA key as most have.

use std::collections::BTreeMap;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_domain::event::ExternalKeys;
use portcullis_domain::ids::{ClientId, IssuerId};
use portcullis_domain::spec::{AllowUnbound, ScopeClaim, TokenAlgorithm};
use portcullis_policy::facts::{FetchedKeys, IssuerFacts, MappedClaims};
use serde_json::{Value, json};
use uuid::Uuid;

use super::identity::{ORIGIN, who};
use super::world::SCOPE;

pub struct Idp {
    pub issuer: String,
    pub kid: String,
    key: RsaKeyPair,
}

impl Idp {
    pub fn new(issuer: &str, kid: &str) -> Self {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        Self { issuer: issuer.to_owned(), kid: kid.to_owned(), key }
    }

    pub fn jwk(&self) -> Value {
        json!({ "kty": "RSA", "kid": self.kid, "use": "sig", "alg": "RS256", "n": encode(self.modulus()), "e": "AQAB" })
    }

    /// RFC 8017, A.1.1: two bytes of headers each, their lengths, and a zero before the number.
    pub fn modulus(&self) -> &[u8] {
        &self.key.public_key().as_ref()[9..265]
    }

    pub fn header(&self) -> Value {
        json!({ "alg": "RS256", "typ": "JWT", "kid": self.kid })
    }

    /// The facts of the first vendor's issuer, which maps `azp: exports` to its first client.
    pub fn facts(&self, good_until_seconds: i64) -> IssuerFacts {
        let keys = ExternalKeys { jwks: vec![self.jwk()], roots: Vec::new() };
        IssuerFacts {
            id: IssuerId(Uuid::from_u128(0xcc01)),
            name: "vendor-1-idp".to_owned(),
            vendor: who(1, 1).vendor,
            issuer: self.issuer.clone(),
            keys: FetchedKeys { keys, good_until_seconds },
            algorithms: vec![TokenAlgorithm::RS256],
            audiences: Vec::new(),
            token_types: vec!["at+jwt".to_owned(), "JWT".to_owned()],
            scope_claim: ScopeClaim::Scope,
            scopes: BTreeMap::new(),
            clients: vec![mapped(who(1, 1).client, &[("azp", "exports")])],
            lifetime_seconds_max: 3_600,
            allow_unbound: AllowUnbound::Never,
        }
    }

    /// As Keycloak makes them for a service account.
    pub fn claims(&self, now: i64, cnf: Value) -> Value {
        json!({
            "exp": now + 300, "iat": now, "jti": format!("trrtcc:{now}"), "iss": self.issuer,
            "aud": [ORIGIN, "account"], "sub": "7a2c1f3e-0000-4000-8000-000000000001", "typ": "Bearer",
            "azp": "exports", "acr": "1", "scope": format!("profile {SCOPE} email"),
            "realm_access": { "roles": ["offline_access"] }, "clientHost": "192.0.2.7",
            "client_id": "exports", "cnf": cnf,
        })
    }

    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let input = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
        format!("{input}.{}", encode(signature))
    }

    pub fn token(&self, claims: &Value) -> String {
        self.sign(&self.header(), claims)
    }
}

pub fn mapped(client: ClientId, claims: &[(&str, &str)]) -> MappedClaims {
    let claims = claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    MappedClaims { client, claims }
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The value with some members set otherwise; `null` takes one away.
pub fn with(mut value: Value, changes: Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        match change {
            Value::Null => drop(value.as_object_mut().unwrap().remove(name)),
            change => value[name] = change.clone(),
        }
    }
    value
}
