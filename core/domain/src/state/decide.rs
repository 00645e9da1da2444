//! Judging a command: events, or a refusal that changes nothing.

use jiff::Timestamp;
use portcullis_assurance::change::Change;

use crate::command::{Command, Context, Refusal};
use crate::event::{Cause, Event, FromBackup, Severance, SignedReceipt};
use crate::ids::{ClientId, IssuerId, OperatorId, SubjectId};
use crate::spec::Kind;
use crate::state::State;
use crate::state::client_keys::later;
use crate::state::issuers::EXTERNAL_TOKEN_SECONDS_MAX;
use crate::state::signing_keys::TOKEN_SECONDS_MAX;
use crate::target::Target;

impl State {
    /// The events that `command` makes, which the caller appends and then applies.
    ///
    /// # Errors
    /// A [`Refusal`] that says what doesn't hold; nothing has changed.
    pub fn decide(&self, command: Command, context: &mut Context<'_>) -> Result<Vec<Event>, Refusal> {
        match command {
            Command::Found { issuer, stops } => {
                if self.installation.is_some() {
                    return Err(Refusal::AlreadyFounded);
                }
                Ok(vec![Event::InstallationFounded { installation: (context.new_id)(), issuer, stops }])
            }
            Command::Apply { resources } => self.decide_apply(resources, context),
            Command::Delete { kind, name } => self.decide_delete(kind, name),
            Command::AddOperator { name, token_sha256 } => {
                if self.operator_named(name.text()).is_some() {
                    return Err(Refusal::OperatorExists(name.text().to_owned()));
                }
                let name = name.held_by(SubjectId((context.new_id)()));
                Ok(vec![Event::OperatorAdded { id: OperatorId((context.new_id)()), name, token_sha256 }])
            }
            Command::RemoveOperator { name } => {
                let operator = self
                    .operator_named(&name)
                    .ok_or_else(|| Refusal::Unknown { kind: "operator", name: name.clone() })?;
                if self.operators.len() == 1 {
                    return Err(Refusal::LastOperator(name));
                }
                Ok(vec![Event::OperatorRemoved { id: operator.id }])
            }
            Command::PublishSigningKey { key } => self.decide_publish_key(key, context),
            Command::ReplaceKeys { lost } => Ok(vec![Event::KeysReplaced { lost, time: context.now }]),
            Command::ActivateSigningKey { kid } => self.decide_activate_key(kid, context),
            Command::RetireSigningKey { kid } => self.decide_retire_key(kid, context),
            Command::WithdrawSigningKey { kid, by, reason, successor } => {
                self.decide_withdraw_key(kid, by, reason, successor, context)
            }
            Command::RevokeToken { client, token_id, expires_at } => {
                Ok(Vec::from_iter(self.revoked(client, token_id, expires_at, context.now)))
            }
            Command::RevokeTokenOf { client, token_id } => self.decide_revoke_of(&client, token_id, context),
            Command::Sever { target, by, reason, tell, seen } => {
                self.decide_sever(&target, by, (reason, tell), seen, context)
            }
            Command::CutKey { client, keys, decision } => {
                Ok(self.decide_cut_key(client, keys, decision, context))
            }
            Command::CutSession { client, session, decision, reason } => {
                Ok(self.decide_cut_session(client, session, decision, reason, context))
            }
            Command::ProposeRestore { target, by } => self.decide_propose(&target, by, context),
            Command::RefuseRestore { proposal, target, by, reason } => {
                self.decide_refuse_restore(proposal, &target, (by, reason), context)
            }
            Command::ConfirmRestore { proposal, target, by } => {
                self.decide_confirm(proposal, &target, by, context)
            }
            Command::ChangeIssuerKeys { issuer, origin, keys } => {
                Ok(self.decide_issuer_keys(issuer, &origin, keys, context.now))
            }
            Command::IssueCertificate(issued) => self.decide_issue_certificate(issued),
            Command::RevokeCertificate { serial, by, reason } => {
                self.decide_revoke_certificate(&serial, by, reason, context)
            }
            Command::JudgeDecision { judged, judgement, by, reason } => {
                self.decide_judge(judged, judgement, by, reason, context)
            }
            Command::UnjudgeDecision { decision, by, reason } => {
                self.decide_unjudge(decision, by, reason, context)
            }
            Command::StatePosture { client, judged, signed_by, sha256, was_stale } => {
                Ok(self.decide_stated_posture(client, judged, (signed_by, sha256), was_stale, context))
            }
            Command::PushPosture { client, word, by, reason } => {
                self.decide_pushed_posture(&client, word, (by, reason), context)
            }
            Command::ChangeDossiers(orders) => self.decide_dossiers(orders, context),
            Command::ChangeDossier { vendor, changes, by, version } => {
                self.decide_dossier(vendor, changes, (by, version), context)
            }
            Command::HoldVendor { vendor, level, by, reason } => {
                self.decide_hold_vendor(&vendor, level, (by, reason), context)
            }
            Command::ReleaseVendor { vendor, by, reason } => {
                self.decide_release_vendor(&vendor, (by, reason), context)
            }
            Command::ExpireDocument { vendor, sha256, document_kind, stored_at, reason } => {
                let change = Change::DocumentExpired { sha256, document_kind, stored_at, reason };
                self.decide_expired_document(vendor, change, context)
            }
            Command::RegisterAuditor { name, keys, by } => {
                self.decide_register_auditor(name, keys, by, context)
            }
            Command::RemoveAuditor { name, by, reason } => {
                self.decide_remove_auditor(name, (by, reason), context.now)
            }
            Command::SetSegmentation { on, by } => Ok(self.decide_segmentation(on, by, context.now)),
            Command::OpenIncident(new) => self.decide_open_incident(*new, context),
            Command::ChangeIncident(changes) => self.decide_change_incident(*changes, context),
            Command::ReceiveNotice(new) => self.decide_notice(*new, context),
            Command::RestoreCanary { vendor, run, by } => {
                self.decide_restore_canary(&vendor, run, by, context)
            }
            Command::RecordRun { run, by } => self.decide_record_run(*run, by, context),
            Command::RaisePage(page) => self.decide_raise_page(page),
            Command::AcknowledgePage { page, by } => self.decide_acknowledge_page(&page, by, context),
            Command::EraseSubject { subject } => {
                if !self.subjects.contains(&subject) {
                    return Err(Refusal::Unknown { kind: "subject", name: subject.to_string() });
                }
                Ok(vec![Event::SubjectErased { subject }])
            }
            Command::RotateKey { client, current, next } => {
                self.decide_rotate(client, &current, next, context)
            }
            Command::SuspectTheft { client, key, next_key } => {
                self.decide_theft(client, key, next_key, context)
            }
            Command::RevokeKeys { client, key, by, reason, seen } => {
                self.decide_revoke_keys(&client, key, (by, reason), seen, context)
            }
            Command::OpenEnrolment { name, new, code_sha256, expires_at, by } => {
                self.decide_open_enrolment(name, new, code_sha256, expires_at, by, context)
            }
            Command::UseEnrolment { name, code_sha256, key } => {
                self.decide_use_enrolment(&name, &code_sha256, key, context)
            }
            Command::Recall { gate, version, severance, target, epoch, keys } => {
                let remembered = Severance {
                    id: severance,
                    epoch: epoch.max(self.next_epoch(&target)),
                    target,
                    keys,
                    cause: Cause::GateMemory { gate, version },
                    time: context.now,
                };
                Ok(self.decide_recall(remembered))
            }
            Command::RecordRestored { backup_time, size, root, known_later } => {
                let time = context.now;
                let from = FromBackup { backup_time, size, root, known_later, time };
                // A start that was killed before it removed its mark comes here again.
                let known = self
                    .from_backup
                    .as_ref()
                    .is_some_and(|known| FromBackup { time, ..known.clone() } == from);
                Ok(if known { Vec::new() } else { vec![Event::RestoredFromBackup(from)] })
            }
            Command::IssueTunnelCredentials { tunnel, credentials, by } => {
                self.decide_issue_tunnel_credentials(&tunnel, credentials, by, context)
            }
            Command::IssueCanaryTunnel { tunnel, credentials, run, by } => {
                self.decide_issue_canary_tunnel(&tunnel, credentials, (run, by), context)
            }
            Command::AddTunnelPerson { tunnel, person, by } => {
                self.decide_add_tunnel_person(&tunnel, *person, by, context)
            }
            Command::RevokeTunnelPerson { tunnel, person, by, reason } => {
                self.decide_revoke_tunnel_person(&tunnel, &person, (by, reason), context)
            }
            Command::ObserveTunnels { seen } => self.decide_observe_tunnels(&seen, context),
            Command::SignOut { target, by, reason } => self.decide_sign_out(&target, by, reason, context),
            Command::RecordReceipt { severance, note } => {
                let receipt = SignedReceipt { severance, note, time: context.now };
                Ok(vec![Event::ReceiptSigned(receipt)])
            }
            Command::RecordTold { matter, contact, outcome } => {
                Ok(self.decide_told(matter, contact, outcome, context))
            }
            Command::SealBreakGlass { name, token_sha256, by } => {
                self.decide_seal_break_glass(name, token_sha256, by, context)
            }
            Command::OpenBreakGlass { id } => Ok(self.decide_open_break_glass(id, context)),
            Command::RemoveBreakGlass { name, by } => self.decide_remove_break_glass(name, by, context),
            Command::RecordSealed(sealed) => self.decide_sealed(sealed),
            Command::RecordExpired(expiry) => self.decide_expired(expiry),
            Command::PlaceHold { vendor, by, reason } => self.decide_hold(&vendor, by, reason, context),
            Command::LiftHold { vendor, by, reason } => self.decide_lift(&vendor, by, reason, context),
        }
    }

