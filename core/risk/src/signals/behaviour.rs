//! What it does: endpoints, sizes, times, rates, records, objects.

use super::{STANDS_OUT, Subject};
use crate::assessment::Ticket;
use crate::baseline::rates::SPANS;
use crate::baseline::{Baseline, Odds, Place};
use crate::buckets;
use crate::client::ClientRisk;
use crate::constants::{
    ENUMERATION_ASKED_MIN, ENUMERATION_DAYS, ENUMERATION_OBJECTS_MIN, ENUMERATION_TIMES, POINTS_ENUMERATION,
};
use crate::input::{After, Known, Missing};
use crate::learnt::{BY_RATE, Learnt};
use crate::ln::milli;
use crate::peers::{Compiled, Likely};
use crate::score::Score;
use crate::signal::Signal;

pub(super) fn before(subject: &Subject<'_>, score: &mut Score<'_>) {
    let (client, peers, likely) = (subject.client, subject.peers, subject.likely);
    let (baseline, endpoint, place) = (client.baseline(), subject.endpoint, subject.place);
    let odds = baseline.endpoint(subject.previous, place, likely);
    let odds = client.thieves.odds(Learnt::Endpoint, endpoint, 0, odds);
    let points = milli(Learnt::Endpoint.weight() * odds.nats(client.shares.of(Learnt::Endpoint)));
    score.learnt(Learnt::Endpoint, points, endpoint, 0);
    let bytes = subject.before.request_bytes;
    let size = |bucket: u8| {
        let odds = baseline.request_size(place, bucket, likely);
        client.thieves.odds(Learnt::RequestSize, endpoint, bucket, odds)
    };
    amount(client, score, Learnt::RequestSize, bytes, buckets::size(bytes), size);
    match subject.gap_us {
        Some(gap_us) => gap(subject, gap_us, score),
        None => score.missing(Signal::Gap, Missing::TooEarly),
    }
    let hour = buckets::hour(subject.at_us);
    let odds = client.thieves.odds(Learnt::Hour, endpoint, hour, baseline.hour(hour, peers));
    let points = milli(Learnt::Hour.weight() * odds.nats(client.shares.of(Learnt::Hour)));
    score.learnt(Learnt::Hour, points, hour.into(), 0);
    requests(subject, score);
    objects(subject, score);
}

/// What the response says.
pub(crate) fn after(
    client: &ClientRisk,
    ticket: &Ticket,
    after: &After,
    peers: &Compiled,
    windows: &mut crate::baseline::rates::Windows,
    score: &mut Score<'_>,
) -> [u8; 3] {
    let (baseline, endpoint) = (client.baseline(), ticket.endpoint);
    let (place, likely) = (baseline.place(endpoint), peers.likely(endpoint));
    let status = buckets::status(after.status);
    let odds = baseline.status(place, status, likely);
    let odds = client.thieves.odds(Learnt::Status, endpoint, status, odds);
    let points = milli(Learnt::Status.weight() * odds.nats(client.shares.of(Learnt::Status)));
    score.learnt(Learnt::Status, points, after.status.into(), 0);
    if !(200..400).contains(&after.status) {
        return [status, buckets::NONE, buckets::NONE];
    }
    let records = match after.records {
        Known::Is(records) => records,
        Known::NoData(why) => {
            score.missing(Signal::Records, why);
            if after.response_bytes == 0 {
                score.missing(Signal::RecordSize, Missing::NotCounted);
                return [status, buckets::NONE, buckets::NONE];
            }
            // Then the response is one record.
            let size = buckets::size(after.response_bytes);
            record_size(client, ticket, after.response_bytes, (size, place), likely, score);
            return [status, size, buckets::NONE];
        }
    };
    let each = after.response_bytes / records.max(1);
    let (size, bucket) = (buckets::size(each), buckets::records(records));
    record_size(client, ticket, each, (size, place), likely, score);
    let odds = |bucket: u8| {
        let odds = baseline.records(place, bucket, likely);
        client.thieves.odds(Learnt::Records, endpoint, bucket, odds)
    };
    amount(client, score, Learnt::Records, records, bucket, odds);
    for (span, signal) in (0..SPANS).zip(BY_RATE.into_iter().skip(SPANS)) {
        let (before, count) = windows.record(span, records);
        match baseline.rates.points(span + SPANS, false, before, count) {
            Some((0, _)) => {}
            Some((points, usual)) => score.learnt(signal, points, count, usual),
            None => score.missing(signal.signal(), Missing::TooEarly),
        }
    }
    [status, size, bucket]
}

