//! A disk that fails under the decision log: what can't be recorded doesn't happen.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_decision_log::{Disk, Fault, Faults, Operation, Options};

use crate::support::client::{BOTH, With, get};
use crate::support::identity::who;
use crate::support::soon;
use crate::support::world::World;

/// `EIO`.
const DEVICE_FAILS: i32 = 5;

#[derive(Default)]
struct FailingSyncs(AtomicBool);

impl Faults for FailingSyncs {
    fn meet(&self, operation: Operation, _: &Path) -> Option<Fault> {
        let sync = matches!(operation, Operation::Sync | Operation::SyncMapped { .. });
        (sync && self.0.load(Ordering::SeqCst)).then_some(Fault::Error(DEVICE_FAILS))
    }
}

/// The kernel forgets what it could not write: a sync that works again afterwards proves nothing.
#[tokio::test]
async fn after_a_failed_sync_nothing_passes_until_the_log_is_opened_again() {
    let faults = Arc::new(FailingSyncs::default());
    let disk = Disk::failing(Arc::clone(&faults) as Arc<dyn Faults>);
    let world = World::recording(Options { disk, ..Options::default() }).await;
    for protocol in BOTH {
        let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
        faults.0.store(true, Ordering::SeqCst);
        // Each request gives the core something to sync, at most 50 ms later.
        let refused = async {
            loop {
                let answer = connection.ask(get("/records/1").bearer(&token)).await.unwrap();
                if answer.status != 200 {
                    return answer;
                }
            }
        };
        let answer = soon("a refusal", refused).await;
        assert_eq!((answer.status, answer.reason().as_str()), (503, "decision_log_unavailable"));

        faults.0.store(false, Ordering::SeqCst);
        let reached = world.upstream.log.requests.load(Ordering::SeqCst);
        for path in ["/records/1", "/free/x?n=1", "/ungranted"] {
            let answer = connection.ask(get(path).bearer(&token)).await.unwrap();
            assert_eq!(
                (answer.status, answer.reason().as_str()),
                (503, "decision_log_unavailable"),
                "{path}"
            );
        }
        assert_eq!(world.upstream.log.requests.load(Ordering::SeqCst), reached);
    }
}
