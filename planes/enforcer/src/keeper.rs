//! The one task that knows what is wanted. A cut comes before all else: a plan that is being put into force is
//! broken off for it, and begun again with the cut in it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_enforcement::NetworkArm;
use portcullis_ids::ids::SeveranceId;
use portcullis_network::cut::Cut;
use portcullis_network::order::{ArmFault, ArmOutcome, ArmReport, CutReport, FromEnforcer};
use portcullis_network::plan::NetworkPlan;
use portcullis_policy::clock::{Clock, micros};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::drive::drive;
use crate::journal::{Journal, JournalError};

/// How long the first word on a cut waits for an arm.
const ANSWER_WAIT: Duration = Duration::from_millis(1_500);
/// How long one arm may take with a plan.
const ENFORCE_WAIT: Duration = Duration::from_secs(30);
/// How often the plan is put into force again, against what others change.
const AGAIN: Duration = Duration::from_secs(60);
/// The same where an arm has failed.
const AGAIN_FAILED: Duration = Duration::from_secs(2);
pub(crate) const ORDERS_MAX: usize = 256;

pub(crate) type Answers = mpsc::Sender<FromEnforcer>;
pub(crate) type Arms = Arc<[Arc<dyn NetworkArm>]>;

pub(crate) enum Order {
    Enforce { plan: Box<NetworkPlan>, answers: Answers },
    Sever { order: u64, cut: Box<Cut>, arrived: Duration, answers: Option<Answers> },
}

/// What connections read of the keeper.
#[derive(Clone, Default, Debug)]
pub(crate) struct Kept {
    pub plan: Arc<NetworkPlan>,
    pub held: Vec<SeveranceId>,
}

pub(crate) struct Keeper {
    arms: Arms,
    clock: Clock,
    journal: Journal,
    plan: Option<NetworkPlan>,
    cuts: BTreeMap<SeveranceId, Cut>,
    /// The tasks that drive each cut to its end.
    driving: BTreeMap<SeveranceId, Vec<AbortHandle>>,
    answering: JoinSet<()>,
    /// Whom to tell when the plan is in force.
    asked: Option<Answers>,
    /// Whether what is in force may not be what is wanted.
    due: bool,
    kept: watch::Sender<Kept>,
}

impl Keeper {
    /// Takes up what was cut before.
    pub fn open(
        arms: Arms,
        clock: Clock,
        state: &Path,
    ) -> Result<(Self, watch::Receiver<Kept>), JournalError> {
        let (journal, cuts) = Journal::open(&state.join("cuts"))?;
        let (kept, watched) = watch::channel(Kept::default());
        let keeper = Self {
            arms,
            clock,
            journal,
            plan: None,
            due: false,
            cuts,
            driving: BTreeMap::new(),
            answering: JoinSet::new(),
            asked: None,
            kept,
        };
        Ok((keeper, watched))
    }

    pub async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let held: Vec<Cut> = self.cuts.values().cloned().collect();
        for cut in held {
            tracing::warn!(severance = %cut.severance, "a cut from before is carried out again");
            let arrived = self.clock.monotonic();
            self.sever(0, cut, arrived, None);
        }
        self.show();
        let mut again = interval(AGAIN);
        let mut failed_again = interval(AGAIN_FAILED);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        failed_again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failed = false;
        loop {
            // Cuts that are under way have the arms for themselves.
            let enforce = self.due && self.answering.is_empty();
            let wanted = if enforce { self.wanted() } else { NetworkPlan::default() };
            let arms = Arc::clone(&self.arms);
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(order) => self.hear(order),
                    None => return,
                },
                Some(_) = self.answering.join_next() => {}
                faults = enforce_all(&arms, wanted), if enforce => {
                    self.due = false;
                    failed = !faults.is_empty();
                    self.tell(faults).await;
                }
                _ = again.tick() => self.due = self.plan.is_some(),
                _ = failed_again.tick(), if failed => self.due = self.plan.is_some(),
            }
        }
    }

    fn hear(&mut self, order: Order) {
        match order {
            Order::Enforce { plan, answers } => {
                if let Some(known) = &self.plan
                    && plan.version < known.version
                {
                    let why =
                        format!("plan {} is older than {}, which is in force", plan.version, known.version);
                    let _ = answers.try_send(FromEnforcer::Refused { why });
                    return;
                }
                for severance in &plan.lifted {
                    self.lift(*severance);
                }
                self.plan = Some(*plan);
                self.asked = Some(answers);
                self.due = true;
                self.show();
            }
            Order::Sever { order, cut, arrived, answers } => {
                self.sever(order, *cut, arrived, answers);
                self.due |= self.plan.is_some();
                self.show();
            }
        }
    }

    fn lift(&mut self, severance: SeveranceId) {
        if self.cuts.remove(&severance).is_some() {
            tracing::info!(%severance, "a cut was lifted");
            self.journal.release(severance);
        }
        for task in self.driving.remove(&severance).into_iter().flatten() {
            task.abort();
        }
    }

    /// Has every arm drive it to its end, side by side, and answers when all have said something, or the time is over.
    fn sever(&mut self, order: u64, cut: Cut, arrived: Duration, answers: Option<Answers>) {
        if let Err(error) = self.journal.hold(&cut) {
            // It is cut all the same; control tells it again after a restart.
            tracing::error!(%error, severance = %cut.severance, "a cut is not kept over a restart");
        }
        for task in self.driving.remove(&cut.severance).into_iter().flatten() {
            task.abort();
        }
        let cut_shared = Arc::new(cut.clone());
        self.cuts.insert(cut.severance, cut);
        let mut driving = Vec::new();
        let mut watched = Vec::new();
        for arm in self.arms.iter() {
            let (reports, reported) = watch::channel(None);
            let driven =
                drive(Arc::clone(arm), Arc::clone(&cut_shared), self.clock.clone(), arrived, reports);
            driving.push(tokio::spawn(driven).abort_handle());
            watched.push((arm.arm(), reported));
        }
        self.driving.insert(cut_shared.severance, driving);
        let clock = self.clock.clone();
        let (first, all) = tokio::sync::oneshot::channel::<()>();
        tokio::spawn(answer(order, watched, clock, arrived, answers, first));
        self.answering.spawn(async move {
            let _ = all.await;
        });
    }

    /// The plan with all that is cut.
    fn wanted(&self) -> NetworkPlan {
        self.plan.clone().unwrap_or_default().with_cuts(self.cuts.values())
    }

    async fn tell(&mut self, failed: Vec<ArmFault>) {
        for ArmFault { arm, why } in &failed {
            tracing::error!(%arm, why, "the plan is not in force; it is tried on");
        }
        let version = self.plan.as_ref().map_or(0, |plan| plan.version);
        if let Some(answers) = &self.asked {
            // Whoever asked may be gone; the next one is told by itself.
            let _ = answers.send(FromEnforcer::Enforced { version, failed }).await;
        }
    }

    fn show(&self) {
        let held = self.cuts.keys().copied().collect();
        self.kept.send_replace(Kept { plan: Arc::new(self.wanted()), held });
    }
}

