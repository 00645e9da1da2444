//! The records limit: what a thief gets, whatever way it is asked for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use portcullis_domain::decision::Ending;
use portcullis_domain::reason::Reason;
use portcullis_domain::target::Target;

use crate::support::bystander::Bystander;
use crate::support::client::{Answer, BOTH, Protocol, With, get};
use crate::support::identity::{Certificate, who};
use crate::support::soon;
use crate::support::world::World;

const LIMIT: u64 = 50_000;

/// What follows a cut: the key is closed everywhere, and control knows.
async fn check_severed(world: &World, certificate: &Certificate, cut: &Answer) {
    let thumbprint = certificate.thumbprint().to_string();
    let (client, keys, decision) =
        world.control.wait("a closed key", |seen| seen.keys_cut.first().cloned()).await;
    assert_eq!((client, keys), (who(1, 1).client, vec![thumbprint]));
    assert_eq!(decision, cut.decision());
    let outcome = world.control.outcome(decision).await;
    assert_eq!((outcome.ending, outcome.reason), (Ending::Cut, Reason::RecordsCut));
    for protocol in BOTH {
        // A new token changes nothing.
        let token = world.token(who(1, 1), certificate);
        let mut connection = world.open(protocol, Some(certificate)).await;
        let refused = connection.ask(get("/records/1").bearer(&token)).await.unwrap();
        assert_eq!((refused.status, refused.reason().as_str()), (403, "key_severed"));
    }
}

#[tokio::test]
async fn one_stream_gives_what_fits_and_is_cut() {
    for protocol in BOTH {
        for format in ["json", "ndjson", "sse"] {
            let world = Arc::new(World::new().await);
            let bystander = Bystander::start(&world, who(2, 1), "/records/1?n=1").await;
            let (mut connection, token, certificate) = world.client(who(1, 1), protocol).await;
            let asked = get(&format!("/records/1?n=60000&format={format}")).bearer(&token);
            let cut = soon("a cut", connection.ask(asked)).await.unwrap();
            assert_eq!(cut.status, 200);
            assert_eq!((cut.records(), cut.whole_records()), (LIMIT, LIMIT), "{protocol:?} {format}");
            // HTTP/1.1 ends without the last chunk.
            assert!(cut.broke_off.is_some());
            if protocol == Protocol::H2 {
                assert_eq!(cut.reset(), Some(h2::Reason::ENHANCE_YOUR_CALM));
            }
            check_severed(&world, &certificate, &cut).await;
            assert_eq!(world.control.outcome(cut.decision()).await.records, LIMIT);
            bystander.served().await;
        }
    }
}

#[tokio::test]
async fn a_slow_stream_is_cut_too() {
    let world = Arc::new(World::new().await);
    let bystander = Bystander::start(&world, who(2, 1), "/records/1?n=1").await;
    let (mut connection, token, certificate) = world.client(who(1, 1), Protocol::H1).await;
    // 120 chunks over nine seconds.
    let asked = get("/records/1?n=60000&format=ndjson&pace_ms=75").bearer(&token);
    let cut = soon("a cut", connection.ask(asked)).await.unwrap();
    assert_eq!((cut.records(), cut.whole_records()), (LIMIT, LIMIT));
    assert!(cut.broke_off.is_some());
    check_severed(&world, &certificate, &cut).await;
    println!("served {} requests of another vendor meanwhile", bystander.served().await);
}

