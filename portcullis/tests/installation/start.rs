//! Starts that can't work, each with its own words.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::support::Installation;

/// What `up` writes to stderr when it gives up, and its exit code.
fn refused(arguments: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .arg("up")
        .args(arguments)
        .stdout(Stdio::null())
        .output()
        .unwrap();
    (String::from_utf8(output.stderr).unwrap(), output.status.code())
}

#[track_caller]
fn check(arguments: &[&str], expect: &[&str]) {
    let (words, code) = refused(arguments);
    assert_eq!(code, Some(1), "{words}");
    for expected in expect {
        assert!(words.contains(expected), "`{expected}` is not in: {words}");
    }
}

#[test]
fn a_directory_that_another_process_holds_is_named_with_its_holder() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let installation = Installation::start(&directory);
    let pid = installation.endpoints["pid"].to_string();
    let path = directory.to_str().unwrap();
    check(&["--dir", path, "--listen-gate", "127.0.0.1:0"], &[&pid, "hint: "]);
}

#[test]
fn a_directory_of_another_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("FORMAT"), "99\n").unwrap();
    let path = folder.path().to_str().unwrap();
    check(&["--dir", path, "--listen-gate", "127.0.0.1:0"], &["99", "hint: "]);
    assert!(!folder.path().join("ledger.sqlite").exists());
}

#[test]
fn ports_in_use_are_named() {
    for option in ["--listen-gate", "--listen-control"] {
        let folder = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let other = if option == "--listen-gate" { "--listen-control" } else { "--listen-gate" };
        let directory = folder.path().join("data");
        let arguments = ["--dir", directory.to_str().unwrap(), option, &address, other, "127.0.0.1:0"];
        check(&arguments, &[&address, option, "hint: "]);
    }
}

#[test]
fn a_second_gate_does_not_share_the_port_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let installation = Installation::start(&folder.path().join("one"));
    let address = installation.gate_address().to_string();
    let directory = folder.path().join("two");
    let arguments =
        ["--dir", directory.to_str().unwrap(), "--listen-gate", &address, "--listen-control", "127.0.0.1:0"];
    check(&arguments, &[&address, "hint: "]);
}

#[test]
fn a_public_address_is_kept_from_the_first_start_on() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("data");
    let first = Installation::start(&directory);
    let gate = first.gate();
    first.kill();
    let path = directory.to_str().unwrap();
    check(&["--dir", path, "--public-url", "https://elsewhere.example"], &[&gate, "hint: "]);
    let second = Installation::start(&directory);
    assert_eq!(second.gate(), gate);
}

#[test]
fn manifests_that_do_not_hold_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("bad.yaml");
    std::fs::write(&manifest, "kind: Vendor\nname: x\nspec:\n  legal_nam: X\n").unwrap();
    let directory = folder.path().join("data");
    let error = Installation::try_start(&directory, &["-f", manifest.to_str().unwrap()])
        .err()
        .expect("it must not start");
    assert!(error.contains("bad.yaml:4:") && error.contains("legal_name"), "{error}");
}
