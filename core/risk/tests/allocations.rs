//! Nothing is allocated on the path of a request. In a test of its own: it counts with a global allocator.

#[path = "model/world.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use portcullis_risk::{
    Action, Answer, Answered, Before, ClientRisk, Endpoint, Known, PeerCounts, Peers, Rules,
};
use world::{Numbers, SECOND, START, after, before, context};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

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

#[test]
fn before_after_and_answered_allocate_nothing() {
    let mut risk = Box::new(ClientRisk::new());
    let mut counts = PeerCounts::default();
    let mut numbers = Numbers(5);
    let mut peers = Peers::default();
    let mut told = 0;
    let before_all = ALLOCATIONS.get();
    for at in 0..40_000 {
        if at == 20_000 {
            counts.add(&risk);
            peers = Peers::of(&counts, &counts);
        }
        let counted = ALLOCATIONS.get();
        let request = Before {
            context: context(1, 10 + numbers.below(50) / 49, 100 + numbers.below(50) / 49),
            endpoint: Endpoint(numbers.below(50) as u32),
            request_bytes: 1 << numbers.below(16),
            object: Known::Is(numbers.next() as u32),
            answer: if numbers.below(2) == 0 { Answered::Valid } else { Answered::No },
            // Through days, so that they turn.
            ..before(START + at * 60 * SECOND)
        };
        let assessed = risk.before(&request, &peers, &Rules::default());
        if assessed.action == Action::Challenge {
            risk.answered(&request.context, Answer::Valid, request.at_us);
        }
        risk.after(
            assessed.ticket,
            &after(request.at_us + 9, 1 << numbers.below(20)),
            &peers,
            &Rules::default(),
        );
        if at > 10_000 {
            risk.tell(|_| told += 1);
        }
        assert_eq!(ALLOCATIONS.get(), counted, "exchange {at}");
    }
    assert!(ALLOCATIONS.get() > before_all, "the counter counts");
    assert!(risk.progress().exchanges > 10_000 && told > 60_000);
}
