//! The canary, which exercises may cut and open alone; and what is kept of runs.

use portcullis_domain::command::{Command, Prepared, Refusal, Seen};
use portcullis_domain::decision::DecisionId;
use portcullis_domain::event::{Cause, Event};
use portcullis_domain::exercise::{ExerciseRefusal, RUNS_KEPT, SeveredBy};
use portcullis_domain::personal::Personal;
use portcullis_domain::spec::{Kind, Spec};
use portcullis_domain::state::tunnels::NewCredentials;
use portcullis_exercise::run::{Mode, OtherAction, Run};
use serde_json::json;
use uuid::Uuid;

use crate::case::{Case, apply, given, prepared, vendor};

const RUN: Uuid = Uuid::from_u128(77);

fn canary(upstream: &str) -> Vec<Prepared> {
    let contract =
        json!({ "vendor": "canary", "starts": "2026-01-01", "ends": "2036-12-31", "time_zone": "UTC" });
    let route = json!({ "upstream": "canary", "methods": ["GET"], "path": "/canary/{*rest}", "scope": "canary.read" });
    let integration = json!({ "contract": "canary", "purpose": "exercises", "routes": ["canary"],
        "scopes": ["canary.read"] });
    let none = || json!({});
    vec![
        prepared("Vendor", "canary", json!({ "legal_name": "Nobody", "canary": true }), none(), &[]),
        prepared("Contract", "canary", contract, none(), &[]),
        prepared("Upstream", "canary", json!({ "url": upstream }), none(), &[]),
        prepared("Route", "canary", route, none(), &[]),
        prepared("Integration", "canary", integration, none(), &[]),
        prepared("Client", "bird", json!({ "integration": "canary", "jwks": {} }), none(), &["bird-1"]),
    ]
}

pub fn with_canary() -> Case {
    given().after(apply(&canary("http://127.0.0.1:9000")))
}

fn cut(target: &str) -> Command {
    let by = SeveredBy::Exercise { run: RUN, operator: None };
    Command::Sever {
        target: target.parse().unwrap(),
        by,
        reason: "drill".into(),
        tell: None,
        seen: Seen::default(),
    }
}

fn restore(vendor: &str) -> Command {
    Command::RestoreCanary { vendor: vendor.into(), run: RUN, by: None }
}

