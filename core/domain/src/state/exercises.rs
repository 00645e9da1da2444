//! Runs of exercises, and the canary that they may cut and open by themselves.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use portcullis_exercise::run::{DRILL, Mode, Run};
use uuid::Uuid;

use crate::command::{Context, Refusal};
use crate::event::{Cause, Event, Severance};
use crate::exercise::{
    CanaryRestoration, EXERCISES_KEPT, ExerciseRefusal, ExerciseRun, RUNS_KEPT, SeveredBy,
};
use crate::ids::{OperatorId, SubjectId, VendorId};
use crate::spec::{Kind, Spec};
use crate::state::{Resource, State};
use crate::target::Target;

/// The newest runs of each exercise, the oldest first.
pub type Runs = BTreeMap<String, VecDeque<Arc<ExerciseRun>>>;

impl State {
    /// The vendor of this name, if it is a canary.
    #[must_use]
    pub fn canary(&self, name: &str) -> Option<&Resource> {
        self.resource(Kind::Vendor, name).filter(|vendor| is_canary(vendor))
    }

    /// Whether the vendor that a target belongs to is a canary.
    #[must_use]
    pub fn is_canarys(&self, target: &Target) -> bool {
        self.vendor_of(target).is_some_and(is_canary)
    }

    /// The runs of all exercises that are at hand, the oldest first within each.
    pub fn runs(&self) -> impl Iterator<Item = &Arc<ExerciseRun>> {
        self.exercise_runs.values().flatten()
    }

    pub(super) fn cause_of(&self, by: SeveredBy, reason: String, target: &Target) -> Result<Cause, Refusal> {
        match by {
            SeveredBy::Operator(operator) => Ok(Cause::Operator { operator, reason, tell: None }),
            SeveredBy::Exercise { run, operator } if self.is_canarys(target) => {
                Ok(Cause::Exercise { run, operator, reason })
            }
            SeveredBy::Exercise { .. } => Err(ExerciseRefusal::NotCanary(self.name_of(target)).into()),
        }
    }

    /// Lifts what exercises have cut of the canary, and what gates have closed of its keys and contexts. Its keys stay
    /// refused. Nothing is lifted where a person has severed it.
    pub(super) fn decide_restore_canary(
        &self,
        vendor: &str,
        run: Uuid,
        by: Option<OperatorId>,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let canary = self.canary(vendor);
        let canary = canary.ok_or_else(|| ExerciseRefusal::NotCanary(format!("vendor/{vendor}")))?;
        let vendor = VendorId(canary.id);
        let mut severances = Vec::new();
        for severance in self.severances.values().filter(|severance| self.is_of(vendor, severance)) {
            match &severance.cause {
                Cause::Exercise { .. } | Cause::RecordLimit { .. } | Cause::Risk { .. } => {
                    severances.push(severance.id);
                }
                // Of keys, for good: the canary has others.
                Cause::Revoked { .. } => {}
                Cause::Operator { .. } | Cause::KeyTheft { .. } | Cause::GateMemory { .. } => {
                    let target = self.name_of(&severance.target);
                    let severance = severance.id;
                    return Err(ExerciseRefusal::SeveredOtherwise { target, severance }.into());
                }
            }
        }
        if severances.is_empty() {
            return Ok(Vec::new());
        }
        let epoch = self.next_epoch(&Target::Vendor { id: vendor });
        let time = context.now;
        let restoration = CanaryRestoration { vendor, run, severances, epoch, by, time };
        Ok(vec![Event::CanaryRestored(restoration)])
    }

    pub(super) fn decide_record_run(
        &self,
        mut run: Run,
        by: Option<OperatorId>,
        context: &mut Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        if self.runs().any(|known| known.run.id == run.id) {
            return Err(ExerciseRefusal::Known(run.id).into());
        }
        let drill = run.mode == Mode::Drill && run.exercise == DRILL;
        if !drill && self.resource(Kind::Exercise, &run.exercise).is_none() {
            return Err(ExerciseRefusal::Unknown(run.exercise).into());
        }
        run.bound();
        // What was said in one run is forgotten together.
        let subject = SubjectId((context.new_id)());
        for said in run.personal_mut() {
            *said = said.clone().held_by(subject);
        }
        Ok(vec![Event::ExerciseRun(Box::new(ExerciseRun { run, by }))])
    }

    pub(super) fn apply_exercise_run(&mut self, done: &ExerciseRun) {
        for said in done.run.clone().personal_mut() {
            self.hold(said);
        }
        let name = &done.run.exercise;
        if !self.exercise_runs.contains_key(name) && self.exercise_runs.len() >= EXERCISES_KEPT {
            let last_run = |runs: &VecDeque<Arc<ExerciseRun>>| runs.back().map(|last| last.run.started_at);
            let oldest = self.exercise_runs.iter().min_by_key(|(_, runs)| last_run(runs));
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.exercise_runs.remove(&oldest);
            }
        }
        let runs = self.exercise_runs.entry(name.clone()).or_default();
        runs.push_back(Arc::new(done.clone()));
        if runs.len() > RUNS_KEPT {
            runs.pop_front();
        }
    }

    pub(super) fn erase_in_runs(&mut self, subject: SubjectId) {
        for done in self.exercise_runs.values_mut().flatten() {
            let mut run = done.run.clone();
            if run.personal_mut().iter().any(|said| said.subject() == Some(subject)) {
                run.personal_mut().into_iter().for_each(|said| said.erase(subject));
                *done = Arc::new(ExerciseRun { run, by: done.by });
            }
        }
    }

    pub(super) fn apply_canary_restored(&mut self, restoration: &CanaryRestoration) {
        let target = restoration.target();
        self.raise_epoch(&target, restoration.epoch, restoration.time);
        for severance in &restoration.severances {
            if let Some(Severance { target: Target::Session { session, .. }, .. }) =
                self.severances.remove(severance)
            {
                self.lifted.insert(session, self.size);
            }
        }
        // A proposal that people had made was for what is open now.
        self.proposals.retain(|_, proposal| {
            !proposal.severances.iter().any(|severance| restoration.severances.contains(severance))
        });
    }

    fn is_of(&self, vendor: VendorId, severance: &Severance) -> bool {
        match &severance.target {
            Target::Vendor { id } => *id == vendor,
            Target::Integration { id } => {
                let name = self.by_id(id.0).map(|(_, name, _)| name);
                let of = name.and_then(|name| self.vendor_of_integration(name));
                of.is_some_and(|of| of.id == vendor.0)
            }
            Target::Client { id } | Target::Key { client: id, .. } | Target::Session { client: id, .. } => {
                let name = self.by_id(id.0).map(|(_, name, _)| name);
                name.and_then(|name| self.standing(name))
                    .is_some_and(|standing| standing.vendor_id() == vendor)
            }
        }
    }
}

fn is_canary(vendor: &Resource) -> bool {
    matches!(&vendor.declaration.spec, Spec::Vendor(spec) if spec.canary)
}
