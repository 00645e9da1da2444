//! The state of one client, and what each exchange does to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{Action, Standing};
use crate::assessment::{Assessment, Cause, Ended, Parts, Ticket};
use crate::input::{After, Before, Context};
use crate::peers::Peers;
use crate::points::Points;
use crate::progress::{Broken, Progress};
use crate::report::ContextReport;
use crate::rules::Rules;

/// Everything that is known of how a client behaves. At most 8 KiB.
#[derive(Clone, Debug, Default)]
pub struct ClientRisk {
    step: u64,
}

/// How a challenge was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The key signed the nonce of this very question; or a full handshake, or a new assertion, came after it.
    Valid,
    /// Another key, or a bad signature, over the nonce of the open question.
    Wrong,
}

/// An analyst's word on a decision.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    Benign,
    Malicious,
}

impl ClientRisk {
    /// Of a client that was never seen.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges a request before it is forwarded.
    pub fn before(&mut self, _before: &Before, _peers: &Peers, _rules: &Rules) -> Assessment {
        self.step += 1;
        Assessment {
            step: self.step,
            action: Action::Allow,
            would: Action::Allow,
            cause: Cause::Nothing,
            score: Points::ZERO,
            thresholds: [Points::whole(20), Points::whole(50), Points::whole(75)],
            evidence: [Points::ZERO; 3],
            standing: Standing::Observe,
            probation: false,
            page: false,
            recommend_sever: false,
            parts: Parts::default(),
            ticket: Ticket::default(),
        }
    }

    /// Takes in how an exchange that was forwarded has ended.
    pub fn after(&mut self, _ticket: Ticket, _after: &After, _peers: &Peers, _rules: &Rules) -> Ended {
        self.step += 1;
        Ended {
            step: self.step,
            parts: Parts::default(),
            score: Points::ZERO,
            limit: false,
            sever: false,
            page: false,
            recommend_sever: false,
        }
    }

    /// Takes an answer to the question that is open in this context; `Sever` if the session must be closed. Without an open
    /// question nothing changes.
    pub fn answered(&mut self, _context: &Context, _answer: Answer, _at_us: i64) -> Action {
        self.step += 1;
        Action::Allow
    }

    /// A request came from this context whose key isn't proved yet, as its nonce is missing or stale. If a question would be
    /// asked of it whatever it is, because the context is new and not on probation, or because one is open, it is asked now, so
    /// that one answer says both: when it was asked. Nothing else is learnt of such a request.
    pub fn ask(&mut self, context: &Context, _at_us: i64) -> Option<i64> {
        self.question(context)
    }

    /// When the question that is open in this context was asked, if one is.
    #[must_use]
    pub fn question(&self, _context: &Context) -> Option<i64> {
        None
    }

    /// An analyst's word on an exchange in `context`; `undo` takes the last such word on it back. `sequence` is the ledger's:
    /// what isn't newer than the last one is known already, changes nothing and says `false`.
    pub fn judge(
        &mut self,
        _sequence: u64,
        _context: &Context,
        _judgement: Judgement,
        _undo: bool,
        _at_us: i64,
    ) -> bool {
        self.step += 1;
        true
    }

    /// Admits a context without probation: it was declared, or a key that can't be exported has just been attested there.
    pub fn admit(&mut self, _context: &Context, _at_us: i64) {
        self.step += 1;
    }

    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing::Observe
    }

    /// Where the client stands, and what is missing for the next step.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress::default()
    }

    /// Its contexts: the admitted ones, those on probation, then the shared slot if anything was seen there.
    #[must_use]
    pub fn contexts(&self) -> Vec<ContextReport> {
        Vec::new()
    }

    /// The whole state, with version and checksum.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.step.to_be_bytes().to_vec()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Broken> {
        let step = bytes.try_into().map_err(|_| Broken::Length)?;
        Ok(Self { step: u64::from_be_bytes(step) })
    }
}
