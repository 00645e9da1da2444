//! Tokens that end while many requests use them: from the gate's word on none is accepted, and what has
//! begun goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use portcullis_domain::target::Target;
use portcullis_policy::link::{SeverReport, ToGate};

use crate::support::client::{Protocol, With, get};
use crate::support::identity::{Certificate, who};
use crate::support::soon;
use crate::support::world::World;

/// From the command to the last answer that let one in; far more than it takes.
const LAST_USE_WITHIN: Duration = Duration::from_millis(500);
const CALLERS: usize = 8;

/// What one caller has seen: when the last request that was accepted was sent.
async fn hammer(
    world: Arc<World>,
    certificate: Arc<Certificate>,
    token: String,
    stop: Arc<AtomicBool>,
) -> (u64, Instant) {
    let mut connection = world.open(Protocol::H2, Some(&certificate)).await;
    let (mut accepted, mut last) = (0, now());
    while !stop.load(Ordering::SeqCst) {
        let sent = now();
        let answer = connection.ask(get("/free/x").bearer(&token)).await.unwrap();
        match answer.status {
            200 => (accepted, last) = (accepted + 1, sent),
            _ => assert_eq!(answer.status, 401, "{}", answer.reason()),
        }
    }
    (accepted, last)
}

#[expect(clippy::disallowed_methods, reason = "the test's own stopwatch")]
fn now() -> Instant {
    Instant::now()
}

async fn confirmed(world: &World, message: ToGate, order: u64) -> SeverReport {
    world.to_gate.send(message).await.unwrap();
    let report = |report: &&SeverReport| report.order == order;
    world.control.wait("a word", |seen| seen.severed.iter().find(report).cloned()).await
}

#[tokio::test]
async fn nothing_is_accepted_after_tokens_end_and_what_has_begun_goes_on() {
    for (what, number) in [("token revoke", 1), ("sign-out client", 2), ("sign-out vendor", 3)] {
        let world = Arc::new(World::new().await);
        let (mut connection, token, certificate) = world.client(who(1, 1), Protocol::H2).await;
        let claims =
            world.claims(who(1, 1), crate::support::world::bound_to_certificate(certificate.thumbprint()));
        let mut running =
            connection.send(get("/free/x?n=1000000&chunk=5&pace_ms=2").bearer(&token)).await.unwrap();
        let (certificate, stop) = (Arc::new(certificate), Arc::new(AtomicBool::new(false)));
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let (world, certificate, stop) =
                    (Arc::clone(&world), Arc::clone(&certificate), Arc::clone(&stop));
                tokio::spawn(hammer(world, certificate, token.clone(), stop))
            })
            .collect();
        for _ in 0..100 {
            soon("the download", running.body_mut().frame()).await.unwrap().unwrap();
        }
        let message = match number {
            1 => ToGate::RevokeToken {
                order: number,
                token_id: claims.token_id.clone(),
                expires_at: claims.expires_at,
            },
            2 => ToGate::SignOut {
                order: number,
                target: Target::Client { id: who(1, 1).client },
                epoch: 2,
                cut_off_seconds: claims.issued_at,
            },
            _ => ToGate::SignOut {
                order: number,
                target: Target::Vendor { id: who(1, 1).vendor },
                epoch: 2,
                cut_off_seconds: claims.issued_at,
            },
        };
        let commanded = now();
        let report = confirmed(&world, message, number).await;
        let word = now();
        assert_eq!((report.cores, report.connections.len()), (2, 0), "nothing is cut");
        for _ in 0..100 {
            soon("more of the download", running.body_mut().frame()).await.unwrap().unwrap();
        }
        stop.store(true, Ordering::SeqCst);
        let mut accepted = 0;
        let mut last = commanded;
        for caller in callers {
            let (own, sent) = caller.await.unwrap();
            accepted += own;
            last = last.max(sent);
            assert!(sent < word, "{what}: accepted after every core had confirmed");
        }
        assert!(accepted > 0);
        println!(
            "{what}: {accepted} accepted, last use {:?} after the command, confirmed after {:?}",
            last.saturating_duration_since(commanded),
            word - commanded,
        );
        assert!(last.saturating_duration_since(commanded) < LAST_USE_WITHIN);
        // The others of the vendor go on, but where it was signed out as a whole.
        let (mut sibling, sibling_token, _) = world.client(who(1, 2), Protocol::H2).await;
        let status = sibling.ask(get("/free/x").bearer(&sibling_token)).await.unwrap().status;
        assert_eq!(status, if number == 3 { 401 } else { 200 }, "{what}");
        // A new token of the new epoch is taken at once: nothing is closed.
        let epochs = match number {
            1 => claims.lineage.epochs,
            2 => portcullis_tokens::access_token::Epochs { client: 2, ..claims.lineage.epochs },
            _ => portcullis_tokens::access_token::Epochs { vendor: 2, ..claims.lineage.epochs },
        };
        let mut fresh = claims.clone();
        fresh.token_id = "another".to_owned();
        fresh.lineage.epochs = epochs;
        let fresh = world.mint(&fresh);
        assert_eq!(connection.ask(get("/free/x").bearer(&fresh)).await.unwrap().status, 200, "{what}");
    }
}
