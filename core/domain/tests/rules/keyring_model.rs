//! The keyring against a naive model: a list of what happened, read from its beginning each time.

use jiff::{SignedDuration, Timestamp};
use portcullis_domain::command::Command;
use portcullis_domain::event::{KeyForm, PublicKey};
use proptest::prelude::*;
use serde_json::json;

use crate::case::{Case, apply, client, given, integration};

const KEYS: [&str; 5] = ["key-1", "a", "b", "c", "d"];
const AGE_DAYS: i64 = 2;
const OVERLAP_SECONDS: i64 = 50_000;

#[derive(Clone, Debug)]
enum Step {
    Declare(Vec<usize>),
    Rotate(usize, usize),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        proptest::sample::subsequence(vec![0_usize, 1, 2, 3, 4], 1..3).prop_map(Step::Declare),
        (0_usize..5, 0_usize..5).prop_map(|(current, next)| Step::Rotate(current, next)),
        (0_usize..5, 0_usize..5).prop_map(|(current, next)| Step::Rotate(current, next)),
        (1_i64..60_000).prop_map(Step::Wait),
    ]
}

/// What happened to one client, in its order.
#[derive(Clone, Debug)]
enum Happened {
    Declared(Timestamp, Vec<usize>),
    Rotated(Timestamp, usize, usize),
}

struct Model(Vec<Happened>);

impl Model {
    fn first_seen(&self, key: usize) -> Option<Timestamp> {
        self.0.iter().find_map(|happened| match happened {
            Happened::Declared(at, keys) if keys.contains(&key) => Some(*at),
            Happened::Rotated(at, _, next) if *next == key => Some(*at),
            _ => None,
        })
    }

    fn replaced(&self, key: usize) -> Option<(Timestamp, usize)> {
        self.0.iter().find_map(|happened| match happened {
            Happened::Rotated(at, current, next) if *current == key => Some((*at, *next)),
            _ => None,
        })
    }

    /// The last word on a key that was not replaced: a declaration with or without it, after it was once
    /// declared; one that only the client registered needs none.
    fn withdrawn(&self, key: usize) -> bool {
        let mut declared_once = false;
        let mut withdrawn = false;
        for happened in &self.0 {
            if let Happened::Declared(_, keys) = happened {
                let named = keys.contains(&key);
                declared_once |= named && self.first_seen(key).is_some();
                withdrawn = declared_once && !named;
            }
        }
        withdrawn
    }

    fn until(&self, key: usize) -> Option<Timestamp> {
        let lapses = self.first_seen(key)? + SignedDuration::from_hours(24 * AGE_DAYS);
        match self.replaced(key) {
            Some((at, _)) => Some(lapses.min(at + SignedDuration::from_secs(OVERLAP_SECONDS))),
            None if self.withdrawn(key) => None,
            None => Some(lapses),
        }
    }

    fn is_live(&self, key: usize, now: Timestamp) -> bool {
        self.until(key).is_some_and(|until| now < until)
    }

    fn may_rotate(&self, current: usize, next: usize, now: Timestamp) -> bool {
        if let Some((at, by)) = self.replaced(current) {
            return by == next && now < at + SignedDuration::from_secs(600);
        }
        let live = (0..KEYS.len()).filter(|key| self.is_live(*key, now)).count();
        self.is_live(current, now) && self.first_seen(next).is_none() && live < 2
    }
}

fn live(case: &Case) -> Vec<&str> {
    let standing = case.state.standing("robot").unwrap();
    let mut live: Vec<&str> = case
        .state
        .key_terms(&standing)
        .filter(|(_, term)| case.now < term.until)
        .map(|(key, _)| key.thumbprint.as_str())
        .collect();
    live.sort_unstable();
    live
}

proptest! {
    #[test]
    fn agrees_with_what_happened(steps in proptest::collection::vec(step(), 0..24)) {
        let rules = json!({ "keys": { "age_days_max": AGE_DAYS, "overlap_seconds": OVERLAP_SECONDS } });
        let mut case = given().after(apply(&[integration(rules)]));
        let mut model = Model(vec![Happened::Declared(case.now, vec![0])]);
        for step in steps {
            match step {
                Step::Wait(seconds) => case = case.later(SignedDuration::from_secs(seconds)),
                Step::Declare(keys) => {
                    let names: Vec<&str> = keys.iter().map(|key| KEYS[*key]).collect();
                    let command = apply(&[client("robot", &names)]);
                    if let Ok(events) = case.when(command.clone()) {
                        if !events.is_empty() {
                            model.0.push(Happened::Declared(case.now, keys));
                        }
                        case = case.after(command);
                    }
                }
                Step::Rotate(current, next) => {
                    let command = Command::RotateKey {
                        client: case.client("robot"),
                        current: KEYS[current].into(),
                        next: PublicKey {
                            thumbprint: KEYS[next].into(),
                            form: KeyForm::Jwk,
                            public: json!({}),
                        },
                    };
                    let decided = case.when(command.clone());
                    prop_assert_eq!(decided.is_ok(), model.may_rotate(current, next, case.now), "{:?} {:?}", decided, model.0);
                    if decided.is_ok_and(|events| !events.is_empty()) {
                        model.0.push(Happened::Rotated(case.now, current, next));
                        case = case.after(command);
                    }
                }
            }
            let mut expected: Vec<&str> = (0..KEYS.len()).filter(|key| model.is_live(*key, case.now)).map(|key| KEYS[key]).collect();
            expected.sort_unstable();
            prop_assert_eq!(live(&case), expected, "{:?}", model.0);
        }
    }
}
