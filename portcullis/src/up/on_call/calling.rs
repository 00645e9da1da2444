//! Whom to call next: from what is open, the steps, and what was sent. No clock, no network.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use portcullis_domain::ids::PageId;
use portcullis_incident::page::{Page, due};
use serde::{Deserialize, Serialize};

use super::OnCallStep;

const RETRY_FIRST_SECONDS: i64 = 5;
const RETRY_LAST_SECONDS: i64 = 300;
/// Calls that one place is sent at once: the mail server is one, and each webhook.
const AT_ONCE: usize = 20;

/// Somebody who is called.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Target {
    Mail(String),
    Webhook(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mail(to) => write!(f, "mail:{to}"),
            Self::Webhook(name) => write!(f, "webhook:{name}"),
        }
    }
}

/// One call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    pub page: Page,
    /// Counted from 1.
    pub step: usize,
    pub target: Target,
}

/// Who was called, of each page that is open.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Called {
    pages: BTreeMap<PageId, BTreeMap<String, Done>>,
}

/// How calling one of them went: by step and target.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
struct Done {
    sent: Option<Timestamp>,
    #[serde(default)]
    failures: u32,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    again: Option<Timestamp>,
}

/// Of the calls that are due, those that begin now: none that is under way already, and of each place so many at once, so
/// that one that is silent holds up no other.
pub fn beginning(due: &[Call], under_way: &[&Call]) -> Vec<Call> {
    let mut busy: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for call in under_way {
        *busy.entry(place(&call.target)).or_default() += 1;
    }
    let mut begin = Vec::new();
    for call in due {
        let sent = busy.entry(place(&call.target)).or_default();
        if *sent < AT_ONCE && !under_way.iter().any(|known| is_same(known, call)) {
            *sent += 1;
            begin.push(call.clone());
        }
    }
    begin
}

/// All mail goes to one server.
fn place(target: &Target) -> Option<&str> {
    match target {
        Target::Mail(_) => None,
        Target::Webhook(name) => Some(name),
    }
}

fn is_same(one: &Call, other: &Call) -> bool {
    (one.page.id, one.step, &one.target) == (other.page.id, other.step, &other.target)
}

impl Called {
    /// Forgets what was answered; whether anything was.
    pub fn keep_only(&mut self, open: &[Page], held: &[Page]) -> bool {
        let before = self.pages.len();
        self.pages.retain(|id, _| open.iter().chain(held).any(|page| page.id == *id));
        before != self.pages.len()
    }

    /// Whoever is to be called now. A step that fails holds the next one up no longer than one that is silent. Of pages that the
    /// ledger hasn't taken (`held`) the first step is called, and no other: nobody could answer for it.
    pub fn due(&self, open: &[Page], held: &[Page], steps: &[OnCallStep], now: Timestamp) -> Vec<Call> {
        let minutes: Vec<u32> = steps.iter().map(|step| step.minutes).collect();
        let mut calls = Vec::new();
        let open = open.iter().map(|page| (page, due(page.time, &minutes, now).steps));
        for (page, called) in open.chain(held.iter().map(|page| (page, 1))) {
            for (number, step) in steps.iter().take(called).enumerate() {
                for target in step.targets() {
                    let call = Call { page: page.clone(), step: number + 1, target };
                    let waits = self.done(&call).is_some_and(|done| {
                        done.sent.is_some() || done.again.is_some_and(|again| now < again)
                    });
                    if !waits {
                        calls.push(call);
                    }
                }
            }
        }
        calls
    }

    pub fn sent(&mut self, call: &Call, now: Timestamp) {
        *self.entry(call) = Done { sent: Some(now), ..Done::default() };
    }

    pub fn failed(&mut self, call: &Call, error: String, now: Timestamp) {
        let done = self.entry(call);
        let seconds = RETRY_FIRST_SECONDS.saturating_mul(1 << done.failures.min(10)).min(RETRY_LAST_SECONDS);
        done.failures = done.failures.saturating_add(1);
        done.error = Some(error);
        done.again = now.checked_add(SignedDuration::from_secs(seconds)).ok();
    }

    /// Failures of whoever can't be reached now, and why.
    pub fn failing(&self) -> Option<(u32, String)> {
        let done = self.pages.values().flat_map(BTreeMap::values);
        let failing = done.filter(|done| done.error.is_some()).max_by_key(|done| done.failures)?;
        Some((failing.failures, failing.error.clone()?))
    }

    pub fn last(&self) -> Option<Timestamp> {
        self.pages.values().flat_map(BTreeMap::values).filter_map(|done| done.sent).max()
    }

    fn done(&self, call: &Call) -> Option<&Done> {
        self.pages.get(&call.page.id)?.get(&key(call))
    }

    fn entry(&mut self, call: &Call) -> &mut Done {
        self.pages.entry(call.page.id).or_default().entry(key(call)).or_default()
    }
}

