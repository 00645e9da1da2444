//! What whoever has ordered a cut is told: once in time, and again when what had failed then is closed.

use std::time::Duration;

use portcullis_ids::ids::SeveranceId;
use portcullis_network::order::{Arm, ArmOutcome, ArmReport, CutReport, FromEnforcer};
use portcullis_policy::clock::{Clock, micros};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::drive::Progress;
use crate::journal::Unkept;
use crate::keeper::Answers;

/// How long a failed try is not the answer: the next one comes at once, and a race between arms is over by then.
const CLOSED_WAIT: Duration = Duration::from_millis(500);
/// How long after that an arm that has said nothing yet is waited for.
const WORD_WAIT: Duration = Duration::from_millis(1_000);
/// How long the disk is waited for when the arms have answered.
const DISK_WAIT: Duration = Duration::from_millis(100);

/// Somebody who waits for the word on a cut.
pub(crate) struct Waiting {
    pub order: u64,
    pub severance: SeveranceId,
    pub watched: Vec<(Arm, watch::Receiver<Progress>)>,
    pub unkept: watch::Receiver<Unkept>,
    pub clock: Clock,
    pub arrived: Duration,
    pub answers: Option<Answers>,
}

impl Waiting {
    /// Drops `first` when the first word is said.
    pub async fn answer(mut self, first: oneshot::Sender<()>) {
        if timeout(CLOSED_WAIT, self.all(|progress| progress.is_done)).await.is_err() {
            let _ = timeout(WORD_WAIT, self.all(|progress| progress.report.is_some())).await;
        }
        let mut report = self.report();
        let failed = report.arms.iter().any(|arm| matches!(arm.outcome, ArmOutcome::Failed { .. }));
        report.not_kept = self.not_kept().await;
        self.say(report).await;
        drop(first);
        if !failed || self.answers.is_none() {
            return;
        }
        // Ends when every arm has done, or its cut was lifted.
        self.all(|progress| progress.is_done).await;
        let mut report = self.report();
        report.not_kept = self.not_kept().await;
        self.say(report).await;
    }

    async fn all(&mut self, holds: impl Fn(&Progress) -> bool) {
        for (_, progress) in &mut self.watched {
            let _ = progress.wait_for(&holds).await;
        }
    }

    /// Why the cut isn't on disk.
    async fn not_kept(&mut self) -> Option<String> {
        let severance = self.severance;
        let is_over = |unkept: &Unkept| !matches!(unkept.get(&severance), Some(None));
        match timeout(DISK_WAIT, self.unkept.wait_for(is_over)).await {
            Ok(Ok(unkept)) => unkept.get(&severance).cloned().flatten(),
            Ok(Err(_)) => None,
            Err(_) => Some(format!("it is not written within {} ms", DISK_WAIT.as_millis())),
        }
    }

    async fn say(&self, report: CutReport) {
        if let Some(answers) = &self.answers {
            let _ = answers.send(FromEnforcer::Severed { order: self.order, report }).await;
        }
    }

    fn report(&self) -> CutReport {
        let took_us = micros(self.clock.monotonic().saturating_sub(self.arrived));
        let silent = (CLOSED_WAIT + WORD_WAIT).as_millis();
        let arms = self.watched.iter().map(|(arm, progress)| {
            let known = progress.borrow().report.clone();
            known.unwrap_or_else(|| ArmReport {
                arm: *arm,
                outcome: ArmOutcome::Failed { why: format!("no word within {silent} ms; it is tried on") },
                paths: Vec::new(),
                attempts: 1,
                took_us,
            })
        });
        CutReport { arms: arms.collect(), took_us, not_kept: None }
    }
}
