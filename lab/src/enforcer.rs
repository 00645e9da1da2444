//! `portcullis enforcer` on a host: the process that cuts networks.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::host::Host;
use crate::process::Process;

/// A running enforcer; killed when this is dropped.
pub struct Enforcer {
    /// Where it takes orders.
    pub socket: PathBuf,
    pub process: Process,
    settings: Settings,
}

/// How it is started, and what a test takes away from it.
#[derive(Clone, Debug)]
pub struct Settings {
    pub binary: PathBuf,
    pub folder: PathBuf,
    /// Charon's socket; one that isn't there stands for no charon.
    pub vici: PathBuf,
    /// Where it finds programs; as everybody without it.
    pub programs: Option<OsString>,
}

impl Enforcer {
    /// Starts it, and waits until it takes orders.
    #[must_use]
    pub fn start(host: &Host, settings: Settings) -> Self {
        let socket = settings.folder.join("enforcer.sock");
        let process = run(host, &settings, &socket);
        Self { socket, process, settings }
    }

    /// As a power cut would end it, and a start after it.
    pub fn start_again(&mut self, host: &Host) {
        self.process.kill();
        self.process = run(host, &self.settings, &self.socket);
    }

    /// The same with other settings.
    pub fn start_with(&mut self, host: &Host, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings);
        self.start_again(host);
    }

    /// Tries to start it without `CAP_NET_ADMIN`: what it says when it ends. Nothing runs then.
    pub fn refusal_without_rights(&mut self, host: &Host) -> String {
        self.process.kill();
        let binary = self.settings.binary.display().to_string();
        let [socket, state] = ["enforcer.sock", "enforcer"].map(|name| self.settings.folder.join(name));
        let (socket, state) = (socket.display().to_string(), state.display().to_string());
        let drop = ["--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"];
        let words = [&*binary, "enforcer", "--socket", &socket, "--state", &state];
        let output = host.output("setpriv", &[&drop[..], &words].concat());
        assert!(!output.status.success(), "it has started");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

fn run(host: &Host, settings: &Settings, socket: &Path) -> Process {
    let _ = std::fs::remove_file(socket);
    let mut command = Command::new(&settings.binary);
    command.arg("enforcer").arg("--socket").arg(socket);
    command.arg("--state").arg(settings.folder.join("enforcer")).arg("--vici").arg(&settings.vici);
    if let Some(programs) = &settings.programs {
        command.env("PATH", programs);
    }
    let mut process = host.start(command, &settings.folder.join("enforcer.log"));
    process.until("`portcullis enforcer`", |_| socket.exists().then_some(()));
    process
}
