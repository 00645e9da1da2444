//! One severance with everything busy, measured.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::bystander::Bystander;
use crate::clock::now_ns;
use crate::installation::Cut;
use crate::stage::{Busy, Tunnels};
use crate::traffic::{self, End, Kind, Stream};
use crate::world::{Beside, World};

/// How long it is watched that nothing comes any more.
pub const WATCH: Duration = Duration::from_millis(1_500);
/// Answers of the bystander before the cut.
const BEFORE: usize = 500;
/// All packets, both ways, without a word to anybody.
const BLACKHOLE: &str = "table inet blackhole {\n chain in { type filter hook prerouting priority -300; policy drop; }\n \
                         chain out { type filter hook output priority -300; policy drop; }\n}\n";

/// What the vendor's host does while it is severed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    Answering,
    /// It is silent from just before the command on: nothing that we send is answered.
    Blackholed,
}

/// A vendor with everything that it can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paths {
    /// Needs `/dev/net/tun`.
    WithTunnels,
    WithoutTunnels,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Run {
    pub cut: Cut,
    pub streams: Vec<Last>,
    /// Durations of the bystander's requests.
    pub before: Vec<u64>,
    /// From the command to the receipt, and from there to the end of the watch.
    pub during: Vec<u64>,
    pub after: Vec<u64>,
    pub errors: Vec<String>,
}

/// The last byte of one stream.
#[derive(Clone, PartialEq, Debug)]
pub struct Last {
    pub kind: Kind,
    pub end: End,
    pub label: String,
    /// Milliseconds after the command.
    pub after_ms: f64,
    /// How many milliseconds after the receipt; negative where it came before, as it must.
    pub after_receipt_ms: f64,
    /// How the connection ended, for who reads.
    pub how: String,
    /// Whether the receipt says that nothing closes this kind.
    pub absent: bool,
    /// Whether bytes came on and on.
    pub grows: bool,
}

/// Builds everything anew, severs `acme`, and watches.
#[must_use]
pub fn measure(binary: &Path, peer: Peer, paths: Paths) -> Run {
    let tunnels = paths == Paths::WithTunnels;
    let beside = if tunnels { Beside::Tunnels } else { Beside::Enforcer };
    let world = World::new(binary, &["acme", "bystander"], beside);
    let vendor = world.vendor("acme");
    let _tunnels = tunnels.then(|| Tunnels::raise(&world, vendor));
    let busy = Busy::start(&world, vendor, tunnels);
    let other = world.vendor("bystander");
    let bystander = Bystander::start(&other.host, &other.machine, &other.token());
    // The first requests meet a gate that has just started.
    bystander.until_answered(BEFORE / 5);
    let steady_ns = now_ns();
    bystander.until_answered(BEFORE);
    if peer == Peer::Blackholed {
        vendor.host.feed("nft", &["-f", "-"], BLACKHOLE);
    }
    let cut = world.installation.sever(&world.gate, "vendor/acme");
    let growing = traffic::growing(&busy.streams, WATCH);
    let absent = absent_arms(&cut.receipt);
    let end_ns = now_ns();
    Run {
        streams: busy.streams.iter().map(|stream| Last::of(stream, &cut, &absent, &growing)).collect(),
        before: bystander.durations(steady_ns, cut.asked_ns),
        during: bystander.durations(cut.asked_ns, cut.receipt_ns),
        after: bystander.durations(cut.receipt_ns, end_ns),
        errors: bystander.errors(),
        cut,
    }
}

impl Run {
    /// From the command to the printed receipt, in milliseconds.
    #[must_use]
    pub fn receipt_ms(&self) -> f64 {
        (self.cut.receipt_ns - self.cut.asked_ns) as f64 / 1e6
    }

    /// What control says it took, from the request's arrival to its answer.
    #[must_use]
    pub fn control_ms(&self) -> f64 {
        milliseconds(&self.cut.receipt["took_us"])
    }

    /// From the request's arrival to the last word of the gate's cores.
    #[must_use]
    pub fn gates_ms(&self) -> f64 {
        milliseconds(&self.cut.receipt["gates_took_us"])
    }

    /// From the request's arrival to the commit.
    #[must_use]
    pub fn recorded_ms(&self) -> f64 {
        milliseconds(&self.cut.receipt["recorded_took_us"])
    }

    /// What one arm says it took, its look included; 0 where it isn't there.
    #[must_use]
    pub fn arm_ms(&self, arm: &str) -> f64 {
        let mut arms = self.cut.receipt["arms"].as_array().into_iter().flatten();
        arms.find(|found| found["arm"] == arm).map_or(0.0, |found| milliseconds(&found["took_us"]))
    }

    /// Streams of which a byte was read after the receipt, though something closes them: figures of a calm machine, since a
    /// busy one reads late what came in time.
    #[must_use]
    pub fn late(&self) -> Vec<String> {
        let late = self.streams.iter().filter(|last| !last.absent && last.after_receipt_ms > 0.0);
        late.map(|last| format!("{}: {:.1} ms after the receipt", last.label, last.after_receipt_ms))
            .collect()
    }

    /// What goes on though it should be closed.
    #[must_use]
    pub fn going_on(&self) -> Vec<&str> {
        let going_on = self.streams.iter().filter(|last| !last.absent && last.grows);
        going_on.map(|last| last.label.as_str()).collect()
    }

    /// For who reads why a test failed.
    #[must_use]
    pub fn told(&self) -> String {
        let mut text = format!(
            "receipt after {:.1} ms; {:.1} ms of them in control, {:.1} ms to the gates and the ledger\n",
            self.receipt_ms(),
            self.control_ms(),
            self.gates_ms()
        );
        for last in &self.streams {
            let Last { label, after_ms, how, .. } = last;
            text.push_str(&format!("{label:40} last byte after {after_ms:8.1} ms: {how}\n"));
        }
        text.push_str(&format!("{}\n", self.cut.receipt));
        text
    }
}

impl Last {
    fn of(stream: &Stream, cut: &Cut, absent: &[String], growing: &[String]) -> Self {
        let last = stream.meter.read().last_ns as f64;
        let how = stream.meter.end().map_or_else(|| "silence".to_owned(), |end| end.how);
        Self {
            kind: stream.kind,
            end: stream.end,
            label: stream.label(),
            after_ms: (last - cut.asked_ns as f64) / 1e6,
            after_receipt_ms: (last - cut.receipt_ns as f64) / 1e6,
            how,
            grows: growing.contains(&stream.label()),
            absent: arms_of(stream.kind).iter().any(|arm| absent.iter().any(|absent| absent == arm)),
        }
    }
}

/// Which arms close it; the gate's own needs none.
#[must_use]
pub fn arms_of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::RawTcp => &["packets", "sockets"],
        Kind::Ipsec => &["ipsec"],
        Kind::WireGuard => &["wireguard"],
        _ => &[],
    }
}

/// What the receipt says that it can't close.
#[must_use]
pub fn absent_arms(receipt: &Value) -> Vec<String> {
    let arms = receipt["absent_arms"].as_array().into_iter().flatten();
    arms.filter_map(|arm| arm["arm"].as_str()).map(str::to_owned).collect()
}

fn milliseconds(microseconds: &Value) -> f64 {
    microseconds.as_f64().unwrap_or(f64::NAN) / 1e3
}
