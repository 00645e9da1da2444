//! Real traffic of machines, as requests.
//!
//! Neither log was written by a gate, so each is mapped (docs/decisions/0041). What a log doesn't hold is `None`, and the
//! model is told that there is no data: neither holds records, JA4 or networks.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::random::hash;

/// Fewer than these, and an account is neither victim nor thief: half of it has to be learnt, and a thief needs sixty.
pub const EVENTS_MIN: usize = 60;
/// A peer may be smaller: at most sixty of its exchanges count anyway.
pub const PEER_EVENTS_MIN: usize = 20;

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Request {
    pub at_us: i64,
    pub endpoint: u32,
    pub object: Option<u32>,
    pub request_bytes: u64,
    pub status: u16,
    pub place: Place,
}

/// From where, by small numbers that mean nothing by themselves. The logs hold none, so all is 0 until somebody draws it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Place {
    pub ja4: u32,
    pub asn: u32,
    pub prefix: u32,
}

#[derive(Clone, Debug)]
pub struct Account {
    pub name: String,
    /// By time.
    pub requests: Vec<Request>,
}

impl Account {
    /// The endpoint that it uses most.
    pub fn main_endpoint(&self) -> u32 {
        let mut counts = BTreeMap::<u32, usize>::new();
        for request in &self.requests {
            *counts.entry(request.endpoint).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map_or(0, |(endpoint, _)| endpoint)
    }
}

pub struct Corpus {
    pub name: &'static str,
    /// What was kept and what was dropped, in words and figures.
    pub filter: String,
    /// Victims and thieves.
    pub accounts: Vec<Account>,
    /// Too small for either.
    pub small: Vec<Account>,
}

/// Where the traces are.
pub struct Places {
    pub wiki: PathBuf,
    pub k8s: PathBuf,
}

/// Nothing if a file isn't there.
pub fn read(places: &Places) -> Option<Vec<Corpus>> {
    Some(vec![wiki(&text(&places.wiki)?), k8s(&text(&places.k8s)?)])
}

fn text(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let mut text = String::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).expect("gzip of UTF-8");
    } else {
        text = String::from_utf8(bytes).expect("UTF-8");
    }
    Some(text)
}

fn at_us(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond)
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Edit {
    time: String,
    user: String,
    channel: String,
    namespace: String,
    delta: i64,
    is_minor: bool,
    is_new: bool,
    is_unpatrolled: bool,
}

/// An edit is a request to `/{wiki}/{namespace}`: PUT for a new page, PATCH for a minor edit, POST for any other. Its size is
/// that of the change. 202 if somebody has to look at it first.
pub fn wiki(text: &str) -> Corpus {
    let (mut rows, mut broken, mut other_days) = (0, 0, 0);
    let mut edits = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        rows += 1;
        let edit = serde_json::from_str::<Edit>(line).ok().and_then(|edit| Some((at_us(&edit.time)?, edit)));
        match edit {
            Some(edit) => edits.push(edit),
            None => broken += 1,
        }
    }
    let day = most_frequent_day(edits.iter().map(|(at, _)| *at));
    let mut accounts = BTreeMap::<String, Vec<Request>>::new();
    for (at_us, edit) in edits {
        if at_us.div_euclid(86_400_000_000) != day {
            other_days += 1;
            continue;
        }
        let method = match (edit.is_new, edit.is_minor) {
            (true, _) => "PUT",
            (false, true) => "PATCH",
            (false, false) => "POST",
        };
        let status = if edit.is_unpatrolled { 202 } else { 200 };
        accounts.entry(edit.user).or_default().push(Request {
            at_us,
            endpoint: hash(&format!("{method} /{}/{}", edit.channel, edit.namespace)) as u32,
            object: None,
            request_bytes: edit.delta.unsigned_abs(),
            status,
            place: Place::default(),
        });
    }
    let what =
        format!("{rows} rows, {broken} broken, {other_days} of other days than the one with most rows");
    corpus("wiki-bots", &what, accounts)
}

fn most_frequent_day(times: impl Iterator<Item = i64>) -> i64 {
    let mut days = BTreeMap::<i64, usize>::new();
    for at_us in times {
        *days.entry(at_us.div_euclid(86_400_000_000)).or_default() += 1;
    }
    days.into_iter().max_by_key(|(_, count)| *count).map_or(0, |(day, _)| day)
}

#[derive(serde::Deserialize)]
struct Call {
    time: String,
    user: String,
    verb: String,
    resource: String,
    subresource: String,
    name: String,
    namespace: String,
    uri: String,
    stage: String,
    code: u16,
}

