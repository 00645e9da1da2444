//! What is counted of one vendor, integration or route, and which class a thing counts in.

use portcullis_domain::decision::{Ending, OutcomeRecord, Verdict};
use portcullis_domain::reason::{Fixer, Reason};

macro_rules! classes {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// As labels and JSON have it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

classes! {
    /// Whose move it is when something was refused.
    RefusalClass {
        /// The request itself: it can't be read, is too large or too slow, or asks for what isn't there.
        Request "request",
        /// Token, proof, certificate: who asks isn't sure.
        Credentials "credentials",
        /// It isn't granted: scope, route, contract, grant.
        Permission "permission",
        /// The caller was severed.
        Severed "severed",
        /// Too much in too short a time.
        Limit "limit",
        /// The service behind the gate.
        Upstream "upstream",
        /// The gate itself.
        Gate "gate",
    }
}

classes! {
    /// How an exchange that was allowed has ended.
    Ended {
        Complete "complete",
        /// The gate ended it, but for a severance.
        Cut "cut",
        Severed "severed",
        ClientGone "client_gone",
        UpstreamUnreachable "upstream_unreachable",
        UpstreamTimeout "upstream_timeout",
        UpstreamFailed "upstream_failed",
    }
}

impl RefusalClass {
    #[must_use]
    pub fn of(reason: Reason) -> Self {
        match (reason.status(), reason.fixer()) {
            _ if reason.is_severance() => Self::Severed,
            (401 | 421, _) => Self::Credentials,
            (403, _) => Self::Permission,
            (429, _) => Self::Limit,
            (_, Fixer::UpstreamTeam) => Self::Upstream,
            (_, Fixer::VendorDeveloper) | (..500, _) => Self::Request,
            _ => Self::Gate,
        }
    }
}

impl Ended {
    #[must_use]
    pub fn of(ending: Ending, reason: Reason) -> Self {
        match (ending, reason) {
            (Ending::Complete, _) => Self::Complete,
            (Ending::ClientGone, _) => Self::ClientGone,
            (Ending::Cut, reason) if reason.is_severance() => Self::Severed,
            (Ending::Cut, _) => Self::Cut,
            (Ending::UpstreamFailed, Reason::UpstreamUnreachable) => Self::UpstreamUnreachable,
            (Ending::UpstreamFailed, Reason::UpstreamTimeout) => Self::UpstreamTimeout,
            (Ending::UpstreamFailed, _) => Self::UpstreamFailed,
        }
    }
}

/// Whether an exchange speaks for or against our side's availability. What the vendor's side or an
/// operator ended, and what was refused for a fault of the vendor's, does neither.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Served {
    Good,
    Failed,
    Neither,
}

fn served(outcome: &OutcomeRecord) -> Served {
    match outcome.ending {
        Ending::Complete if outcome.status < 500 => Served::Good,
        Ending::Complete => Served::Failed,
        Ending::ClientGone => Served::Neither,
        Ending::Cut | Ending::UpstreamFailed => match RefusalClass::of(outcome.reason) {
            RefusalClass::Upstream | RefusalClass::Gate => Served::Failed,
            _ => Served::Neither,
        },
    }
}

/// Counts, since some moment or in some window.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// In the order of [`Verdict::ALL`].
    pub verdicts: [u64; Verdict::ALL.len()],
    pub refused: [u64; RefusalClass::ALL.len()],
    pub ended: [u64; Ended::ALL.len()],
    /// Answers 1xx to 5xx.
    pub statuses: [u64; 5],
    /// Exchanges that our side served.
    pub good: u64,
    /// Exchanges that our side failed, refusals for a fault of the gate among them.
    pub failed: u64,
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub records: u64,
    /// What the authorization server has answered: tokens, introspections, revocations. No exchanges.
    pub tokens: u64,
}

impl Counts {
    pub fn decided(&mut self, verdict: Verdict, reason: Reason) {
        add(&mut self.verdicts, verdict.rank());
        if matches!(verdict, Verdict::Deny | Verdict::Sever) {
            let class = RefusalClass::of(reason);
            add(&mut self.refused, class as usize);
            if matches!(class, RefusalClass::Gate | RefusalClass::Upstream) {
                self.failed += 1;
            }
        }
    }

