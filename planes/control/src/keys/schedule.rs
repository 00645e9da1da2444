//! One key follows another: by schedule, or because an operator says so.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use portcullis_api::keys::{KeysView, RotateAnswer};
use portcullis_domain::command::{Command, NewKey};
use portcullis_domain::state::State;
use portcullis_domain::state::signing_keys::{KeyStage, KeyStep};
use portcullis_tokens::signing::SigningKey;

use super::KeyRingError;
use crate::control::Control;
use crate::error::{ExecuteError, StartError};

/// How long a rotation waits for gates to know the new key.
const GATES_WAIT: Duration = Duration::from_secs(5);
/// When what couldn't be done is tried again.
const AGAIN: SignedDuration = SignedDuration::from_secs(10);
/// The clock is looked at so often, whatever it said before.
const LOOK: Duration = Duration::from_secs(60);

impl Control {
    #[must_use]
    pub fn keys(&self) -> KeysView {
        super::view(&self.state(), self.signing_plan())
    }

    /// Publishes a new key, or takes the one that waits. It signs when everybody has had time to
    /// learn of it; with `now`, as soon as every gate knows it.
    ///
    /// # Errors
    /// One waits already, the ring can't be written, or the ledger can't.
    pub async fn rotate_signing_key(&self, now: bool) -> Result<RotateAnswer, ExecuteError> {
        let control = self.clone();
        // Goes on to the end when the caller has gone.
        let finish = self.tokio().spawn(async move { control.rotate(now).await });
        finish.await.map_err(|_| ExecuteError::Stopping)?
    }

    async fn rotate(&self, now: bool) -> Result<RotateAnswer, ExecuteError> {
        let _turn = self.key_turn().lock().await;
        let before = self.state();
        let replaces = before.active_signing_key().map(|key| key.kid.clone());
        let kid = match before.waiting_signing_key().filter(|_| now) {
            Some(waiting) if self.signing_keys().holds(&waiting.kid) => waiting.kid.clone(),
            _ => self.publish_key().await?,
        };
        let behind = self.gates_behind().await;
        let mut notes = Vec::new();
        if now && behind.is_empty() {
            self.execute(Command::ActivateSigningKey { kid: kid.clone() }).await?;
            notes.push(
                "it signs from now on; outside verifiers that hold an older copy of the key set must read it again"
                    .to_owned(),
            );
        } else if now {
            notes.push(
                "it doesn't sign yet, since not every gate knows it; the schedule goes on trying".to_owned(),
            );
        }
        let state = self.state();
        let shown = super::view(&state, self.signing_plan());
        let key = shown.signing.iter().find(|key| key.kid == kid).cloned();
        let refused_from =
            replaces.as_deref().and_then(|kid| state.signing_key(kid)).and_then(|key| key.refused_from());
        let key = key.ok_or(ExecuteError::Stopping)?;
        Ok(RotateAnswer { key, replaces, refused_from, gates_behind: behind, notes })
    }

    /// Does what the schedule wants done now, and says when to look again.
    ///
    /// # Errors
    /// As [`Self::rotate_signing_key`]; what was due stays due.
    pub async fn turn_signing_keys(&self) -> Result<Option<Timestamp>, ExecuteError> {
        let _turn = self.key_turn().lock().await;
        loop {
            let now = self.clock().now();
            let state = self.state();
            let Some((due, step)) = state.key_steps(self.signing_plan()).into_iter().next() else {
                return Ok(None);
            };
            if due > now {
                return Ok(Some(due));
            }
            match step {
                KeyStep::Publish => {
                    let kid = self.publish_key().await?;
                    tracing::info!(kid, "a signing key is published, and signs later");
                }
                KeyStep::Activate { kid } if self.signing_keys().holds(&kid) => {
                    let behind = self.gates_behind().await;
                    if !behind.is_empty() {
                        tracing::warn!(kid, ?behind, "a signing key waits for gates that don't know it");
                        return Ok(now.checked_add(AGAIN).ok());
                    }
                    self.execute(Command::ActivateSigningKey { kid: kid.clone() }).await?;
                    tracing::info!(kid, "a signing key signs from now on");
                }
                KeyStep::Activate { kid } => {
                    tracing::error!(kid, "a published signing key has no private half here: it is retired");
                    self.execute(Command::RetireSigningKey { kid }).await?;
                }
                KeyStep::Retire { kid } => {
                    self.execute(Command::RetireSigningKey { kid: kid.clone() }).await?;
                    self.destroy_key(&kid).await;
                    tracing::info!(kid, "a signing key is retired");
                }
            }
        }
    }

