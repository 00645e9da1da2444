//! Each row beside the others, and beside those who are known.

use std::collections::HashMap;

use super::{Candidate, Entity, Fault, IntakeError, Judged, Known, Read, Verdict};
use crate::names::{CONFIRMS, HOLDS, Name};
use crate::screening::index::{Index, ListEntry, Subject};

/// Likenesses that are shown of one row.
const SHOWN_MAX: usize = 3;

/// What two entities are to each other.
enum Beside {
    Other,
    /// Somebody has to say.
    Perhaps(String),
    /// The same, and whether an identifier says so.
    Same {
        why: String,
        identified: bool,
    },
    /// One identifier, and names that can't be one firm's.
    Clash(String),
}

/// Gives every row its verdict; those that are new have no name yet.
pub(super) fn judge(read: Vec<Read>, known: &[Known]) -> Result<Vec<Judged>, IntakeError> {
    let registry = Many::new(known.iter().map(|known| &known.entity))?;
    let entities: Vec<Option<Entity>> = read
        .iter()
        .map(|read| read.outcome.as_ref().ok().map(|candidate| candidate.entity.clone()))
        .collect();
    let good: Vec<(usize, &Entity)> =
        entities.iter().enumerate().filter_map(|(at, entity)| Some((at, entity.as_ref()?))).collect();
    let file = Many::new(good.iter().map(|(_, entity)| *entity))?;
    let numbers: Vec<u32> = read.iter().map(|read| read.row).collect();
    // Rows that are taken as they stand: only beside those a later one is a repetition.
    let mut taken = vec![false; read.len()];
    let mut judged = Vec::with_capacity(read.len());
    for (at, read) in read.into_iter().enumerate() {
        let Read { row, given, notes, as_new, outcome } = read;
        let verdict = match outcome {
            Err(verdict) => verdict,
            Ok(candidate) => {
                let others = file.near(&candidate.entity).into_iter().filter_map(|found| {
                    let (other, entity) = good.get(found)?;
                    (*other != at).then(|| (*other, beside(&candidate.entity, entity)))
                });
                let mut clashes = Vec::new();
                let mut earlier = Vec::new();
                for (other, beside) in others {
                    let number = numbers.get(other).copied().unwrap_or_default();
                    match beside {
                        // Which of the two is mistyped, nobody here can know.
                        Beside::Clash(why) => clashes.push(format!("row {number} has {why}")),
                        beside if other < at && taken.get(other) == Some(&true) => {
                            earlier.push((number, beside))
                        }
                        _ => {}
                    }
                }
                let mut there = Vec::new();
                for found in registry.near(&candidate.entity) {
                    let Some(known) = known.get(found) else { continue };
                    match beside(&candidate.entity, &known.entity) {
                        Beside::Clash(why) => {
                            clashes.push(format!(
                                "vendor `{}` (`{}`) has {why}",
                                known.name, known.entity.legal_name
                            ));
                        }
                        beside => there.push((known, beside)),
                    }
                }
                decide(candidate, as_new, clashes, there, earlier)
            }
        };
        if let Some(flag) = taken.get_mut(at) {
            *flag = matches!(verdict, Verdict::New { .. });
        }
        judged.push(Judged { row, given, verdict, notes });
    }
    Ok(judged)
}

fn decide(
    candidate: Candidate,
    as_new: bool,
    clashes: Vec<String>,
    there: Vec<(&Known, Beside)>,
    earlier: Vec<(u32, Beside)>,
) -> Verdict {
    // An identifier that agrees nobody can wish away, and neither can another row's mistake.
    let counts = |identified: bool| identified || !as_new && clashes.is_empty();
    for (known, beside) in &there {
        match beside {
            Beside::Same { why, identified } if counts(*identified) => {
                return Verdict::There { vendor: known.name.clone(), why: why.clone() };
            }
            _ => {}
        }
    }
    if !clashes.is_empty() {
        let fault = |message| Fault { column: None, header: None, message };
        return Verdict::Wrong { faults: clashes.into_iter().take(SHOWN_MAX).map(fault).collect() };
    }
    for (of, beside) in &earlier {
        match beside {
            Beside::Same { why, identified } if *identified || !as_new => {
                return Verdict::Repeated { of: *of, why: why.clone() };
            }
            _ => {}
        }
    }
    if as_new {
        return Verdict::New { vendor: Box::new(candidate) };
    }
    let known = there.into_iter().filter_map(|(known, beside)| match beside {
        Beside::Perhaps(why) => {
            Some(format!("it may be vendor `{}` (`{}`): {why}", known.name, known.entity.legal_name))
        }
        _ => None,
    });
    let rows = earlier.into_iter().filter_map(|(of, beside)| match beside {
        Beside::Perhaps(why) => Some(format!("it may be row {of}: {why}")),
        _ => None,
    });
    let like: Vec<String> = known.chain(rows).take(SHOWN_MAX).collect();
    if like.is_empty() { Verdict::New { vendor: Box::new(candidate) } } else { Verdict::Perhaps { like } }
}

