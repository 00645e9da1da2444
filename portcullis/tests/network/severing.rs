//! A vendor is severed while everything that it has is busy.

use std::path::Path;
use std::process::Command;

use portcullis_lab::available::{Need, available};
use portcullis_lab::severance::{Paths, Peer, Run, measure};

/// From the request's arrival to the receipt, on a machine that does other things as well: less than the time that control
/// waits for the enforcer's word. `bench/sever` compares with the target.
const RECEIPT_MS_MAX: f64 = 2_500.0;

fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_portcullis"))
}

#[test]
fn everything_of_a_vendor_ends_and_a_bystander_loses_nothing() {
    if available(Need::Tunnels) {
        check(&measure(binary(), Peer::Answering, Paths::WithTunnels), Peer::Answering);
    }
}

#[test]
fn a_peer_that_is_silent_slows_nothing() {
    if available(Need::Tunnels) {
        check(&measure(binary(), Peer::Blackholed, Paths::WithTunnels), Peer::Blackholed);
    }
}

/// Set where the test runs in a user namespace of its own.
const WITHOUT_ROOT: &str = "PORTCULLIS_LAB_WITHOUT_ROOT";

#[test]
fn what_needs_no_tunnel_ends_where_we_are_not_root() {
    if !available(Need::Packets) {
        return;
    }
    if std::env::var_os(WITHOUT_ROOT).is_none() {
        let status = Command::new("unshare")
            .args(["-Urnm", "--"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "severing::what_needs_no_tunnel_ends_where_we_are_not_root", "--nocapture"])
            .env(WITHOUT_ROOT, "1")
            .status()
            .unwrap();
        assert!(status.success(), "{status}");
        return;
    }
    check(&measure(binary(), Peer::Answering, Paths::WithoutTunnels), Peer::Answering);
}

/// All that has an arm ended before the receipt, what has none is named, and the other vendor noticed nothing.
fn check(run: &Run, peer: Peer) {
    let told = run.told();
    assert_eq!(run.cut.status, Some(0), "{}{told}", run.cut.told);
    assert_eq!(run.cut.receipt["answer"], "severed", "{told}");
    assert_eq!(run.going_on(), [""; 0], "{told}");
    // What a silent host sent or got says nothing.
    for last in run.streams.iter().filter(|last| last.absent && peer == Peer::Answering) {
        assert!(last.grows, "{}: no arm closes it, and it ended: {told}", last.label);
    }
    assert!(run.control_ms() <= RECEIPT_MS_MAX, "{told}");
    assert_eq!(run.errors, [""; 0], "{told}");
    assert!(!run.after.is_empty(), "the bystander stood still: {told}");
    eprintln!("{told}");
}
