//! One arm, one cut: tried until it is verified.

use std::sync::Arc;
use std::time::Duration;

use portcullis_enforcement::{ArmError, NetworkArm};
use portcullis_network::cut::{Cut, CutLink};
use portcullis_network::order::{Arm, ArmOutcome, ArmReport, PathReport};
use portcullis_policy::clock::{Clock, micros};
use tokio::sync::watch;
use tokio::time::{interval_at, timeout};

/// How long one try may take.
const TRY: Duration = Duration::from_secs(2);
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LAST: Duration = Duration::from_secs(30);

/// What is known of an arm's work on a cut.
#[derive(Clone, Default, Debug)]
pub(crate) struct Progress {
    /// Of the last try.
    pub report: Option<ArmReport>,
    /// Whether nothing is left to do.
    pub is_done: bool,
}

/// What an arm has to close.
pub(crate) struct Work {
    pub arm: Arc<dyn NetworkArm>,
    pub cut: Arc<Cut>,
    pub clock: Clock,
    pub arrived: Duration,
    /// An arm that has to be done first: what comes until then has to be closed once more.
    pub behind: Option<watch::Receiver<Progress>>,
}

/// Closes and verifies, again and again, until it is verified. Each try's report is shown on `reports`.
pub(crate) async fn drive(work: Work, reports: watch::Sender<Progress>) {
    let Work { arm, cut, clock, arrived, mut behind } = work;
    let mut pause = PAUSE_FIRST;
    for attempts in 1.. {
        let mut report = once(&*arm, &cut, &clock, arrived, attempts).await;
        let is_closed = matches!(report.outcome, ArmOutcome::Closed | ArmOutcome::Nothing);
        if is_closed && let Some(mut first) = behind.take() {
            // It is told already: the other arm may take long.
            reports.send_replace(Progress { report: Some(report.clone()), is_done: false });
            if first.wait_for(|first| first.is_done).await.is_err() {
                return;
            }
            report = both(report, once(&*arm, &cut, &clock, arrived, attempts).await);
        }
        let is_done = match &report.outcome {
            ArmOutcome::Closed | ArmOutcome::Nothing | ArmOutcome::Absent { .. } => true,
            ArmOutcome::Failed { why } => {
                tracing::error!(arm = %report.arm, severance = %cut.severance, attempts, why, "a path is not verified closed; it is tried on");
                false
            }
        };
        reports.send_replace(Progress { report: Some(report), is_done });
        if is_done {
            return;
        }
        let mut wait = interval_at(tokio::time::Instant::now() + pause, pause);
        wait.tick().await;
        pause = (pause * 2).min(PAUSE_LAST);
    }
}

/// What was closed at first, and what came after that.
fn both(first: ArmReport, second: ArmReport) -> ArmReport {
    let mut paths = first.paths;
    for path in second.paths {
        if !paths.iter().any(|known| known.path == path.path) {
            paths.push(path);
        }
    }
    let outcome = match second.outcome {
        ArmOutcome::Nothing if !paths.is_empty() => ArmOutcome::Closed,
        outcome => outcome,
    };
    ArmReport { outcome, paths, ..second }
}

/// Whether the cut has paths of this kind, as far as one can know without looking.
fn concerns(arm: Arm, cut: &Cut) -> bool {
    let tunnels =
        |ipsec: bool| cut.tunnels.iter().any(|tunnel| matches!(tunnel.link, CutLink::Ipsec { .. }) == ipsec);
    match arm {
        Arm::Ipsec => tunnels(true),
        Arm::Wireguard => tunnels(false),
        Arm::Packets | Arm::Sockets => !cut.networks.is_empty(),
    }
}

/// Looks whether it is closed, and closes nothing.
pub(crate) async fn look(arm: &dyn NetworkArm, cut: &Cut, clock: &Clock, arrived: Duration) -> ArmReport {
    let looked = timeout(TRY, arm.verify(cut)).await;
    let took_us = micros(clock.monotonic().saturating_sub(arrived));
    let (outcome, paths) = match looked {
        Ok(Ok(paths)) if paths.is_empty() => (ArmOutcome::Nothing, paths),
        Ok(Ok(paths)) => (ArmOutcome::Closed, paths),
        Ok(Err(error)) => (outcome_of(&error), Vec::new()),
        Err(_) => (ArmOutcome::Failed { why: slow() }, Vec::new()),
    };
    ArmReport { arm: arm.arm(), outcome, paths, attempts: 0, took_us }
}

async fn once(arm: &dyn NetworkArm, cut: &Cut, clock: &Clock, arrived: Duration, attempts: u32) -> ArmReport {
    let mut paths = Vec::new();
    let tried = timeout(TRY, try_once(arm, cut, clock, arrived, &mut paths)).await;
    let outcome = match tried {
        Ok(Ok(())) if paths.is_empty() => ArmOutcome::Nothing,
        Ok(Ok(())) => ArmOutcome::Closed,
        Ok(Err(error)) => outcome_of(&error),
        Err(_) => ArmOutcome::Failed { why: slow() },
    };
    let took_us = micros(clock.monotonic().saturating_sub(arrived));
    // Packets are dropped with or without the sockets; what only this arm could have closed is open.
    let outcome = match outcome {
        ArmOutcome::Absent { why } if arm.arm() != Arm::Sockets && concerns(arm.arm(), cut) => {
            ArmOutcome::Failed { why }
        }
        outcome => outcome,
    };
    ArmReport { arm: arm.arm(), outcome, paths, attempts, took_us }
}

async fn try_once(
    arm: &dyn NetworkArm,
    cut: &Cut,
    clock: &Clock,
    arrived: Duration,
    paths: &mut Vec<PathReport>,
) -> Result<(), ArmError> {
    *paths = arm.sever(cut).await?;
    let closed_us = micros(clock.monotonic().saturating_sub(arrived));
    for path in &mut *paths {
        path.closed_us = Some(closed_us);
    }
    let verified = arm.verify(cut).await?;
    let verified_us = micros(clock.monotonic().saturating_sub(arrived));
    for looked in verified {
        match paths.iter_mut().find(|path| path.path == looked.path) {
            Some(path) => {
                path.verified_us = Some(verified_us);
                path.how = looked.how;
            }
            None => paths.push(PathReport { verified_us: Some(verified_us), ..looked }),
        }
    }
    // What was closed and can't be looked at, such as a socket that is gone, is verified by its absence.
    for path in paths.iter_mut().filter(|path| path.verified_us.is_none()) {
        path.verified_us = Some(verified_us);
    }
    Ok(())
}

fn outcome_of(error: &ArmError) -> ArmOutcome {
    match error {
        ArmError::Absent(why) => ArmOutcome::Absent { why: why.clone() },
        error => ArmOutcome::Failed { why: error.to_string() },
    }
}

fn slow() -> String {
    format!("no answer within {} seconds", TRY.as_secs())
}
