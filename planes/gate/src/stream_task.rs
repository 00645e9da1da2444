//! The task of one HTTP/2 stream of a vendor's connection, which can be ended from outside.
//!
//! A response that isn't read isn't asked for, so it can't end itself: its task waits for flow control.
//! Dropping the task resets the stream, and leaves the connection to the others.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use hyper::rt::Executor;

use crate::core::Core;

/// Ends a stream's task.
#[derive(Default, Debug)]
pub struct StreamEnd {
    over: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl StreamEnd {
    /// The task ends before it does anything else.
    pub fn end(&self) {
        self.over.set(true);
        self.wake();
    }

    pub fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

thread_local! {
    /// Of the task that runs now.
    static CURRENT: RefCell<Option<Rc<StreamEnd>>> = const { RefCell::new(None) };
}

/// The end of the stream whose task runs now, if one does.
pub fn current() -> Option<Rc<StreamEnd>> {
    CURRENT.with_borrow(Option::clone)
}

/// Runs the streams of a connection on the core's own thread.
#[derive(Clone)]
pub struct Streams(pub Rc<Core>);

impl<F: Future + 'static> Executor<F> for Streams {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(StreamTask {
            core: Rc::clone(&self.0),
            future: Box::pin(future),
            end: Rc::default(),
        });
    }
}

struct StreamTask<F> {
    core: Rc<Core>,
    future: Pin<Box<F>>,
    end: Rc<StreamEnd>,
}

impl<F: Future> Future for StreamTask<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.end.over.get() {
            return Poll::Ready(());
        }
        this.core.look_at_clocks();
        let outer = CURRENT.replace(Some(Rc::clone(&this.end)));
        let polled = this.future.as_mut().poll(context);
        CURRENT.set(outer);
        if polled.is_pending() {
            this.end.waker.replace(Some(context.waker().clone()));
        }
        polled.map(drop)
    }
}
