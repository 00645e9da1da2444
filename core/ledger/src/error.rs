//! What can be wrong with leaves, trees and checkpoints.

/// An error of this crate. Every variant names the rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// RFC 8785 numbers are IEEE 754 doubles: larger integers lose digits in other readers.
    #[error("`{number}` has no exact canonical form\nhint: write integers beyond 2^53 as strings")]
    Number { number: String },
    /// Nesting deeper than [`crate::canonical::DEPTH_MAX`].
    #[error("the value is nested deeper than `{max}` levels")]
    Depth { max: usize },
    /// The event kind isn't 1 to 128 ASCII letters, digits, `_`, `-` or `.`, a letter first.
    #[error(
        "`{kind}` is no event kind\nhint: use 1 to 128 ASCII letters, digits, `_`, `-` or `.`, a letter first"
    )]
    Kind { kind: String },
    /// Sequence numbers stay below 2^53, where JSON numbers are exact.
    #[error("the sequence number `{sequence}` is beyond 2^53 - 1")]
    Sequence { sequence: u64 },
    /// The time has digits below a microsecond, or a year outside 0000 to 9999.
    #[error("the time `{time}` can't be written in the leaf format\nhint: cut it to whole microseconds")]
    Time { time: String },
    /// Leaf bytes that aren't the canonical ones.
    #[error("the leaf isn't canonical: {what}")]
    Leaf { what: String },
    /// A leaf longer than [`crate::leaf::LEAF_BYTES_MAX`].
    #[error("the leaf has `{bytes}` bytes, more than `{max}`")]
    LeafSize { bytes: usize, max: usize },
    /// A stored frontier whose length doesn't match its size.
    #[error("the stored frontier is malformed")]
    Frontier,
    /// A proof was asked for outside the tree.
    #[error("no proof from `{from}` within a tree of size `{size}`")]
    Range { from: u64, size: u64 },
    /// A tile's file that isn't as long as its name says.
    #[error("`{path}` has `{bytes}` bytes, not those of `{width}` hashes")]
    Tile { path: String, bytes: usize, width: usize },
    /// The text isn't a C2SP `tlog-proof`.
    #[error("the proof is malformed: {what}")]
    ProofText { what: &'static str },
    /// The proof doesn't connect leaf, sizes and roots.
    #[error("the proof doesn't verify")]
    Proof,
    /// The private key isn't an Ed25519 seed or PKCS#8 document.
    #[error("the signing key can't be used")]
    Key,
    /// Key names are non-empty, without white space, control characters and `+`.
    #[error("`{name}` is no key name\nhint: use a name such as `example.com/ledger`, without spaces or `+`")]
    KeyName { name: String },
    /// The verifier key isn't `name+hash+base64`, or its hash doesn't fit.
    #[error("the verifier key is malformed: {what}")]
    VerifierKey { what: &'static str },
    /// The signed note's framing is broken.
    #[error("the signed note is malformed: {what}")]
    Note { what: &'static str },
    /// No signature by the expected key.
    #[error("the note has no signature of `{name}`\nhint: is this the verifier key of another ledger?")]
    Unsigned { name: String },
    /// A signature by the expected key that doesn't verify.
    #[error("the signature of `{name}` doesn't verify: the note was changed")]
    Signature { name: String },
    /// The note's text isn't a checkpoint.
    #[error("the checkpoint is malformed: {what}")]
    Checkpoint { what: &'static str },
    /// The checkpoint belongs to another log.
    #[error("the checkpoint is of `{found}`, not of `{expected}`")]
    Origin { found: String, expected: String },
}
