//! The one task that knows what is wanted. A cut comes before all else: a plan that is being put into force is
//! broken off for it, and begun again with the cut in it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_enforcement::NetworkArm;
use portcullis_ids::ids::SeveranceId;
use portcullis_network::cut::Cut;
use portcullis_network::order::{Arm, ArmFault, FromEnforcer, HeldCut};
use portcullis_network::plan::NetworkPlan;
use portcullis_policy::clock::Clock;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use crate::answer::Waiting;
use crate::drive::{Progress, Work, drive};
use crate::journal::{Journal, JournalError};

/// How long one arm may take with a plan.
const ENFORCE_WAIT: Duration = Duration::from_secs(30);
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
    /// As control has told it.
    pub plan: Option<Arc<NetworkPlan>>,
    pub cuts: Vec<Arc<Cut>>,
}

impl Kept {
    /// With what each cut is about.
    pub fn held(&self) -> Vec<HeldCut> {
        let held = self.cuts.iter().map(|cut| HeldCut { severance: cut.severance, scope: cut.scope() });
        held.collect()
    }

    /// The plan with all that is cut. With thousands of vendors that takes a while.
    pub fn wanted(&self) -> NetworkPlan {
        let plan = self.plan.as_deref().cloned().unwrap_or_default();
        plan.with_cuts(self.cuts.iter().map(|cut| &**cut))
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Timings {
    /// How often what is wanted is put into force again, against what others change.
    again: Duration,
    /// The same where an arm has failed.
    again_failed: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self { again: Duration::from_secs(60), again_failed: Duration::from_secs(2) }
    }
}

/// A cut that arms work on, or have closed.
struct Driven {
    cut: Arc<Cut>,
    /// The same ones however often it is begun anew: whoever waits for a word gets it.
    progress: Vec<(Arm, watch::Sender<Progress>)>,
    tasks: Vec<AbortHandle>,
}

impl Driven {
    fn is_over(&self) -> bool {
        self.tasks.iter().all(AbortHandle::is_finished)
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

pub(crate) struct Keeper {
    arms: Arms,
    clock: Clock,
    timings: Timings,
    journal: Journal,
    plan: Option<Arc<NetworkPlan>>,
    cuts: BTreeMap<SeveranceId, Arc<Cut>>,
    driving: BTreeMap<SeveranceId, Driven>,
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
            timings: Timings::default(),
            journal,
            plan: None,
            due: false,
            cuts: cuts.into_iter().map(|(severance, cut)| (severance, Arc::new(cut))).collect(),
            driving: BTreeMap::new(),
            answering: JoinSet::new(),
            asked: None,
            kept,
        };
        Ok((keeper, watched))
    }

