//! A live run: which step comes next, and what it all came to.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::run::{Mode, PathTried, Run, StepResult, grade, measures};
use crate::spec::{Actor, ExerciseSpec, Expect, Leave, Live, LiveStep, Milestone, StepKind, Targets};

/// Points of a live run for each milestone that is reached in time, and late.
const REACHED: (u32, u32) = (25, 10);

/// A live run under way. Times are since its beginning, on a clock that never goes back.
pub struct Drive {
    title: String,
    steps: VecDeque<LiveStep>,
    targets: Targets,
    spec: Option<ExerciseSpec>,
    begun: Option<Duration>,
    reached: BTreeMap<Milestone, u64>,
    done: Vec<StepResult>,
    failures: Vec<String>,
    paths: Vec<PathTried>,
    severance: Option<Uuid>,
    must_detect: bool,
}

/// What came of a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// As the step itself is: it was done.
    Done {
        note: String,
    },
    /// It could not be done.
    Failed {
        note: String,
    },
    /// What came of a request; compared with what was expected.
    Came {
        came: Expect,
        note: String,
    },
    /// A receipt, with what is wrong about it.
    Severed {
        severance: Uuid,
        note: String,
        faults: Vec<String>,
    },
    Verified {
        paths: Vec<PathTried>,
    },
}

impl Drive {
    /// None if the exercise has no live steps.
    #[must_use]
    pub fn new(spec: &ExerciseSpec) -> Option<Self> {
        let live = spec.live.as_ref()?;
        let mut drive = Self::of(&spec.title, live, spec.targets);
        drive.spec = Some(spec.clone());
        Some(drive)
    }

    /// The kill drill: busy connections, a cut, every path tried again, and open as before.
    #[must_use]
    pub fn drill(targets: Targets) -> Self {
        let kinds = [
            (StepKind::Work, "The canary's machine does its usual work"),
            (StepKind::Stream, "The spare machine holds five streams open"),
            (StepKind::Sever, "Every path of the canary is cut"),
            (StepKind::Verify, "Every path is tried again"),
            (StepKind::Restore, "The canary gets new keys"),
        ];
        let live = Live {
            steps: kinds.into_iter().map(|(what, tell)| machines(what, tell)).collect(),
            leave: Leave::Restored,
        };
        Self::of("Kill drill on the canary vendor", &live, targets)
    }

    fn of(title: &str, live: &Live, targets: Targets) -> Self {
        let mut steps: VecDeque<LiveStep> = live.steps.iter().cloned().collect();
        if live.leave == Leave::Restored && steps.iter().all(|step| step.what != StepKind::Restore) {
            steps.push_back(machines(StepKind::Restore, "The canary gets new keys"));
        }
        Self {
            title: title.to_owned(),
            steps,
            targets,
            spec: None,
            begun: None,
            reached: BTreeMap::new(),
            done: Vec::new(),
            failures: Vec::new(),
            paths: Vec::new(),
            severance: None,
            must_detect: live.steps.iter().any(|step| step.detects),
        }
    }

    /// What is to be done now; none when it is over.
    #[must_use]
    pub fn next(&self) -> Option<&LiveStep> {
        self.steps.front()
    }

    /// What came of the step that [`Self::next`] gave.
    pub fn tell(&mut self, told: Told, began: Duration, ended: Duration) {
        let Some(step) = self.steps.pop_front() else { return };
        if self.begun.is_none() && step.what.is_attack() {
            self.begun = Some(began);
        }
        let (note, good) = self.weigh(&step, told, began, ended);
        self.done.push(StepResult {
            what: name(&step),
            note,
            good,
            began_us: micros(began),
            took_us: micros(ended.saturating_sub(began)),
        });
        if !good && self.done_before_anything(step.what) {
            // It can't show what it should: what is left is put right, and nothing else is done.
            self.steps.retain(|step| step.what == StepKind::Restore || step.what == StepKind::RegainControl);
        }
    }

    /// What came of the step before: in words, and whether it was as it should be.
    #[must_use]
    pub fn last(&self) -> Option<(&str, bool)> {
        self.done.last().map(|done| (done.note.as_str(), done.good))
    }

    /// A command to sever was given: decided, if it isn't yet.
    pub fn decided(&mut self, at: Duration) {
        self.reach(Milestone::Decide, at);
    }

