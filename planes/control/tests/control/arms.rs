//! Severing with an enforcer that is played by the test.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_api::severing::{ArmVerdict, Receipt, SeverAnswer};
use portcullis_control::EnforcerLink;
use portcullis_control::error::ExecuteError;
use portcullis_control::receipts;
use portcullis_domain::ids::{IntegrationId, OperatorId, SeveranceId};
use portcullis_domain::state::State;
use portcullis_incident::page::PageCause;
use portcullis_ledger::note::NoteSigner;
use portcullis_network::cut::{Cut, Scope};
use portcullis_network::order::{
    Arm, ArmOutcome, ArmReport, ArmStanding, CutReport, FromEnforcer, Heard, HeldCut, PathReport, ToEnforcer,
};
use portcullis_network::plan::{ClosedBy, NetworkPlan, Owner, Segment, Standing};
use tokio::sync::{mpsc, watch};

use crate::world::{Fault, Process, World, until};

/// What the enforcer was told, and how it answers.
struct FakeEnforcer {
    heard: mpsc::Sender<Heard>,
    cuts: Arc<Mutex<Vec<(u64, Cut)>>>,
    plans: Arc<Mutex<Vec<NetworkPlan>>>,
    outcome: Arc<Mutex<ArmOutcome>>,
    silent: Arc<Mutex<bool>>,
    /// Why it can't write cuts down.
    not_kept: Arc<Mutex<Option<String>>>,
    /// The plan in force at it; an older one is refused.
    in_force: Arc<Mutex<u64>>,
    /// Whether it takes orders.
    reads: watch::Sender<bool>,
}

/// Orders that the link has room for.
const ORDERS_MAX: usize = 64;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(3_600);

/// The vendor's one network; another vendor comes from `198.51.100.7`, too.
fn plan(state: &State) -> NetworkPlan {
    let mut segments = Vec::new();
    if let Some(standing) = state.standings().next() {
        let owner = Owner {
            vendor: standing.vendor_id(),
            vendor_name: standing.vendor.declaration.name.clone(),
            integration: standing.integration_id(),
            integration_name: standing.integration.declaration.name.clone(),
        };
        let networks = vec!["192.0.2.0/28".parse().unwrap(), "198.51.100.7/32".parse().unwrap()];
        segments.push(Segment { owner: owner.clone(), networks, standing: Standing::Open });
        let other = Owner {
            vendor: portcullis_domain::ids::VendorId(uuid::Uuid::from_u128(77)),
            vendor_name: "other".into(),
            integration: IntegrationId(uuid::Uuid::from_u128(78)),
            ..owner
        };
        let networks = vec!["198.51.100.0/24".parse().unwrap()];
        segments.push(Segment { owner: other, networks, standing: Standing::Open });
    }
    NetworkPlan { version: state.size, segments, ..NetworkPlan::default() }
}

fn report(outcome: ArmOutcome) -> CutReport {
    let path = PathReport {
        path: "network/192.0.2.0/28".into(),
        was_open: true,
        closed_us: Some(900),
        verified_us: Some(1_100),
        how: "the set holds it".into(),
    };
    let arm = |arm, outcome, paths| ArmReport { arm, outcome, paths, attempts: 1, took_us: 1_200 };
    let arms = vec![arm(Arm::Ipsec, ArmOutcome::Nothing, Vec::new()), arm(Arm::Packets, outcome, vec![path])];
    CutReport { arms, took_us: 1_300, not_kept: None }
}

impl FakeEnforcer {
    fn link(process: &Process) -> Self {
        Self::link_with(process, plan, LONG)
    }

