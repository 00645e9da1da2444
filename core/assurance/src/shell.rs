//! Signs that a firm may be a shell: each a fact of its own with its figure, and no score made of them.
//!
//! Many honest firms are registered at an agent's address, so that says nothing by itself; and a head office of its own
//! clears a firm of what its registered address looks like.

use std::fmt;

use jiff::civil::Date;

use crate::entity::{Address, EntityRecord};
use crate::names::fold::plain;
use crate::names::{FormWord, HOLDS, compare};

/// Firms at one address, from which on it is a mail drop.
pub const MAIL_DROP_FIRMS: u32 = 20;

/// Days since it was formed, below which a firm is new.
pub const NEW_DAYS: i64 = 365;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sign {
    /// The registered address is shared by so many firms.
    MailDrop {
        firms: u32,
    },
    FormedRecently {
        days: i64,
    },
    /// Nothing is known of a place where it works, but for a mail drop or an agent's address.
    NoHeadOffice,
    /// The register has another name than the contract.
    NameDiffers {
        register: String,
        contract: String,
        why: String,
    },
    FormDiffers {
        register: String,
        contract: String,
    },
}

impl Sign {
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MailDrop { .. } => "mail_drop",
            Self::FormedRecently { .. } => "formed_recently",
            Self::NoHeadOffice => "no_head_office",
            Self::NameDiffers { .. } => "name_differs",
            Self::FormDiffers { .. } => "form_differs",
        }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MailDrop { firms } => write!(f, "its registered address is shared by {firms} firms"),
            Self::FormedRecently { days } => write!(f, "it was formed {days} days ago, less than a year"),
            Self::NoHeadOffice => f.write_str("no head office is known apart from its registered address"),
            Self::NameDiffers { register, contract, why } => {
                write!(f, "the register has `{register}`, the contract `{contract}`: {why}")
            }
            Self::FormDiffers { register, contract } => {
                write!(
                    f,
                    "the register has another legal form (`{register}`) than the contract (`{contract}`)"
                )
            }
        }
    }
}

/// What a record of a register shows, beside the name in the contract. A date in the future counts as today.
#[must_use]
pub fn signs(record: &EntityRecord, contract_name: Option<&str>, today: Date) -> Vec<Sign> {
    let mut signs = Vec::new();
    let registered = record.registered_address.as_ref();
    let office = record.head_office.as_ref().filter(|office| is_real(office, registered));
    if office.is_none() {
        let drop = registered.and_then(mail_drop);
        signs.extend(drop.map(|firms| Sign::MailDrop { firms }));
        // Nothing said of a head office is no sign; said to be at the agent's or the mail drop, it is.
        let behind_agent =
            record.head_office.is_some() && registered.is_some_and(|address| address.registered_agent);
        if drop.is_some() || behind_agent {
            signs.push(Sign::NoHeadOffice);
        }
    }
    if let Some(formed) = record.formed {
        let days = i64::from(today.since(formed).map_or(0, |span| span.get_days())).max(0);
        if days < NEW_DAYS {
            signs.push(Sign::FormedRecently { days });
        }
    }
    signs.extend(contract_name.and_then(|contract| beside_contract(&record.legal_name, contract)));
    signs
}

/// Elsewhere than the registered address, and no mail drop or agent's address itself.
fn is_real(office: &Address, registered: Option<&Address>) -> bool {
    let known = office.lines.iter().any(|line| !line.trim().is_empty());
    let elsewhere = registered.is_none_or(|registered| same_place(registered) != same_place(office));
    let own = !office.registered_agent && mail_drop(office).is_none();
    let own_registered =
        registered.is_none_or(|registered| !registered.registered_agent && mail_drop(registered).is_none());
    known && own && (elsewhere || own_registered)
}

fn mail_drop(address: &Address) -> Option<u32> {
    // An agent's address is shared by its nature.
    address.shared_by.filter(|firms| *firms >= MAIL_DROP_FIRMS && !address.registered_agent)
}

fn same_place(address: &Address) -> String {
    let city = address.city.as_deref().unwrap_or_default();
    let country = address.country.as_deref().unwrap_or_default();
    plain(&format!("{} {city} {country}", address.lines.join(" ")))
}

fn beside_contract(register: &str, contract: &str) -> Option<Sign> {
    let found = compare(register, contract);
    let (register, contract) = (register.to_owned(), contract.to_owned());
    if found.legal_form == FormWord::Different {
        return Some(Sign::FormDiffers { register, contract });
    }
    (found.score_thousandths < HOLDS).then_some(Sign::NameDiffers { register, contract, why: found.why })
}
