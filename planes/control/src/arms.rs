//! Control's end of the link to the enforcer: it is sent the whole network plan whenever that changes, and what has to
//! go at once. What it holds is told again at each link, so that nothing depends on who died when.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use portcullis_api::severing::ArmVerdict;
use portcullis_domain::event::Severance;
use portcullis_domain::ids::SeveranceId;
use portcullis_domain::state::State;
use portcullis_domain::target::Target;
use portcullis_network::cut::{Cut, Scope};
use portcullis_network::order::{
    Arm, ArmFault, ArmOutcome, ArmStanding, CutReport, FromEnforcer, Heard, HeldCut, ToEnforcer,
};
use portcullis_network::plan::{ClosedBy, NetworkPlan, Standing};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::core::Core;
use crate::network::protected::{self, Seen};
use crate::network::terms::next_change;
use crate::receipts;

/// How long the enforcer may take for its first word on a cut; it says it after a second and a half.
pub const WORD_WAIT: Duration = Duration::from_millis(2_500);
const LOOK_WAIT: Duration = Duration::from_secs(60);
/// How long a plan may take before the next one is sent all the same.
const PLAN_WAIT: Duration = Duration::from_secs(60);
/// Terms end without an event, by a clock that may jump: it is looked at this often, and nothing is made anew before their end.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(1);
/// Credentials that could not be read are tried again.
const UNREAD_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// How far a version goes on at least where the enforcer has a later one: more than a ledger loses with a backup's age.
const AHEAD: u64 = 1 << 16;

/// What the plan is, of a state.
pub type PlanOf = Arc<dyn Fn(&State) -> NetworkPlan + Send + Sync>;
/// Who is told of what the enforcer says by itself.
pub(crate) struct Listeners {
    /// Called when an arm that had failed at a severance has closed its paths.
    pub later: Box<dyn Fn(SeveranceId, CutReport) + Send + Sync>,
    /// Called with each cut that the enforcer holds and that isn't known here: puts it in force before it returns.
    pub unknown: Box<dyn Fn(HeldCut) + Send + Sync>,
}

/// Control's end of the link, with what it is told about.
pub struct EnforcerLink {
    pub to_enforcer: mpsc::Sender<ToEnforcer>,
    pub from_enforcer: mpsc::Receiver<Heard>,
    pub plan: PlanOf,
    /// How long its first word on a cut is waited for: [`WORD_WAIT`], unless a test plays it.
    pub word_wait: Duration,
}

/// The enforcer, if the installation has one.
#[derive(Default)]
pub(crate) struct Enforcer(OnceLock<Linked>);

struct Linked {
    to: mpsc::Sender<ToEnforcer>,
    plan: PlanOf,
    word_wait: Duration,
    /// What of ours and others a cut must not drop.
    seen: ArcSwap<Seen>,
    orders: AtomicU64,
    /// The arms have said something to a cut, or were not there to.
    answered: Notify,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Its version and arms; none while it isn't linked.
    linked: Option<(String, Vec<ArmStanding>)>,
    why_lost: String,
    waiting: HashMap<u64, oneshot::Sender<FromEnforcer>>,
    /// Which severance an order was about, for words that come later.
    severances: HashMap<u64, SeveranceId>,
    /// Cuts that the enforcer holds.
    held: BTreeSet<SeveranceId>,
    /// The plan that was sent last.
    sent: Option<Arc<NetworkPlan>>,
    /// Versions at the enforcer are so much higher than ours: it had a later one, of a ledger that this one is a backup of.
    ahead: u64,
    /// Why the last plan was refused, and when.
    refused: Option<(String, Instant)>,
    sent_at: Option<Instant>,
    /// What the last plan was made of, and when it is another one without an event.
    made_of: Option<(Arc<State>, Timestamp)>,
    /// Severances that the arms have answered, or were told of. A plan waits for those that it closes, so that each cut goes
    /// before its plan.
    answered: BTreeSet<SeveranceId>,
    /// Since when a plan waits for them.
    waits_since: Option<Instant>,
    enforced: Option<u64>,
    faults: Vec<ArmFault>,
    /// Arms that have not closed what they should.
    failing: BTreeMap<SeveranceId, Vec<ArmFault>>,
}

