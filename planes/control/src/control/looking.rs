//! Looking at the ledger again and again, for as long as there is control.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::MissedTickBehavior;

use super::Control;

/// How often it is looked whether anything has changed.
const BEAT: Duration = Duration::from_secs(1);

impl Control {
    /// Calls `look` at once, whenever the ledger has grown, and after `by_time` at the latest, until control is gone. What
    /// comes while it looks is looked at afterwards.
    pub(crate) fn keep_looking<Look: Future<Output = ()> + Send>(
        &self,
        by_time: SignedDuration,
        look: impl Fn(Self) -> Look + Send + 'static,
    ) {
        let (control, runtime) = (self.weak(), self.runtime_handle());
        runtime.spawn(async move {
            let mut beat = tokio::time::interval(BEAT);
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut looked: Option<(u64, Timestamp)> = None;
            loop {
                beat.tick().await;
                let Some(control) = control.upgrade() else { return };
                let (size, now) = (control.state().size, control.clock().now());
                let news = looked.is_none_or(|(known, at)| {
                    let late = now.duration_since(at);
                    size != known || late >= by_time || late.is_negative()
                });
                if news {
                    looked = Some((size, now));
                    look(control).await;
                }
            }
        });
    }
}
