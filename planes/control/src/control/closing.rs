//! Severing, revoking, signing out and restoring: what closes paths, and opens them again.

use std::sync::Arc;

use portcullis_api::closing::TokensEnded;
use portcullis_api::severing::{Receipt, RestoreAnswer, SeverPreview};
use portcullis_domain::command::{Command, Refusal, Seen};
use portcullis_domain::decision::DecisionId;
use portcullis_domain::event::Severance;
use portcullis_domain::exercise::SeveredBy;
use portcullis_domain::ids::{ClientId, OperatorId, RestoreId, SeveranceId};
use portcullis_domain::reason::Reason;
use portcullis_domain::target::{Target, TargetName};
use portcullis_network::cut::Scope;
use portcullis_network::order::{CutReport, HeldCut};
use portcullis_policy::link::RememberedSeverance;

use super::{APPLY_WAIT, Control};
use crate::arms::ENFORCER;
use crate::error::ExecuteError;
use crate::severing::{Everywhere, Held, Times};
use crate::{restoring, severing};

impl Control {
    /// Closes every path of a target. Goes on to the end even when the caller has gone.
    ///
    /// # Errors
    /// The target isn't known, or the reason is missing: nothing was closed then, and only then.
    pub async fn sever(
        &self,
        target: TargetName,
        by: impl Into<SeveredBy>,
        reason: String,
    ) -> Result<Receipt, ExecuteError> {
        self.sever_telling(target, by, reason, None).await
    }

    /// The same, with words for the vendor's people, who are told afterwards.
    ///
    /// # Errors
    /// As [`Self::sever`].
    pub async fn sever_telling(
        &self,
        target: TargetName,
        by: impl Into<SeveredBy>,
        reason: String,
        tell: Option<String>,
    ) -> Result<Receipt, ExecuteError> {
        let by = by.into();
        let session_of = self.session_of(&target).await;
        let seen = Seen { keys: Vec::new(), session_of };
        self.close_with_receipt(Command::Sever { target, by, reason, tell, seen }).await
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
        let mut preview = severing::preview(&self.state(), target, session_of, &self.0.enforcer)?;
        preview.told = self.telling_preview(&preview.target_id);
        Ok(preview)
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
        let times =
            Times { requested_at, finished_at: clock.now(), took, gates_took: took, recorded_took: took };
        Ok(severing::tokens_ended(&self.state(), &executed, reports, &times))
    }

    pub(crate) async fn close_with_receipt(&self, command: Command) -> Result<Receipt, ExecuteError> {
        let clock = self.clock().clone();
        let (requested_at, arrived) = (clock.now(), clock.monotonic());
        let closed = self.0.core.close(command, &self.0.seen)?;
        // `decide` makes an event or a refusal.
        let Some(closed) = closed else { return Err(ExecuteError::Stopping) };
        self.expect_receipt(closed.severance.id);
        let control = self.clone();
        let finish = self.0.core.runtime.spawn(async move {
            let done = control.close_everywhere(&closed.severance, None).await;
            let took = clock.monotonic().saturating_sub(arrived);
            let gates_took = done.gates_done.saturating_sub(arrived);
            let recorded_took = done.recorded_at.saturating_sub(arrived);
            let times = Times { requested_at, finished_at: clock.now(), took, gates_took, recorded_took };
            let mut receipt = severing::receipt(&control.state(), closed, done, &times);
            let telling = control.telling_note(receipt.severance.0);
            receipt.notes.extend(telling.clone());
            control.file_receipt(&mut receipt).await;
            // After it was signed: names are for whoever asked, and not for the ledger. They say more than the note.
            receipt.told = control.telling_of(receipt.severance.0);
            if receipt.told.is_some() {
                receipt.notes.retain(|note| telling.as_ref() != Some(note));
            }
            receipt
        });
        finish.await.map_err(|_| ExecuteError::Stopping)
    }

    /// At the gates, in the ledger, and by the enforcer's arms: all at the same time, and none waits for another.
    async fn close_everywhere(&self, severance: &Severance, closed_by: Option<DecisionId>) -> Everywhere {
        let state = self.state();
        let gates = async { (self.0.gates.sever(severance, closed_by).await, self.clock().monotonic()) };
        let ledger = async { (self.0.core.hold(severance).await, self.clock().monotonic()) };
        let ((reports, gates_done), (held, recorded_at), arms) =
            tokio::join!(gates, ledger, self.0.enforcer.sever(&state, severance));
        Everywhere { reports, held, gates_done, recorded_at, arms, enforcer: self.0.enforcer.standing() }
    }

    /// An arm that had failed has closed its paths: that is receipted by itself.
    pub(super) fn closed_later(&self, severance: SeveranceId, report: CutReport) {
        let state = self.state();
        let Some(severance) = state.severances.get(&severance).cloned() else { return };
        tracing::warn!(severance = %severance.id, "what an arm had failed to close is closed now");
        let receipt = severing::later_receipt(&state, &severance, report, self.clock().now());
        self.file_later_receipt(&receipt);
    }

    /// The enforcer holds a cut that was lost here before the ledger had it: it is in force again, where everybody sees it,
    /// and two people can restore it.
    pub(super) fn recall_cut(&self, held: &HeldCut) {
        let target = match held.scope {
            Scope::Vendor { id } => Target::Vendor { id },
            Scope::Integration { id } => Target::Integration { id },
        };
        if target.id().is_nil() {
            return;
        }
        // Its keys may have been given anew since: whoever has them gets no further than the cut.
        let (gate, version, keys) = (ENFORCER.to_owned(), self.state().size, Vec::new());
        let command = Command::Recall { gate, version, severance: held.severance, target, epoch: 0, keys };
        let Ok(Some(closed)) = self.0.core.close(command, &self.0.seen) else { return };
        tracing::error!(severance = %held.severance, target = self.state().name_of(&closed.severance.target), "the enforcer holds a cut that the ledger does not: it is in force again");
        let control = self.clone();
        self.0.core.runtime.spawn(async move { control.enforce_alone(closed, None).await });
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

    /// Says no to a proposal; its target stays closed.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn refuse_restore(
        &self,
        proposal: RestoreId,
        target: TargetName,
        by: OperatorId,
        reason: String,
    ) -> Result<RestoreAnswer, ExecuteError> {
        self.restore(Command::RefuseRestore { proposal, target, by, reason }).await
    }

    async fn restore(&self, command: Command) -> Result<RestoreAnswer, ExecuteError> {
        let executed = self.execute(command).await?;
        let behind = self.0.gates.wait_for(executed.size, APPLY_WAIT).await;
        // Both commands make one of the two events, or a refusal.
        let answer = restoring::answer(&self.state(), &executed.events, &behind);
        let mut answer = answer.ok_or(ExecuteError::Stopping)?;
        self.telling_step(&mut answer);
        Ok(answer)
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
                let done = control.close_everywhere(&closed.severance, None).await;
                if done.held == Held::Nothing {
                    tracing::error!(severance = %closed.severance.id, "what a gate remembers is not recorded");
                }
            });
        }
    }

    /// Nobody waits for a receipt.
    async fn enforce_alone(&self, closed: severing::Closed, closed_by: Option<DecisionId>) {
        let done = self.close_everywhere(&closed.severance, closed_by).await;
        if done.held == Held::Nothing || !done.reports.silent.is_empty() || done.is_open_at_arms() {
            tracing::error!(severance = %closed.severance.id, silent = ?done.reports.silent, "a severance does not hold everywhere, or is not recorded");
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
