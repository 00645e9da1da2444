//! What a signature proves.

use jiff::Timestamp;
use portcullis_assurance::evidence::{Proof, ProofForm, ProofOutcome};

/// What was found. Only [`Verdict::Valid`] proves anything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The document is what a known signer signed.
    Valid(Signer),
    /// The signature isn't broken, but nobody known stands behind it.
    UnknownSigner {
        /// As the signature calls them; not to be believed.
        signer: Option<String>,
        why: String,
    },
    /// The document isn't what was signed, or the signature is broken.
    Invalid { why: String },
}

/// Who signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signer {
    /// Name of the registered key, or subject of the certificate.
    pub name: String,
    /// When, by the signer's own word.
    pub signed_at: Option<Timestamp>,
    /// Subjects from the certificate above the signer's up to the root; empty for a registered key.
    pub chain: Vec<String>,
    /// The registered auditor whose key or root it is.
    pub auditor: Option<String>,
    /// What it was signed with: a key by its `kid` and algorithm, or a certificate by its subject.
    pub with: String,
    /// What else should be known of it.
    pub note: Option<String>,
}

impl Verdict {
    pub fn outcome(&self) -> ProofOutcome {
        match self {
            Self::Valid(_) => ProofOutcome::Valid,
            Self::UnknownSigner { .. } => ProofOutcome::UnknownSigner,
            Self::Invalid { .. } => ProofOutcome::Invalid,
        }
    }

    pub fn signer(&self) -> Option<&str> {
        match self {
            Self::Valid(signer) => Some(&signer.name),
            Self::UnknownSigner { signer, .. } => signer.as_deref(),
            Self::Invalid { .. } => None,
        }
    }

    fn signed(&self) -> Option<&Signer> {
        match self {
            Self::Valid(signer) => Some(signer),
            Self::UnknownSigner { .. } | Self::Invalid { .. } => None,
        }
    }

    /// One sentence for people.
    pub fn detail(&self) -> String {
        match self {
            Self::Valid(signer) => {
                let mut text = match &signer.auditor {
                    Some(auditor) => format!("signed by `{auditor}` with {}", signer.with),
                    None => format!("signed by `{}`", signer.name),
                };
                if let Some(root) = signer.chain.last() {
                    text.push_str(&format!(", vouched for by `{root}`"));
                }
                if let Some(at) = signer.signed_at {
                    text.push_str(&format!(", at {at} by its own word"));
                }
                if let Some(note) = &signer.note {
                    text.push_str(&format!("; {note}"));
                }
                text
            }
            Self::UnknownSigner { why, .. } | Self::Invalid { why } => why.clone(),
        }
    }

    /// As evidence carries it; `at` is the moment of looking.
    pub fn proof(&self, form: ProofForm, at: Timestamp) -> Proof {
        Proof {
            form,
            outcome: self.outcome(),
            signer: self.signer().map(str::to_owned),
            auditor: self.signed().and_then(|signer| signer.auditor.clone()),
            with: self.signed().map(|signer| signer.with.clone()),
            detail: self.detail(),
            at,
        }
    }
}