    fn link_with(
        process: &Process,
        plan: impl Fn(&State) -> NetworkPlan + Send + Sync + 'static,
        word_wait: Duration,
    ) -> Self {
        let (to_enforcer, mut orders) = mpsc::channel(ORDERS_MAX);
        let (heard, from_enforcer) = mpsc::channel(64);
        let link = EnforcerLink { to_enforcer, from_enforcer, plan: Arc::new(plan), word_wait };
        process.control.attach_enforcer(link);
        let signer = NoteSigner::from_seed("control.example", &[7; 32]).unwrap();
        process.control.sign_receipts_with(signer);
        let fake = Self {
            heard: heard.clone(),
            cuts: Arc::default(),
            plans: Arc::default(),
            outcome: Arc::new(Mutex::new(ArmOutcome::Closed)),
            silent: Arc::default(),
            not_kept: Arc::default(),
            in_force: Arc::default(),
            reads: watch::Sender::new(true),
        };
        let mut reads = fake.reads.subscribe();
        let (cuts, plans) = (Arc::clone(&fake.cuts), Arc::clone(&fake.plans));
        let (outcome, silent) = (Arc::clone(&fake.outcome), Arc::clone(&fake.silent));
        let (in_force, not_kept) = (Arc::clone(&fake.in_force), Arc::clone(&fake.not_kept));
        tokio::spawn(async move {
            while let Some(order) = orders.recv().await {
                if reads.wait_for(|reads| *reads).await.is_err() {
                    return;
                }
                let answer = match order {
                    ToEnforcer::Sever { order, cut } => {
                        cuts.lock().unwrap().push((order, *cut));
                        let report = CutReport {
                            not_kept: not_kept.lock().unwrap().clone(),
                            ..report(outcome.lock().unwrap().clone())
                        };
                        FromEnforcer::Severed { order, report }
                    }
                    ToEnforcer::Enforce { plan } if plan.version < *in_force.lock().unwrap() => {
                        FromEnforcer::Refused { why: "an older plan".into() }
                    }
                    ToEnforcer::Enforce { plan } => {
                        *in_force.lock().unwrap() = plan.version;
                        let version = plan.version;
                        plans.lock().unwrap().push(*plan);
                        FromEnforcer::Enforced { version, failed: Vec::new() }
                    }
                    _ => continue,
                };
                let silent = *silent.lock().unwrap();
                if !silent && heard.send(Heard::Said(answer)).await.is_err() {
                    return;
                }
            }
        });
        fake
    }

    async fn comes(&self, held: Vec<SeveranceId>) {
        self.comes_with(held, Vec::new()).await;
    }

    /// It says of `cuts` whose they are.
    async fn comes_with(&self, held: Vec<SeveranceId>, cuts: Vec<HeldCut>) {
        let arms = vec![
            ArmStanding { arm: Arm::Packets, absent: None },
            ArmStanding { arm: Arm::Wireguard, absent: Some("no `wg`".into()) },
        ];
        self.heard.send(Heard::Linked { version: "0".into(), arms, held, cuts }).await.unwrap();
    }

    /// Returns when control has looked at the state that is in force now, and done what follows from it.
    async fn looked(&self, process: &Process) {
        // What is heard is followed by a look; of the second one the first is over.
        for version in [u64::MAX - 1, u64::MAX] {
            let enforced = FromEnforcer::Enforced { version, failed: Vec::new() };
            self.heard.send(Heard::Said(enforced)).await.unwrap();
            until("it is heard", || process.control.enforcer_standing().enforced == Some(version)).await;
        }
    }

    fn plans(&self) -> usize {
        self.plans.lock().unwrap().len()
    }

    /// Plans in which something is closed.
    fn closing(&self) -> usize {
        let plans = self.plans.lock().unwrap();
        plans.iter().filter(|plan| plan.segments.iter().any(|segment| !segment.standing.is_open())).count()
    }

    fn cuts(&self) -> Vec<Cut> {
        self.cuts.lock().unwrap().iter().map(|(_, cut)| cut.clone()).collect()
    }
}

/// A vendor, whoever severs it, and an enforcer that has come and has the plan.
async fn enforced(
    world: &World,
    plan: impl Fn(&State) -> NetworkPlan + Send + Sync + 'static,
) -> (Process, OperatorId, FakeEnforcer) {
    enforced_within(world, plan, LONG).await
}

