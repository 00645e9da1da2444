//! Where the comparison takes place: a folder, processes on their cores, and certificates.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::process;

pub const PATIENCE: Duration = Duration::from_secs(20);

/// Which core is the proxies', and which everything else's.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    pub proxy: usize,
    pub load: usize,
}

const FOLDER: &str = "portcullis-bench-";

/// A folder that is gone when this is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Result<Self> {
        forget_the_dead();
        let path = std::env::temp_dir().join(format!("{FOLDER}{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("`{}` can't be made", path.display()))?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, text).with_context(|| format!("`{}` can't be written", path.display()))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes the folders of runs that were killed.
fn forget_the_dead() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(FOLDER)?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A process that ends when this is dropped, or when we end.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `command` on `core`; its output goes to `log`.
    pub fn start(mut command: Command, core: usize, log: PathBuf) -> Result<Self> {
        let file = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        // SAFETY: between fork and exec there are two system calls and no allocation but the error's.
        unsafe {
            command.pre_exec(move || {
                rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
                let mut set = rustix::thread::CpuSet::new();
                set.set(core);
                rustix::thread::sched_setaffinity(None, &set)?;
                Ok(())
            });
        }
        let name = command.get_program().to_owned();
        let child = command.spawn().with_context(|| format!("`{}` can't be started", name.display()))?;
        Ok(Self { child, log })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it as a service manager would, and waits for that.
    pub fn stop(&mut self) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("it doesn't stop: {}", self.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Looks until `found` finds something.
    pub fn wait_for<T>(&mut self, mut found: impl FnMut(&Self) -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(thing) = found(self) {
                return Ok(thing);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it has ended, {status}: {}", self.log());
            }
            if Instant::now() > deadline {
                bail!("it isn't ready: {}", self.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn wait_until_listening(&mut self, address: SocketAddr) -> Result<()> {
        self.wait_for(|_| TcpStream::connect(address).ok()).map(drop)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps `core` from going idle with work that any other goes before: waking a core that sleeps costs
/// who wakes it, on virtual machines more than the request itself.
pub fn keep_awake(folder: &Folder, core: usize) -> Result<Running> {
    let mut command = Command::new("chrt");
    command.args(["--idle", "0", "sh", "-c", "while :; do :; done"]);
    Running::start(command, core, folder.path().join(format!("awake-{core}.log")))
}

/// A port of this machine that nobody has at the moment.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A server's certificate with its P-256 key, in the files `server.crt`, `server.key` and, both, `server.pem`.
pub fn write_server_certificate(folder: &Folder) -> Result<()> {
    let key = rcgen::KeyPair::generate()?;
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = rcgen::CertificateParams::new(names)?.self_signed(&key)?;
    folder.write("server.crt", &certificate.pem())?;
    folder.write("server.key", &key.serialize_pem())?;
    folder.write("server.pem", &format!("{}{}", certificate.pem(), key.serialize_pem()))?;
    Ok(())
}

/// The upstream, and the same over TLS, which stands for a server without a proxy before it.
pub struct Upstream {
    pub running: Running,
    pub address: SocketAddr,
}

impl Upstream {
    pub fn start(folder: &Folder, core: usize, with_tls: bool) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("upstream");
        if with_tls {
            let file = |name: &str| folder.path().join(name);
            command.arg("--certificate").arg(file("server.crt")).arg("--key").arg(file("server.key"));
        }
        let name = if with_tls { "direct.log" } else { "upstream.log" };
        let mut running = Running::start(command, core, folder.path().join(name))?;
        let address = running.wait_for(|running| running.log().lines().next()?.parse().ok())?;
        Ok(Self { running, address })
    }
}

/// The first line that `program` says of its version.
pub fn version_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let Ok(output) = output else { return format!("{program}: not there") };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
}

/// Runs `work` on both cores, for what comes before a measurement.
pub fn on_both_cores<T: Send>(
    cores: Cores,
    items: &mut [T],
    work: impl Fn(&mut T) -> Result<()> + Sync,
) -> Result<()> {
    let half = items.len().div_ceil(2).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = items
            .chunks_mut(half)
            .map(|part| {
                let work = &work;
                scope.spawn(move || -> Result<()> {
                    process::pin(&[cores.proxy, cores.load])?;
                    part.iter_mut().try_for_each(work)
                })
            })
            .collect();
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a thread failed"))??;
        }
        Ok(())
    })
}
