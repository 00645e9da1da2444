//! Telling a vendor's people what was closed, and what is open again: whom, in which words, and how it went. The process
//! sends the letters; nothing here is waited for by whoever severs.

mod news;
mod view;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use portcullis_api::severing::RestoreAnswer;
use portcullis_api::telling::TellingView;
use portcullis_domain::command::Command;
use portcullis_domain::ids::{SubjectId, VendorId};
use portcullis_domain::spec::Spec;
use portcullis_domain::state::State;
use portcullis_domain::state::telling::{Asked, Telling};
use portcullis_domain::target::Target;
use portcullis_domain::telling::TellingOutcome;
use portcullis_incident::telling::pace::{Attempts, Turn, turn};
use portcullis_incident::telling::{NEWS_MAX, News, OurContact, Parties, letter};
use uuid::Uuid;

use crate::control::Control;

pub(crate) use view::told_count;

/// Letters of one look.
const LETTERS_MAX: usize = 16;

/// How vendors are told, from the settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TellSettings {
    /// Why no letter is sent; none where they are.
    pub why_not: Option<String>,
    /// Whom vendors call.
    pub contact: Option<OurContact>,
}

/// A letter that is to be sent now.
#[derive(Clone)]
pub struct DueLetter {
    /// The same for the same news to the same person, however often it is sent.
    pub id: String,
    /// Of the vendor.
    pub vendor: String,
    pub to: String,
    pub reply_to: Option<String>,
    pub subject: String,
    pub text: String,
    contact: SubjectId,
    matters: Vec<Uuid>,
}

/// How it goes, beside what the ledger has of it.
#[derive(Default)]
pub(crate) struct Tellers {
    settings: OnceLock<TellSettings>,
    attempts: Mutex<Attempts>,
}

/// For the findings.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct TellingSeen {
    pub by_mail: bool,
    pub errors: BTreeMap<SubjectId, String>,
}

impl Tellers {
    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn why_not(&self) -> Option<&str> {
        match self.settings.get() {
            None => Some("nothing here sends letters"),
            Some(settings) => settings.why_not.as_deref(),
        }
    }

    fn contact(&self) -> Option<&OurContact> {
        self.settings.get()?.contact.as_ref()
    }

    /// Why somebody can't be reached now.
    pub fn seen(&self, state: &State) -> TellingSeen {
        let attempts = self.attempts();
        let vendors = state.tellings.values().flat_map(|telling| recipients(state, telling));
        let errors = vendors.filter_map(|(contact, _)| Some((contact, attempts.error(contact)?.to_owned())));
        TellingSeen { by_mail: self.why_not().is_none(), errors: errors.collect() }
    }
}

impl Control {
    /// How vendors are told. Once: a second word changes nothing.
    pub fn tell_vendors_by(&self, settings: TellSettings) {
        let _ = self.tellers().settings.set(settings);
    }

    /// What is to be sent now. What was sent before, or is given up, and isn't recorded yet is recorded first.
    pub async fn letters_due(&self) -> Vec<DueLetter> {
        if self.tellers().why_not().is_some() {
            return Vec::new();
        }
        let unrecorded = self.tellers().attempts().unrecorded();
        for (matter, contact) in unrecorded {
            self.record_told(matter, contact, TellingOutcome::Told).await;
        }
        let (state, now) = (self.state(), self.clock().now());
        let (letters, given_up) = due(self, &state, now);
        for (matter, contact) in given_up {
            tracing::error!(%matter, %contact, "a vendor's contact could not be told, and is tried no more");
            self.record_told(matter, contact, TellingOutcome::GivenUp).await;
        }
        letters
    }

    /// How sending a letter went: `Ok` when the mail server has it.
    pub async fn letter_went(&self, letter: &DueLetter, outcome: Result<(), String>) {
        let DueLetter { contact, matters, vendor, .. } = letter;
        match outcome {
            Ok(()) => {
                tracing::info!(vendor, %contact, "a vendor's contact was told");
                // Known here before anything can fail: what was taken isn't sent twice.
                self.tellers().attempts().sent(matters, *contact);
                for matter in matters {
                    self.record_told(*matter, *contact, TellingOutcome::Told).await;
                }
            }
            Err(error) => {
                // Servers name whom they refuse; a log names nobody.
                let error = error.replace(&letter.to, "…");
                tracing::warn!(vendor, %contact, error, "a vendor's contact can't be told now");
                let now = self.clock().now();
                self.tellers().attempts().failed(*contact, &error, now);
            }
        }
    }

    async fn record_told(&self, matter: Uuid, contact: SubjectId, outcome: TellingOutcome) {
        match self.execute(Command::RecordTold { matter, contact, outcome }).await {
            Ok(_) => self.tellers().attempts().recorded(matter, contact),
            Err(error) => tracing::error!(%error, %matter, "whom a vendor has there told can't be recorded"),
        }
    }

    /// Who was told of a severance or a restoration; none where nobody is to be.
    pub(crate) fn telling_of(&self, matter: Uuid) -> Option<TellingView> {
        let state = self.state();
        let telling = state.tellings.get(&matter)?;
        let attempts = self.tellers().attempts();
        Some(view::view(&state, telling, &attempts, self.tellers().why_not()))
    }

