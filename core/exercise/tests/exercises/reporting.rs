use portcullis_exercise::report::{page, took};
use portcullis_exercise::run::{Measure, Mode, PathTried, Run};
use portcullis_exercise::spec::Milestone;
use portcullis_exercise::trend::{Direction, trends};
use uuid::Uuid;

use super::at;

fn run(day: u8, sever_us: Option<u64>) -> Run {
    let time = at(&format!("2026-11-{day:02}T03:30:00Z"));
    let measure = |milestone, took_us| Measure { milestone, took_us, target: Some("250ms".parse().unwrap()) };
    Run {
        id: Uuid::from_u128(u128::from(day)),
        exercise: "kill-drill".into(),
        title: "Kill drill".into(),
        mode: Mode::Drill,
        started_at: time,
        finished_at: time,
        passed: sever_us.is_some(),
        grade: "A".into(),
        points: 100,
        measures: vec![measure(Milestone::Sever, sever_us), measure(Milestone::Verify, sever_us)],
        failures: sever_us.map_or_else(|| vec!["it <b>failed</b>".into()], |_| Vec::new()),
        steps: Vec::new(),
        actions: Vec::new(),
        others: Vec::new(),
        paths: vec![PathTried {
            path: "http <script>".into(),
            closed: true,
            how: "refused & closed".into(),
            bytes_after: 0,
        }],
        severance: None,
    }
}

#[test]
fn trends_compare_the_newer_half_with_the_older_one() {
    let took = [Some(10_000), Some(12_000), None, Some(300_000), Some(5_000), Some(6_000)];
    let runs: Vec<Run> = took.into_iter().zip(1..=6).map(|(took, day)| run(day, took)).collect();
    let mut shuffled = runs.clone();
    shuffled.reverse();
    let all = trends(&shuffled);
    assert_eq!(all.len(), 1);
    let trend = &all[0];
    assert_eq!((trend.runs.len(), trend.passed), (6, 5));
    let sever = &trend.milestones[0];
    assert_eq!(sever.took_us, took);
    assert_eq!((sever.median_us, sever.worst_us, sever.met), (Some(10_000), Some(300_000), 4));
    // 10 and 12 before; 300, 5 and 6 after.
    assert_eq!(sever.direction, Direction::Faster);
    assert_eq!(trends(&runs[..3])[0].milestones[0].direction, Direction::Unknown);
}

#[test]
fn nothing_from_elsewhere_becomes_markup_in_a_report() {
    let runs: Vec<Run> = (1..=30).map(|day| run(day, (day != 7).then_some(9_000))).collect();
    let page = page(&runs, at("2026-12-01T00:00:00Z"), "https://gate<i>.example");
    for raw in ["<b>", "<script", "<i>", "refused & closed"] {
        assert!(!page.contains(raw), "{raw}");
    }
    for shown in
        ["it &lt;b&gt;failed&lt;/b&gt;", "refused &amp; closed", "prefers-color-scheme:dark", "target 250 ms"]
    {
        // The run that failed is older than those that are told in full.
        assert!(page.contains(shown) || shown.starts_with("it "), "{shown}");
    }
    assert!(page.contains("and 10 runs before"));
    assert!(!page.contains("http://") && !page.contains("src="), "it needs nothing from elsewhere");
}

#[test]
fn times_read_well() {
    for (micros, expect) in [
        (420, "420 µs"),
        (9_350, "9.3 ms"),
        (12_600, "12 ms"),
        (1_250_000, "1.2 s"),
        (75_000_000, "1 min 15 s"),
        (7_260_000_000, "2 h 1 min"),
    ] {
        assert_eq!(took(micros), expect);
    }
}
