use std::collections::HashSet;
use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::thread;

use portcullis_domain::ids::ClientId;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const JKT: Thumbprint = Thumbprint([7; 32]);

fn client(number: u128) -> ClientShare {
    ClientShare::of(ClientId(Uuid::from_u128(number)))
}

fn tables(capacity: usize) -> ReplayTables {
    ReplayTables::new([3; 32], capacity).unwrap()
}

/// Clients that don't share a counter, as many as it takes to fill a table.
fn apart(count: usize) -> Vec<ClientShare> {
    let mut clients: Vec<ClientShare> = Vec::new();
    for candidate in (1..).map(client) {
        if clients.len() == count {
            break;
        }
        if !clients.contains(&candidate) {
            clients.push(candidate);
        }
    }
    clients
}

#[test]
fn a_proof_is_accepted_once_in_a_slot() {
    let tables = tables(1_024);
    let check = |slot: u64, jkt: Thumbprint, jti: &str, expect: Acceptance| {
        assert_eq!(tables.accept(NonceSlot(slot), &jkt, jti, client(1)), expect, "{slot} {jti}");
    };
    check(100, JKT, "a", Acceptance::Accepted);
    check(100, JKT, "a", Acceptance::Replayed);
    check(100, JKT, "b", Acceptance::Accepted);
    check(100, Thumbprint([8; 32]), "a", Acceptance::Accepted);
    check(101, JKT, "a", Acceptance::Accepted); // another nonce, another proof
    check(100, JKT, "a", Acceptance::Replayed); // still, in the next slot
    check(101, JKT, "a", Acceptance::Replayed);
    check(102, JKT, "a", Acceptance::Accepted); // the table's next turn
    check(100, JKT, "a", Acceptance::Late);
    check(101, JKT, "a", Acceptance::Replayed);
}

#[test]
fn a_late_thread_without_a_counter_in_the_way_is_refused_too() {
    let tables = tables(64);
    let (early, other) = (client(1), apart(2)[1]);
    assert_ne!(early, other);
    assert_eq!(tables.accept(NonceSlot(10), &JKT, "a", early), Acceptance::Accepted);
    assert_eq!(tables.accept(NonceSlot(12), &JKT, "a", other), Acceptance::Accepted);
    // The client's own counter is still at the old turn; the cell isn't.
    assert_eq!(tables.accept(NonceSlot(10), &JKT, "a", early), Acceptance::Late);
}

#[test]
fn no_client_fills_more_than_a_quarter() {
    let tables = tables(64);
    let clients = apart(2);
    let accept = |slot, client, jti: usize| tables.accept(NonceSlot(slot), &JKT, &jti.to_string(), client);
    for jti in 0..16 {
        assert_eq!(accept(0, clients[0], jti), Acceptance::Accepted, "{jti}");
    }
    assert_eq!(accept(0, clients[0], 16), Acceptance::ClientShareSpent);
    assert_eq!(accept(0, clients[1], 16), Acceptance::Accepted, "another has its own quarter");
    assert_eq!(accept(1, clients[0], 16), Acceptance::Accepted, "the other table counts apart");
    assert_eq!(accept(2, clients[0], 16), Acceptance::Accepted, "a new turn counts from nothing");
}

#[test]
fn refused_proofs_cost_no_share() {
    let tables = tables(64);
    let accept = |jti: usize| tables.accept(NonceSlot(0), &JKT, &jti.to_string(), client(1));
    assert_eq!(accept(0), Acceptance::Accepted);
    for _ in 0..100 {
        assert_eq!(accept(0), Acceptance::Replayed);
    }
    for jti in 1..16 {
        assert_eq!(accept(jti), Acceptance::Accepted, "{jti}");
    }
}