fn record_size(
    client: &ClientRisk,
    ticket: &Ticket,
    each: u64,
    (bucket, place): (u8, Place),
    likely: &Likely,
    score: &mut Score<'_>,
) {
    let odds = |bucket: u8| {
        let odds = client.baseline().record_size(place, bucket, likely);
        client.thieves.odds(Learnt::RecordSize, ticket.endpoint, bucket, odds)
    };
    amount(client, score, Learnt::RecordSize, each, bucket, odds);
}

/// An amount in buckets: what is usual is the largest smaller one that adds nothing.
fn amount(
    client: &ClientRisk,
    score: &mut Score<'_>,
    signal: Learnt,
    observed: u64,
    bucket: u8,
    odds: impl Fn(u8) -> Odds,
) {
    let points = milli(signal.weight() * odds(bucket).nats(client.shares.of(signal)));
    let usual = if points > STANDS_OUT { Baseline::usual_amount(bucket, odds) } else { 0 };
    score.learnt(signal, points, u32::try_from(observed).unwrap_or(u32::MAX), usual);
}

fn gap(subject: &Subject<'_>, gap_us: i64, score: &mut Score<'_>) {
    let (client, bucket) = (subject.client, buckets::gap(gap_us));
    let odds = client.baseline().gap(bucket, subject.peers);
    let odds = client.thieves.odds(Learnt::Gap, subject.endpoint, bucket, odds);
    let points = milli(Learnt::Gap.weight() * odds.nats(client.shares.of(Learnt::Gap)));
    score.learnt(Learnt::Gap, points, u32::try_from(gap_us / 1_000).unwrap_or(u32::MAX), 0);
}

fn requests(subject: &Subject<'_>, score: &mut Score<'_>) {
    let rates = &subject.client.baseline().rates;
    for ((span, signal), opened) in (0..SPANS).zip(BY_RATE).zip(subject.step.opened) {
        let count = subject.step.windows.requests(span);
        let before = if opened { 0 } else { count.saturating_sub(1) };
        // The request that opens a window isn't counted among what is usual in it.
        match rates.points(span, opened, before.saturating_sub(1), count.saturating_sub(1)) {
            Some((0, _)) => {}
            Some((points, usual)) => score.learnt(signal, points, count, usual.saturating_add(1)),
            None => score.missing(signal.signal(), Missing::TooEarly),
        }
    }
}

/// Enumeration: many different objects where the client asks again and again for few.
fn objects(subject: &Subject<'_>, score: &mut Score<'_>) {
    if let Known::NoData(why) = subject.before.object {
        return score.missing(Signal::Objects, why);
    }
    let client = subject.client;
    let Some(usual) = client.usual_objects(ENUMERATION_DAYS) else {
        return score.missing(Signal::Objects, Missing::TooEarly);
    };
    let objects = client.objects(subject.admitted());
    if objects.asked < ENUMERATION_ASKED_MIN {
        return;
    }
    let distinct = objects.distinct();
    if distinct > (ENUMERATION_TIMES * f64::from(usual)).max(ENUMERATION_OBJECTS_MIN) {
        score.fixed(Signal::Objects, POINTS_ENUMERATION, distinct as u32, usual);
    }
}
