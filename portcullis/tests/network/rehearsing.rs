//! Live exercises where everything is real: the canary has tunnels to a host of its own, and an enforcer cuts them,
//! and its packets. With an arm that can't do its part, no exercise passes.

use std::path::Path;

use portcullis_lab::available::{Need, available};
use portcullis_lab::clock::{PATIENCE, within};
use portcullis_lab::stage::{Busy, Tunnels};
use portcullis_lab::traffic;
use portcullis_lab::world::{Beside, World};
use serde_json::Value;

/// The gate has closed the canary's sockets before the enforcer looks for them.
const ARMS: [&str; 3] = ["ipsec", "wireguard", "packets"];
/// The canary's machines are with the gate; this host is the far end of its tunnels.
const FAR: &str = "far";
/// How long nothing may come any more.
const WATCH: std::time::Duration = std::time::Duration::from_millis(300);

struct Rehearsal {
    world: World,
    tunnels: Tunnels,
}

impl Rehearsal {
    fn new() -> Self {
        let world = World::new(Path::new(env!("CARGO_BIN_EXE_portcullis")), &["acme", FAR], Beside::Tunnels);
        world.installation.must(&world.gate, &["exercise", "canary"]);
        // The first drill comes by itself; a later one must not come between.
        let drilled = within(PATIENCE, || {
            let report = world.installation.must(&world.gate, &["exercise", "report"]);
            report.as_array().is_some_and(|runs| !runs.is_empty()).then_some(())
        });
        assert!(drilled.is_some(), "a new canary is not drilled");
        let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/exercise/scenarios/stolen-token.yaml");
        world.installation.must(&world.gate, &["apply", "-f", scenario]);
        let tunnels = Tunnels::raise_under(&world, world.vendor(FAR), "canary");
        Self { world, tunnels }
    }

    fn busy(&self) -> Busy {
        self.tunnels.busy(&self.world, self.world.vendor(FAR))
    }

    fn run(&self, words: &[&str]) -> (Option<i32>, Value, String) {
        let (code, out, told) =
            self.world.installation.operate(&self.world.gate, &[words, &["-o", "json"]].concat());
        let run = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{told}"));
        (code, run, format!("{told}\n{}", self.world.enforcer_log()))
    }

    /// An exercise and the drill, both with something to cut in each arm.
    fn passes(&self, words: &[&str]) {
        let busy = self.busy();
        let (code, run, told) = self.run(words);
        assert_eq!((code, &run["passed"]), (Some(0), &Value::Bool(true)), "{run:#}\n{told}");
        for arm in ARMS {
            let path = format!("arm {arm}");
            let found = run["paths"].as_array().unwrap().iter().find(|tried| tried["path"] == *path);
            assert_eq!(found.map(|tried| &tried["closed"]), Some(&Value::Bool(true)), "{path}: {run:#}");
        }
        assert_eq!(traffic::growing(&busy.streams, WATCH), [""; 0], "{run:#}");
        // The canary is open again, and its tunnels wait for credentials that nobody has had before.
        self.tunnels.must_not_open(self.world.vendor(FAR), "with the old credentials");
    }

    /// The run fails, says which arm, and pages.
    fn fails(&self, words: &[&str], arms: &[&str]) {
        let (code, run, told) = self.run(words);
        assert_eq!((code, &run["grade"]), (Some(1), &Value::from("F")), "{run:#}\n{told}");
        let failures = run["failures"].to_string();
        for arm in arms {
            assert!(failures.contains(&format!("arm `{arm}`")), "{arm}: {run:#}\n{told}");
        }
        let finished = run["steps"].as_array().unwrap().iter().any(|step| step["what"] == "verify");
        assert!(finished, "{run:#}");
    }

    fn open_tunnels(&self) {
        self.tunnels.open_again(&self.world, self.world.vendor(FAR));
    }
}

#[test]
fn a_live_exercise_and_the_drill_cut_the_canarys_tunnels_and_packets() {
    if !available(Need::Tunnels) {
        return;
    }
    let rehearsal = Rehearsal::new();
    rehearsal.passes(&["exercise", "run", "stolen-token", "--live"]);
    rehearsal.open_tunnels();
    rehearsal.passes(&["exercise", "drill"]);
}

#[test]
fn an_exercise_fails_where_an_arm_is_sabotaged_and_the_drill_pages() {
    if !available(Need::Tunnels) {
        return;
    }
    let rehearsal = Rehearsal::new();
    let charon = &rehearsal.world.networks.as_ref().unwrap().tunnels.as_ref().unwrap().charon;
    let busy = rehearsal.busy();
    charon.stop_answering();
    rehearsal.fails(&["exercise", "run", "stolen-token", "--live"], &["ipsec"]);
    rehearsal.fails(&["exercise", "drill"], &["ipsec"]);
    let World { gate, installation, .. } = &rehearsal.world;
    let finding = |code: &str| {
        // Its exit status tells that one is critical.
        let (_, found, _) = installation.operate(gate, &["findings", "-o", "json"]);
        let found: Value = serde_json::from_str(&found).unwrap();
        found.as_array().unwrap().iter().any(|finding| finding["code"] == code)
    };
    assert!(finding("kill_drill_failed"));
    let paged = within(PATIENCE, || {
        let pages = installation.must(gate, &["page", "list"]).to_string();
        pages.contains("the kill drill failed").then_some(())
    });
    assert!(paged.is_some(), "nobody is called");
    charon.go_on();
    // What was not verified is tried on, and nothing of it is left open.
    let ended = within(PATIENCE, || {
        let associations = charon.associations(gate);
        associations.trim().is_empty().then_some(())
    });
    assert!(ended.is_some(), "{}\n{}", charon.associations(gate), rehearsal.world.enforcer_log());
    assert_eq!(traffic::growing(&busy.streams, WATCH), [""; 0]);
    rehearsal.open_tunnels();
    rehearsal.passes(&["exercise", "drill"]);
    assert!(!finding("kill_drill_failed"));
}

#[test]
fn an_exercise_fails_while_the_enforcer_is_gone() {
    if !available(Need::Tunnels) {
        return;
    }
    let mut rehearsal = Rehearsal::new();
    rehearsal.world.networks.as_mut().unwrap().enforcer.process.kill();
    rehearsal.fails(&["exercise", "run", "stolen-token", "--live"], &[]);
    let World { networks, gate, .. } = &mut rehearsal.world;
    networks.as_mut().unwrap().enforcer.start_again(gate);
    rehearsal.world.until_enforced();
    rehearsal.open_tunnels();
    rehearsal.passes(&["exercise", "run", "stolen-token", "--live"]);
}