async fn enforced_within(
    world: &World,
    plan: impl Fn(&State) -> NetworkPlan + Send + Sync + 'static,
    word_wait: Duration,
) -> (Process, OperatorId, FakeEnforcer) {
    let process = world.start().await;
    let admin = process.operator("admin").await;
    process.acme().await;
    let enforcer = FakeEnforcer::link_with(&process, plan, word_wait);
    enforcer.comes(Vec::new()).await;
    until("the plan is sent", || enforcer.plans() == 1).await;
    (process, admin, enforcer)
}

/// The signed receipts of a severance, in their order.
fn receipts_of(process: &Process, severance: SeveranceId) -> Vec<Receipt> {
    let verifier = NoteSigner::from_seed("control.example", &[7; 32]).unwrap().verifier();
    let state = process.control.state();
    let notes = state.receipts.get(&severance).into_iter().flatten();
    notes.map(|note| receipts::read(verifier.open(note).unwrap()).unwrap()).collect()
}

fn codes(process: &Process) -> Vec<&'static str> {
    process.control.findings().iter().map(|finding| finding.code.as_str()).collect()
}

#[tokio::test]
async fn networks_are_cut_with_the_gate_and_the_receipt_is_signed_and_recorded() {
    let world = World::new();
    let (process, admin, enforcer) = enforced(&world, plan).await;
    let preview = process.control.sever_preview(&"vendor/acme".parse().unwrap()).unwrap();
    assert_eq!(preview.paths, ["network/192.0.2.0/28"]);
    assert_eq!(preview.shared_addresses[0].with, "vendor/other");
    assert!(!preview.services.is_empty() && !preview.services[0].purpose.is_empty());
    let sever = |target: &str| process.control.sever(target.parse().unwrap(), admin, "theft".into());
    let receipt = sever("vendor/acme").await.unwrap();
    assert_eq!(receipt.answer, SeverAnswer::Severed);
    let arms: Vec<_> = receipt.arms.iter().map(|arm| (arm.arm.as_str(), arm.outcome)).collect();
    assert_eq!(arms, [("ipsec", ArmVerdict::Nothing), ("packets", ArmVerdict::Closed)]);
    assert_eq!(receipt.arms[1].paths[0].verified_us, Some(1_100));
    assert_eq!(receipt.shared_addresses[0].network, "198.51.100.7/32");
    let absent: Vec<_> = receipt.absent_arms.iter().map(|arm| arm.arm.as_str()).collect();
    assert_eq!(absent, ["wireguard"]);
    // The receipt in the ledger says the same, and anybody can verify it.
    let state = process.control.state();
    assert_eq!(receipt.recorded.receipt_sequence, Some(state.size - 1));
    let note = &state.receipts[&receipt.severance][0];
    let verifier = NoteSigner::from_seed("control.example", &[7; 32]).unwrap().verifier();
    let signed = receipts::read(verifier.open(note).unwrap()).unwrap();
    assert_eq!((signed.severance, &signed.arms), (receipt.severance, &receipt.arms));
    // Twice changes nothing, and is told to the arms again.
    let again = sever("vendor/acme").await.unwrap();
    assert_eq!((again.severance, again.answer), (receipt.severance, SeverAnswer::Severed));
    assert_eq!(enforcer.cuts().len(), 2);
}

#[tokio::test]
async fn a_cut_that_the_enforcer_can_not_keep_is_said_in_the_receipt() {
    let world = World::new();
    let (process, admin, enforcer) = enforced(&world, plan).await;
    *enforcer.not_kept.lock().unwrap() = Some("No space left on device".into());
    let receipt = process.control.sever("vendor/acme".parse().unwrap(), admin, "theft".into()).await.unwrap();
    assert_eq!(receipt.answer, SeverAnswer::Severed);
    let said = "the cut is not on the enforcer's disk yet, and writing is tried on: No space left on device";
    assert!(receipt.notes.iter().any(|note| note.starts_with(said)), "{:?}", receipt.notes);
    let signed = receipts_of(&process, receipt.severance).pop().unwrap();
    assert!(signed.notes.iter().any(|note| note.starts_with(said)), "{:?}", signed.notes);
}

