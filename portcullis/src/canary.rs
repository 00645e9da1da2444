//! The canary: a vendor that is nobody, whose machines and server run in this process. Exercises and the kill drill cut it
//! by the call that operators make, and try each of its paths again through the real gate.

mod drill;
mod manifests;
mod paths;
mod relay;
mod seats;
mod station;
mod steps;
mod tunnel;
mod update;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_api::apply::ApplyReport;
use portcullis_api::exercises::{CanaryWireguard, LiveOutcome, ProgressLine};
use portcullis_api::problem::Problem;
use portcullis_control::control::{Control, WeakControl};
use portcullis_control::exercises::{Making, Rehearsal, Rehearsing, WhatToRun};
use portcullis_domain::ids::OperatorId;
use portcullis_domain::spec::Kind;
use portcullis_exercise::drive::{Drive, Told};
use portcullis_exercise::run::{DRILL, Mode};
use portcullis_exercise::spec::{Actor, CANARY, Targets, Times};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use reqwest::Certificate;

pub use drill::{DrillSettings, keep_drilling};
use station::Station;
use steps::Stage;
use tunnel::Course;

/// An exercise that takes longer is broken off, and the canary put right.
const LONGEST: Duration = Duration::from_secs(300);
/// How long an exercise waits for the one before.
const TURN: Duration = Duration::from_secs(60);

/// The canary's machines and server. Cheap to clone.
#[derive(Clone)]
pub struct Canary(Arc<Shared>);

struct Shared {
    control: WeakControl,
    gate: String,
    /// Where the gate listens on this machine.
    listen: SocketAddr,
    authorities: Vec<Certificate>,
    station: tokio::sync::OnceCell<Station>,
    /// Whether the gate is on this machine, and takes connections from its other loopback addresses.
    seats: tokio::sync::OnceCell<bool>,
    /// One exercise at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
    progress: Mutex<Vec<ProgressLine>>,
}

/// Private halves of the canary's keys; they live as long as a run.
struct KeyPairs {
    machine: Arc<SigningKey>,
    spare: Arc<SigningKey>,
    /// Of the machine behind the tunnel.
    far: Arc<SigningKey>,
    /// Of the tunnel's own end.
    wireguard: [u8; portcullis_wireguard::KEY_BYTES],
}

impl KeyPairs {
    fn new() -> Result<Self, Box<Problem>> {
        let key = || SigningKey::generate(Algorithm::EdDSA).map(Arc::new).map_err(|error| failed(&error));
        let mut wireguard = [0; portcullis_wireguard::KEY_BYTES];
        crate::clock::entropy()(&mut wireguard);
        Ok(Self { machine: key()?, spare: key()?, far: key()?, wireguard })
    }
}

impl Canary {
    pub fn new(
        control: WeakControl,
        (gate, listen): (String, SocketAddr),
        authorities: Vec<Certificate>,
    ) -> Self {
        Self(Arc::new(Shared {
            control,
            gate,
            listen,
            authorities,
            station: tokio::sync::OnceCell::new(),
            seats: tokio::sync::OnceCell::new(),
            turn: Arc::default(),
            progress: Mutex::default(),
        }))
    }

    /// None when it stops.
    fn control(&self) -> Result<Control, Box<Problem>> {
        let gone = || Box::new(Problem::new(503, "control is stopping", "control is stopping"));
        self.0.control.upgrade().ok_or_else(gone)
    }

    fn say(&self, text: impl Into<String>, good: Option<bool>) {
        let mut lines = self.0.progress.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(ProgressLine { text: text.into(), good });
    }

    async fn station(&self) -> Result<&Station, Box<Problem>> {
        self.0.station.get_or_try_init(Station::start).await.map_err(|error| failed(&error))
    }

    /// The address that one of its machines comes from, where they have some of their own.
    fn seat(&self, who: Actor) -> Option<IpAddr> {
        let sit = self.0.seats.get().copied().unwrap_or(false);
        sit.then_some(if who == Actor::Thief { seats::THIEF } else { seats::MACHINES })
    }

    /// Declares the canary, with keys that nobody has had before. `course` is of a tunnel that is new; one that is declared
    /// already gets its keys, too.
    async fn declare(&self, keys: &KeyPairs, course: Option<Course>) -> Result<ApplyReport, Box<Problem>> {
        let station = self.station().await?;
        let control = self.control()?;
        let clock = control.clock();
        // A network that is theirs alone, so that packets and sockets are cut, too.
        let sit = *self.0.seats.get_or_init(|| seats::reach(&self.0.gate)).await;
        let network = sit.then_some(seats::NETWORK);
        let course = course.or_else(|| Course::declared(&control.state(), self.0.listen));
        let text = manifests::text(station.address(), (network, course.as_ref()), clock.now(), keys)?;
        let documents =
            portcullis_api::manifest::parse("canary", &text).map_err(|errors| failed(&errors[..].first()))?;
        let declarations = documents.into_iter().map(|document| document.declaration).collect();
        let state = control.state();
        let prepared = portcullis_control::http::prepare::prepare(&state, declarations, clock.now())
            .map_err(|faults| {
                let text = faults.first().map(ToString::to_string).unwrap_or_default();
                Box::new(Problem::of_message(409, "the canary can't be declared", &text))
            })?;
        drop(state);
        control.apply(prepared, false).await.map_err(|error| refused(&error))
    }

