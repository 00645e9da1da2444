//! What the modules beside control need of it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::event::{Event, Severance};
use portcullis_domain::state::State;
use portcullis_domain::state::signing_keys::SigningPlan;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};
use uuid::Uuid;

use super::{Control, Shared};
use crate::keys::{KeyRing, SigningKeys};
use crate::link::Reports;

/// A handle that keeps nothing alive.
pub(crate) struct WeakControl(Weak<Shared>);

impl WeakControl {
    pub fn upgrade(&self) -> Option<Control> {
        self.0.upgrade().map(Control)
    }
}

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

    pub(crate) fn downgrade(&self) -> WeakControl {
        WeakControl(Arc::downgrade(&self.0))
    }

    pub(crate) fn new_id(&self) -> Uuid {
        self.0.core.new_id()
    }

    pub(crate) fn decide(&self, state: &State, command: Command) -> Result<Vec<Event>, Refusal> {
        self.0.core.decide(state, command)
    }

    /// Has every gate refuse what `severance` names, and says what each has cut.
    pub(crate) async fn sever_gates(&self, severance: &Severance) -> Reports {
        self.0.gates.sever(severance).await
    }

    /// Names of the gates that don't decide by the ledger of `size` within `wait`.
    pub(crate) async fn gates_behind_of(&self, size: u64, wait: Duration) -> Vec<String> {
        self.0.gates.wait_for(size, wait).await
    }
}
