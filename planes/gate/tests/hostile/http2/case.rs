//! One case of a table: frames for a path, with good credentials, and what must come of them.

use super::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, block, frame};
use super::{End, Wire, fields, good};
use crate::line::{Stage, shown};
use crate::recorder::{Seen, marker};
use crate::support::soon;

pub type Fields = Vec<(String, Vec<u8>)>;

/// What must come of it.
pub enum Expect {
    /// An error of the stream or of the connection, or a refusal that blames the caller; nothing upstream.
    Refused,
    /// The same; the upstream may have seen its beginning.
    Broken,
    Denied(&'static str),
    Passes(Seen),
    /// Refused, or exactly this passes: both readings are safe.
    RefusedOr(Seen),
    /// An error, or an answer; the upstream sees at most this.
    AtMost(Seen),
}

/// Makes the bytes for a path.
pub type Make = Box<dyn Fn(&Stage, &str) -> Vec<u8>>;

/// Bytes made for a path and with good credentials.
pub struct Case {
    pub name: String,
    pub make: Make,
    pub expect: Expect,
}

pub fn case(name: &str, expect: Expect, make: impl Fn(&Stage, &str) -> Vec<u8> + 'static) -> Case {
    Case { name: name.to_owned(), make: Box::new(make), expect }
}

/// A GET of which `change` has changed the fields.
pub fn changed(name: &str, expect: Expect, change: impl Fn(&mut Fields) + 'static) -> Case {
    case(name, expect, move |stage, path| {
        let mut fields = good(stage, path);
        change(&mut fields);
        frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(&fields))
    })
}

/// A GET with one field more.
pub fn with(name: &'static str, value: &'static [u8], expect: Expect) -> Case {
    let title = format!("{name:?}: {:?}", String::from_utf8_lossy(value));
    changed(&title, expect, move |fields| fields.push((name.to_owned(), value.to_vec())))
}

/// A GET one of whose fields says something else.
pub fn set(name: &'static str, value: &'static [u8], expect: Expect) -> Case {
    let title = format!("{name} {:?}", String::from_utf8_lossy(value));
    changed(&title, expect, move |fields| {
        let field = fields.iter_mut().find(|(known, _)| known == name).unwrap();
        field.1 = value.to_vec();
    })
}

/// A POST with one field more, and frames behind it.
pub fn post(
    name: &str,
    expect: Expect,
    field: Option<(&'static str, &'static str)>,
    behind: impl Fn() -> Vec<u8> + 'static,
) -> Case {
    case(name, expect, move |stage, path| {
        let mut fields = fields(stage, "POST", path);
        fields.extend(field.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())));
        [frame(HEADERS, END_HEADERS, 1, &block(&fields)), behind()].concat()
    })
}

pub fn data(flags: u8, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, flags, 1, bytes)
}

pub async fn check_all(cases: Vec<Case>) {
    let mut stage = Stage::new().await;
    let mut faults = Vec::new();
    let mut broken = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        if matches!(case.expect, Expect::Broken | Expect::AtMost(_)) {
            broken.push(number);
        }
        if let Err(fault) = check(&mut stage, number, case).await {
            faults.push(format!("{}: {fault}", case.name));
        }
    }
    assert!(faults.is_empty(), "{} of {} cases\n{}", faults.len(), cases.len(), faults.join("\n"));
    stage.only_broken_lines_left_rests(&broken);
    println!("{} cases", cases.len());
}

pub async fn check(stage: &mut Stage, number: usize, case: &Case) -> Result<(), String> {
    let path = format!("/free/line-{number}");
    let before = stage.recorder.count();
    let mut wire = Wire::open(stage).await;
    wire.say(&(case.make)(stage, &path)).await;
    let end = soon(&case.name, wire.end_of(1)).await;
    let mut upstream = stage.recorder.since(before);
    stage.victims_are_served(&mut upstream).await?;
    let wrong = |what: &str| Err(format!("{what}: {end:?}, upstream saw {upstream:?}"));
    let problem = match &end {
        End::Answered(body) => serde_json::from_str::<serde_json::Value>(body).ok(),
        _ => None,
    };
    let status = problem.as_ref().and_then(|problem| problem["status"].as_u64());
    let reason = problem.as_ref().and_then(|problem| problem["reasons"][0].as_str());
    let mut expected = Vec::new();
    match &case.expect {
        Expect::Refused | Expect::Broken => {
            let blamed = status.is_some_and(|status| (400..500).contains(&status));
            if matches!(end, End::Answered(_)) && !blamed {
                return wrong("answered");
            }
        }
        Expect::Denied(code) if reason != Some(code) => return wrong(code),
        Expect::Denied(_) => {}
        Expect::RefusedOr(_) if reason == Some("head_ambiguous") => {}
        Expect::AtMost(seen) => {
            let seen = Seen { target: path.clone(), ..seen.clone() };
            expected.extend((!upstream.is_empty()).then_some(seen));
        }
        Expect::Passes(seen) | Expect::RefusedOr(seen) => {
            let target = seen.target.replace("{path}", &path);
            if end != End::Answered(marker(&target)) {
                return wrong("not answered");
            }
            expected.push(Seen { target, ..seen.clone() });
        }
    }
    if upstream != expected {
        return wrong("not as expected");
    }
    match stage.recorder.take_faults().first() {
        Some(fault) => Err(format!("the upstream got {}", shown(fault.as_bytes()))),
        None => Ok(()),
    }
}