/// What came of a severance at the arms.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ArmsWord {
    pub cut: Cut,
    /// Or why there is no report.
    pub report: Result<CutReport, String>,
}

/// How the enforcer stands, for those who look.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct EnforcerStanding {
    /// Whether the installation has one.
    pub set_up: bool,
    pub version: Option<String>,
    pub why_lost: Option<String>,
    pub arms: Vec<ArmStanding>,
    /// Size of the ledger that the plan in force was made from.
    pub enforced: Option<u64>,
    pub faults: Vec<ArmFault>,
    /// Why the plan was refused.
    pub refused: Option<String>,
    /// Cuts that it holds.
    pub held: BTreeSet<SeveranceId>,
    pub failing: BTreeMap<SeveranceId, Vec<ArmFault>>,
}

impl Enforcer {
    /// Serves the link until it ends. Once: a second word changes nothing.
    pub fn attach(self: &Arc<Self>, core: Arc<Core>, link: EnforcerLink, listeners: Listeners) {
        let EnforcerLink { to_enforcer, from_enforcer, plan, word_wait } = link;
        let lost = "it was not linked yet".to_owned();
        let known = Mutex::new(Known { why_lost: lost, ..Known::default() });
        let answered = Notify::new();
        let linked = Linked {
            to: to_enforcer,
            plan,
            word_wait,
            seen: ArcSwap::default(),
            orders: AtomicU64::new(1),
            answered,
            known,
        };
        if self.0.set(linked).is_err() {
            return;
        }
        let enforcer = Arc::clone(self);
        let runtime = core.runtime.clone();
        runtime.spawn(async move { enforcer.serve(core, from_enforcer, listeners).await });
    }

    async fn serve(&self, core: Arc<Core>, mut from: mpsc::Receiver<Heard>, listeners: Listeners) {
        let Some(linked) = self.0.get() else { return };
        let mut states = core.watch();
        let mut look = interval(LOOK_AT_CLOCK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                heard = from.recv() => match heard {
                    Some(heard) => linked.hear(&core, heard, &listeners).await,
                    None => return,
                },
                changed = states.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = linked.answered.notified() => {}
                _ = look.tick() => {}
            }
            let state = Arc::clone(&states.borrow_and_update());
            linked.keep_up(&state, core.clock.now()).await;
        }
    }

    /// Makes the plan anew where something else is protected.
    pub fn protect(&self, seen: &Seen) {
        let Some(linked) = self.0.get() else { return };
        if **linked.seen.load() == *seen {
            return;
        }
        linked.seen.store(Arc::new(seen.clone()));
        linked.known().made_of = None;
        linked.answered.notify_one();
    }

    /// What the plan is, if there is an enforcer.
    pub fn plan(&self, state: &State) -> Option<Arc<NetworkPlan>> {
        self.0.get().map(|linked| linked.plan_of(state))
    }

    /// What severing a target would cut.
    pub fn would_cut(&self, state: &State, target: &Target) -> Option<Cut> {
        let plan = self.plan(state)?;
        // No severance is of this id: nothing is cut.
        Some(plan.cut(scope_of(target)?, SeveranceId(uuid::Uuid::nil())))
    }

    /// Has the arms close a severance's networks and tunnels. None where there is nothing of the kind, or nobody.
    pub async fn sever(&self, state: &State, severance: &Severance) -> Option<ArmsWord> {
        let linked = self.0.get()?;
        let cut = linked.plan_of(state).cut(scope_of(&severance.target)?, severance.id);
        if cut.is_empty() {
            linked.answered(severance.id);
            return Some(ArmsWord { cut, report: Ok(CutReport::default()) });
        }
        let report = linked.sever(cut.clone()).await;
        if let Err(why) = &report {
            tracing::error!(severance = %severance.id, why, "networks and tunnels are not cut; it is tried again at the next link");
        }
        Some(ArmsWord { cut, report })
    }

    /// Asks something that changes nothing.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(&self, question: impl FnOnce(u64) -> ToEnforcer) -> Result<FromEnforcer, String> {
        let linked = self.0.get().ok_or_else(|| ABSENT.to_owned())?;
        linked.ask(question, LOOK_WAIT).await
    }

    pub fn standing(&self) -> EnforcerStanding {
        let Some(linked) = self.0.get() else { return EnforcerStanding::default() };
        let known = linked.known();
        EnforcerStanding {
            set_up: true,
            version: known.linked.as_ref().map(|(version, _)| version.clone()),
            why_lost: known.linked.is_none().then(|| known.why_lost.clone()),
            arms: known.linked.as_ref().map(|(_, arms)| arms.clone()).unwrap_or_default(),
            enforced: known.enforced,
            faults: known.faults.clone(),
            refused: known.refused.as_ref().map(|(why, _)| why.clone()),
            held: known.held.clone(),
            failing: known.failing.clone(),
        }
    }
}

