//! The handshake of WireGuard (Noise_IKpsk2) from the side that begins, as <https://www.wireguard.com/protocol/> has it.
//! Key exchange and encryption are aws-lc-rs's; it has no BLAKE2s, which the protocol names and nothing else will do.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use blake2::digest::consts::U16;
use blake2::digest::{Digest as _, Mac as _};
use blake2::{Blake2s256, Blake2sMac};

use crate::WireguardError;
use crate::session::Session;

pub const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const BLOCK_BYTES: usize = 64;

const CONSTRUCTION: &[u8] = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
const IDENTIFIER: &[u8] = b"WireGuard v1 zx2c4 Jason@zx2c4.com";
const LABEL_MAC1: &[u8] = b"mac1----";

const INITIATION: [u8; 4] = [1, 0, 0, 0];
const RESPONSE: [u8; 4] = [2, 0, 0, 0];
const RESPONSE_BYTES: usize = 92;
/// After its two codes for floods, of which the second is empty: nobody has asked for it.
const NO_COOKIE: [u8; 16] = [0; 16];

type Key = [u8; KEY_BYTES];

/// What a peer proves itself by, and the other side.
pub struct Credentials {
    private: PrivateKey,
    public: Key,
    /// The other side's public key.
    other: Key,
    preshared: Key,
}

impl Credentials {
    /// # Errors
    /// It is no private key.
    pub fn new(private: &Key, other: Key, preshared: Key) -> Result<Self, WireguardError> {
        let private = PrivateKey::from_private_key(&X25519, private).map_err(|_| WireguardError::Key)?;
        let public = public(&private)?;
        Ok(Self { private, public, other, preshared })
    }
}

/// The key that others know the holder of this private one by.
///
/// # Errors
/// It is no private key.
pub fn public_key(private: &Key) -> Result<Key, WireguardError> {
    public(&PrivateKey::from_private_key(&X25519, private).map_err(|_| WireguardError::Key)?)
}

/// A handshake that was begun.
pub struct Initiation {
    index: u32,
    ephemeral: PrivateKey,
    mixed: Mixed,
}

impl Initiation {
    /// The first message. `stamp` is greater than that of every one before with the same key.
    pub fn new(
        credentials: &Credentials,
        index: u32,
        stamp: &[u8; 12],
    ) -> Result<(Self, Vec<u8>), WireguardError> {
        let ephemeral = PrivateKey::generate(&X25519).map_err(|_| WireguardError::Key)?;
        let ephemeral_public = public(&ephemeral)?;
        let mut mixed = Mixed::towards(&credentials.other);
        mixed.chain(&ephemeral_public);
        mixed.hash(&ephemeral_public);
        let key = mixed.key(&shared(&ephemeral, &credentials.other)?);
        let sealed_static = mixed.seal(&key, &credentials.public)?;
        let key = mixed.key(&shared(&credentials.private, &credentials.other)?);
        let sealed_stamp = mixed.seal(&key, stamp)?;
        let index_bytes = index.to_le_bytes();
        let mut message =
            [&INITIATION[..], &index_bytes, &ephemeral_public, &sealed_static, &sealed_stamp].concat();
        let code = first_code(&credentials.other, &message)?;
        message.extend_from_slice(&code);
        message.extend_from_slice(&NO_COOKIE);
        Ok((Self { index, ephemeral, mixed }, message))
    }

    /// The session, if the message answers this handshake and its sender has the keys.
    pub fn finish(&self, credentials: &Credentials, message: &[u8]) -> Option<Session> {
        let message: &[u8; RESPONSE_BYTES] = message.try_into().ok()?;
        let (kind, rest) = message.split_first_chunk::<4>()?;
        let (theirs, rest) = rest.split_first_chunk::<4>()?;
        let (ours, rest) = rest.split_first_chunk::<4>()?;
        let (ephemeral, rest) = rest.split_first_chunk::<KEY_BYTES>()?;
        let (empty, _codes) = rest.split_first_chunk::<TAG_BYTES>()?;
        if *kind != RESPONSE || u32::from_le_bytes(*ours) != self.index {
            return None;
        }
        let mut mixed = self.mixed.clone();
        mixed.chain(ephemeral);
        mixed.hash(ephemeral);
        mixed.chain(&shared(&self.ephemeral, ephemeral).ok()?);
        mixed.chain(&shared(&credentials.private, ephemeral).ok()?);
        let [chain, text, key] = derive(&mixed.chain, &credentials.preshared);
        mixed.chain = chain;
        mixed.hash(&text);
        open(&key, 0, empty, &mixed.hash)?;
        let [sending, receiving] = derive(&mixed.chain, &[]);
        Some(Session::new(self.index, u32::from_le_bytes(*theirs), cipher(&sending)?, cipher(&receiving)?))
    }
}