    /// Who would be told if a person severed this.
    pub(crate) fn telling_preview(&self, target: &Target) -> Option<TellingView> {
        let state = self.state();
        let vendor = VendorId(state.vendor_of(target)?.id);
        Some(view::preview(&state, vendor, target, self.tellers().why_not()))
    }

    /// For the signed receipt, which names nobody.
    pub(crate) fn telling_note(&self, matter: Uuid) -> Option<String> {
        self.tellers().settings.get()?;
        let told = self.telling_of(matter)?;
        Some(match told.why_not {
            Some(why) => format!("nobody at the vendor is told by mail: {why}; call them"),
            None => view::in_words(told.count),
        })
    }

    /// What is left to do after a restoration, for the vendor's sake.
    pub(crate) fn telling_step(&self, answer: &mut RestoreAnswer) {
        let RestoreAnswer::Restored { id, next_steps, .. } = answer else { return };
        if self.tellers().settings.get().is_none() {
            return;
        }
        let Some(told) = self.telling_of(id.0) else { return };
        match told.why_not {
            Some(why) => next_steps.push(format!("call the vendor, which nobody tells by mail: {why}")),
            None => next_steps.push(view::in_words(told.count)),
        }
    }
}

/// Whoever is told of something by mail, and their address.
fn recipients<'a>(state: &'a State, telling: &Telling) -> Vec<(SubjectId, &'a str)> {
    let people = state.contacts_for(telling.vendor, &telling.target).into_iter();
    let asked = people.filter(|recipient| recipient.asked == Asked::Yes);
    asked.filter_map(|recipient| Some((recipient.subject, recipient.address()?))).collect()
}

/// What one person is to be told, the oldest first.
#[derive(Default)]
struct Bundle<'a> {
    to: String,
    matters: Vec<(Uuid, &'a Telling)>,
}

/// Letters, each with all that one person is to be told now; and what nobody is told any more.
fn due(control: &Control, state: &State, now: Timestamp) -> (Vec<DueLetter>, Vec<(Uuid, SubjectId)>) {
    let mut bundles: BTreeMap<(VendorId, SubjectId), Bundle<'_>> = BTreeMap::new();
    let mut last: BTreeMap<(VendorId, SubjectId), Option<Timestamp>> = BTreeMap::new();
    let mut given_up = Vec::new();
    let mut tellings: Vec<_> = state.tellings.iter().collect();
    tellings.sort_by_key(|(id, telling)| (telling.time, **id));
    let mut attempts = control.tellers().attempts();
    for (matter, telling) in tellings {
        // Most are of long ago: nobody's manifest is read for them.
        let forgotten = turn(telling.time, telling.by_hand, None, now) == Turn::Forget;
        if forgotten || !news::is_news(state, telling) {
            continue;
        }
        for (contact, to) in recipients(state, telling) {
            if telling.words.contains_key(&contact) || attempts.is_sent(*matter, contact) {
                continue;
            }
            let whom = (telling.vendor, contact);
            let last = *last.entry(whom).or_insert_with(|| state.told_last(telling.vendor, contact));
            match turn(telling.time, telling.by_hand, last, now) {
                Turn::Tell if !attempts.waits(contact, now) => {
                    let bundle = bundles.entry(whom).or_default();
                    to.clone_into(&mut bundle.to);
                    bundle.matters.push((*matter, telling));
                }
                Turn::GiveUp => given_up.push((*matter, contact)),
                Turn::Tell | Turn::Wait | Turn::Forget => {}
            }
        }
    }
    attempts.keep_only(|contact| last.keys().any(|(_, waiting)| *waiting == contact));
    drop(attempts);
    let write = |(whom, bundle)| written(control, state, whom, bundle);
    (bundles.into_iter().take(LETTERS_MAX).filter_map(write).collect(), given_up)
}

fn written(
    control: &Control,
    state: &State,
    (vendor, contact): (VendorId, SubjectId),
    bundle: Bundle<'_>,
) -> Option<DueLetter> {
    let (_, vendor_name, resource) = state.by_id(vendor.0)?;
    let Spec::Vendor(spec) = &resource.declaration.spec else { return None };
    let person = spec.contacts.iter().find(|known| known.name.subject() == Some(contact))?;
    let us = control.tellers().contact();
    let parties =
        Parties { name: person.name.text(), legal_name: &spec.legal_name, gate: control.issuer(), us };
    let shown = bundle.matters.iter().take(NEWS_MAX);
    let news: Vec<News> = shown.filter_map(|(_, telling)| news::of(state, telling)).collect();
    let written = letter(parties, &news, bundle.matters.len().saturating_sub(news.len()));
    let matters: Vec<Uuid> = bundle.matters.iter().map(|(matter, _)| *matter).collect();
    let all = matters.iter().fold(0, |all, matter| all ^ matter.as_u128());
    Some(DueLetter {
        id: format!("told-{}-{}", Uuid::from_u128(all).simple(), contact.0.simple()),
        vendor: vendor_name.to_owned(),
        to: bundle.to,
        reply_to: us.and_then(|us| us.mail.clone()),
        subject: written.subject,
        text: written.text,
        contact,
        matters,
    })
}
