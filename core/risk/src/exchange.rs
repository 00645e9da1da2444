//! An exchange as it is learnt: in 28 bytes.

use serde::{Deserialize, Serialize};

use crate::baseline::rates::RATES;
use crate::codec::fields;

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Exchange {
    /// Hash, never 0; 0 is a free place.
    pub(crate) endpoint: u32,
    pub(crate) asn: u32,
    /// Fold of the endpoint before; 0 is none.
    pub(crate) previous: u16,
    pub(crate) country: u16,
    pub(crate) prefix: u16,
    /// Buckets; `NONE` where there is nothing.
    pub(crate) size: u8,
    pub(crate) gap: u8,
    pub(crate) hour: u8,
    pub(crate) status: u8,
    pub(crate) record_size: u8,
    pub(crate) records: u8,
    /// Counts of the windows that it closed.
    pub(crate) closed: [u8; RATES],
    /// Which context it belongs to.
    pub(crate) owner: u8,
    /// 0: unconfirmed. Else what has learnt it: a verdict by its number, which can be taken back, or a pass.
    pub(crate) learnt_by: u8,
}

fields!(Exchange {
    endpoint,
    asn,
    previous,
    country,
    prefix,
    size,
    gap,
    hour,
    status,
    record_size,
    records,
    closed,
    owner,
    learnt_by
});
