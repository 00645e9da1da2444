//! A client: its marks with their reasons, its contexts, and its baseline in numbers.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use portcullis_risk::{Cause, Points, Signal, Standing};
use serde::Serialize;

use super::{PICTURES_MAX, words};
use crate::call::{Source, TlsClient};
use crate::log::{Entry, Log, NOTHING_64};
use crate::score::{ClientScore, Mark, Scored, Seen, Verdict};

/// Columns of a time line.
const BUCKETS: usize = 180;
const ENDPOINTS_MAX: usize = 12;
const REASONS_MAX: usize = 10;

#[derive(Serialize, Clone, Default, Debug)]
pub struct Counts {
    pub pass: u64,
    /// Over the threshold, and only observed.
    pub over: u64,
    pub limit: u64,
    pub challenge: u64,
    /// Behind a question that nobody answered.
    pub blocked: u64,
    pub deny: u64,
    pub sever: u64,
}

impl Counts {
    pub(super) fn of(counts: &[u64; Verdict::ALL.len()]) -> Self {
        let [pass, over, limit, challenge, blocked, deny, sever] = *counts;
        Self { pass, over, limit, challenge, blocked, deny, sever }
    }

    /// Those that something would have been done about.
    #[must_use]
    pub fn acted(&self) -> u64 {
        self.limit + self.challenge + self.blocked + self.deny + self.sever
    }
}

#[derive(Serialize, Debug)]
pub struct Client {
    pub name: String,
    pub calls: u64,
    pub first: String,
    pub last: String,
    /// What the evidence about it was found good for in the end.
    pub standing: Standing,
    pub worst: &'static str,
    pub counts: Counts,
    pub reasons: Vec<ReasonView>,
    pub contexts: Vec<ContextView>,
    pub contexts_left_out: u64,
    pub marks: Vec<MarkView>,
    pub marks_left_out: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pictures: Option<Pictures>,
}

/// The baseline, and the time line.
#[derive(Serialize, Debug)]
pub struct Pictures {
    pub endpoints: Vec<Named>,
    pub other_endpoints: u64,
    pub statuses: Vec<Named>,
    /// Calls by day of the week, Monday first, and hour of the day (UTC).
    pub hours: [[u64; 24]; 7],
    /// Calls by size of the request, of the response, and by records: at place n those of at least 2^(n-1) and below 2^n.
    pub request_bytes: Vec<u64>,
    pub response_bytes: Vec<u64>,
    pub records: Vec<u64>,
    pub begins_us: i64,
    pub ends_us: i64,
    pub timeline: Vec<Bucket>,
}

#[derive(Serialize, Debug)]
pub struct Named {
    pub name: String,
    pub calls: u64,
}

/// A column of the time line; empty ones are left out.
#[derive(Serialize, Clone, Copy, Debug)]
pub struct Bucket {
    pub place: usize,
    pub calls: u64,
    pub score: f64,
}

#[derive(Serialize, Clone, Debug)]
pub struct ReasonView {
    pub code: &'static str,
    pub about: &'static str,
    pub marks: u64,
    pub points: f64,
}

#[derive(Serialize, Debug)]
pub struct ContextView {
    pub network: String,
    pub address: String,
    pub tls: String,
    pub key: Option<String>,
    pub calls: u64,
    pub first: String,
    pub last: String,
    pub worst: &'static str,
}

#[derive(Serialize, Debug)]
pub struct MarkView {
    pub at: String,
    pub at_us: i64,
    /// `FILE:LINE`.
    pub line: String,
    pub verdict: &'static str,
    pub cause: &'static str,
    pub why: String,
    pub endpoint: String,
    pub address: String,
    pub tls: String,
    pub score: f64,
    /// Where a challenge, a denial, a severance begins.
    pub thresholds: [f64; 3],
    pub standing: Standing,
    pub at_end: bool,
    pub recommend_sever: bool,
    /// The weightiest first; negative ones speak for it.
    pub parts: Vec<PartView>,
}

#[derive(Serialize, Debug)]
pub struct PartView {
    pub code: &'static str,
    pub about: &'static str,
    pub points: f64,
}