#[tokio::test]
async fn a_client_has_no_network_and_cuts_none() {
    let world = World::new();
    let (process, admin, enforcer) = enforced(&world, plan).await;
    let receipt =
        process.control.sever("client/robot".parse().unwrap(), admin, "theft".into()).await.unwrap();
    assert_eq!((receipt.answer, receipt.arms.len()), (SeverAnswer::Severed, 0));
    assert!(enforcer.cuts().is_empty());
}

#[tokio::test]
async fn what_an_arm_fails_at_is_shouted_until_it_is_closed_which_has_a_receipt_of_its_own() {
    let world = World::new();
    let (process, admin, enforcer) = enforced(&world, plan).await;
    *enforcer.outcome.lock().unwrap() = ArmOutcome::Failed { why: "still open".into() };
    let sever = process.control.sever("vendor/acme".parse().unwrap(), admin, "theft".into());
    let receipt = sever.await.unwrap();
    assert_eq!(receipt.answer, SeverAnswer::NotEverywhere);
    assert_eq!(receipt.arms[1].why.as_deref(), Some("still open"));
    assert!(codes(&process).contains(&"path_not_closed"), "{:?}", codes(&process));
    let (order, _) = enforcer.cuts.lock().unwrap()[0].clone();
    let later = FromEnforcer::Severed { order, report: report(ArmOutcome::Closed) };
    enforcer.heard.send(Heard::Said(later)).await.unwrap();
    let notes = || process.control.state().receipts.get(&receipt.severance).map_or(0, |notes| notes.len());
    until("the later receipt", || notes() == 2).await;
    let later = receipts_of(&process, receipt.severance).pop().unwrap();
    assert_eq!((later.answer, later.gates.len()), (SeverAnswer::ArmClosed, 0));
    assert!(!codes(&process).contains(&"path_not_closed"), "{:?}", codes(&process));
}

#[tokio::test]
async fn a_full_disk_keeps_nobody_from_being_called_and_what_was_called_is_recorded_later() {
    let world = World::new();
    let (process, admin, enforcer) = enforced(&world, plan).await;
    *enforcer.outcome.lock().unwrap() = ArmOutcome::Failed { why: "still open".into() };
    process.store.set(Fault::Full);
    let receipt = process.control.sever("vendor/acme".parse().unwrap(), admin, "theft".into()).await.unwrap();
    process.control.raise_due_pages().await;
    let held = process.control.pages_held();
    let causes: Vec<_> = held.iter().map(|page| page.cause.clone()).collect();
    assert_eq!(causes, [PageCause::ArmFailed { severance: receipt.severance, arm: "packets".into() }]);
    assert!(process.control.state().open_pages().is_empty());
    assert_eq!(process.control.pages(false)[0].id, held[0].id, "whoever looks sees it");
    // Looked at again it is the same call; its answer can't be recorded, and that is said.
    world.pass(Duration::from_secs(60));
    process.control.raise_due_pages().await;
    assert_eq!(process.control.pages_held(), held);
    let answer = process.control.acknowledge_page(held[0].code.clone(), admin).await;
    assert!(matches!(answer, Err(ExecuteError::Store(_))), "{answer:?}");
    // Nor does a disk that hangs.
    process.store.set(Fault::Hang);
    process.control.raise_due_pages().await;
    assert_eq!(process.control.pages_held(), held);

    process.store.set(Fault::None);
    process.control.raise_due_pages().await;
    until("it is recorded", || process.control.pages_held().is_empty()).await;
    process.control.raise_due_pages().await;
    let state = process.control.state();
    let open: Vec<_> = state.open_pages().iter().map(|known| known.page.clone()).collect();
    assert_eq!(open, held, "once, under the id by which somebody was called");
    let answer = process.control.acknowledge_page(held[0].code.clone(), admin).await.unwrap();
    assert!(!answer.unchanged && process.control.pages(false).is_empty());
}

