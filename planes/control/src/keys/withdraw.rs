//! A key may be in other hands: it is refused at once, and everything under it with it.

use std::collections::BTreeMap;
use std::time::Duration;

use portcullis_api::keys::{WithdrawAnswer, Withdrawn};
use portcullis_domain::command::{Command, NewKey};
use portcullis_domain::event::{Cause, Severance};
use portcullis_domain::ids::{ClientId, OperatorId, SeveranceId};
use portcullis_domain::state::State;
use portcullis_domain::state::signing_keys::KeyStage;
use portcullis_domain::target::Target;

use super::schedule::public;
use crate::control::Control;
use crate::error::ExecuteError;
use crate::severing::gate_receipt;

/// How long the successor isn't used for the sake of gates that don't know it yet.
const GATES_WAIT: Duration = Duration::from_secs(2);

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
        let state = self.state();
        self.judge(&state, &kid, by, &reason)?;
        let signs = state.signing_key(&kid).is_some_and(|key| matches!(key.stage, KeyStage::Active { .. }));
        // Not usable before gates know it: what it signed would be refused there.
        let successor = if signs { Some(self.make_key(false).await?) } else { None };
        self.signing_keys().set_usable(&kid, false);
        let command = Command::WithdrawSigningKey {
            kid: kid.clone(),
            by: Some(by),
            reason: reason.clone(),
            successor: successor.as_deref().map(public).transpose()?,
        };
        let severance = Severance {
            id: SeveranceId(self.new_id()),
            // No client's key, but the one that signed: a token hangs on both.
            target: Target::Key { client: ClientId(uuid::Uuid::nil()), thumbprint: kid.clone() },
            epoch: 0,
            keys: vec![kid.clone()],
            cause: Cause::Operator { operator: by, reason },
            time: requested_at,
        };
        let (reports, executed) = tokio::join!(self.sever_gates(&severance), self.execute(command));
        let took = clock.monotonic().saturating_sub(arrived);
        let withdrawn_at = clock.now();
        let mut notes = Vec::new();
        let recorded = match &executed {
            Ok(executed) => {
                let behind = self.gates_behind_of(executed.size, GATES_WAIT).await;
                for gate in behind {
                    notes.push(format!(
                        "gate `{gate}` doesn't know the new key yet: it refuses new tokens until it does"
                    ));
                }
                self.destroy_key(&kid).await;
                true
            }
            Err(error) => {
                tracing::error!(%error, kid, "a withdrawn signing key is not recorded");
                notes.push(format!(
                    "the ledger did not take it ({error}): no token is issued until it is withdrawn again"
                ));
                false
            }
        };
        let successor = successor.map(|key| key.kid().to_owned());
        if let Some(successor) = successor.as_deref().filter(|_| recorded) {
            self.signing_keys().set_usable(successor, true);
        }
        for gate in &reports.silent {
            notes.push(format!(
                "gate `{gate}` did not confirm within 5 seconds: tokens under the key may pass there"
            ));
        }
        if recorded && signs {
            notes.push(
                "clients get new tokens by themselves; every token under the old key is refused".to_owned(),
            );
        }
        let names: BTreeMap<_, _> = self
            .state()
            .standings()
            .map(|standing| (standing.client_id(), standing.client.declaration.name.clone()))
            .collect();
        let answer = match (recorded, reports.silent.is_empty()) {
            (false, _) => Withdrawn::CutNotRecorded,
            (true, false) => Withdrawn::RecordedNotConfirmed,
            (true, true) => Withdrawn::Withdrawn,
        };
        Ok(WithdrawAnswer {
            kid,
            answer,
            successor: successor.filter(|_| recorded),
            withdrawn_at,
            took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            gates: reports.reports.into_iter().map(|report| gate_receipt(report, &names)).collect(),
            gates_silent: reports.silent,
            notes,
        })
    }

    /// Refused before anything is made.
    fn judge(&self, state: &State, kid: &str, by: OperatorId, reason: &str) -> Result<(), ExecuteError> {
        let anybody = NewKey { kid: String::new(), jwk: serde_json::Value::Null };
        let command = Command::WithdrawSigningKey {
            kid: kid.to_owned(),
            by: Some(by),
            reason: reason.to_owned(),
            successor: Some(anybody),
        };
        self.decide(state, command)?;
        Ok(())
    }
}