    async fn run(&self, what: WhatToRun, by: Option<OperatorId>) -> Result<LiveOutcome, Box<Problem>> {
        // The drill of the day is over in a moment, and nobody's exercise is refused for it.
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.0.turn).lock_owned()).await;
        let Ok(_turn) = turn else {
            let problem = Problem::new(409, "one at a time", "an exercise is under way on the canary");
            return Err(Box::new(problem.hint("wait until it is over")));
        };
        let control = self.control()?;
        if control.state().canary(CANARY).is_none() {
            return Err(no_canary());
        }
        self.0.progress.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let (name, mode, mut drive) = match what {
            WhatToRun::Drill => (DRILL.to_owned(), Mode::Drill, Drive::drill(drill_targets())),
            WhatToRun::Exercise(name, spec) => match Drive::new(&spec) {
                Some(drive) => (name, Mode::Live, drive),
                None => {
                    let problem = Problem::new(409, "paper only", "the exercise has no live steps");
                    return Err(Box::new(problem.hint("run it with --paper")));
                }
            },
        };
        let clock = control.clock().clone();
        let (started_at, began) = (clock.now(), clock.monotonic());
        let id = control.new_id();
        let mut stage = match Stage::open(self.clone(), id, by).await {
            Ok(stage) => stage,
            // A drill that can't begin has failed, and is told as one.
            Err(problem) => {
                let note = problem.detail.lines().next().unwrap_or_default().to_owned();
                drive.tell(Told::Failed { note }, Duration::ZERO, Duration::ZERO);
                let run = drive.finish(id, &name, mode, (started_at, clock.now()));
                let view = control.record_run(run, by).await.map_err(|error| refused(&error))?;
                return Ok(LiveOutcome::Run(Box::new(view)));
            }
        };
        while let Some(step) = drive.next().cloned() {
            let from = clock.monotonic().saturating_sub(began);
            self.say(step.tell.clone().unwrap_or_else(|| step.what.as_str().to_owned()), None);
            let left = LONGEST.saturating_sub(from).max(Duration::from_secs(15));
            let told = match tokio::time::timeout(left, stage.step(&step)).await {
                Ok(told) => told,
                Err(_) => Told::Failed { note: "it took too long".to_owned() },
            };
            // A cut ends with its receipt; what is looked at afterwards is not part of it.
            let ended = stage.ended_at().unwrap_or_else(|| clock.monotonic());
            drive.tell(told, from, ended.saturating_sub(began));
            if let Some((note, good)) = drive.last() {
                self.say(format!("  {note}"), Some(good));
            }
        }
        stage.close();
        stage.tidy().await;
        let run = drive.finish(id, &name, mode, (started_at, clock.now()));
        let view = control.record_run(run, by).await.map_err(|error| refused(&error))?;
        Ok(LiveOutcome::Run(Box::new(view)))
    }

    fn plan(&self, what: &WhatToRun) -> LiveOutcome {
        let mut lines = Vec::new();
        let drive = match what {
            WhatToRun::Drill => Some(Drive::drill(drill_targets())),
            WhatToRun::Exercise(_, spec) => Drive::new(spec),
        };
        let control = self.control();
        if control.is_ok_and(|control| control.state().canary(CANARY).is_none()) {
            lines.push("there is no canary yet: `portcullis exercise canary` makes one".to_owned());
        }
        if let Some(mut drive) = drive {
            while let Some(step) = drive.next().cloned() {
                let told = step.tell.map(|tell| format!(": {tell}")).unwrap_or_default();
                lines.push(format!("{}{told}", step.what.as_str()));
                let done = Told::Done { note: String::new() };
                drive.tell(done, Duration::ZERO, Duration::ZERO);
            }
        }
        lines.push("no other vendor than the canary is touched".to_owned());
        LiveOutcome::Plan { lines }
    }
}

impl Rehearsing for Canary {
    fn run(&self, what: WhatToRun, by: Option<OperatorId>, dry_run: bool) -> Rehearsal {
        let canary = self.clone();
        Box::pin(async move {
            if dry_run {
                return Ok(canary.plan(&what));
            }
            // Goes on to the end when the asker has gone: the canary must not be left half-way.
            let whole = tokio::spawn(async move { Canary::run(&canary, what, by).await });
            whole.await.unwrap_or_else(|_| {
                Err(Box::new(Problem::new(500, "the exercise broke off", "a task of it has ended")))
            })
        })
    }

    fn progress(&self) -> Vec<ProgressLine> {
        self.0.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn make(&self, wireguard: Option<CanaryWireguard>) -> Making {
        let canary = self.clone();
        Box::pin(async move {
            let state = canary.control()?.state();
            if state.resource(Kind::Vendor, CANARY).is_some() && state.canary(CANARY).is_none() {
                let problem =
                    Problem::new(409, "the name is taken", "a vendor is called `canary`, and is none");
                return Err(Box::new(problem.hint("delete it, or give it another name")));
            }
            drop(state);
            let course = match &wireguard {
                None => None,
                Some(asked) => {
                    let course = Course::asked(asked, canary.0.listen)?;
                    course.check(&canary.control()?, canary.0.listen)?;
                    Some(course)
                }
            };
            canary.declare(&KeyPairs::new()?, course).await
        })
    }
}

fn drill_targets() -> Targets {
    let span = |text: &str| text.parse().ok();
    let live = Times { detect: None, decide: None, sever: span("250ms"), verify: span("10s") };
    Targets { live, paper: Times::default() }
}

fn no_canary() -> Box<Problem> {
    let problem = Problem::new(409, "no canary", "there is no canary vendor");
    Box::new(problem.hint("`portcullis exercise canary` makes one: a vendor that is nobody"))
}

fn failed(error: &dyn std::fmt::Debug) -> Box<Problem> {
    Box::new(Problem::new(500, "the canary can't act", format!("{error:?}")))
}

fn refused(error: &dyn std::fmt::Display) -> Box<Problem> {
    Box::new(Problem::of_message(409, "the canary can't act", &error.to_string()))
}
