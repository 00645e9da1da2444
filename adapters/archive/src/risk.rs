//! What an assessment came to, in the columns of a file: whole in one of bytes, and what is asked for most in its own.

use portcullis_risk::{OutcomeRisk, RiskRecord};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::decode::Fault;

/// The first version of payloads with risk, whose form it has: it stands before the record. Rows without what came later keep it,
/// so that what was sealed under it has the same bytes, whoever writes them.
const FORM: u8 = 2;
/// The version of payloads with packets outside the network plan, which stand behind the record.
const FORM_WITH_OUTSIDE: u8 = 4;

/// The version of the form, and then the record as the decision log has it (postcard).
pub(crate) fn bytes_of(risk: &RiskRecord) -> Vec<u8> {
    match risk.before.outside {
        None => written(FORM, risk),
        Some(outside) => postcard::to_extend(&outside, written(FORM_WITH_OUTSIDE, risk)).unwrap_or_default(),
    }
}

pub(crate) fn bytes_of_outcome(risk: &OutcomeRisk) -> Vec<u8> {
    written(FORM, risk)
}

fn written<T: Serialize>(form: u8, risk: &T) -> Vec<u8> {
    // Every field has a form, so that this can't fail; a reader would refuse what is cut short.
    postcard::to_extend(risk, vec![form]).unwrap_or_default()
}

pub(crate) fn record(bytes: &[u8]) -> Result<RiskRecord, Fault> {
    let Some((&FORM_WITH_OUTSIDE, behind)) = bytes.split_first() else { return whole(bytes) };
    let (mut risk, behind) = postcard::take_from_bytes::<RiskRecord>(behind).map_err(|_| unreadable())?;
    let (outside, behind) = postcard::take_from_bytes(behind).map_err(|_| unreadable())?;
    risk.before.outside = Some(outside);
    if behind.is_empty() { Ok(risk) } else { Err(unreadable()) }
}

pub(crate) fn outcome(bytes: &[u8]) -> Result<OutcomeRisk, Fault> {
    whole(bytes)
}

fn whole<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    let Some((&FORM, bytes)) = bytes.split_first() else {
        return Err("the risk of a decision is of an unknown version".to_owned());
    };
    match postcard::take_from_bytes(bytes) {
        Ok((risk, [])) => Ok(risk),
        _ => Err(unreadable()),
    }
}

fn unreadable() -> Fault {
    "the risk of a decision can't be read".to_owned()
}

/// The code of the signal that added most.
pub(crate) fn top_signal(risk: &RiskRecord) -> Option<&'static str> {
    let greatest = risk.parts.iter().filter(|part| part.points > 0).max_by_key(|part| part.points)?;
    Some(greatest.signal.code())
}

#[cfg(test)]
mod tests {
    use portcullis_risk::{Known, Missing, Outside, example_outcome, example_record};

    use super::*;

    #[test]
    fn what_was_sealed_before_packets_were_looked_at_keeps_its_bytes() {
        let old = [&[FORM], postcard::to_stdvec(&example_record()).unwrap().as_slice()].concat();
        let read = record(&old).unwrap();
        assert_eq!((read.before.outside, bytes_of(&read)), (None, old));
        assert_eq!(outcome(&bytes_of_outcome(&example_outcome())).unwrap(), example_outcome());
    }

    #[test]
    fn packets_outside_stand_behind_and_nothing_else_does() {
        for outside in [Known::Is(Outside::Lately), Known::NoData(Missing::NotAsked)] {
            let mut risk = example_record();
            risk.before.outside = Some(outside);
            let bytes = bytes_of(&risk);
            assert_eq!(record(&bytes).unwrap(), risk);
            for cut in 0..bytes.len() {
                assert!(record(&bytes[..cut]).is_err(), "{cut}");
            }
            assert!(record(&[bytes.as_slice(), &[0]].concat()).is_err());
        }
    }
}