/// A client that reads late still gets what the limit has let leave, though control's order to close the key everywhere, or the
/// whole client, has come back before; but an operator's order ends it at once.
#[tokio::test]
async fn the_order_to_close_a_key_does_not_outrun_the_records_that_count() {
    for protocol in BOTH {
        for by_operator in [false, true] {
            for whole_client in [false, true] {
                let world = Arc::new(World::new().await);
                let (mut connection, token, certificate) = world.client(who(1, 1), protocol).await;
                let asked = get("/records/1?n=60000&format=json").bearer(&token);
                let answer = connection.send(asked).await.unwrap();
                let answer = tokio::spawn(Answer::read(answer));
                let (client, keys, decision) =
                    world.control.wait("a closed key", |seen| seen.keys_cut.first().cloned()).await;
                assert_eq!(keys, [certificate.thumbprint().to_string()]);
                let (target, epoch) = match (whole_client, keys.first()) {
                    (false, Some(key)) => (Target::Key { client, thumbprint: key.clone() }, 0),
                    _ => (Target::Client { id: client }, 2),
                };
                let report = match by_operator {
                    true => world.sever(1, target, epoch, keys).await,
                    false => world.sever_for(decision, target, epoch, keys).await,
                };
                let cut = soon("a cut", answer).await.unwrap();
                let case = format!("{protocol:?} {by_operator} {whole_client}");
                assert!(cut.broke_off.is_some(), "{case}");
                if by_operator {
                    assert!(cut.records() <= LIMIT, "{case}");
                } else {
                    assert!(report.connections.is_empty(), "{case}: {report:?}");
                    assert_eq!((cut.records(), cut.whole_records()), (LIMIT, LIMIT), "{case}");
                }
            }
        }
    }
}

/// Twenty times 3,000 records at the same time, over one connection or twenty, by as many clients.
async fn pull_in_parallel(protocol: Protocol, one_connection: bool, clients: u128) {
    let world = Arc::new(World::new().await);
    let bystander = Bystander::start(&world, who(2, 1), "/records/1?n=1").await;
    let certificate = Certificate::new();
    let first = world.open(protocol, Some(&certificate)).await;
    let mut pulls = Vec::new();
    for number in 0..20 {
        let mut connection =
            if one_connection { first.stream() } else { world.open(protocol, Some(&certificate)).await };
        let token = world.token(who(1, 1 + number % clients), &certificate);
        pulls.push(tokio::spawn(async move {
            let asked = get("/records/1?n=3000&chunk=100").bearer(&token);
            connection.ask(asked).await
        }));
    }
    let mut records = 0;
    let mut cut = 0;
    for pull in pulls {
        match soon("a pull", pull).await.unwrap() {
            Ok(answer) => {
                records += if answer.status == 200 { answer.records() } else { 0 };
                cut += u64::from(answer.broke_off.is_some());
            }
            Err(_) => cut += 1,
        }
    }
    assert!(records <= LIMIT, "{records} records over {protocol:?}");
    assert!(cut > 0);
    world.control.wait("a closed key", |seen| seen.keys_cut.first().cloned()).await;
    println!("{protocol:?}: {records} records arrived, {cut} pulls were cut");
    bystander.served().await;
}

#[tokio::test]
async fn twenty_connections_share_one_limit() {
    pull_in_parallel(Protocol::H1, false, 1).await;
    pull_in_parallel(Protocol::H2, false, 1).await;
}

#[tokio::test]
async fn streams_of_one_connection_share_one_limit() {
    pull_in_parallel(Protocol::H2, true, 1).await;
}

#[tokio::test]
async fn clients_of_one_vendor_share_one_limit() {
    pull_in_parallel(Protocol::H1, false, 3).await;
}

#[tokio::test]
async fn a_pager_that_declares_its_pages_waits_and_is_not_cut() {
    let world = World::new().await;
    let (mut connection, token, _) = world.client(who(1, 1), Protocol::H1).await;
    let mut ask = async |path: &str| connection.ask(get(path).bearer(&token)).await.unwrap();
    for left in [30_000, 10_000] {
        let page = ask("/pages?n=20000").await;
        assert_eq!((page.status, page.records()), (200, 20_000));
        assert!(page.header("ratelimit").unwrap().contains(&format!("\"records\";r={left};")));
    }
    let refused = ask("/pages?n=20000").await;
    assert_eq!((refused.status, refused.reason().as_str()), (429, "records_limit"));
    assert!(refused.header("ratelimit").unwrap().contains("\"records\";r=10000;"));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=11).contains(&wait), "{wait}");
    world.clock.advance_ms(wait * 1_000);
    assert_eq!(ask("/pages?n=20000").await.records(), 20_000);
    assert!(world.control.look(|seen| seen.keys_cut.is_empty()));
}

