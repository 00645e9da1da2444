//! Who is told, as operators see it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_api::telling::{TellingView, ToldContact, ToldCount, ToldStanding};
use portcullis_domain::ids::{SubjectId, VendorId};
use portcullis_domain::state::State;
use portcullis_domain::state::telling::{Asked, Recipient, Telling};
use portcullis_domain::target::Target;
use portcullis_domain::telling::TellingOutcome;
use portcullis_incident::telling::pace::Attempts;
use uuid::Uuid;

type Words = BTreeMap<SubjectId, (TellingOutcome, Timestamp)>;

/// How many were told; none where nobody is to be.
pub(crate) fn told_count(state: &State, matter: Uuid) -> Option<ToldCount> {
    let telling = state.tellings.get(&matter)?;
    let people = state.contacts_for(telling.vendor, &telling.target);
    Some(count(&people, &telling.words))
}

pub(super) fn view(
    state: &State,
    telling: &Telling,
    attempts: &Attempts,
    why_not: Option<&str>,
) -> TellingView {
    let error = |contact: SubjectId| attempts.error(contact).map(str::to_owned);
    made(state, telling.vendor, (&telling.target, &telling.words), &error, why_not)
}

pub(super) fn preview(
    state: &State,
    vendor: VendorId,
    target: &Target,
    why_not: Option<&str>,
) -> TellingView {
    made(state, vendor, (target, &Words::new()), &|_| None, why_not)
}

fn made(
    state: &State,
    vendor: VendorId,
    (target, words): (&Target, &Words),
    error: &dyn Fn(SubjectId) -> Option<String>,
    why_not: Option<&str>,
) -> TellingView {
    let people = state.contacts_for(vendor, target);
    let count = count(&people, words);
    let why_not = match why_not {
        _ if people.is_empty() => Some("the vendor's manifest names no contact".to_owned()),
        _ if count.of == 0 => Some("no contact of the vendor has an `email` in its manifest".to_owned()),
        // Some were told before it was turned off.
        why_not => why_not.filter(|_| count.told < count.by_mail()).map(str::to_owned),
    };
    let contacts = people.iter().map(|recipient| {
        let word = words.get(&recipient.subject);
        let standing = standing(recipient, word.map(|(outcome, _)| *outcome), why_not.is_some());
        ToldContact {
            name: recipient.contact.name.text().to_owned(),
            role: recipient.contact.role.clone(),
            phone: recipient.contact.phone.as_ref().map(|phone| phone.text().to_owned()),
            standing,
            at: word.map(|(_, at)| *at),
            error: (standing == ToldStanding::Mail).then(|| error(recipient.subject)).flatten(),
        }
    });
    TellingView { contacts: contacts.collect(), count, why_not }
}

fn standing(recipient: &Recipient<'_>, outcome: Option<TellingOutcome>, call: bool) -> ToldStanding {
    match (outcome, recipient.asked) {
        (Some(TellingOutcome::Told), _) => ToldStanding::Told,
        (Some(TellingOutcome::GivenUp), _) => ToldStanding::GivenUp,
        (None, Asked::NoAddress) => ToldStanding::NoAddress,
        (None, Asked::OtherRole) => ToldStanding::OtherRole,
        (None, Asked::SameAddress) => ToldStanding::SameAddress,
        (None, Asked::Beyond) => ToldStanding::Call,
        (None, Asked::Yes) if call => ToldStanding::Call,
        (None, Asked::Yes) => ToldStanding::Mail,
    }
}

/// Those who were told and are gone since count, too.
fn count(people: &[Recipient<'_>], words: &Words) -> ToldCount {
    let told = words.iter().filter(|(_, (outcome, _))| *outcome == TellingOutcome::Told);
    let waits = |asked: Asked| {
        let asked = people.iter().filter(move |recipient| recipient.asked == asked);
        let waiting = asked.filter(|recipient| {
            words.get(&recipient.subject).is_none_or(|(outcome, _)| *outcome != TellingOutcome::Told)
        });
        number(waiting.count())
    };
    let at = told.clone().map(|(_, (_, at))| *at).max();
    let (told, to_call) = (number(told.count()), waits(Asked::Beyond));
    ToldCount { told, of: told.saturating_add(waits(Asked::Yes)).saturating_add(to_call), to_call, at }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Who is told, in half a sentence.
pub(super) fn in_words(count: ToldCount) -> String {
    match count.to_call {
        0 => format!("told by mail, of the vendor's contacts: {}", count.of),
        more => format!("told by mail, of the vendor's contacts: {}; call {more} more", count.by_mail()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::tests::{define, state};
    use serde_json::{Value, json};

    #[test]
    fn whoever_is_beyond_twenty_is_to_be_called_and_counts() {
        let mut state = state(2, "security", "2027-12-31", None);
        let personal = |number: u128, text: String| json!({ "$personal": { "subject": SubjectId(Uuid::from_u128(number)), "text": text } });
        let people: Vec<Value> = (100..125)
            .map(|number| {
                let email = personal(number, format!("n{number}@acme.example"));
                json!({ "name": personal(number, format!("N{number}")), "email": email })
            })
            .collect();
        define(&mut state, 1, "Vendor", json!({ "legal_name": "Acme", "contacts": people }));
        let vendor = VendorId(Uuid::from_u128(1));
        let seen = preview(&state, vendor, &Target::Vendor { id: vendor }, None);
        assert_eq!((seen.count.of, seen.count.to_call, seen.count.by_mail()), (25, 5, 20));
        let standings: Vec<_> = seen.contacts.iter().map(|contact| contact.standing).collect();
        assert_eq!(standings, [vec![ToldStanding::Mail; 20], vec![ToldStanding::Call; 5]].concat());
        assert_eq!(in_words(seen.count), "told by mail, of the vendor's contacts: 20; call 5 more");
    }
}
