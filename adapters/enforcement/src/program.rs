//! Running a tool of the host: bounded in time and output, and gone when nobody waits for it any more.

use std::io::{self, Read, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::ArmError;
use crate::turn::Turn;

/// Bytes of either output that are read.
const OUTPUT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What a tool has said.
#[derive(Debug)]
pub(crate) struct Said {
    pub succeeded: bool,
    pub output: Vec<u8>,
    /// In one line.
    pub complaint: String,
}

/// Runs `program` with `input` until it ends, at most for `limit`. It is killed when nobody waits for it any more, and the
/// turn is over when it has ended.
pub(crate) async fn run(
    program: &str,
    arguments: &[&str],
    input: Vec<u8>,
    limit: Duration,
    turn: Option<Turn>,
) -> Result<Said, ArmError> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| absent(program, &error))?;
    let killer = Killer::of(child.id());
    let waiting = tokio::task::spawn_blocking(move || {
        let _until_it_has_ended = turn;
        // Who doesn't read its input says why on its error output.
        let _ = child.stdin.take().map(|mut pipe| pipe.write_all(&input));
        let complaints = child.stderr.take();
        let complaints = std::thread::spawn(move || complaints.map(bounded).transpose());
        let output = child.stdout.take().map(bounded).transpose()?.unwrap_or_default();
        let status = child.wait()?;
        let complaint = complaints.join().ok().and_then(Result::ok).flatten().unwrap_or_default();
        Ok::<_, io::Error>((status.success(), output, complaint))
    });
    let ended = tokio::time::timeout(limit, waiting).await;
    let failed = |why: String| ArmError::Failed { doing: "running a tool", why };
    match ended {
        Err(_) => {
            drop(killer);
            Err(failed(format!("`{program}` did not answer within {} ms", limit.as_millis())))
        }
        Ok(Ok(Ok((succeeded, output, complaint)))) => {
            let complaint = String::from_utf8_lossy(&complaint);
            let lines: Vec<_> = complaint.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            Ok(Said { succeeded, output, complaint: lines.join("; ").chars().take(500).collect() })
        }
        Ok(Ok(Err(error))) => Err(failed(format!("`{program}`: {error}"))),
        Ok(Err(error)) => Err(failed(format!("`{program}`: {error}"))),
    }
}

fn absent(program: &str, error: &io::Error) -> ArmError {
    match error.kind() {
        io::ErrorKind::NotFound => ArmError::Absent(format!("`{program}` is not installed")),
        _ => ArmError::Absent(format!("`{program}` can't be run: {error}")),
    }
}

fn bounded(pipe: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Ends the process when it goes; one that has ended is not touched, nor another of the same number.
struct Killer(Option<OwnedFd>);

impl Killer {
    fn of(id: u32) -> Self {
        let id = i32::try_from(id).ok().and_then(Pid::from_raw);
        Self(id.and_then(|id| pidfd_open(id, PidfdFlags::empty()).ok()))
    }
}

impl Drop for Killer {
    fn drop(&mut self) {
        if let Some(process) = &self.0 {
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    }
}
