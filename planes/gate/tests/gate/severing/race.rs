//! One vendor, severed and restored over and over, while its machines go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http_body_util::BodyExt;
use portcullis_domain::target::Target;
use portcullis_tokens::access_token::{AccessClaims, Epochs, Lineage};
use tokio::sync::oneshot;

use crate::support::client::{Answer, Connection, Connector, Failure, Protocol, With, get};
use crate::support::identity::{Certificate, who};
use crate::support::seen::Watched;
use crate::support::soon;
use crate::support::tap::Tap;
use crate::support::world::{World, bound_to_certificate};

#[derive(Default)]
pub struct Figures {
    pub took_us: Vec<u64>,
    /// Connections that were reset.
    pub connections: u64,
    /// Requests of machines that raced the severance.
    pub requests: u64,
}

impl Figures {
    pub fn add(&mut self, other: Self) {
        self.took_us.extend(other.took_us);
        self.connections += other.connections;
        self.requests += other.requests;
    }

    pub fn percentiles(&mut self) -> String {
        self.took_us.sort_unstable();
        let at = |percent: usize| self.took_us[(self.took_us.len() - 1) * percent / 100];
        format!("p50 {} µs, p90 {} µs, p99 {} µs, max {} µs", at(50), at(90), at(99), at(100))
    }
}

/// What a round's machines share.
struct Round {
    connector: Connector,
    token: String,
    watched: Watched,
    requests: AtomicU64,
    /// The severance is confirmed, and the downloads have been looked at.
    over: AtomicBool,
}

/// `rounds` times: let the vendor's machines work, sever it, look, restore it with a new key.
pub fn race(world: &Arc<World>, vendor: u128, rounds: u64) -> Figures {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut figures = Figures::default();
    for number in 0..rounds {
        let epoch = 1 + 2 * number;
        let certificate = Certificate::new();
        let round = Arc::new(Round {
            connector: world.connector(Some(&certificate)),
            token: token(world, vendor, epoch, &certificate),
            watched: Watched::default(),
            requests: AtomicU64::new(0),
            over: AtomicBool::new(false),
        });
        // Machines on a thread of their own race those of this one.
        let (racing, started) = oneshot::channel();
        let racer = {
            let round = Arc::clone(&round);
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(keep_asking(&round, racing));
            })
        };
        runtime.block_on(async {
            let order = (vendor as u64) << 32 | number;
            figures
                .took_us
                .push(sever_once(world, &round, vendor, order, epoch + 1, &certificate, started).await);
            round.over.store(true, Ordering::SeqCst);
        });
        racer.join().unwrap();
        figures.requests += round.requests.load(Ordering::SeqCst);
        runtime.block_on(async {
            figures.connections += world.control.look(|seen| {
                // Nobody looks at them here, and there are many.
                seen.decided.clear();
                seen.ended.clear();
                let order = (vendor as u64) << 32 | number;
                let place = seen.severed.iter().position(|report| report.order == order).unwrap();
                seen.severed.swap_remove(place).connections.len() as u64
            });
            world
                .publish(|facts| {
                    facts.vendors[vendor as usize - 1].epoch = epoch + 2;
                    facts.refused_keys.push(certificate.thumbprint().to_string());
                })
                .await;
            if number % 50 == 0 {
                // Restored, but not for the old key.
                let token = token(world, vendor, epoch + 2, &certificate);
                let mut connection = world.open(Protocol::H1, Some(&certificate)).await;
                let answer = connection.ask(get("/free/x").bearer(&token)).await.unwrap();
                assert_eq!(answer.reason(), "key_severed");
            }
        });
    }
    figures
}

fn token(world: &World, vendor: u128, epoch: u64, certificate: &Certificate) -> String {
    let claims = world.claims(who(vendor, 1), bound_to_certificate(certificate.thumbprint()));
    let epochs = Epochs { vendor: epoch, integration: 1, client: 1 };
    let lineage = Lineage { epochs, ..claims.lineage.clone() };
    world.mint(&AccessClaims { lineage, ..claims })
}

