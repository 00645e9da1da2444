//! What must hold within a scenario, with the place of each fault.

use std::collections::BTreeSet;

use crate::recognise::has_word;
use crate::spec::{Actor, ExerciseSpec, Expect, Leave, LiveStep, Milestone, StepKind};

const TEXT_BYTES_MAX: usize = 4_000;
const LINE_BYTES_MAX: usize = 300;
pub const ROLES_MAX: usize = 20;
pub const INJECTS_MAX: usize = 50;
pub const EXPECTED_MAX: usize = 50;
const WRONG_MAX: usize = 20;
const PHRASES_MAX: usize = 20;
const GRADES_MAX: usize = 10;
pub const STEPS_MAX: usize = 40;

/// What doesn't hold, with the JSON pointer of its place from the spec on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    pub pointer: String,
    pub message: String,
    pub hint: Option<&'static str>,
}

/// Every fault at once.
#[must_use]
pub fn check(spec: &ExerciseSpec) -> Vec<Fault> {
    let mut faults = Faults(Vec::new());
    let texts = [
        ("/title", &spec.title, LINE_BYTES_MAX),
        ("/story", &spec.story, TEXT_BYTES_MAX),
        ("/scope", &spec.scope, TEXT_BYTES_MAX),
    ];
    for (pointer, text, most) in texts {
        faults.text(pointer, text, most);
    }
    if spec.injects.is_empty() && spec.live.is_none() {
        let hint = "write `injects` and `expect` for people, or `live` for machines";
        faults.add("", "nothing happens in it".to_owned(), Some(hint));
    }
    check_roles(spec, &mut faults);
    check_injects(spec, &mut faults);
    check_expected(spec, &mut faults);
    check_wrong(spec, &mut faults);
    check_grades(spec, &mut faults);
    if let Some(live) = &spec.live {
        check_live(&live.steps, &mut faults);
        if live.leave == Leave::Severed && live.steps.iter().any(|step| step.what == StepKind::Restore) {
            let hint = "leave out the step `restore`, or leave it `restored`";
            faults.add("/live/leave", "a step restores what is to be left severed".to_owned(), Some(hint));
        }
    }
    faults.0
}

struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, pointer: &str, message: String, hint: Option<&'static str>) {
        self.0.push(Fault { pointer: pointer.to_owned(), message, hint });
    }

    fn text(&mut self, pointer: &str, text: &str, most: usize) {
        if text.trim().is_empty() {
            self.add(pointer, "it is empty".to_owned(), None);
        } else if text.len() > most {
            self.add(pointer, format!("it has more than {most} bytes"), None);
        }
    }

    fn at_most(&mut self, pointer: &str, count: usize, most: usize) {
        if count > most {
            self.add(pointer, format!("there are {count}, and at most {most}"), None);
        }
    }

    fn phrases(&mut self, pointer: &str, phrases: &[String]) {
        self.at_most(pointer, phrases.len(), PHRASES_MAX);
        if phrases.is_empty() {
            let hint = "write phrases that an answer would hold, such as `portcullis sever`";
            self.add(pointer, "no answer could be it".to_owned(), Some(hint));
        }
        for (place, phrase) in phrases.iter().enumerate() {
            let place = format!("{pointer}/{place}");
            self.text(&place, phrase, LINE_BYTES_MAX);
            if !phrase.trim().is_empty() && !has_word(phrase) {
                self.add(&place, "it has no word".to_owned(), Some("write letters or digits"));
            }
        }
    }
}

/// An id or a role: letters, digits and hyphens.
fn is_word(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=40).contains(&text.len()) && text.bytes().all(letter)
}

const WORD_HINT: &str = "use at most 40 lower-case letters, digits and hyphens";

fn check_roles(spec: &ExerciseSpec, faults: &mut Faults) {
    faults.at_most("/roles", spec.roles.len(), ROLES_MAX);
    let mut seen = BTreeSet::new();
    for (place, role) in spec.roles.iter().enumerate() {
        let pointer = format!("/roles/{place}");
        if !is_word(role) {
            faults.add(&pointer, "this can't be a role".to_owned(), Some(WORD_HINT));
        } else if !seen.insert(role) {
            faults.add(&pointer, format!("role `{role}` is there twice"), None);
        }
    }
    if spec.roles.is_empty() && !spec.expect.is_empty() {
        faults.add("/roles", "nobody takes part".to_owned(), Some("name the roles, such as `on-call`"));
    }
}

fn check_role(spec: &ExerciseSpec, pointer: &str, role: &String, faults: &mut Faults) {
    if !spec.roles.contains(role) {
        faults.add(pointer, format!("there is no role `{role}`"), Some("list it in `roles`"));
    }
}

