//! Reading what people say of vendors: what is made here is filled in, and what isn't known is named.

use jiff::Timestamp;
use portcullis_assurance::change::Change;
use portcullis_assurance::entity::{EntityRecord, EntitySource};
use portcullis_assurance::lei::Lei;
use portcullis_domain::ids::OperatorId;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::manifest::hint_of_known;
use crate::problem::FaultView;

/// Changes that one request may hold.
pub const CHANGES_MAX: usize = 1_000;
/// A digest that no code has: of requests that nobody answers by a link.
const NO_CODE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The kinds that people may say, as `change` names them.
const SAID: [&str; 36] = [
    "entity_checked",
    "step_assigned",
    "step_decided",
    "admitted",
    "admitted_provisionally",
    "admission_ended",
    "evidence_added",
    "document_mended",
    "evidence_withdrawn",
    "evidence_requested",
    "request_answered",
    "request_refused",
    "request_withdrawn",
    "vulnerability_found",
    "exploitability_stated",
    "vulnerability_closed",
    "screened",
    "match_judged",
    "signer_authorised",
    "breach_noticed",
    "breach_closed",
    "undeclared_data_seen",
    "undeclared_data_settled",
    "exception_proposed",
    "exception_confirmed",
    "exception_ended",
    "finding_opened",
    "finding_closed",
    "task_opened",
    "task_done",
    "offboarding_begun",
    "deletion_certified",
    "offboarding_ended",
    "audit_planned",
    "audit_done",
    "offboarding_cancelled",
];
/// The program's own words.
const SEEN: [&str; 4] = ["evidence_proven", "document_changed", "reminded", "document_expired"];

/// What `by` says at `now`.
///
/// # Errors
/// Every change that can't be read, or isn't for people to say, with its place in the list.
pub fn read(changes: Vec<Value>, by: OperatorId, now: Timestamp) -> Result<Vec<Change>, Vec<FaultView>> {
    let mut read = Vec::with_capacity(changes.len().min(CHANGES_MAX));
    let mut faults = Vec::new();
    if changes.len() > CHANGES_MAX {
        let message = format!("there are {} changes, and {CHANGES_MAX} are taken at once", changes.len());
        return Err(vec![fault("/changes", message, "send them in several requests")]);
    }
    for (at, change) in changes.into_iter().enumerate() {
        match read_one(change, by, now) {
            Ok(change) => read.push(change),
            Err((message, hint)) => faults.push(fault(&format!("/changes/{at}"), message, &hint)),
        }
    }
    if faults.is_empty() { Ok(read) } else { Err(faults) }
}

/// The changes of a file: a list of them as YAML or JSON, or an object with `changes`.
///
/// # Errors
/// With line and column, where it is no such list.
pub fn parse(text: &str) -> Result<Vec<Value>, String> {
    let read: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let list = match read {
        Value::Object(mut members) if members.contains_key("changes") => {
            members.remove("changes").unwrap_or_default()
        }
        other => other,
    };
    match list {
        Value::Array(changes) => Ok(changes),
        Value::Object(change) if change.contains_key("change") => Ok(vec![Value::Object(change)]),
        _ => Err("this is no list of changes\nhint: each begins with `- change: KIND`".to_owned()),
    }
}

/// One object as YAML or JSON.
///
/// # Errors
/// With line and column, where it is none.
pub fn parse_object(text: &str) -> Result<Value, String> {
    let read: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    if read.is_object() {
        Ok(read)
    } else {
        Err("this is no object\nhint: write `title: …` and so on".to_owned())
    }
}

fn fault(pointer: &str, message: String, hint: &str) -> FaultView {
    let message = format!("`{pointer}`: {message}");
    FaultView {
        pointer: Some(pointer.to_owned()),
        message,
        hint: Some(hint.to_owned()),
        ..FaultView::default()
    }
}

type Wrong = (String, String);

