//! Who the vendor is: stops 1, 2, 3 and 15.

use jiff::Timestamp;
use portcullis_ids::personal::ERASED;

use super::{Fact, Known, Stop};
use crate::access::Access;
use crate::days::date_of;
use crate::dossier::KnownMatch;
use crate::entity::{EntityRecord, EntitySource, EntityStanding, LeiStatus};
use crate::names::{CONFIRMS, FormWord, HOLDS, compare, compare_people};
use crate::screening::{MatchWord, OWN_LIST};

pub(super) fn sanctions(known: &Known<'_>, _now: Timestamp) -> Vec<Fact> {
    let matches = known.dossier.matches.iter().filter(|((list, _), _)| list != OWN_LIST);
    matches.filter_map(|((list, entry), found)| sanction(list, entry, found)).collect()
}

fn sanction(list: &str, entry: &str, known: &KnownMatch) -> Option<Fact> {
    let word = known.word.as_ref().map(|judged| judged.word);
    let score = known.found.score;
    let access = match word {
        Some(MatchWord::Cleared) => return None,
        Some(MatchWord::Confirmed) => Access::Blocked,
        None if known.found.is_sure() => Access::Blocked,
        None if score >= HOLDS => Access::Held,
        None => return None,
    };
    let how = match (word, &known.found.identifier) {
        (Some(_), _) => "confirmed by a person".to_owned(),
        (None, Some(identifier)) => format!("{} with the same {identifier}", share(score)),
        (None, None) => share(score),
    };
    let name = &known.found.name;
    let fact = format!("match with `{name}`, entry `{entry}` of list `{list}`: {how}");
    let remedy = "compare the two, and clear the match if it is somebody else";
    let fact = Fact::new(Stop::Sanctions, access, fact, remedy);
    Some(
        Fact { exceptable: access < Access::Blocked, ..fact }
            .about(format!("{list}/{entry}"))
            .since(known.since),
    )
}

fn share(thousandths: u16) -> String {
    format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}

/// A vendor that we parted from under another name.
pub(super) fn relation(known: &Known<'_>, _now: Timestamp) -> Vec<Fact> {
    let own = known.dossier.matches.iter().filter(|((list, _), _)| list == OWN_LIST);
    own.filter_map(|((list, entry), found)| {
        let word = found.word.as_ref().map(|judged| judged.word);
        let holds = match word {
            Some(MatchWord::Cleared) => false,
            Some(MatchWord::Confirmed) => true,
            None => found.found.score >= HOLDS || found.found.identifier.is_some(),
        };
        let fact = format!(
            "match with vendor `{}`, which was severed, off-boarded or breached: {}",
            found.found.name, found.found.why
        );
        let remedy = "find out whether they are the same people, and clear the match if they aren't";
        holds.then(|| {
            Fact::new(Stop::Relation, Access::Held, fact, remedy)
                .about(format!("{list}/{entry}"))
                .since(found.since)
        })
    })
    .collect()
}

pub(super) fn entity(known: &Known<'_>, now: Timestamp) -> Vec<Fact> {
    let records = known.dossier.entity.values();
    records.flat_map(|record| [standing(record), lei(record), name(known, record, now)]).flatten().collect()
}

fn standing(record: &EntityRecord) -> Option<Fact> {
    let word = match record.standing {
        EntityStanding::Inactive => "inactive",
        EntityStanding::Dissolved => "dissolved",
        EntityStanding::Merged => "merged into another",
        EntityStanding::Active | EntityStanding::Unknown => return None,
    };
    let fact = format!("the legal entity is {word}, says {}", source(record));
    Some(of_record(
        record,
        Access::Blocked,
        fact,
        "have the register put right, or contract with its successor",
    ))
}

