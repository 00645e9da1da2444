//! Distinguished names as RFC 4514 writes them, compared with those of certificates.

use x509_parser::x509::X509Name;

/// A name has at most this many attributes; more matches nothing.
const ATTRIBUTES_MAX: usize = 64;

/// Relative names, the most specific first; within one the order doesn't count, so it is sorted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct DistinguishedName(Vec<Vec<Attribute>>);

/// Type as a dotted object identifier, and value.
type Attribute = (String, String);

impl DistinguishedName {
    /// Reads an RFC 4514 string. Attribute types may be short names in any case or dotted object
    /// identifiers; values in `#` form (the hexadecimal of their encoding) are not read.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut names = vec![Vec::new()];
        let mut rest = text;
        for _ in 0..ATTRIBUTES_MAX {
            let (kind, after) = rest.split_once('=')?;
            let (value, separator, after) = value(after)?;
            names.last_mut()?.push((object_identifier(kind.trim())?, value));
            match separator {
                None => return Some(Self::sorted(names)),
                Some('+') => {}
                Some(_) => names.push(Vec::new()),
            }
            rest = after;
        }
        None
    }

    /// `None` if a value isn't text, or there is no attribute at all.
    pub(super) fn of_certificate(name: &X509Name<'_>) -> Option<Self> {
        let mut names = Vec::new();
        for relative in name.iter_rdn() {
            let attribute = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| {
                Some((attribute.attr_type().to_id_string(), attribute.as_str().ok()?.to_owned()))
            };
            names.push(relative.iter().map(attribute).collect::<Option<Vec<_>>>()?);
        }
        // RFC 4514, section 2.1: the string starts with the last element of the sequence.
        names.reverse();
        (!names.is_empty() && names.len() <= ATTRIBUTES_MAX).then(|| Self::sorted(names))
    }

    /// Equal, or written in the other direction, as some programs do.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0 || self.0.iter().rev().eq(other.0.iter())
    }

    fn sorted(mut names: Vec<Vec<Attribute>>) -> Self {
        names.iter_mut().for_each(|relative| relative.sort());
        Self(names)
    }
}

/// The value up to an unescaped separator, the separator, and what follows it.
fn value(text: &str) -> Option<(String, Option<char>, &str)> {
    let text = text.trim_start_matches(' ');
    if text.starts_with('#') {
        return None;
    }
    let mut bytes = Vec::new();
    // The length up to which spaces were escaped, and so are part of the value.
    let mut kept = 0;
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            ',' | '+' | ';' => {
                return Some((finished(bytes, kept)?, Some(character), text.get(place + 1..)?));
            }
            '\\' => {
                let (_, first) = characters.next()?;
                match first.to_digit(16) {
                    Some(high) => {
                        let low = characters.next().and_then(|(_, second)| second.to_digit(16))?;
                        bytes.push(u8::try_from(high << 4 | low).ok()?);
                    }
                    None if " \"#+,;<=>\\".contains(first) => bytes.push(u8::try_from(first).ok()?),
                    None => return None,
                }
                kept = bytes.len();
            }
            '"' | '<' | '>' | '\0' => return None,
            other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Some((finished(bytes, kept)?, None, ""))
}

fn finished(mut bytes: Vec<u8>, kept: usize) -> Option<String> {
    while bytes.len() > kept && bytes.last() == Some(&b' ') {
        bytes.pop();
    }
    String::from_utf8(bytes).ok()
}

/// The types of RFC 4514 and RFC 4519 that stand in certificates.
fn object_identifier(kind: &str) -> Option<String> {
    if kind.starts_with(|first: char| first.is_ascii_digit()) {
        let dotted = kind.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        return dotted.then(|| kind.to_owned());
    }
    let known = match kind.to_ascii_lowercase().as_str() {
        "cn" | "commonname" => "2.5.4.3",
        "sn" | "surname" => "2.5.4.4",
        "serialnumber" => "2.5.4.5",
        "c" | "countryname" => "2.5.4.6",
        "l" | "localityname" => "2.5.4.7",
        "st" | "s" | "stateorprovincename" => "2.5.4.8",
        "street" | "streetaddress" => "2.5.4.9",
        "o" | "organizationname" => "2.5.4.10",
        "ou" | "organizationalunitname" => "2.5.4.11",
        "title" => "2.5.4.12",
        "gn" | "givenname" => "2.5.4.42",
        "organizationidentifier" => "2.5.4.97",
        "uid" | "userid" => "0.9.2342.19200300.100.1.1",
        "dc" | "domaincomponent" => "0.9.2342.19200300.100.1.25",
        "e" | "email" | "emailaddress" => "1.2.840.113549.1.9.1",
        _ => return None,
    };
    Some(known.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<Vec<Vec<(String, String)>>> {
        DistinguishedName::parse(text).map(|name| name.0)
    }

    #[test]
    fn the_same_name_in_other_words() {
        let check = |left: &str, right: &str, same: bool| {
            let parsed = |text| DistinguishedName::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(parsed(left).is_same(&parsed(right)), same, "{left} / {right}");
        };
        check("CN=a,O=b,C=DE", "cn=a, o=b, c=DE", true);
        check("CN=a,O=b,C=DE", "C=DE,O=b,CN=a", true);
        check("CN=a,O=b,C=DE", "2.5.4.3=a,2.5.4.10=b,2.5.4.6=DE", true);
        check("CN=a+UID=7,O=b", "UID=7+CN=a,O=b", true);
        check("CN=a\\, b", "CN=a\\2C b", true);
        check("CN=\\C3\\A9", "CN=é", true);
        check("CN=a", "CN=A", false);
        check("CN=a,O=b", "CN=a", false);
        check("CN=a,O=b,C=DE", "O=b,CN=a,C=DE", false);
        check("CN=a\\20", "CN=a", false);
        check("CN=a+UID=7,O=b", "CN=a,UID=7,O=b", false);
    }

    #[test]
    fn examples_of_rfc_4514() {
        let oid = |kind: &str| object_identifier(kind).unwrap();
        let one = |kind: &str, value: &str| vec![(oid(kind), value.to_owned())];
        assert_eq!(
            read("UID=jsmith,DC=example,DC=net"),
            Some(vec![one("UID", "jsmith"), one("DC", "example"), one("DC", "net")])
        );
        assert_eq!(
            read("CN=James \\\"Jim\\\" Smith\\, III,DC=net"),
            Some(vec![one("CN", "James \"Jim\" Smith, III"), one("DC", "net")])
        );
        assert_eq!(read("CN=Before\\0dAfter"), Some(vec![one("CN", "Before\rAfter")]));
        assert_eq!(read("CN=Lu\\C4\\8Di\\C4\\87"), Some(vec![one("CN", "Lučić")]));
        for refused in [
            "",
            "CN",
            "=x",
            "FOO=x",
            "1.3.6.1.4.1.1466.0=#04024869",
            "CN=a\"b",
            "CN=a\\",
            "CN=a,",
            "CN=\\zz",
            "CN=\\ff",
        ] {
            assert_eq!(read(refused), None, "{refused}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "\\PC{0,60}") {
            let _ = DistinguishedName::parse(&text);
        }

        #[test]
        fn escaped_values_come_back(value in "\\PC{1,20}") {
            let escaped: String = value.bytes().map(|byte| format!("\\{byte:02x}")).collect();
            prop_assert_eq!(read(&format!("CN={escaped}")), Some(vec![vec![("2.5.4.3".to_owned(), value)]]));
        }
    }
}
