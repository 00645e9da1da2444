use std::time::Duration;

use portcullis_exercise::drive::{Drive, Told};
use portcullis_exercise::run::{Mode, PathTried, Run};
use portcullis_exercise::spec::{Expect, Leave, StepKind, Targets};
use uuid::Uuid;

use super::{at, scenario};

fn done() -> Told {
    Told::Done { note: String::new() }
}

fn severed(faults: &[&str]) -> Told {
    let faults = faults.iter().map(|fault| (*fault).to_owned()).collect();
    Told::Severed { severance: Uuid::from_u128(8), note: "cut".into(), faults }
}

fn path(closed: bool, bytes_after: u64) -> Told {
    Told::Verified {
        paths: vec![PathTried { path: "http".into(), closed, how: "tried".into(), bytes_after }],
    }
}

fn stopped() -> Told {
    Told::Came { came: Expect::Cut, note: "cut after 500 records".into() }
}

/// Drives through, each step taking so many milliseconds.
fn driven(mut drive: Drive, told: Vec<(Told, u64)>, mode: Mode) -> (Vec<StepKind>, Run) {
    let (mut now, mut steps) = (Duration::ZERO, Vec::new());
    for (told, milliseconds) in told {
        let Some(step) = drive.next() else { break };
        steps.push(step.what);
        let began = now;
        now += Duration::from_millis(milliseconds);
        drive.tell(told, began, now);
    }
    let times = (at("2026-11-22T03:30:00Z"), at("2026-11-22T03:31:00Z"));
    (steps, drive.finish(Uuid::from_u128(1), "test", mode, times))
}

fn live(told: Vec<(Told, u64)>) -> (Vec<StepKind>, Run) {
    driven(Drive::new(&scenario()).unwrap(), told, Mode::Live)
}

#[test]
fn a_cut_that_holds_in_time_is_an_a() {
    let told = vec![
        (done(), 100),
        (done(), 50),
        (stopped(), 700),
        (severed(&[]), 9),
        (path(true, 0), 300),
        (done(), 40),
    ];
    let (_, run) = live(told);
    assert!(run.passed, "{:?}", run.failures);
    assert_eq!((run.grade.as_str(), run.points), ("A", 100));
    let took: Vec<_> = run.measures.iter().map(|measure| measure.took_us).collect();
    assert_eq!(took, [Some(700_000), Some(0), Some(9_000), Some(300_000)]);
    assert_eq!(run.severance, Some(Uuid::from_u128(8)));
}

#[test]
fn late_is_told_and_open_fails() {
    let told = |verified, sever_ms, faults: &[&str]| {
        vec![
            (done(), 1),
            (done(), 1),
            (stopped(), 1),
            (severed(faults), sever_ms),
            (verified, 1),
            (done(), 1),
        ]
    };
    let (_, late) = live(told(path(true, 0), 300, &[]));
    assert!(late.passed);
    assert_eq!(late.late().count(), 1);
    assert_eq!(late.points, 85);
    for (verified, faults) in [
        (path(false, 0), &[][..]),
        (path(true, 1), &[]),
        (Told::Verified { paths: Vec::new() }, &[]),
        (path(true, 0), &["arm `packets` was not verified"]),
        (Told::Failed { note: "no answer".into() }, &[]),
    ] {
        let (_, run) = live(told(verified.clone(), 1, faults));
        assert_eq!((run.passed, run.grade.as_str(), run.points), (false, "F", 0), "{verified:?}");
        assert!(!run.failures.is_empty());
    }
}

#[test]
fn what_nobody_noticed_fails_and_the_cut_is_made_all_the_same() {
    let told = vec![
        (done(), 1),
        (done(), 1),
        (Told::Came { came: Expect::Answered, note: "5000 records".into() }, 1),
        (severed(&[]), 1),
        (path(true, 0), 1),
        (done(), 1),
    ];
    let (steps, run) = live(told);
    assert_eq!(steps.len(), 6);
    assert_eq!(
        run.failures,
        ["pull: `stopped` was expected, and `answered` came: 5000 records", "`detect` was never reached"]
    );
}

