//! Folding an event into the state: total, and without any judgement.

use std::sync::Arc;

use jiff::{Timestamp, ToSpan};

use crate::event::{Event, Restoration, Severance};
use crate::ids::{ClientId, TunnelId, VendorId};
use crate::personal::Personal;
use crate::spec::{Kind, Spec, VendorSpec};
use crate::state::{Installation, Operator, Resource, State};
use crate::target::Target;

/// Much more than any access token was given that earlier versions could revoke: our own ones.
const TOKEN_HOURS_MAX: i64 = 1;

impl State {
    pub fn apply(&mut self, event: &Event) {
        self.size += 1;
        match event {
            Event::InstallationFounded { installation, issuer, stops } => {
                self.installation =
                    Some(Installation { id: *installation, issuer: issuer.clone(), stops: *stops });
            }
            Event::ResourceDefined { id, declaration, keys, time } => {
                self.forget_keys_of_other_source(*id, &declaration.spec);
                self.note_decisions_days(*id, &declaration.spec);
                if let Spec::Tunnel(spec) = &declaration.spec {
                    self.apply_tunnel_declared(spec);
                }
                for personal in declaration.spec.clone().personal_mut() {
                    self.hold(personal);
                }
                Arc::make_mut(&mut self.resources).insert(Resource {
                    id: *id,
                    declaration: declaration.clone(),
                    keys: keys.clone(),
                    version: self.size,
                });
                if declaration.spec.kind() == Kind::Client {
                    self.apply_declared_keys(ClientId(*id), &declaration.name, keys, *time);
                }
            }
            Event::ResourceRemoved { id, kind, name } => {
                self.issuer_keys.remove(id);
                let gone = Arc::make_mut(&mut self.resources).remove(*kind, name);
                if let Some(gone) = gone
                    && let Spec::Vendor(spec) = &gone.declaration.spec
                {
                    let spec = VendorSpec { contacts: Vec::new(), ..spec.clone() };
                    self.gone_vendors.insert(VendorId(*id), Arc::new(spec));
                }
                self.forget_keyring(ClientId(*id));
                self.postures.remove(&ClientId(*id));
                self.vendor_holds.remove(&VendorId(*id));
                self.apply_tunnel_removed(TunnelId(*id));
            }
            Event::OperatorAdded { id, name, token_sha256 } => {
                self.hold(name);
                self.operators.insert(
                    *id,
                    Operator { id: *id, name: name.clone(), token_sha256: token_sha256.clone() },
                );
            }
            Event::OperatorRemoved { id } => {
                self.operators.remove(id);
            }
            Event::SigningKeyPublished { kid, jwk, time } => self.apply_published(kid, jwk, *time),
            Event::SigningKeyActivated { kid, time } => self.apply_activated(kid, *time),
            // What follows from it are events of their own.
            Event::KeysReplaced { .. } => {}
            Event::SigningKeyRetired { kid, time } => self.apply_gone(kid, *time, false),
            Event::SigningKeyWithdrawn { kid, time, .. } => self.apply_gone(kid, *time, true),
            Event::TokenRevoked { token_id, expires_at, time, .. } => {
                self.forget_expired(*expires_at, *time);
                self.revoked_tokens.insert(token_id.clone(), *expires_at);
            }
            Event::Severed(severance) => self.apply_severed(severance),
            Event::RestoreProposed(proposal) => {
                self.proposals.insert(proposal.id, proposal.clone());
            }
            Event::RestoreRefused(refusal) => {
                self.proposals.remove(&refusal.id);
            }
            Event::Restored(restoration) => self.apply_restored(restoration),
            Event::ClientKeyRegistered { client, key, replaces, replaced_ends_at, time } => {
                self.apply_rotated(*client, key, replaces, *replaced_ends_at, *time);
            }
            Event::EnrolmentOpened { client, code_sha256, expires_at, recovery, by, time } => {
                self.apply_enrolment_opened(*client, code_sha256, *expires_at, *recovery, *by, *time);
            }
            Event::EnrolmentUsed { client, key, time } => self.apply_enrolled(*client, key, *time),
            Event::EnrolmentReused { client, .. } => self.apply_enrolment_reused(*client),
            Event::SignedOut { target, epoch, time, .. } => self.raise_epoch(target, *epoch, *time),
            Event::IssuerKeysChanged(change) => self.apply_issuer_keys(change),
            Event::CertificateIssued(issued) => self.apply_certificate_issued(issued),
            Event::CertificateRevoked(revocation) => self.apply_certificate_revoked(revocation),
            Event::DecisionJudged(word) => self.apply_judged(word),
            Event::PostureChanged(change) => self.apply_posture(change),
            Event::DossierChanged(change) => self.apply_dossier(change),
            Event::VendorHeld(hold) => self.apply_vendor_held(hold),
            Event::VendorReleased(release) => self.apply_vendor_released(release),
            Event::AuditorRegistered(registration) => self.apply_auditor_registered(registration),
            Event::AuditorRemoved(removal) => self.apply_auditor_removed(removal),
            Event::IncidentOpened(opening) => self.apply_incident_opened(opening),
            Event::IncidentChanged(change) => self.apply_incident_changed(change),
            Event::ReceiptSigned(receipt) => {
                let receipts = self.receipts.entry(receipt.severance).or_default();
                receipts.push(Arc::from(receipt.note.as_str()));
            }
            Event::BreakGlassSealed(seal) => self.apply_break_glass_sealed(seal),
            Event::BreakGlassOpened(opening) => self.apply_break_glass_opened(opening),
            Event::BreakGlassRemoved(removal) => {
                self.break_glass.remove(&removal.id);
            }
            Event::TunnelCredentialsIssued(issued) => self.apply_tunnel_credentials(issued),
            Event::TunnelPersonAdded(added) => self.apply_tunnel_person(added),
            Event::TunnelPersonRevoked(revocation) => self.apply_tunnel_person_revoked(revocation),
            Event::TunnelObserved(observed) => self.apply_tunnel_observed(observed),
            Event::ExerciseRun(done) => self.apply_exercise_run(done),
            Event::CanaryRestored(restoration) => self.apply_canary_restored(restoration),
            Event::SegmentationChanged { on, by, time } => self.apply_segmentation(*on, *by, *time),
            Event::PageRaised(page) => self.apply_page_raised(page),
            Event::PageAcknowledged(acknowledgement) => self.apply_page_acknowledged(acknowledgement),
            Event::VendorTold(telling) => self.apply_vendor_told(telling),
            Event::RestoredFromBackup(from) => self.from_backup = Some(from.clone()),
            Event::SubjectErased { subject } => {
                self.subjects.remove(subject);
                for resource in Arc::make_mut(&mut self.resources).values_mut() {
                    for personal in resource.declaration.spec.personal_mut() {
                        personal.erase(*subject);
                    }
                }
                for operator in self.operators.values_mut() {
                    operator.name.erase(*subject);
                }
                self.erase_in_dossiers(*subject);
                self.erase_in_tunnels(*subject);
                self.erase_in_incidents(*subject);
                self.erase_in_runs(*subject);
            }
            Event::DecisionsSealed(sealed) => self.apply_sealed(sealed),
            Event::DecisionsExpired(expiry) => self.apply_expired(expiry),
            Event::LegalHoldPlaced(hold) => {
                self.holds.insert(hold.vendor, hold.clone());
            }
            Event::LegalHoldLifted(lift) => {
                self.holds.remove(&lift.vendor);
            }
        }
    }

