//! The keeper with arms that do what a test says, and short waits.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use ipnet::IpNet;
use portcullis_enforcement::{Answer, ArmError};
use portcullis_ids::ids::{IntegrationId, VendorId};
use portcullis_network::cut::Shared;
use portcullis_network::order::{ArmOutcome, CutReport, PathReport};
use portcullis_network::plan::Owner;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::*;

const SOON: Duration = Duration::from_secs(20);

/// An arm, with what is closed in its kernel.
struct Scripted {
    arm: Arm,
    closed: Mutex<BTreeSet<IpNet>>,
    /// What was asked of the arms, in its order.
    log: Arc<Mutex<Vec<(Arm, &'static str)>>>,
    /// Each cut takes one.
    cuts: Semaphore,
    /// So many looks find it open.
    lies: AtomicU32,
    /// The next plan fails.
    fails: AtomicBool,
    /// How long a plan takes.
    takes: Duration,
}

impl Scripted {
    fn new(arm: Arm, log: &Arc<Mutex<Vec<(Arm, &'static str)>>>) -> Self {
        Self {
            arm,
            closed: Mutex::default(),
            log: Arc::clone(log),
            cuts: Semaphore::new(Semaphore::MAX_PERMITS),
            lies: AtomicU32::new(0),
            fails: AtomicBool::new(false),
            takes: Duration::ZERO,
        }
    }

    fn note(&self, what: &'static str) {
        self.log.lock().unwrap().push((self.arm, what));
    }

    fn paths(cut: &Cut) -> Vec<PathReport> {
        let path = |network: &IpNet| PathReport {
            path: format!("network/{network}"),
            was_open: true,
            closed_us: None,
            verified_us: None,
            how: String::new(),
        };
        cut.networks.iter().map(path).collect()
    }
}

impl NetworkArm for Scripted {
    fn arm(&self) -> Arm {
        self.arm
    }