pub(super) fn views(log: &Log, scored: &Scored, order: &[usize]) -> Vec<Client> {
    let shown: HashMap<u32, usize> = order
        .iter()
        .take(PICTURES_MAX)
        .enumerate()
        .filter_map(|(place, number)| Some((u32::try_from(*number).ok()?, place)))
        .collect();
    let mut sketches: Vec<Sketch> = order
        .iter()
        .take(PICTURES_MAX)
        .map(|number| scored.clients.get(*number).map_or_else(Sketch::default, Sketch::of))
        .collect();
    for (entry, score_milli) in log.entries.iter().zip(&scored.scores) {
        let sketch = shown.get(&entry.client).and_then(|place| sketches.get_mut(*place));
        if let Some(sketch) = sketch {
            sketch.take(entry, *score_milli);
        }
    }
    let mut pictures = sketches.into_iter().map(|sketch| sketch.pictures(log));
    let clients = order.iter().filter_map(|number| Some((*number, scored.clients.get(*number)?)));
    clients.map(|(number, client)| view(log, scored, number, client, pictures.next())).collect()
}

fn view(
    log: &Log,
    scored: &Scored,
    number: usize,
    client: &ClientScore,
    pictures: Option<Pictures>,
) -> Client {
    let acted: u64 = client.counts.iter().skip(Verdict::Limit as usize).sum();
    let marks = acted + client.onsets;
    let worst = Verdict::ALL
        .into_iter()
        .rev()
        .find(|verdict| client.counts.get(*verdict as usize).is_some_and(|count| *count > 0));
    Client {
        name: log.clients.all.get(number).cloned().unwrap_or_default(),
        calls: client.calls,
        first: at(client.first_us),
        last: at(client.last_us),
        standing: client.risk.standing(),
        worst: worst.unwrap_or_default().as_str(),
        counts: Counts::of(&client.counts),
        reasons: reasons(&client.reasons),
        contexts: client.contexts.iter().map(|(_, seen)| context(log, scored, seen)).collect(),
        contexts_left_out: client.contexts_left_out,
        marks: client.marks.iter().filter_map(|mark| mark_view(log, scored, client, mark)).collect(),
        marks_left_out: marks.saturating_sub(client.marks.len() as u64),
        pictures,
    }
}

fn context(log: &Log, scored: &Scored, seen: &Seen) -> ContextView {
    ContextView {
        network: network(scored, seen.source),
        address: log.sources.all.get(seen.source as usize).map(Source::to_string).unwrap_or_default(),
        tls: tls(log, seen.tls),
        key: log.keys.all.get(seen.key as usize).cloned(),
        calls: seen.calls,
        first: at(seen.first_us),
        last: at(seen.last_us),
        worst: seen.worst.as_str(),
    }
}

fn network(scored: &Scored, source: u32) -> String {
    scored.networks.get(&source).cloned().unwrap_or_default()
}

fn tls(log: &Log, number: u32) -> String {
    log.tls.all.get(number as usize).map_or("", TlsClient::as_str).to_owned()
}

fn mark_view(log: &Log, scored: &Scored, client: &ClientScore, mark: &Mark) -> Option<MarkView> {
    let entry = log.entries.get(mark.number)?;
    Some(MarkView {
        at: at(entry.at_us),
        at_us: entry.at_us,
        line: log.place(entry),
        verdict: mark.verdict.as_str(),
        cause: words::cause_code(mark.cause),
        why: why(log, scored, client, mark, entry),
        endpoint: log.endpoints.all.get(entry.endpoint as usize).cloned().unwrap_or_default(),
        address: log.sources.all.get(entry.source as usize).map(Source::to_string).unwrap_or_default(),
        tls: tls(log, entry.tls),
        score: points(mark.score),
        thresholds: mark.thresholds.map(points),
        standing: mark.standing,
        at_end: mark.at_end,
        recommend_sever: mark.recommend_sever,
        parts: mark
            .parts
            .iter()
            .map(|part| PartView {
                code: part.signal.code(),
                about: part.signal.sentence(),
                points: points(Points(i64::from(part.points))),
            })
            .collect(),
    })
}

/// The cause in a sentence, with what is new and what was known.
fn why(log: &Log, scored: &Scored, client: &ClientScore, mark: &Mark, entry: &Entry) -> String {
    let mut text = words::cause(mark.cause).to_owned();
    let [new_network, new_tls, new_key] = mark.news;
    let home = client.contexts.first().map(|(_, seen)| *seen);
    let mut news = Vec::new();
    if new_network {
        let known = home.map(|home| network(scored, home.source)).unwrap_or_default();
        news.push(format!("network {} instead of {known}", network(scored, entry.source)));
    }
    if new_tls {
        let known = home.map(|home| tls(log, home.tls)).unwrap_or_default();
        let what = match log.tls.all.get(entry.tls as usize) {
            Some(TlsClient::Ja4(_)) => "TLS client",
            _ => "user agent",
        };
        news.push(format!("{what} `{}` instead of `{known}`", tls(log, entry.tls)));
    }
    if new_key {
        news.push("another key".to_owned());
    }
    if !news.is_empty() {
        text.push_str(": ");
        text.push_str(&news.join(", "));
    }
    text
}