    pub async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut writing = JoinSet::new();
        writing.spawn(self.journal.clone().run());
        let held: Vec<Arc<Cut>> = self.cuts.values().cloned().collect();
        for cut in held {
            tracing::warn!(severance = %cut.severance, "a cut from before is carried out again");
            let arrived = self.clock.monotonic();
            self.sever(0, Cut::clone(&cut), arrived, None);
        }
        self.show();
        let mut again = every(self.timings.again);
        let mut failed_again = every(self.timings.again_failed);
        let mut failed = false;
        loop {
            // Cuts that are under way have the arms for themselves.
            let enforce = self.due && self.answering.is_empty();
            let (arms, wanted) = (Arc::clone(&self.arms), self.kept.borrow().clone());
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
                    // From its end on: however long it takes, it is not begun anew meanwhile.
                    again.reset();
                    failed_again.reset();
                    self.tell(faults);
                }
                _ = again.tick(), if !enforce => self.keep_closed(),
                _ = failed_again.tick(), if failed && !enforce => self.due = self.plan.is_some(),
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
                self.plan = Some(Arc::from(plan));
                self.asked = Some(answers);
                self.due = true;
            }
            Order::Sever { order, cut, arrived, answers } => {
                self.sever(order, *cut, arrived, answers);
                self.due |= self.plan.is_some();
            }
        }
        self.show();
    }

    fn lift(&mut self, severance: SeveranceId) {
        if self.cuts.remove(&severance).is_some() {
            tracing::info!(%severance, "a cut was lifted");
            self.journal.release(severance);
        }
        self.driving.remove(&severance);
    }

    /// Has every arm drive it to its end, side by side, and answers when all have closed it, or the time is over. What was
    /// held of the same severance stays in it.
    fn sever(&mut self, order: u64, cut: Cut, arrived: Duration, answers: Option<Answers>) {
        let severance = cut.severance;
        let held = self.cuts.get(&severance);
        let cut = Arc::new(match held {
            Some(held) => cut.holding(held),
            None => cut,
        });
        let is_new = held != Some(&cut);
        // Somebody else has ordered it a moment ago: both wait for the same work.
        let under_way = |driven: &Driven| !driven.is_over() && driven.cut.includes(&cut);
        if !self.driving.get(&severance).is_some_and(under_way) {
            self.drive(Arc::clone(&cut), arrived);
        }
        if is_new {
            self.cuts.insert(severance, Arc::clone(&cut));
            self.journal.hold(cut);
        }
        let watched = self.driving.get(&severance).map(|driven| {
            driven.progress.iter().map(|(arm, progress)| (*arm, progress.subscribe())).collect()
        });
        let waiting = Waiting {
            order,
            severance,
            watched: watched.unwrap_or_default(),
            unkept: self.journal.unkept(),
            clock: self.clock.clone(),
            arrived,
            answers,
        };
        let (first, all) = oneshot::channel::<()>();
        tokio::spawn(waiting.answer(first));
        self.answering.spawn(async move {
            let _ = all.await;
        });
    }

    /// Begins it, or begins it anew.
    fn drive(&mut self, cut: Arc<Cut>, arrived: Duration) {
        let before = self.driving.remove(&cut.severance);
        let progress = match &before {
            Some(before) => before.progress.clone(),
            None => self.arms.iter().map(|arm| (arm.arm(), watch::channel(Progress::default()).0)).collect(),
        };
        drop(before);
        for (_, progress) in &progress {
            progress.send_replace(Progress::default());
        }
        // Until packets are dropped, sockets may come that nobody has destroyed.
        let packets =
            progress.iter().find(|(arm, _)| *arm == Arm::Packets).map(|(_, packets)| packets.clone());
        let mut tasks = Vec::new();
        for (arm, (of, progress)) in self.arms.iter().zip(&progress) {
            let behind = packets.as_ref().filter(|_| *of == Arm::Sockets).map(watch::Sender::subscribe);
            let (arm, clock) = (Arc::clone(arm), self.clock.clone());
            let work = Work { arm, cut: Arc::clone(&cut), clock, arrived, behind };
            tasks.push(tokio::spawn(drive(work, progress.clone())).abort_handle());
        }
        self.driving.insert(cut.severance, Driven { cut, progress, tasks });
    }

    /// The plan is put into force again, and where control has told none, each cut by itself: somebody may have changed
    /// what the arms keep.
    fn keep_closed(&mut self) {
        if self.plan.is_some() {
            self.due = true;
            return;
        }
        let over = |cut: &&Arc<Cut>| self.driving.get(&cut.severance).is_none_or(Driven::is_over);
        let over: Vec<Arc<Cut>> = self.cuts.values().filter(over).cloned().collect();
        for cut in over {
            self.drive(cut, self.clock.monotonic());
        }
    }

    fn tell(&mut self, failed: Vec<ArmFault>) {
        for ArmFault { arm, why } in &failed {
            tracing::error!(%arm, why, "the plan is not in force; it is tried on");
        }
        let version = self.plan.as_ref().map_or(0, |plan| plan.version);
        if let Some(answers) = &self.asked {
            // Whoever asked may be gone, or not listen; the next one is told by itself, and no cut waits for that.
            let _ = answers.try_send(FromEnforcer::Enforced { version, failed });
        }
    }

    fn show(&self) {
        let cuts = self.cuts.values().cloned().collect();
        self.kept.send_replace(Kept { plan: self.plan.clone(), cuts });
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Every arm at the same time. Those that can't act on this host are no fault where nothing is theirs to do.
async fn enforce_all(arms: &Arms, kept: Kept) -> Vec<ArmFault> {
    let plan = match tokio::task::spawn_blocking(move || kept.wanted()).await {
        Ok(plan) => Arc::new(plan),
        Err(error) => {
            return arms.iter().map(|arm| ArmFault { arm: arm.arm(), why: error.to_string() }).collect();
        }
    };
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

#[cfg(test)]
mod tests;
