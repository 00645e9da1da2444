//! A host: a network namespace with a mount namespace in which `/run` is its own.

use std::io;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::{Pid, UnshareFlags, gettid, unshare_unsafe};
use tokio::sync::oneshot;

use crate::process::Process;

type Job = Box<dyn FnOnce() + Send>;

/// A host of the laboratory. Its thread is in its namespaces; threads and programs that come from there are in
/// them too, and programs end with it.
pub struct Host {
    pub name: String,
    thread_id: Pid,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    tasks: tokio::runtime::Handle,
    /// Ends the runtime when it is dropped.
    stop: Option<oneshot::Sender<()>>,
}

impl Host {
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::try_new(name).unwrap_or_else(|error| panic!("host `{name}`: {error}"))
    }

    /// # Errors
    /// When the system doesn't let us.
    pub fn try_new(name: &str) -> io::Result<Self> {
        let (jobs, to_do) = channel::<Job>();
        let (began, beginning) = channel();
        let (stop, stopped) = oneshot::channel();
        let work = move || match begin(stopped) {
            Ok(tasks) => {
                let _ = began.send(Ok((gettid(), tasks)));
                to_do.iter().for_each(|job| job());
            }
            Err(error) => drop(began.send(Err(error))),
        };
        let thread = std::thread::Builder::new().name(format!("host {name}")).spawn(work)?;
        let (thread_id, tasks) = beginning.recv().map_err(io::Error::other)??;
        let host = Self {
            name: name.to_owned(),
            thread_id,
            jobs: Some(jobs),
            thread: Some(thread),
            tasks,
            stop: Some(stop),
        };
        host.must("ip", &["link", "set", "lo", "up"]);
        Ok(host)
    }

    /// A number by which the kernel knows its namespaces.
    #[must_use]
    pub fn thread_id(&self) -> String {
        self.thread_id.as_raw_nonzero().to_string()
    }

    /// Does something in its namespaces.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = channel();
        let job = Box::new(move || drop(done.send(work())));
        self.jobs.as_ref().unwrap().send(job).unwrap();
        result.recv().unwrap_or_else(|_| panic!("host `{}` is gone", self.name))
    }

    /// Tasks of this handle have their sockets in the namespace.
    #[must_use]
    pub fn tasks(&self) -> &tokio::runtime::Handle {
        &self.tasks
    }

    /// Waits for a task of its own.
    pub fn wait_for<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> T {
        let (done, result) = channel();
        self.tasks.spawn(async move { drop(done.send(task.await)) });
        result.recv().unwrap_or_else(|_| panic!("a task of host `{}` failed", self.name))
    }

    /// Runs a program to its end.
    #[must_use]
    pub fn output(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        let program = program.to_owned();
        self.run(move || command.output().unwrap_or_else(|error| panic!("`{program}`: {error}")))
    }

    /// The same where it must succeed: what it wrote.
    pub fn must(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.output(program, arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {program} {arguments:?}: {error}", self.name);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Gives a program its input, as `nft -f -` wants it: what it wrote.
    pub fn feed(&self, program: &str, arguments: &[&str], input: &str) -> String {
        use std::io::Write as _;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let input = input.to_owned();
        let output = self.run(move || {
            let mut child = command.spawn().unwrap();
            child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
            child.wait_with_output().unwrap()
        });
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {program} {arguments:?}: {error}", self.name);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts a program that goes on, and is killed with the host at the latest; it writes to `log`.
    #[must_use]
    pub fn start(&self, command: Command, log: &std::path::Path) -> Process {
        let log = log.to_owned();
        self.run(move || Process::start(command, &log))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.stop.take());
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Leaves the machine's namespaces for new ones, and begins a runtime there.
fn begin(stopped: oneshot::Receiver<()>) -> io::Result<tokio::runtime::Handle> {
    // SAFETY: the table of descriptors stays shared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET | UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    mount("tmpfs", "/run", "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, None)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    // It inherits the namespaces.
    std::thread::Builder::new().name("tasks".to_owned()).spawn(move || {
        let _ = runtime.block_on(stopped);
    })?;
    Ok(handle)
}
