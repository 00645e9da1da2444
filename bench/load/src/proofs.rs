//! DPoP proofs, each for one request: signed ahead as long as they last, then on the fly.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::keys::{Key, encode, now_seconds, unique};

/// Makes proofs of one key about one method and address.
pub struct Prover {
    key: Key,
    header: String,
    method: &'static str,
    url: String,
    /// SHA-256 of the access token, if there is one.
    token_hash: Option<String>,
    nonce: Option<String>,
    unique: String,
    made: u64,
    ahead: Vec<String>,
    /// Proofs that had to be signed while the load ran.
    pub signed_late: u64,
}

impl Prover {
    pub fn new(key: Key, method: &'static str, url: String, access_token: Option<&str>) -> Self {
        let header = json!({ "typ": "dpop+jwt", "alg": key.name(), "jwk": key.jwk() });
        let token_hash = access_token.map(|token| {
            encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes()).as_ref())
        });
        Self {
            header: encode(header.to_string().as_bytes()),
            key,
            method,
            url,
            token_hash,
            nonce: None,
            unique: unique(),
            made: 0,
            ahead: Vec::new(),
            signed_late: 0,
        }
    }

    /// Uses `nonce` from now on. Proofs with another stay as they are: a nonce outlives its slot.
    pub fn take_nonce(&mut self, nonce: String) {
        self.nonce = Some(nonce);
    }

    /// The proofs signed ahead are refused: forget them.
    pub fn forget_ahead(&mut self) {
        self.ahead.clear();
    }

    /// Has `count` proofs ready.
    pub fn sign_ahead(&mut self, count: usize) -> Result<()> {
        self.ahead.clear();
        for _ in 0..count {
            let proof = self.sign()?;
            self.ahead.push(proof);
        }
        Ok(())
    }

    /// A proof that was never used.
    pub fn next(&mut self) -> Result<String> {
        match self.ahead.pop() {
            Some(proof) => Ok(proof),
            None => {
                self.signed_late += 1;
                self.sign()
            }
        }
    }

    pub fn sign(&mut self) -> Result<String> {
        use std::fmt::Write as _;
        self.made += 1;
        let mut claims = String::with_capacity(400);
        write!(
            claims,
            r#"{{"jti":"{}{:x}","htm":"{}","htu":"{}","iat":{}"#,
            self.unique,
            self.made,
            self.method,
            self.url,
            now_seconds()
        )?;
        if let Some(hash) = &self.token_hash {
            write!(claims, r#","ath":"{hash}""#)?;
        }
        if let Some(nonce) = &self.nonce {
            write!(claims, r#","nonce":"{nonce}""#)?;
        }
        claims.push('}');
        let mut proof = String::with_capacity(self.header.len() + claims.len() * 4 / 3 + 100);
        proof.push_str(&self.header);
        proof.push('.');
        URL_SAFE_NO_PAD.encode_string(&claims, &mut proof);
        self.key.sign(&mut proof)?;
        Ok(proof)
    }
}
