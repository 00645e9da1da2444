//! One row, cell by cell: all that is wrong with it, and what was made of what isn't plain.

use jiff::civil::Date;

use super::columns::{Column, Columns, Field};
use super::{Candidate, Contact, Entity, Fault, Options, Term, countries, dates, place, values};
use crate::lei::Lei;
use crate::sheet::{Row, Sheet, Value};

/// Characters of a text that goes into a manifest.
const TEXT_MAX: usize = 500;
const NAME_MAX: usize = 300;
const CONTACTS_MAX: usize = 5;

pub(super) struct Reader<'a> {
    row: &'a Row,
    sheet: &'a Sheet,
    columns: &'a Columns,
    options: &'a Options,
    pub faults: Vec<Fault>,
    pub notes: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(row: &'a Row, sheet: &'a Sheet, columns: &'a Columns, options: &'a Options) -> Self {
        Self { row, sheet, columns, options, faults: Vec::new(), notes: Vec::new() }
    }

    pub(super) fn candidate(&mut self) -> Candidate {
        let entity = self.entity();
        let candidate = Candidate {
            name: String::new(),
            entity,
            purpose: self.text(Field::Purpose, TEXT_MAX),
            owner: self.text(Field::Owner, NAME_MAX),
            business_unit: self.text(Field::BusinessUnit, NAME_MAX),
            domains: self.domains(),
            contacts: self.contacts(),
            term: self.term(),
            reference: self.text(Field::ContractReference, NAME_MAX),
            data: self
                .text(Field::DataClasses, TEXT_MAX)
                .map(|text| values::data_classes(&text))
                .map_or_else(Default::default, |read| self.or_fault(Field::DataClasses, read)),
            records: self.records(),
        };
        let named = self.columns.used().count() > 1;
        if named && self.row.filled() == 1 && self.faults.is_empty() {
            self.fault(
                None,
                "nothing but a name is in this row; say at least its country, or `skip` it".to_owned(),
            );
        }
        candidate
    }

    fn entity(&mut self) -> Entity {
        let (legal, short) = (self.text(Field::LegalName, NAME_MAX), self.text(Field::Name, NAME_MAX));
        let placeholder = legal.is_none() && short.is_none();
        if placeholder && self.faults.is_empty() {
            let column = self.columns.of(Field::LegalName).or_else(|| self.columns.of(Field::Name)).cloned();
            self.fault(column.as_ref(), "the name is missing".to_owned());
        }
        if let Some(name) = legal.as_ref().or(short.as_ref())
            && !name.chars().any(char::is_alphabetic)
            && !name.chars().any(|letter| letter.is_ascii_digit())
        {
            self.fault(None, format!("`{name}` is no name"));
        }
        let aliases = match (&legal, &short) {
            (Some(legal), Some(short)) if legal != short => vec![short.clone()],
            _ => Vec::new(),
        };
        let legal_name = legal.or(short).unwrap_or_default();
        let jurisdiction = self.jurisdiction();
        let registry_number = self.registry_number();
        let lei = self.text(Field::Lei, 200).map(|text| {
            Lei::parse(&text)
                .map(|lei| lei.to_string())
                .map_err(|error| error.to_string().replace("\nhint: ", "; "))
        });
        let lei = lei.and_then(|read| self.kept(Field::Lei, read));
        Entity { legal_name, aliases, jurisdiction, registry_number, lei }
    }

    fn jurisdiction(&mut self) -> Option<String> {
        let country = self.text(Field::Country, NAME_MAX).and_then(|text| {
            let read = countries::country(&text)
                .ok_or_else(|| format!("`{text}` is no country; write its code, such as `DE` or `US-DE`"));
            self.kept(Field::Country, read)
        });
        let Some(state) = self.text(Field::State, NAME_MAX) else { return country };
        match country.as_deref() {
            // `DE` alone may be Delaware or Germany, and Georgia is both as well.
            None => {
                let message =
                    format!("`{state}` is a state of no country that is named; write the country, too");
                self.kept(Field::State, Err(message))
            }
            Some("US") => {
                let read = countries::state(&state).map(str::to_owned);
                self.kept(
                    Field::State,
                    read.ok_or_else(|| format!("`{state}` is no state of the United States")),
                )
            }
            // Whose states aren't known here the country says enough.
            Some(_) => country,
        }
    }

    fn registry_number(&mut self) -> Option<String> {
        let column = self.columns.of(Field::RegistryNumber)?;
        let value = self.row.value(column.place);
        let number = self.text(Field::RegistryNumber, 100)?;
        if matches!(value, Value::Number(_)) {
            self.notes.push(format!(
                "registry number {number} is stored as a number: zeros before it would be lost"
            ));
        }
        Some(number)
    }

    fn records(&mut self) -> Option<u64> {
        self.text(Field::Records, 100)?;
        let column = self.columns.of(Field::Records)?;
        let read = values::records(self.row.value(column.place));
        self.kept(Field::Records, read)
    }

    fn domains(&mut self) -> Vec<String> {
        let Some(text) = self.text(Field::Website, TEXT_MAX) else { return Vec::new() };
        let mut domains = Vec::new();
        for word in text.split([',', ';', ' ']).filter(|word| !word.is_empty()) {
            let bare = word.split_once("://").map_or(word, |(_, rest)| rest);
            let bare = bare.split(['/', '?', '#', ':']).next().unwrap_or_default().to_lowercase();
            let bare = bare.strip_prefix("www.").unwrap_or(&bare).trim_end_matches('.').to_owned();
            if values::is_domain(&bare) && bare.is_ascii() {
                domains.push(bare);
            } else {
                self.kept::<()>(Field::Website, Err(format!("`{word}` is no domain or address of a site")));
            }
        }
        domains.dedup();
        domains
    }

    fn contacts(&mut self) -> Vec<Contact> {
        let (name, phone) = (self.text(Field::ContactName, NAME_MAX), self.text(Field::ContactPhone, 100));
        let mails: Vec<String> = self
            .text(Field::ContactMail, TEXT_MAX)
            .map(|text| {
                let words =
                    text.split([',', ';', ' ', '/', '<', '>']).map(|word| word.trim_start_matches("mailto:"));
                words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
            })
            .unwrap_or_default();
        // `Jo Doe <jo@acme.example>` has words that are no address; one address must be among them.
        let good: Vec<String> = mails.iter().filter(|mail| values::is_mail(mail)).cloned().collect();
        let broken = mails.iter().any(|mail| mail.contains('@') && !values::is_mail(mail));
        if !mails.is_empty() && (good.is_empty() || broken) {
            self.kept::<()>(Field::ContactMail, Err("there is no address for mail in it".to_owned()));
        }
        if good.len() > CONTACTS_MAX {
            self.kept::<()>(Field::ContactMail, Err(format!("there are more than {CONTACTS_MAX} addresses")));
        }
        let mut contacts: Vec<Contact> = good
            .iter()
            .map(|mail| Contact { name: mail.clone(), email: Some(mail.clone()), phone: None })
            .collect();
        if contacts.is_empty() && (name.is_some() || phone.is_some()) {
            contacts.push(Contact { name: phone.clone().unwrap_or_default(), email: None, phone: None });
        }
        if let Some(first) = contacts.first_mut() {
            first.name = name.unwrap_or_else(|| first.name.clone());
            first.phone = phone;
        }
        contacts
    }

    fn term(&mut self) -> Option<Term> {
        let (starts, ends) = (self.day(Field::ContractStart), self.day(Field::ContractEnd));
        let (starts, ends) = match (starts, ends) {
            (Given::No, Given::No) => return None,
            (Given::Day(_), Given::No) => {
                return self.lone(
                    Field::ContractEnd,
                    "the contract's end is missing; without it there is no contract here",
                );
            }
            (Given::No, Given::Day(_)) => {
                return self.lone(
                    Field::ContractStart,
                    "the contract's start is missing; without it there is no contract here",
                );
            }
            (Given::Day(starts), Given::Day(ends)) => (starts, ends),
            _ => return None,
        };
        if ends < starts {
            return self.lone(
                Field::ContractEnd,
                &format!("the contract ends on {ends}, before it starts on {starts}"),
            );
        }
        if ends < self.options.today {
            self.notes
                .push(format!("the contract was over on {ends}: nothing passes until another is declared"));
        } else if starts > self.options.today {
            self.notes.push(format!("the contract begins on {starts}: nothing passes before"));
        }
        Some(Term { starts, ends })
    }

    fn lone(&mut self, field: Field, message: &str) -> Option<Term> {
        self.kept(field, Err(message.to_owned()))
    }

    fn day(&mut self, field: Field) -> Given {
        let Some(column) = self.columns.of(field) else { return Given::No };
        if self.text(field, 100).is_none() {
            let wrong = self.faults.iter().any(|fault| fault.column.as_ref() == Some(&column.letter));
            return if wrong { Given::Wrong } else { Given::No };
        }
        // What is said now counts more than what the header says.
        let order = self.options.order.or(column.order);
        match dates::day(self.row.value(column.place), order, self.sheet.from_1904) {
            Ok(day) => Given::Day(day),
            Err(message) => {
                self.fault(Some(column), message);
                Given::Wrong
            }
        }
    }

    /// What a cell says; none where it says nothing.
    fn text(&mut self, field: Field, chars_max: usize) -> Option<String> {
        let column = self.columns.of(field)?;
        let value = self.row.value(column.place);
        let text = value.shown();
        if matches!(value, Value::Wrong(_)) || values::is_error(&text) {
            self.fault(
                Some(column),
                format!("`{text}` is what the spreadsheet writes where it could not reckon"),
            );
            return None;
        }
        if field != Field::Records && values::is_rounded(value) {
            self.fault(
                Some(column),
                format!(
                    "`{text}` was rounded by the spreadsheet; format the column as text, and enter it anew"
                ),
            );
            return None;
        }
        if values::is_placeholder(&text) {
            return None;
        }
        if text.chars().count() > chars_max {
            self.fault(Some(column), format!("it is longer than {chars_max} characters"));
            return None;
        }
        Some(text)
    }

    fn kept<T>(&mut self, field: Field, read: Result<T, String>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(message) => {
                let column = self.columns.of(field);
                self.fault(column, message);
                None
            }
        }
    }

    fn or_fault<T: Default>(&mut self, field: Field, read: Result<T, String>) -> T {
        self.kept(field, read).unwrap_or_default()
    }

    fn fault(&mut self, column: Option<&Column>, message: String) {
        let fault = Fault {
            column: column.map(|column| place(column.place)),
            header: column.map(|column| column.header.clone()),
            message,
        };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }
}

enum Given {
    No,
    Day(Date),
    Wrong,
}