    /// Follows the schedule until control has gone.
    pub(crate) fn keep_turning(&self) {
        let weak = self.weak();
        let mut changes = self.watch();
        self.tokio().spawn(async move {
            loop {
                let Some(control) = weak.upgrade() else { return };
                let next = control.turn_signing_keys().await.unwrap_or_else(|error| {
                    tracing::error!(%error, "signing keys can't be turned now");
                    control.clock().now().checked_add(AGAIN).ok()
                });
                let wait = next.map_or(LOOK, |next| {
                    let wait = next.duration_since(control.clock().now());
                    Duration::try_from(wait).unwrap_or(Duration::ZERO)
                });
                drop(control);
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() { return },
                    // Not in one piece: clocks are set, and machines sleep.
                    () = tokio::time::sleep(wait.clamp(Duration::from_millis(10), LOOK)) => {}
                }
            }
        });
    }

    /// The key that signs at a start: the ledger's, if its private half is here.
    pub(crate) async fn found_signing_key(&self, lost: Vec<String>) -> Result<(), StartError> {
        let wrong = |error: ExecuteError| StartError::SigningKey(Box::new(error));
        if !lost.is_empty() {
            tracing::warn!(?lost, "private keys were lost, and are replaced");
            self.replace_lost(lost).await.map_err(wrong)?;
        }
        for kid in self.signing_keys().kids() {
            if self.state().former_signing_keys.contains_key(&kid) {
                self.destroy_key(&kid).await;
            }
        }
        self.resume_withdrawals().await?;
        let state = self.state();
        if state.active_signing_key().is_none() && self.has_signing_key() {
            // A withdrawn one that the ledger can't be told of: it gets its successor when that is recorded.
            return Ok(());
        }
        if let Some(active) = state.active_signing_key() {
            let held = self.signing_keys().holds(&active.kid);
            return if held { Ok(()) } else { Err(StartError::SigningKeyLost { kid: active.kid.clone() }) };
        }
        let (held, lost): (Vec<_>, Vec<_>) = state
            .signing_keys
            .iter()
            .filter(|key| key.stage == KeyStage::Published)
            .partition(|key| self.signing_keys().holds(&key.kid));
        for key in lost {
            self.execute(Command::RetireSigningKey { kid: key.kid.clone() }).await.map_err(wrong)?;
        }
        let kid = match held.last() {
            Some(key) => key.kid.clone(),
            None => self.publish_key().await.map_err(wrong)?,
        };
        self.execute(Command::ActivateSigningKey { kid }).await.map_err(wrong)?;
        Ok(())
    }

    /// Records what was lost; of signing keys, those whose private halves are not here are withdrawn.
    async fn replace_lost(&self, lost: Vec<String>) -> Result<(), ExecuteError> {
        self.execute(Command::ReplaceKeys { lost }).await?;
        for key in self.state().signing_keys.iter().filter(|key| !self.signing_keys().holds(&key.kid)) {
            let signs = matches!(key.stage, KeyStage::Active { .. });
            let successor = if signs { Some(public(&*self.make_key(true).await?)?) } else { None };
            let (kid, reason) = (key.kid.clone(), "its private half is lost".to_owned());
            self.execute(Command::WithdrawSigningKey { kid, by: None, reason, successor }).await?;
        }
        Ok(())
    }

    /// Makes a key that nobody knows known to everybody.
    async fn publish_key(&self) -> Result<String, ExecuteError> {
        let key = self.unpublished_key(true).await?;
        let kid = key.kid().to_owned();
        self.execute(Command::PublishSigningKey { key: public(&key)? }).await?;
        Ok(kid)
    }

    /// A key that nobody knows: one that was left when what it was made for broke off, or a new one.
    pub(super) async fn unpublished_key(&self, usable: bool) -> Result<Arc<SigningKey>, ExecuteError> {
        let left = unknown(&self.state(), &self.signing_keys().kids());
        match left.and_then(|kid| self.signing_keys().get(&kid)) {
            Some(key) => {
                self.signing_keys().set_usable(key.kid(), usable);
                Ok(key)
            }
            None => self.make_key(usable).await,
        }
    }

    pub(super) async fn make_key(&self, usable: bool) -> Result<Arc<SigningKey>, ExecuteError> {
        let ring = Arc::clone(self.key_ring());
        let made = self.tokio().spawn_blocking(move || ring.make()).await;
        let key = Arc::new(made.map_err(|_| ExecuteError::Stopping)??);
        self.signing_keys().insert(Arc::clone(&key), usable);
        Ok(key)
    }

    /// Its public half may live on; what can't be destroyed now is at the next start.
    pub(super) async fn destroy_key(&self, kid: &str) {
        self.signing_keys().remove(kid);
        let (ring, gone) = (Arc::clone(self.key_ring()), kid.to_owned());
        match self.tokio().spawn_blocking(move || ring.destroy(&gone)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => told(kid, &error),
            Err(_) => {}
        }
    }

    async fn gates_behind(&self) -> Vec<String> {
        self.gates_behind_of(self.state().size, GATES_WAIT).await
    }
}

fn told(kid: &str, error: &KeyRingError) {
    tracing::error!(kid, %error, "the private half of a signing key can't be destroyed");
}

pub(super) fn public(key: &SigningKey) -> Result<NewKey, ExecuteError> {
    let jwk = serde_json::to_value(key.public_jwk()).map_err(ExecuteError::Serialise)?;
    Ok(NewKey { kid: key.kid().to_owned(), jwk })
}

fn unknown(state: &State, held: &[String]) -> Option<String> {
    let known =
        |kid: &String| state.signing_key(kid).is_some() || state.former_signing_keys.contains_key(kid);
    held.iter().find(|kid| !known(kid)).cloned()
}
