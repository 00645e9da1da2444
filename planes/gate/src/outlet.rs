//! Where records leave: they are counted and reserved before the bytes that hold them go on, and
//! depart when the connection has handed those to the kernel.

use std::cell::RefCell;
use std::rc::Rc;

use portcullis_domain::decision::Ending;
use portcullis_domain::reason::Reason;
use portcullis_policy::meters::{RecordWindows, Spent};
use portcullis_records::Counter;

use crate::departures::Chunk;
use crate::exchange::Exchange;
use crate::limit::Reservation;

/// How long a cut response may take to hand over what still fitted, before its connection is reset.
pub const CUT_GRACE_MS: u64 = 2_000;

/// Counts the records in what is pushed, on a clone first.
pub trait Meter: Clone {
    /// How many of at most `records_max` records begin in how many bytes of `data`; an error if it can't be counted.
    fn push(&mut self, data: &[u8], records_max: u64) -> Result<Counted, Reason>;
}

pub struct Counted {
    pub records: u64,
    pub bytes: usize,
}

impl Meter for Counter {
    fn push(&mut self, data: &[u8], records_max: u64) -> Result<Counted, Reason> {
        let seen = Self::push(self, data, records_max).map_err(|_| Reason::BodyNotCountable)?;
        Ok(Counted { records: seen.records, bytes: seen.consumed })
    }
}

/// How much of a piece may leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admitted {
    All,
    /// So many bytes still fitted; the caller's keys are closed, and the response is to be cut there.
    Part(usize),
}

/// The records of one exchange on their way out.
pub struct Outlet {
    pub exchange: Rc<Exchange>,
    reservation: Reservation,
    handed: Vec<Rc<RefCell<Chunk>>>,
}

impl Outlet {
    pub fn new(exchange: Rc<Exchange>, reservation: Reservation) -> Self {
        Self { exchange, reservation, handed: Vec::new() }
    }

    /// Lets a piece leave uncounted.
    pub fn pass(&self, bytes: usize) {
        self.exchange.add_response(bytes as u64, 0);
    }

    /// Counts and reserves, and says how much of `data` may leave.
    pub fn admit<M: Meter>(&mut self, meter: &mut M, data: &[u8]) -> Result<Admitted, Reason> {
        let mut probe = meter.clone();
        let seen = probe.push(data, u64::MAX)?;
        // The same for all of this chunk: what is reserved departs where it was reserved.
        let exchange = Rc::clone(&self.exchange);
        let windows = exchange.windows();
        self.reservation.keep_in(windows);
        let from_reserved = self.reservation.spend(seen.records);
        let wanted = seen.records - from_reserved;
        // Most chunks on routes with pages need none: the clock isn't asked for them.
        let more = if wanted == 0 { 0 } else { windows.reserve(wanted, exchange.core.meter_now()) };
        let granted = from_reserved + more;
        if granted == seen.records {
            *meter = probe;
            self.hand_over(windows, granted, data.len());
            return Ok(Admitted::All);
        }
        let part = meter.push(data, granted)?;
        windows.abandon(granted - part.records.min(granted));
        self.hand_over(windows, part.records, part.bytes);
        self.close_keys(windows);
        Ok(Admitted::Part(part.bytes))
    }

    fn hand_over(&mut self, windows: &RecordWindows, records: u64, bytes: usize) {
        self.exchange.add_response(bytes as u64, records);
        if records > 0 {
            let chunk = self.exchange.connection.departures.hand_over(windows, records);
            self.handed.push(chunk);
        }
    }

    /// More was asked for: what was handed over before has passed flow control.
    pub fn follow(&mut self) {
        for chunk in self.handed.drain(..) {
            chunk.borrow_mut().follow();
        }
    }

    pub fn has_handed(&self) -> bool {
        !self.handed.is_empty()
    }

    /// The records limit was passed: the key is closed everywhere until an operator restores it. Where only the tenth of a
    /// narrowed context or a limited vendor is spent, its response alone ends: others of the client are at work elsewhere. Likewise
    /// where the day's ceiling is reached, which nothing passes until the next day.
    fn close_keys(&self, windows: &RecordWindows) {
        let ends = match windows.spent(self.exchange.core.meter_now()) {
            Spent::Ordinary => None,
            Spent::Day => Some(Reason::CeilingRecords),
            Spent::Limited => Some(Reason::VendorLimited),
            Spent::Narrow => Some(Reason::RecordsNarrowed),
        };
        if let Some(reason) = ends {
            self.exchange.end(Ending::Cut, reason);
            return;
        }
        self.exchange.end(Ending::Cut, Reason::RecordsCut);
        let core = &self.exchange.core;
        let connection = &self.exchange.connection;
        connection.cut_when_delivered(self.exchange.id, core.monotonic_ms() + CUT_GRACE_MS);
        let keys = self.exchange.caller.token.keys.clone();
        core.cut_keys(self.exchange.permit.client().id, keys, self.exchange.id, connection.number);
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.follow();
    }
}
