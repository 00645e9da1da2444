//! What is sent: signed as Standard Webhooks has it, and rendered for whoever wants another form.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::notice::{Notice, PLACEHOLDERS};

/// Before a secret that is written in base64.
const SECRET_PREFIX: &str = "whsec_";
/// Secrets at the same time, while one takes the other's place.
const SECRETS_MAX: usize = 4;
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const TEMPLATE_BYTES_MAX: usize = 64 << 10;

/// Why settings of a webhook can't be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WebhookError {
    #[error(
        "the secret has {0} bytes\nhint: use 24 to 64 random ones, as `whsec_` and base64: `echo whsec_$(openssl rand -base64 32)`"
    )]
    SecretLength(usize),
    #[error(
        "the secret can't be read\nhint: write `whsec_` and base64, one secret a line, up to {SECRETS_MAX}"
    )]
    Secret,
    #[error(
        "the template is no JSON: {0}\nhint: placeholders stand within quotes, such as \"{{{{title}}}}\""
    )]
    Template(String),
    #[error("the template names `{{{{{name}}}}}`, which there isn't\nhint: there are {}", PLACEHOLDERS.join(", "))]
    Placeholder { name: String },
    #[error("the template has more than {TEMPLATE_BYTES_MAX} bytes")]
    TemplateLength,
}

/// What a receiver knows us by; while one is replaced, both sign.
pub struct Secrets(Vec<hmac::Key>);

impl Secrets {
    /// # Errors
    /// A line that is no secret.
    pub fn parse(text: &str) -> Result<Self, WebhookError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let keys = lines.map(|line| {
            let encoded = line.strip_prefix(SECRET_PREFIX).ok_or(WebhookError::Secret)?;
            let bytes = STANDARD.decode(encoded).map_err(|_| WebhookError::Secret)?;
            if !SECRET_BYTES.contains(&bytes.len()) {
                return Err(WebhookError::SecretLength(bytes.len()));
            }
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() || keys.len() > SECRETS_MAX {
            return Err(WebhookError::Secret);
        }
        Ok(Self(keys))
    }

    /// The header `webhook-signature` of a body that is sent at `seconds` (Standard Webhooks 1.0, "Signature scheme").
    #[must_use]
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mut signed = format!("{id}.{seconds}.").into_bytes();
        signed.extend_from_slice(body);
        let signatures = self.0.iter().map(|key| format!("v1,{}", STANDARD.encode(hmac::sign(key, &signed))));
        signatures.collect::<Vec<_>>().join(" ")
    }
}

/// A body in another's words: JSON, in whose texts placeholders stand. It is read before they are filled in, so that
/// nothing that is filled in can be anything but text.
#[derive(Clone, PartialEq, Debug)]
pub struct Template(Value);

impl Template {
    /// # Errors
    /// It is no JSON, or names what there isn't.
    pub fn parse(text: &str) -> Result<Self, WebhookError> {
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(WebhookError::TemplateLength);
        }
        let value: Value =
            serde_json::from_str(text).map_err(|error| WebhookError::Template(error.to_string()))?;
        check(&value)?;
        Ok(Self(value))
    }

    #[must_use]
    pub fn render(&self, notice: &Notice) -> Value {
        filled(&self.0, notice)
    }
}

fn check(value: &Value) -> Result<(), WebhookError> {
    match value {
        Value::String(text) => pieces(text).try_for_each(|piece| match piece {
            Piece::Place(name) if !PLACEHOLDERS.contains(&name) => {
                Err(WebhookError::Placeholder { name: name.chars().take(60).collect() })
            }
            _ => Ok(()),
        }),
        Value::Array(values) => values.iter().try_for_each(check),
        Value::Object(members) => members.values().try_for_each(check),
        _ => Ok(()),
    }
}

fn filled(value: &Value, notice: &Notice) -> Value {
    match value {
        Value::String(text) => {
            let fill = |piece| match piece {
                Piece::Text(text) => text.to_owned(),
                Piece::Place(name) => notice.placeholder(name).unwrap_or_default(),
            };
            Value::String(pieces(text).map(fill).collect())
        }
        Value::Array(values) => values.iter().map(|value| filled(value, notice)).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), filled(value, notice))).collect())
        }
        other => other.clone(),
    }
}