#[test]
fn one_network_of_strangers_leaves_room_for_others() {
    let tables = tables(64);
    let accept = |key: u8, share| tables.accept(NonceSlot(0), &Thumbprint([key; 32]), "x", share);
    let network = |number: u8| ClientShare::of_stranger(&format!("192.0.{number}.0/24"));
    // With a new key for each proof: keys cost a stranger nothing.
    for key in 0..16 {
        assert_eq!(accept(key, network(1)), Acceptance::Accepted, "{key}");
    }
    assert_eq!(accept(16, network(1)), Acceptance::ClientShareSpent);
    for key in 16..32 {
        assert_eq!(accept(key, network(key)), Acceptance::Accepted, "{key}");
    }
    assert_eq!(accept(32, network(32)), Acceptance::ClientShareSpent, "half is left for clients");
    assert_eq!(accept(3, network(32)), Acceptance::ClientShareSpent);
    for key in 32..64 {
        assert_eq!(accept(key, apart(2)[usize::from(key % 2)]), Acceptance::Accepted, "{key}");
    }
    assert_eq!(tables.accept(NonceSlot(2), &JKT, "x", network(1)), Acceptance::Accepted, "a new turn");
}

#[test]
fn strangers_and_clients_count_apart() {
    let networks: HashSet<ClientShare> =
        (0..=255).map(|number| ClientShare::of_stranger(&format!("10.0.{number}.0/24"))).collect();
    assert!(networks.len() > 230, "{}", networks.len());
    assert!((0..100_000).all(|id| !networks.contains(&client(id))));
}

#[test]
fn what_strangers_have_refused_costs_no_share() {
    let tables = tables(64);
    let accept = |network: u32, jti: u32| {
        let share = ClientShare::of_stranger(&format!("network {network}"));
        tables.accept(NonceSlot(0), &JKT, &jti.to_string(), share)
    };
    assert_eq!(accept(0, 0), Acceptance::Accepted);
    for network in 0..100 {
        assert_eq!(accept(network, 0), Acceptance::Replayed);
    }
    for jti in 1..32 {
        assert_eq!(accept(jti, jti), Acceptance::Accepted, "{jti}");
    }
    assert_eq!(accept(99, 99), Acceptance::ClientShareSpent);
    assert_eq!(accept(99, 99), Acceptance::ClientShareSpent);
}

#[test]
fn a_late_thread_gives_its_client_no_second_quarter() {
    let tables = tables(1_024);
    let accept = |slot, jti: usize| tables.accept(NonceSlot(slot), &JKT, &jti.to_string(), client(1));
    for jti in 0..256 {
        assert_eq!(accept(2, jti), Acceptance::Accepted, "{jti}");
    }
    for jti in 1_000..1_100 {
        assert_eq!(accept(0, jti), Acceptance::Late, "{jti}");
    }
    assert_eq!(accept(2, 256), Acceptance::ClientShareSpent);
}

#[test]
fn half_a_table_fills_without_a_refusal() {
    let tables = tables(1 << 14);
    let clients = apart(2);
    for jti in 0..1 << 13 {
        let outcome = tables.accept(NonceSlot(0), &JKT, &jti.to_string(), clients[jti >> 12]);
        assert_eq!(outcome, Acceptance::Accepted, "{jti}");
    }
}

#[test]
fn a_full_table_says_so_and_is_free_in_its_next_turn() {
    let tables = tables(64);
    let clients = apart(5);
    for jti in 0..64 {
        let outcome = tables.accept(NonceSlot(4), &JKT, &jti.to_string(), clients[jti / 16]);
        assert_eq!(outcome, Acceptance::Accepted, "{jti}");
    }
    let accept = |slot, jti: &str| tables.accept(NonceSlot(slot), &JKT, jti, clients[4]);
    assert_eq!(accept(4, "new"), Acceptance::Full);
    assert_eq!(accept(4, "7"), Acceptance::Replayed, "what is there is still known");
    assert_eq!(accept(5, "new"), Acceptance::Accepted);
    assert_eq!(accept(6, "new"), Acceptance::Accepted);
}

#[test]
fn generations_are_compared_by_distance() {
    let check = |cell: u64, entry: u64, expect: bool| {
        assert_eq!(Entry::new(cell, 9).is_free_for(Entry::new(entry, 5)), expect, "{cell} {entry}");
    };
    check(5, 6, true);
    check(5, 5, false);
    check(6, 5, false);
    check(GENERATION_MASK, GENERATION_MASK + 1, true);
    check(GENERATION_MASK + 1, GENERATION_MASK, false);
    check(0, GENERATION_MASK / 2, true);
    check(0, GENERATION_MASK / 2 + 1, false);
    assert!(Entry(0).is_free_for(Entry::new(1 << 23, 5)), "never written is free for all");
    assert_ne!(Entry::new(0, 0), Entry(0));
}