#[test]
fn a_canary_that_does_not_work_shows_nothing_and_is_put_right() {
    let told = vec![(Told::Failed { note: "no token".into() }, 1), (done(), 1)];
    let (steps, run) = live(told);
    assert_eq!(steps, [StepKind::Work, StepKind::Restore]);
    assert!(!run.passed);
    assert!(run.paths.is_empty());
}

#[test]
fn the_canary_is_left_as_the_manifest_says() {
    let check = |restores: bool, leave: Leave, expect: &[StepKind]| {
        let mut spec = scenario();
        let live = spec.live.as_mut().unwrap();
        live.leave = leave;
        live.steps.retain(|step| restores || step.what != StepKind::Restore);
        let told = vec![
            (done(), 1),
            (done(), 1),
            (stopped(), 1),
            (severed(&[]), 1),
            (path(true, 0), 1),
            (done(), 1),
        ];
        let (steps, run) = driven(Drive::new(&spec).unwrap(), told, Mode::Live);
        assert_eq!(steps[4..], *expect, "{leave:?}");
        assert!(run.passed, "{:?}", run.failures);
        // One whose canary doesn't work is left so, too.
        let told = vec![(Told::Failed { note: "no token".into() }, 1), (done(), 1)];
        let (steps, _) = driven(Drive::new(&spec).unwrap(), told, Mode::Live);
        assert_eq!(steps[1..], expect[1..], "{leave:?}");
    };
    let (verify, restore) = (StepKind::Verify, StepKind::Restore);
    check(true, Leave::Restored, &[verify, restore]);
    check(false, Leave::Restored, &[verify, restore]);
    check(false, Leave::Severed, &[verify]);
}

#[test]
fn a_drill_decides_nothing() {
    let told = vec![(done(), 5), (done(), 5), (severed(&[]), 7), (path(true, 0), 20), (done(), 1)];
    let (steps, run) = driven(Drive::drill(Targets::default()), told, Mode::Drill);
    assert_eq!(
        steps,
        [StepKind::Work, StepKind::Stream, StepKind::Sever, StepKind::Verify, StepKind::Restore]
    );
    assert!(run.passed, "{:?}", run.failures);
    let took: Vec<_> = run.measures.iter().map(|measure| measure.took_us).collect();
    assert_eq!(took, [Some(7_000), Some(20_000)]);
}

#[test]
fn what_was_broken_off_has_not_passed() {
    let (_, run) = live(vec![(done(), 1), (done(), 1), (stopped(), 1)]);
    assert!(run.failures.iter().any(|failure| failure == "it was broken off before `sever`"));
}

#[test]
fn a_list_that_is_cut_off_says_how_much_is_left_out() {
    let paths = |open: usize| {
        let path = |number: usize| PathTried {
            path: format!("path {number}"),
            closed: number >= open,
            how: "tried".into(),
            bytes_after: u64::from(number < open),
        };
        Told::Verified { paths: (0..150).map(path).collect() }
    };
    let told = |open| {
        vec![(done(), 1), (done(), 1), (stopped(), 1), (severed(&[]), 1), (paths(open), 1), (done(), 1)]
    };
    let (_, run) = live(told(0));
    assert!(run.passed, "{:?}", run.failures);
    let last = |run: &Run| {
        let last = run.paths.last().unwrap();
        (run.paths.len(), last.path.clone(), last.closed, last.how.clone(), last.bytes_after)
    };
    assert_eq!(last(&run), (100, "and 51 more".into(), true, "all closed".into(), 0));
    let (_, mut run) = live(told(120));
    assert_eq!(last(&run), (100, "and 51 more".into(), false, "21 of them are not closed".into(), 21));
    // 120 paths, and the milestone that was never reached.
    assert_eq!((run.failures.len(), run.failures.last().unwrap().as_str()), (100, "and 22 more"));
    let before = run.clone();
    run.bound();
    assert_eq!(run, before, "bounded twice it is the same");
}
