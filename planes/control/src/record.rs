//! Events as the ledger keeps them, and back.

use jiff::Timestamp;
use portcullis_domain::event::Event;
use portcullis_domain::spec::Declaration;
use portcullis_ledger::canonical;
use portcullis_store::{NewEvent, StoreError, StoredEvent};

use crate::error::{ExecuteError, FoldError};

/// An event on its way into the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// As it will be read back.
    pub event: Event,
    pub stored: NewEvent,
}

impl Draft {
    /// # Errors
    /// [`ExecuteError::Store`] when the payload has no canonical form.
    pub fn new(event: &Event, time: Timestamp) -> Result<Self, ExecuteError> {
        let payload = serde_json::to_value(event).map_err(ExecuteError::Serialise)?;
        let kind = event.kind();
        // The canonical form writes `1.0` as `1`. What is folded now must be what is folded after a restart.
        let bytes = canonical::to_bytes(&payload).map_err(|error| {
            ExecuteError::Store(StoreError::Invalid { kind: kind.to_owned(), what: error.to_string() })
        })?;
        let payload: serde_json::Value = serde_json::from_slice(&bytes).map_err(ExecuteError::Serialise)?;
        let event: Event = serde_json::from_slice(&bytes).map_err(ExecuteError::Serialise)?;
        let aggregate = event.aggregate();
        let stored = NewEvent { time, kind: kind.to_owned(), aggregate, version: Event::VERSION, payload };
        Ok(Self { event, stored })
    }
}

/// A declaration as the ledger gives it back, so that declaring it again is known to change nothing.
/// What has no canonical form stays as it is; `decide` or [`Draft::new`] refuses it.
pub(crate) fn canonical_declaration(declaration: Declaration) -> Declaration {
    let value = serde_json::to_value(&declaration).ok();
    let bytes = value.and_then(|value| canonical::to_bytes(&value).ok());
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(declaration)
}

/// The event that a stored one holds.
///
/// # Errors
/// It is of a kind or version that this code doesn't know, or contradicts its envelope.
pub(crate) fn fold(stored: StoredEvent) -> Result<Event, FoldError> {
    let StoredEvent { sequence, kind, version, payload, time, .. } = stored;
    if !Event::KINDS.contains(&kind.as_str()) {
        return Err(FoldError::Kind { sequence, kind });
    }
    if version != Event::VERSION {
        return Err(FoldError::Version { sequence, kind, version, known: Event::VERSION });
    }
    match serde_json::from_value::<Event>(payload) {
        // Written before events said so themselves: the envelope's time is as good.
        Ok(Event::ResourceDefined { id, declaration, keys, time: None }) if kind == "resource_defined" => {
            Ok(Event::ResourceDefined { id, declaration, keys, time: Some(time) })
        }
        Ok(event) if event.kind() == kind => Ok(event),
        Ok(event) => Err(FoldError::Contradiction { sequence, kind, payload: event.kind().to_owned() }),
        Err(source) => Err(FoldError::Payload { sequence, kind, source }),
    }
}
