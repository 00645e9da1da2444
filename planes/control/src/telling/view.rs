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
        why_not => why_not.filter(|_| count.told < count.of).map(str::to_owned),
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
        (None, Asked::Yes) if call => ToldStanding::Call,
        (None, Asked::Yes) => ToldStanding::Mail,
    }
}

/// Those who were told and are gone since count, too.
fn count(people: &[Recipient<'_>], words: &Words) -> ToldCount {
    let told = words.iter().filter(|(_, (outcome, _))| *outcome == TellingOutcome::Told);
    let waiting = people.iter().filter(|recipient| recipient.asked == Asked::Yes);
    let waiting = waiting.filter(|recipient| {
        words.get(&recipient.subject).is_none_or(|(outcome, _)| *outcome != TellingOutcome::Told)
    });
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let at = told.clone().map(|(_, (_, at))| *at).max();
    let told = number(told.count());
    ToldCount { told, of: told.saturating_add(number(waiting.count())), at }
}