/// Chaining key and hash of all that was said.
#[derive(Clone)]
struct Mixed {
    chain: Key,
    hash: Key,
}

impl Mixed {
    fn towards(other: &Key) -> Self {
        let chain = hash(&[CONSTRUCTION]);
        let mut mixed = Self { chain, hash: chain };
        mixed.hash(IDENTIFIER);
        mixed.hash(other);
        mixed
    }

    fn hash(&mut self, said: &[u8]) {
        self.hash = hash(&[&self.hash, said]);
    }

    fn chain(&mut self, secret: &Key) {
        let [chain] = derive(&self.chain, secret);
        self.chain = chain;
    }

    /// A key for one message.
    fn key(&mut self, secret: &Key) -> Key {
        let [chain, key] = derive(&self.chain, secret);
        self.chain = chain;
        key
    }

    fn seal(&mut self, key: &Key, text: &[u8]) -> Result<Vec<u8>, WireguardError> {
        let key = cipher(key).ok_or(WireguardError::Key)?;
        let mut sealed = text.to_vec();
        key.seal_in_place_append_tag(nonce(0), Aad::from(self.hash), &mut sealed)
            .map_err(|_| WireguardError::Key)?;
        self.hash(&sealed);
        Ok(sealed)
    }
}

/// Of 32 bits of zeros and the counter, little-endian.
pub fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes.iter_mut().skip(4).zip(counter.to_le_bytes()).for_each(|(byte, counter)| *byte = counter);
    Nonce::assume_unique_for_key(bytes)
}

fn open(key: &Key, counter: u64, sealed: &[u8], said: &Key) -> Option<()> {
    let mut sealed = sealed.to_vec();
    cipher(key)?.open_in_place(nonce(counter), Aad::from(said), &mut sealed).ok().map(drop)
}

fn cipher(key: &Key) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, key).ok().map(LessSafeKey::new)
}

fn public(private: &PrivateKey) -> Result<Key, WireguardError> {
    let public = private.compute_public_key().map_err(|_| WireguardError::Key)?;
    public.as_ref().try_into().map_err(|_| WireguardError::Key)
}

fn shared(private: &PrivateKey, other: &Key) -> Result<Key, WireguardError> {
    let other = UnparsedPublicKey::new(&X25519, other);
    agree(private, other, WireguardError::Key, |secret| secret.try_into().map_err(|_| WireguardError::Key))
}

/// What shows a stranger nothing: whoever sends it knows our public key.
fn first_code(other: &Key, message: &[u8]) -> Result<[u8; 16], WireguardError> {
    let key = hash(&[LABEL_MAC1, other]);
    let mut code = Blake2sMac::<U16>::new_from_slice(&key).map_err(|_| WireguardError::Key)?;
    code.update(message);
    Ok(code.finalize().into_bytes().into())
}

fn hash(parts: &[&[u8]]) -> Key {
    let mut hash = Blake2s256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// HMAC (RFC 2104) with BLAKE2s.
fn hmac(key: &Key, parts: &[&[u8]]) -> Key {
    let pad = |with: u8| {
        let mut block = [with; BLOCK_BYTES];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let (outer, inner) = (pad(0x5c), pad(0x36));
    let inside = hash(&[&[&inner[..]], parts].concat());
    hash(&[&outer, &inside])
}

/// HKDF (RFC 5869) without a text.
fn derive<const COUNT: usize>(chain: &Key, input: &[u8]) -> [Key; COUNT] {
    let first = hmac(chain, &[input]);
    let mut previous = Vec::new();
    let mut number = 0;
    [(); COUNT].map(|()| {
        number += 1;
        let next = hmac(&first, &[&previous, &[number]]);
        previous = next.to_vec();
        next
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_hash_is_blake2s() {
        // RFC 7693, appendix B.
        assert_eq!(
            hex(&hash(&[b"a", b"bc"])),
            "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"
        );
    }

    #[test]
    fn an_answer_to_another_handshake_or_none_makes_no_session() {
        let credentials = Credentials::new(&[7; 32], [9; 32], [0; 32]).unwrap();
        let (begun, message) = Initiation::new(&credentials, 5, &[1; 12]).unwrap();
        assert_eq!(message.len(), 148);
        for answer in [
            vec![],
            vec![0; RESPONSE_BYTES],
            message,
            [&RESPONSE[..], &[0; 4], &5_u32.to_le_bytes(), &[9; 80]].concat(),
        ] {
            assert!(begun.finish(&credentials, &answer).is_none(), "{answer:?}");
        }
    }
}
