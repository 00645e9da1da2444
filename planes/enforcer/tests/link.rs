//! Control and the enforcer over a real socket, with arms that remember what they were told.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test says what went wrong by panicking, and takes the machine's time"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portcullis_enforcement::{Answer, ArmError, NetworkArm};
use portcullis_enforcer::{client, server};
use portcullis_ids::ids::{IntegrationId, SeveranceId, VendorId};
use portcullis_network::cut::{Cut, Scope};
use portcullis_network::order::{Arm, ArmOutcome, CutReport, FromEnforcer, Heard, PathReport, ToEnforcer};
use portcullis_network::plan::{NetworkPlan, Owner, Segment, Standing};
use portcullis_policy::clock::Clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;

/// A host as one arm sees it: which networks are closed in its kernel.
#[derive(Default)]
struct Host {
    closed: Mutex<BTreeSet<String>>,
    /// Says that it has closed, and hasn't.
    lies: AtomicBool,
    hangs: AtomicBool,
    /// Plans are never done.
    slow_plans: AtomicBool,
    plans: AtomicU32,
}

struct FakeArm(Arm, Arc<Host>);

impl FakeArm {
    fn paths(cut: &Cut) -> Vec<PathReport> {
        let path = |network: &ipnet::IpNet| PathReport {
            path: format!("network/{network}"),
            was_open: true,
            closed_us: None,
            verified_us: None,
            how: "looked".to_owned(),
        };
        cut.networks.iter().map(path).collect()
    }
}

impl NetworkArm for FakeArm {
    fn arm(&self) -> Arm {
        self.0
    }

    fn probe(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn enforce<'a>(&'a self, plan: &'a NetworkPlan) -> Answer<'a, ()> {
        Box::pin(async move {
            self.1.plans.fetch_add(1, Ordering::SeqCst);
            if self.1.slow_plans.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            let closed = plan.closed_networks().iter().map(ToString::to_string).collect();
            *self.1.closed.lock().unwrap() = closed;
            Ok(())
        })
    }

    fn sever<'a>(&'a self, cut: &'a Cut) -> Answer<'a, Vec<PathReport>> {
        Box::pin(async move {
            if self.1.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            if !self.1.lies.load(Ordering::SeqCst) {
                let mut closed = self.1.closed.lock().unwrap();
                closed.extend(cut.networks.iter().map(ToString::to_string));
            }
            Ok(Self::paths(cut))
        })
    }

    fn verify<'a>(&'a self, cut: &'a Cut) -> Answer<'a, Vec<PathReport>> {
        Box::pin(async move {
            let closed = self.1.closed.lock().unwrap().clone();
            for network in &cut.networks {
                if !closed.contains(&network.to_string()) {
                    return Err(ArmError::Open(network.to_string()));
                }
            }
            Ok(Self::paths(cut))
        })
    }
}

struct World {
    folder: tempfile::TempDir,
    packets: Arc<Host>,
    ipsec: Arc<Host>,
}

/// A running enforcer, with a runtime of its own, which ends with its handle as a process does.
struct Running {
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Control's end of the socket; it is closed with its handle.
struct Client(JoinHandle<()>);

impl Drop for Client {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn clock() -> Clock {
    let start = Instant::now();
    Clock::new(jiff::Timestamp::now, move || start.elapsed())
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), packets: Arc::default(), ipsec: Arc::default() }
    }

    fn options(&self) -> server::Options {
        let at = self.folder.path();
        server::Options {
            socket: at.join("enforcer.sock"),
            state: at.join("state"),
            group: None,
            owner: None,
        }
    }

    fn start(&self) -> Running {
        let arms: Vec<Arc<dyn NetworkArm>> = vec![
            Arc::new(FakeArm(Arm::Ipsec, Arc::clone(&self.ipsec))),
            Arc::new(FakeArm(Arm::Packets, Arc::clone(&self.packets))),
        ];
        let (end, ended) = oneshot::channel::<()>();
        let (bound, is_bound) = std::sync::mpsc::channel();
        let options = self.options();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let enforcer = server::Enforcer::open(&options, arms, clock()).unwrap();
                bound.send(()).unwrap();
                tokio::select! { () = enforcer.run() => {}, _ = ended => {} }
            });
        });
        is_bound.recv().unwrap();
        Running { end: Some(end), thread: Some(thread) }
    }

    fn link(&self) -> Link {
        let (to, orders) = mpsc::channel(64);
        let (words, from) = mpsc::channel(64);
        let client = tokio::spawn(client::run(self.options().socket, orders, words));
        Link { to, from, _client: Client(client) }
    }
}

struct Link {
    to: mpsc::Sender<ToEnforcer>,
    from: mpsc::Receiver<Heard>,
    _client: Client,
}

