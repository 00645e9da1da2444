//! Nothing is left of a laboratory, however its process ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use portcullis_lab::available::{Need, available};
use portcullis_lab::clock::{PATIENCE, until};
use portcullis_lab::folder::Folder;
use portcullis_lab::host::Host;
use portcullis_lab::strongswan::Charon;

/// Set in the process that is killed.
const VICTIM: &str = "PORTCULLIS_LAB_VICTIM";

#[test]
fn nothing_is_left_of_a_laboratory_that_is_killed() {
    if std::env::var_os(VICTIM).is_some() {
        return live_until_killed();
    }
    if !available(Need::Tunnels) {
        return;
    }
    let ours = std::fs::read_link("/proc/self/ns/net").unwrap();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "nothing_is_left_of_a_laboratory_that_is_killed", "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("victim: ").map(str::to_owned));
    let line = line.expect("the victim says what it has started");
    let (charon, folder) = line.split_once(' ').unwrap();
    let process = Path::new("/proc").join(charon);
    assert_ne!(std::fs::read_link(process.join("ns/net")).unwrap(), ours, "it runs in our own namespace");
    assert!(Path::new(folder).exists());

    victim.kill().unwrap();
    victim.wait().unwrap();
    until("the program's end", || (!process.join("ns/net").exists()).then_some(()));
    drop(Folder::new());
    assert!(!Path::new(folder).exists(), "`{folder}` is left");
}

fn live_until_killed() {
    let folder = Folder::new();
    let host = Host::new("victim");
    let charon = Charon::start(&host, folder.path());
    println!("victim: {} {}", charon.process.id(), folder.path().display());
    std::thread::park_timeout(PATIENCE);
    panic!("nobody killed it");
}
