//! The first start of a ledger that was brought back from a backup.

use portcullis_domain::command::Command;

use super::schedule::public;
use crate::control::Control;
use crate::error::ExecuteError;

const REASON: &str = "restored from a backup: what was revoked since then is unknown";

impl Control {
    /// Records where the ledger comes from, and withdraws every key that tokens were signed with: which of those
    /// tokens had been revoked, nobody here knows. Before any gate is attached.
    ///
    /// # Errors
    /// The ledger can't be written, or no new key made. It may be tried again.
    pub async fn record_restored(&self, restored: Command) -> Result<(), ExecuteError> {
        let new = !self.execute(restored).await?.events.is_empty();
        if !new {
            return Ok(());
        }
        for key in self.state().signing_keys.clone() {
            let signs = self.state().active_signing_key().is_some_and(|active| active.kid == key.kid);
            let successor = if signs { Some(public(&*self.make_key(true).await?)?) } else { None };
            let reason = REASON.to_owned();
            let kid = key.kid.clone();
            self.execute(Command::WithdrawSigningKey { kid, by: None, reason, successor }).await?;
            self.destroy_key(&key.kid).await;
        }
        Ok(())
    }
}