    /// Our own tokens live for minutes; those of issuers as long as any issuer may be allowed to give them,
    /// since its document may change meanwhile.
    fn decide_revoke_of(
        &self,
        name: &str,
        token_id: String,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let client = self.resource(Kind::Client, name);
        let client = client.ok_or_else(|| Refusal::Unknown { kind: "client", name: name.to_owned() })?;
        let now = context.now;
        let issuers = self.mapped_by(name).filter_map(|(kind, by)| self.resource(kind, by));
        let elsewhere = issuers.map(|issuer| {
            let issuer = IssuerId(issuer.id);
            // Decisions show it with its issuer already.
            let own = token_id.strip_prefix(&issuer.token("")).unwrap_or(&token_id);
            (issuer.token(own), later(now, EXTERNAL_TOKEN_SECONDS_MAX))
        });
        let ours = (token_id.clone(), later(now, i64::from(TOKEN_SECONDS_MAX)));
        let all = std::iter::once(ours).chain(elsewhere);
        Ok(all
            .filter_map(|(id, expires_at)| self.revoked(ClientId(client.id), id, expires_at, now))
            .collect())
    }

    /// Nothing for a token that is dead already.
    fn revoked(
        &self,
        client: ClientId,
        token_id: String,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Option<Event> {
        let dead = self.revoked_tokens.contains_key(&token_id) || expires_at <= now;
        (!dead).then_some(Event::TokenRevoked { client, token_id, expires_at, time: Some(now) })
    }

    fn decide_delete(&self, kind: Kind, name: String) -> Result<Vec<Event>, Refusal> {
        let resource = self
            .resource(kind, &name)
            .ok_or_else(|| Refusal::Unknown { kind: kind.as_str(), name: name.clone() })?;
        let users = self.users_of(kind, &name);
        if !users.is_empty() {
            return Err(Refusal::InUse { kind, name, used_by: users.join(", ") });
        }
        // Deleted and declared anew, it would be open again after one person's work.
        let closes = |severance: &Severance| match severance.target {
            Target::Vendor { id } => id.0 == resource.id,
            Target::Integration { id } => id.0 == resource.id,
            _ => false,
        };
        if let Some(severance) = self.severances.values().find(|severance| closes(severance)) {
            return Err(Refusal::Severed { kind, name, severance: severance.id });
        }
        Ok(vec![Event::ResourceRemoved { id: resource.id, kind, name }])
    }
}

/// # Errors
/// [`Refusal::ReasonMissing`]: what closes, holds or withdraws says why to those who read it later.
pub(super) fn check_reason(reason: &str) -> Result<(), Refusal> {
    if reason.trim().is_empty() { Err(Refusal::ReasonMissing) } else { Ok(()) }
}