    fn probe(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn enforce<'a>(&'a self, plan: &'a NetworkPlan) -> Answer<'a, ()> {
        Box::pin(async move {
            self.note("enforce");
            if !self.takes.is_zero() {
                every(self.takes).tick().await;
            }
            if self.fails.swap(false, Ordering::SeqCst) {
                return Err(ArmError::Open("once".to_owned()));
            }
            *self.closed.lock().unwrap() = plan.closed_networks().into_iter().collect();
            Ok(())
        })
    }

    fn sever<'a>(&'a self, cut: &'a Cut) -> Answer<'a, Vec<PathReport>> {
        Box::pin(async move {
            self.note("sever");
            self.cuts.acquire().await.unwrap().forget();
            self.closed.lock().unwrap().extend(cut.networks.iter().copied());
            Ok(Self::paths(cut))
        })
    }

    fn verify<'a>(&'a self, cut: &'a Cut) -> Answer<'a, Vec<PathReport>> {
        Box::pin(async move {
            self.note("verify");
            if self.lies.load(Ordering::SeqCst) > 0 {
                self.lies.fetch_sub(1, Ordering::SeqCst);
                return Err(ArmError::Open("a race".to_owned()));
            }
            let closed = self.closed.lock().unwrap();
            match cut.networks.iter().find(|network| !closed.contains(*network)) {
                Some(open) => Err(ArmError::Open(open.to_string())),
                None => Ok(Self::paths(cut)),
            }
        })
    }
}

/// A keeper at work; it ends with this.
struct World {
    folder: tempfile::TempDir,
    orders: mpsc::Sender<Order>,
    answers: mpsc::Sender<FromEnforcer>,
    answered: mpsc::Receiver<FromEnforcer>,
    kept: watch::Receiver<Kept>,
    log: Arc<Mutex<Vec<(Arm, &'static str)>>>,
    _running: JoinSet<()>,
}

impl World {
    fn new(log: Arc<Mutex<Vec<(Arm, &'static str)>>>, arms: &[Arc<Scripted>], timings: Timings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arms: Arms = arms.iter().map(|arm| Arc::clone(arm) as Arc<dyn NetworkArm>).collect();
        let clock = Clock::new(|| jiff::Timestamp::UNIX_EPOCH, || Duration::ZERO);
        let (mut keeper, kept) = Keeper::open(arms, clock, folder.path()).unwrap();
        keeper.timings = timings;
        let (orders, waiting) = mpsc::channel(ORDERS_MAX);
        let (answers, answered) = mpsc::channel(ORDERS_MAX);
        let mut running = JoinSet::new();
        running.spawn(keeper.run(waiting));
        Self { folder, orders, answers, answered, kept, log, _running: running }
    }

    async fn sever(&self, order: u64, cut: Cut) {
        let answers = Some(self.answers.clone());
        let order = Order::Sever { order, cut: Box::new(cut), arrived: Duration::ZERO, answers };
        self.orders.send(order).await.ok().unwrap();
    }

    async fn heard(&mut self) -> FromEnforcer {
        timeout(SOON, self.answered.recv()).await.expect("a word in time").unwrap()
    }

    async fn severed(&mut self) -> (u64, CutReport) {
        loop {
            if let FromEnforcer::Severed { order, report } = self.heard().await {
                return (order, report);
            }
        }
    }

    fn count(&self, arm: Arm, what: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|noted| **noted == (arm, what)).count()
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let mut look = every(Duration::from_millis(1));
    let all = async {
        while !holds() {
            look.tick().await;
        }
    };
    timeout(SOON, all).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// Nothing comes by itself.
fn rare() -> Timings {
    Timings { again: 10 * SOON, again_failed: 10 * SOON }
}

fn cut(networks: &[&str], shared: &[&str]) -> Cut {
    let shared = shared
        .iter()
        .map(|network| Shared { network: network.parse().unwrap(), with: "vendor/other".to_owned() });
    Cut {
        severance: SeveranceId(Uuid::from_u128(9)),
        owner: Owner {
            vendor: VendorId(Uuid::from_u128(1)),
            vendor_name: "acme".to_owned(),
            integration: IntegrationId(Uuid::from_u128(2)),
            integration_name: "orders".to_owned(),
        },
        networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
        shared: shared.collect(),
        tunnels: Vec::new(),
    }
}

fn is_closed(report: &CutReport) -> bool {
    report.arms.iter().all(|arm| arm.outcome == ArmOutcome::Closed)
}

#[tokio::test]
async fn a_plan_that_takes_long_comes_into_force_though_an_arm_has_failed_before() {
    let log = Arc::default();
    let again_failed = Duration::from_millis(10);
    let once = Scripted { fails: AtomicBool::new(true), ..Scripted::new(Arm::Ipsec, &log) };
    let slow = Scripted { takes: 20 * again_failed, ..Scripted::new(Arm::Packets, &log) };
    let mut world =
        World::new(log, &[Arc::new(once), Arc::new(slow)], Timings { again: again_failed, again_failed });
    let plan = Box::new(NetworkPlan { version: 5, ..NetworkPlan::default() });
    world.orders.send(Order::Enforce { plan, answers: world.answers.clone() }).await.ok().unwrap();
    for failed in [1, 0] {
        let FromEnforcer::Enforced { version: 5, failed: told } = world.heard().await else { panic!() };
        assert_eq!(told.len(), failed, "{told:?}");
    }
    assert_eq!(world.count(Arm::Packets, "enforce"), 2, "none was broken off");
}

#[tokio::test]
async fn without_a_plan_what_is_cut_is_closed_again_when_somebody_has_opened_it() {
    let log = Arc::default();
    let packets = Arc::new(Scripted::new(Arm::Packets, &log));
    let timings = Timings { again: Duration::from_millis(5), ..rare() };
    let mut world = World::new(log, &[Arc::clone(&packets)], timings);
    world.sever(1, cut(&["192.0.2.0/28"], &[])).await;
    assert!(is_closed(&world.severed().await.1));
    for _ in 0..3 {
        packets.closed.lock().unwrap().clear();
        until("it is closed again", || !packets.closed.lock().unwrap().is_empty()).await;
    }
}

#[tokio::test]
async fn two_who_order_the_same_wait_for_the_same_work_and_one_who_orders_more_begins_it_anew() {
    let log = Arc::default();
    let packets = Arc::new(Scripted { cuts: Semaphore::new(0), ..Scripted::new(Arm::Packets, &log) });
    let mut world = World::new(log, &[Arc::clone(&packets)], rare());
    let (narrow, wide) = (cut(&["192.0.2.0/28"], &[]), cut(&["192.0.2.0/28", "198.51.100.0/24"], &[]));
    world.sever(1, wide.clone()).await;
    until("it is begun", || world.count(Arm::Packets, "sever") == 1).await;
    world.sever(2, narrow).await;
    world.sever(3, wide.clone()).await;
    // They are heard one after the other: with this one, those before are.
    world.sever(4, Cut { networks: vec!["203.0.113.0/24".parse().unwrap()], ..wide }).await;
    until("it is begun anew, once", || world.count(Arm::Packets, "sever") == 2).await;
    packets.cuts.add_permits(1);
    let mut answered = BTreeSet::new();
    for _ in 0..4 {
        let (order, report) = world.severed().await;
        assert!(is_closed(&report), "{order}: {report:?}");
        assert_eq!(report.arms[0].paths.len(), 3, "{report:?}");
        answered.insert(order);
    }
    assert_eq!(answered.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(world.count(Arm::Packets, "sever"), 2);
}

#[tokio::test]
async fn a_narrower_cut_takes_nothing_out_of_the_one_that_is_held() {
    let log = Arc::default();
    let packets = Arc::new(Scripted::new(Arm::Packets, &log));
    let mut world = World::new(log, &[packets], rare());
    world.sever(1, cut(&["192.0.2.0/28", "198.51.100.0/24"], &[])).await;
    world.severed().await;
    // Declared no more, but for one that another vendor has by now.
    world.sever(2, cut(&["203.0.113.0/24"], &["198.51.100.0/24"])).await;
    let (_, report) = world.severed().await;
    assert!(is_closed(&report) && report.not_kept.is_none(), "{report:?}");
    let held: Vec<IpNet> = world.kept.borrow_and_update().cuts[0].networks.clone();
    let wanted: Vec<IpNet> = ["192.0.2.0/28", "203.0.113.0/24"].map(|net| net.parse().unwrap()).into();
    assert_eq!(held, wanted);
    let (_, on_disk) = Journal::open(&world.folder.path().join("cuts")).unwrap();
    assert_eq!(on_disk.into_values().next().unwrap().networks, wanted);
}

#[tokio::test]
async fn a_try_that_loses_a_race_is_not_the_answer() {
    let log = Arc::default();
    let packets = Arc::new(Scripted { lies: AtomicU32::new(1), ..Scripted::new(Arm::Packets, &log) });
    let mut world = World::new(log, &[packets], rare());
    world.sever(1, cut(&["192.0.2.0/28"], &[])).await;
    let (_, report) = world.severed().await;
    assert!(is_closed(&report) && report.arms[0].attempts == 2, "{report:?}");
}

#[tokio::test]
async fn sockets_are_destroyed_once_more_when_packets_are_dropped() {
    let log = Arc::default();
    let packets = Arc::new(Scripted { cuts: Semaphore::new(0), ..Scripted::new(Arm::Packets, &log) });
    let sockets = Arc::new(Scripted::new(Arm::Sockets, &log));
    let mut world = World::new(log, &[Arc::clone(&packets), Arc::clone(&sockets)], rare());
    world.sever(1, cut(&["192.0.2.0/28"], &[])).await;
    until("sockets wait for no other arm", || world.count(Arm::Sockets, "verify") == 1).await;
    packets.cuts.add_permits(1);
    let (_, report) = world.severed().await;
    assert!(is_closed(&report) && report.arms[1].paths.len() == 1, "{report:?}");
    let log = world.log.lock().unwrap().clone();
    let place = |wanted| log.iter().rposition(|noted| *noted == wanted).unwrap();
    assert!(place((Arm::Sockets, "sever")) > place((Arm::Packets, "verify")), "{log:?}");
    assert!(place((Arm::Sockets, "verify")) > place((Arm::Sockets, "sever")), "{log:?}");
}

#[tokio::test]
async fn a_cut_is_made_and_told_though_it_can_not_be_kept() {
    let log = Arc::default();
    let packets = Arc::new(Scripted::new(Arm::Packets, &log));
    let mut world = World::new(log, &[packets], rare());
    let cuts = world.folder.path().join("cuts");
    std::fs::remove_dir(&cuts).unwrap();
    world.sever(1, cut(&["192.0.2.0/28"], &[])).await;
    let (_, report) = world.severed().await;
    assert!(is_closed(&report), "{report:?}");
    let why = report.not_kept.unwrap();
    assert!(why.contains("cuts") && why.contains("No such file"), "{why}");
}
