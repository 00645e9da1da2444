//! Exercises: what there is to run, what was run, and walks on paper, which are graded here.

use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_api::apply::ApplyReport;
use portcullis_api::exercises::{
    CanaryWireguard, ExerciseLine, LiveOutcome, PaperRequest, ProgressLine, RunView,
};
use portcullis_api::problem::Problem;
use portcullis_domain::command::Command;
use portcullis_domain::exercise::ExerciseRun;
use portcullis_domain::ids::OperatorId;
use portcullis_domain::spec::{ExerciseSpec, Kind, Spec};
use portcullis_domain::state::State;
use portcullis_exercise::run::{DRILL, Run};
use portcullis_exercise::trend::trends;
use portcullis_exercise::walk::Walk;
use uuid::Uuid;

use crate::control::Control;
use crate::error::ExecuteError;
use crate::severing::operator_name;

/// Long after everything in a scenario is over.
const END: Duration = Duration::from_secs(400 * 86_400);

/// Whoever drives live exercises: the process, which has the canary's machines.
pub trait Rehearsing: Send + Sync {
    /// Runs it to its end, and records it; or says what would be done.
    fn run(&self, what: WhatToRun, by: Option<OperatorId>, dry_run: bool) -> Rehearsal;

    /// What has happened so far.
    fn progress(&self) -> Vec<ProgressLine>;

    /// Declares the canary, with a tunnel where one is asked for.
    fn make(&self, wireguard: Option<CanaryWireguard>) -> Making;
}

pub type Rehearsal = Pin<Box<dyn Future<Output = Result<LiveOutcome, Box<Problem>>> + Send>>;
pub type Making = Pin<Box<dyn Future<Output = Result<ApplyReport, Box<Problem>>> + Send>>;

/// An exercise by its name, or the drill.
#[derive(Clone, Debug)]
pub enum WhatToRun {
    Exercise(String, Box<ExerciseSpec>),
    Drill,
}

/// Why a walk isn't graded.
#[derive(Debug, thiserror::Error)]
pub enum PaperError {
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

/// What can be rehearsed, by name, and the kill drill once it has run.
pub fn list(state: &State) -> Vec<ExerciseLine> {
    let line = |name: &str, spec: Option<&ExerciseSpec>| {
        let runs = state.exercise_runs.get(name);
        let last = runs.and_then(|runs| runs.back());
        let point = last.and_then(|last| {
            let trend = trends([&last.run]).into_iter().next();
            trend.and_then(|trend| trend.runs.into_iter().next())
        });
        ExerciseLine {
            name: name.to_owned(),
            title: spec.map_or_else(
                || last.map(|last| last.run.title.clone()).unwrap_or_default(),
                |spec| spec.title.clone(),
            ),
            live: spec.is_none_or(|spec| spec.live.is_some()),
            paper: spec.is_some_and(|spec| !spec.injects.is_empty()),
            canary: spec
                .map_or_else(|| portcullis_exercise::spec::CANARY.to_owned(), |spec| spec.canary.clone()),
            runs: runs.map_or(0, std::collections::VecDeque::len),
            last: point,
        }
    };
    let declared = state.of_kind(Kind::Exercise).filter_map(|(name, found)| {
        let Spec::Exercise(spec) = &found.declaration.spec else { return None };
        Some(line(name, Some(spec)))
    });
    let drill = state.exercise_runs.contains_key(DRILL).then(|| line(DRILL, None));
    declared.chain(drill).collect()
}

/// The newest first.
pub fn runs(state: &State, exercise: Option<&str>, most: usize) -> Vec<RunView> {
    let named = |done: &&std::sync::Arc<ExerciseRun>| exercise.is_none_or(|name| name == done.run.exercise);
    let mut all: Vec<_> = state.runs().filter(named).collect();
    all.sort_by_key(|done| std::cmp::Reverse((done.run.started_at, done.run.id)));
    all.into_iter().take(most).map(|done| view(state, done)).collect()
}

pub fn view(state: &State, done: &ExerciseRun) -> RunView {
    RunView { run: done.run.clone(), by: done.by.map(|by| operator_name(state, by)) }
}

impl Control {
    /// Walks through the exercise with the answers, and records what came of it.
    ///
    /// # Errors
    /// There is no such exercise, or an answer isn't one; nothing is recorded then.
    pub async fn run_paper(
        &self,
        name: &str,
        request: PaperRequest,
        by: OperatorId,
    ) -> Result<RunView, PaperError> {
        let state = self.state();
        let now = self.clock().now();
        let id = self.new_id();
        let run = walked(&state, name, request, (id, now))?;
        drop(state);
        self.record_run(run, Some(by)).await.map_err(PaperError::Execute)
    }

    /// # Errors
    /// As [`Self::execute`].
    pub async fn record_run(&self, run: Run, by: Option<OperatorId>) -> Result<RunView, ExecuteError> {
        let view = RunView { run: run.clone(), by: by.map(|by| operator_name(&self.state(), by)) };
        self.execute(Command::RecordRun { run: Box::new(run), by }).await?;
        Ok(view)
    }

    /// The exercise of this name.
    pub(crate) fn exercise(&self, name: &str) -> Result<WhatToRun, Box<Problem>> {
        match self.state().resource(Kind::Exercise, name).map(|found| &found.declaration.spec) {
            Some(Spec::Exercise(spec)) => Ok(WhatToRun::Exercise(name.to_owned(), spec.clone())),
            _ => {
                let shown: String = name.chars().take(80).collect();
                let problem = Problem::new(404, "not found", format!("there is no exercise `{shown}`"));
                Err(Box::new(problem.hint("`portcullis exercise list` lists them")))
            }
        }
    }
}

/// Pure: the same answers are always worth the same.
fn walked(
    state: &State,
    name: &str,
    request: PaperRequest,
    (id, now): (Uuid, Timestamp),
) -> Result<Run, PaperError> {
    let problem = |status, title: &str, detail: String, hint: &str| {
        PaperError::Problem(Box::new(Problem::new(status, title, detail).hint(hint)))
    };
    let spec = match state.resource(Kind::Exercise, name).map(|found| &found.declaration.spec) {
        Some(Spec::Exercise(spec)) => spec,
        _ => {
            let detail = format!("there is no exercise `{}`", name.chars().take(80).collect::<String>());
            let hint = "`portcullis exercise list` lists them; `portcullis exercise list --shipped` those that can be applied";
            return Err(problem(404, "not found", detail, hint));
        }
    };
    if spec.injects.is_empty() {
        let detail = format!("exercise `{name}` has nothing to walk through on paper");
        return Err(problem(409, "live only", detail, "run it with --live"));
    }
    let mut answers = request.answers;
    answers.sort_by_key(|answer| answer.at);
    let last = answers.last().map_or(Duration::ZERO, |answer| answer.at.duration());
    let mut walk = Walk::new((**spec).clone());
    for answer in &answers {
        let at = answer.at.duration();
        walk.due(at);
        if let Err(error) = walk.hear(at, &answer.who, &answer.did) {
            let text = format!("the answer at `{}`: {error}", answer.at);
            let refused = Problem::of_message(422, "not an answer", &text);
            return Err(PaperError::Problem(Box::new(refused)));
        }
    }
    walk.due(END);
    let started_at = request.started_at.filter(|started| *started <= now).unwrap_or(now);
    let ended = started_at.checked_add(last).unwrap_or(started_at);
    Ok(walk.finish(id, name, (started_at, ended)))
}
