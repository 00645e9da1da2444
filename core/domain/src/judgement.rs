//! An analyst's word on a decision, as the ledger keeps it.

use jiff::Timestamp;
use portcullis_risk::{Context, Judgement, Known, Missing};
use serde::{Deserialize, Serialize};

use crate::decision::DecisionId;
use crate::ids::{ClientId, OperatorId};

/// Somebody has said what a decision was about, or taken that back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DecisionJudgement {
    pub decision: DecisionId,
    pub client: ClientId,
    pub context: JudgedContext,
    pub judgement: Judgement,
    /// The word is taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undo: bool,
    pub by: OperatorId,
    pub reason: String,
    pub time: Timestamp,
}

/// A context by its hashes, in lower-case hex: not every JSON reader keeps numbers of 64 bits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JudgedContext {
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ja4: Option<String>,
    /// Why there is no `ja4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ja4_missing: Option<Missing>,
    pub network: String,
    pub prefix: String,
}

impl From<&Context> for JudgedContext {
    fn from(context: &Context) -> Self {
        let (ja4, ja4_missing) = match context.ja4 {
            Known::Is(ja4) => (Some(hex(ja4)), None),
            Known::NoData(why) => (None, Some(why)),
        };
        Self {
            key: hex(context.key),
            ja4,
            ja4_missing,
            network: hex(context.network),
            prefix: hex(context.prefix),
        }
    }
}

impl JudgedContext {
    /// None where the hashes are none, which only another program can have written.
    #[must_use]
    pub fn context(&self) -> Option<Context> {
        let ja4 = match (&self.ja4, self.ja4_missing) {
            (Some(ja4), _) => Known::Is(number(ja4)?),
            (None, why) => Known::NoData(why?),
        };
        Some(Context {
            key: number(&self.key)?,
            ja4,
            network: number(&self.network)?,
            prefix: number(&self.prefix)?,
        })
    }
}

fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}

fn number(hex: &str) -> Option<u64> {
    u64::from_str_radix(hex, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_comes_back_as_it_was() {
        for ja4 in [Known::Is(u64::MAX), Known::NoData(Missing::BehindBalancer)] {
            let context = Context { key: 1, ja4, network: u64::MAX - 1, prefix: 0 };
            let kept = JudgedContext::from(&context);
            let text = serde_json::to_string(&kept).unwrap();
            assert_eq!(
                serde_json::from_str::<JudgedContext>(&text).unwrap().context(),
                Some(context),
                "{text}"
            );
        }
        let broken = JudgedContext {
            ja4: None,
            ja4_missing: None,
            ..JudgedContext::from(&Context { key: 1, ja4: Known::Is(1), network: 1, prefix: 1 })
        };
        assert_eq!(broken.context(), None);
    }
}
