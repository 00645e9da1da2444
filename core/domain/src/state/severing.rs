//! Severing needs no approval; restoring a vendor or an integration takes two people.

use std::collections::BTreeSet;

use jiff::ToSpan;
use portcullis_incident::telling;

use crate::command::{Context, Refusal, Seen};
use crate::decision::DecisionId;
use crate::event::{Cause, Event, Restoration, RestoreProposal, RestoreRefusal, Severance};
use crate::exercise::SeveredBy;
use crate::ids::{ClientId, OperatorId, RestoreId, SeveranceId};
use crate::reason::Reason;
use crate::spec::Spec;
use crate::state::State;
use crate::state::decide::check_reason;
use crate::target::{Target, TargetName};

/// How long a proposal to restore stays open.
const PROPOSAL_HOURS: i64 = 24;

impl State {
    pub(super) fn decide_sever(
        &self,
        target: &TargetName,
        by: SeveredBy,
        (reason, tell): (String, Option<String>),
        seen: Seen,
        context: &mut Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        check_reason(&reason)?;
        let target = match (target, seen.session_of) {
            (TargetName::Session(session), Some(client)) => {
                Target::Session { client, session: session.clone() }
            }
            _ => self.known_target(target)?,
        };
        let known = self.severances_of(&target).next().map(|severance| severance.id);
        if let Some(severance) = known {
            return Err(Refusal::AlreadySevered { target: self.name_of(&target), severance });
        }
        let cause = match self.cause_of(by, reason, &target)? {
            // However long it is, it holds up no severance.
            Cause::Operator { operator, reason, tell: _ } => {
                Cause::Operator { operator, reason, tell: tell.and_then(|tell| telling::words(&tell)) }
            }
            other => other,
        };
        let mut keys = self.keys_of(&target);
        // A session is one context of a key, which stays good in others.
        if !matches!(target, Target::Session { .. }) {
            keys.extend(seen.keys);
        }
        keys.sort();
        keys.dedup();
        Ok(vec![Event::Severed(Severance {
            id: SeveranceId((context.new_id)()),
            epoch: self.next_epoch(&target),
            target,
            keys,
            cause,
            time: context.now,
        })])
    }

    pub(super) fn decide_cut_key(
        &self,
        client: ClientId,
        mut keys: Vec<String>,
        decision: DecisionId,
        context: &mut Context<'_>,
    ) -> Vec<Event> {
        // The registered key comes first, and names the target: an operator finds it in the registry.
        let mut seen = BTreeSet::new();
        keys.retain(|key| !self.refused_keys.contains_key(key) && seen.insert(key.clone()));
        let Some(first) = keys.first().cloned() else { return Vec::new() };
        // A client that is trusted through its authority could come back with a new certificate at
        // once: the client itself is closed, not only the certificate it came with.
        // The same holds for one that comes with tokens of its own issuer.
        let (target, epoch) = if self.trusted_without_key(client) {
            (Target::Client { id: client }, self.epoch(client.0) + 1)
        } else {
            (Target::Key { client, thumbprint: first }, 0)
        };
        vec![Event::Severed(Severance {
            id: SeveranceId((context.new_id)()),
            target,
            epoch,
            keys,
            cause: Cause::RecordLimit { decision },
            time: context.now,
        })]
    }

    /// A gate may tell it of a client that is gone since, and more than once.
    pub(super) fn decide_cut_session(
        &self,
        client: ClientId,
        session: String,
        decision: DecisionId,
        reason: Reason,
        context: &mut Context<'_>,
    ) -> Vec<Event> {
        let target = Target::Session { client, session };
        if self.by_id(client.0).is_none() || self.severances_of(&target).next().is_some() {
            return Vec::new();
        }
        vec![Event::Severed(Severance {
            id: SeveranceId((context.new_id)()),
            target,
            epoch: 0,
            keys: Vec::new(),
            cause: Cause::Risk { decision, reason },
            time: context.now,
        })]
    }

    /// A severance that this ledger has known may be over since; one that it never had is lost.
    pub(super) fn decide_recall(&self, remembered: Severance) -> Vec<Event> {
        if self.severances_known.contains(&remembered.id) {
            return Vec::new();
        }
        vec![Event::Severed(remembered)]
    }

    pub(super) fn trusted_without_key(&self, client: ClientId) -> bool {
        self.by_id(client.0).is_some_and(|(_, name, resource)| {
            matches!(&resource.declaration.spec, Spec::Client(spec) if spec.subject.is_some())
                || self.is_mapped(name)
        })
    }

    pub(super) fn decide_propose(
        &self,
        target: &TargetName,
        by: OperatorId,
        context: &mut Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let target = self.known_target(target)?;
        let severances = self.lifted_by(&target);
        if severances.is_empty() {
            return Err(Refusal::NotSevered(self.name_of(&target)));
        }
        let id = RestoreId((context.new_id)());
        if !target.needs_two() {
            return Ok(vec![self.restored(id, target, severances, by, None, context)]);
        }
        let expires_at = context.now.checked_add(PROPOSAL_HOURS.hours()).unwrap_or(context.now);
        Ok(vec![Event::RestoreProposed(RestoreProposal {
            id,
            target,
            severances,
            proposed_by: by,
            expires_at,
        })])
    }

