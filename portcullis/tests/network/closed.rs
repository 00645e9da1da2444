//! Every path of a vendor that was severed, looked at in the kernel and tried from the vendor's own host.

use std::net::SocketAddr;
use std::time::Duration;

use portcullis_lab::clock::{PATIENCE, within};
use portcullis_lab::kernel;
use portcullis_lab::stage::{self, Busy, Tunnels};
use portcullis_lab::traffic;
use portcullis_lab::wireguard;
use portcullis_lab::world::{GATE, World};

/// The enforcer's table of what is closed.
pub const TABLE: &str = "portcullis_closed";
/// How long nothing may come any more.
const WATCH: Duration = Duration::from_millis(300);

/// All of it, as soon as what was killed has been taken up again.
pub fn check(world: &World, tunnels: &Tunnels, busy: &Busy, told: &str) {
    let mut open = Vec::new();
    let _ = within(PATIENCE, || {
        open = open_in_kernel(world);
        open.is_empty().then_some(())
    });
    assert!(open.is_empty(), "{told}: {open:#?}\n{}", world.enforcer_log());
    check_from_outside(world, told);
    tunnels.must_not_open(world.vendor("acme"), told);
    assert_eq!(traffic::growing(&busy.streams, WATCH), [""; 0], "{told}");
    // The vendor's attempts have opened nothing.
    assert_eq!(open_in_kernel(world), [""; 0], "{told}");
}

/// What of `acme` is open at our side.
pub fn open_in_kernel(world: &World) -> Vec<String> {
    let gate = &world.gate;
    let vendor = world.vendor("acme");
    let addresses = [vendor.address, stage::IPSEC_THEIRS, stage::WIREGUARD_THEIRS];
    let mut open = kernel::sockets_with(gate, &addresses);
    if let Some(tunnels) = world.networks.as_ref().and_then(|networks| networks.tunnels.as_ref()) {
        let said = [tunnels.charon.associations(gate), tunnels.charon.connections(gate)];
        open.extend(said.into_iter().filter(|text| !text.trim().is_empty()));
        let peers = wireguard::peers(gate, stage::INTERFACE);
        open.extend(peers.into_iter().map(|peer| format!("WireGuard's peer {peer}")));
    }
    let sets = kernel::elements(gate, TABLE).unwrap_or_default();
    let missing = addresses.into_iter().filter(|address| !sets.contains(&address.to_string()));
    open.extend(missing.map(|address| format!("no packet of {address} is dropped: {sets}")));
    open
}

/// Nobody at our side says a word to the vendor, by whatever way it comes.
pub fn check_from_outside(world: &World, told: &str) {
    let vendor = world.vendor("acme");
    for (from, doors) in [
        (vendor.address, [GATE.ip(), vendor.ours.into()]),
        (stage::IPSEC_THEIRS, [stage::IPSEC_OURS.into(); 2]),
        (stage::WIREGUARD_THEIRS, [stage::WIREGUARD_OURS.into(); 2]),
    ] {
        let doors = doors.map(|door| SocketAddr::new(door, GATE.port()));
        let answering = kernel::answering(&vendor.host, from, &doors);
        assert_eq!(answering, [""; 0], "{told}: from {from}");
    }
}
