//! How long evidence says anything: an expiry that is stored and never acted on would be worse than none.

use jiff::Timestamp;
use jiff::civil::Date;

use super::{Content, Evidence, Opinion, Soc2};
use crate::days::starts_after;

impl Content {
    /// Its name in manifests, requests and the ledger.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Soc2TypeOne(_) => "soc2_type_one",
            Self::Soc2TypeTwo(_) => "soc2_type_two",
            Self::Iso27001 { .. } => "iso27001",
            Self::PciRoc { .. } => "pci_roc",
            Self::Hipaa => "hipaa",
            Self::PrivacyRecords => "privacy_records",
            Self::PenetrationTest(_) => "penetration_test",
            Self::Policy => "policy",
            Self::RecoveryTest(_) => "recovery_test",
            Self::Sbom { .. } => "sbom",
            Self::Scan { .. } => "scan",
            Self::BridgeLetter { .. } => "bridge_letter",
            Self::Questionnaire { .. } => "questionnaire",
            Self::ObservedByGate { .. } => "observed_by_gate",
            Self::Other { .. } => "other",
        }
    }

    /// Names that a request may want.
    pub const KINDS: [&'static str; 15] = [
        "soc2_type_one",
        "soc2_type_two",
        "iso27001",
        "pci_roc",
        "hipaa",
        "privacy_records",
        "penetration_test",
        "policy",
        "recovery_test",
        "sbom",
        "scan",
        "bridge_letter",
        "questionnaire",
        "observed_by_gate",
        "other",
    ];

    /// Days after which a document of this kind says nothing, counted from the last day that it looked at. An
    /// assumption each, from the assurance model where it has one.
    #[must_use]
    pub fn life_days(&self) -> Option<i64> {
        match self {
            Self::Soc2TypeTwo(_) => Some(456),
            Self::PciRoc { .. } => Some(395),
            Self::Iso27001 { .. } => Some(1_095),
            Self::Soc2TypeOne(_)
            | Self::Questionnaire { .. }
            | Self::Hipaa
            | Self::Sbom { .. }
            | Self::BridgeLetter { .. } => Some(365),
            Self::PenetrationTest(_) | Self::Policy | Self::PrivacyRecords | Self::RecoveryTest(_) => {
                Some(730)
            }
            Self::Scan { .. } => Some(91),
            Self::ObservedByGate { .. } => Some(30),
            Self::Other { .. } => None,
        }
    }

    #[must_use]
    pub fn soc2(&self) -> Option<&Soc2> {
        match self {
            Self::Soc2TypeOne(report) | Self::Soc2TypeTwo(report) => Some(report),
            _ => None,
        }
    }
}

impl Evidence {
    /// The day that its age is counted from: the last one that it looked at.
    #[must_use]
    pub fn as_of(&self) -> Date {
        self.period_to.map_or(self.issued, |to| to.min(self.issued))
    }

    /// The first moment at which it says nothing any more. A date of its own makes that earlier, never later than
    /// documents of its kind last.
    #[must_use]
    pub fn ends(&self) -> Timestamp {
        let own = self.expires.map(|last| starts_after(last, 1));
        let letter = match &self.content {
            Content::BridgeLetter { until } => Some(starts_after(*until, 1)),
            _ => None,
        };
        let kind = self.content.life_days().map(|count| starts_after(self.as_of(), count));
        [own, letter, kind].into_iter().flatten().min().unwrap_or(Timestamp::MAX)
    }

    /// The first moment at which it says nothing of vulnerabilities any more; none where it never did. Of a SOC 2
    /// report of type II the rows that test for them count, of a scan only one that somebody stands for.
    #[must_use]
    pub fn vulnerability_word_ends(&self) -> Option<Timestamp> {
        let attested = || {
            use super::Channel::{Gate, Portal, Signed};
            let proven = self.proof.as_ref().is_some_and(|proof| proof.outcome == super::ProofOutcome::Valid);
            proven || matches!(self.channel, Signed | Portal | Gate)
        };
        let latest = match &self.content {
            Content::Soc2TypeTwo(report) if report.tests_vulnerabilities() => Timestamp::MAX,
            Content::PenetrationTest(_) => starts_after(self.as_of(), 366),
            Content::Scan { .. } if attested() => starts_after(self.as_of(), 91),
            _ => return None,
        };
        Some(self.ends().min(latest))
    }
}

impl Soc2 {
    /// A test without samples has tested nothing, and an auditor without an opinion has said nothing.
    fn tests_vulnerabilities(&self) -> bool {
        let tested =
            |test: &super::ControlTest| test.domain == super::Domain::Vulnerability && test.samples > 0;
        !self.opinion.is_refusing() && self.tests.iter().any(tested)
    }
}

impl Opinion {
    /// Adverse, or none was given.
    #[must_use]
    pub fn is_refusing(self) -> bool {
        matches!(self, Self::Adverse | Self::Disclaimed)
    }
}
