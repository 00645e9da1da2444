//! Certificates of the built-in authority: recorded before anybody has them, and taken back.

use std::sync::Arc;

use jiff::Timestamp;
use portcullis_api::certificates::{
    CertificateKind, CertificateView, CertificatesView, IssueAnswer, IssueRequest, RevokeCertificateAnswer,
};
use portcullis_api::problem::Problem;
use portcullis_domain::command::{Command, Refusal, Seen};
use portcullis_domain::event::{CertificateUse, IssuedCertificate};
use portcullis_domain::ids::OperatorId;
use portcullis_domain::spec::is_name;
use portcullis_domain::state::State;
use portcullis_domain::state::certificates::KnownCertificate;

use crate::control::Control;
use crate::error::ExecuteError;
use crate::process::{Authority, Order};

pub(crate) const DAYS_MAX: u32 = 397;

/// Why nothing was issued or revoked.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("{}", .0.title)]
    Problem(Box<Problem>),
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

impl Control {
    /// Every certificate that the authority knows of and that has not ended; where certificates come from
    /// elsewhere, those that were issued before.
    ///
    /// # Errors
    /// The authority's own can't be read.
    pub fn certificates(&self) -> Result<CertificatesView, CertificateError> {
        let own = match self.authority() {
            Ok(authority) => authority.own().map_err(CertificateError::Problem)?,
            Err(_) => Vec::new(),
        };
        let (state, now) = (self.state(), self.clock().now());
        let mut issued: Vec<_> =
            state.certificates.values().filter(|known| known.issued.not_after > now).map(view).collect();
        issued.sort_by(|left, right| {
            (left.kind, &left.name, left.not_after).cmp(&(right.kind, &right.name, right.not_after))
        });
        Ok(CertificatesView { certificates: own.into_iter().chain(issued).collect() })
    }

    /// Signs a certificate, and hands it out when the ledger holds it; an identity is put to use at once.
    ///
    /// # Errors
    /// The request can't be used, or the ledger can't be written.
    pub async fn issue_certificate(
        &self,
        request: IssueRequest,
        by: OperatorId,
    ) -> Result<IssueAnswer, CertificateError> {
        let authority = self.authority()?;
        let order = checked(request, authority.days()).map_err(CertificateError::Problem)?;
        let signed = authority.sign(&order).map_err(CertificateError::Problem)?;
        let issued = IssuedCertificate {
            serial: signed.serial.clone(),
            usage: order.usage,
            name: order.name.clone(),
            thumbprint: signed.thumbprint.clone(),
            not_after: signed.not_after,
            by,
            time: self.clock().now(),
        };
        let certificate = view(&KnownCertificate { issued: issued.clone(), revoked: None });
        self.execute(Command::IssueCertificate(issued)).await?;
        let reloaded = match order.usage {
            CertificateUse::Clients | CertificateUse::Tunnels => None,
            CertificateUse::Upstreams => {
                Some(authority.install(&order.name, &signed).await.map_err(CertificateError::Problem)?)
            }
        };
        let key = signed.key_pem.filter(|_| order.usage == CertificateUse::Clients);
        Ok(IssueAnswer { certificate, chain: signed.chain_pem, key, reloaded })
    }

    /// Issues those identities towards upstreams anew that have less than a third of their life left, in
    /// the name of whoever had them issued. Answers which.
    ///
    /// # Errors
    /// The ledger can't be written, or the identity not be laid down.
    pub async fn renew_identities(&self) -> Result<Vec<String>, CertificateError> {
        let (state, now) = (self.state(), self.clock().now());
        let mut renewed = Vec::new();
        for issued in due(&state, now) {
            let request =
                IssueRequest { usage: issued.usage, name: issued.name.clone(), request: None, days: None };
            self.issue_certificate(request, issued.by).await?;
            renewed.push(issued.name.clone());
        }
        Ok(renewed)
    }

