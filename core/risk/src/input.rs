//! The facts of an exchange: all that the arithmetic ever sees, so that the decision log can give it again.

use serde::{Deserialize, Serialize};

use crate::constants::{OUTSIDE_LATELY_US, OUTSIDE_WANING_US};
use crate::origin::{Listed, Origin};
use crate::points::Points;

/// A fact, or why there is none. Never a silent zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Known<T> {
    Is(T),
    NoData(Missing),
}

impl<T> Known<T> {
    pub fn value(self) -> Option<T> {
        match self {
            Self::Is(value) => Some(value),
            Self::NoData(_) => None,
        }
    }
}

/// Why there is no data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Missing {
    /// No database or feed of this kind is installed.
    NoDatabase,
    /// The database doesn't know this one.
    NotInDatabase,
    /// A balancer in front of the gate ends TLS.
    BehindBalancer,
    /// The integration doesn't ask for it.
    NotAsked,
    /// It was asked for, and never came.
    NeverSent,
    /// There is no response to learn it from, or the route isn't counted.
    NotCounted,
    /// Too little was learnt so far.
    TooEarly,
    /// Nobody has assessed it.
    NotAssessed,
    /// The format that was read doesn't hold it.
    NotInLog,
}

/// Before a request is forwarded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Before {
    /// Microseconds since the Unix epoch, UTC.
    pub at_us: i64,
    /// 16 bits of the decision's id: which exchanges of a busy day are learnt.
    pub sample: u16,
    pub context: Context,
    pub issued_in: IssuedIn,
    pub endpoint: Endpoint,
    /// By Content-Length; what is chunked counts at the end.
    pub request_bytes: u64,
    /// Hash of what the route's id parameters name.
    pub object: Known<u32>,
    pub identity: Identity,
    pub origin: Origin,
    pub tls: Tls,
    pub posture: Known<Posture>,
    /// Of the vendor's assessment.
    pub vendor: Known<Points>,
    /// Whether its vendor's networks send what the network plan drops; nothing in records of before anybody looked, where
    /// nothing is said of it. It stands behind the record, so that those stay as they are.
    #[serde(skip)]
    pub outside: Option<Known<Outside>>,
    pub stakes: Stakes,
    /// The proof that came with this very request was made over a nonce given for it alone.
    pub fresh_nonce: bool,
    /// Whether it answers a question: part of the facts, so that a decision is one call.
    pub answer: Answered,
}

/// What a request is to the question of its context.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub enum Answered {
    /// It answers nothing.
    #[default]
    No,
    /// Its key was proved in this very context, by a full handshake of the last seconds, before anything was asked: enough where
    /// the question would be asked only because the context is new, or listed. It counts as a question asked and answered at
    /// once.
    Ahead,
    /// It answers the question that is open here: as [`ClientRisk::answered`](crate::ClientRisk::answered) with `Valid`, and
    /// then the request is judged. Where none is open, as it is for a replay that has not seen it asked, as `Ahead`.
    Valid,
    /// Another key, or a bad signature, over the nonce of the question that is open here: as `answered` with `Wrong`, and
    /// nothing else is known of the request, so that nothing else counts.
    Wrong,
}

/// Who speaks from where: key × JA4 context key × network.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Context {
    /// Hash of the registered key's thumbprint.
    pub key: u64,
    /// Hash of the JA4 context key.
    pub ja4: Known<u64>,
    /// The network that counts as a network of its own: hash of the ASN, or `prefix` without ASN data. What is admitted by its
    /// prefix stays so when there is data.
    pub network: u64,
    /// Hash of the /24 or /48.
    pub prefix: u64,
}

/// Where the token was issued, beside where it is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum IssuedIn {
    SameContext,
    OtherNetwork,
    OtherTls,
    OtherBoth,
    /// By an issuer that doesn't say.
    Unknown,
}

/// Hash of route and method.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Endpoint(pub u32);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Identity {
    pub binding: Binding,
    pub token_age_seconds: Known<u32>,
    pub key_age_seconds: Known<u32>,
    /// The key is past the day on which it should have been replaced, and still good.
    pub rotation_overdue: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Binding {
    /// Whoever holds the token may use it.
    None,
    Dpop,
    Certificate,
    Both,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tls {
    /// Lists that name the JA4.
    pub listed: Known<Listed>,
    /// The JA4 isn't of the kind of client that was declared.
    pub misfit: Known<bool>,
    /// The ALPN protocols that were offered don't fit what is spoken, or none were.
    pub alpn_odd: Known<bool>,
    /// No server name, or an address as one.
    pub sni_odd: Known<bool>,
}

/// What the client's machine says about itself, signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Posture {
    Good,
    /// It was good, and is older than the integration allows.
    Stale,
    /// Something in it isn't as the integration wants it.
    Failing,
    /// It was asked for, and there is none.
    Absent,
    /// Good, and said a moment ago, from the very network that the request comes from, by the very key that it is made
    /// with, which is declared not to be exportable: who holds it is the machine itself, so a new context is admitted.
    Attested,
}

/// How lately a packet of a vendor's networks was dropped: outside the network plan, or while it was closed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Outside {
    /// None was, or none for long.
    Quiet,
    /// Some time ago.
    Waning,
    Lately,
}

impl Outside {
    /// Of so many microseconds since the last one; of nothing where there was none.
    #[must_use]
    pub fn since(elapsed_us: Option<i64>) -> Self {
        match elapsed_us {
            Some(elapsed) if elapsed < OUTSIDE_LATELY_US => Self::Lately,
            Some(elapsed) if elapsed < OUTSIDE_WANING_US => Self::Waning,
            _ => Self::Quiet,
        }
    }
}

/// What could be lost before the next decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stakes {
    /// Whole units of the installation's currency: min(page cap, records left) · money per record · reach + lateral.
    pub money: u64,
    /// A route of critical impact wants a fresh nonce on every request.
    pub critical: bool,
}

/// When an exchange that was forwarded has ended, or was cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct After {
    pub at_us: i64,
    /// 0: none came.
    pub status: u16,
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub records: Known<u64>,
}
