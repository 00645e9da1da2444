//! A key may be in other hands: it is refused at once, and everything under it with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use portcullis_api::keys::{WithdrawAnswer, Withdrawn};
use portcullis_domain::command::{Command, NewKey, Refusal};
use portcullis_domain::event::{Cause, Severance};
use portcullis_domain::ids::{ClientId, OperatorId, SeveranceId};
use portcullis_domain::target::Target;
use portcullis_policy::clock::micros;
use tokio::time::timeout;

use super::KeyRingError;
use super::schedule::public;
use crate::control::Control;
use crate::error::ExecuteError;
use crate::severing::gate_receipt;

/// How long the successor isn't used for the sake of gates that don't know it yet.
const GATES_WAIT: Duration = Duration::from_secs(2);
/// How long an answer waits for the ledger; as long as for gates.
const LEDGER_WAIT: Duration = Duration::from_secs(5);
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LAST: Duration = Duration::from_secs(5);
/// The reason where the one that was given is not known any more.
const UNRECORDED: &str = "withdrawn while the ledger could not be written";

impl Control {
    /// Withdraws a key: every gate is told and the ledger written at the same time, as for a
    /// severance. If it is the one that signs, a new one does from then on. Goes on to the end even
    /// when the caller has gone.
    ///
    /// # Errors
    /// The key isn't known, the reason is missing, or no successor can be made: nothing has changed.
    pub async fn withdraw_signing_key(
        &self,
        kid: String,
        by: OperatorId,
        reason: String,
    ) -> Result<WithdrawAnswer, ExecuteError> {
        let control = self.clone();
        let finish = self.tokio().spawn(async move { control.withdraw(kid, by, reason).await });
        finish.await.map_err(|_| ExecuteError::Stopping)?
    }

    async fn withdraw(
        &self,
        kid: String,
        by: OperatorId,
        reason: String,
    ) -> Result<WithdrawAnswer, ExecuteError> {
        let _turn = self.key_turn().lock().await;
        let clock = self.clock().clone();
        let (requested_at, arrived) = (clock.now(), clock.monotonic());
        self.judge(&kid, by, &reason)?;
        self.signing_keys().set_usable(&kid, false);
        let severance = Severance {
            id: SeveranceId(self.new_id()),
            // No client's key, but the one that signed: a token hangs on both.
            target: Target::Key { client: ClientId(uuid::Uuid::nil()), thumbprint: kid.clone() },
            epoch: 0,
            keys: vec![kid.clone()],
            cause: Cause::Operator { operator: by, reason: reason.clone(), tell: None },
            time: requested_at,
        };
        let withdrawal = Withdrawal { kid: kid.clone(), by: Some(by), reason };
        let record = timeout(LEDGER_WAIT, self.record_withdrawal(&withdrawal));
        let (reports, marked, recorded) =
            tokio::join!(self.sever_gates(&severance), self.mark_withdrawn(&kid), record);
        let took = clock.monotonic().saturating_sub(arrived);
        let withdrawn_at = clock.now();
        let mut notes = Vec::new();
        let recorded = match recorded {
            Ok(Ok(Some(recorded))) => Some(self.finish_withdrawal(&kid, recorded).await),
            Ok(Err(error)) => {
                notes.push(format!("the ledger did not take it: {error}"));
                None
            }
            Ok(Ok(None)) | Err(_) => {
                notes.push(format!("the ledger did not take it within {} seconds", LEDGER_WAIT.as_secs()));
                None
            }
        };
        match &recorded {
            Some(Finished { successor, behind }) => {
                notes.extend(behind.iter().map(|gate| {
                    format!("gate `{gate}` doesn't know the new key yet: it refuses new tokens until it does")
                }));
                if successor.is_some() {
                    notes.push(
                        "clients get new tokens by themselves; every token under the old key is refused"
                            .to_owned(),
                    );
                }
            }
            None => {
                notes.push(unrecorded(marked).to_owned());
                self.hold_withdrawn(withdrawal);
            }
        }
        notes.extend(reports.silent.iter().map(|gate| {
            format!("gate `{gate}` did not confirm within 5 seconds: tokens under the key may pass there")
        }));
        let names: BTreeMap<_, _> = self
            .state()
            .standings()
            .map(|standing| (standing.client_id(), standing.client.declaration.name.clone()))
            .collect();
        let answer = match (&recorded, reports.silent.is_empty()) {
            (None, _) => Withdrawn::NotRecorded,
            (Some(_), false) => Withdrawn::RecordedNotConfirmed,
            (Some(_), true) => Withdrawn::Withdrawn,
        };
        Ok(WithdrawAnswer {
            kid,
            answer,
            successor: recorded.and_then(|finished| finished.successor),
            withdrawn_at,
            took_us: micros(took),
            gates: reports.reports.into_iter().map(|report| gate_receipt(report, &names)).collect(),
            gates_silent: reports.silent,
            notes,
        })
    }