/// A call's endpoint is its verb, resource and subresource; where there is no resource, the first two parts of the path. The
/// log holds no sizes: the length of the path with its query stands for the request's, the only thing that it holds of it.
pub fn k8s(text: &str) -> Corpus {
    let (mut rows, mut broken, mut unfinished, mut nobody) = (0, 0, 0, 0);
    let mut accounts = BTreeMap::<String, Vec<Request>>::new();
    for call in csv::Reader::from_reader(text.as_bytes()).deserialize::<Call>() {
        rows += 1;
        let Some((at_us, call)) = call.ok().and_then(|call| Some((at_us(&call.time)?, call))) else {
            broken += 1;
            continue;
        };
        if !call.stage.starts_with("Response") {
            unfinished += 1;
            continue;
        }
        // Not a client: at a gate these never come to be scored.
        if call.user.is_empty() || call.user == "system:anonymous" {
            nobody += 1;
            continue;
        }
        let endpoint = if call.resource.is_empty() {
            let path = call.uri.split('?').next().unwrap_or_default();
            let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).take(2).collect();
            format!("{} /{}", call.verb, parts.join("/"))
        } else {
            format!("{} {}/{}", call.verb, call.resource, call.subresource)
        };
        let object =
            (!call.name.is_empty()).then(|| hash(&format!("{}/{}", call.namespace, call.name)) as u32);
        accounts.entry(call.user).or_default().push(Request {
            at_us,
            endpoint: hash(&endpoint) as u32,
            object,
            request_bytes: call.uri.len() as u64,
            status: call.code,
            place: Place::default(),
        });
    }
    let what = format!(
        "{rows} rows, {broken} broken, {unfinished} without response, {nobody} of nobody (system:anonymous)"
    );
    corpus("k8s-audit", &what, accounts)
}

fn corpus(name: &'static str, what: &str, by_name: BTreeMap<String, Vec<Request>>) -> Corpus {
    let of_all = by_name.len();
    let (mut accounts, mut small) = (Vec::new(), Vec::new());
    for (name, mut requests) in by_name {
        requests.sort_by_key(|request| request.at_us);
        let place = match requests.len() {
            EVENTS_MIN.. => &mut accounts,
            PEER_EVENTS_MIN.. => &mut small,
            _ => continue,
        };
        place.push(Account { name, requests });
    }
    let events: usize = accounts.iter().map(|account| account.requests.len()).sum();
    let filter = format!(
        "{name}: {what}; of {of_all} accounts {} have at least {EVENTS_MIN} events ({events} in all) and are victims and thieves; \
         {} more have at least {PEER_EVENTS_MIN} and serve as peers only.",
        accounts.len(),
        small.len(),
    );
    Corpus { name, filter, accounts, small }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_become_requests_and_other_days_and_broken_rows_are_said() {
        let row = |day: u32, second: u32, minor: bool| {
            format!(
                r##"{{"time":"2015-09-{day:02}T00:00:{second:02}.500Z","user":"Bot","channel":"#a","namespace":"Main","delta":-17,"isMinor":{minor},"isNew":false,"isRobot":true,"isUnpatrolled":false}}"##
            )
        };
        let mut text: String = (0..60).rev().map(|second| row(12, second, second % 2 == 0) + "\n").collect();
        text += &row(13, 1, true);
        text += "\n{\"time\":\n";
        let corpus = wiki(&text);
        assert!(corpus.filter.contains("62 rows, 1 broken, 1 of other days"), "{}", corpus.filter);
        let [account] = corpus.accounts.as_slice() else { panic!("one account") };
        assert!(account.requests.windows(2).all(|pair| pair[0].at_us < pair[1].at_us));
        assert_eq!(account.requests[0].request_bytes, 17);
        assert_ne!(account.requests[0].endpoint, account.requests[1].endpoint);
        assert_eq!(account.requests[0].endpoint, account.requests[2].endpoint);
    }

    #[test]
    fn calls_become_requests_and_nobody_is_no_client() {
        let mut text =
            "cluster,time,user,verb,resource,subresource,name,namespace,uri,audit_id,stage,code\n".to_owned();
        for (user, times) in [("system:node:a", 60), ("system:anonymous", 70), ("few", 19)] {
            for second in 0..times {
                let (minute, second) = (second / 60, second % 60);
                text += &format!(
                    "c,2023-01-27T18:{minute:02}:{second:02}.1Z,{user},get,pods,status,p,n,/api/v1/pods/p,x,ResponseComplete,200\n"
                );
            }
        }
        text += "c,yesterday,system:node:a,get,pods,,p,n,/api,x,ResponseComplete,200\n";
        let corpus = k8s(&text);
        assert!(
            corpus.filter.contains("150 rows, 1 broken, 0 without response, 70 of nobody"),
            "{}",
            corpus.filter
        );
        let names: Vec<_> = corpus.accounts.iter().map(|account| account.name.as_str()).collect();
        assert_eq!(names, ["system:node:a"]);
        assert_eq!(corpus.accounts[0].requests[0].request_bytes, 14);
        assert!(corpus.accounts[0].requests[0].object.is_some());
    }
}
