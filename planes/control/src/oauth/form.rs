//! `application/x-www-form-urlencoded` bodies, read in one way only.

use std::collections::HashSet;

use super::answer::Failure;

pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;
pub(super) const PARAMETERS_MAX: usize = 32;
const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";
/// The only parameter that may be there more than once (RFC 8707, section 2).
const REPEATABLE: &str = "resource";

/// The parameters of a request. Those without a value count as absent (RFC 6749, section 3.2).
#[derive(Default)]
pub(super) struct Form {
    parameters: Vec<(String, String)>,
}

impl Form {
    pub(super) fn parse(content_type: Option<&str>, body: &[u8]) -> Result<Self, Box<Failure>> {
        check_content_type(content_type)?;
        if body.len() > BODY_BYTES_MAX {
            return Err(refused(format!("the body has {} bytes", body.len()))
                .hint(format!("at most {BODY_BYTES_MAX} are read"))
                .into());
        }
        let mut parameters = Vec::new();
        let mut names = HashSet::new();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if parameters.len() == PARAMETERS_MAX {
                return Err(refused("there are too many parameters")
                    .hint(format!("at most {PARAMETERS_MAX} are read"))
                    .into());
            }
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            if name.is_empty() {
                return Err(refused("a parameter has no name").into());
            }
            if name != REPEATABLE && !names.insert(name.clone()) {
                return Err(refused(format!("the parameter `{}` is there twice", shown(&name)))
                    .hint("send each parameter once")
                    .into());
            }
            parameters.push((name, value));
        }
        Ok(Self { parameters })
    }

    /// Parameters that came another way, each once already.
    pub(super) fn of(parameters: Vec<(String, String)>) -> Result<Self, Box<Failure>> {
        if parameters.len() > PARAMETERS_MAX {
            return Err(refused("there are too many parameters")
                .hint(format!("at most {PARAMETERS_MAX} are read"))
                .into());
        }
        Ok(Self { parameters })
    }

    pub(super) fn one(&self, name: &'static str) -> Option<&str> {
        self.all(name).next()
    }

    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.parameters
            .iter()
            .filter(move |(found, value)| found == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
}

/// `text` short enough to be quoted.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

fn check_content_type(content_type: Option<&str>) -> Result<(), Box<Failure>> {
    let content_type = content_type.unwrap_or_default();
    let (media_type, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let parameter = parameters.trim().replace('"', "");
    let utf_8 = parameter.is_empty() || parameter.eq_ignore_ascii_case("charset=utf-8");
    if media_type.trim().eq_ignore_ascii_case(MEDIA_TYPE) && utf_8 {
        return Ok(());
    }
    Err(refused("the body is not a form").hint(format!("send it as `{MEDIA_TYPE}`")).into())
}

fn decode(text: &[u8]) -> Result<String, Box<Failure>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = (bytes.next().and_then(digit), bytes.next().and_then(digit));
                let (Some(high), Some(low)) = digits else {
                    return Err(refused("a `%` is not followed by two hexadecimal digits")
                        .hint("write a percent sign as `%25`")
                        .into());
                };
                high << 4 | low
            }
            other => other,
        });
    }
    String::from_utf8(decoded).map_err(|_| refused("a parameter is not UTF-8").into())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn refused(description: impl Into<String>) -> Failure {
    Failure::invalid_request(description)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(body: &str) -> Result<Vec<(String, String)>, String> {
        Form::parse(Some(MEDIA_TYPE), body.as_bytes())
            .map(|form| form.parameters)
            .map_err(|failure| failure.description)
    }

    #[test]
    fn what_is_read() {
        let check = |body: &str, expect: &[(&str, &str)]| {
            let expect: Vec<(String, String)> =
                expect.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            assert_eq!(parse(body), Ok(expect), "{body}");
        };
        check("", &[]);
        check("a=1&b=2", &[("a", "1"), ("b", "2")]);
        check("a=1&&b=x%20y+z&", &[("a", "1"), ("b", "x y z")]);
        check("a=b=c", &[("a", "b=c")]);
        check("a", &[("a", "")]);
        check("resource=x&resource=y", &[("resource", "x"), ("resource", "y")]);
        check("%61=%C3%A9", &[("a", "é")]);
    }

    #[test]
    fn what_is_refused() {
        let check = |body: &str, expect: &str| assert_eq!(parse(body), Err(expect.to_owned()), "{body}");
        check("a=1&a=1", "the parameter `a` is there twice");
        check("a=1&%61=", "the parameter `a` is there twice");
        check("=1", "a parameter has no name");
        check("a=%4", "a `%` is not followed by two hexadecimal digits");
        check("a=%+1", "a `%` is not followed by two hexadecimal digits");
        check("a=%zz", "a `%` is not followed by two hexadecimal digits");
        check("a=%ff", "a parameter is not UTF-8");
        let numbered = |count: usize| (0..count).map(|n| format!("a{n}=1")).collect::<Vec<_>>().join("&");
        assert_eq!(parse(&numbered(PARAMETERS_MAX)).unwrap().len(), PARAMETERS_MAX);
        check(&numbered(PARAMETERS_MAX + 1), "there are too many parameters");
        check(&format!("a={}", "x".repeat(BODY_BYTES_MAX)), "the body has 65538 bytes");
    }

    #[test]
    fn content_types() {
        let check = |content_type: Option<&str>, good: bool| {
            assert_eq!(Form::parse(content_type, b"a=1").is_ok(), good, "{content_type:?}");
        };
        check(Some("application/x-www-form-urlencoded"), true);
        check(Some("Application/X-WWW-Form-Urlencoded; charset=UTF-8"), true);
        check(Some("application/x-www-form-urlencoded;charset=\"utf-8\""), true);
        check(Some("application/x-www-form-urlencoded; charset=utf-16"), false);
        check(Some("application/json"), false);
        check(Some(""), false);
        check(None, false);
    }

    #[test]
    fn an_empty_value_counts_as_absent() {
        let form = Form::parse(Some(MEDIA_TYPE), b"scope=&grant_type=x").unwrap();
        assert_eq!(form.one("scope"), None);
        assert_eq!(form.one("grant_type"), Some("x"));
    }

    proptest! {
        #[test]
        fn pairs_come_back(pairs in proptest::collection::btree_map("\\PC{1,8}", "\\PC{0,8}", 0..8)) {
            let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
            let body: Vec<_> =
                pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
            prop_assert_eq!(parse(&body.join("&")), Ok(pairs.into_iter().collect()));
        }
    }
}