fn lei(record: &EntityRecord) -> Option<Fact> {
    let (access, word) = match record.lei_status? {
        LeiStatus::Lapsed => (Access::Limited, "lapsed"),
        LeiStatus::Retired => (Access::Blocked, "retired"),
        LeiStatus::Merged => (Access::Blocked, "merged"),
        LeiStatus::Annulled => (Access::Blocked, "annulled"),
        LeiStatus::Duplicate => (Access::Blocked, "a duplicate"),
        LeiStatus::Issued | LeiStatus::Pending => return None,
    };
    let lei = record.lei.as_deref().unwrap_or("without a number");
    let fact = format!("the LEI `{lei}` is {word}, says {}", source(record));
    Some(of_record(record, access, fact, "the vendor renews its LEI, and the entity is checked again"))
}

/// A source that knows the vendor under another name than the contract speaks of another firm, or the contract does.
fn name(known: &Known<'_>, record: &EntityRecord, now: Timestamp) -> Option<Fact> {
    let named = known.contracts.iter().filter(|contract| contract.starts <= now && now < contract.ends);
    let named =
        named.filter_map(|contract| contract.vendor_name.as_deref().map(|name| (name, Some(contract))));
    let mut named = named.chain([(known.legal_name, None)]);
    let (other, contract) = named.find(|(name, _)| !same_organisation(name, &record.legal_name))?;
    let place =
        contract.map_or("the registry here".to_owned(), |contract| format!("contract `{}`", contract.name));
    let fact =
        format!("the vendor is `{other}` in {place}, and `{}` says {}", record.legal_name, source(record));
    Some(of_record(
        record,
        Access::Blocked,
        fact,
        "contract with the entity that is registered, or check the right one",
    ))
}

fn of_record(record: &EntityRecord, access: Access, fact: String, remedy: &str) -> Fact {
    let subject = match &record.source {
        EntitySource::Gleif => "gleif".to_owned(),
        EntitySource::Registry { name } => format!("registry/{name}"),
        EntitySource::Manual { .. } => "manual".to_owned(),
    };
    Fact::new(Stop::Entity, access, fact, remedy).about(subject).since(record.at)
}

fn source(record: &EntityRecord) -> String {
    let day = date_of(record.at);
    match &record.source {
        EntitySource::Gleif => format!("GLEIF on {day}"),
        EntitySource::Registry { name } => format!("register `{name}` on {day}"),
        EntitySource::Manual { .. } => format!("whoever vouched on {day}"),
    }
}

/// Whether two names are of one organisation: close, and no other legal form. Here a stranger must not pass for the
/// vendor, so that the upper threshold counts.
fn same_organisation(one: &str, other: &str) -> bool {
    let compared = compare(one, other);
    compared.score_thousandths >= CONFIRMS && compared.legal_form != FormWord::Different
}

/// Names of people stay out of the sentence: it goes to places that no key erases.
pub(super) fn signer(known: &Known<'_>, now: Timestamp) -> Vec<Fact> {
    let entitled = |name: &str| {
        let records = known.dossier.entity.values();
        let mut officers = records.flat_map(|record| &record.officers).map(|officer| officer.name.text());
        let mut authorised = known
            .dossier
            .signers
            .iter()
            .filter(|signer| signer.evidence.is_none_or(|evidence| known.dossier.is_good(evidence)));
        officers.any(|officer| same_person(officer, name))
            || authorised.any(|signer| same_person(signer.name.text(), name))
    };
    let in_force = known.contracts.iter().filter(|contract| contract.starts <= now && now < contract.ends);
    in_force
        .filter_map(|contract| {
            // Of somebody whose name was erased nothing can be said any more.
            let named = contract.signers.iter().filter(|name| *name != ERASED);
            let others = named.filter(|name| !entitled(name)).count();
            let count = contract.signers.len();
            let fact = format!(
                "{others} of {count} who signed contract `{}` for the vendor are neither officers nor authorised",
                contract.name
            );
            let remedy = "check the entity's officers, authorise the signer by a paper, or have an officer sign";
            (others > 0).then(|| Fact::new(Stop::Signer, Access::Held, fact, remedy).about(&*contract.name).since(contract.starts))
        })
        .collect()
}

/// A name that was erased is nobody's any more.
fn same_person(one: &str, other: &str) -> bool {
    let erased = one == ERASED || other == ERASED;
    !erased && compare_people(one, other).score_thousandths >= HOLDS
}
