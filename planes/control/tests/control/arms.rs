//! Severing with an enforcer that is played by the test.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_api::severing::{ArmVerdict, SeverAnswer};
use portcullis_control::EnforcerLink;
use portcullis_control::error::ExecuteError;
use portcullis_control::receipts;
use portcullis_domain::ids::{IntegrationId, OperatorId, SeveranceId};
use portcullis_domain::state::State;
use portcullis_incident::page::PageCause;
use portcullis_ledger::note::NoteSigner;
use portcullis_network::cut::Cut;
use portcullis_network::order::{
    Arm, ArmOutcome, ArmReport, ArmStanding, CutReport, FromEnforcer, Heard, PathReport, ToEnforcer,
};
use portcullis_network::plan::{ClosedBy, NetworkPlan, Owner, Segment, Standing};
use tokio::sync::mpsc;

use crate::world::{Fault, Process, World, until};

/// What the enforcer was told, and how it answers.
struct FakeEnforcer {
    heard: mpsc::Sender<Heard>,
    cuts: Arc<Mutex<Vec<(u64, Cut)>>>,
    plans: Arc<Mutex<Vec<NetworkPlan>>>,
    outcome: Arc<Mutex<ArmOutcome>>,
    silent: Arc<Mutex<bool>>,
}

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
        Self::link_with(process, plan)
    }

    fn link_with(process: &Process, plan: impl Fn(&State) -> NetworkPlan + Send + Sync + 'static) -> Self {
        let (to_enforcer, mut orders) = mpsc::channel(64);
        let (heard, from_enforcer) = mpsc::channel(64);
        let link = EnforcerLink { to_enforcer, from_enforcer, plan: Arc::new(plan) };
        process.control.attach_enforcer(link);
        let signer = NoteSigner::from_seed("control.example", &[7; 32]).unwrap();
        process.control.sign_receipts_with(signer);
        let fake = Self {
            heard: heard.clone(),
            cuts: Arc::default(),
            plans: Arc::default(),
            outcome: Arc::new(Mutex::new(ArmOutcome::Closed)),
            silent: Arc::default(),
        };
        let (cuts, plans) = (Arc::clone(&fake.cuts), Arc::clone(&fake.plans));
        let (outcome, silent) = (Arc::clone(&fake.outcome), Arc::clone(&fake.silent));
        tokio::spawn(async move {
            while let Some(order) = orders.recv().await {
                let answer = match order {
                    ToEnforcer::Sever { order, cut } => {
                        cuts.lock().unwrap().push((order, *cut));
                        let report = report(outcome.lock().unwrap().clone());
                        FromEnforcer::Severed { order, report }
                    }
                    ToEnforcer::Enforce { plan } => {
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
        let arms = vec![
            ArmStanding { arm: Arm::Packets, absent: None },
            ArmStanding { arm: Arm::Wireguard, absent: Some("no `wg`".into()) },
        ];
        self.heard.send(Heard::Linked { version: "0".into(), arms, held }).await.unwrap();
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
    let process = world.start().await;
    let admin = process.operator("admin").await;
    process.acme().await;
    let enforcer = FakeEnforcer::link_with(&process, plan);
    enforcer.comes(Vec::new()).await;
    until("the plan is sent", || enforcer.plans() == 1).await;
    (process, admin, enforcer)
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
    let (process, admin, enforcer) = enforced(&world, plan).await;
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
    let (process, admin, enforcer) = enforced(&world, closing_plan).await;
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
    let enforcer = FakeEnforcer::link_with(&process, by_clock);
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
