//! A severance: when the gate has confirmed it, not one more byte arrives.

mod race;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::Method;
use http_body_util::BodyExt;
use portcullis_domain::decision::Ending;
use portcullis_domain::reason::Reason;
use portcullis_domain::target::Target;

use crate::support::bystander::Bystander;
use crate::support::client::{Answer, BOTH, Protocol, With, get, request, slow};
use crate::support::identity::who;
use crate::support::soon;
use crate::support::world::World;
use race::{Figures, race};

/// Severed and restored as often as this, in all.
const ROUNDS: u64 = 1_000;
const VENDORS: u64 = 2;

#[tokio::test]
async fn nothing_arrives_after_a_severance_is_confirmed() {
    let world = Arc::new(World::new().await);
    let bystander = Bystander::start(&world, who(5, 1), "/free/x?n=1").await;
    let vendors: Vec<_> = (0..VENDORS)
        .map(|vendor| {
            let world = Arc::clone(&world);
            let (send, receive) = tokio::sync::oneshot::channel();
            std::thread::spawn(move || {
                let figures = race(&world, u128::from(vendor) + 1, ROUNDS / VENDORS);
                let _ = send.send(figures);
            });
            receive
        })
        .collect();
    let mut figures = Figures::default();
    for vendor in vendors {
        figures.add(vendor.await.unwrap());
    }
    let served = bystander.served().await;
    assert_eq!(figures.took_us.len() as u64, ROUNDS);
    assert!(figures.requests > ROUNDS && figures.connections > 4 * ROUNDS);
    println!(
        "{ROUNDS} severances: took {}; {} connections reset, {} racing requests, 0 bytes after; another vendor: {served} requests, 0 errors",
        figures.percentiles(),
        figures.connections,
        figures.requests,
    );
}

#[tokio::test]
async fn a_severance_stops_what_is_on_its_way_to_an_upstream() {
    for protocol in BOTH {
        let world = World::new().await;
        let (mut connection, token, certificate) = world.client(who(1, 1), protocol).await;
        let (chunks, body) = slow();
        let asked = request(Method::POST, "/free/x", body).bearer(&token);
        let asking = tokio::spawn(async move { connection.ask(asked).await.is_err() });
        let log = &world.upstream.log;
        for sent in 1..=5 {
            chunks.send(vec![b'x'; 1_000].into()).await.unwrap();
            let arrived = async {
                while log.body_bytes.load(Ordering::SeqCst) < sent * 1_000 {
                    tokio::task::yield_now().await;
                }
            };
            soon("a chunk", arrived).await;
        }
        let target = Target::Vendor { id: who(1, 1).vendor };
        let report = world.sever(1, target, 2, vec![certificate.thumbprint().to_string()]).await;
        assert_eq!((report.cores, report.connections.len()), (2, 1));
        assert_eq!(report.connections[0].exchanges.len(), 1);
        let outcome = world.control.outcome(report.connections[0].exchanges[0]).await;
        assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::VendorSevered));
        let _ = chunks.send(vec![b'y'; 1_000].into()).await;
        let broken = async {
            while log.broken_bodies.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        };
        soon("the upstream's end", broken).await;
        assert_eq!(log.body_bytes.load(Ordering::SeqCst), 5_000);
        assert!(asking.await.unwrap());
    }
}

#[tokio::test]
async fn each_kind_of_target_is_cut_and_its_siblings_are_not() {
    for (number, kind) in ["vendor", "integration", "client", "key", "session"].into_iter().enumerate() {
        let world = World::new().await;
        let (mut mine, token, certificate) = world.client(who(1, 1), BOTH[number % 2]).await;
        let (mut sibling, sibling_token, _) = world.client(who(1, 2), Protocol::H1).await;
        let (mut stranger, stranger_token, _) = world.client(who(2, 1), Protocol::H2).await;
        let path = "/free/x?n=1000000&chunk=5&pace_ms=2";
        let mut streams = Vec::new();
        for (connection, token) in
            [(&mut mine, &token), (&mut sibling, &sibling_token), (&mut stranger, &stranger_token)]
        {
            streams.push(connection.send(get(path).bearer(token)).await.unwrap());
        }
        let id = streams[0].headers()["portcullis-decision"].to_str().unwrap().parse().unwrap();
        let session = world.control.decision(id).await.session.unwrap();
        let thumbprint = certificate.thumbprint().to_string();
        let one = who(1, 1);
        let (target, keys, reason) = match kind {
            "vendor" => (Target::Vendor { id: one.vendor }, vec![], "vendor_severed"),
            "integration" => (Target::Integration { id: one.integration }, vec![], "integration_severed"),
            "client" => (Target::Client { id: one.client }, vec![], "client_severed"),
            "key" => {
                let target = Target::Key { client: one.client, thumbprint: thumbprint.clone() };
                (target, vec![thumbprint], "key_severed")
            }
            _ => (Target::Session { client: one.client, session }, vec![], "session_severed"),
        };
        let report = world.sever(1, target, 2, keys).await;
        let siblings_fall = matches!(kind, "vendor" | "integration");
        assert_eq!(report.connections.len(), if siblings_fall { 2 } else { 1 }, "{kind}");
        let mut streams = streams.into_iter();
        let cut = soon("a cut", Answer::read(streams.next().unwrap())).await;
        assert!(cut.broke_off.is_some(), "{kind}");
        let mut second = streams.next().unwrap();
        if siblings_fall {
            assert!(soon("a cut", Answer::read(second)).await.broke_off.is_some(), "{kind}");
        } else {
            still_flows(&mut second).await;
        }
        still_flows(&mut streams.next().unwrap()).await;
        let mut again = world.open(Protocol::H1, Some(&certificate)).await;
        let refused = again.ask(get("/records/1").bearer(&token)).await.unwrap();
        assert_eq!((refused.status, refused.reason().as_str()), (403, reason));
    }
}

/// More of it comes than could have been in buffers.
async fn still_flows(response: &mut http::Response<hyper::body::Incoming>) {
    for _ in 0..50 {
        soon("more of a stream", response.body_mut().frame()).await.unwrap().unwrap();
    }
}