    pub(super) fn decide_confirm(
        &self,
        proposal: RestoreId,
        target: &TargetName,
        by: OperatorId,
        context: &mut Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let (asked, open) = self.open_proposal(proposal, target)?;
        // A severance since the proposal was not looked at by the proposer.
        if context.now >= open.expires_at || self.lifted_by(&asked) != open.severances {
            return Err(Refusal::ProposalNotOpen(proposal));
        }
        // With one operator there is no second person; everything that shows it says so.
        if open.proposed_by == by && self.operators.len() > 1 {
            return Err(Refusal::SamePerson(self.name_of(&asked)));
        }
        let severances = open.severances.clone();
        Ok(vec![self.restored(proposal, asked, severances, open.proposed_by, Some(by), context)])
    }

    /// Whoever proposed may take it back; it is over either way, and its target stays as it is.
    pub(super) fn decide_refuse_restore(
        &self,
        proposal: RestoreId,
        target: &TargetName,
        (by, reason): (OperatorId, String),
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        check_reason(&reason)?;
        let (target, _) = self.open_proposal(proposal, target)?;
        let refusal = RestoreRefusal { id: proposal, target, by, reason, time: context.now };
        Ok(vec![Event::RestoreRefused(refusal)])
    }

    fn open_proposal(
        &self,
        proposal: RestoreId,
        target: &TargetName,
    ) -> Result<(Target, &RestoreProposal), Refusal> {
        let asked = self.known_target(target)?;
        let open = self.proposals.get(&proposal).ok_or(Refusal::ProposalNotOpen(proposal))?;
        if open.target != asked {
            let (proposed, asked) = (self.name_of(&open.target), self.name_of(&asked));
            return Err(Refusal::ProposalOfOther { proposal, proposed, asked });
        }
        Ok((asked, open))
    }

    fn restored(
        &self,
        id: RestoreId,
        target: Target,
        severances: Vec<SeveranceId>,
        proposed_by: OperatorId,
        confirmed_by: Option<OperatorId>,
        context: &Context<'_>,
    ) -> Event {
        // Keys of a severed vendor or integration may be in other hands: they stay refused.
        let keys = if target.needs_two() {
            Vec::new()
        } else {
            severances
                .iter()
                .filter_map(|severance| self.severances.get(severance))
                .filter(|severance| !severance.cause.is_for_good())
                .flat_map(|severance| severance.keys.iter().cloned())
                .filter(|key| {
                    self.refused_keys.get(key).is_some_and(|closed_by| severances.contains(closed_by))
                })
                .collect()
        };
        Event::Restored(Restoration {
            id,
            epoch: self.next_epoch(&target),
            target,
            severances,
            proposed_by,
            confirmed_by,
            keys,
            time: context.now,
        })
    }

    /// The open severances that restoring `target` lifts: its own, and for a client those of its keys and
    /// sessions. What was revoked stays so.
    fn lifted_by(&self, target: &Target) -> Vec<SeveranceId> {
        self.severances
            .values()
            .filter(|severance| !matches!(severance.cause, Cause::Revoked { .. }))
            .filter(|severance| match (&severance.target, target) {
                (own, asked) if own == asked => true,
                (Target::Key { client, .. } | Target::Session { client, .. }, Target::Client { id }) => {
                    client == id
                }
                _ => false,
            })
            .map(|severance| severance.id)
            .collect()
    }

    /// # Errors
    /// [`Refusal::Unknown`].
    pub fn known_target(&self, name: &TargetName) -> Result<Target, Refusal> {
        self.target(name).ok_or_else(|| {
            let (kind, name) = match name {
                TargetName::Vendor(name) => ("vendor", name),
                TargetName::Integration(name) => ("integration", name),
                TargetName::Client(name) => ("client", name),
                TargetName::Key(name) => ("key", name),
                TargetName::Session(name) => ("session", name),
            };
            Refusal::Unknown { kind, name: name.clone() }
        })
    }

    /// Registered thumbprints of every client under `target`.
    #[must_use]
    pub fn keys_of(&self, target: &Target) -> Vec<String> {
        let under = |standing: &crate::state::Standing<'_>| match target {
            Target::Vendor { id } => standing.vendor.id == id.0,
            Target::Integration { id } => standing.integration.id == id.0,
            Target::Client { id } => standing.client.id == id.0,
            Target::Key { .. } | Target::Session { .. } => false,
        };
        let mut keys: Vec<String> = self
            .standings()
            .filter(under)
            .flat_map(|standing| standing.client.keys.iter().map(|key| key.thumbprint.clone()))
            .collect();
        if let Target::Key { thumbprint, .. } = target {
            keys.push(thumbprint.clone());
        }
        keys
    }

    pub(super) fn next_epoch(&self, target: &Target) -> u64 {
        match target {
            Target::Vendor { id } => self.epoch(id.0) + 1,
            Target::Integration { id } => self.epoch(id.0) + 1,
            Target::Client { id } => self.epoch(id.0) + 1,
            Target::Key { .. } | Target::Session { .. } => 0,
        }
    }
}