#[tokio::test]
async fn an_exhausted_window_refuses_before_the_first_byte_and_severs_nothing() {
    let world = World::new().await;
    let (mut connection, token, _) = world.client(who(1, 1), Protocol::H2).await;
    let whole = connection.ask(get("/records/1?n=50000").bearer(&token)).await.unwrap();
    assert_eq!((whole.records(), whole.broke_off.is_none()), (LIMIT, true));
    let refused = connection.ask(get("/records/1?n=1").bearer(&token)).await.unwrap();
    assert_eq!((refused.status, refused.reason().as_str()), (429, "records_limit"));
    assert!(refused.header("retry-after").is_some());
    world.clock.advance_ms(10_200);
    let whole = connection.ask(get("/records/1?n=50000").bearer(&token)).await.unwrap();
    assert_eq!((whole.records(), whole.broke_off.is_none()), (LIMIT, true));
    assert!(world.control.look(|seen| seen.keys_cut.is_empty()));
}

#[tokio::test]
async fn a_reservation_is_given_back_whatever_becomes_of_the_request() {
    let world = World::new().await;
    for protocol in BOTH {
        let (mut connection, token, certificate) = world.client(who(1, 1), protocol).await;
        // A short page, an uncountable one, and one that nobody waits for.
        assert_eq!(connection.ask(get("/pages?n=10").bearer(&token)).await.unwrap().records(), 10);
        let refused = connection.ask(get("/pages?type=text/html").bearer(&token)).await.unwrap();
        assert_eq!(refused.reason(), "body_not_countable");
        let before = world.upstream.log.requests.load(Ordering::SeqCst);
        let mut gone = world.open(protocol, Some(&certificate)).await;
        let asked = get("/pages?hang=1").bearer(&token);
        let pending = tokio::spawn(async move { gone.ask(asked).await.is_ok() });
        let forwarded = async {
            while world.upstream.log.requests.load(Ordering::SeqCst) == before {
                tokio::task::yield_now().await;
            }
        };
        soon("a request that hangs", forwarded).await;
        pending.abort();
        world
            .control
            .wait("its end", |seen| seen.ended.iter().find(|end| end.ending == Ending::ClientGone).cloned())
            .await;
        world.control.look(|seen| seen.ended.clear());
        world.clock.advance_ms(10_200);
        let answer = connection.ask(get("/records/1?n=0").bearer(&token)).await.unwrap();
        assert!(answer.header("ratelimit").unwrap().contains("\"records\";r=50000;"), "{:?}", answer.headers);
    }
}

#[tokio::test]
async fn what_cannot_be_counted_is_refused_where_records_are_metered() {
    let world = World::new().await;
    for protocol in BOTH {
        let (mut connection, token, _) = world.client(who(1, 1), protocol).await;
        let mut ask = async |path: &str| connection.ask(get(path).bearer(&token)).await.unwrap();
        for query in ["encoding=br", "status=206", "type=text/html", "type=application/json-seq"] {
            let refused = ask(&format!("/records/1?n=5&{query}")).await;
            assert_eq!((refused.status, refused.reason().as_str()), (502, "body_not_countable"), "{query}");
            let passed = ask(&format!("/free/x?n=5&{query}")).await;
            assert!(passed.status == 200 || passed.status == 206, "{query}");
            assert_eq!(passed.records(), 5, "{query}");
            assert!(passed.broke_off.is_none());
        }
        // An upstream's error may be told, though not in words that can't be counted.
        let failed = ask("/records/1?n=5&status=500&type=text/html").await;
        assert_eq!((failed.status, failed.body.len()), (500, 0));
        let failed = ask("/records/1?n=5&status=404").await;
        assert_eq!((failed.status, failed.records()), (404, 5));
    }
}
