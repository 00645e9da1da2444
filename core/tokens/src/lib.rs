//! Tokens, proofs and client assertions of Portcullis: minted and verified, strictly.
//!
//! Every object is a compact JWS (RFC 7515) over aws-lc-rs. There is one reading of each input:
//! base64url without padding and without stray bits, JSON without duplicate members, algorithms
//! pinned by the caller. Time comes in as seconds since the Unix epoch; nothing here reads a clock.
//! Randomness is used in one place only, [`signing`], which says so.

pub mod access_token;
pub mod assertion;
mod base64url;
pub mod claims;
pub mod dpop;
pub mod external_keys;
pub mod external_token;
pub mod json;
pub mod jwk;
pub mod jws;
pub mod next_key;
pub mod nonce;
pub mod notice;
pub mod posture;
pub mod replay;
pub mod session;
pub mod signing;
mod statement;
pub mod thumbprint;
