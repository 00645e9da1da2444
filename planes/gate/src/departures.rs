//! Records on their way out: handed to the protocol, and not yet known to be in the kernel.
//!
//! A record counts in its windows from its reservation on, and begins to age only when the
//! connection has nothing left to write. So a response that waits in buffers lets nothing slip out
//! of the window before it has left.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Waker;

use portcullis_policy::meters::RecordWindows;

/// Records of chunks that were handed to the protocol and may not have left yet.
#[derive(Default, Debug)]
pub struct Departures {
    waiting: RefCell<Vec<Rc<RefCell<Chunk>>>>,
    wakers: RefCell<Vec<Waker>>,
}

/// One chunk's records.
#[derive(Debug)]
pub struct Chunk {
    windows: RecordWindows,
    records: u64,
    /// The stream was asked for more after this chunk, so HTTP/2 flow control has let it go.
    followed: bool,
}

impl Chunk {
    pub fn follow(&mut self) {
        self.followed = true;
    }
}

impl Departures {
    pub fn hand_over(&self, windows: &RecordWindows, records: u64) -> Rc<RefCell<Chunk>> {
        let chunk = Rc::new(RefCell::new(Chunk { windows: windows.clone(), records, followed: false }));
        self.waiting.borrow_mut().push(Rc::clone(&chunk));
        chunk
    }

    /// Everything that hyper could write has been handed to the kernel. Over HTTP/1.1 that is all;
    /// over HTTP/2 it is what flow control has let go.
    pub fn settle(&self, http2: bool, now_ms: u64) {
        if self.waiting.borrow().is_empty() && self.wakers.borrow().is_empty() {
            return;
        }
        self.waiting.borrow_mut().retain(|chunk| {
            let chunk = chunk.borrow();
            let goes = !http2 || chunk.followed;
            if goes {
                chunk.windows.depart(chunk.records, now_ms);
            }
            !goes
        });
        for waker in self.wakers.take() {
            waker.wake();
        }
    }

    /// The connection is gone: what was handed over may have left, and counts as if it had just now.
    pub fn close(&self, now_ms: u64) {
        for chunk in self.waiting.take() {
            let chunk = chunk.borrow();
            chunk.windows.depart(chunk.records, now_ms);
        }
        for waker in self.wakers.take() {
            waker.wake();
        }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    pub fn wake_when_settled(&self, waker: &Waker) {
        self.wakers.borrow_mut().push(waker.clone());
    }
}
