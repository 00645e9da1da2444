//! Who sends, and what: the requests of one client.

use std::sync::Arc;

use anyhow::Result;
use rustls::ClientConfig;

use crate::proofs::Prover;

/// One client: its connections and its requests.
pub struct Client {
    /// Nothing: plain TCP.
    pub tls: Option<Arc<ClientConfig>>,
    pub requests: Requests,
}

/// What a client sends next.
pub enum Requests {
    /// Always the same bytes.
    Same(Vec<u8>),
    /// A fresh proof each time, in the field `DPoP` between `head` and `rest`.
    Proved { head: Vec<u8>, rest: Vec<u8>, prover: Box<Prover> },
    /// Each once: what follows the field `DPoP` (if there is a prover) or all of the request.
    Once { head: Vec<u8>, rests: Vec<Vec<u8>>, prover: Option<Box<Prover>> },
}

impl Requests {
    /// Writes the next request; false when there is none left.
    pub fn next(&mut self, into: &mut Vec<u8>) -> Result<bool> {
        into.clear();
        match self {
            Self::Same(bytes) => into.extend_from_slice(bytes),
            Self::Proved { head, rest, prover } => {
                into.extend_from_slice(head);
                proof(prover, into)?;
                into.extend_from_slice(rest);
            }
            Self::Once { head, rests, prover } => {
                let Some(rest) = rests.pop() else { return Ok(false) };
                into.extend_from_slice(head);
                if let Some(prover) = prover {
                    proof(prover, into)?;
                }
                into.extend_from_slice(&rest);
            }
        }
        Ok(true)
    }

    pub fn prover(&mut self) -> Option<&mut Prover> {
        match self {
            Self::Same(_) => None,
            Self::Proved { prover, .. } => Some(prover),
            Self::Once { prover, .. } => prover.as_deref_mut(),
        }
    }
}

fn proof(prover: &mut Prover, into: &mut Vec<u8>) -> Result<()> {
    into.extend_from_slice(b"dpop: ");
    into.extend_from_slice(prover.next()?.as_bytes());
    into.extend_from_slice(b"\r\n");
    Ok(())
}

/// A `GET` without its last empty line, to which fields may be added.
pub fn head(host: &str, path: &str, authorization: Option<&str>) -> Vec<u8> {
    let mut text = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n");
    if let Some(authorization) = authorization {
        text.push_str(&format!("authorization: {authorization}\r\n"));
    }
    text.into_bytes()
}
