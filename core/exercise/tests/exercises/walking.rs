use std::time::Duration;

use portcullis_exercise::run::{ActionOutcome, Mode, Run};
use portcullis_exercise::walk::{Walk, WalkError};
use proptest::prelude::*;
use uuid::Uuid;

use super::{at, minutes, scenario};

fn finish(walk: Walk) -> Run {
    let times = (at("2026-11-22T02:00:00Z"), at("2026-11-22T03:00:00Z"));
    walk.finish(Uuid::from_u128(1), "test", times)
}

/// Walks through with answers of `(minute, role, words)`, and every inject when it is due.
fn walked(answers: &[(u64, &str, &str)]) -> Run {
    let mut walk = Walk::new(scenario());
    for (minute, who, said) in answers {
        walk.due(minutes(*minute));
        walk.hear(minutes(*minute), who, said).unwrap();
    }
    walk.due(minutes(10_000));
    assert!(walk.is_over(minutes(10_000)));
    finish(walk)
}

#[test]
fn all_in_time_by_the_right_ones_is_an_a() {
    let run = walked(&[
        (2, "legal", "We LOOK at the decisions"),
        (9, "on-call", "portcullis sever vendor/acme"),
        (20, "legal", "tell the regulator"),
    ]);
    assert!(run.passed, "{:?}", run.failures);
    assert_eq!((run.grade.as_str(), run.points, run.mode), ("A", 100, Mode::Paper));
    let took: Vec<_> = run.measures.iter().map(|measure| (measure.took_us, measure.is_met())).collect();
    assert_eq!(took, [(Some(120_000_000), true), (Some(420_000_000), true)]);
    // From the inject that it answers, which came ten minutes after the cut.
    assert_eq!(run.actions[2].took_us, Some(60_000_000));
}

#[test]
fn late_by_another_and_missed_count_less() {
    let outcomes = |run: &Run| run.actions.iter().map(|action| action.outcome).collect::<Vec<_>>();
    let run = walked(&[(7, "on-call", "look"), (9, "legal", "cut this vendor")]);
    assert_eq!(outcomes(&run), [ActionOutcome::Late, ActionOutcome::ByAnother, ActionOutcome::Missed]);
    // (1 + 3 + 0) of 2 × (1 + 3 + 1) halves.
    assert_eq!((run.points, run.passed, run.grade.as_str()), (40, true, "D"));
    let run = walked(&[(1, "on-call", "look"), (21, "on-call", "cut vendor")]);
    assert_eq!(outcomes(&run), [ActionOutcome::InTime, ActionOutcome::Missed, ActionOutcome::Missed]);
    assert_eq!((run.passed, run.grade.as_str()), (false, "F"));
    assert_eq!(run.failures, ["`sever` was not done: Sever."]);
}

#[test]
fn a_mistake_costs_once_and_what_nobody_expected_is_kept() {
    let run = walked(&[
        (1, "on-call", "delete vendor"),
        (2, "on-call", "delete it again"),
        (3, "legal", "make coffee"),
        (4, "on-call", "look and cut vendor"),
    ]);
    assert_eq!(run.others.iter().map(|other| other.points).collect::<Vec<_>>(), [2, 0, 0]);
    assert_eq!(run.others[0].wrong.as_deref(), Some("It cuts nothing"));
    // 8 of 10 halves, less 4.
    assert_eq!(run.points, 40);
}

#[test]
fn parts_of_words_and_what_is_denied_are_worth_nothing() {
    let run = walked(&[
        (1, "on-call", "I overlook nothing"),
        (2, "on-call", "we do not cut the vendor, and delete nothing"),
        (3, "on-call", "We never delete the vendor; I call several vendors"),
    ]);
    let outcomes: Vec<_> = run.actions.iter().map(|action| action.outcome).collect();
    assert_eq!(outcomes, [ActionOutcome::Missed; 3]);
    let wrong: Vec<_> = run.others.iter().map(|other| other.wrong.is_some()).collect();
    assert_eq!(wrong, [false, true, false], "what is denied is no mistake");
    assert!(!run.passed);
}

#[test]
fn an_inject_waits_for_what_it_follows_and_for_nobody_for_ever() {
    let mut walk = Walk::new(scenario());
    let told = |walk: &mut Walk, minute| -> Vec<String> {
        walk.due(minutes(minute)).into_iter().map(|(_, inject)| inject.id).collect()
    };
    assert_eq!(told(&mut walk, 0), ["page"]);
    assert_eq!(told(&mut walk, 29), Vec::<String>::new());
    // The cut could be made until minute 20, twice the time that it has.
    assert_eq!(walk.next_at(minutes(20)), Some(minutes(30)));
    assert_eq!(told(&mut walk, 30), ["call"]);
    assert!(!walk.is_over(minutes(89)));
    assert!(walk.is_over(minutes(90)));
}

#[test]
fn who_takes_no_part_isn_t_heard() {
    let mut walk = Walk::new(scenario());
    walk.due(Duration::ZERO);
    assert!(matches!(walk.hear(Duration::ZERO, "cook", "look"), Err(WalkError::Role { .. })));
    assert_eq!(walk.hear(Duration::ZERO, "legal", " "), Err(WalkError::Answer));
    assert_eq!(walk.hear(Duration::ZERO, "legal", &"x".repeat(2_001)), Err(WalkError::Answer));
    for _ in 0..100 {
        walk.hear(Duration::ZERO, "legal", "hum").unwrap();
    }
    assert_eq!(walk.hear(Duration::ZERO, "legal", "hum"), Err(WalkError::Many));
}

proptest! {
    /// Whatever is said when, it ends, points stay within a hundred, and nothing done earlier is worth less.
    #[test]
    fn walks_end_and_answers_never_cost(
        said in proptest::collection::vec((0_u64..120, 0_usize..2, 0_usize..4), 0..12),
    ) {
        let words = ["look", "cut vendor", "regulator", "hum"];
        let mut answers: Vec<_> = said
            .iter()
            .map(|(minute, role, word)| (*minute, ["on-call", "legal"][*role], words[*word]))
            .collect();
        answers.sort();
        let run = walked(&answers);
        prop_assert!(run.points <= 100);
        // One that hears nothing of the last answer is worth no more.
        let less = walked(&answers[..answers.len().saturating_sub(1)]);
        prop_assert!(less.points <= run.points, "{} then {}", less.points, run.points);
        let missed = |run: &Run| {
            run.actions.iter().filter(|action| action.outcome == ActionOutcome::Missed).count()
        };
        prop_assert!(missed(&run) <= missed(&less));
        prop_assert_eq!(run.passed, run.actions[1].outcome != ActionOutcome::Missed);
    }
}
