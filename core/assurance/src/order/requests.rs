//! What was asked of the vendor.

use portcullis_ids::ids::{EvidenceId, RequestId};

use super::{Case, News, check_sha256, check_text, conflict, room, taken, unknown};
use crate::change::Change;
use crate::dossier::Asked;
use crate::evidence::Content;
use crate::order::DossierRefusal;
use crate::request::{EvidenceRequest, RequestState};

impl Case<'_> {
    pub(super) fn requests(&self, change: &Change) -> Option<News> {
        Some(match change {
            Change::EvidenceRequested { request } => self.requested(request),
            Change::RequestAnswered { request, evidence } => self.answered(*request, *evidence),
            Change::RequestRefused { request, .. } => {
                self.asked(*request).and_then(|asked| match asked.state {
                    RequestState::Open => Ok(true),
                    RequestState::Refused { .. } => Ok(false),
                    RequestState::Answered { .. } | RequestState::Withdrawn { .. } => closed(*request),
                })
            }
            Change::RequestWithdrawn { request } => {
                self.asked(*request).and_then(|asked| match asked.state {
                    RequestState::Open => Ok(true),
                    RequestState::Withdrawn { .. } => Ok(false),
                    RequestState::Answered { .. } => closed(*request),
                    RequestState::Refused { .. } => conflict(
                        format!("request `{request}` was refused, and that stays known"),
                        "the vendor may still answer it",
                    ),
                })
            }
            _ => return None,
        })
    }

    fn asked(&self, request: RequestId) -> Result<&Asked, DossierRefusal> {
        self.dossier.requests.get(&request).map_or_else(|| unknown("request", request), Ok)
    }

    fn requested(&self, request: &EvidenceRequest) -> News {
        if let Some(known) = self.dossier.requests.get(&request.id) {
            let contact = known.request.contact.clone();
            let same = contact.text() == request.contact.text();
            let asked_at = known.request.asked_at;
            let same = same && EvidenceRequest { contact, asked_at, ..request.clone() } == known.request;
            return if same { Ok(false) } else { Err(taken("request", request.id)) };
        }
        room("requests", self.dossier.requests.len())?;
        check_text("kind of evidence", &request.wanted)?;
        check_text("contact", request.contact.text())?;
        check_sha256("digest of the code", &request.code_sha256)?;
        self.check_due(Some(request.due))?;
        Ok(true)
    }

    /// Also after a refusal: a vendor may think better of it.
    fn answered(&self, request: RequestId, evidence: EvidenceId) -> News {
        let asked = self.asked(request)?;
        match asked.state {
            RequestState::Answered { evidence: known, .. } if known == evidence => return Ok(false),
            RequestState::Answered { .. } | RequestState::Withdrawn { .. } => return closed(request),
            RequestState::Open | RequestState::Refused { .. } => {}
        }
        self.check_good(evidence)?;
        let wanted = asked.request.wanted.as_str();
        let kind = self.dossier.evidence.get(&evidence).map(|filed| filed.evidence.content.kind());
        if Content::KINDS.contains(&wanted) && kind != Some(wanted) {
            let kind = kind.unwrap_or("other");
            return conflict(
                format!("`{wanted}` was asked for, and this is `{kind}`"),
                "answer with what was asked",
            );
        }
        Ok(true)
    }
}

fn closed(request: RequestId) -> News {
    conflict(format!("request `{request}` is not open any more"), "ask anew")
}
