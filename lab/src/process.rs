//! Programs that go on.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};

use crate::clock;

/// A running program; killed when this is dropped, and when its host's thread ends in whatever way.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start(mut command: Command, log: &Path) -> Self {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        dies_with_us(&mut command);
        let child = command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
        Self { child, log: log.to_owned() }
    }

    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// As a power cut would end it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Looks until `found` finds something.
    ///
    /// # Panics
    /// When the program ends before, or the time is over; with what it has written.
    pub fn until<T>(&mut self, what: &str, mut found: impl FnMut(&Self) -> Option<T>) -> T {
        let thing = clock::within(clock::PATIENCE, || {
            if let Some(status) = self.ended() {
                panic!("{what}: it has ended, {status}: {}", self.log());
            }
            found(self)
        });
        thing.unwrap_or_else(|| panic!("{what}: {}", self.log()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The kernel kills it when the thread that starts it ends.
pub fn dies_with_us(command: &mut Command) {
    let us = rustix::process::getpid();
    // SAFETY: between fork and exec there are two system calls and no allocation.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // Whoever started it may have ended before that.
            if getppid() != Some(us) {
                return Err(rustix::io::Errno::CHILD.into());
            }
            Ok(())
        });
    }
}
