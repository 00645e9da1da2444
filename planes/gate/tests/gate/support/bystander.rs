//! Another vendor, who must not notice anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_tokens::access_token::AccessClaims;
use tokio::task::JoinHandle;

use super::client::{BOTH, With, get};
use super::identity::Who;
use super::world::{World, bound_to_certificate};

pub struct Bystander {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<u64>>,
}

impl Bystander {
    /// Asks for `path`, one record, over and over, on one connection of each protocol. Anything but a whole answer panics.
    pub async fn start(world: &Arc<World>, who: Who, path: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for protocol in BOTH {
            let (mut connection, _, certificate) = world.client(who, protocol).await;
            // It outlives what the test does to the clock.
            let claims = world.claims(who, bound_to_certificate(certificate.thumbprint()));
            let expires_at = claims.issued_at + 7 * 24 * 3_600;
            let token = world.mint(&AccessClaims { expires_at, ..claims });
            let stop = Arc::clone(&stop);
            tasks.push(tokio::spawn(async move {
                let mut served = 0;
                while !stop.load(Ordering::SeqCst) {
                    let answer = connection.ask(get(path).bearer(&token)).await.unwrap();
                    assert_eq!((answer.status, answer.records()), (200, 1));
                    assert!(answer.broke_off.is_none());
                    served += 1;
                }
                served
            }));
        }
        Self { stop, tasks }
    }

    /// Stops, and says how many requests were served.
    pub async fn served(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        let mut served = 0;
        for task in self.tasks {
            served += task.await.unwrap();
        }
        assert!(served > 0);
        served
    }
}