/// The first word in time, and a second one when what failed then is closed.
async fn answer(
    order: u64,
    mut watched: Vec<(portcullis_network::order::Arm, watch::Receiver<Option<ArmReport>>)>,
    clock: Clock,
    arrived: Duration,
    answers: Option<Answers>,
    first: tokio::sync::oneshot::Sender<()>,
) {
    let everything = async {
        for (_, reported) in &mut watched {
            let _ = reported.wait_for(Option::is_some).await;
        }
    };
    let _ = timeout(ANSWER_WAIT, everything).await;
    let report = report_of(&watched, &clock, arrived);
    let failed = report.arms.iter().any(|arm| matches!(arm.outcome, ArmOutcome::Failed { .. }));
    if let Some(answers) = &answers {
        let _ = answers.send(FromEnforcer::Severed { order, report }).await;
    }
    drop(first);
    let Some(answers) = answers.filter(|_| failed) else { return };
    for (_, reported) in &mut watched {
        // Ends when the arm has done, or its cut was lifted or taken over by a newer order.
        while reported.changed().await.is_ok() {}
    }
    let report = report_of(&watched, &clock, arrived);
    let _ = answers.send(FromEnforcer::Severed { order, report }).await;
}

fn report_of(
    watched: &[(portcullis_network::order::Arm, watch::Receiver<Option<ArmReport>>)],
    clock: &Clock,
    arrived: Duration,
) -> CutReport {
    let arms = watched.iter().map(|(arm, reported)| {
        let known = reported.borrow().clone();
        known.unwrap_or_else(|| ArmReport {
            arm: *arm,
            outcome: ArmOutcome::Failed {
                why: format!("no word within {} ms; it is tried on", ANSWER_WAIT.as_millis()),
            },
            paths: Vec::new(),
            attempts: 1,
            took_us: micros(clock.monotonic().saturating_sub(arrived)),
        })
    });
    let arms = arms.collect();
    CutReport { arms, took_us: micros(clock.monotonic().saturating_sub(arrived)) }
}

/// Every arm at the same time. Those that can't act on this host are no fault where nothing is theirs to do.
async fn enforce_all(arms: &Arms, plan: NetworkPlan) -> Vec<ArmFault> {
    let plan = Arc::new(plan);
    let mut under_way = JoinSet::new();
    for arm in arms.iter() {
        let (arm, plan) = (Arc::clone(arm), Arc::clone(&plan));
        under_way.spawn(async move {
            let why = match timeout(ENFORCE_WAIT, arm.enforce(&plan)).await {
                Ok(Ok(())) => return None,
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no end within {} seconds", ENFORCE_WAIT.as_secs()),
            };
            Some(ArmFault { arm: arm.arm(), why })
        });
    }
    let mut faults = Vec::new();
    // Dropped for a cut, it drops those that are under way.
    while let Some(done) = under_way.join_next().await {
        faults.extend(done.ok().flatten());
    }
    faults.sort_by_key(|fault| fault.arm);
    faults
}
