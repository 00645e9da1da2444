//! An arm that can't do its part: it is named loudly, the others lose no time by it, and it does its part as soon as
//! it can.

use std::path::Path;
use std::time::Duration;

use portcullis_lab::available::{Need, available};
use portcullis_lab::enforcer::Settings;
use portcullis_lab::stage::{Busy, Tunnels};
use portcullis_lab::traffic;
use portcullis_lab::world::{Beside, Networks, World};

use crate::closed;

/// What an arm takes whose neighbour hangs, on a machine that does other things as well: less than the neighbour's try.
const OTHERS_MS_MAX: f64 = 1_500.0;
/// How long nothing may come any more.
const WATCH: Duration = Duration::from_millis(300);
const ARMS: [&str; 4] = ["ipsec", "wireguard", "packets", "sockets"];

struct Stage {
    world: World,
    tunnels: Tunnels,
    busy: Busy,
}

impl Stage {
    fn new() -> Self {
        let world = World::new(Path::new(env!("CARGO_BIN_EXE_portcullis")), &["acme"], Beside::Tunnels);
        let tunnels = Tunnels::raise(&world, world.vendor("acme"));
        let busy = Busy::start(&world, world.vendor("acme"), true);
        Self { world, tunnels, busy }
    }

    fn networks(&mut self) -> &mut Networks {
        self.world.networks.as_mut().unwrap()
    }

    /// Starts the enforcer with other settings.
    fn restart(&mut self, change: impl FnOnce(&mut Settings)) {
        let World { networks, gate, .. } = &mut self.world;
        networks.as_mut().unwrap().enforcer.start_with(gate, change);
    }

    /// Severs: nobody may think that all is closed, the arms that could work have worked, and in time.
    fn sever(&self, failing: &[&str]) {
        let cut = self.world.installation.sever(&self.world.gate, "vendor/acme");
        let told = format!("{} {}\n{}", cut.receipt, cut.told, self.world.enforcer_log());
        assert_eq!(cut.receipt["answer"], "severed, not everywhere", "{told}");
        assert_eq!(cut.status, Some(1), "nobody would notice: {told}");
        let arms = cut.receipt["arms"].as_array().unwrap_or_else(|| panic!("{told}"));
        for arm in ARMS {
            let found = arms.iter().find(|found| found["arm"] == arm);
            let closed = found.filter(|found| found["outcome"] == "closed");
            assert_eq!(closed.is_some(), !failing.contains(&arm), "{arm}: {told}");
            if let Some(closed) = closed {
                let took_ms = closed["took_us"].as_f64().unwrap() / 1e3;
                assert!(took_ms < OTHERS_MS_MAX, "{arm} was slowed: {told}");
            }
        }
        // The gate's own part waits for no arm.
        assert!(cut.receipt["gates_took_us"].as_f64().unwrap() / 1e3 < OTHERS_MS_MAX, "{told}");
        assert_eq!(traffic::growing(&self.busy.through_gate(), WATCH), [""; 0], "{told}");
    }

    fn check_closed(&self, told: &str) {
        closed::check(&self.world, &self.tunnels, &self.busy, told);
    }
}

#[test]
fn a_charon_that_does_not_answer_slows_nothing_and_is_cut_when_it_does() {
    if !available(Need::Tunnels) {
        return;
    }
    let mut stage = Stage::new();
    stage.networks().tunnels.as_ref().unwrap().charon.stop_answering();
    stage.sever(&["ipsec"]);
    stage.networks().tunnels.as_ref().unwrap().charon.go_on();
    stage.check_closed("charon goes on");
}

#[test]
fn a_charon_that_has_died_is_told_of() {
    if !available(Need::Tunnels) {
        return;
    }
    let mut stage = Stage::new();
    // What it has set up in a kernel would outlive it: that nobody can look is no proof.
    stage.networks().tunnels.as_mut().unwrap().charon.process.kill();
    stage.sever(&["ipsec"]);
}

#[test]
fn without_nft_the_other_arms_work_and_packets_are_dropped_when_it_is_there() {
    if !available(Need::Tunnels) {
        return;
    }
    let mut stage = Stage::new();
    let folder = stage.world.folder.join("programs");
    std::fs::create_dir(&folder).unwrap();
    let wg = stage.world.gate.must("sh", &["-c", "command -v wg"]);
    std::os::unix::fs::symlink(wg.trim(), folder.join("wg")).unwrap();
    stage.networks().enforcer.process.kill();
    // Somebody has flushed the tables: with them in the kernel a cut needs no `nft`.
    stage.world.gate.must("nft", &["delete", "table", "inet", closed::TABLE]);
    stage.restart(|settings| settings.programs = Some(folder.into()));
    stage.world.until_enforced();
    stage.sever(&["packets"]);
    stage.restart(|settings| settings.programs = None);
    stage.check_closed("nft is there again");
}

#[test]
fn an_enforcer_without_the_right_to_change_networks_does_not_start_and_the_gate_cuts_alone() {
    if !available(Need::Tunnels) {
        return;
    }
    let mut stage = Stage::new();
    let World { networks, gate, .. } = &mut stage.world;
    let enforcer = &mut networks.as_mut().unwrap().enforcer;
    let said = enforcer.refusal_without_rights(gate);
    assert!(said.contains("CAP_NET_ADMIN") && said.contains("hint:"), "{said}");
    stage.sever(&ARMS);
    stage.restart(|_| {});
    stage.check_closed("with the right");
}