    pub fn ended(&mut self, outcome: &OutcomeRecord) {
        add(&mut self.ended, Ended::of(outcome.ending, outcome.reason) as usize);
        if let Some(hundreds) = usize::from(outcome.status / 100).checked_sub(1) {
            add(&mut self.statuses, hundreds);
        }
        match served(outcome) {
            Served::Good => self.good += 1,
            Served::Failed => self.failed += 1,
            Served::Neither => {}
        }
        self.request_bytes = self.request_bytes.saturating_add(outcome.request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(outcome.response_bytes);
        self.records = self.records.saturating_add(outcome.records);
    }

    pub fn merge(&mut self, other: &Self) {
        sum(&mut self.verdicts, &other.verdicts);
        sum(&mut self.refused, &other.refused);
        sum(&mut self.ended, &other.ended);
        sum(&mut self.statuses, &other.statuses);
        self.good += other.good;
        self.failed += other.failed;
        self.request_bytes = self.request_bytes.saturating_add(other.request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(other.response_bytes);
        self.records = self.records.saturating_add(other.records);
        self.tokens += other.tokens;
    }

    /// All decisions.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.verdicts.iter().sum()
    }

    /// The share of exchanges that our side served, of those it served or failed; none of none.
    #[must_use]
    pub fn availability(&self) -> Option<f64> {
        let counted = self.good + self.failed;
        (counted > 0).then(|| self.good as f64 / counted as f64)
    }
}

fn add(counts: &mut [u64], place: usize) {
    if let Some(count) = counts.get_mut(place) {
        *count += 1;
    }
}

fn sum(counts: &mut [u64], others: &[u64]) {
    for (count, other) in counts.iter_mut().zip(others) {
        *count += other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use portcullis_domain::decision::DecisionId;

    fn outcome(ending: Ending, reason: Reason, status: u16) -> OutcomeRecord {
        OutcomeRecord {
            id: DecisionId([0; 16]),
            time: Timestamp::UNIX_EPOCH,
            ending,
            reason,
            status,
            request_bytes: 1,
            response_bytes: 2,
            records: 3,
            duration_us: 4,
            risk: None,
        }
    }

    #[test]
    fn a_refusal_counts_where_its_cause_is() {
        let check = |reason, expect| assert_eq!(RefusalClass::of(reason), expect, "{reason:?}");
        check(Reason::HeadAmbiguous, RefusalClass::Request);
        check(Reason::RouteUnknown, RefusalClass::Request);
        check(Reason::DeadlinePassed, RefusalClass::Request);
        check(Reason::TokenExpired, RefusalClass::Credentials);
        check(Reason::ClientUnknown, RefusalClass::Credentials);
        check(Reason::Misdirected, RefusalClass::Credentials);
        check(Reason::ScopeInsufficient, RefusalClass::Permission);
        check(Reason::ContractNotInForce, RefusalClass::Permission);
        check(Reason::VendorSevered, RefusalClass::Severed);
        check(Reason::RecordsLimit, RefusalClass::Limit);
        check(Reason::UpstreamUnreachable, RefusalClass::Upstream);
        check(Reason::BodyNotCountable, RefusalClass::Upstream);
        check(Reason::DecisionLogUnavailable, RefusalClass::Gate);
        check(Reason::GateStopping, RefusalClass::Gate);
        check(Reason::ReplayStoreFull, RefusalClass::Gate);
    }

    #[test]
    fn only_what_our_side_did_counts_for_availability() {
        let check = |ending, reason, status, expect| {
            assert_eq!(served(&outcome(ending, reason, status)), expect, "{ending:?} {reason:?} {status}");
        };
        check(Ending::Complete, Reason::Allowed, 200, Served::Good);
        check(Ending::Complete, Reason::Allowed, 404, Served::Good);
        check(Ending::Complete, Reason::Allowed, 500, Served::Failed);
        check(Ending::UpstreamFailed, Reason::UpstreamTimeout, 504, Served::Failed);
        check(Ending::UpstreamFailed, Reason::DeadlinePassed, 504, Served::Neither);
        check(Ending::Cut, Reason::RecordsCut, 200, Served::Neither);
        check(Ending::Cut, Reason::VendorSevered, 200, Served::Neither);
        check(Ending::Cut, Reason::BodyNotCountable, 502, Served::Failed);
        check(Ending::ClientGone, Reason::ClientGone, 200, Served::Neither);
        let mut counts = Counts::default();
        counts.decided(Verdict::Deny, Reason::ScopeInsufficient);
        counts.decided(Verdict::Challenge, Reason::TokenMissing);
        assert_eq!(counts.availability(), None, "a refusal of the vendor's own fault is no failure of ours");
        counts.decided(Verdict::Deny, Reason::DecisionLogUnavailable);
        assert_eq!(counts.availability(), Some(0.0));
        for _ in 0..3 {
            counts.ended(&outcome(Ending::Complete, Reason::Allowed, 200));
        }
        assert_eq!(counts.availability(), Some(0.75));
        assert_eq!((counts.records, counts.response_bytes, counts.statuses[1]), (9, 6, 3));
    }
}
