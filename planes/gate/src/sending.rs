//! How far a request has been sent, and how long its answer is waited for.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use portcullis_domain::reason::Reason;
use tokio::time::{sleep, sleep_until};

use crate::exchange::Exchange;
use crate::refusal::Refusal;

/// How far a request's body has come.
#[derive(Debug)]
pub struct Progress {
    /// When it last moved, in monotonic time.
    moved_ms: Cell<u64>,
    /// The client has to send more; otherwise the upstream has to take more, or to answer.
    waits_for_client: Cell<bool>,
}

impl Progress {
    pub fn new(now_ms: u64) -> Self {
        Self { moved_ms: Cell::new(now_ms), waits_for_client: Cell::new(false) }
    }

    /// A piece has gone on, or the end.
    pub fn moved(&self, now_ms: u64) {
        self.moved_ms.set(now_ms);
        self.waits_for_client.set(false);
    }

    pub fn waits_for_client(&self) {
        self.waits_for_client.set(true);
    }
}

/// Waits for the head of an answer as long as it may take.
///
/// The route's limit is about the upstream, so it begins when the request was sent, or could not be sent
/// on. A request's body that pauses as long is too slow; but not that of a gRPC call, which may be a
/// conversation. Such a one ends with the longest life of a stream, or with its deadline.
pub async fn in_time<T>(
    exchange: &Rc<Exchange>,
    grpc: bool,
    answer: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    let limit_ms = u64::from(exchange.permit.route().facts.timeout_seconds.max(1)) * 1_000;
    let stream_ms = u64::from(exchange.permit.client().integration.limits.stream_seconds_max) * 1_000;
    let core = &exchange.core;
    let over_ms = core.monotonic_ms() + stream_ms;
    let mut answer = pin!(answer);
    let mut limit = pin!(sleep(Duration::from_millis(limit_ms.min(stream_ms))));
    let mut deadline = pin!(exchange.deadline().map(sleep_until));
    poll_fn(|context| {
        if let Poll::Ready(answered) = answer.as_mut().poll(context) {
            return Poll::Ready(answered);
        }
        if let Some(deadline) = deadline.as_mut().as_pin_mut()
            && deadline.poll(context).is_ready()
        {
            return Poll::Ready(Err(Reason::DeadlinePassed.into()));
        }
        while limit.as_mut().poll(context).is_ready() {
            let now_ms = core.monotonic_ms();
            match look(&exchange.sending, grpc, now_ms, limit_ms, over_ms) {
                Ok(wait_ms) => limit.set(sleep(Duration::from_millis(wait_ms))),
                Err(reason) => return Poll::Ready(Err(reason.into())),
            }
        }
        Poll::Pending
    })
    .await
}

/// How much longer to wait, or why not.
fn look(progress: &Progress, grpc: bool, now_ms: u64, limit_ms: u64, over_ms: u64) -> Result<u64, Reason> {
    let waits_for_client = progress.waits_for_client.get();
    if now_ms >= over_ms {
        return Err(if waits_for_client { Reason::RequestTooSlow } else { Reason::UpstreamTimeout });
    }
    let due_ms = progress.moved_ms.get() + limit_ms;
    let wait_ms = match (due_ms.checked_sub(now_ms), waits_for_client) {
        (Some(left_ms), _) if left_ms > 0 => left_ms,
        (_, true) if grpc => limit_ms,
        (_, true) => return Err(Reason::RequestTooSlow),
        (_, false) => return Err(Reason::UpstreamTimeout),
    };
    Ok(wait_ms.min(over_ms - now_ms).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_keeps_the_other_waiting_decides() {
        let check = |moved_ms, waits_for_client, grpc, now_ms, expect| {
            let progress = Progress::new(moved_ms);
            progress.waits_for_client.set(waits_for_client);
            let found = look(&progress, grpc, now_ms, 1_000, 10_000);
            assert_eq!(found, expect, "{moved_ms} {waits_for_client} {grpc} {now_ms}");
        };
        for grpc in [false, true] {
            check(0, false, grpc, 999, Ok(1));
            check(0, false, grpc, 1_000, Err(Reason::UpstreamTimeout));
            check(500, false, grpc, 1_000, Ok(500));
            check(500, true, grpc, 1_000, Ok(500));
            check(9_900, true, grpc, 10_000, Err(Reason::RequestTooSlow));
            check(9_900, false, grpc, 10_000, Err(Reason::UpstreamTimeout));
            check(9_800, true, grpc, 9_900, Ok(100));
        }
        check(0, true, false, 1_000, Err(Reason::RequestTooSlow));
        check(0, true, true, 1_000, Ok(1_000));
        check(0, true, true, 9_500, Ok(500));
    }
}