impl Link {
    async fn heard(&mut self) -> Heard {
        timeout(Duration::from_secs(20), self.from.recv()).await.expect("a word in time").expect("a link")
    }

    async fn linked(&mut self) -> Vec<SeveranceId> {
        loop {
            if let Heard::Linked { held, .. } = self.heard().await {
                return held;
            }
        }
    }

    async fn severed(&mut self) -> CutReport {
        loop {
            if let Heard::Said(FromEnforcer::Severed { report, .. }) = self.heard().await {
                return report;
            }
        }
    }

    async fn enforced(&mut self) -> u64 {
        loop {
            if let Heard::Said(FromEnforcer::Enforced { version, failed }) = self.heard().await {
                assert!(failed.is_empty(), "{failed:?}");
                return version;
            }
        }
    }

    async fn sever(&mut self, order: u64, cut: &Cut) -> CutReport {
        self.to.send(ToEnforcer::Sever { order, cut: Box::new(cut.clone()) }).await.unwrap();
        self.severed().await
    }

    async fn enforce(&mut self, plan: &NetworkPlan) {
        self.to.send(ToEnforcer::Enforce { plan: Box::new(plan.clone()) }).await.unwrap();
    }
}

fn plan(version: u64) -> NetworkPlan {
    let owner = |number: u128| Owner {
        vendor: VendorId(Uuid::from_u128(number)),
        vendor_name: format!("vendor-{number}"),
        integration: IntegrationId(Uuid::from_u128(number + 100)),
        integration_name: format!("integration-{number}"),
    };
    let segment = |number: u128, network: &str| Segment {
        owner: owner(number),
        networks: vec![network.parse().unwrap()],
        standing: Standing::Open,
    };
    let segments = vec![segment(1, "192.0.2.0/28"), segment(2, "198.51.100.0/24")];
    NetworkPlan { version, segments, ..NetworkPlan::default() }
}

fn cut(vendor: u128, severance: u128) -> Cut {
    let scope = Scope::Vendor { id: VendorId(Uuid::from_u128(vendor)) };
    plan(0).cut(scope, SeveranceId(Uuid::from_u128(severance)))
}

