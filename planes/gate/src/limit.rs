//! Limits before the first byte: requests, bytes, concurrency, and whether records are left.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use portcullis_domain::reason::Reason;
use portcullis_policy::day::DAY_SECONDS;
use portcullis_policy::evaluate::Permit;
use portcullis_policy::meters::{Place, RecordWindows};

use crate::core::Core;
use crate::decimal::Decimal;
use crate::refusal::{RATE_LEFT, RATE_POLICY, Refusal};

use Word::{Number, Text};

/// What the limits gave: a place among the concurrent, and records reserved up front.
pub struct Granted {
    pub place: Place,
    pub reservation: Reservation,
}

/// Records reserved up front, `page_max` of the route, and not used yet. Given back when it is
/// dropped, whatever way the exchange ends.
pub struct Reservation {
    windows: RecordWindows,
    records: u64,
}

impl Reservation {
    /// Uses up to `records` of it, and says how many.
    pub fn spend(&mut self, records: u64) -> u64 {
        let spent = records.min(self.records);
        self.records -= spent;
        spent
    }

    /// What was reserved without the tenths of a limited vendor isn't for one that is limited now.
    pub fn keep_in(&mut self, windows: &RecordWindows) {
        if windows.limited.is_some() && self.windows.limited.is_none() {
            self.windows.abandon(std::mem::take(&mut self.records));
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.windows.abandon(self.records);
    }
}

/// Takes a request out of every limit, or says how long to wait and what is left.
pub fn take(core: &Core, permit: &Permit, windows: &RecordWindows) -> Result<Granted, Refusal> {
    take_all(core, permit, windows)
        .map_err(|refusal| Refusal { rate: Some(Box::new(words(core, permit, windows))), ..refusal })
}

fn take_all(core: &Core, permit: &Permit, windows: &RecordWindows) -> Result<Granted, Refusal> {
    let client = permit.client();
    let limits = &client.integration.limits;
    let now_ns = core.monotonic_ns();
    let now = core.meter_now();
    if let Err(wait_ns) = client.meter.requests.take(1, limits.requests, now_ns) {
        return Err(Refusal::from(Reason::RequestsLimit).retry_after_ms(wait_ns / 1_000_000));
    }
    // Bytes are charged as they leave: here only a debt is looked at.
    if client.meter.bytes.left(limits.bytes, now_ns) == 0 {
        return Err(Refusal::from(Reason::BytesLimit).retry_after_ms(1_000));
    }
    let route = &permit.route().facts;
    let mut reservation = Reservation { windows: windows.clone(), records: 0 };
    if route.metered {
        // A page that a narrowed context could never have is asked for as far as it may go.
        let wanted = route.page_max.unwrap_or(1).min(windows.most());
        reservation.records = windows.reserve(wanted, now);
        if reservation.records < wanted {
            drop(reservation);
            return Err(spent(core, windows, wanted));
        }
        if route.page_max.is_none() {
            // It was only to see that one more fits.
            reservation = Reservation { windows: windows.clone(), records: 0 };
        }
    }
    let Some(place) = client.meter.enter(limits.concurrency) else {
        return Err(Refusal::from(Reason::ConcurrencyLimit).retry_after_ms(1_000));
    };
    Ok(Granted { place, reservation })
}

/// Why so many records don't fit now, and when they will.
fn spent(core: &Core, windows: &RecordWindows, wanted: u64) -> Refusal {
    let now = core.meter_now();
    let wait_ms = windows.wait_for_ms(wanted, now.ms);
    let day_is_short = windows.day.as_ref().is_some_and(|day| day.left(now.day) < wanted);
    // Where the windows are short as well, the next try says what else is.
    if wait_ms == 0 && day_is_short {
        return Refusal::from(Reason::CeilingRecords).retry_after_ms(until_tomorrow_seconds(core) * 1_000);
    }
    Refusal::from(Reason::RecordsLimit).retry_after_ms(wait_ms)
}

fn until_tomorrow_seconds(core: &Core) -> u64 {
    let gone = core.now_seconds().rem_euclid(DAY_SECONDS);
    (DAY_SECONDS - gone).unsigned_abs()
}

/// Says what is left in the header fields of an answer.
pub fn describe(core: &Core, permit: &Permit, windows: &RecordWindows, headers: &mut HeaderMap) {
    let (policy, left) = words(core, permit, windows);
    for (name, words) in [(RATE_POLICY, policy), (RATE_LEFT, left)] {
        // Digits, quotes and semicolons: always a good value.
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(words)) {
            headers.insert(name, value);
        }
    }
}

/// Values of `RateLimit-Policy` and `RateLimit`, with records as a quota unit of their own.
fn words(core: &Core, permit: &Permit, windows: &RecordWindows) -> (String, String) {
    let client = permit.client();
    let limits = &client.integration.limits;
    let requests = client.meter.requests.left(limits.requests, core.monotonic_ns());
    let window_seconds = limits.requests.burst.div_ceil(limits.requests.per_second.max(1)).max(1);
    let (mut policy, mut left) = (String::with_capacity(80), String::with_capacity(64));
    // On the path of every request: no formatting machinery, no growing.
    write(&mut policy, &[Text("\"requests\";q="), Number(limits.requests.burst)]);
    write(&mut policy, &[Text(";w="), Number(window_seconds)]);
    write(&mut left, &[Text("\"requests\";r="), Number(requests)]);
    if permit.route().facts.metered {
        let records = windows.tightest(core.monotonic_ms());
        write(&mut policy, &[Text(", \"records\";q="), Number(records.limit), Text(";qu=\"records\";w=10")]);
        write(&mut left, &[Text(", \"records\";r="), Number(records.left)]);
        write(&mut left, &[Text(";t="), Number(records.wait_ms.div_ceil(1_000))]);
        if let Some(day) = &windows.day {
            let left_today = day.left(core.meter_now().day);
            write(&mut policy, &[Text(", \"records-day\";q="), Number(day.limit())]);
            write(&mut policy, &[Text(";qu=\"records\";w=86400")]);
            write(&mut left, &[Text(", \"records-day\";r="), Number(left_today)]);
            write(&mut left, &[Text(";t="), Number(until_tomorrow_seconds(core))]);
        }
    }
    (policy, left)
}

enum Word {
    Text(&'static str),
    Number(u64),
}

fn write(to: &mut String, words: &[Word]) {
    for word in words {
        match word {
            Text(text) => to.push_str(text),
            Number(number) => to.push_str(Decimal::of(*number).as_str()),
        }
    }
}
