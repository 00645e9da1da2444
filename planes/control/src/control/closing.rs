//! Severing, revoking, signing out and restoring: what closes paths, and opens them again.

use std::sync::Arc;

use portcullis_api::closing::TokensEnded;
use portcullis_api::severing::{Receipt, RestoreAnswer, SeverPreview};
use portcullis_domain::command::{Command, Refusal, Seen};
use portcullis_domain::decision::DecisionId;
use portcullis_domain::ids::{ClientId, OperatorId, RestoreId};
use portcullis_domain::reason::Reason;
use portcullis_domain::target::TargetName;
use portcullis_policy::link::RememberedSeverance;

use super::{APPLY_WAIT, Control};
use crate::error::ExecuteError;
use crate::severing::{Held, Times};
use crate::{restoring, severing};

impl Control {
    /// Closes every path of a target. Goes on to the end even when the caller has gone.
    ///
    /// # Errors
    /// The target isn't known, or the reason is missing: nothing was closed then, and only then.
    pub async fn sever(
        &self,
        target: TargetName,
        by: OperatorId,
        reason: String,
    ) -> Result<Receipt, ExecuteError> {
        let session_of = self.session_of(&target).await;
        let seen = Seen { keys: Vec::new(), session_of };
        self.close_with_receipt(Command::Sever { target, by, reason, seen }).await
    }

    /// What `sever` would close.
    ///
    /// # Errors
    /// [`Refusal::Unknown`].
    pub fn sever_preview(&self, target: &TargetName) -> Result<SeverPreview, Refusal> {
        let session_of = match target {
            TargetName::Session(session) => self.0.decisions.recent_session_of(session),
            _ => None,
        };
        severing::preview(&self.state(), target, session_of)
    }

    /// Refuses keys of a client for good: one, or all of them.
    ///
    /// # Errors
    /// As [`Self::sever`].
    pub async fn revoke_keys(
        &self,
        client: String,
        key: Option<String>,
        by: OperatorId,
        reason: String,
    ) -> Result<Receipt, ExecuteError> {
        let command = Command::RevokeKeys { client, key, by, reason, seen: Seen::default() };
        self.close_with_receipt(command).await
    }

    /// The same for what gates confirm: a token that is dead, or all of a target.
    ///
    /// # Errors
    /// As [`Self::execute`]; nothing was told to any gate then.
    pub async fn end_tokens(&self, command: Command) -> Result<TokensEnded, ExecuteError> {
        let clock = self.clock().clone();
        let (requested_at, arrived) = (clock.now(), clock.monotonic());
        let control = self.clone();
        let finish = self.0.core.runtime.spawn(async move { control.execute_whole(command).await });
        let (executed, reports) = finish.await.map_err(|_| ExecuteError::Stopping)??;
        let took = clock.monotonic().saturating_sub(arrived);
        let times = Times { requested_at, finished_at: clock.now(), took };
        Ok(severing::tokens_ended(&self.state(), &executed, reports, &times))
    }

    pub(crate) async fn close_with_receipt(&self, command: Command) -> Result<Receipt, ExecuteError> {
        let clock = self.clock().clone();
        let (requested_at, arrived) = (clock.now(), clock.monotonic());
        let closed = self.0.core.close(command, &self.0.seen)?;
        // `decide` makes an event or a refusal.
        let Some(closed) = closed else { return Err(ExecuteError::Stopping) };
        let control = self.clone();
        let finish = self.0.core.runtime.spawn(async move {
            let (reports, held) = control.0.core.enforce(&control.0.gates, &closed.severance, None).await;
            let took = clock.monotonic().saturating_sub(arrived);
            let times = Times { requested_at, finished_at: clock.now(), took };
            severing::receipt(&control.state(), closed, reports, held, &times)
        });
        finish.await.map_err(|_| ExecuteError::Stopping)
    }