fn beside(one: &Entity, other: &Entity) -> Beside {
    let (score, why) = alike(one, other);
    if let Some(identifier) = same_identifier(one, other) {
        return if score >= HOLDS {
            Beside::Same {
                why: format!("the same {identifier}, and names alike to {}", shown(score)),
                identified: true,
            }
        } else {
            Beside::Clash(format!("the same {identifier} under a name that is no spelling of this one"))
        };
    }
    let differs = other_identifier(one, other);
    match (score, differs) {
        (CONFIRMS.., None) => {
            Beside::Same { why: format!("names alike to {}: {why}", shown(score)), identified: false }
        }
        (CONFIRMS.., Some(differs)) => {
            Beside::Perhaps(format!("names alike to {}, and {differs}", shown(score)))
        }
        // Two firms of one series, each with its own identifier, are two.
        (_, Some("another LEI" | "another registry number")) => Beside::Other,
        (HOLDS.., _) => Beside::Perhaps(format!("names alike to {}: {why}", shown(score))),
        _ => Beside::Other,
    }
}

fn shown(score: u16) -> String {
    if score >= 1_000 { "1.00".to_owned() } else { format!(".{:02}", score / 10) }
}

fn alike(one: &Entity, other: &Entity) -> (u16, String) {
    let names = |entity: &Entity| -> Vec<Name> {
        std::iter::once(&entity.legal_name).chain(&entity.aliases).map(|name| Name::of(name)).collect()
    };
    let (mine, theirs) = (names(one), names(other));
    let pairs = mine.iter().flat_map(|mine| theirs.iter().map(move |theirs| (mine, theirs)));
    let best = pairs.max_by_key(|(mine, theirs)| mine.score(theirs));
    best.map_or((0, String::new()), |(mine, theirs)| {
        let compared = mine.compare(theirs);
        (compared.score_thousandths, compared.why)
    })
}

fn same_identifier(one: &Entity, other: &Entity) -> Option<&'static str> {
    if one.lei.is_some() && one.lei == other.lei {
        return Some("LEI");
    }
    let numbers = registered(one).zip(registered(other));
    numbers.is_some_and(|(mine, theirs)| mine == theirs).then_some("registry number")
}

/// What says that they are two.
fn other_identifier(one: &Entity, other: &Entity) -> Option<&'static str> {
    if one.lei.is_some() && other.lei.is_some() && one.lei != other.lei {
        return Some("another LEI");
    }
    match registered(one).zip(registered(other)) {
        Some((mine, theirs)) if mine.0 == theirs.0 && mine != theirs => {
            return Some("another registry number");
        }
        _ => {}
    }
    let countries = country(one).zip(country(other));
    countries.filter(|(mine, theirs)| mine != theirs).map(|_| "another country")
}

/// A number says something together with its country only.
fn registered(entity: &Entity) -> Option<(String, String)> {
    let bare: String =
        entity.registry_number.as_deref()?.chars().filter(|letter| letter.is_alphanumeric()).collect();
    let bare = bare.to_uppercase();
    let bare = bare.trim_start_matches('0');
    (bare.len() >= 3).then(|| Some((country(entity)?, bare.to_owned()))).flatten()
}

fn country(entity: &Entity) -> Option<String> {
    entity.jurisdiction.as_deref()?.get(..2).map(str::to_ascii_uppercase)
}

/// Many entities, among which those worth comparing are found without comparing all.
struct Many {
    names: Index,
    identifiers: HashMap<String, Vec<usize>>,
}

impl Many {
    fn new<'a>(entities: impl Iterator<Item = &'a Entity>) -> Result<Self, IntakeError> {
        let mut list = Vec::new();
        let mut identifiers: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, entity) in entities.enumerate() {
            for key in keys(entity) {
                identifiers.entry(key).or_default().push(at);
            }
            let names = std::iter::once(&entity.legal_name).chain(&entity.aliases).cloned().collect();
            list.push(ListEntry { id: at.to_string(), names, identifiers: Vec::new(), officers: Vec::new() });
        }
        let names = Index::new(list).map_err(|_| IntakeError::Names)?;
        Ok(Self { names, identifiers })
    }

    fn near(&self, entity: &Entity) -> Vec<usize> {
        let names = std::iter::once(&entity.legal_name).chain(&entity.aliases).cloned().collect();
        let subject = Subject { names, ..Subject::default() };
        let named = self.names.find(&subject).into_iter().filter_map(|found| found.entry.parse().ok());
        let mut near: Vec<usize> = named.collect();
        for key in keys(entity) {
            near.extend(self.identifiers.get(&key).into_iter().flatten());
        }
        near.sort_unstable();
        near.dedup();
        near
    }
}

fn keys(entity: &Entity) -> impl Iterator<Item = String> {
    let lei = entity.lei.as_ref().map(|lei| format!("lei {lei}"));
    let number = registered(entity).map(|(country, number)| format!("{country} {number}"));
    lei.into_iter().chain(number)
}