fn check_injects(spec: &ExerciseSpec, faults: &mut Faults) {
    faults.at_most("/injects", spec.injects.len(), INJECTS_MAX);
    let mut before: BTreeSet<&str> = BTreeSet::new();
    let actions: BTreeSet<&str> = spec.expect.iter().map(|expected| expected.id.as_str()).collect();
    for (place, inject) in spec.injects.iter().enumerate() {
        let at = |field: &str| format!("/injects/{place}/{field}");
        if !is_word(&inject.id) {
            faults.add(&at("id"), "this can't be an id".to_owned(), Some(WORD_HINT));
        } else if before.contains(inject.id.as_str()) || actions.contains(inject.id.as_str()) {
            faults.add(&at("id"), format!("id `{}` is there twice", inject.id), None);
        }
        faults.text(&at("text"), &inject.text, TEXT_BYTES_MAX);
        if let Some(role) = &inject.to {
            check_role(spec, &at("to"), role, faults);
        }
        if let Some(after) = &inject.after {
            check_after(spec, (place, after), &before, &at("after"), faults);
        } else if place == 0 && inject.at != crate::span::Span::ZERO {
            let hint = "the first inject begins the exercise";
            faults.add(&at("at"), "the first inject is not at the beginning".to_owned(), Some(hint));
        }
        before.insert(&inject.id);
    }
}

/// Only what stands before: so nothing waits for itself.
fn check_after(
    spec: &ExerciseSpec,
    (place, after): (usize, &str),
    before: &BTreeSet<&str>,
    pointer: &str,
    faults: &mut Faults,
) {
    if place == 0 {
        faults.add(pointer, "the first inject waits for nothing".to_owned(), None);
    } else if let Some(expected) = spec.expect.iter().find(|expected| expected.id == after) {
        let first = spec.injects.first().map(|inject| inject.id.as_str());
        let answers = expected.after.as_deref().or(first).unwrap_or_default();
        if !before.contains(answers) {
            let message = format!("`{after}` is expected after inject `{answers}`, which comes later");
            faults.add(pointer, message, Some("move this inject behind that one"));
        }
    } else if !before.contains(after) {
        let hint = "name an inject above, or an expected action";
        faults.add(pointer, format!("nothing named `{after}` comes before"), Some(hint));
    }
}

fn check_expected(spec: &ExerciseSpec, faults: &mut Faults) {
    faults.at_most("/expect", spec.expect.len(), EXPECTED_MAX);
    let (mut seen, mut milestones) = (BTreeSet::new(), BTreeSet::new());
    for (place, expected) in spec.expect.iter().enumerate() {
        let at = |field: &str| format!("/expect/{place}/{field}");
        if !is_word(&expected.id) {
            faults.add(&at("id"), "this can't be an id".to_owned(), Some(WORD_HINT));
        } else if !seen.insert(&expected.id) {
            faults.add(&at("id"), format!("id `{}` is there twice", expected.id), None);
        }
        faults.text(&at("action"), &expected.action, TEXT_BYTES_MAX);
        faults.phrases(&at("recognise"), &expected.recognise);
        for (number, role) in expected.by.iter().enumerate() {
            check_role(spec, &format!("/expect/{place}/by/{number}"), role, faults);
        }
        if expected.within == crate::span::Span::ZERO {
            faults.add(&at("within"), "nobody can do anything in no time".to_owned(), None);
        }
        if expected.points == 0 || expected.points > 100 {
            faults.add(&at("points"), "it must be 1 to 100".to_owned(), None);
        }
        match &expected.after {
            Some(after) if !spec.injects.iter().any(|inject| inject.id == *after) => {
                faults.add(&at("after"), format!("there is no inject `{after}`"), None);
            }
            None if spec.injects.is_empty() => {
                faults.add(&at("id"), "there is no inject that it answers".to_owned(), None);
            }
            _ => {}
        }
        if let Some(milestone) = expected.milestone
            && !milestones.insert(milestone)
        {
            let message = format!("`{}` is reached twice", milestone.as_str());
            faults.add(&at("milestone"), message, Some("keep the one that counts"));
        }
    }
    if !spec.injects.is_empty() && spec.expect.is_empty() {
        faults.add("/expect", "nothing is expected of anybody".to_owned(), None);
    }
}

fn check_wrong(spec: &ExerciseSpec, faults: &mut Faults) {
    faults.at_most("/wrong", spec.wrong.len(), WRONG_MAX);
    for (place, wrong) in spec.wrong.iter().enumerate() {
        faults.phrases(&format!("/wrong/{place}/recognise"), &wrong.recognise);
        faults.text(&format!("/wrong/{place}/why"), &wrong.why, LINE_BYTES_MAX);
        if wrong.points == 0 || wrong.points > 100 {
            faults.add(&format!("/wrong/{place}/points"), "it must be 1 to 100".to_owned(), None);
        }
    }
}