fn read_one(change: Value, by: OperatorId, now: Timestamp) -> Result<Change, Wrong> {
    let Value::Object(mut members) = change else {
        return Err(("a change is an object".to_owned(), "write `change: KIND`, and its members".to_owned()));
    };
    let kind = members.get("change").and_then(Value::as_str).unwrap_or_default().to_owned();
    may_say(&kind, &members)?;
    fill_in(&kind, &mut members, by, now);
    let written = Value::Object(members);
    let read: Change = serde_json::from_value(written.clone())
        .map_err(|error| (format!("`{kind}`: {error}"), MEMBERS_HINT.to_owned()))?;
    if let Some(unknown) = unknown_member(&written, &read) {
        return Err((format!("`{kind}` has no member `{unknown}`"), MEMBERS_HINT.to_owned()));
    }
    match read {
        Change::EntityChecked { record } => Ok(Change::EntityChecked { record: Box::new(checked(*record)?) }),
        read => Ok(read),
    }
}

const MEMBERS_HINT: &str = "`/openapi.json` tells the members of each change";

fn may_say(kind: &str, members: &Map<String, Value>) -> Result<(), Wrong> {
    if SEEN.contains(&kind) {
        let hint = "the program sees that for itself; `portcullis evidence check` looks at documents now";
        return Err((format!("`{kind}` is nothing that people say"), hint.to_owned()));
    }
    if !SAID.contains(&kind) {
        let kind: String = kind.chars().take(60).collect();
        return Err((format!("there is no change `{kind}`"), hint_of_known("changes", &kind, &SAID)));
    }
    let proof = members.get("evidence").and_then(|evidence| evidence.get("proof"));
    if kind == "evidence_added" && proof.is_some_and(|proof| !proof.is_null()) {
        let hint = "`portcullis evidence add` verifies a signature when the document comes in";
        return Err(("a proof is found, and nothing that people say".to_owned(), hint.to_owned()));
    }
    Ok(())
}

/// Ids, times and names that nobody needs to write.
fn fill_in(kind: &str, members: &mut Map<String, Value>, by: OperatorId, now: Timestamp) {
    match kind {
        "breach_noticed" | "exception_proposed" | "finding_opened" | "task_opened" | "audit_planned" => {
            missing(members, "id", json!(Uuid::nil()));
        }
        "undeclared_data_seen" => missing(members, "at", json!(now)),
        "entity_checked" => {
            if let Some(record) = member(members, "record") {
                missing(record, "at", json!(now));
                missing(record, "source", json!({ "from": "manual" }));
                if let Some(source) = member(record, "source")
                    && source.get("from").and_then(Value::as_str) == Some("manual")
                {
                    missing(source, "by", json!(by));
                }
            }
        }
        "evidence_added" => {
            if let Some(evidence) = member(members, "evidence") {
                missing(evidence, "id", json!(Uuid::nil()));
                missing(evidence, "added_at", json!(now));
            }
        }
        "evidence_requested" => {
            if let Some(request) = member(members, "request") {
                missing(request, "id", json!(Uuid::nil()));
                missing(request, "asked_at", json!(now));
                missing(request, "code_sha256", json!(NO_CODE));
            }
        }
        "screened" => {
            if let Some(screening) = member(members, "screening") {
                missing(screening, "at", json!(now));
            }
        }
        _ => {}
    }
}

fn member<'a>(members: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    members.get_mut(name).and_then(Value::as_object_mut)
}

fn missing(members: &mut Map<String, Value>, name: &str, value: Value) {
    members.entry(name).or_insert(value);
}

/// A member that was written and not read. Deeper ones are refused where they are read.
fn unknown_member(written: &Value, read: &Change) -> Option<String> {
    let again = serde_json::to_value(read).ok()?;
    let names = written.as_object()?.iter();
    let says = |value: &Value| !value.is_null();
    names
        .filter(|(name, value)| says(value) && again.get(name.as_str()).is_none())
        .map(|(name, _)| name.chars().take(60).collect())
        .next()
}