/// In a receipt, where it said nothing of its arms.
pub(crate) const ENFORCER: &str = "enforcer";

/// What an installation without an enforcer is told.
pub(crate) const ABSENT: &str =
    "no enforcer is set up\nhint: start `portcullis enforcer`, and name its socket by `up --enforcer`";

impl Linked {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn hear(&self, core: &Core, heard: Heard, listeners: &Listeners) {
        match heard {
            Heard::Linked { version, arms, held, cuts } => {
                {
                    let mut known = self.known();
                    known.linked = Some((version, arms));
                    known.held.extend(held);
                    known.sent = None;
                    known.made_of = None;
                    known.refused = None;
                    known.waiting.clear();
                }
                let known = core.state();
                let is_unknown = |cut: &HeldCut| !known.severances_known.contains(&cut.severance);
                cuts.into_iter().filter(is_unknown).for_each(|cut| (listeners.unknown)(cut));
                // Read when it counts as linked: a severance that is younger goes there by itself.
                self.tell_again(&core.state()).await;
            }
            Heard::Lost { why } => {
                let mut known = self.known();
                known.linked = None;
                known.why_lost = why;
                known.enforced = None;
                // Whoever waits learns that no word will come.
                known.waiting.clear();
            }
            Heard::Said(message) => self.said(message, listeners),
        }
    }

    fn said(&self, message: FromEnforcer, listeners: &Listeners) {
        let order = match &message {
            FromEnforcer::Severed { order, .. }
            | FromEnforcer::Verified { order, .. }
            | FromEnforcer::Measured { order, .. }
            | FromEnforcer::Inspected { order, .. } => *order,
            FromEnforcer::Enforced { version, failed } => {
                let mut known = self.known();
                known.enforced = Some(version.saturating_sub(known.ahead));
                known.faults.clone_from(failed);
                known.refused = None;
                known.sent_at = None;
                return;
            }
            FromEnforcer::Refused { why } => {
                let known = &mut *self.known();
                tracing::error!(
                    why,
                    ahead = known.ahead,
                    "the enforcer refuses the plan; it is sent under a later version"
                );
                // It has one of a ledger that went further. Ours goes on beyond that: what it says is what holds.
                known.ahead = known.ahead.saturating_mul(2).max(AHEAD);
                known.refused = Some((why.clone(), Instant::now()));
                // What it was to lift is held as before.
                known.held.extend(known.sent.take().into_iter().flat_map(|sent| sent.lifted.clone()));
                (known.sent_at, known.made_of) = (None, None);
                return;
            }
            FromEnforcer::Hello { .. } => return,
        };
        let (waiting, severance, was_failing) = {
            let mut known = self.known();
            let severance = known.severances.get(&order).copied();
            let mut was_failing = false;
            if let (Some(severance), FromEnforcer::Severed { report, .. }) = (severance, &message) {
                let failed = failed_of(report);
                if failed.is_empty() {
                    was_failing = known.failing.remove(&severance).is_some();
                    known.severances.remove(&order);
                } else {
                    known.failing.insert(severance, failed);
                }
            }
            (known.waiting.remove(&order), severance, was_failing)
        };
        match (waiting, severance, message) {
            (Some(waiting), _, message) => {
                // Whoever asked takes it, though its time may be over.
                let _ = waiting.send(message);
            }
            // Told again at a link, what was closed before is no news.
            (None, Some(severance), FromEnforcer::Severed { report, .. }) if was_failing => {
                (listeners.later)(severance, report);
            }
            _ => {}
        }
    }

    fn answered(&self, severance: SeveranceId) {
        self.known().answered.insert(severance);
        self.answered.notify_one();
    }