    /// Takes a certificate back: a client's is refused by every gate from now on, whatever it is enrolled by.
    ///
    /// # Errors
    /// It isn't known, or the ledger can't be written.
    pub async fn revoke_certificate(
        &self,
        serial: &str,
        by: OperatorId,
        reason: String,
    ) -> Result<RevokeCertificateAnswer, CertificateError> {
        let serial = serial.replace(':', "").to_ascii_lowercase();
        let state = self.state();
        let unknown = || ExecuteError::from(Refusal::Unknown { kind: "certificate", name: serial.clone() });
        let known = state.certificates.get(&serial).ok_or_else(unknown)?;
        let IssuedCertificate { usage, name, thumbprint, .. } = &known.issued;
        let receipt = match usage {
            CertificateUse::Clients => {
                let seen = Seen { keys: vec![thumbprint.clone()], session_of: None };
                let command = Command::RevokeKeys {
                    client: name.clone(),
                    key: Some(thumbprint.clone()),
                    by,
                    reason: reason.clone(),
                    seen,
                };
                match self.close_with_receipt(command).await {
                    Ok(receipt) => Some(receipt),
                    // The client is gone, or the key is refused already: the list still has to say it.
                    Err(ExecuteError::Refused(Refusal::Unknown { .. } | Refusal::AlreadySevered { .. })) => {
                        None
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            CertificateUse::Upstreams | CertificateUse::Tunnels => None,
        };
        self.execute(Command::RevokeCertificate { serial: serial.clone(), by, reason }).await?;
        let state = self.state();
        let certificate = state.certificates.get(&serial).map(view).ok_or_else(unknown)?;
        Ok(RevokeCertificateAnswer { certificate, receipt })
    }

    /// The list of revoked certificates of a use, as PEM.
    ///
    /// # Errors
    /// The authority's key can't be used.
    pub fn crl(&self, usage: CertificateUse) -> Result<String, CertificateError> {
        let state = self.state();
        self.authority()?.crl(usage, state.size, &revoked(&state, usage)).map_err(CertificateError::Problem)
    }

    pub(crate) fn authority(&self) -> Result<Arc<dyn Authority>, CertificateError> {
        let refused = |title, detail, hint| {
            let problem = Problem::new(503, title, detail).hint(hint);
            CertificateError::Problem(Box::new(problem))
        };
        let process = self
            .process()
            .ok_or_else(|| refused("not ready", "the process is still starting", "try again in a moment"))?;
        process.authority.clone().ok_or_else(|| {
            refused(
                "no authority",
                "this process holds no authority",
                "certificates come from elsewhere here",
            )
        })
    }
}

fn checked(request: IssueRequest, days: u32) -> Result<Order, Box<Problem>> {
    let IssueRequest { usage, name, request, days: asked } = request;
    let refused = |detail: String, hint: &str| {
        Err(Box::new(Problem::new(422, "nothing was issued", detail).hint(hint)))
    };
    if !is_name(&name) {
        return refused(
            format!("`{name}` is no name"),
            "names are lower-case letters, digits and `-`, 63 at most",
        );
    }
    if usage == CertificateUse::Tunnels {
        return refused(
            "certificates of tunnels come with their tunnels".to_owned(),
            "`portcullis tunnel credentials NAME`",
        );
    }
    if usage == CertificateUse::Upstreams && request.is_some() {
        return refused(
            "an identity's key is made here".to_owned(),
            "leave the request out: the gate needs the key",
        );
    }
    let days = asked.unwrap_or(days);
    if !(1..=DAYS_MAX).contains(&days) {
        return refused(format!("a certificate can't be good for {days} days"), "1 to 397 days");
    }
    Ok(Order { usage, name, request, days })
}

fn revoked(state: &State, usage: CertificateUse) -> Vec<(String, Timestamp)> {
    let of_use = state.certificates.values().filter(|known| known.issued.usage == usage);
    of_use.filter_map(|known| Some((known.issued.serial.clone(), known.revoked.as_ref()?.time))).collect()
}

fn view(known: &KnownCertificate) -> CertificateView {
    let IssuedCertificate { serial, usage, name, thumbprint, not_after, .. } = &known.issued;
    CertificateView {
        kind: match usage {
            CertificateUse::Clients => CertificateKind::Client,
            CertificateUse::Upstreams | CertificateUse::Tunnels => CertificateKind::Upstream,
        },
        name: name.clone(),
        serial: serial.clone(),
        thumbprint: thumbprint.clone(),
        not_after: *not_after,
        external: false,
        revoked_at: known.revoked.as_ref().map(|revocation| revocation.time),
    }
}

/// The newest identity of each name, if it is not revoked and two thirds of its life are over.
fn due(state: &State, now: Timestamp) -> Vec<&IssuedCertificate> {
    let mut newest: std::collections::BTreeMap<&str, &KnownCertificate> = std::collections::BTreeMap::new();
    for known in state.certificates.values().filter(|known| known.issued.usage == CertificateUse::Upstreams) {
        let held = newest.entry(&known.issued.name).or_insert(known);
        if known.issued.not_after > held.issued.not_after {
            *held = known;
        }
    }
    let is_due = |issued: &IssuedCertificate| {
        let life = issued.not_after.duration_since(issued.time);
        issued.not_after.duration_since(now) * 3 < life
    };
    let alive = newest.into_values().filter(|known| known.revoked.is_none());
    alive.map(|known| &known.issued).filter(|issued| is_due(issued)).collect()
}