#[tokio::test]
async fn an_enforcer_that_is_away_is_shouted_and_told_everything_when_it_comes() {
    let world = World::new();
    let process = world.start().await;
    let admin = process.operator("admin").await;
    process.acme().await;
    let enforcer = FakeEnforcer::link(&process);
    until("the finding", || codes(&process).contains(&"enforcer_lost")).await;
    let sever = process.control.sever("vendor/acme".parse().unwrap(), admin, "theft".into());
    let receipt = sever.await.unwrap();
    assert_eq!(receipt.answer, SeverAnswer::NotEverywhere);
    assert!(receipt.arms[0].why.as_deref().unwrap().contains("not linked"), "{receipt:?}");
    assert!(enforcer.cuts().is_empty());
    // It comes, and remembers a cut that this ledger never knew: that one is not lifted.
    let unknown = SeveranceId(uuid::Uuid::from_u128(99));
    enforcer.comes(vec![unknown]).await;
    until("it is told", || enforcer.cuts().len() == 1 && enforcer.plans() == 1).await;
    assert_eq!(enforcer.cuts()[0].severance, receipt.severance);
    assert!(enforcer.plans.lock().unwrap()[0].lifted.is_empty());
    // It didn't say whose that is.
    assert!(codes(&process).contains(&"cut_unknown"), "{:?}", codes(&process));
    until("the finding is over", || !codes(&process).contains(&"enforcer_lost")).await;
    // Restored by two people, it is lifted, and only it.
    let second = process.operator("second").await;
    let target = || "vendor/acme".parse().unwrap();
    let proposed = process.control.propose_restore(target(), admin).await.unwrap();
    let portcullis_api::severing::RestoreAnswer::Proposed { id, .. } = proposed else {
        panic!("{proposed:?}")
    };
    process.control.confirm_restore(id, target(), second).await.unwrap();
    let lifted = || enforcer.plans.lock().unwrap().last().unwrap().lifted.clone();
    until("it is lifted", || lifted() == [receipt.severance]).await;
}

#[tokio::test]
async fn an_enforcer_that_says_nothing_holds_nobody_up_for_long() {
    let world = World::new();
    let (process, admin, enforcer) = enforced_within(&world, plan, Duration::from_millis(50)).await;
    *enforcer.silent.lock().unwrap() = true;
    let sever = process.control.sever("vendor/acme".parse().unwrap(), admin, "theft".into());
    let receipt = sever.await.unwrap();
    assert_eq!(receipt.answer, SeverAnswer::NotEverywhere);
    assert!(receipt.arms[0].why.as_deref().unwrap().contains("did not answer"), "{receipt:?}");
}

/// The same networks, closed as long as the vendor is severed.
fn closing_plan(state: &State) -> NetworkPlan {
    let mut plan = plan(state);
    let severance = state.severances.keys().next().copied();
    for segment in &mut plan.segments {
        let why = severance.map(|severance| ClosedBy::Severance { severance });
        segment.standing = why.map_or(Standing::Open, |why| Standing::Closed { why });
    }
    plan
}

#[tokio::test]
async fn a_cut_is_answered_before_the_plan_that_closes_it_is_sent() {
    let world = World::new();
    let (process, admin, enforcer) = enforced(&world, closing_plan).await;
    *enforcer.silent.lock().unwrap() = true;
    let control = process.control.clone();
    let severing =
        tokio::spawn(
            async move { control.sever("vendor/acme".parse().unwrap(), admin, "theft".into()).await },
        );
    until("the cut is sent, and recorded", || {
        enforcer.cuts().len() == 1
            && process.control.state().size > 0
            && process.control.state().severances.len() == 1
    })
    .await;
    // Other changes go on meanwhile, and wait with it.
    process.operator("second").await;
    enforcer.looked(&process).await;
    assert_eq!(enforcer.closing(), 0, "its plan has overtaken the cut");
    *enforcer.silent.lock().unwrap() = false;
    let (order, _) = enforcer.cuts.lock().unwrap()[0].clone();
    let answer = FromEnforcer::Severed { order, report: report(ArmOutcome::Closed) };
    enforcer.heard.send(Heard::Said(answer)).await.unwrap();
    assert_eq!(severing.await.unwrap().unwrap().answer, SeverAnswer::Severed);
    until("the plan follows", || enforcer.closing() == 1).await;
    assert_eq!(enforcer.cuts().len(), 1, "it is told once");
}