    /// All that is severed, to an enforcer that may be new.
    async fn tell_again(&self, state: &State) {
        let plan = self.plan_of(state);
        for severance in state.severances.values() {
            let Some(scope) = scope_of(&severance.target) else { continue };
            let cut = plan.cut(scope, severance.id);
            if cut.is_empty() {
                self.known().answered.insert(severance.id);
                continue;
            }
            let order = self.orders.fetch_add(1, Ordering::Relaxed);
            {
                let mut known = self.known();
                known.severances.insert(order, severance.id);
                known.held.insert(severance.id);
                // A process before this one may have signed that it was not closed.
                if let Some(failed) = failed_by_receipt(state, severance.id) {
                    known.failing.entry(severance.id).or_insert(failed);
                }
            }
            if self.to.send(ToEnforcer::Sever { order, cut: Box::new(cut) }).await.is_err() {
                return;
            }
            self.known().answered.insert(severance.id);
        }
    }

    /// Sends the plan when it differs from what was sent, one at a time, and behind the cuts that belong to it.
    async fn keep_up(&self, state: &Arc<State>, now: Timestamp) {
        {
            let known = self.known();
            let under_way = known.sent_at.is_some_and(|sent| sent.elapsed() < PLAN_WAIT);
            let is_made = known
                .made_of
                .as_ref()
                .is_some_and(|(made_of, until)| Arc::ptr_eq(made_of, state) && now < *until);
            let refused = known.refused.as_ref().is_some_and(|(_, at)| at.elapsed() < LOOK_AT_CLOCK / 2);
            if known.linked.is_none() || (under_way && known.sent.is_some()) || is_made || refused {
                return;
            }
        }
        match self.cuts_are_ahead(state) {
            Some(true) => {}
            Some(false) => return,
            // Nobody has told the arms of one of them: it goes ahead from here.
            None => self.tell_again(state).await,
        }
        let mut plan = self.make(state);
        let mut until = next_change(state, now);
        let closed = Standing::Closed { why: ClosedBy::Credentials };
        if plan.tunnels.iter().any(|tunnel| tunnel.standing == closed) {
            until = until.min(now.checked_add(UNREAD_AGAIN).unwrap_or(until));
        }
        self.known().made_of = Some((Arc::clone(state), until));
        let message = {
            let mut known = self.known();
            // Those that the ledger never knew stay: an older one may have been brought back.
            let lifted =
                |id: &&SeveranceId| state.severances_known.contains(id) && !state.severances.contains_key(id);
            plan.lifted = known.held.iter().filter(lifted).copied().collect();
            // What is lifted is told once.
            let (version, lifted) = (plan.version, Vec::new());
            let same = known
                .sent
                .as_ref()
                .is_some_and(|sent| NetworkPlan { version, lifted, ..NetworkPlan::clone(sent) } == plan);
            if same {
                return;
            }
            for lifted in &plan.lifted {
                known.held.remove(lifted);
                known.failing.remove(lifted);
            }
            known.sent = Some(Arc::new(plan.clone()));
            known.sent_at = Some(Instant::now());
            plan.version = plan.version.saturating_add(known.ahead);
            ToEnforcer::Enforce { plan: Box::new(plan) }
        };
        let _ = self.to.send(message).await;
    }

    /// Whether the arms have answered every cut that this state's plan closes; nothing where one is waited for too long.
    fn cuts_are_ahead(&self, state: &State) -> Option<bool> {
        let known = &mut *self.known();
        // A severance may be younger than this state.
        let is_lifted =
            |id: &SeveranceId| state.severances_known.contains(id) && !state.severances.contains_key(id);
        known.answered.retain(|severance| !is_lifted(severance));
        let mut closing = state.severances.values().filter(|severance| scope_of(&severance.target).is_some());
        if closing.all(|severance| known.answered.contains(&severance.id)) {
            known.waits_since = None;
            return Some(true);
        }
        let waits = known.waits_since.get_or_insert_with(Instant::now).elapsed() < 2 * self.word_wait;
        waits.then_some(false)
    }

    /// As it was sent last, where nothing has been recorded since.
    fn plan_of(&self, state: &State) -> Arc<NetworkPlan> {
        let sent = self.known().sent.clone();
        match sent {
            Some(sent) if sent.version == state.size => sent,
            _ => Arc::new(self.make(state)),
        }
    }