fn key(call: &Call) -> String {
    format!("{} {}", call.step, call.target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_incident::page::{PageCause, Raising};
    use uuid::Uuid;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    fn page(number: u128) -> Page {
        let (title, text) = ("a try".to_owned(), String::new());
        let raising = Raising { cause: PageCause::Tried { at: at(0) }, vendor: None, title, text };
        Page::new(PageId(Uuid::from_u128(number)), raising, at(0))
    }

    fn steps() -> Vec<OnCallStep> {
        let step = |mail: &[&str], webhooks: &[&str], minutes| OnCallStep {
            mail: mail.iter().map(|to| (*to).to_owned()).collect(),
            webhooks: webhooks.iter().map(|name| (*name).to_owned()).collect(),
            minutes,
        };
        vec![step(&["ann@us.example", "bob@us.example"], &[], 5), step(&["eve@us.example"], &["desk"], 10)]
    }

    fn names(calls: &[Call]) -> Vec<String> {
        calls.iter().map(|call| format!("{} {}", call.step, call.target)).collect()
    }

    #[test]
    fn each_is_called_once_and_the_next_step_when_nobody_answers() {
        let (open, steps) = (vec![page(1)], steps());
        let mut called = Called::default();
        let first = called.due(&open, &[], &steps, at(0));
        assert_eq!(names(&first), ["1 mail:ann@us.example", "1 mail:bob@us.example"]);
        called.sent(&first[0], at(1));
        // Remembered over a restart.
        let mut called: Called = serde_json::from_slice(&serde_json::to_vec(&called).unwrap()).unwrap();
        assert_eq!(names(&called.due(&open, &[], &steps, at(2))), ["1 mail:bob@us.example"]);
        called.sent(&first[1], at(2));
        assert_eq!(called.due(&open, &[], &steps, at(299)), []);
        let second = called.due(&open, &[], &steps, at(300));
        assert_eq!(names(&second), ["2 mail:eve@us.example", "2 webhook:desk"]);
        second.iter().for_each(|call| called.sent(call, at(301)));
        assert_eq!(called.due(&open, &[], &steps, at(100_000)), []);
        assert_eq!(called.last(), Some(at(301)));
        // Answered.
        assert!(called.keep_only(&[], &[]) && !called.keep_only(&[], &[]));
        assert_eq!(called, Called::default());
    }

    #[test]
    fn whoever_cannot_be_reached_is_tried_less_and_less_often_and_holds_up_nobody() {
        let (open, steps) = (vec![page(1)], steps());
        let mut called = Called::default();
        let call = called.due(&open, &[], &steps, at(0)).remove(0);
        called.sent(&Call { target: Target::Mail("bob@us.example".to_owned()), ..call.clone() }, at(0));
        let mut now = 0;
        for wait in [5, 10, 20, 40, 80, 160, 300, 300] {
            assert_eq!(names(&called.due(&open, &[], &steps, at(now)))[0], "1 mail:ann@us.example", "{now}");
            called.failed(&call, "it is down".to_owned(), at(now));
            assert!(
                !names(&called.due(&open, &[], &steps, at(now + wait - 1)))
                    .contains(&"1 mail:ann@us.example".to_owned())
            );
            now += wait;
        }
        assert_eq!(called.failing(), Some((8, "it is down".to_owned())));
        assert!(
            names(&called.due(&open, &[], &steps, at(300))).contains(&"2 mail:eve@us.example".to_owned())
        );
        called.sent(&call, at(now));
        assert_eq!(called.failing(), None);
    }

    #[test]
    fn a_call_that_is_under_way_does_not_begin_again_and_keeps_only_its_own_place() {
        let called = Called::default();
        let due = called.due(&[page(1), page(2)], &[], &steps(), at(300));
        let first = due[0].clone();
        let begun = beginning(&due, &[&first]);
        assert_eq!((due.len(), begun.len()), (8, 7));
        assert!(!begun.contains(&first));
        assert_eq!(beginning(&due, &due.iter().collect::<Vec<_>>()), []);
        // Mail to so many pages that its server has enough to do: webhooks go out beside it.
        let many: Vec<Page> = (0..50).map(page).collect();
        let due = called.due(&many, &[], &steps(), at(300));
        let of = |calls: &[Call], word: &str| names(calls).iter().filter(|name| name.contains(word)).count();
        let begun = beginning(&due, &[]);
        assert_eq!((of(&due, "mail:"), of(&begun, "mail:"), of(&begun, "webhook:")), (150, 20, 20));
        let busy: Vec<&Call> = begun.iter().filter(|call| matches!(call.target, Target::Mail(_))).collect();
        let next = beginning(&due, &busy);
        assert_eq!((of(&next, "mail:"), of(&next, "webhook:")), (0, 20));
    }

    #[test]
    fn the_first_are_called_for_what_is_not_recorded_and_not_again_once_it_is() {
        let (pages, steps) = ([page(1)], steps());
        let mut called = Called::default();
        let calls = called.due(&[], &pages, &steps, at(100_000));
        assert_eq!(names(&calls), ["1 mail:ann@us.example", "1 mail:bob@us.example"]);
        calls.iter().for_each(|call| called.sent(call, at(1)));
        assert!(!called.keep_only(&[], &pages));
        assert_eq!(called.due(&[], &pages, &steps, at(100_000)), []);
        // It is recorded, under the same id: the next step is called in its time.
        assert!(!called.keep_only(&pages, &[]));
        assert_eq!(called.due(&pages, &[], &steps, at(299)), []);
        assert_eq!(
            names(&called.due(&pages, &[], &steps, at(300))),
            ["2 mail:eve@us.example", "2 webhook:desk"]
        );
    }
}
