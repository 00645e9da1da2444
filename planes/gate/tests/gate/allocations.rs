//! What scoring costs a core: the steps beside it may allocate, the assessment of a warm client doesn't.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::client::{BOTH, With, get};
use crate::support::identity::who;
use crate::support::party::Party;
use crate::support::world::World;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static BEFORE: Cell<u64> = const { Cell::new(0) };
}

static STEPS: AtomicU64 = AtomicU64::new(0);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // While a thread ends its counter is gone.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Counts what is allocated between the beginning and the end of a step.
struct Steps;

impl Subscriber for Steps {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && matches!(metadata.name(), "assess" | "begin")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {
        BEFORE.set(ALLOCATIONS.get());
    }

    fn exit(&self, _: &Id) {
        ALLOCATED.fetch_add(ALLOCATIONS.get() - BEFORE.get(), Ordering::SeqCst);
        STEPS.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_warm_client_is_assessed_without_an_allocation() {
    tracing::subscriber::set_global_default(Steps).unwrap();
    let world = World::new().await;
    for (number, protocol) in (1..).zip(BOTH) {
        let party = Party::new(&world, who(number, 1));
        let mut by_proof = world.open(protocol, None).await;
        let nonce = party.ordinary_nonce(&world, &mut by_proof).await;
        let (mut by_certificate, token, _) = world.client(who(number, 2), protocol).await;
        let mut ask = async |path: &str| {
            let answer = by_certificate.ask(get(path).bearer(&token)).await.unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
            let answer = by_proof.ask(party.asked_for(&world, path, &nonce)).await.unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
        };
        for warming in 0..5 {
            ask(&format!("/records/{warming}?n=5")).await;
        }
        let counted = || (STEPS.load(Ordering::SeqCst), ALLOCATED.load(Ordering::SeqCst));
        let (steps, allocated) = counted();
        for number in 0..50 {
            ask(&format!("/records/{}?n={}", number % 7, number % 9 + 1)).await;
        }
        // Two clients, each with a step before and one as the exchange begins.
        assert_eq!(counted(), (steps + 200, allocated), "{protocol:?}");
        // What is written in another way is taken apart: the counter counts.
        ask("/records/a%20b").await;
        assert!(counted().1 > allocated);
    }
}