    /// The plan, with what a cut must not drop.
    fn make(&self, state: &State) -> NetworkPlan {
        let mut plan = (self.plan)(state);
        plan.protected = protected::of(state, &self.seen.load());
        plan
    }

    async fn sever(&self, cut: Cut) -> Result<CutReport, String> {
        let severance = cut.severance;
        let failed = |why: String| {
            let arms = Arm::ALL.into_iter().map(|arm| ArmFault { arm, why: why.clone() });
            self.known().failing.insert(severance, arms.collect());
            why
        };
        self.known().held.insert(severance);
        let message = |order| {
            self.known().severances.insert(order, severance);
            ToEnforcer::Sever { order, cut: Box::new(cut) }
        };
        let (asked, was_sent) = self.ask_telling(message, self.word_wait).await;
        let report = match asked {
            Ok(FromEnforcer::Severed { report, .. }) => Ok(report),
            Ok(_) => Err(failed("the enforcer gave another answer".to_owned())),
            Err(why) => Err(failed(why)),
        };
        // What it never heard of is told before the plan that closes it.
        if was_sent {
            self.answered(severance);
        }
        report
    }

    async fn ask(
        &self,
        question: impl FnOnce(u64) -> ToEnforcer,
        wait: Duration,
    ) -> Result<FromEnforcer, String> {
        self.ask_telling(question, wait).await.0
    }

    /// Says as well whether the question went out.
    async fn ask_telling(
        &self,
        question: impl FnOnce(u64) -> ToEnforcer,
        wait: Duration,
    ) -> (Result<FromEnforcer, String>, bool) {
        let order = self.orders.fetch_add(1, Ordering::Relaxed);
        let (answer, mut answered) = oneshot::channel();
        {
            let mut known = self.known();
            if known.linked.is_none() {
                return (Err(format!("the enforcer is not linked: {}", known.why_lost)), false);
            }
            known.waiting.insert(order, answer);
        }
        let mut was_sent = false;
        let asked = async {
            let question = question(order);
            self.to.send(question).await.map_err(|_| "the link to the enforcer is closed".to_owned())?;
            was_sent = true;
            (&mut answered).await.map_err(|_| "the link to the enforcer broke before it answered".to_owned())
        };
        let said = timeout(wait, asked).await;
        let is_taken = self.known().waiting.remove(&order).is_none();
        let said = said.unwrap_or_else(|_| {
            // In this very moment it was answered after all.
            let late = is_taken.then(|| answered.try_recv().ok()).flatten();
            late.ok_or_else(|| {
                format!("the enforcer did not answer within {} milliseconds", wait.as_millis())
            })
        });
        (said, was_sent)
    }
}

/// What the last receipt of a severance says that arms left open; none where it says nothing of the kind.
fn failed_by_receipt(state: &State, severance: SeveranceId) -> Option<Vec<ArmFault>> {
    let receipt = receipts::unverified(state.receipts.get(&severance)?.last()?)?;
    let failed = receipt.arms.into_iter().filter(|arm| arm.outcome == ArmVerdict::Failed).flat_map(|of| {
        let why = of.why.unwrap_or_default();
        // Where there was no word from the enforcer, it is about all of them.
        let (name, is_all) = (of.arm.clone(), of.arm == ENFORCER);
        let arms = Arm::ALL.into_iter().filter(move |arm| is_all || arm.as_str() == name);
        arms.map(move |arm| ArmFault { arm, why: why.clone() })
    });
    let failed: Vec<ArmFault> = failed.collect();
    (!failed.is_empty()).then_some(failed)
}

/// Arms that left something open.
pub(crate) fn failed_of(report: &CutReport) -> Vec<ArmFault> {
    let failed = report.arms.iter().filter_map(|arm| match &arm.outcome {
        ArmOutcome::Failed { why } => Some(ArmFault { arm: arm.arm, why: why.clone() }),
        ArmOutcome::Absent { .. } | ArmOutcome::Closed | ArmOutcome::Nothing => None,
    });
    failed.collect()
}

/// Clients, keys and sessions have no network of their own.
fn scope_of(target: &Target) -> Option<Scope> {
    match target {
        Target::Vendor { id } => Some(Scope::Vendor { id: *id }),
        Target::Integration { id } => Some(Scope::Integration { id: *id }),
        Target::Client { .. } | Target::Key { .. } | Target::Session { .. } => None,
    }
}