    /// The whole result.
    #[must_use]
    pub fn finish(self, id: Uuid, exercise: &str, mode: Mode, times: (Timestamp, Timestamp)) -> Run {
        let wanted: Vec<Milestone> = Milestone::ALL
            .into_iter()
            .filter(|milestone| match milestone {
                Milestone::Detect => self.must_detect,
                // A drill decides nothing.
                Milestone::Decide => mode != Mode::Drill,
                Milestone::Sever | Milestone::Verify => true,
            })
            .collect();
        let begin = self.begun.map(micros).or_else(|| self.reached.get(&Milestone::Decide).copied());
        let measures = measures(begin.unwrap_or(0), &self.reached, &wanted, &self.targets.live);
        let mut failures = self.failures;
        for measure in measures.iter().filter(|measure| measure.took_us.is_none()) {
            failures.push(format!("`{}` was never reached", measure.milestone.as_str()));
        }
        if let Some(step) = self.steps.front() {
            failures.push(format!("it was broken off before `{}`", step.what.as_str()));
        }
        let full = REACHED.0 * u32::try_from(wanted.len()).unwrap_or(1).max(1);
        let got: u32 = measures
            .iter()
            .map(|measure| match (measure.is_met(), measure.took_us) {
                (true, _) => REACHED.0,
                (false, Some(_)) => REACHED.1,
                (false, None) => 0,
            })
            .sum();
        let passed = failures.is_empty();
        // A cut that doesn't hold is worth nothing, however fast it was.
        let points = if passed { u8::try_from(got * 100 / full).unwrap_or(0) } else { 0 };
        let mut run = Run {
            id,
            exercise: exercise.to_owned(),
            title: self.title,
            mode,
            started_at: times.0,
            finished_at: times.1,
            passed,
            grade: if passed { grade(self.spec.as_ref(), points) } else { "F".to_owned() },
            points,
            measures,
            failures,
            steps: self.done,
            actions: Vec::new(),
            others: Vec::new(),
            paths: self.paths,
            severance: self.severance,
        };
        run.bound();
        run
    }

    /// What it says of the step, and whether it is as it should be.
    fn weigh(&mut self, step: &LiveStep, told: Told, began: Duration, ended: Duration) -> (String, bool) {
        match told {
            Told::Done { note } => {
                if step.detects {
                    self.reach(Milestone::Detect, ended);
                }
                (note, true)
            }
            Told::Failed { note } => {
                self.failures.push(format!("{}: {note}", name(step)));
                (note, false)
            }
            Told::Came { came, note } => {
                let wanted = step.expect.unwrap_or(Expect::Answered);
                let good = wanted == came
                    || wanted == Expect::Stopped && matches!(came, Expect::Refused | Expect::Cut);
                if !good {
                    let (wanted, came) = (wanted.as_str(), came.as_str());
                    self.failures
                        .push(format!("{}: `{wanted}` was expected, and `{came}` came: {note}", name(step)));
                } else if step.detects {
                    self.reach(Milestone::Detect, ended);
                }
                (note, good)
            }
            Told::Severed { severance, note, faults } => {
                self.reach(Milestone::Decide, began);
                self.reach(Milestone::Sever, ended);
                self.severance = Some(severance);
                let good = faults.is_empty();
                self.failures.extend(faults);
                (note, good)
            }
            Told::Verified { paths } => {
                let open = paths.iter().filter(|path| !path.is_shut());
                let open: Vec<String> =
                    open.map(|path| format!("path `{}` is not closed: {}", path.path, path.how)).collect();
                let good = open.is_empty() && !paths.is_empty();
                let note = if good {
                    format!("{} paths tried, all closed", paths.len())
                } else if paths.is_empty() {
                    "no path was tried".to_owned()
                } else {
                    format!("{} of {} paths are not closed", open.len(), paths.len())
                };
                if paths.is_empty() {
                    self.failures.push(note.clone());
                }
                self.failures.extend(open);
                if good {
                    self.reach(Milestone::Verify, ended);
                }
                self.paths = paths;
                (note, good)
            }
        }
    }

    fn reach(&mut self, milestone: Milestone, at: Duration) {
        self.reached.entry(milestone).or_insert_with(|| micros(at));
    }

    /// A canary that doesn't do its usual work shows nothing by being refused.
    fn done_before_anything(&self, what: StepKind) -> bool {
        matches!(what, StepKind::Work | StepKind::Stream | StepKind::Deliver)
            && self.begun.is_none()
            && !self.reached.contains_key(&Milestone::Sever)
    }
}

/// A step of the vendor's own machine.
fn machines(what: StepKind, tell: &str) -> LiveStep {
    LiveStep {
        what,
        tell: Some(tell.to_owned()),
        requests: None,
        records: None,
        who: Actor::Machine,
        expect: None,
        detects: false,
    }
}

fn name(step: &LiveStep) -> String {
    let what = step.what.as_str();
    if step.who == Actor::Machine { what.to_owned() } else { format!("{what} ({})", step.who.as_str()) }
}

fn micros(at: Duration) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or(u64::MAX)
}
