//! The canary's own tunnel: its far end is in the process of `up`, this side is a real interface with a real enforcer.
//! Each drill cuts it, proves that, and has it open again by other keys, and nobody helps.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use http::Method;
use portcullis_lab::available::{Need, available};
use portcullis_lab::clock::{PATIENCE, within};
use portcullis_lab::operator::Operator;
use portcullis_lab::process::Process;
use portcullis_lab::wireguard::{self, peers};
use portcullis_lab::world::{Beside, World};
use portcullis_lab::{host::Host, links};
use serde_json::{Value, json};

const INTERFACE: &str = "pc-canary";
const OURS: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 213, 66, 1);
const THEIRS: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 213, 66, 2);
const HANDSHAKE: &str = "new handshake of the wireguard tunnel";
const CONNECTION: &str = "new connection through the wireguard tunnel";
const DOWNLOAD: &str = "download through the wireguard tunnel";

struct Rehearsal {
    world: World,
    _interface: Process,
}

impl Rehearsal {
    fn new() -> Self {
        let world = World::new(Path::new(env!("CARGO_BIN_EXE_portcullis")), &["acme"], Beside::Tunnels);
        let make = ["exercise", "canary", "--wireguard", INTERFACE];
        // Before somebody has made the interface, it is said what is to be done, and nothing is declared.
        let (code, _, told) = world.installation.operate(&world.gate, &make);
        assert_eq!(code, Some(1), "{told}");
        for words in
            ["there is no interface `pc-canary`", "hint:", "ip route add 10.213.66.2/32 dev pc-canary"]
        {
            assert!(told.contains(words), "{words}: {told}");
        }
        assert_eq!(world.installation.must(&world.gate, &["exercise", "report"]), json!([]));
        let interface = wireguard::interface(&world.gate, world.folder.path(), INTERFACE, OURS);
        links::route_by(&world.gate, THEIRS, INTERFACE);
        world.installation.must(&world.gate, &make);
        let rehearsal = Self { world, _interface: interface };
        // The first drill comes by itself; a later one must not come between.
        let first = within(PATIENCE, || {
            let runs = rehearsal.world.installation.must(&rehearsal.world.gate, &["exercise", "report"]);
            runs.as_array().unwrap().first().cloned()
        });
        let first = first.expect("a new canary is not drilled");
        assert_eq!(first["passed"], 1, "{first:#}\n{}", rehearsal.world.enforcer_log());
        rehearsal
    }

    fn gate(&self) -> &Host {
        &self.world.gate
    }

    fn drill(&self) -> Value {
        let words = ["exercise", "drill", "-o", "json"];
        let (_, out, told) = self.world.installation.operate(self.gate(), &words);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{told}"))
    }

    /// It passed, with every way through the tunnel tried; the peer that is set now.
    fn must_pass(&self, run: &Value) -> String {
        assert_eq!(run["passed"], true, "{run:#}\n{}", self.world.enforcer_log());
        for path in [HANDSHAKE, CONNECTION, DOWNLOAD, "arm wireguard"] {
            assert_eq!(tried(run, path), Some(true), "{path}: {run:#}");
        }
        let notes = run["steps"].to_string();
        assert!(
            notes.contains("one through the tunnel") && notes.contains("with new keys, the tunnel too"),
            "{run:#}"
        );
        let set = peers(self.gate(), INTERFACE);
        assert_eq!(set.len(), 1, "{set:?}");
        set.into_iter().next().unwrap()
    }

    /// It failed with an F that says this, and went on to the end.
    fn must_fail(&self, run: &Value, words: &[&str]) {
        let log = self.world.enforcer_log();
        assert_eq!(
            (&run["passed"], &run["grade"]),
            (&Value::Bool(false), &Value::from("F")),
            "{run:#}\n{log}"
        );
        let failures = run["failures"].to_string();
        for words in words {
            assert!(failures.contains(words), "{words}: {run:#}\n{log}");
        }
    }

    /// The enforcer finds programs here; by nothing in the places that everybody uses.
    fn restart_enforcer(&mut self, programs: Option<&Path>) {
        let World { networks, gate, .. } = &mut self.world;
        let programs = programs.map(|folder| folder.as_os_str().to_owned());
        networks.as_mut().unwrap().enforcer.start_with(gate, |settings| settings.programs = programs);
        self.world.until_enforced();
    }
}

fn tried(run: &Value, path: &str) -> Option<bool> {
    let found = run["paths"].as_array()?.iter().find(|tried| tried["path"] == path)?;
    found["closed"].as_bool()
}