#[tokio::test]
async fn a_cut_that_nobody_answers_holds_no_plan_back_for_long() {
    let world = World::new();
    let (process, admin, enforcer) = enforced_within(&world, closing_plan, Duration::from_millis(50)).await;
    // The plan was answered, this isn't.
    *enforcer.silent.lock().unwrap() = true;
    let receipt = process.control.sever("vendor/acme".parse().unwrap(), admin, "theft".into()).await.unwrap();
    assert_eq!(receipt.answer, SeverAnswer::NotEverywhere);
    until("the plan follows all the same", || enforcer.closing() == 1).await;
}

#[tokio::test]
async fn a_plan_changes_by_the_clock_alone_when_a_term_ends() {
    let world = World::new();
    let process = world.start().await;
    process.acme().await;
    let (begun, control) = (world.now(), process.control.clone());
    let made = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&made);
    let by_clock = move |state: &State| {
        counted.fetch_add(1, Ordering::SeqCst);
        let segmented = control.clock().now().duration_since(begun) > jiff::SignedDuration::from_hours(24);
        NetworkPlan { segmented, ..plan(state) }
    };
    let enforcer = FakeEnforcer::link_with(&process, by_clock, LONG);
    enforcer.comes(Vec::new()).await;
    until("the plan is sent", || enforcer.plans() == 1).await;
    let once = made.load(Ordering::SeqCst);
    world.pass(Duration::from_secs(3_600));
    process.operator("second").await;
    until("it is made of the newer state", || made.load(Ordering::SeqCst) > once).await;
    let twice = made.load(Ordering::SeqCst);
    // No tunnel ends: it is looked at again after a day, and not before.
    world.pass(Duration::from_secs(25 * 3_600));
    until("it has changed", || enforcer.plans() == 2).await;
    assert_eq!(made.load(Ordering::SeqCst), twice + 1, "made once for it");
}

#[tokio::test]
async fn what_was_closed_before_has_no_other_receipt_when_it_is_told_again() {
    let world = World::new();
    let (process, admin, enforcer) = enforced(&world, plan).await;
    let receipt = process.control.sever("vendor/acme".parse().unwrap(), admin, "theft".into()).await.unwrap();
    assert_eq!(receipt.answer, SeverAnswer::Severed);
    // The enforcer comes anew, and then control does.
    enforcer.comes(vec![receipt.severance]).await;
    until("it is told again", || enforcer.cuts().len() == 2).await;
    enforcer.looked(&process).await;
    assert_eq!(receipts_of(&process, receipt.severance).len(), 1);
    process.stop().await;
    let process = world.start().await;
    let enforcer = FakeEnforcer::link(&process);
    enforcer.comes(vec![receipt.severance]).await;
    until("it is told by another process", || enforcer.cuts().len() == 1).await;
    enforcer.looked(&process).await;
    assert!(!codes(&process).contains(&"path_not_closed"), "{:?}", codes(&process));
    let size = process.control.state().size;
    process.operator("second").await;
    assert_eq!(process.control.state().size, size + 1, "something was filed");
    assert_eq!(receipts_of(&process, receipt.severance).len(), 1);
}

#[tokio::test]
async fn what_a_process_before_signed_as_open_is_a_finding_until_it_is_closed_and_that_is_signed() {
    let world = World::new();
    let (process, admin, enforcer) = enforced(&world, plan).await;
    *enforcer.outcome.lock().unwrap() = ArmOutcome::Failed { why: "still open".into() };
    let sever = process.control.sever("vendor/acme".parse().unwrap(), admin, "theft".into());
    let severance = sever.await.unwrap().severance;
    assert_eq!(receipts_of(&process, severance).len(), 1);
    process.stop().await;
    let process = world.start().await;
    let enforcer = FakeEnforcer::link(&process);
    *enforcer.silent.lock().unwrap() = true;
    enforcer.comes(vec![severance]).await;
    until("it is told again", || enforcer.cuts().len() == 1).await;
    assert!(codes(&process).contains(&"path_not_closed"), "{:?}", codes(&process));
    let (order, _) = enforcer.cuts.lock().unwrap()[0].clone();
    let later = FromEnforcer::Severed { order, report: report(ArmOutcome::Closed) };
    enforcer.heard.send(Heard::Said(later)).await.unwrap();
    until("it is signed", || receipts_of(&process, severance).len() == 2).await;
    assert_eq!(receipts_of(&process, severance)[1].answer, SeverAnswer::ArmClosed);
    assert!(!codes(&process).contains(&"path_not_closed"), "{:?}", codes(&process));
}

