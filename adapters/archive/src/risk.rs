//! What an assessment came to, in the columns of a file: whole in one of bytes, and what is asked for most in its own.

use portcullis_risk::{OutcomeRisk, RiskRecord};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::decode::Fault;

/// The first version of payloads with risk, whose form it has: it stands before the record in every file.
const FORM: u8 = 2;

/// The version of the form, and then the record as the decision log has it (postcard).
pub(crate) fn bytes_of<T: Serialize>(risk: &T) -> Vec<u8> {
    // Every field has a form, so that this can't fail; a reader would refuse what is cut short.
    postcard::to_extend(risk, vec![FORM]).unwrap_or_default()
}

pub(crate) fn record(bytes: &[u8]) -> Result<RiskRecord, Fault> {
    read(bytes)
}

pub(crate) fn outcome(bytes: &[u8]) -> Result<OutcomeRisk, Fault> {
    read(bytes)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    let Some((&FORM, bytes)) = bytes.split_first() else {
        return Err("the risk of a decision is of an unknown version".to_owned());
    };
    match postcard::take_from_bytes(bytes) {
        Ok((risk, [])) => Ok(risk),
        _ => Err("the risk of a decision can't be read".to_owned()),
    }
}

/// The code of the signal that added most.
pub(crate) fn top_signal(risk: &RiskRecord) -> Option<&'static str> {
    let greatest = risk.parts.iter().filter(|part| part.points > 0).max_by_key(|part| part.points)?;
    Some(greatest.signal.code())
}
