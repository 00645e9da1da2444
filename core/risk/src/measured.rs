//! For measurements whose logs are shorter than a client's life. A gate calls none of these.

use crate::client::ClientRisk;
use crate::contexts::Id;
use crate::input::Context;

impl ClientRisk {
    /// A challenge was passed in this context that the model hasn't asked for: another threshold than its own is tried.
    pub fn passed(&mut self, context: &Context, at_us: i64) {
        self.step += 1;
        let at_us = self.pass_time(at_us);
        if let Some(owner) = self.contexts.find(&Id::of(context)) {
            self.pass(owner, false, at_us);
        }
    }

    /// How many exchanges the baseline holds; they fade.
    #[must_use]
    pub fn mass(&self) -> u32 {
        self.baseline.mass()
    }

    /// As if the day had ended now, and the client had graduated: what is known becomes the reference, and the levels of rates are
    /// fixed.
    pub fn trained(&mut self) {
        self.step += 1;
        self.turn(self.day);
        self.settle();
        self.baseline.seal();
    }
}