enum Piece<'a> {
    Text(&'a str),
    Place(&'a str),
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    text.split("{{").enumerate().flat_map(|(number, part)| {
        match part.split_once("}}").filter(|_| number > 0) {
            Some((name, rest)) => [Some(Piece::Place(name.trim())), Some(Piece::Text(rest))],
            None if number > 0 => [Some(Piece::Text("{{")), Some(Piece::Text(part))],
            None => [Some(Piece::Text(part)), None],
        }
        .into_iter()
        .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(title: &str) -> Notice {
        Notice { title: title.to_owned(), ..Notice::test("ledger-1".to_owned(), jiff::Timestamp::UNIX_EPOCH) }
    }

    #[test]
    fn signatures_are_those_of_the_specification() {
        // Its own example.
        let secrets = Secrets::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = secrets.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let two = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\nwhsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
        let both = Secrets::parse(two).unwrap().sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert!(both.starts_with(&format!("{signed} v1,")), "{both}");
        for (text, words) in
            [("", "can't be read"), ("abc", "can't be read"), ("whsec_AAAA", "3 bytes"), ("whsec_$", "can't")]
        {
            let error = Secrets::parse(text).err().unwrap().to_string();
            assert!(error.contains(words) && error.contains("hint: "), "{text}: {error}");
        }
    }

    #[test]
    fn whatever_is_filled_in_stays_text() {
        let template = r#"{"fields": {"summary": "[{{vendor}}] {{title}}", "labels": ["{{ type }}"], "n": 5, "open": "{{"}}"#;
        let evil = "\"},\"admin\":true,{\" {{vendor}} \u{1} \\ \n";
        let body = Template::parse(template).unwrap().render(&notice(evil));
        let again: Value = serde_json::from_slice(&serde_json::to_vec(&body).unwrap()).unwrap();
        assert_eq!(again["fields"]["summary"], format!("[] {evil}"));
        assert_eq!(again["fields"]["labels"][0], "portcullis.test");
        assert_eq!(again["fields"]["open"], "{{");
        assert_eq!(again.as_object().unwrap().len(), 1);
        assert!(matches!(Template::parse("{\"a\": \"{{nobody}}\"}"), Err(WebhookError::Placeholder { .. })));
        assert!(matches!(Template::parse("{{title}}"), Err(WebhookError::Template(_))));
    }

    #[test]
    fn what_is_wanted_is_named_whole_or_by_its_group() {
        let check = |wanted: &[&str], kind: &str, expect: bool| {
            let wanted: Vec<String> = wanted.iter().map(|one| (*one).to_owned()).collect();
            let notice = Notice { kind: kind.to_owned(), ..notice("x") };
            assert_eq!(notice.is_wanted(&wanted), expect, "{wanted:?} {kind}");
        };
        check(&[], "page", true);
        check(&["*"], "page", true);
        check(&["stop"], "stop.began", true);
        check(&["stop.*"], "stop.began", true);
        check(&["stop.ended"], "stop.began", false);
        check(&["page"], "page", true);
        check(&["sto"], "stop.began", false);
    }
    /// A page is what somebody on call answers, and is in the ledger; nothing else is called one.
    #[test]
    fn the_reference_names_each_type_and_calls_one_thing_a_page() {
        let text = include_str!("../../../../docs/reference/operations.md");
        let (_, table) = text.split_once("| type, after `portcullis.` | when |\n").unwrap();
        let (table, _) = table.split_once("\n\n").unwrap();
        let types: Vec<&str> = table.lines().filter_map(|line| line.split(" | ").next()).collect();
        let types = types.join(" ").to_lowercase();
        for kind in crate::assurance::notice::KINDS.into_iter().chain(["page.raised"]) {
            let kind = kind.trim_end_matches('*');
            assert!(types.contains(&format!("`{kind}")), "{kind}: {types}");
        }
        assert!(text.contains("Pages are [events](ledger.md)"));
        assert!(!text.contains("Pages are in no ledger"), "what waits for webhooks are notices");
        let row = table.lines().find(|line| line.starts_with("| `page` |")).unwrap();
        assert!(row.contains("notice") && row.contains("nobody answers"), "{row}");
    }
}
