//! What vendors may have goes on with the clock.

use std::time::Duration;

use super::Control;

const DAY_SECONDS: i64 = 86_400;
/// Clocks are set, and machines sleep: the day is looked at again and again.
const LOOK: Duration = Duration::from_secs(30);

impl Control {
    /// Gives gates new lines of access on each day: what they hold reaches far ahead, and their sentences tell ages.
    pub(super) fn keep_days(&self) {
        let weak = self.weak();
        let mut looked = self.today();
        self.runtime_handle().spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let Some(control) = weak.upgrade() else { return };
                let today = control.today();
                if today != looked {
                    looked = today;
                    let core = &control.0.core;
                    core.publish(&core.book());
                }
            }
        });
    }

    fn today(&self) -> i64 {
        self.clock().now().as_second().div_euclid(DAY_SECONDS)
    }
}