/// Opens downloads and an idle connection, severs, and checks that not a byte came after.
async fn sever_once(
    world: &World,
    round: &Arc<Round>,
    vendor: u128,
    order: u64,
    epoch: u64,
    certificate: &Certificate,
    started: oneshot::Receiver<()>,
) -> u64 {
    let mut taps = Vec::new();
    let mut open = async |protocol, path: &str| {
        let mut connection = soon("a connection", round.connector.open(protocol)).await.unwrap();
        assert!(round.watched.add(&connection.tap));
        taps.push(Arc::clone(&connection.tap));
        let response = soon("a head", connection.send(get(path).bearer(&round.token))).await.unwrap();
        assert_eq!(response.status(), 200);
        (connection, response)
    };
    // As fast as it goes, and not read: the kernel's queues are full.
    let (_unread_connection, unread) = open(Protocol::H1, "/free/x?n=1000000&size=1000").await;
    // Read as it comes.
    let paced = "/free/x?n=1000000&size=1000&chunk=16&pace_ms=1";
    let (_h1, mut h1) = open(Protocol::H1, paced).await;
    let (_h2, mut h2) = open(Protocol::H2, paced).await;
    let (mut idle, response) = open(Protocol::H1, "/free/x").await;
    Answer::read(response).await;
    for download in [&mut h1, &mut h2] {
        soon("a download", download.body_mut().frame()).await.unwrap().unwrap();
    }
    let downloads = [tokio::spawn(Answer::read(h1)), tokio::spawn(Answer::read(h2))];
    soon("the racers", started).await.unwrap();

    world.control.watch(order, &round.watched);
    let target = Target::Vendor { id: who(vendor, 1).vendor };
    let report = world.sever(order, target, epoch, vec![certificate.thumbprint().to_string()]).await;

    assert_eq!(report.cores, 2);
    for tap in &taps {
        let peer = tap.address().to_string();
        assert!(report.connections.iter().any(|cut| cut.peer == peer), "{report:?}");
    }
    for download in downloads {
        assert!(soon("the end of a download", download).await.unwrap().broke_off.is_some());
    }
    assert!(soon("the end of a download", Answer::read(unread)).await.broke_off.is_some());
    assert!(soon("a reset", idle.ask(get("/free/x").bearer(&round.token))).await.is_err());
    for tap in taps {
        check_silent(&tap);
    }
    report.took_us
}

fn check_silent(tap: &Tap) {
    assert_eq!(tap.excess(), 0, "bytes arrived after the severance was confirmed ({} before)", tap.read());
}

/// Machines that ask without a pause: on connections that stand, and on new ones.
async fn keep_asking(round: &Arc<Round>, racing: oneshot::Sender<()>) {
    let mut old = Vec::new();
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut connection = round.connector.open(protocol).await.unwrap();
        assert!(round.watched.add(&connection.tap));
        assert_eq!(ask(round, &mut connection).await.unwrap().status, 200);
        let round = Arc::clone(round);
        old.push(tokio::spawn(async move {
            // This connection is the vendor's: the severance resets it.
            while let Ok(answer) = ask(&round, &mut connection).await {
                // Between the severance and this core's word it may still be told why.
                assert!(answer.status == 200 || answer.reason() == "vendor_severed");
            }
            check_silent(&connection.tap);
        }));
    }
    racing.send(()).unwrap();
    // New connections, until one that was opened after all was over is refused.
    loop {
        let last = round.over.load(Ordering::SeqCst);
        let reason = ask_anew(round).await;
        if last {
            assert_eq!(reason.as_deref(), Some("vendor_severed"));
            break;
        }
    }
    for asking in old {
        soon("a reset", asking).await.unwrap();
    }
}

async fn ask(round: &Round, connection: &mut Connection) -> Result<Answer, Failure> {
    round.requests.fetch_add(1, Ordering::SeqCst);
    let answer = soon("an answer", connection.ask(get("/free/x?n=1").bearer(&round.token))).await?;
    if answer.status == 200 && answer.broke_off.is_none() {
        check_silent(&connection.tap);
    }
    Ok(answer)
}

/// One request on a new connection; why it was refused, if so.
async fn ask_anew(round: &Round) -> Option<String> {
    let mut connection = round.connector.open(Protocol::H1).await.ok()?;
    let before = round.watched.add(&connection.tap);
    let answer = ask(round, &mut connection).await.ok()?;
    if answer.status == 200 {
        assert!(before, "a request passed after the severance was confirmed");
        return None;
    }
    Some(answer.reason())
}
