//! Certificates that the built-in authority has issued to machines, and taken back.

use jiff::Timestamp;

use crate::command::{Context, Refusal};
use crate::event::{CertificateRevocation, Event, IssuedCertificate};
use crate::ids::OperatorId;
use crate::state::State;
use crate::state::decide::check_reason;

/// Certificates that are valid at the same time.
const CERTIFICATES_MAX: usize = 100_000;

/// A certificate that may still be valid.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownCertificate {
    pub issued: IssuedCertificate,
    pub revoked: Option<CertificateRevocation>,
}

impl State {
    /// A client may be enrolled by its certificate later: alone it opens nothing.
    pub(super) fn decide_issue_certificate(&self, issued: IssuedCertificate) -> Result<Vec<Event>, Refusal> {
        if self.certificates.len() >= CERTIFICATES_MAX {
            return Err(Refusal::CertificatesMany { most: CERTIFICATES_MAX });
        }
        Ok(vec![Event::CertificateIssued(issued)])
    }

    /// Revoking it again changes nothing.
    pub(super) fn decide_revoke_certificate(
        &self,
        serial: &str,
        by: OperatorId,
        reason: String,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        check_reason(&reason)?;
        let known = self
            .certificates
            .get(serial)
            .ok_or_else(|| Refusal::Unknown { kind: "certificate", name: serial.to_owned() })?;
        if known.revoked.is_some() {
            return Ok(Vec::new());
        }
        let revocation = CertificateRevocation { serial: serial.to_owned(), by, reason, time: context.now };
        Ok(vec![Event::CertificateRevoked(revocation)])
    }

    pub(super) fn apply_certificate_issued(&mut self, issued: &IssuedCertificate) {
        self.forget_certificates_before(issued.time);
        let known = KnownCertificate { issued: issued.clone(), revoked: None };
        self.certificates.insert(issued.serial.clone(), known);
    }

    pub(super) fn apply_certificate_revoked(&mut self, revocation: &CertificateRevocation) {
        if let Some(known) = self.certificates.get_mut(&revocation.serial) {
            known.revoked = Some(revocation.clone());
        }
    }

    /// What has ended needs no revocation any more (RFC 5280, section 3.3).
    fn forget_certificates_before(&mut self, now: Timestamp) {
        self.certificates.retain(|_, known| known.issued.not_after > now);
    }
}