#[test]
fn memory_is_stated_and_capacities_are_checked() {
    assert_eq!(tables(1_024).bytes(), 2 * (1_024 * 8 + 8_193 * 8));
    for capacity in [0, 1, 32, 100, 1_000, CAPACITY_MAX * 2] {
        let refusal = ReplayTables::new([0; 32], capacity).err();
        assert_eq!(refusal, Some(ReplayError::Capacity { capacity }));
    }
    assert_eq!(format!("{:?}", tables(64)), "ReplayTables { key: ****, capacity: [64, 64] }");
}

/// The same proof from eight threads at once, ten thousand times.
#[test]
fn a_raced_proof_is_accepted_exactly_once() {
    const ROUNDS: usize = 10_000;
    const THREADS: usize = 8;
    let tables = tables(1 << 12);
    let accepted: Vec<AtomicUsize> = (0..ROUNDS).map(|_| AtomicUsize::new(0)).collect();
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (tables, accepted, barrier) = (&tables, &accepted, &barrier);
            scope.spawn(move || {
                for (round, count) in accepted.iter().enumerate() {
                    // The tables' turns go on as well, so that old entries are taken over in races.
                    let slot = NonceSlot(round as u64 / 100);
                    barrier.wait();
                    let outcome = tables.accept(slot, &JKT, &round.to_string(), client(thread as u128));
                    match outcome {
                        Acceptance::Accepted => drop(count.fetch_add(1, Ordering::Relaxed)),
                        Acceptance::Replayed => {}
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    });
    for (round, count) in accepted.iter().enumerate() {
        assert_eq!(count.load(Ordering::Relaxed), 1, "round {round}");
    }
}

/// Threads that run apart, each through the same proofs in another order and with turns that go on
/// under them: crowded tables, long runs of taken cells, late threads.
#[test]
fn nothing_is_accepted_twice_in_crowded_tables() {
    const THREADS: usize = 8;
    const SLOTS: u64 = 200;
    const PROOFS: usize = 60;
    let tables = tables(64);
    let accepted: Vec<AtomicUsize> = (0..SLOTS as usize * PROOFS).map(|_| AtomicUsize::new(0)).collect();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (tables, accepted) = (&tables, &accepted);
            scope.spawn(move || {
                let share = client(thread as u128);
                for step in 0..SLOTS as usize * PROOFS {
                    let slot = step / PROOFS;
                    // Odd numbers are coprime with 60 or not; what counts is another order for each.
                    let proof = (step * (2 * thread + 7) + thread) % PROOFS;
                    let jti = proof.to_string();
                    if tables.accept(NonceSlot(slot as u64), &JKT, &jti, share) == Acceptance::Accepted {
                        accepted[slot * PROOFS + proof].fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert!(accepted.iter().all(|count| count.load(Ordering::Relaxed) <= 1));
    let once = accepted.iter().filter(|count| count.load(Ordering::Relaxed) == 1).count();
    assert!(once > accepted.len() / 4, "{once}");
}

proptest! {
    /// Against a set, for a caller whose nonces are good: its own slot and the one before.
    #[test]
    fn as_a_set_would(steps in proptest::collection::vec((0_u64..3, any::<bool>(), 0_u8..30), 0..300)) {
        let tables = tables(1 << 12);
        let mut seen = HashSet::new();
        let mut now = 10;
        for (passed, is_older, jti) in steps {
            now += passed;
            let slot = now - u64::from(is_older);
            let outcome = tables.accept(NonceSlot(slot), &JKT, &jti.to_string(), client(1));
            let expect = if seen.insert((slot, jti)) { Acceptance::Accepted } else { Acceptance::Replayed };
            prop_assert_eq!(outcome, expect);
        }
    }

    #[test]
    fn never_panics(slot: u64, jkt: [u8; 32], jti in "\\PC*", id: u128) {
        let _ = tables(64).accept(NonceSlot(slot), &Thumbprint(jkt), &jti, client(id));
    }
}
