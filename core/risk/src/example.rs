//! A record for the tests of those who keep and show records.

use crate::action::{Action, Standing};
use crate::assessment::{Cause, Part};
use crate::input::{
    After, Answered, Before, Binding, Context, Endpoint, Identity, IssuedIn, Known, Missing, Stakes, Tls,
};
use crate::origin::{Listed, Origin};
use crate::points::Points;
use crate::record::{OutcomeRisk, RiskRecord};
use crate::rules::Rules;
use crate::signal::Signal;

/// A challenge for 34.1 points, most of them for 12,000 records where 40 are usual.
#[must_use]
pub fn example_record() -> RiskRecord {
    let no_data = |signal, why| Part { missing: Some(why), ..part(signal, 0, 0, 0) };
    RiskRecord {
        step: 412,
        action: Action::Challenge,
        would: Action::Challenge,
        cause: Cause::Score,
        score: Points(34_100),
        thresholds: [Points::whole(20), Points::whole(50), Points::whole(75)],
        evidence: [Points(22_700), Points(22_700), Points(9_000)],
        standing: Standing::Challenge,
        probation: false,
        rules: Rules::default(),
        before: before(),
        parts: vec![
            part(Signal::VendorPrior, 11_400, 0, 0),
            part(Signal::Records, 13_250, 12_000, 40),
            part(Signal::Carried, 6_100, 0, 0),
            part(Signal::Hour, 3_400, 26, 58),
            part(Signal::Endpoint, -50, 7, 7),
            part(Signal::Gap, 0, 900, 900),
            no_data(Signal::AddressListed, Missing::NoDatabase),
            no_data(Signal::Tor, Missing::NoDatabase),
            no_data(Signal::Posture, Missing::NotAsked),
        ],
    }
}

/// What the response to it added.
#[must_use]
pub fn example_outcome() -> OutcomeRisk {
    OutcomeRisk {
        step: 413,
        score: Points(12_000),
        after: After {
            at_us: 1_795_000_000_223_000,
            status: 200,
            request_bytes: 0,
            response_bytes: 9_000,
            records: Known::Is(40),
        },
        parts: vec![part(Signal::Carried, 11_000, 0, 0), part(Signal::Status, 1_000, 206, 200)],
    }
}

fn part(signal: Signal, points: i32, observed: u32, usual: u32) -> Part {
    Part { signal, points, observed, usual, missing: None, observed_only: false }
}

fn before() -> Before {
    Before {
        at_us: 1_795_000_000_123_000,
        sample: 7,
        context: Context { key: 1, ja4: Known::Is(u64::MAX), network: 3, prefix: 4 },
        issued_in: IssuedIn::SameContext,
        endpoint: Endpoint(7),
        request_bytes: 0,
        object: Known::NoData(Missing::NotAsked),
        identity: Identity {
            binding: Binding::Dpop,
            token_age_seconds: Known::Is(60),
            key_age_seconds: Known::Is(86_400),
            rotation_overdue: false,
        },
        origin: Origin { country: Known::Is(*b"DE"), asn: Known::Is(64_500), ..Origin::UNKNOWN },
        tls: Tls {
            listed: Known::Is(Listed(0)),
            misfit: Known::NoData(Missing::NotAsked),
            alpn_odd: Known::Is(false),
            sni_odd: Known::Is(false),
        },
        posture: Known::NoData(Missing::NotAsked),
        vendor: Known::NoData(Missing::NotAssessed),
        outside: None,
        stakes: Stakes { money: 10_000, critical: false },
        fresh_nonce: false,
        answer: Answered::default(),
    }
}
