//! The signals that have a baseline, with their weights within their families.

use crate::baseline::rates::RATES;
use crate::constants::{
    WEIGHT_ENDPOINT, WEIGHT_GAP, WEIGHT_HOUR, WEIGHT_JA4, WEIGHT_NETWORK, WEIGHT_RECORD_SIZE, WEIGHT_RECORDS,
    WEIGHT_RECORDS_HOUR, WEIGHT_RECORDS_MINUTE, WEIGHT_RECORDS_SECOND, WEIGHT_REQUEST_SIZE,
    WEIGHT_REQUESTS_HOUR, WEIGHT_REQUESTS_MINUTE, WEIGHT_REQUESTS_SECOND, WEIGHT_STATUS,
};
use crate::signal::Signal;

pub(crate) const LEARNT: usize = 15;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Learnt {
    Network,
    Ja4,
    Endpoint,
    RequestSize,
    Gap,
    Hour,
    RequestsSecond,
    RequestsMinute,
    RequestsHour,
    Status,
    RecordSize,
    Records,
    RecordsSecond,
    RecordsMinute,
    RecordsHour,
}

pub(crate) const ALL: [Learnt; LEARNT] = [
    Learnt::Network,
    Learnt::Ja4,
    Learnt::Endpoint,
    Learnt::RequestSize,
    Learnt::Gap,
    Learnt::Hour,
    Learnt::RequestsSecond,
    Learnt::RequestsMinute,
    Learnt::RequestsHour,
    Learnt::Status,
    Learnt::RecordSize,
    Learnt::Records,
    Learnt::RecordsSecond,
    Learnt::RecordsMinute,
    Learnt::RecordsHour,
];

/// As [`crate::baseline::rates::Rates`] counts them.
pub(crate) const BY_RATE: [Learnt; RATES] = [
    Learnt::RequestsSecond,
    Learnt::RequestsMinute,
    Learnt::RequestsHour,
    Learnt::RecordsSecond,
    Learnt::RecordsMinute,
    Learnt::RecordsHour,
];

/// What the response adds, whichever it is; where it is as usual each takes off the most, ln(1 − π).
pub(crate) const AT_THE_END: [Learnt; 3] = [Learnt::Status, Learnt::RecordSize, Learnt::Records];

impl Learnt {
    pub(crate) fn weight(self) -> f64 {
        match self {
            Self::Network => WEIGHT_NETWORK,
            Self::Ja4 => WEIGHT_JA4,
            Self::Endpoint => WEIGHT_ENDPOINT,
            Self::RequestSize => WEIGHT_REQUEST_SIZE,
            Self::Gap => WEIGHT_GAP,
            Self::Hour => WEIGHT_HOUR,
            Self::RequestsSecond => WEIGHT_REQUESTS_SECOND,
            Self::RequestsMinute => WEIGHT_REQUESTS_MINUTE,
            Self::RequestsHour => WEIGHT_REQUESTS_HOUR,
            Self::Status => WEIGHT_STATUS,
            Self::RecordSize => WEIGHT_RECORD_SIZE,
            Self::Records => WEIGHT_RECORDS,
            Self::RecordsSecond => WEIGHT_RECORDS_SECOND,
            Self::RecordsMinute => WEIGHT_RECORDS_MINUTE,
            Self::RecordsHour => WEIGHT_RECORDS_HOUR,
        }
    }

    pub(crate) fn signal(self) -> Signal {
        match self {
            Self::Network => Signal::Network,
            Self::Ja4 => Signal::Ja4,
            Self::Endpoint => Signal::Endpoint,
            Self::RequestSize => Signal::RequestSize,
            Self::Gap => Signal::Gap,
            Self::Hour => Signal::Hour,
            Self::RequestsSecond => Signal::RequestsSecond,
            Self::RequestsMinute => Signal::RequestsMinute,
            Self::RequestsHour => Signal::RequestsHour,
            Self::Status => Signal::Status,
            Self::RecordSize => Signal::RecordSize,
            Self::Records => Signal::Records,
            Self::RecordsSecond => Signal::RecordsSecond,
            Self::RecordsMinute => Signal::RecordsMinute,
            Self::RecordsHour => Signal::RecordsHour,
        }
    }
}
