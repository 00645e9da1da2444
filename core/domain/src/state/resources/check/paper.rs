//! What is declared of vendors and contracts for the sake of assurance: names, clauses, amendments, stakes.

use std::collections::BTreeSet;

use portcullis_assurance::contract::Clause;
use portcullis_assurance::exposure::Exposed;
use portcullis_assurance::lei::Lei;

use super::fault;
use crate::command::Fault;
use crate::spec::{ContractSpec, Declaration, VendorSpec};

const LIST_MAX: usize = 100;
const TEXT_MAX: usize = 200;
const RECORDS_MAX: u64 = 1_000_000_000_000;
const HOURS_MAX: u32 = 8_760;

pub fn check_vendor(declaration: &Declaration, spec: &VendorSpec, faults: &mut Vec<Fault>) {
    let mut add = |pointer: &str, message: String, hint| {
        faults.push(fault(declaration, pointer, message, Some(hint)));
    };
    for (name, list) in [("domains", &spec.domains), ("aliases", &spec.aliases)] {
        if list.len() > LIST_MAX {
            add(
                &format!("/spec/{name}"),
                format!("the list has more than {LIST_MAX}"),
                "keep those that matter",
            );
        }
    }
    if let Some(Err(error)) = spec.lei.as_deref().map(Lei::parse) {
        let error = error.to_string();
        let message = error.split_once('\n').map_or(error.as_str(), |(first, _)| first).to_owned();
        add(
            "/spec/lei",
            message,
            "look at the original: a character is mistyped, or two have changed places",
        );
    }
    for (place, domain) in spec.domains.iter().enumerate().filter(|(_, domain)| !is_domain(domain)) {
        let message = format!("`{domain}` is not a DNS name");
        add(&format!("/spec/domains/{place}"), message, "write it in lower case, such as `acme.example`");
    }
    for (place, _) in spec.aliases.iter().enumerate().filter(|(_, alias)| !is_text(alias)) {
        add(
            &format!("/spec/aliases/{place}"),
            "the alias is empty or too long".into(),
            "use 1 to 200 characters",
        );
    }
    for (name, text) in [("business_unit", &spec.business_unit), ("owner", &spec.owner)] {
        check_text(declaration, name, text.as_deref(), faults);
    }
}

pub fn check_contract(declaration: &Declaration, spec: &ContractSpec, faults: &mut Vec<Fault>) {
    check_text(declaration, "vendor_name", spec.vendor_name.as_deref(), faults);
    if spec.notice_days.is_some_and(|days| days > 3_650) {
        let message = "that is no time of notice".into();
        faults.push(fault(declaration, "/spec/notice_days", message, Some("use 0 to 3650 days")));
    }
    let mut kinds = BTreeSet::new();
    for (place, clause) in spec.clauses.iter().enumerate() {
        if !kinds.insert(clause.kind) {
            let message = format!("clause `{}` is there twice", clause.kind.name());
            let hint = "one clause of each kind says what counts";
            faults.push(fault(declaration, &format!("/spec/clauses/{place}/kind"), message, Some(hint)));
        }
        for (member, message, hint) in clause_faults(clause) {
            faults.push(fault(declaration, &format!("/spec/clauses/{place}/{member}"), message, Some(hint)));
        }
    }
    if spec.amendments.len() > LIST_MAX {
        let message = format!("there are more than {LIST_MAX} amendments");
        faults.push(fault(declaration, "/spec/amendments", message, Some("make a new contract of them")));
    }
    for (place, amendment) in spec.amendments.iter().enumerate() {
        if amendment.what.trim().is_empty() {
            let message = "the amendment changes nothing".into();
            let hint = "say in plain words what it changes";
            faults.push(fault(declaration, &format!("/spec/amendments/{place}/what"), message, Some(hint)));
        }
    }
}

pub fn check_exposure(declaration: &Declaration, exposed: &Exposed, faults: &mut Vec<Fault>) {
    let mut add = |pointer: &str, message: &str, hint: &str| {
        faults.push(fault(declaration, &format!("/spec/exposure/{pointer}"), message.into(), Some(hint)));
    };
    let mut classes = BTreeSet::new();
    for (place, held) in exposed.data.iter().enumerate() {
        if !classes.insert(held.class) {
            add(&format!("data/{place}/class"), "the class is there twice", "add its records up");
        }
        if held.records > RECORDS_MAX {
            add(&format!("data/{place}/records"), "nobody has so many records", "at most 1000000000000");
        }
    }
    if exposed.outage_per_hour.is_some_and(|money| money > RECORDS_MAX) {
        add("outage_per_hour", "that is too much", "at most 1000000000000");
    }
    if exposed.recovery_hours.is_some_and(|hours| hours > HOURS_MAX) {
        add("recovery_hours", "that is more than a year", "at most 8760");
    }
    if exposed.lateral.is_some_and(|money| money > RECORDS_MAX) {
        add("lateral", "that is too much", "at most 1000000000000");
    }
}

pub fn check_text(declaration: &Declaration, member: &str, text: Option<&str>, faults: &mut Vec<Fault>) {
    if text.is_some_and(|text| !is_text(text)) {
        let hint = "use 1 to 200 characters, or leave it out";
        let message = "the text is empty or too long".into();
        faults.push(fault(declaration, &format!("/spec/{member}"), message, Some(hint)));
    }
}

fn clause_faults(clause: &Clause) -> Vec<(&'static str, String, &'static str)> {
    let mut faults = Vec::new();
    if let Some(version) = clause.tls_min.as_deref().filter(|version| !["1.2", "1.3"].contains(version)) {
        faults.push(("tls_min", format!("TLS `{version}` can't be held"), "use `1.2` or `1.3`"));
    }
    if clause.report_hours == Some(0) {
        faults.push(("report_hours", "nobody reports within no time".into(), "use 1 to 24 hours"));
    }
    let countries = clause.countries.iter().flatten();
    let country = |text: &&String| text.len() != 2 || !text.bytes().all(|byte| byte.is_ascii_uppercase());
    if let Some(wrong) = countries.clone().find(country) {
        let message = format!("`{wrong}` is not a country");
        faults.push(("countries", message, "use ISO 3166-1 alpha-2 in upper case, such as `DE`"));
    }
    if clause.countries.as_ref().is_some_and(Vec::is_empty) {
        faults.push(("countries", "the list names nothing".into(), "leave it out to allow all of them"));
    }
    if countries.count() > 250 {
        faults.push(("countries", "there are fewer countries".into(), "name each once"));
    }
    faults
}

fn is_text(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= TEXT_MAX
}

/// RFC 1123, section 2.1, in lower case, with at least two labels.
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = label.as_bytes();
        let known = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
        bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(known)
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(label)
}
