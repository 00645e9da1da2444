//! Single facts as cells have them.

use std::collections::BTreeSet;

use crate::exposure::DataClass;
use crate::sheet::Value;

/// What people write where they have nothing to write.
pub(crate) fn is_placeholder(text: &str) -> bool {
    let bare = text.trim().to_lowercase();
    matches!(
        bare.as_str(),
        "" | "-"
            | "--"
            | "–"
            | "—"
            | "?"
            | "??"
            | "."
            | "n/a"
            | "na"
            | "n.a."
            | "n/a."
            | "none"
            | "nil"
            | "null"
            | "tbd"
            | "tbc"
            | "t.b.d."
            | "unknown"
            | "not known"
            | "not available"
            | "pending"
            | "xxx"
            | "k.a."
            | "unbekannt"
    )
}

/// What a spreadsheet writes where it could not reckon.
pub(super) fn is_error(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('#')
        && [
            "#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!",
            "#FIELD!",
        ]
        .iter()
        .any(|error| text.eq_ignore_ascii_case(error))
        || text.len() > 3 && text.bytes().all(|byte| byte == b'#')
}

/// A number that the spreadsheet has rounded: what was typed is lost.
pub(super) fn is_rounded(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.abs() >= 1e15,
        Value::Text(text) => {
            let Some((digits, exponent)) = text.trim().split_once(['e', 'E']) else { return false };
            let exponent = exponent.strip_prefix('+').unwrap_or("");
            digits.contains(['.', ','])
                && digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','))
                && !exponent.is_empty()
                && exponent.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    }
}

/// How many records: `120000`, `120,000`, `1.5M`.
///
/// # Errors
/// Why it is no number of records.
pub(super) fn records(value: &Value) -> Result<u64, String> {
    const MAX: f64 = 9e15;
    if let Value::Number(number) = value {
        if *number >= 0.0 && number.fract() == 0.0 && *number < MAX {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is whole, and within"
            )]
            return Ok(*number as u64);
        }
        return Err(format!("`{number}` is no number of records"));
    }
    let shown = value.shown();
    let text = shown.trim().trim_start_matches(['~', '>', '<', '≈']).trim();
    let no = || format!("`{shown}` is no number of records; write it in digits");
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (text.get(..at).unwrap_or_default(), 1_000),
        Some((at, 'm' | 'M')) => (text.get(..at).unwrap_or_default(), 1_000_000),
        _ => (text, 1),
    };
    let digits = digits.trim();
    if unit > 1 {
        let number: f64 = digits.replace(',', ".").parse().map_err(|_| no())?;
        let records = number * f64::from(unit);
        return if digits.len() <= 6 && records >= 0.0 && (records.fract() == 0.0) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "six digits and a unit"
            )]
            Ok(records as u64)
        } else {
            Err(no())
        };
    }
    let mut groups = digits.split([',', '.', ' ', '\'', '\u{2019}', '_']);
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    let numeric = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let grouped = rest.is_empty() || first.len() <= 3 && rest.iter().all(|group| group.len() == 3);
    if !numeric(first) || !rest.iter().all(|group| numeric(group)) || !grouped {
        return Err(no());
    }
    let whole = format!("{first}{}", rest.concat());
    whole.parse::<u64>().ok().filter(|records| *records <= 9_007_199_254_740_991).ok_or_else(no)
}

/// Classes of data, as people call them.
///
/// # Errors
/// The word that is none.
pub(super) fn data_classes(text: &str) -> Result<BTreeSet<DataClass>, String> {
    let mut classes = BTreeSet::new();
    for word in
        text.split([',', ';', '/', '|', '+', '\n', '&']).map(str::trim).filter(|word| !word.is_empty())
    {
        let bare: String = word.to_lowercase().chars().filter(|letter| letter.is_alphanumeric()).collect();
        let class = match bare.as_str() {
            "internal" | "public" | "business" | "intern" | "internaluse" | "internaluseonly" => {
                DataClass::Internal
            }
            "confidential" | "restricted" | "sensitive" | "vertraulich" | "ip" | "financial" => {
                DataClass::Confidential
            }
            "pii"
            | "personal"
            | "personaldata"
            | "gdpr"
            | "personalinformation"
            | "customerdata"
            | "employeedata"
            | "personenbezogen"
            | "personenbezogenedaten"
            | "spi" => DataClass::Pii,
            "pci" | "pcidss" | "card" | "carddata" | "cardholderdata" | "payment" | "paymentdata" | "chd" => {
                DataClass::Pci
            }
            "phi" | "health" | "healthdata" | "hipaa" | "medical" | "patientdata" | "ephi" => DataClass::Phi,
            "secret" | "secrets" | "credentials" | "keys" | "passwords" => DataClass::Secret,
            "none" | "nodata" | "no" => continue,
            _ => {
                return Err(format!(
                    "`{word}` is no class of data; there are internal, confidential, pii, pci, phi and secret"
                ));
            }
        };
        classes.insert(class);
    }
    Ok(classes)
}

/// An address that mail can be sent to, as far as its form says.
pub(super) fn is_mail(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let plain = |letter: char| {
        !letter.is_whitespace() && !matches!(letter, '@' | ',' | ';' | '<' | '>' | '(' | ')' | '"')
    };
    !local.is_empty() && local.len() <= 64 && local.chars().all(plain) && is_domain(domain)
}

pub(super) fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_records() {
        for (text, expect) in [
            ("120000", Some(120_000)),
            ("120,000", Some(120_000)),
            ("1.200.000", Some(1_200_000)),
            ("~50k", Some(50_000)),
            ("1.5M", Some(1_500_000)),
            ("0", Some(0)),
            ("12.5", None),
            ("1,00", None),
            ("12,34,567", None),
            ("many", None),
            ("-5", None),
            ("999999999999999999999", None),
            ("infM", None),
        ] {
            assert_eq!(records(&Value::Text(text.to_owned())).ok(), expect, "{text}");
        }
        assert!(records(&Value::Number(0.5)).is_err() && records(&Value::Number(f64::NAN)).is_err());
    }

    #[test]
    fn what_a_spreadsheet_has_spoilt() {
        assert!(is_rounded(&Value::Text("5.299E+19".to_owned())) && is_rounded(&Value::Number(5.299e19)));
        // An LEI may look like one nearly, and isn't.
        assert!(!is_rounded(&Value::Text("5493001KJTIIGC8Y1E12".to_owned())));
        assert!(!is_rounded(&Value::Text("Acme.E+1".to_owned())));
        assert!(is_error("#N/A") && is_error("########") && !is_error("#1 Hosting"));
    }

    #[test]
    fn addresses_and_domains() {
        for (text, expect) in [
            ("jo@acme.example", true),
            ("jo.o'neil+x@mail.acme.example", true),
            ("jo@acme", false),
            ("jo acme.example", false),
            ("jo@@acme.example", false),
            ("@acme.example", false),
            ("jo@acme..example", false),
        ] {
            assert_eq!(is_mail(text), expect, "{text}");
        }
    }
}