fn faults(case: &Case, resources: &[Prepared]) -> Vec<String> {
    match case.when(apply(resources)) {
        Err(Refusal::Invalid(faults)) => {
            faults.iter().map(|fault| format!("{}{}", fault.name, fault.pointer)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_exercise_opens_what_it_cut_of_the_canary_and_its_old_keys_stay_refused() {
    let case = with_canary().after(cut("vendor/canary"));
    let cause = &case.state.severances.values().next().unwrap().cause;
    assert!(matches!(cause, Cause::Exercise { run, operator: None, .. } if *run == RUN));
    let client = case.client("bird");
    let key = Command::CutKey { client, keys: vec!["bird-9".into()], decision: DecisionId::new(1, [1; 10]) };
    let case = case.after(key);
    assert_eq!(case.state.severances.len(), 2);
    let epoch = case.state.epoch(case.state.canary("canary").unwrap().id);
    let case = case.after(restore("canary"));
    assert!(case.state.severances.is_empty());
    assert_eq!(case.refused_keys(), ["bird-1", "bird-9"], "they stay refused");
    assert_eq!(case.state.epoch(case.state.canary("canary").unwrap().id), epoch + 1);
    assert_eq!(case.when(restore("canary")).unwrap(), [], "nothing is left to open");
}

#[test]
fn what_a_person_has_severed_takes_two_people_the_canary_too() {
    for target in ["vendor/canary", "integration/canary", "client/bird"] {
        let case = with_canary().severed(target).after(cut_other(target));
        let refused = case.when(restore("canary"));
        assert!(
            matches!(refused, Err(Refusal::Exercise(ExerciseRefusal::SeveredOtherwise { .. }))),
            "{target}: {refused:?}"
        );
    }
}

/// Something else of the canary than what was severed already.
fn cut_other(target: &str) -> Command {
    cut(if target == "vendor/canary" { "client/bird" } else { "vendor/canary" })
}

#[test]
fn no_exercise_touches_another_vendor() {
    let case = with_canary();
    for target in ["vendor/acme", "integration/feed", "client/robot", "key/key-1"] {
        let refused = case.when(cut(target));
        assert!(
            matches!(refused, Err(Refusal::Exercise(ExerciseRefusal::NotCanary(_)))),
            "{target}: {refused:?}"
        );
    }
    let severed = case.severed("vendor/acme").after(cut("vendor/canary"));
    for vendor in ["acme", "nobody"] {
        let refused = severed.when(restore(vendor));
        assert!(matches!(refused, Err(Refusal::Exercise(ExerciseRefusal::NotCanary(_)))), "{refused:?}");
    }
    let opened = severed.after(restore("canary"));
    assert_eq!(opened.state.severances.len(), 1, "the other vendor's stays");
}

#[test]
fn an_exercise_issues_credentials_of_the_canarys_tunnels_alone_and_none_while_it_is_cut() {
    let tunnel = |name: &str, integration: &str, network: u8| {
        let peer = format!("mtJUpr5qB1rO5g6LxFZnTOyDjbIhq6kjGdq6IHtAy{network:02}=");
        let link = json!({ "interface": format!("pc-{network}"), "listen_port": 51_800 + u16::from(network),
            "peer_public_key": peer.replace("1=", "A=").replace("2=", "E=") });
        let spec = json!({ "integration": integration, "local_networks": ["10.20.0.5/32"],
            "remote_networks": [format!("10.31.{network}.0/24")], "wireguard": link });
        prepared("Tunnel", name, spec, json!({}), &[])
    };
    let issue = |tunnel: &str, number: u128| Command::IssueCanaryTunnel {
        tunnel: tunnel.into(),
        credentials: NewCredentials { id: Uuid::from_u128(number), fingerprints: vec![], not_after: None },
        run: RUN,
        by: None,
    };
    let case = with_canary().after(apply(&[tunnel("bird", "canary", 1), tunnel("acme", "feed", 2)]));
    let refused = case.when(issue("acme", 1));
    assert!(matches!(refused, Err(Refusal::Exercise(ExerciseRefusal::NotCanary(_)))), "{refused:?}");
    assert!(matches!(case.when(issue("nobody", 1)), Err(Refusal::Unknown { .. })));
    let case = case.after(issue("bird", 1));
    let issued = |case: &Case| {
        let id = case.state.tunnel("bird").unwrap().id();
        let issued = &case.state.tunnels.credentials[&id];
        (issued.run, issued.by, case.state.credentials_hold(issued, case.now))
    };
    assert_eq!(issued(&case), (Some(RUN), None, true));
    let case = case.after(cut("vendor/canary"));
    assert!(matches!(case.when(issue("bird", 2)), Err(Refusal::TunnelSevered { .. })));
    let case = case.after(restore("canary"));
    assert_eq!(issued(&case), (Some(RUN), None, false), "those of before are void");
    assert_eq!(issued(&case.after(issue("bird", 2))), (Some(RUN), None, true));
}

#[test]
fn nobody_becomes_a_canary_and_the_canary_reaches_nobody() {
    let case = with_canary();
    assert!(faults(&case, &[vendor(json!({ "canary": true }))]).contains(&"acme/spec/canary".into()));
    let honest = prepared("Vendor", "canary", json!({ "legal_name": "Nobody" }), json!({}), &[]);
    assert_eq!(faults(&case, &[honest]), ["canary/spec/canary"]);
    let second = prepared("Vendor", "other", json!({ "legal_name": "O", "canary": true }), json!({}), &[]);
    assert_eq!(faults(&case, &[second]), ["other/spec/canary"]);
    for url in [
        "http://10.0.0.1:80",
        "http://localhost:80",
        "https://[2001:db8::1]:443",
        "http://127.0.0.1.nip.io:80",
    ] {
        assert_eq!(faults(&given(), &canary(url)), ["canary/spec/url"], "{url}");
        let moved = prepared("Upstream", "canary", json!({ "url": url }), json!({}), &[]);
        assert_eq!(faults(&case, &[moved]), ["canary/spec/url"], "{url}");
    }
    assert!(given().when(apply(&canary("http://[::1]:9000"))).is_ok());
    // By its route, from either side.
    let elsewhere = prepared(
        "Route",
        "canary",
        json!({ "upstream": "tracking", "methods": ["GET"],
        "path": "/canary/{*rest}", "scope": "canary.read" }),
        json!({}),
        &[],
    );
    assert_eq!(faults(&case, &[elsewhere]), ["canary/spec/upstream"]);
    let grants = |vendor: &str, contract: &str, routes: &[&str]| {
        let spec = json!({ "contract": contract, "purpose": "x", "routes": routes, "scopes": ["read", "canary.read"] });
        prepared("Integration", vendor, spec, json!({}), &[])
    };
    assert!(
        faults(&case, &[grants("feed", "acme-2026", &["parcels", "canary"])])
            .contains(&"feed/spec/routes/1".into())
    );
    assert!(
        faults(&case, &[grants("canary", "canary", &["canary", "parcels"])])
            .contains(&"canary/spec/routes/1".into())
    );
    // Its drivers come by the common door.
    let mut apart = grants("canary", "canary", &["canary"]);
    if let Spec::Integration(spec) = &mut apart.declaration.spec {
        spec.door = Some(8451);
    }
    assert_eq!(faults(&case, &[apart]), ["canary/spec/door"]);
}

#[test]
fn an_exercise_names_a_canary_or_nobody_that_is_there() {
    let exercise = |canary: &str| {
        let spec = json!({ "title": "t", "story": "s", "scope": "c", "canary": canary,
            "live": { "steps": [{ "do": "sever" }, { "do": "verify" }] } });
        prepared("Exercise", "cut", spec, json!({}), &[])
    };
    assert_eq!(faults(&given(), &[exercise("acme")]), ["cut/spec/canary"]);
    assert!(given().when(apply(&[exercise("canary")])).is_ok(), "it may come later");
    let wrong = json!({ "title": "", "story": "s", "scope": "c", "live": { "steps": [{ "do": "sever" }] } });
    let wrong = prepared("Exercise", "kill-drill", wrong, json!({}), &[]);
    assert_eq!(
        faults(&given(), &[wrong]),
        ["kill-drill/spec/title", "kill-drill/spec/live/steps", "kill-drill/name"]
    );
}

fn run(number: u128, exercise: &str, mode: Mode) -> Command {
    let time = "2026-06-01T12:00:00Z".parse().unwrap();
    let said = Personal::Plain("Ann called Bob".into());
    let run = Run {
        id: Uuid::from_u128(number),
        exercise: exercise.into(),
        title: "t".into(),
        mode,
        started_at: time,
        finished_at: time,
        passed: true,
        grade: "A".into(),
        points: 100,
        measures: vec![],
        failures: vec!["x".repeat(10_000)],
        steps: vec![],
        actions: vec![],
        others: vec![OtherAction { who: "on-call".into(), said, at_us: 1, wrong: None, points: 0 }],
        paths: vec![],
        severance: None,
    };
    Command::RecordRun { run: Box::new(run), by: None }
}

#[test]
fn runs_are_kept_once_bounded_and_what_was_said_can_be_forgotten() {
    let mut case = given().after(run(1, "kill-drill", Mode::Drill));
    assert!(matches!(
        case.when(run(1, "kill-drill", Mode::Drill)),
        Err(Refusal::Exercise(ExerciseRefusal::Known(_)))
    ));
    // A name that is the drill's own, and one that nobody has declared.
    for (name, mode) in [("kill-drill", Mode::Live), ("fire", Mode::Paper), ("fire", Mode::Drill)] {
        let refused = case.when(run(2, name, mode));
        assert!(matches!(refused, Err(Refusal::Exercise(ExerciseRefusal::Unknown(_)))), "{refused:?}");
    }
    let kept = case.state.runs().next().unwrap();
    assert!(kept.run.failures[0].len() < 500, "bounded");
    let subject = kept.run.others[0].said.subject().unwrap();
    case = case.after(Command::EraseSubject { subject });
    assert_eq!(case.state.runs().next().unwrap().run.others[0].said, Personal::Erased { subject });
    for number in 10..(10 + RUNS_KEPT as u128 + 5) {
        case = case.after(run(number, "kill-drill", Mode::Drill));
    }
    assert_eq!(case.state.runs().count(), RUNS_KEPT);
    assert!(case.events.iter().filter(|event| matches!(event, Event::ExerciseRun(_))).count() > RUNS_KEPT);
    assert!(case.state.resource(Kind::Exercise, "kill-drill").is_none());
}
