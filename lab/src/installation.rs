//! The real binary on a host.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::clock::now_ns;
use crate::host::Host;
use crate::process::Process;

/// A running `portcullis up`.
pub struct Installation {
    pub directory: PathBuf,
    pub process: Process,
    binary: PathBuf,
    arguments: Vec<String>,
}

/// One severance: the command, and what it answered.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Before the command was started.
    pub asked_ns: u64,
    /// When it had ended, with the receipt printed.
    pub receipt_ns: u64,
    pub receipt: Value,
    /// What it wrote besides.
    pub told: String,
    pub status: Option<i32>,
}

impl Installation {
    /// Starts it and waits until it is ready.
    #[must_use]
    pub fn start(host: &Host, binary: &Path, directory: &Path, arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let process = up(host, binary, directory, &arguments);
        Self { directory: directory.to_owned(), process, binary: binary.to_owned(), arguments }
    }

    /// Starts it again after its end.
    pub fn start_again(&mut self, host: &Host) {
        self.process.kill();
        self.process = up(host, &self.binary, &self.directory, &self.arguments);
    }

    /// Of `endpoints.json`.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> String {
        let text = std::fs::read(self.directory.join("endpoints.json")).unwrap();
        let endpoints: Value = serde_json::from_slice(&text).unwrap();
        endpoints[name].as_str().unwrap().to_owned()
    }

    /// File of the authority that signs the gate's certificate.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.directory.join("keys/ca.crt")
    }

    /// Runs the command line as an operator does: exit status, standard output, standard error.
    #[must_use]
    pub fn operate(&self, host: &Host, words: &[&str]) -> (Option<i32>, String, String) {
        let directory = self.directory.display().to_string();
        let binary = self.binary.display().to_string();
        let output = host.output(&binary, &[words, &["--dir", &directory]].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    /// The same where it must succeed: its answer as JSON.
    pub fn must(&self, host: &Host, words: &[&str]) -> Value {
        let (code, out, error) = self.operate(host, &[words, &["-o", "json"]].concat());
        assert_eq!(code, Some(0), "{words:?}: {out}{error}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{words:?}: {error}: {out}"))
    }

    /// Applies manifests.
    pub fn apply(&self, host: &Host, manifests: &[Value]) {
        let file = self.directory.with_extension("manifests.yaml");
        let text: String = manifests.iter().map(|manifest| format!("---\n{manifest}\n")).collect();
        std::fs::write(&file, text).unwrap();
        self.must(host, &["apply", "-f", &file.display().to_string()]);
    }

    /// Severs, as a person does.
    #[must_use]
    pub fn sever(&self, host: &Host, target: &str) -> Cut {
        let asked_ns = now_ns();
        let (status, out, told) = self.operate(host, &["sever", target, "--reason", "drill", "-o", "json"]);
        let receipt_ns = now_ns();
        let receipt = serde_json::from_str(&out).unwrap_or_default();
        Cut { asked_ns, receipt_ns, receipt, told, status }
    }
}

/// Waits until it is ready.
fn up(host: &Host, binary: &Path, directory: &Path, arguments: &[String]) -> Process {
    let endpoints = directory.join("endpoints.json");
    let mut command = Command::new(binary);
    command
        .args(["up", "--listen-control", "127.0.0.1:8444", "--stops", "observe", "--dir"])
        .arg(directory)
        .args(arguments);
    let mut process = host.start(command, &directory.with_extension("log"));
    process.until("`portcullis up`", |process| {
        let text = std::fs::read(&endpoints).ok()?;
        let endpoints: Value = serde_json::from_slice(&text).ok()?;
        (endpoints["pid"] == process.id()).then_some(())
    });
    process
}
