//! What the modules beside control need of it.

use std::sync::Arc;
use std::time::Duration;

use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::event::{Event, Severance};
use portcullis_domain::state::State;
use portcullis_domain::state::signing_keys::SigningPlan;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};
use uuid::Uuid;

use super::Control;
use crate::keys::{KeyRing, SigningKeys};
use crate::link::Reports;

impl Control {
    pub(crate) fn signing_keys(&self) -> &Arc<SigningKeys> {
        &self.0.signing_keys
    }

    pub(crate) fn key_ring(&self) -> &Arc<dyn KeyRing> {
        &self.0.key_ring
    }

    pub(crate) fn signing_plan(&self) -> &SigningPlan {
        &self.0.signing_plan
    }

    pub(crate) fn key_turn(&self) -> &Mutex<()> {
        &self.0.key_turn
    }

    pub(crate) fn tokio(&self) -> &Handle {
        &self.0.core.runtime
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<State>> {
        self.0.core.watch()
    }

    /// A random identifier.
    #[must_use]
    pub fn new_id(&self) -> Uuid {
        self.0.core.new_id()
    }

    /// Decides on what the ledger holds and what is on its way there.
    pub(crate) fn decide_next(&self, command: Command) -> Result<Vec<Event>, Refusal> {
        let book = self.0.core.book();
        self.0.core.decide(&book.tentative, command)
    }

    /// Whether the ledger has it that tokens are signed with this key.
    pub(crate) fn signs(&self, kid: &str) -> bool {
        self.0.core.book().tentative.active_signing_key().is_some_and(|key| key.kid == kid)
    }

    /// Whether the ledger has a key that signs, withdrawn here or not.
    pub(crate) fn has_signing_key(&self) -> bool {
        self.0.core.book().tentative.active_signing_key().is_some()
    }

    /// Whether a signing key is withdrawn here, and the ledger doesn't hold that.
    pub(crate) fn is_withdrawn(&self, kid: &str) -> bool {
        self.0.core.book().is_withdrawn(kid)
    }

    /// Puts the withdrawal of a signing key in force that the ledger doesn't hold; false if it was before, or
    /// there is no such key.
    pub(crate) fn put_withdrawn(&self, kid: &str) -> bool {
        let core = &self.0.core;
        let mut book = core.book();
        if book.is_withdrawn(kid) {
            return false;
        }
        book.withdraw(kid, core.clock.now());
        core.publish(&book);
        book.is_withdrawn(kid)
    }

    /// Has every gate refuse what `severance` names, and says what each has cut.
    pub(crate) async fn sever_gates(&self, severance: &Severance) -> Reports {
        self.0.gates.sever(severance, None).await
    }

    /// Names of the gates that don't decide by the ledger of `size` within `wait`.
    pub(crate) async fn gates_behind_of(&self, size: u64, wait: Duration) -> Vec<String> {
        self.0.gates.wait_for(size, wait).await
    }
}
