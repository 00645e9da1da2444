//! Destroying the keys of erased texts, until it has succeeded.

use std::sync::Arc;
use std::time::Duration;

use portcullis_domain::ids::SubjectId;
use portcullis_store::StoreError;

use super::Control;
use crate::error::ExecuteError;

const ERASE_RETRY_FIRST: Duration = Duration::from_secs(1);
const ERASE_RETRY_LAST: Duration = Duration::from_secs(60);

impl Control {
    pub(super) async fn erase(&self, subject: SubjectId) -> Result<(), ExecuteError> {
        let erased = self.0.core.store.erase(subject.0).await;
        erased.map_err(|source| {
            self.erase_in_background(subject, ERASE_RETRY_FIRST);
            ExecuteError::Erasure { subject, source }
        })
    }

    pub(super) fn erase_in_background(&self, subject: SubjectId, mut wait: Duration) {
        let store = Arc::clone(&self.0.core.store);
        self.0.core.runtime.spawn(async move {
            loop {
                tokio::time::sleep(wait).await;
                match store.erase(subject.0).await {
                    Ok(()) | Err(StoreError::Closed) => return,
                    Err(error) => tracing::warn!(%error, %subject, "a key can't be destroyed yet"),
                }
                wait = (wait * 2).clamp(ERASE_RETRY_FIRST, ERASE_RETRY_LAST);
            }
        });
    }
}