    /// What has expired when a token is revoked. Where nobody wrote down when that was, the token lives no
    /// longer than [`TOKEN_HOURS_MAX`]: what expires so long before it has expired.
    fn forget_expired(&mut self, expires_at: Timestamp, time: Option<Timestamp>) {
        let past = time.or_else(|| expires_at.checked_sub(TOKEN_HOURS_MAX.hours()).ok());
        let Some(past) = past else { return };
        self.revoked_tokens.retain(|_, expires_at| *expires_at > past);
    }

    /// An erased text holds nobody: what is read back after an erasure is what the erasure left.
    pub(super) fn hold(&mut self, personal: &Personal) {
        if let Personal::Held { subject, .. } = personal {
            self.subjects.insert(*subject);
        }
    }

    fn apply_severed(&mut self, severance: &Severance) {
        self.raise_epoch(&severance.target, severance.epoch, severance.time);
        self.void_tunnel_credentials(&severance.target);
        for key in &severance.keys {
            if !self.refused_for_good(key) {
                self.refused_keys.insert(key.clone(), severance.id);
            }
            self.lifted.remove(key);
        }
        if let Target::Session { session, .. } = &severance.target {
            self.lifted.remove(session);
        }
        self.note_severed(severance);
        self.severances.insert(severance.id, severance.clone());
        self.severances_known.insert(severance.id);
    }

    /// Whether the key was revoked, or closed by a vendor's or an integration's severance: no later one
    /// may take it over, since restoring that would open it again. Such a severance may itself be over already.
    fn refused_for_good(&self, key: &str) -> bool {
        self.refused_keys.get(key).is_some_and(|closed_by| {
            self.severances
                .get(closed_by)
                .is_none_or(|severance| severance.target.needs_two() || severance.cause.is_for_good())
        })
    }

    fn apply_restored(&mut self, restoration: &Restoration) {
        self.note_restored(restoration);
        self.raise_epoch(&restoration.target, restoration.epoch, restoration.time);
        self.void_tunnel_credentials(&restoration.target);
        for severance in &restoration.severances {
            if let Some(Severance { target: Target::Session { session, .. }, .. }) =
                self.severances.remove(severance)
            {
                self.lifted.insert(session, self.size);
            }
        }
        for key in &restoration.keys {
            self.refused_keys.remove(key);
            self.lifted.insert(key.clone(), self.size);
        }
        // Others for the same target were overtaken.
        self.proposals.retain(|id, proposal| *id != restoration.id && proposal.target != restoration.target);
    }

    pub(super) fn raise_epoch(&mut self, target: &Target, epoch: u64, time: Timestamp) {
        let id = match target {
            Target::Vendor { id } => id.0,
            Target::Integration { id } => id.0,
            Target::Client { id } => id.0,
            // Keys and sessions have no epoch: they are refused by name.
            Target::Key { .. } | Target::Session { .. } => return,
        };
        // Never lowered: an older event that arrives late must not revive a token.
        let current = self.epochs.entry(id).or_insert(1);
        *current = epoch.max(*current);
        let cut_off = self.cut_offs.entry(id).or_insert(time);
        *cut_off = time.max(*cut_off);
    }
}