#[test]
fn each_drill_cuts_the_canarys_own_tunnel_and_opens_it_again_and_nobody_helps() {
    if !available(Need::Tunnels) {
        return;
    }
    let rehearsal = Rehearsal::new();
    let mut before = peers(rehearsal.gate(), INTERFACE);
    for _ in 0..2 {
        let peer = rehearsal.must_pass(&rehearsal.drill());
        assert!(!before.contains(&peer), "{peer} was there before");
        before.push(peer);
    }
    let World { installation, gate, .. } = &rehearsal.world;
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/exercise/scenarios/malicious-update.yaml");
    installation.must(gate, &["apply", "-f", scenario]);
    let run = installation.must(gate, &["exercise", "run", "malicious-update", "--live"]);
    assert_eq!((tried(&run, HANDSHAKE), &run["passed"]), (Some(true), &Value::Bool(true)), "{run:#}");
    // What came by it is in the decision log as what came out of this tunnel.
    let decisions = within(PATIENCE, || {
        let found = installation.must(gate, &["decisions", "--tunnel", "canary-wireguard"]);
        found.to_string().contains("canary-far").then_some(())
    });
    assert!(decisions.is_some());
    // What its peer proves itself by is shown to nobody.
    let (code, out, told) =
        installation.operate(gate, &["tunnel", "render", "canary-wireguard", "--with-secrets"]);
    assert!(code == Some(1) && told.contains("shown already"), "{out}{told}");
    // An interface that went away is told of by its name, and everything else is proven all the same.
    let Rehearsal { _interface: mut interface, world } = rehearsal;
    interface.kill();
    let rehearsal = Rehearsal { _interface: interface, world };
    let run = rehearsal.drill();
    rehearsal.must_fail(&run, &["there is no interface `pc-canary`"]);
    assert_eq!(tried(&run, "new connection and new token"), Some(true), "{run:#}");
}

#[test]
fn a_drill_fails_while_the_enforcer_says_that_it_removed_a_peer_and_did_not() {
    if !available(Need::Tunnels) {
        return;
    }
    let mut rehearsal = Rehearsal::new();
    let folder = rehearsal.world.folder.join("lying");
    std::fs::create_dir(&folder).unwrap();
    let place = |program: &str| {
        rehearsal.gate().must("sh", &["-c", &format!("command -v {program}")]).trim().to_owned()
    };
    let lie = format!(
        "#!/bin/sh\ncase \"$*\" in *remove) exit 0;; *dump) exec {1} -n 1 <<END\n$({0} \"$@\")\nEND\n;; *) exec {0} \"$@\";; esac\n",
        place("wg"),
        place("head"),
    );
    std::fs::write(folder.join("wg"), lie).unwrap();
    std::fs::set_permissions(folder.join("wg"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink(place("nft"), folder.join("nft")).unwrap();
    rehearsal.restart_enforcer(Some(&folder));
    let run = rehearsal.drill();
    // The receipt is content.
    assert_eq!(tried(&run, "arm wireguard"), Some(true), "{run:#}");
    rehearsal.must_fail(&run, &[HANDSHAKE, "the tunnel takes the old key"]);
    rehearsal.restart_enforcer(None);
    rehearsal.must_pass(&rehearsal.drill());
}

#[test]
fn an_exercise_fails_whose_enforcer_dies_while_the_tunnel_flows_and_the_next_passes() {
    if !available(Need::Tunnels) {
        return;
    }
    let mut rehearsal = Rehearsal::new();
    let exercise = json!({ "kind": "Exercise", "name": "dies", "spec": {
        "title": "The enforcer dies", "story": "It dies.", "scope": "The tunnel.",
        "live": { "steps": [
            { "do": "stream" },
            { "do": "work", "requests": 350, "tell": "now" },
            { "do": "work", "requests": 350 },
            { "do": "sever" }, { "do": "verify" }, { "do": "restore" },
        ] } } });
    rehearsal.world.installation.apply(&rehearsal.world.gate, &[exercise]);
    // Each has one connection, and asks one thing at a time.
    let [operator, watcher] =
        [(); 2].map(|()| Operator::of(&rehearsal.world.installation, &rehearsal.world.gate));
    let answer = operator.begin(&rehearsal.world.gate, Method::POST, "/v1/exercises/dies/live", &json!({}));
    let flows = within(PATIENCE, || {
        let (_, lines) = watcher.get(&rehearsal.world.gate, "/v1/exercise-progress").unwrap();
        lines.as_array().unwrap().iter().any(|line| line["text"] == "now").then_some(())
    });
    assert!(flows.is_some());
    rehearsal.world.networks.as_mut().unwrap().enforcer.process.kill();
    let (status, run) = answer.recv().unwrap().unwrap();
    assert_eq!(status, 200, "{run:#}");
    rehearsal.must_fail(&run, &[HANDSHAKE, "the tunnel is not open again"]);
    rehearsal.restart_enforcer(None);
    rehearsal.must_pass(&rehearsal.drill());
}