    /// Withdraws in the ledger, with a successor if the key signs there. Whoever calls it holds the turn. None while an
    /// earlier attempt is still on its way.
    ///
    /// # Errors
    /// The ledger can't be written, or no successor made. It may be tried again.
    async fn record_withdrawal(&self, withdrawal: &Withdrawal) -> Result<Option<Recorded>, ExecuteError> {
        let Withdrawal { kid, by, reason } = withdrawal.clone();
        // Not usable before gates know it: what it signed would be refused there.
        let successor = if self.signs(&kid) { Some(self.unpublished_key(false).await?) } else { None };
        let command = Command::WithdrawSigningKey {
            kid: kid.clone(),
            by,
            reason,
            successor: successor.as_deref().map(public).transpose()?,
        };
        let size = match self.execute(command).await {
            Ok(executed) => executed.size,
            Err(ExecuteError::Refused(Refusal::KeyGone { .. })) if self.is_withdrawn(&kid) => {
                return Ok(None);
            }
            // An attempt that was given up has come there all the same.
            Err(ExecuteError::Refused(Refusal::KeyGone { .. })) => self.state().size,
            Err(error) => return Err(error),
        };
        Ok(Some(Recorded { size, successor: successor.map(|key| key.kid().to_owned()) }))
    }

    /// Once the ledger holds it: the key's private half is destroyed, and another one signs.
    async fn finish_withdrawal(&self, kid: &str, recorded: Recorded) -> Finished {
        let behind = self.gates_behind_of(recorded.size, GATES_WAIT).await;
        self.destroy_key(kid).await;
        let active = self.state().active_signing_key().map(|key| key.kid.clone());
        if let Some(active) = &active {
            self.signing_keys().set_usable(active, true);
        }
        let successor = recorded.successor.filter(|kid| active.as_ref() == Some(kid));
        Finished { successor, behind }
    }

    /// Keeps a key withdrawn that the ledger doesn't know to be, and tells the ledger as soon as it can.
    fn hold_withdrawn(&self, withdrawal: Withdrawal) {
        tracing::error!(
            kid = withdrawal.kid,
            reason = withdrawal.reason,
            "a withdrawn signing key is not recorded; it stays refused, and recording is tried on"
        );
        if !self.put_withdrawn(&withdrawal.kid) {
            return;
        }
        let weak = self.weak();
        self.tokio().spawn(async move {
            let mut wait = RETRY_FIRST;
            loop {
                tokio::time::sleep(wait).await;
                let Some(control) = weak.upgrade() else { return };
                let _turn = control.key_turn().lock().await;
                match control.record_withdrawal(&withdrawal).await {
                    Ok(None) => {}
                    Ok(Some(recorded)) => {
                        control.finish_withdrawal(&withdrawal.kid, recorded).await;
                        tracing::info!(kid = withdrawal.kid, "a withdrawn signing key is recorded now");
                        return;
                    }
                    Err(ExecuteError::Stopping) => return,
                    Err(error) => {
                        tracing::warn!(%error, kid = withdrawal.kid, "a withdrawn signing key can't be recorded yet");
                    }
                }
                wait = (wait * 2).min(RETRY_LAST);
            }
        });
    }

    /// What an earlier process withdrew and could not record: before anything is signed.
    pub(super) async fn resume_withdrawals(&self) -> Result<(), KeyRingError> {
        let ring = Arc::clone(self.key_ring());
        let marked = self.tokio().spawn_blocking(move || ring.withdrawn()).await.unwrap_or(Ok(Vec::new()))?;
        for kid in marked {
            if self.state().signing_key(&kid).is_none() {
                self.destroy_key(&kid).await;
                continue;
            }
            let withdrawal = Withdrawal { kid, by: None, reason: UNRECORDED.to_owned() };
            match timeout(LEDGER_WAIT, self.record_withdrawal(&withdrawal)).await {
                Ok(Ok(Some(recorded))) => drop(self.finish_withdrawal(&withdrawal.kid, recorded).await),
                Ok(Ok(None) | Err(_)) | Err(_) => self.hold_withdrawn(withdrawal),
            }
        }
        Ok(())
    }

    async fn mark_withdrawn(&self, kid: &str) -> bool {
        let (ring, kid) = (Arc::clone(self.key_ring()), kid.to_owned());
        match self.tokio().spawn_blocking(move || ring.mark_withdrawn(&kid)).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(%error, "a withdrawn signing key can't be marked");
                false
            }
            Err(_) => false,
        }
    }

    /// Refused before anything is made. A key that the ledger doesn't know to be withdrawn may be withdrawn again.
    fn judge(&self, kid: &str, by: OperatorId, reason: &str) -> Result<(), ExecuteError> {
        let anybody = NewKey { kid: String::new(), jwk: serde_json::Value::Null };
        let command = Command::WithdrawSigningKey {
            kid: kid.to_owned(),
            by: Some(by),
            reason: reason.to_owned(),
            successor: Some(anybody),
        };
        match self.decide_next(command) {
            Err(Refusal::KeyGone { .. }) if self.is_withdrawn(kid) => Ok(()),
            judged => Ok(judged.map(drop)?),
        }
    }
}

/// A withdrawal on its way to the ledger.
#[derive(Clone)]
struct Withdrawal {
    kid: String,
    by: Option<OperatorId>,
    reason: String,
}

/// What the ledger holds of it.
struct Recorded {
    size: u64,
    /// Signs from then on.
    successor: Option<String>,
}

/// What it came to.
struct Finished {
    successor: Option<String>,
    /// Gates that don't know the successor yet.
    behind: Vec<String>,
}

fn unrecorded(marked: bool) -> &'static str {
    match marked {
        true => {
            "it stays withdrawn, after a restart too, and recording is tried on; until then no token is issued if it was the key that signed"
        }
        false => {
            "it stays withdrawn until control stops, and recording is tried on; its file can't be marked: withdraw it again after a restart"
        }
    }
}