fn check_grades(spec: &ExerciseSpec, faults: &mut Faults) {
    faults.at_most("/grades", spec.grades.len(), GRADES_MAX);
    for (grade, from) in &spec.grades {
        // A name such as `a/b` has no place of its own.
        let short = (1..=10).contains(&grade.len()) && grade.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !short {
            let hint = "use at most 10 letters and digits, such as `A`";
            faults.add("/grades", "this can't be a grade".to_owned(), Some(hint));
        } else if *from > 100 {
            faults.add(&format!("/grades/{grade}"), "it must be 0 to 100".to_owned(), None);
        }
    }
    let distinct: BTreeSet<u8> = spec.grades.values().copied().collect();
    if distinct.len() < spec.grades.len() {
        faults.add("/grades", "two grades begin at the same points".to_owned(), None);
    }
}

fn check_live(steps: &[LiveStep], faults: &mut Faults) {
    faults.at_most("/live/steps", steps.len(), STEPS_MAX);
    let place_of = |kind: StepKind| steps.iter().position(|step| step.what == kind);
    for (place, step) in steps.iter().enumerate() {
        check_step(step, &format!("/live/steps/{place}"), faults);
    }
    let (severed, verified) = (place_of(StepKind::Sever), place_of(StepKind::Verify));
    match (severed, verified) {
        (Some(severed), Some(verified)) if severed < verified => {}
        _ => {
            let hint = "an exercise proves the cut: sever, then verify";
            faults.add("/live/steps", "it doesn't sever and then verify".to_owned(), Some(hint));
        }
    }
    for kind in [StepKind::Sever, StepKind::Verify, StepKind::Restore] {
        if steps.iter().filter(|step| step.what == kind).count() > 1 {
            faults.add("/live/steps", format!("`{}` is there twice", kind.as_str()), None);
        }
    }
    if place_of(StepKind::Restore) < verified && place_of(StepKind::Restore).is_some() {
        faults.add("/live/steps", "it restores before it has verified".to_owned(), None);
    }
    let detects = steps.iter().position(|step| step.detects);
    if let (Some(detects), Some(severed)) = (detects, severed)
        && severed < detects
    {
        let message = format!("`{}` can't come after it was severed", Milestone::Detect.as_str());
        faults.add(&format!("/live/steps/{detects}/detects"), message, None);
    }
    let lost = place_of(StepKind::LoseControl);
    if lost.is_some() && place_of(StepKind::RegainControl) < lost {
        let hint = "end it with `do: regain_control`";
        faults.add("/live/steps", "control stays lost".to_owned(), Some(hint));
    }
}

fn check_step(step: &LiveStep, pointer: &str, faults: &mut Faults) {
    let kind = step.what;
    let mut only = |field: &str, given: bool, kinds: &[StepKind]| {
        if given && !kinds.contains(&kind) {
            let message = format!("`{}` has no `{field}`", kind.as_str());
            faults.add(&format!("{pointer}/{field}"), message, None);
        }
    };
    only("requests", step.requests.is_some(), &[StepKind::Work]);
    only("records", step.records.is_some(), &[StepKind::Pull]);
    only("who", step.who != Actor::Machine, &[StepKind::Pull, StepKind::UseToken, StepKind::Work]);
    only(
        "expect",
        step.expect.is_some(),
        &[StepKind::Pull, StepKind::UseToken, StepKind::CheckUpdate, StepKind::Work],
    );
    only(
        "detects",
        step.detects,
        &[StepKind::Pull, StepKind::UseToken, StepKind::CheckUpdate, StepKind::Notice, StepKind::LoseControl],
    );
    if step.requests.is_some_and(|requests| !(1..=1_000).contains(&requests)) {
        faults.add(&format!("{pointer}/requests"), "it must be 1 to 1000".to_owned(), None);
    }
    if step.records.is_some_and(|records| !(1..=100_000).contains(&records)) {
        faults.add(&format!("{pointer}/records"), "it must be 1 to 100000".to_owned(), None);
    }
    if let Some(tell) = &step.tell {
        faults.text(&format!("{pointer}/tell"), tell, LINE_BYTES_MAX);
    }
    let mismatch = step.expect == Some(Expect::Mismatch);
    if mismatch && kind != StepKind::CheckUpdate {
        let message = format!("`{}` compares nothing", kind.as_str());
        faults.add(&format!("{pointer}/expect"), message, None);
    }
}
