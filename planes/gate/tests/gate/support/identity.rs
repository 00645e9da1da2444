//! Clients of the vendors, with their keys.

use portcullis_domain::ids::{ClientId, IntegrationId, VendorId};
use portcullis_tokens::dpop::{NewProof, create};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use portcullis_tokens::thumbprint::Thumbprint;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use uuid::Uuid;

pub const ORIGIN: &str = "https://gate.test";

/// One client, by the number of its vendor and its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Who {
    pub vendor: VendorId,
    pub integration: IntegrationId,
    pub client: ClientId,
}

/// The `client`th client of the `vendor`th vendor.
pub fn who(vendor: u128, client: u128) -> Who {
    Who {
        vendor: VendorId(Uuid::from_u128(vendor << 64)),
        integration: IntegrationId(Uuid::from_u128(vendor << 64 | 1 << 32)),
        client: ClientId(Uuid::from_u128(vendor << 64 | 1 << 32 | (client + 1))),
    }
}

/// A self-signed certificate with its key.
pub struct Certificate {
    pub der: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Certificate {
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["machine.vendor.test".to_owned()]).unwrap();
        Self { der: made.cert.der().clone(), key: made.signing_key.serialize_der() }
    }

    pub fn thumbprint(&self) -> Thumbprint {
        Thumbprint::of_certificate(&self.der)
    }

    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.clone().into())
    }
}

/// A DPoP key, which makes proofs.
pub struct ProofKey(pub SigningKey);

/// What a proof says, for a test to change.
#[derive(Clone)]
pub struct Claims {
    pub method: String,
    pub url: String,
    pub issued_at: i64,
    pub token_id: String,
    pub access_token: String,
    pub nonce: Option<String>,
}

impl ProofKey {
    pub fn new() -> Self {
        Self(SigningKey::generate(Algorithm::ES256).unwrap())
    }

    pub fn thumbprint(&self) -> Thumbprint {
        self.0.public_jwk().thumbprint()
    }

    pub fn proof(&self, claims: &Claims) -> String {
        create(
            &self.0,
            &NewProof {
                method: &claims.method,
                url: &claims.url,
                issued_at: claims.issued_at,
                token_id: &claims.token_id,
                access_token: Some(&claims.access_token),
                nonce: claims.nonce.as_deref(),
            },
        )
        .unwrap()
    }
}
