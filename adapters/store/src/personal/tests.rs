use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const ANNA: Uuid = Uuid::from_u128(0xa);
const BERT: Uuid = Uuid::from_u128(0xb);

fn personal(subject: Uuid, text: &str) -> Value {
    json!({ PERSONAL: { "subject": subject, "text": text } })
}

fn erased(subject: Uuid) -> Value {
    json!({ PERSONAL: { "subject": subject, "erased": true } })
}

fn key() -> Arc<SubjectKey> {
    Arc::new(SubjectKey::random().unwrap())
}

fn sealed(payload: &Value, sequence: u64, key: &Arc<SubjectKey>) -> Value {
    let mut value = payload.clone();
    seal(&mut value, sequence, &|_| Some(Arc::clone(key))).unwrap();
    value
}

fn opened(stored: &Value, sequence: u64, key: Option<&Arc<SubjectKey>>) -> Result<Value, PersonalError> {
    let mut value = stored.clone();
    open(&mut value, sequence, &|_| key.cloned())?;
    Ok(value)
}

#[test]
fn texts_are_sealed_wherever_they_stand_and_open_again() {
    let payload = json!({ "a": [personal(ANNA, "Anna"), 1], "b": { "c": personal(BERT, "") }, "d": "plain" });
    assert_eq!(subjects(&payload).unwrap(), BTreeSet::from([ANNA, BERT]));
    let key = key();
    let stored = sealed(&payload, 7, &key);
    let text = stored.to_string();
    assert!(!text.contains("Anna") && !text.contains(PERSONAL) && text.contains("plain"), "{text}");
    assert_eq!(opened(&stored, 7, Some(&key)).unwrap(), payload);
    // Two sealings of the same text have nothing in common.
    assert_ne!(sealed(&payload, 7, &key), stored);
}

#[test]
fn a_gone_key_erases_and_a_newer_one_doesnt_bring_back() {
    let stored = sealed(&json!([personal(ANNA, "Anna")]), 7, &key());
    assert_eq!(opened(&stored, 7, None).unwrap(), json!([erased(ANNA)]));
    assert_eq!(opened(&stored, 7, Some(&key())).unwrap(), json!([erased(ANNA)]));
}

#[test]
fn what_is_erased_may_be_copied() {
    let payload = json!({ "name": erased(ANNA) });
    assert_eq!(subjects(&payload).unwrap(), BTreeSet::new());
    assert_eq!(sealed(&payload, 7, &key()), payload);
    assert_eq!(opened(&payload, 7, None).unwrap(), payload);
}

#[test]
fn tampering_is_an_error_and_no_erasure() {
    let key = key();
    let stored = sealed(&personal(ANNA, "Anna"), 7, &key);
    let tampered = Err(PersonalError::Tampered { subject: ANNA });
    assert_eq!(opened(&stored, 8, Some(&key)), tampered, "moved to another event");
    for (member, change) in [("box", "AAAA"), ("nonce", "AAAA")] {
        let mut changed = stored.clone();
        let text = changed[SEALED][member].as_str().unwrap();
        changed[SEALED][member] = json!(format!("{change}{}", &text[4..]));
        assert_ne!(changed, stored);
        assert_eq!(opened(&changed, 7, Some(&key)), tampered, "{member}");
    }
    let mut moved = stored.clone();
    moved[SEALED]["subject"] = json!(BERT);
    assert_eq!(opened(&moved, 7, Some(&key)), Err(PersonalError::Tampered { subject: BERT }));
    for member in ["box", "nonce", "subject", "key"] {
        let mut broken = stored.clone();
        broken[SEALED][member] = json!("*");
        assert_eq!(opened(&broken, 7, Some(&key)), Err(PersonalError::Malformed), "{member}");
    }
}

#[test]
fn malformed_markers_are_refused() {
    let check =
        |payload: Value, expect: PersonalError| assert_eq!(subjects(&payload), Err(expect), "{payload}");
    check(json!({ SEALED: 1 }), PersonalError::Reserved);
    check(json!([{ "x": { SEALED: {} } }]), PersonalError::Reserved);
    check(json!({ PERSONAL: "Anna" }), PersonalError::Shape);
    check(json!({ PERSONAL: { "subject": ANNA } }), PersonalError::Shape);
    check(json!({ PERSONAL: { "subject": "Anna", "text": "" } }), PersonalError::Shape);
    check(json!({ PERSONAL: { "subject": ANNA, "text": 1 } }), PersonalError::Shape);
    check(json!({ PERSONAL: { "subject": ANNA, "erased": false } }), PersonalError::Shape);
    check(json!({ PERSONAL: { "subject": ANNA, "text": "", "erased": true } }), PersonalError::Shape);
    check(json!({ PERSONAL: { "subject": ANNA, "text": "" }, "more": 1 }), PersonalError::Shape);
    check((0..=DEPTH_MAX).fold(json!(1), |inner, _| json!([inner])), PersonalError::Depth);
}

#[test]
fn lengths_are_hidden() {
    let key = key();
    let length = |text: &str| sealed(&personal(ANNA, text), 7, &key).to_string().len();
    assert_eq!(length(""), length("Wolfgang Amadeus Mozart, Wien"));
    assert_eq!(length(&"x".repeat(31)) + 43, length(&"x".repeat(32)));
}

proptest! {
    #[test]
    fn any_text_opens_again(text: String, sequence: u64) {
        let key = key();
        let payload = personal(ANNA, &text);
        prop_assert_eq!(opened(&sealed(&payload, sequence, &key), sequence, Some(&key)).unwrap(), payload);
    }
}
