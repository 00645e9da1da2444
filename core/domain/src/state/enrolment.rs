//! Enrolment by a code: good once, for a short time, and for the first key that comes with it.

use jiff::Timestamp;

use super::client_keys::{KeySource, ROTATION_SECONDS, later};
use super::resources::check::{self, Keyless};
use crate::command::{Context, EnrolmentRefusal, KeyRefusal, NewClient, Prepared, Refusal};
use crate::event::{Event, PublicKey};
use crate::ids::{ClientId, OperatorId, VendorId};
use crate::spec::{Declaration, Kind, Spec};
use crate::state::State;
use crate::state::decide::check_reason;
use crate::target::TargetName;

/// Further enrolments that a client may be given; then it must be made anew.
pub const RECOVERIES_MAX: u32 = 3;
/// Uses of one code by other keys that are recorded: whoever has it could fill the ledger.
const REUSES_RECORDED_MAX: u32 = 3;

/// The newest enrolment of a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Enrolment {
    pub code_sha256: String,
    pub opened_by: OperatorId,
    pub opened_at: Timestamp,
    pub expires_at: Timestamp,
    /// The key that it was used by, and when.
    pub used: Option<(String, Timestamp)>,
    /// How often other keys came with the code after that, as far as it was counted.
    pub reused: u32,
}

impl State {
    pub(super) fn decide_open_enrolment(
        &self,
        name: String,
        new: Option<Box<NewClient>>,
        code_sha256: String,
        expires_at: Timestamp,
        by: OperatorId,
        context: &mut Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let opened = |client, recovery, time| Event::EnrolmentOpened {
            client,
            code_sha256,
            expires_at,
            recovery,
            by,
            time,
        };
        let known = self.standing(&name);
        let Some(new) = new else {
            let Some(known) = known else { return Err(Refusal::Unknown { kind: "client", name }) };
            if known.client_spec.subject.is_some() {
                return Err(EnrolmentRefusal::BySubject(name).into());
            }
            let given = self.keyring(known.client_id()).map_or(0, |ring| ring.recoveries);
            if given >= RECOVERIES_MAX {
                return Err(EnrolmentRefusal::Spent { name, given }.into());
            }
            self.check_may_grow(known.vendor_id(), context.now)?;
            return Ok(vec![opened(known.client_id(), true, context.now)]);
        };
        let NewClient { spec, labels } = *new;
        let declaration = Declaration { name, labels, spec: Spec::Client(spec) };
        let prepared = [Prepared { declaration, keys: Vec::new() }];
        let faults = check::faults(self, &prepared, Keyless::Allowed, context.now);
        if !faults.is_empty() {
            return Err(Refusal::Invalid(faults));
        }
        let [prepared] = prepared;
        let Spec::Client(spec) = &prepared.declaration.spec else {
            return Err(EnrolmentRefusal::NotOpen.into());
        };
        if let Some(vendor) = self.vendor_of_integration(&spec.integration) {
            self.check_may_grow(VendorId(vendor.id), context.now)?;
        }
        let defined = self.define(prepared, context);
        let Some(Event::ResourceDefined { id, .. }) = &defined else {
            // Nothing would change: it is there, and has no key of its own.
            return Err(EnrolmentRefusal::NotOpen.into());
        };
        let client = ClientId(*id);
        Ok(defined.into_iter().chain([opened(client, false, context.now)]).collect())
    }

    pub(super) fn decide_use_enrolment(
        &self,
        name: &str,
        code_sha256: &str,
        key: PublicKey,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        // Found by its digest: no time that this takes tells anything of a code.
        let client = *self.enrolments.get(code_sha256).ok_or(EnrolmentRefusal::NotOpen)?;
        let named = self.resource(Kind::Client, name).is_some_and(|found| found.id == client.0);
        let enrolment = self.keyring(client).and_then(|ring| ring.enrolment.as_ref());
        let enrolment = enrolment.filter(|_| named).ok_or(EnrolmentRefusal::NotOpen)?;
        match &enrolment.used {
            Some((used_by, at)) if *used_by == key.thumbprint => {
                let repeated = context.now < later(*at, ROTATION_SECONDS);
                return if repeated { Ok(Vec::new()) } else { Err(EnrolmentRefusal::NotOpen.into()) };
            }
            Some(_) if enrolment.reused >= REUSES_RECORDED_MAX => return Err(EnrolmentRefusal::Reused.into()),
            Some(_) => {
                let thumbprint = key.thumbprint;
                return Ok(vec![Event::EnrolmentReused { client, thumbprint, time: context.now }]);
            }
            None => {}
        }
        if context.now >= enrolment.expires_at {
            return Err(EnrolmentRefusal::NotOpen.into());
        }
        if let Some(standing) = self.standing(name) {
            self.check_may_grow(standing.vendor_id(), context.now)?;
        }
        self.check_new_key(&key.thumbprint).map_err(|_| Refusal::Key(KeyRefusal::Taken))?;
        Ok(vec![Event::EnrolmentUsed { client, key, time: context.now }])
    }

    pub(super) fn decide_sign_out(
        &self,
        target: &TargetName,
        by: OperatorId,
        reason: String,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        check_reason(&reason)?;
        let target = self.known_target(target)?;
        let epoch = self.next_epoch(&target);
        if epoch == 0 {
            return Err(Refusal::NoTokens(self.name_of(&target)));
        }
        // What is severed has no tokens; and gates must not take the new epoch for an open one.
        if let Some(known) = self.severances_of(&target).next() {
            return Err(Refusal::AlreadySevered { target: self.name_of(&target), severance: known.id });
        }
        Ok(vec![Event::SignedOut { target, epoch, by, reason, time: context.now }])
    }

    pub(super) fn apply_enrolment_opened(
        &mut self,
        client: ClientId,
        code_sha256: &str,
        expires_at: Timestamp,
        recovery: bool,
        opened_by: OperatorId,
        opened_at: Timestamp,
    ) {
        if recovery {
            self.end_keys(client);
        }
        let ring = self.keyrings.entry(client).or_default();
        ring.recoveries += u32::from(recovery);
        let enrolment = Enrolment {
            code_sha256: code_sha256.to_owned(),
            opened_by,
            opened_at,
            expires_at,
            used: None,
            reused: 0,
        };
        if let Some(old) = ring.enrolment.replace(enrolment) {
            self.enrolments.remove(&old.code_sha256);
        }
        self.enrolments.insert(code_sha256.to_owned(), client);
    }

    pub(super) fn apply_enrolled(&mut self, client: ClientId, key: &PublicKey, time: Timestamp) {
        let ring = self.keyrings.entry(client).or_default();
        ring.register(key, KeySource::Enrolled, time);
        if let Some(enrolment) = &mut ring.enrolment {
            enrolment.used = Some((key.thumbprint.clone(), time));
        }
        self.show_keys(client);
    }

    pub(super) fn apply_enrolment_reused(&mut self, client: ClientId) {
        if let Some(enrolment) = self.keyrings.get_mut(&client).and_then(|ring| ring.enrolment.as_mut()) {
            enrolment.reused += 1;
        }
    }
}