/// The LEI in its one form: with check digits that are wrong it is somebody else's, or nobody's.
fn checked(record: EntityRecord) -> Result<EntityRecord, Wrong> {
    if !matches!(record.source, EntitySource::Manual { .. }) {
        return Ok(record);
    }
    let Some(lei) = &record.lei else { return Ok(record) };
    let lei = Lei::parse(lei).map_err(|error| {
        let (message, hint) = crate::problem::split_hint(&error.to_string());
        (message, hint.unwrap_or_else(|| "look at the original".to_owned()))
    })?;
    Ok(EntityRecord { lei: Some(lei.to_string()), ..record })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by() -> OperatorId {
        OperatorId(Uuid::from_u128(7))
    }

    fn now() -> Timestamp {
        "2026-11-21T10:00:00Z".parse().unwrap()
    }

    fn one(change: Value) -> Result<Change, String> {
        let read = read(vec![change], by(), now());
        read.map(|mut read| read.remove(0)).map_err(|faults| faults[0].to_string())
    }

    #[test]
    fn what_is_made_here_needs_not_be_written() {
        let record = json!({ "legal_name": "Acme Ltd", "lei": "529900 t8bm49 aursdo-55" });
        let read = one(json!({ "change": "entity_checked", "record": record })).unwrap();
        let Change::EntityChecked { record } = read else { panic!("{read:?}") };
        assert_eq!(record.source, EntitySource::Manual { by: by() });
        assert_eq!((record.at, record.lei.as_deref()), (now(), Some("529900T8BM49AURSDO55")));
        let asked = json!({ "wanted": "scan", "contact": "a@b.example", "due": "2027-01-01" });
        let read = one(json!({ "change": "evidence_requested", "request": asked })).unwrap();
        let Change::EvidenceRequested { request } = read else { panic!("{read:?}") };
        assert_eq!((request.id.0, request.code_sha256.as_str()), (Uuid::nil(), NO_CODE));
    }

    #[test]
    fn what_cannot_be_said_is_told() {
        for (change, expect) in [
            (json!({ "change": "admited" }), "there is no change `admited`\nhint: did you mean `admitted`?"),
            (json!([]), "a change is an object"),
            (json!({ "change": "admitted", "by": "me" }), "`admitted` has no member `by`"),
            (
                json!({ "change": "task_opened", "title": "t", "duee": "2027-01-01" }),
                "`task_opened` has no member `duee`",
            ),
            (json!({ "change": "task_opened" }), "missing field `title`"),
            (
                json!({ "change": "document_changed", "evidence": Uuid::nil(), "expected": "" }),
                "nothing that people say",
            ),
            (json!({ "change": "evidence_added", "evidence": { "proof": {} } }), "a proof is found"),
            (
                json!({ "change": "entity_checked", "record": { "legal_name": "A", "lei": "529900T8BM49AURSDO56" } }),
                "56, and 55 would be expected",
            ),
        ] {
            let error = one(change.clone()).unwrap_err();
            assert!(error.starts_with("`/changes/0`: ") && error.contains(expect), "{change}: {error}");
        }
        let many = vec![json!({ "change": "admitted" }); CHANGES_MAX + 1];
        assert!(read(many, by(), now()).is_err());
    }

    /// Every kind is either for people or the program's own.
    #[test]
    fn the_list_names_every_change() {
        let schema = schemars::schema_for!(Change).to_value();
        let variants = schema["oneOf"].as_array().unwrap();
        let names: Vec<&str> = variants
            .iter()
            .map(|variant| variant["properties"]["change"]["const"].as_str().unwrap())
            .collect();
        for name in &names {
            assert!(SAID.contains(name) != SEEN.contains(name), "{name}");
        }
        assert_eq!(names.len(), SAID.len() + SEEN.len());
    }
}
