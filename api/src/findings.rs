//! What is wrong, or about to be, and what to do about it.
//!
//! `docs/reference/findings.md` lists the codes; a test compares the two.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much it matters, the least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// To be done in the coming weeks.
    Low,
    /// To be done this week.
    Medium,
    /// To be done today: something fails, or will soon.
    High,
    /// To be done now: something that must hold doesn't.
    Critical,
}

impl Severity {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

macro_rules! codes {
    ($($variant:ident $code:literal $title:literal;)+) => {
        /// What was found. A code is stable: never renamed, and never given another meaning.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum FindingCode { $(#[doc = $title] $variant,)+ }

        impl FindingCode {
            /// Every code, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable code.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// What it means, as a short sentence without full stop.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }
        }
    };
}

codes! {
    OneOperator "one_operator" "one operator only: a restoration has no second person who looks at it";
    ContractEnds "contract_ends" "a contract ends within 30 days, or has ended while integrations hang on it";
    GrantEnds "grant_ends" "an integration's grant ends within 30 days and before its contract, or has ended";
    SeveranceOpen "severance_open" "something has been severed for more than a day";
    IssuerUnreachable "issuer_unreachable" "the keys of a vendor's issuer or trust domain can't be fetched";
    TokensUnbound "tokens_unbound" "an issuer may give tokens that are bound to no key or certificate";
    ServiceLevelBroken "service_level_broken" "the error budget of a contract's promise is spent";
    ServiceLevelBurning "service_level_burning" "the error budget of a contract's promise is spent too fast";
    ClientKeyLapses "client_key_lapses" "the newest key of a client lapses within the days that its integration warns, or has lapsed";
    ClientKeyTheft "client_key_theft" "a client key that had been replaced tried to register another one";
    EnrolmentReused "enrolment_reused" "another key came with the link of an enrolment that was used";
    ClockBehind "clock_behind" "the machine's clock is behind the time that decides";
    ClockJumped "clock_jumped" "the machine's clock has jumped by more than two seconds within the last day";
    SecurityContactMissing "security_contact_missing" "a vendor has no contact whose role is `security`";
    SegmentMissing "segment_missing" "a segment of the decision log has vanished before it was sealed";
    CheckpointNotPosted "checkpoint_not_posted" "a place outside does not take the ledger's checkpoints";
    FeedUnusable "feed_unusable" "the newest content of a feed can't be fetched or read";
    FeedStale "feed_stale" "the data of a feed is older than it may become";
    RiskPaged "risk_paged" "a request has come to so much evidence that somebody should look at it";
    RiskSlowDrift "risk_slow_drift" "a client takes more and more records, day by day";
    VendorStopped "vendor_stopped" "a hard stop holds for a vendor";
    VendorStopAhead "vendor_stop_ahead" "a hard stop will hold for a vendor within 30 days if nobody does anything";
    EvidenceOverdue "evidence_overdue" "a vendor hasn't answered a request for evidence in time";
    AssessmentOverdue "assessment_overdue" "a step, finding, task or audit of a vendor is late";
    RiskFalseChallenges "risk_false_challenges" "a client passes so many challenges for its score that it is only observed again";
    VendorHeld "vendor_held" "a vendor is held, blocked or limited";
    CeilingWithoutData "ceiling_without_data" "a ceiling of countries or networks refuses what needs it, as no database says them";
    WebhookFailing "webhook_failing" "a webhook does not take what it is told";
    OnCallFailing "on_call_failing" "somebody who is called can not be reached";
    ContactUntold "contact_untold" "somebody at a vendor can not be told by mail of what was closed or opened";
    PageUnanswered "page_unanswered" "nobody has answered a page";
    SourceUnusable "source_unusable" "the newest content of a register, list or catalogue can't be had or read";
    SourceStale "source_stale" "what is in use of a register, list or catalogue is older than it may become";
    EnforcerLost "enforcer_lost" "the enforcer is not linked: tunnels and networks can't be cut";
    NetworkNotEnforced "network_not_enforced" "an arm of the enforcer can't put the network plan into force";
    NetworkPlanRefused "network_plan_refused" "the enforcer refuses the network plan, and an older one is in force";
    CutUnknown "cut_unknown" "the enforcer holds a cut that the ledger doesn't know";
    PathNotClosed "path_not_closed" "a path of something severed is not verified to be closed";
    BreakGlassOpened "break_glass_opened" "a sealed credential for emergencies was used";
    PacketsOutside "packets_outside" "packets from a vendor's networks were dropped: outside the network plan, or while it is closed";
    KillDrillFailed "kill_drill_failed" "the newest kill drill has failed: a path of the canary did not close, or was not verified";
    KillDrillMissed "kill_drill_missed" "there is a canary, and no kill drill has run for two days";
    ClauseBreached "clause_breached" "a clause of a contract that the gate holds was broken: what broke it was refused";
    IncidentClock "incident_clock" "a clock of an open incident is nearly over, or was missed";
    IncidentUnled "incident_unled" "an open incident has nobody who leads it";
    TunnelWithoutContract "tunnel_without_contract" "a tunnel is up though it is closed";
    TunnelIdentityShared "tunnel_identity_shared" "two machines are connected to a tunnel with the same credentials";
    TunnelCredentialsEnd "tunnel_credentials_end" "the credentials of an open tunnel end";
    ClockFile "clock_file" "a file of clocks can't be used";
    DoorUnopened "door_unopened" "a gate can't open the door that an integration is served at alone";
}

/// One thing that somebody should look at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    pub severity: Severity,
    pub code: FindingCode,
    /// What it is about, such as `contract/NAME`, `client/NAME` or `installation`.
    pub about: String,
    /// Lower case, no full stop.
    pub message: String,
    /// The next step.
    pub hint: String,
    /// When it comes true, or came true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub due: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_stable_and_described() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/findings.md");
        let page = std::fs::read_to_string(page).unwrap();
        let rows: BTreeSet<_> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
            .map(|row| row.0)
            .collect();
        let codes: BTreeSet<_> = FindingCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), FindingCode::ALL.len());
        assert_eq!(rows, codes, "docs/reference/findings.md lists other codes");
        for code in FindingCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert!(page.contains(&format!("| `{}` | {} |", code.as_str(), code.title())), "{code:?}");
        }
    }

    #[test]
    fn severities_are_in_their_order() {
        assert!(Severity::Critical > Severity::High && Severity::Low > Severity::Info);
        assert_eq!(serde_json::to_value(Severity::Medium).unwrap(), Severity::Medium.as_str());
    }
}
