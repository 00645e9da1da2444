//! What every part of control shares: the book, the store, time and randomness.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_api::ledger::EventView;
use portcullis_domain::command::{Command, Context, Prepared, Refusal};
use portcullis_domain::event::Event;
use portcullis_domain::state::State;
use portcullis_policy::clock::Clock;
use portcullis_store::{EventStore, ReserveFile, Slot, replay};
use tokio::runtime::Handle;
use tokio::sync::{Notify, broadcast, watch};
use uuid::Uuid;

use crate::book::Book;
use crate::error::FoldError;
use crate::record::{canonical_declaration, fold};

/// Fills a buffer with random bytes.
pub type Entropy = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Events that a slow follower may be behind before it misses some.
const FOLLOWED_MAX: usize = 1_024;

pub(crate) struct Core {
    book: Mutex<Book>,
    /// What is in force.
    state: watch::Sender<Arc<State>>,
    pub store: Arc<dyn EventStore>,
    pub reserve: Arc<ReserveFile>,
    pub clock: Clock,
    pub entropy: Entropy,
    pub runtime: Handle,
    /// A severance waits for the ledger.
    pub severed: Notify,
    pub events: broadcast::Sender<EventView>,
}

impl Core {
    pub fn new(
        book: Book,
        store: Arc<dyn EventStore>,
        reserve: Arc<ReserveFile>,
        clock: Clock,
        entropy: Entropy,
    ) -> Self {
        Self {
            state: watch::Sender::new(book.in_force()),
            book: Mutex::new(book),
            store,
            reserve,
            clock,
            entropy,
            runtime: Handle::current(),
            severed: Notify::new(),
            events: broadcast::Sender::new(FOLLOWED_MAX),
        }
    }

    /// Never held across an await, nor for longer than a decision takes.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.borrow())
    }

    pub fn watch(&self) -> watch::Receiver<Arc<State>> {
        self.state.subscribe()
    }

    pub fn decide(&self, state: &State, command: Command) -> Result<Vec<Event>, Refusal> {
        let mut new_id = || self.new_id();
        let command = match command {
            Command::Apply { resources } => Command::Apply {
                resources: resources
                    .into_iter()
                    .map(|Prepared { declaration, keys }| Prepared {
                        declaration: canonical_declaration(declaration),
                        keys,
                    })
                    .collect(),
            },
            other => other,
        };
        state.decide(command, &mut Context { now: self.clock.now(), new_id: &mut new_id })
    }

    pub fn new_id(&self) -> Uuid {
        let mut bytes = [0; 16];
        (self.entropy)(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// Shows readers what is in force. `book` is the one that is locked, so that no older one comes later.
    pub fn publish(&self, book: &Book) {
        self.state.send_replace(book.in_force());
    }

    /// Folds events that the ledger holds now.
    pub fn commit<'a>(&self, events: impl Iterator<Item = (u64, &'a Event)>) {
        let mut told = Vec::new();
        let mut free = Vec::new();
        {
            let mut book = self.book();
            for (sequence, event) in events {
                free.extend(book.commit(event, sequence));
                told.push(EventView { sequence, kind: event.kind().to_owned() });
            }
            if !told.is_empty() {
                self.publish(&book);
            }
        }
        self.clear(free);
        for event in told {
            // Nobody may be following.
            let _ = self.events.send(event);
        }
    }

    /// Folds what the ledger holds beyond the book, and starts deciding anew from there.
    ///
    /// # Errors
    /// The ledger can't be read, or holds what this code doesn't understand.
    pub async fn read_on(&self) -> Result<(), FoldError> {
        let from = self.book().size();
        let mut new = Vec::new();
        replay(&*self.store, from, |stored| {
            let sequence = stored.sequence;
            new.push((sequence, fold(stored)?));
            Ok::<_, FoldError>(())
        })
        .await?;
        self.commit(new.iter().map(|(sequence, event)| (*sequence, event)));
        self.book().forget_tentative();
        Ok(())
    }

    /// Frees slots of the reserve whose severances the ledger holds.
    pub fn clear(&self, slots: Vec<Slot>) {
        if slots.is_empty() {
            return;
        }
        let reserve = Arc::clone(&self.reserve);
        self.runtime.spawn_blocking(move || {
            for slot in slots {
                // It stays taken then; at the next start the ledger is found to hold it already.
                if let Err(error) = reserve.clear(slot) {
                    tracing::warn!(%error, "a slot of the reserve can't be freed");
                }
            }
        });
    }
}
