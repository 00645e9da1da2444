//! One change at a time of what an arm keeps. A command that nobody waits for any more may still take effect: whoever comes
//! next waits until it has ended, so that what is closed afterwards stays closed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;

use crate::ArmError;

/// How long a cut waits for what was begun before. It is killed or told to stop, so that is milliseconds.
const WAIT: Duration = Duration::from_millis(1_000);

#[derive(Clone, Default, Debug)]
pub(crate) struct Turns(Arc<Mutex<()>>);

/// It is somebody's turn until every copy is gone: one goes with each program that runs.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    _held: Option<Arc<OwnedMutexGuard<()>>>,
    is_late: bool,
}

impl Turns {
    /// For a change that can wait.
    pub async fn wait(&self) -> Turn {
        Turn { _held: Some(Arc::new(Arc::clone(&self.0).lock_owned().await)), is_late: false }
    }

    /// For a cut, which closes in any case: what was begun before and doesn't end makes it go on without its turn.
    pub async fn cut(&self) -> Turn {
        self.cut_within(WAIT).await
    }

    async fn cut_within(&self, limit: Duration) -> Turn {
        match timeout(limit, self.wait()).await {
            Ok(turn) => turn,
            Err(_) => Turn { _held: None, is_late: true },
        }
    }
}

impl Turn {
    /// What was done without its turn may be undone by what was begun before: it is closed, and has to be closed again.
    pub fn is_good(&self) -> Result<(), ArmError> {
        if self.is_late {
            let why = format!("what was begun before has not ended within {} ms", WAIT.as_millis());
            return Err(ArmError::Failed { doing: "waiting for a change", why });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_turn_ends_with_its_last_copy_and_a_cut_goes_on_without_it() {
        let turns = Turns::default();
        let first = turns.wait().await;
        let copy = first.clone();
        drop(first);
        let cut = turns.cut_within(Duration::from_millis(1)).await;
        assert!(cut.is_good().is_err(), "the copy has it still");
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { turns.cut_within(Duration::from_secs(60)).await.is_good() }
        });
        tokio::task::yield_now().await;
        drop((cut, copy));
        assert!(waiting.await.unwrap().is_ok());
    }
}
