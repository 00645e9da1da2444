//! What somebody wants to happen to a dossier, and why it may be refused.

use jiff::Timestamp;
use portcullis_ids::ids::OperatorId;
use uuid::Uuid;

use crate::change::Change;
use crate::dossier::Dossier;

/// What is asked for. Most orders are the change itself; those that need an id get it here.
#[derive(Clone, PartialEq, Debug)]
pub struct Order {
    pub change: Change,
    pub by: Option<OperatorId>,
}

/// What judging may not fetch by itself.
pub struct Moment<'a> {
    pub now: Timestamp,
    pub new_id: &'a mut dyn FnMut() -> Uuid,
}

/// Why nothing has changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DossierRefusal {
    #[error("there is no {what} `{id}` in this dossier")]
    Unknown { what: &'static str, id: String },
}

impl Dossier {
    /// The changes that an order comes to; none where all is so already.
    ///
    /// # Errors
    /// [`DossierRefusal`], with a next step.
    pub fn decide(&self, order: Order, _moment: &mut Moment<'_>) -> Result<Vec<Change>, DossierRefusal> {
        Ok(vec![order.change])
    }
}