fn outcomes(report: &CutReport) -> Vec<(Arm, ArmOutcome)> {
    report.arms.iter().map(|arm| (arm.arm, arm.outcome.clone())).collect()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let mut look = tokio::time::interval(Duration::from_millis(2));
    let all = async {
        while !holds() {
            look.tick().await;
        }
    };
    timeout(Duration::from_secs(20), all).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

#[tokio::test]
async fn a_cut_is_verified_and_outlives_an_older_plan_and_the_process() {
    let world = World::new();
    let running = world.start();
    let mut link = world.link();
    assert!(link.linked().await.is_empty());
    link.enforce(&plan(5)).await;
    assert_eq!(link.enforced().await, 5);
    let report = link.sever(1, &cut(1, 9)).await;
    assert_eq!(outcomes(&report), [(Arm::Ipsec, ArmOutcome::Closed), (Arm::Packets, ArmOutcome::Closed)]);
    let path = &report.arms[1].paths[0];
    assert_eq!(path.path, "network/192.0.2.0/28");
    assert!(path.closed_us.is_some() && path.verified_us >= path.closed_us);
    // A plan that was made before the severance doesn't open it.
    link.enforce(&plan(6)).await;
    while link.enforced().await != 6 {}
    assert_eq!(world.packets.closed.lock().unwrap().len(), 1, "the plan is in force with the cut in it");
    drop((running, link));
    // The machine was started anew, too: nothing is closed in its kernel.
    world.packets.closed.lock().unwrap().clear();
    let _running = world.start();
    until("what was cut is cut again", || world.packets.closed.lock().unwrap().contains("192.0.2.0/28"))
        .await;
    let mut link = world.link();
    assert_eq!(link.linked().await, [SeveranceId(Uuid::from_u128(9))]);
    // Only the word that it is lifted opens it.
    let lifted = NetworkPlan { lifted: vec![SeveranceId(Uuid::from_u128(9))], ..plan(7) };
    link.enforce(&lifted).await;
    until("it is open", || world.packets.closed.lock().unwrap().is_empty()).await;
}

#[tokio::test]
async fn an_arm_that_lies_is_found_and_tried_on_until_it_has_closed() {
    let world = World::new();
    let _running = world.start();
    let mut link = world.link();
    link.linked().await;
    world.packets.lies.store(true, Ordering::SeqCst);
    let report = link.sever(1, &cut(1, 9)).await;
    let why = "still open: 192.0.2.0/28".to_owned();
    let failed = ArmOutcome::Failed { why };
    assert_eq!(outcomes(&report), [(Arm::Ipsec, ArmOutcome::Closed), (Arm::Packets, failed)]);
    world.packets.lies.store(false, Ordering::SeqCst);
    let later = link.severed().await;
    assert_eq!(outcomes(&later)[1], (Arm::Packets, ArmOutcome::Closed));
    assert!(later.arms[1].attempts > 1);
}

#[tokio::test]
async fn an_arm_that_hangs_slows_no_other_and_is_told() {
    let world = World::new();
    let _running = world.start();
    let mut link = world.link();
    link.linked().await;
    world.ipsec.hangs.store(true, Ordering::SeqCst);
    let report = link.sever(1, &cut(1, 9)).await;
    assert!(matches!(report.arms[0].outcome, ArmOutcome::Failed { .. }), "{report:?}");
    assert_eq!(report.arms[1].outcome, ArmOutcome::Closed);
    // The one that hangs is waited for, and not without an end.
    assert!(report.arms[1].took_us < report.arms[0].took_us, "{report:?}");
    assert!(report.took_us < 15_000_000, "{report:?}");
}

#[tokio::test]
async fn a_cut_does_not_wait_for_a_plan_that_is_being_put_into_force() {
    let world = World::new();
    let _running = world.start();
    let mut link = world.link();
    link.linked().await;
    world.packets.slow_plans.store(true, Ordering::SeqCst);
    link.enforce(&plan(5)).await;
    until("the plan has begun", || world.packets.plans.load(Ordering::SeqCst) > 0).await;
    let report = link.sever(1, &cut(1, 9)).await;
    assert!(report.arms.iter().all(|arm| arm.outcome == ArmOutcome::Closed), "{report:?}");
    world.packets.slow_plans.store(false, Ordering::SeqCst);
}

#[tokio::test]
async fn an_older_plan_and_another_protocol_are_refused() {
    let world = World::new();
    let _running = world.start();
    let mut link = world.link();
    link.linked().await;
    link.enforce(&plan(5)).await;
    link.enforced().await;
    link.enforce(&plan(4)).await;
    let refused = link.heard().await;
    assert!(
        matches!(&refused, Heard::Said(FromEnforcer::Refused { why }) if why.contains("older than 5")),
        "{refused:?}"
    );
    // Whoever speaks without a greeting is told, and not listened to.
    let mut stream = tokio::net::UnixStream::connect(world.options().socket).await.unwrap();
    let message = serde_json::to_vec(&ToEnforcer::Enforce { plan: Box::new(plan(9)) }).unwrap();
    stream.write_u32(u32::try_from(message.len()).unwrap()).await.unwrap();
    stream.write_all(&message).await.unwrap();
    let mut answer = vec![0; usize::try_from(stream.read_u32().await.unwrap()).unwrap()];
    stream.read_exact(&mut answer).await.unwrap();
    let refused: FromEnforcer = serde_json::from_slice(&answer).unwrap();
    assert!(matches!(refused, FromEnforcer::Refused { .. }), "{refused:?}");
}

#[tokio::test]
async fn folders_and_socket_are_made_for_the_user_that_the_process_becomes() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let world = World::new();
    let own = std::fs::metadata(world.folder.path()).unwrap();
    // Root may give them to anybody, everybody else keeps them.
    let owner = if own.uid() == 0 { (65_534, 65_533) } else { (own.uid(), own.gid()) };
    let at = world.folder.path();
    let options = server::Options {
        socket: at.join("run/enforcer.sock"),
        state: at.join("state"),
        group: Some(owner.1),
        owner: Some(owner),
    };
    // Of a process before, which was another user.
    std::fs::create_dir_all(options.state.join("cuts")).unwrap();
    let before = options.state.join("cuts/0.json");
    std::fs::write(&before, serde_json::to_vec(&cut(1, 9)).unwrap()).unwrap();
    let _enforcer = server::Enforcer::open(&options, Vec::new(), clock()).unwrap();
    for (path, mode) in [
        (&at.join("run"), Some(0o750)),
        (&options.socket, Some(0o660)),
        (&options.state, None),
        (&options.state.join("cuts"), None),
        (&before, None),
    ] {
        let of = std::fs::metadata(path).unwrap();
        assert_eq!((of.uid(), of.gid()), owner, "{}", path.display());
        if let Some(mode) = mode {
            assert_eq!(of.permissions().mode() & 0o777, mode, "{}", path.display());
        }
    }
}

#[tokio::test]
async fn the_socket_is_for_its_owner_and_one_enforcer_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let running = world.start();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&world.options().socket), 0o600);
    assert_eq!(mode(&world.options().state.join("cuts")), 0o700);
    let again = server::Enforcer::open(&world.options(), Vec::new(), clock());
    let error = again.err().expect("refused").to_string();
    assert!(error.contains("another enforcer"), "{error}");
    drop(running);
}