#[tokio::test]
async fn a_later_word_waits_for_the_first_receipt_and_comes_behind_it() {
    let world = World::new();
    let (process, admin, enforcer) = enforced(&world, plan).await;
    *enforcer.outcome.lock().unwrap() = ArmOutcome::Failed { why: "still open".into() };
    process.store.set(Fault::Hang);
    let sever = process.control.sever("vendor/acme".parse().unwrap(), admin, "theft".into());
    let receipt = sever.await.unwrap();
    assert_eq!(receipt.answer, SeverAnswer::NotEverywhere);
    assert!(receipt.notes.iter().any(|note| note.contains("on its way")), "{:?}", receipt.notes);
    let (order, _) = enforcer.cuts.lock().unwrap()[0].clone();
    let later = FromEnforcer::Severed { order, report: report(ArmOutcome::Closed) };
    enforcer.heard.send(Heard::Said(later)).await.unwrap();
    until("it is heard", || !codes(&process).contains(&"path_not_closed")).await;
    process.store.set(Fault::None);
    until("both are filed", || receipts_of(&process, receipt.severance).len() == 2).await;
    let answers: Vec<_> =
        receipts_of(&process, receipt.severance).iter().map(|receipt| receipt.answer).collect();
    assert_eq!(answers, [SeverAnswer::NotEverywhere, SeverAnswer::ArmClosed]);
}

#[tokio::test]
async fn an_arm_that_is_absent_when_it_should_cut_is_in_the_receipt() {
    let world = World::new();
    let (process, admin, enforcer) = enforced(&world, plan).await;
    // It was there when the enforcer was linked.
    *enforcer.outcome.lock().unwrap() = ArmOutcome::Absent { why: "nft has gone".into() };
    let sever = process.control.sever("vendor/acme".parse().unwrap(), admin, "theft".into());
    let receipt = sever.await.unwrap();
    let absent: Vec<_> = receipt.absent_arms.iter().map(|arm| (arm.arm.as_str(), arm.why.as_str())).collect();
    assert_eq!(absent, [("packets", "nft has gone"), ("wireguard", "no `wg`")]);
}

#[tokio::test]
async fn a_cut_that_was_lost_here_is_in_force_again_and_two_people_lift_it() {
    let world = World::new();
    let (process, admin, enforcer) = enforced(&world, plan).await;
    let vendor = process.control.state().standings().next().unwrap().vendor_id();
    let (known, gone) = (SeveranceId(uuid::Uuid::from_u128(99)), SeveranceId(uuid::Uuid::from_u128(98)));
    let nobody = portcullis_domain::ids::VendorId(uuid::Uuid::from_u128(4_711));
    let held = |severance, id| HeldCut { severance, scope: Scope::Vendor { id } };
    enforcer.comes_with(vec![known, gone], vec![held(known, vendor), held(gone, nobody)]).await;
    let recorded = || process.control.state().severances.keys().copied().collect::<Vec<_>>();
    until("they are recorded", || recorded() == [gone, known]).await;
    assert!(!codes(&process).contains(&"cut_unknown"), "{:?}", codes(&process));
    let second = process.operator("second").await;
    // A vendor that this ledger never had is named by its id.
    for (name, severance) in [("vendor/acme".to_owned(), known), (format!("vendor/{}", nobody.0), gone)] {
        let target = || name.parse().unwrap();
        let proposed = process.control.propose_restore(target(), admin).await.unwrap();
        let portcullis_api::severing::RestoreAnswer::Proposed { id, .. } = proposed else {
            panic!("{proposed:?}")
        };
        assert!(process.control.confirm_restore(id, target(), admin).await.is_err(), "by one alone");
        process.control.confirm_restore(id, target(), second).await.unwrap();
        let lifted = || enforcer.plans.lock().unwrap().iter().any(|plan| plan.lifted.contains(&severance));
        until("it is lifted", lifted).await;
    }
}

