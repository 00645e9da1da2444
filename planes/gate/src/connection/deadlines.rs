//! When a connection must have done something, or must go.

use std::task::Waker;

use super::{Connection, EXPIRED_GRACE_MS};

/// Longer than any answer to a stranger takes, so that nothing is under way.
const STRANGER_IDLE_MS: u64 = 60_000;
/// How long the goodbye of HTTP/2 waits for answers under way.
const PARTING_MS_MAX: u64 = 2_000;

impl Connection {
    pub fn asked(&self, now_ms: u64) {
        self.asked_ms.set(Some(now_ms));
    }

    /// Remembers how to wake the connection's task.
    pub fn keep_waker(&self, waker: &Waker) {
        *self.waker.borrow_mut() = Some(waker.clone());
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// What the task waits for must come until `due_ms`, in monotonic time.
    pub fn expect_by(&self, due_ms: u64) {
        self.due_ms.set(Some(due_ms));
        self.expired.set(false);
    }

    pub fn expect_never(&self) {
        self.due_ms.set(None);
    }

    pub fn has_expired(&self) -> bool {
        self.expired.get()
    }

    /// The answers under way are the last ones.
    pub fn go_away(&self) {
        self.leaving.set(true);
        self.left.notify_one();
        self.wake();
    }

    /// The client shall go on over another connection, once it has its answers.
    pub fn part(&self, now_ms: u64) {
        if !self.is_http2() {
            return self.go_away();
        }
        if !self.leaving.replace(true) {
            self.parting_by_ms.set(Some(now_ms + PARTING_MS_MAX));
        }
        self.wake();
    }

    pub fn is_parting(&self) -> bool {
        self.parting_by_ms.get().is_some()
    }

    /// The goodbye was said: the client may take until `due_ms` to close.
    pub fn parted(&self, due_ms: u64) {
        self.parting_by_ms.set(None);
        self.expect_by(due_ms);
    }

    /// Tells it to go, whatever is under way, if that took too long.
    pub(super) fn part_at_last(&self, now_ms: u64) {
        if self.parting_by_ms.get().is_some_and(|by_ms| now_ms >= by_ms) {
            self.parting_by_ms.set(None);
            self.left.notify_one();
        }
    }

    /// Waits until it is told to go.
    pub async fn told_to_go(&self) {
        self.left.notified().await;
    }

    pub fn is_leaving(&self) -> bool {
        self.leaving.get()
    }

    /// Wakes the task if its time is up; true if it was told long ago and still stands.
    pub(super) fn expire(&self, now_ms: u64) -> bool {
        let Some(late_ms) = self.due_ms.get().and_then(|due_ms| now_ms.checked_sub(due_ms)) else {
            return false;
        };
        if !self.expired.replace(true) {
            self.wake();
        }
        late_ms > EXPIRED_GRACE_MS
    }

    /// Nobody's, and nothing was asked for long: HTTP/2 would keep it open for as long as the peer
    /// answers pings.
    pub(super) fn is_idle_stranger(&self, now_ms: u64) -> bool {
        self.owner.borrow().is_none()
            && self.asked_ms.get().is_some_and(|asked_ms| now_ms >= asked_ms + STRANGER_IDLE_MS)
    }

    /// Whether it must go now: a cut has waited long enough, or a response has.
    pub(super) fn is_overdue(&self, now_ms: u64) -> bool {
        let is_over = |by: Option<u64>| by.is_some_and(|by| now_ms >= by);
        let reads = self.valve.is_clear();
        for exchange in self.exchanges.borrow_mut().iter_mut() {
            if is_over(exchange.ends_by_ms) && !exchange.end_stream(reads, now_ms) {
                self.outstayed.set(true);
            }
        }
        self.outstayed.get() || is_over(self.closing_by_ms.get())
    }
}
