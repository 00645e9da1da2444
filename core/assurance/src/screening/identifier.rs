//! What tells firms apart better than a name: numbers, addresses, domains, accounts, keys.

use crate::entity::{Address, EntityRecord};
use crate::names::fold::plain;

/// Addresses that more firms share than this say nothing of any of them.
pub const ADDRESS_SHARED_MAX: u32 = 20;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Identifier {
    pub kind: IdentifierKind,
    /// Written so that equal ones are the same text.
    value: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum IdentifierKind {
    Lei,
    /// Of a register of firms or of a tax office.
    Number,
    Address,
    Domain,
    BankAccount,
    /// Digest of a client's key or certificate.
    Key,
}

impl Identifier {
    /// None where the text is too short or too empty to identify anybody.
    #[must_use]
    pub fn of(kind: IdentifierKind, text: &str) -> Option<Self> {
        const TEXT_BYTES_MAX: usize = 2_000;
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (value, length_min) = match kind {
            IdentifierKind::Address => {
                let mut words: Vec<String> =
                    plain(text).split(' ').map(|word| street(word).to_owned()).collect();
                words.sort_unstable();
                words.dedup();
                (words.join(" "), 8)
            }
            IdentifierKind::Domain => (domain(text), 4),
            IdentifierKind::Lei => (letters(text), 20),
            IdentifierKind::Number => (letters(text).trim_start_matches('0').to_owned(), 5),
            IdentifierKind::BankAccount => (letters(text), 8),
            IdentifierKind::Key => (text.trim().to_ascii_lowercase(), 16),
        };
        (value.len() >= length_min).then_some(Self { kind, value })
    }

    /// The address as one, unless many share it or it is an agent's.
    #[must_use]
    pub fn of_address(address: &Address) -> Option<Self> {
        if address.registered_agent || address.shared_by.is_some_and(|firms| firms > ADDRESS_SHARED_MAX) {
            return None;
        }
        if address.lines.iter().all(|line| !line.chars().any(char::is_numeric)) {
            // Without a number it is a town or a street, and no place.
            return None;
        }
        let mut text = address.lines.join(" ");
        for part in [&address.city, &address.postal_code, &address.country].into_iter().flatten() {
            text.push(' ');
            text.push_str(part);
        }
        Self::of(IdentifierKind::Address, &text)
    }

    /// All that a register's record holds.
    #[must_use]
    pub fn of_record(record: &EntityRecord) -> Vec<Self> {
        let lei = record.lei.as_deref().and_then(|lei| Self::of(IdentifierKind::Lei, lei));
        let number =
            record.registry_number.as_deref().and_then(|number| Self::of(IdentifierKind::Number, number));
        let addresses = [&record.registered_address, &record.head_office]
            .into_iter()
            .flatten()
            .filter_map(Self::of_address);
        let mut identifiers: Vec<_> = lei.into_iter().chain(number).chain(addresses).collect();
        identifiers.dedup();
        identifiers
    }

    /// What agrees, in words; accounts, keys and addresses aren't repeated.
    #[must_use]
    pub fn words(&self) -> String {
        match self.kind {
            IdentifierKind::Lei => format!("LEI {}", self.value),
            IdentifierKind::Number => format!("registry or tax number {}", self.value),
            IdentifierKind::Address => "address".to_owned(),
            IdentifierKind::Domain => format!("domain {}", self.value),
            IdentifierKind::BankAccount => "bank account".to_owned(),
            IdentifierKind::Key => "key".to_owned(),
        }
    }
}

fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
}

/// Of an address on the web or a mailbox; the hosts of mailboxes for everybody identify nobody.
fn domain(text: &str) -> String {
    const FOR_EVERYBODY: [&str; 12] = [
        "gmail.com",
        "googlemail.com",
        "outlook.com",
        "hotmail.com",
        "live.com",
        "yahoo.com",
        "icloud.com",
        "aol.com",
        "gmx.net",
        "gmx.de",
        "mail.ru",
        "yandex.ru",
    ];
    let lower = text.trim().to_lowercase();
    let rest = lower.split_once("://").map_or(lower.as_str(), |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let rest = rest.rsplit('@').next().unwrap_or_default();
    let host = rest.strip_prefix("www.").unwrap_or(rest).trim_end_matches('.');
    if FOR_EVERYBODY.contains(&host) || !host.contains('.') { String::new() } else { host.to_owned() }
}

fn street(word: &str) -> &str {
    match word {
        "st" | "str" | "strasse" => "street",
        "rd" => "road",
        "ave" | "av" => "avenue",
        "blvd" => "boulevard",
        "ste" => "suite",
        "fl" => "floor",
        "sq" => "square",
        "ln" => "lane",
        "dr" => "drive",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{Identifier, IdentifierKind};

    #[test]
    fn equal_identifiers_are_one_text() {
        use IdentifierKind::{Address, BankAccount, Domain, Number};
        for (kind, first, second, same) in [
            (Domain, "https://www.Bluewick.example/about", "info@bluewick.example", true),
            (Domain, "bluewick.example", "quillmere.example", false),
            (Number, "HRB 0012345", "HRB-0012345", true),
            (Number, "0012345", "12345", true),
            (BankAccount, "DE02 1203 0000 0000 2020 51", "DE02120300000000202051", true),
            (Address, "12 Mill St., Leeds", "Leeds, Mill Street 12", true),
            (Address, "12 Mill Street, Leeds", "14 Mill Street, Leeds", false),
        ] {
            let (first, second) =
                (Identifier::of(kind, first).unwrap(), Identifier::of(kind, second).unwrap());
            assert_eq!(first == second, same, "{first:?} {second:?}");
        }
        for (kind, text) in
            [(Domain, "someone@gmail.com"), (Domain, "localhost"), (Number, "0000012"), (Address, "")]
        {
            assert_eq!(Identifier::of(kind, text), None, "{text}");
        }
    }
}
