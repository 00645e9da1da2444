//! What happens before the first command: the fold, the founding, and what the reserve holds.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use portcullis_assurance::stops::StopMode;
use portcullis_domain::command::Command;
use portcullis_domain::event::{Event, Severance};
use portcullis_domain::ids::{SeveranceId, SubjectId};
use portcullis_domain::state::State;
use portcullis_store::{EventStore, ReserveFile, Slot, StoreError, replay};
use portcullis_tokens::signing::SigningError;

use super::Control;
use crate::book::Book;
use crate::error::{ExecuteError, FoldError, StartError};
use crate::{oauth, record, severing};

/// How long the start waits for the ledger to take what the reserve holds.
const REPLAY_WAIT: Duration = Duration::from_secs(1);

/// What the ledger and the reserve come to.
pub(super) struct Folded {
    pub book: Book,
    /// Slots of the reserve that the ledger holds already.
    pub done: Vec<Slot>,
    pub erased: Vec<SubjectId>,
    /// What the reserve holds, and the ledger doesn't.
    pub replayed: Vec<SeveranceId>,
}

/// Reads both. Blocks nobody but its caller.
pub(super) async fn fold(store: &dyn EventStore, reserve: &Arc<ReserveFile>) -> Result<Folded, StartError> {
    for slot in reserve.torn() {
        tracing::warn!(
            ?slot,
            "a slot of the reserve was torn while it was written; nobody was told it had been"
        );
    }
    let mut state = State::default();
    let mut severed = BTreeSet::new();
    let mut erased = Vec::new();
    replay(store, 0, |stored| {
        let event = record::fold(stored)?;
        match &event {
            Event::Severed(severance) => {
                severed.insert(severance.id);
            }
            Event::SubjectErased { subject } => erased.push(*subject),
            _ => {}
        }
        state.apply(&event);
        Ok::<_, FoldError>(())
    })
    .await?;
    let entries = {
        let reserve = Arc::clone(reserve);
        let read = tokio::task::spawn_blocking(move || reserve.entries()).await;
        read.map_err(|_| StoreError::Closed)??
    };
    let (mut done, mut open): (Vec<Slot>, Vec<(Slot, Severance)>) = (Vec::new(), Vec::new());
    for (slot, entry) in entries {
        let severance = severing::read_reserve_entry(&entry, &state).map_err(StartError::ReserveEntry)?;
        if severed.contains(&severance.id) || open.iter().any(|(_, known)| known.id == severance.id) {
            done.push(slot);
        } else {
            open.push((slot, severance));
        }
    }
    let replayed = open.iter().map(|(_, severance)| severance.id).collect();
    Ok(Folded { book: Book::new(state, open), done, erased, replayed })
}

impl Control {
    /// The first events of a ledger, and those of a new signing key.
    pub(super) async fn found(&self, stops: StopMode, lost_keys: Vec<String>) -> Result<(), StartError> {
        match &self.state().installation {
            None => {
                let command = Command::Found { issuer: self.0.issuer.clone(), stops: Some(stops) };
                self.execute(command).await.map_err(|error| StartError::Found(Box::new(error)))?;
            }
            Some(known) if known.issuer != self.0.issuer => {
                tracing::warn!(founded = known.issuer, now = self.0.issuer, "the issuer was another one");
            }
            Some(_) => {}
        }
        self.found_signing_key(lost_keys).await
    }

    /// Gives the ledger a moment to take what the reserve holds; it is in force either way.
    pub(super) async fn replay_reserve(&self, severances: Vec<SeveranceId>) {
        let waiting: Vec<_> =
            severances.iter().filter_map(|severance| self.0.core.book().wait_for(*severance)).collect();
        self.0.core.severed.notify_one();
        let recorded = async {
            for recorded in waiting {
                // A failure is told by the writer, which goes on trying.
                let _ = recorded.await;
            }
        };
        if tokio::time::timeout(REPLAY_WAIT, recorded).await.is_err() {
            tracing::warn!("the ledger hasn't taken what the reserve holds; it is in force all the same");
        }
    }

    /// The authorization server, which decides by what is in force.
    pub(super) fn authorization_server(&self) -> Result<oauth::Server, SigningError> {
        let (core, executor) = (Arc::clone(&self.0.core), Arc::downgrade(&self.0));
        let (teller, fetcher) = (Weak::clone(&executor), Weak::clone(&executor));
        let ids = Arc::clone(&self.0.core);
        oauth::Server::new(oauth::Options {
            issuer: self.0.issuer.clone(),
            public_origins: self.0.public_origins.clone(),
            signing_keys: Arc::clone(self.signing_keys()),
            clock: self.clock().clone(),
            state: Arc::new(move || core.state()),
            execute: Arc::new(move |command| {
                let control = executor.upgrade().map(Self);
                Box::pin(async move {
                    let Some(control) = control else {
                        return Err(oauth::NotDone::NotRecorded("stopping".into()));
                    };
                    control.execute_for_client(command).await
                })
            }),
            postures: Arc::clone(&self.0.postures),
            tell: Arc::new(move |message| {
                let control = teller.upgrade().map(Self);
                Box::pin(async move {
                    if let Some(control) = control {
                        control.tell_gates(message).await;
                    }
                })
            }),
            fetched: Arc::new(move |id| fetcher.upgrade().and_then(|shared| shared.issuers.fetched(id))),
            documents: Arc::clone(&self.0.documents),
            regimes: Arc::clone(&self.0.regimes),
            new_id: Arc::new(move || ids.new_id()),
        })
    }

    /// What a client commands by itself. Keys hold at every gate when it returns: otherwise a client that
    /// turns to its new key at once would be refused.
    async fn execute_for_client(&self, command: Command) -> Result<Vec<Event>, oauth::NotDone> {
        let not_done = |error: ExecuteError| match error {
            ExecuteError::Refused(refusal) => oauth::NotDone::Refused(refusal),
            other => oauth::NotDone::NotRecorded(other.to_string()),
        };
        if matches!(command, Command::SuspectTheft { .. }) {
            return self
                .close_and_enforce(command)
                .await
                .map(|()| Vec::new())
                .map_err(oauth::NotDone::Refused);
        }
        let of_keys = matches!(command, Command::RotateKey { .. } | Command::UseEnrolment { .. });
        let executed = self.execute(command).await.map_err(not_done)?;
        if of_keys {
            for gate in self.0.gates.wait_for(executed.size, super::APPLY_WAIT).await {
                tracing::warn!(gate, "a gate doesn't decide by a client's new key yet");
            }
        }
        Ok(executed.events)
    }
}