    /// Restores a client, key or session at once; proposes it for a vendor or an integration.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn propose_restore(
        &self,
        target: TargetName,
        by: OperatorId,
    ) -> Result<RestoreAnswer, ExecuteError> {
        self.restore(Command::ProposeRestore { target, by }).await
    }

    /// The second person's word.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn confirm_restore(
        &self,
        proposal: RestoreId,
        target: TargetName,
        by: OperatorId,
    ) -> Result<RestoreAnswer, ExecuteError> {
        self.restore(Command::ConfirmRestore { proposal, target, by }).await
    }

    async fn restore(&self, command: Command) -> Result<RestoreAnswer, ExecuteError> {
        let executed = self.execute(command).await?;
        let behind = self.0.gates.wait_for(executed.size, APPLY_WAIT).await;
        // Both commands make one of the two events, or a refusal.
        restoring::answer(&self.state(), &executed.events, &behind).ok_or(ExecuteError::Stopping)
    }

    /// The gate that says so has closed the keys already; the others and the ledger haven't.
    pub(super) fn cut_key(&self, client: ClientId, keys: Vec<String>, decision: DecisionId) {
        let closed = self.0.core.close(Command::CutKey { client, keys, decision }, &self.0.seen);
        let Ok(Some(closed)) = closed else { return };
        let control = self.clone();
        self.0.core.runtime.spawn(async move { control.enforce_alone(closed, Some(decision)).await });
    }

    /// Likewise of a context.
    pub(super) fn cut_session(
        &self,
        client: ClientId,
        session: String,
        decision: DecisionId,
        reason: Reason,
    ) {
        let command = Command::CutSession { client, session, decision, reason };
        let closed = self.0.core.close(command, &self.0.seen);
        let Ok(Some(closed)) = closed else { return };
        let control = self.clone();
        self.0.core.runtime.spawn(async move { control.enforce_alone(closed, Some(decision)).await });
    }

    /// Severs for no operator. Goes on to the end even when the caller has gone.
    pub(super) async fn close_and_enforce(&self, command: Command) -> Result<(), Refusal> {
        let Some(closed) = self.0.core.close(command, &self.0.seen)? else { return Ok(()) };
        let control = self.clone();
        // Broken off only with the process.
        let _ = self.0.core.runtime.spawn(async move { control.enforce_alone(closed, None).await }).await;
        Ok(())
    }

    /// A gate knows of severances: those that the ledger never had were lost with the events of a backup's time.
    pub(super) fn recall(&self, gate: &str, version: u64, severances: Vec<RememberedSeverance>) {
        for RememberedSeverance { severance, target, epoch, keys, .. } in severances {
            // A signing key: it is nobody's, and what was withdrawn is known by other events.
            if target.id().is_nil() {
                continue;
            }
            let gate = gate.to_owned();
            let command = Command::Recall { gate, version, severance, target, epoch, keys };
            let Ok(Some(closed)) = self.0.core.close(command, &self.0.seen) else { continue };
            tracing::warn!(%severance, target = self.state().name_of(&closed.severance.target), "a gate remembers a severance that the ledger does not hold: it is in force again");
            let control = self.clone();
            self.0.core.runtime.spawn(async move {
                let (_, held) = control.0.core.enforce(&control.0.gates, &closed.severance, None).await;
                if held == Held::Nothing {
                    tracing::error!(severance = %closed.severance.id, "what a gate remembers is not recorded");
                }
            });
        }
    }

    /// Nobody waits for a receipt.
    async fn enforce_alone(&self, closed: severing::Closed, closed_by: Option<DecisionId>) {
        let (reports, held) = self.0.core.enforce(&self.0.gates, &closed.severance, closed_by).await;
        if held == Held::Nothing || !reports.silent.is_empty() {
            tracing::error!(severance = %closed.severance.id, silent = ?reports.silent, "a severance does not hold everywhere, or is not recorded");
        }
    }

    async fn session_of(&self, target: &TargetName) -> Option<ClientId> {
        let TargetName::Session(session) = target else { return None };
        if self.state().target(target).is_some() {
            return None;
        }
        let (decisions, session, now_ms) = (Arc::clone(&self.0.decisions), session.clone(), self.now_ms());
        let state = self.state();
        let search = move || decisions.session_of(&session, &state, now_ms);
        self.0.core.runtime.spawn_blocking(search).await.ok().flatten()
    }
}