#[tokio::test]
async fn a_plan_that_is_older_than_what_is_in_force_goes_on_beyond_it() {
    let world = World::new();
    let process = world.start().await;
    let admin = process.operator("admin").await;
    process.acme().await;
    let enforcer = FakeEnforcer::link(&process);
    let target = || "vendor/acme".parse().unwrap();
    let severance = process.control.sever(target(), admin, "theft".into()).await.unwrap().severance;
    let proposed = process.control.propose_restore(target(), admin).await.unwrap();
    let portcullis_api::severing::RestoreAnswer::Proposed { id, .. } = proposed else {
        panic!("{proposed:?}")
    };
    process.control.confirm_restore(id, target(), admin).await.unwrap();
    // A ledger was brought back from a backup; this is how far the enforcer was.
    let far = 3 << 16;
    *enforcer.in_force.lock().unwrap() = far;
    enforcer.comes(vec![severance]).await;
    until("it is told", || codes(&process).contains(&"network_plan_refused")).await;
    until("it is taken", || enforcer.plans() == 1).await;
    assert!(enforcer.plans.lock().unwrap()[0].version >= far);
    assert_eq!(enforcer.plans.lock().unwrap()[0].lifted, [severance], "it was refused with the first one");
    let enforced = || process.control.enforcer_standing().enforced;
    until("it is known", || enforced() == Some(process.control.state().size)).await;
    assert!(!codes(&process).contains(&"network_plan_refused"), "{:?}", codes(&process));
}

#[tokio::test]
async fn a_cut_that_never_went_out_is_told_before_the_plan_that_closes_it() {
    let world = World::new();
    let (process, admin, enforcer) = enforced_within(&world, closing_plan, Duration::from_millis(50)).await;
    enforcer.reads.send_replace(false);
    // More than the link has room for.
    for _ in 0..2 * ORDERS_MAX {
        let control = process.control.clone();
        tokio::spawn(async move { control.ask_enforcer(|order| ToEnforcer::Measure { order }).await });
    }
    let sever = process.control.sever("vendor/acme".parse().unwrap(), admin, "theft".into());
    assert_eq!(sever.await.unwrap().answer, SeverAnswer::NotEverywhere);
    assert_eq!((enforcer.cuts().len(), enforcer.closing()), (0, 0));
    enforcer.reads.send_replace(true);
    until("the plan is sent", || enforcer.closing() == 1).await;
    assert_eq!(enforcer.cuts().len(), 1);
}

#[tokio::test]
async fn what_has_an_upstream_of_ours_in_it_is_left_to_the_gate() {
    let world = World::new();
    let wide = |state: &State| {
        let mut plan = plan(state);
        // Upstream `tracking` is at 127.0.0.1.
        let networks = ["127.0.0.0/24", "10.0.0.0/8", "192.0.2.0/28"];
        if let Some(segment) = plan.segments.first_mut() {
            segment.networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        }
        plan
    };
    let (process, admin, enforcer) = enforced(&world, wide).await;
    let spared =
        [("10.0.0.0/8", "everybody else in a network wider than /16"), ("127.0.0.0/24", "upstream/tracking")];
    let told = |shared: &[portcullis_api::severing::SharedAddress]| {
        let told = shared.iter().map(|of| (of.network.clone(), of.with.clone()));
        assert_eq!(told.collect::<Vec<_>>(), spared.map(|(one, other)| (one.to_owned(), other.to_owned())));
    };
    told(&process.control.sever_preview(&"vendor/acme".parse().unwrap()).unwrap().shared_addresses);
    let sever = process.control.sever("vendor/acme".parse().unwrap(), admin, "theft".into());
    told(&sever.await.unwrap().shared_addresses);
    let cut: Vec<_> = enforcer.cuts()[0].networks.iter().map(ToString::to_string).collect();
    assert_eq!(cut, ["192.0.2.0/28"]);
}