pub(super) fn reasons(all: &BTreeMap<Signal, (u64, i64)>) -> Vec<ReasonView> {
    let mut reasons: Vec<ReasonView> = all
        .iter()
        .map(|(signal, (marks, sum))| ReasonView {
            code: signal.code(),
            about: signal.sentence(),
            marks: *marks,
            points: points(Points(*sum)),
        })
        .collect();
    reasons.sort_by(|one, other| other.points.total_cmp(&one.points));
    reasons.truncate(REASONS_MAX);
    reasons
}

pub(super) fn causes(all: &BTreeMap<Cause, u64>) -> Vec<ReasonView> {
    let mut causes: Vec<ReasonView> = all
        .iter()
        .map(|(cause, marks)| ReasonView {
            code: words::cause_code(*cause),
            about: words::cause(*cause),
            marks: *marks,
            points: 0.0,
        })
        .collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.marks));
    causes
}

/// With one digit.
pub(crate) fn points(points: Points) -> f64 {
    (points.milli() as f64 / 100.0).round() / 10.0
}

fn at(at_us: i64) -> String {
    Timestamp::from_microsecond(at_us).map(instant).unwrap_or_default()
}

pub(super) fn instant(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A client's pictures in the making.
#[derive(Default)]
struct Sketch {
    first_us: i64,
    last_us: i64,
    endpoints: HashMap<u32, u64>,
    statuses: BTreeMap<u16, u64>,
    hours: [[u64; 24]; 7],
    sizes: [Vec<u64>; 3],
    columns: BTreeMap<usize, (u64, i32)>,
}

impl Sketch {
    fn of(client: &ClientScore) -> Self {
        Self { first_us: client.first_us, last_us: client.last_us, ..Self::default() }
    }

    fn take(&mut self, entry: &Entry, score_milli: i32) {
        *self.endpoints.entry(entry.endpoint).or_default() += 1;
        if entry.status != 0 {
            *self.statuses.entry(entry.status).or_default() += 1;
        }
        let hour = entry.at_us.div_euclid(3_600_000_000);
        // 1970-01-01 was a Thursday.
        let (day, of_day) = ((hour.div_euclid(24) + 3).rem_euclid(7), hour.rem_euclid(24));
        if let Some(count) = self.hours.get_mut(day as usize).and_then(|day| day.get_mut(of_day as usize)) {
            *count += 1;
        }
        let [requests, responses, records] = &mut self.sizes;
        add(requests, entry.request_bytes);
        if entry.response_bytes > 0 {
            add(responses, entry.response_bytes);
        }
        if entry.records != NOTHING_64 {
            add(records, entry.records);
        }
        let span = (self.last_us - self.first_us).max(1);
        let place = (entry.at_us - self.first_us).saturating_mul(BUCKETS as i64 - 1) / span;
        let column = self.columns.entry(usize::try_from(place).unwrap_or(0)).or_insert((0, i32::MIN));
        column.0 += 1;
        column.1 = column.1.max(score_milli);
    }

    fn pictures(self, log: &Log) -> Pictures {
        let mut endpoints: Vec<(u32, u64)> = self.endpoints.into_iter().collect();
        endpoints.sort_by_key(|(number, count)| (std::cmp::Reverse(*count), *number));
        let other_endpoints = endpoints.iter().skip(ENDPOINTS_MAX).map(|(_, count)| count).sum();
        let named = endpoints.into_iter().take(ENDPOINTS_MAX).map(|(number, calls)| Named {
            name: log.endpoints.all.get(number as usize).cloned().unwrap_or_default(),
            calls,
        });
        let [request_bytes, response_bytes, records] = self.sizes;
        Pictures {
            endpoints: named.collect(),
            other_endpoints,
            statuses: self
                .statuses
                .into_iter()
                .map(|(status, calls)| Named { name: status.to_string(), calls })
                .collect(),
            hours: self.hours,
            request_bytes,
            response_bytes,
            records,
            begins_us: self.first_us,
            ends_us: self.last_us,
            timeline: self
                .columns
                .into_iter()
                .map(|(place, (calls, milli))| Bucket {
                    place,
                    calls,
                    score: points(Points(i64::from(milli))),
                })
                .collect(),
        }
    }
}

/// Into the bucket of its size.
fn add(sizes: &mut Vec<u64>, size: u64) {
    let place = (u64::BITS - size.leading_zeros()) as usize;
    if sizes.len() <= place {
        sizes.resize(place + 1, 0);
    }
    if let Some(count) = sizes.get_mut(place) {
        *count += 1;
    }
}
