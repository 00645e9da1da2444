//! Every constant of the model, with its unit and where it comes from. The code takes them from here alone.

/// Whether somebody has measured it, or thought about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Basis {
    Measured,
    Judgement,
    /// It follows from the others, or from a definition.
    Derived,
}

impl Basis {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Judgement => "judgement",
            Self::Derived => "derived",
        }
    }
}

/// One constant, for people.
#[derive(Clone, Copy, Debug)]
pub struct Constant {
    pub name: &'static str,
    pub value: f64,
    pub unit: &'static str,
    pub basis: Basis,
    pub why: &'static str,
}

macro_rules! constants {
    ($($name:ident: $type:ty = $value:expr, $unit:literal, $basis:ident, $why:literal;)+) => {
        $(#[doc = $why] pub(crate) const $name: $type = $value;)+

        /// All of them, in the order of the layers.
        pub const CONSTANTS: &[Constant] = &[$(Constant {
            name: stringify!($name),
            #[expect(clippy::allow_attributes, reason = "some are f64 already")]
            #[allow(clippy::unnecessary_cast, clippy::cast_precision_loss, trivial_numeric_casts, reason = "for people")]
            value: $name as f64,
            unit: $unit,
            basis: Basis::$basis,
            why: $why,
        },)+];
    };
}

constants! {
    MILLI_PER_NAT: f64 = 4_342.944_819_032_518, "thousandths of a point a nat", Derived, "points are decibans: 10 / ln 10";

    // Layer 0
    PROBATION_US: i64 = 86_400_000_000, "µs", Judgement, "a new context that passed its challenge is watched for a day before its ways are learnt";
    QUESTION_US: i64 = 10_000_000, "µs", Judgement, "an answer takes one round trip; ten seconds are far more";
    QUESTIONS_MAX: u8 = 3, "questions", Judgement, "a machine that doesn't answer the third won't answer";

    // Layer 1
    CONCENTRATION: f64 = 2.0, "exchanges", Measured, "weight of the coarser table in each back-off";
    ANCHOR_SHARE: f64 = 0.2, "share", Measured, "what was sealed at graduation stays in the baseline, so that it can't be taught away";
    OWN_WAYS_SHARE: f64 = 0.5, "share", Judgement, "an endpoint not seen yet is expected half to be like the client's others, half like the peers'";
    HOUR_OF_DAY_SHARE: f64 = 0.5, "share", Judgement, "a weekday not seen yet is expected to be half like the others";
    LEARNT_A_DAY: u32 = 2_048, "exchanges", Judgement, "enough to know a day; fits 16 bits at the half-life";
    LEARNT_BY_CONTEXT_A_DAY: u32 = 256, "exchanges", Judgement, "what one context may add at least";
    LEARNT_BY_CONTEXT_SHARE: f64 = 0.05, "share of the mass", Judgement, "no context changes the baseline faster than this";
    DECAY: u32 = 3_166, "of 65,536 a day", Derived, "a half-life of 14 days";
    PEER_EXCHANGES: u64 = 60, "exchanges", Measured, "no client shapes its peers' prior more than this";
    ENDPOINTS: f64 = 64.0, "endpoints", Judgement, "how many there might be, before anything is known";
    COUNTRIES: f64 = 250.0, "countries", Judgement, "how many there are";
    NETWORKS_OF_COUNTRY: f64 = 200.0, "networks", Judgement, "how many there might be";
    PREFIXES_OF_NETWORK: f64 = 200.0, "prefixes", Judgement, "how many there might be";
    TLS_CLIENTS: f64 = 200.0, "fingerprints", Judgement, "how many there might be";
    RATE_WINDOWS_MIN: f32 = 20.0, "windows", Judgement, "fewer say nothing about a rate";
    RATE_WIDENING: f64 = 10.0, "windows", Judgement, "a variance known from n windows is taken for 1 + this / n as large";

    // Layer 2
    PI_DEFAULT: f64 = 0.5, "share", Judgement, "how much of a thief's exchanges a signal is expected to mark";
    PI_MIN: f64 = 0.05, "share", Judgement, "analysts can't switch a signal off";
    PI_MAX: f64 = 0.9, "share", Judgement, "nor make it certain";
    PI_STEP: f64 = 0.05, "share", Judgement, "what one verdict moves";
    THIEF_PEERS_SHARE: f64 = 0.5, "share", Measured, "a thief does half what peers do, half anything";
    THIEF_SEEN_WEIGHT: f64 = 20.0, "exchanges", Judgement, "weight of that against exchanges judged malicious";
    CAP: i32 = 13_029, "thousandths of a point", Measured, "one exchange counts no more than 3 nats: at 5, a few pieces of new work alarm as loudly as a thief";
    WEIGHT_NETWORK: f64 = 0.5, "share", Judgement, "context family";
    WEIGHT_JA4: f64 = 0.5, "share", Judgement, "context family";
    WEIGHT_ENDPOINT: f64 = 1.0, "share", Judgement, "by itself";
    WEIGHT_REQUEST_SIZE: f64 = 1.0, "share", Judgement, "by itself";
    WEIGHT_GAP: f64 = 0.4, "share", Judgement, "time family";
    WEIGHT_HOUR: f64 = 0.2, "share", Judgement, "time family";
    WEIGHT_REQUESTS_SECOND: f64 = 0.1, "share", Judgement, "time family";
    WEIGHT_REQUESTS_MINUTE: f64 = 0.15, "share", Judgement, "time family";
    WEIGHT_REQUESTS_HOUR: f64 = 0.15, "share", Judgement, "time family";
    WEIGHT_STATUS: f64 = 1.0, "share", Judgement, "by itself";
    WEIGHT_RECORD_SIZE: f64 = 1.0, "share", Judgement, "by itself";
    WEIGHT_RECORDS: f64 = 0.5, "share", Judgement, "volume family";
    WEIGHT_RECORDS_SECOND: f64 = 0.1, "share", Judgement, "volume family";
    WEIGHT_RECORDS_MINUTE: f64 = 0.2, "share", Judgement, "volume family";
    WEIGHT_RECORDS_HOUR: f64 = 0.2, "share", Judgement, "volume family";

    BENIGN_TIMES: u16 = 8, "times", Judgement, "what an analyst has found right is learnt so often: it lasts until the next month";

    // Layer 3
    EVIDENCE_MAX: i32 = 1_000_000, "thousandths of a point", Judgement, "evidence beyond every threshold, so that it can be outlived";
    REFUSED_US: i64 = 1_000_000, "µs", Judgement, "requests that evidence refuses count at most so often";
    REFUSED_AGAIN_US: i64 = 600_000_000, "µs", Judgement, "the same one, sent again, counts against its context at most so often: whoever was called has time to look";
    QUIET_EXCHANGES: u8 = 3, "exchanges", Measured, "at no evidence, before what was unconfirmed is learnt";

    // Layer 4
    CALIBRATED_EXCHANGES: u32 = 2_000, "exchanges", Judgement, "fewer don't show the tail of the evidence";
    CALIBRATION_LEVEL: f64 = 0.01, "probability", Judgement, "of any of the 64 bounds being too low";
    GRADUATION_DAYS: u32 = 3, "days", Judgement, "observe to challenge";
    GRADUATION_CROSSINGS_PPM: u32 = 10_000, "per million exchanges", Judgement, "upper bound of crossings, observe to challenge";
    GRADUATION_CONFIDENCE: f64 = 0.95, "probability", Judgement, "of that bound";
    CROSSING: i64 = 30_000, "thousandths of a point", Derived, "the lowest threshold for challenging";
    DENY_DAYS: u32 = 14, "days", Judgement, "challenge to deny";
    DENY_WEEKENDS: u32 = 2, "weekends", Judgement, "challenge to deny";
    DENY_EXCHANGES: u64 = 3_000, "exchanges", Judgement, "challenge to deny";
    DENY_EVIDENCE: i32 = 50_000, "thousandths of a point", Judgement, "calibrated evidence that keeps from graduating for 14 days";
    PASSED_MAX: u32 = 10, "passed score challenges", Judgement, "more in a thousand exchanges: back to observe";
    PASSED_WINDOW: u32 = 1_000, "exchanges", Judgement, "of which those are counted";

    // Layer 5
    NEEDED_CHALLENGE: i64 = 10_000, "thousandths of a point", Judgement, "evidence, whatever the prior";
    NEEDED_DENY: i64 = 30_000, "thousandths of a point", Judgement, "evidence, whatever the prior";
    NEEDED_SEVER: i64 = 60_000, "thousandths of a point", Judgement, "evidence, whatever the prior";
    BASE_CHALLENGE: i64 = 30_000, "thousandths of a point", Judgement, "threshold where at most a thousand is at stake";
    BASE_DENY: i64 = 60_000, "thousandths of a point", Judgement, "threshold where at most a thousand is at stake";
    BASE_SEVER: i64 = 85_000, "thousandths of a point", Judgement, "threshold where at most a thousand is at stake";
    SHIFT_MAX: i64 = 20_000, "thousandths of a point", Judgement, "thresholds fall no further";
    STAKES_UNIT: f64 = 1_000.0, "money", Judgement, "at stake before thresholds fall";

    // Slow drift
    DRIFT_ALLOWANCE: f64 = 0.75, "standard deviations a day", Measured, "a ramp of 1 % a day is found within 60 days with power 1.00 at σ ≤ .3, .82 at .5, .40 at .7";
    DRIFT_ALARM: f64 = 5.0, "standard deviations", Measured, "about .5 % false alarms in 60 days where mean and σ are known; with a reference of 28 days about 4 %";
    DRIFT_SIGMA_MIN: f64 = 0.1, "nats", Judgement, "no machine is that regular";
    DRIFT_DAYS_MIN: usize = 14, "days", Judgement, "before a reference is sealed; it is sealed anew once four weeks are there";
    RESEAL_DAYS: u32 = 90, "days", Judgement, "without an open alarm, before the reference is sealed anew";

    // Fixed points
    VENDOR_UNKNOWN: i32 = 11_400, "thousandths of a point", Judgement, "a vendor that nobody has assessed";
    VENDOR_GRADE_A: i32 = 0, "thousandths of a point", Judgement, "a vendor of this grade: nothing stands against it";
    VENDOR_GRADE_B: i32 = 4_600, "thousandths of a point", Judgement, "a vendor of this grade";
    VENDOR_GRADE_C: i32 = 7_300, "thousandths of a point", Judgement, "a vendor of this grade";
    VENDOR_GRADE_D: i32 = 9_600, "thousandths of a point", Judgement, "a vendor of this grade";
    VENDOR_GRADE_F: i32 = 11_400, "thousandths of a point", Judgement, "a vendor of this grade";
    VENDOR_MAX: i64 = 20_000, "thousandths of a point", Judgement, "the worst vendor";
    POINTS_UNBOUND: i32 = 3_000, "thousandths of a point", Judgement, "whoever holds the token may use it";
    POINTS_ISSUED_ELSEWHERE: i32 = 3_000, "thousandths of a point", Judgement, "network or TLS client differ from where the token was issued";
    POINTS_ISSUED_ELSEWHERE_BOTH: i32 = 5_000, "thousandths of a point", Judgement, "both differ";
    POINTS_KEY_NEW: i32 = 2_000, "thousandths of a point", Judgement, "a key that no admitted context has used";
    POINTS_KEY_AGE: i32 = 1_000, "thousandths of a point", Judgement, "registered within a day, or over a year ago";
    KEY_YOUNG_SECONDS: u32 = 86_400, "s", Judgement, "a key younger than this is young";
    KEY_OLD_SECONDS: u32 = 31_536_000, "s", Judgement, "a key older than this is old";
    POINTS_TOKEN_AGE: i32 = 2_000, "thousandths of a point", Judgement, "four times as old as any token this client has used";
    POINTS_OVERDUE: i32 = 2_000, "thousandths of a point", Judgement, "the key should have been replaced";
    POINTS_SPLIT: i32 = 4_000, "thousandths of a point", Judgement, "a context on probation and an admitted one are at work at the same time";
    SPLIT_US: i64 = 3_600_000_000, "µs", Judgement, "how near is at the same time";
    POINTS_LISTED: i32 = 5_000, "thousandths of a point", Judgement, "feeds of addresses are often wrong";
    POINTS_TOR: i32 = 6_000, "thousandths of a point", Judgement, "no vendor's machine has a reason to";
    POINTS_HOSTING: i32 = 2_000, "thousandths of a point", Judgement, "machines for rent, in a context that isn't admitted";
    POINTS_MOVEMENT: i32 = 4_000, "thousandths of a point", Judgement, "places of databases are rough";
    MOVEMENT_KM: f64 = 500.0, "km", Judgement, "nearer is the same place, as databases know places";
    MOVEMENT_KM_PER_HOUR: f64 = 1_000.0, "km/h", Judgement, "faster than aeroplanes";
    MOVEMENT_DAYS: u8 = 3, "days", Judgement, "a client that did so on as many days does so";
    POINTS_OUTSIDE: i32 = 4_000, "thousandths of a point", Judgement, "packets of the vendor's networks were dropped lately: anybody can forge them, so no more than a rough place counts";
    POINTS_OUTSIDE_WANING: i32 = 2_000, "thousandths of a point", Judgement, "packets of the vendor's networks were dropped some time ago";
    OUTSIDE_LATELY_US: i64 = 600_000_000, "µs", Judgement, "since the last dropped packet: they are counted every ten seconds, and a slow scan waits minutes";
    OUTSIDE_WANING_US: i64 = 3_600_000_000, "µs", Judgement, "since the last dropped packet, before it counts for nothing: a vendor that was quiet for an hour begins anew";
    POINTS_JA4_LISTED: i32 = 5_000, "thousandths of a point", Judgement, "fingerprints are shared by many";
    POINTS_JA4_MISFIT: i32 = 4_000, "thousandths of a point", Judgement, "declared to be another kind of client";
    POINTS_ALPN: i32 = 1_000, "thousandths of a point", Judgement, "odd, and often harmless";
    POINTS_SNI: i32 = 1_000, "thousandths of a point", Judgement, "odd, and often harmless";
    POINTS_POSTURE_STALE: i32 = 2_000, "thousandths of a point", Judgement, "it was good";
    POINTS_POSTURE_ABSENT: i32 = 4_000, "thousandths of a point", Judgement, "it was asked for";
    POINTS_POSTURE_FAILING: i32 = 8_000, "thousandths of a point", Judgement, "the machine isn't as it should be";
    POINTS_ENUMERATION: i32 = 5_000, "thousandths of a point", Judgement, "as evidence it would need a baseline of objects";
    ENUMERATION_ASKED_MIN: u32 = 50, "requests", Judgement, "fewer say nothing";
    ENUMERATION_TIMES: f64 = 3.0, "times", Judgement, "as many objects as on a usual day";
    ENUMERATION_OBJECTS_MIN: f64 = 40.0, "objects", Judgement, "fewer are nobody's loot";
    ENUMERATION_DAYS: u8 = 3, "days", Judgement, "before a usual day is known";
}
