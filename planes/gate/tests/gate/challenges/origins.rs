//! Data about networks that come and go while contexts are open.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_domain::decision::Verdict;
use portcullis_risk::{Known, Listed, Missing, Origin, OriginSource};

use super::from_elsewhere;
use crate::support::client::{BOTH, Protocol};
use crate::support::identity::who;
use crate::support::party::Party;
use crate::support::world::World;

/// Everybody is in one autonomous system, but for one network.
struct Systems;

impl OriginSource for Systems {
    fn origin(&self, address: IpAddr) -> Origin {
        let asn = if address.to_string().starts_with("127.0.9.") { 64_501 } else { 64_500 };
        Origin { asn: Known::Is(asn), ..Origin::UNKNOWN }
    }

    fn ja4(&self, _: &str) -> Known<Listed> {
        Known::NoData(Missing::NoDatabase)
    }
}

#[tokio::test]
async fn data_that_come_make_no_known_context_new() {
    for protocol in BOTH {
        let world = World::new().await;
        let party = Party::new(&world, who(1, 1));
        let mut before = world.open(protocol, None).await;
        assert_eq!(party.ask(&world, &mut before).await.status, 200);
        world.gate.as_ref().unwrap().replace_origin(Arc::new(Systems));
        let mut after = world.open(protocol, None).await;
        // New connections are named by their system, and open ones as before: neither is asked, by turns.
        for round in 0..3 {
            for connection in [&mut after, &mut before] {
                let nonce = party.ordinary_nonce(&world, connection).await;
                let answer = connection.ask(party.asked(&world, &nonce)).await.unwrap();
                assert_eq!(answer.status, 200, "{round} {answer:?}");
                let decision = world.control.decision(answer.decision()).await;
                let risk = decision.risk.unwrap();
                assert_eq!((decision.verdict, risk.probation), (Verdict::Allow, false), "{round}");
            }
        }
        // A client that was never seen, and another network, are asked as ever.
        let mut thief = from_elsewhere(&world, protocol).await;
        let mut home = world.open(protocol, None).await;
        let nonce = party.ordinary_nonce(&world, &mut home).await;
        let answer = thief.ask(party.asked(&world, &nonce)).await.unwrap();
        // Its nonce was given in another place, and is an ordinary one.
        assert_eq!((answer.status, answer.reason().as_str()), (401, "challenge_new_context"));
    }
}

/// Nobody can tell the system of a network without data: then each context is new, once.
#[tokio::test]
async fn where_data_go_a_context_costs_one_round_trip() {
    let world = World::new().await;
    world.gate.as_ref().unwrap().replace_origin(Arc::new(Systems));
    let party = Party::new(&world, who(1, 1));
    let mut before = world.open(Protocol::H2, None).await;
    assert_eq!(party.ask(&world, &mut before).await.status, 200);
    world.gate.as_ref().unwrap().replace_origin(Arc::new(()));
    // Connections that are open keep their names; a context that was known before there were data is known again.
    assert_eq!(party.ask(&world, &mut before).await.status, 200);
    let mut after = world.open(Protocol::H2, None).await;
    let nonce = party.ordinary_nonce(&world, &mut after).await;
    assert_eq!(after.ask(party.asked(&world, &nonce)).await.unwrap().status, 200);
    // One that was admitted by its system alone is not.
    let mut moved = from_elsewhere(&world, Protocol::H2).await;
    let (refused, answer) = party.through(&world, &mut moved, &nonce).await;
    assert_eq!((refused, answer.status), (vec!["challenge_new_context".to_owned()], 200));
}
