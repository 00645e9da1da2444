//! The products of a user agent: what of it stays the same from day to day.

use crate::call::TlsClient;
use crate::template::is_uuid;

const PRODUCTS_MAX: usize = 10;

/// The names of the products, without versions, ids and links, each once. Two builds of one program are the same, and
/// another library is another.
#[must_use]
pub fn products(agent: &str) -> Option<TlsClient> {
    let agent = agent.trim();
    if agent.is_empty() || agent == "-" {
        return None;
    }
    let mut names: Vec<String> = Vec::new();
    let words = agent.split(|letter: char| letter.is_whitespace() || ";,()[]{}\"+'".contains(letter));
    for word in words.take(200) {
        if word.contains("://") {
            continue;
        }
        let name = named(word.split('/').next().unwrap_or_default());
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
        if names.len() >= PRODUCTS_MAX {
            break;
        }
    }
    Some(TlsClient::Agent(if names.is_empty() { "(no product)".to_owned() } else { names.join(" ") }))
}

/// Without a version at its end, and without ids.
fn named(word: &str) -> String {
    let parts = word.split('_').filter(|part| !is_uuid(part));
    let kept: Vec<&str> = parts.collect();
    let word = kept.join("_");
    let versioned = word.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    // `v2` is part of a name; what holds no letter is none.
    let name = if word.ends_with("-v2") || word.ends_with("-v3") { word.as_str() } else { versioned };
    let name = name.trim_matches(|letter: char| !letter.is_alphanumeric());
    let hexadecimal = name.len() >= 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hexadecimal || !name.chars().any(char::is_alphabetic) {
        return String::new();
    }
    name.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_stay_and_versions_go() {
        let check = |agent: &str, expect: Option<&str>| {
            let products = products(agent);
            assert_eq!(products.as_ref().map(TlsClient::as_str), expect, "{agent}");
        };
        check(
            "aws-sdk-go/1.41.4 (go1.18.3; linux; amd64) amazon-ssm-agent/",
            Some("aws-sdk-go go linux amd amazon-ssm-agent"),
        );
        check("aws-sdk-go-v2/1.17.0 os/linux lang/go/1.18.10", Some("aws-sdk-go-v2 os lang"));
        check("stratus-red-team_39f95f43-cd2f-4beb-b69e-be60b6fe1f57", Some("stratus-red-team"));
        check("[Boto3/1.26.165 Python/3.10.6]", Some("Boto Python"));
        check("curl/8.5.0", Some("curl"));
        check("-", None);
        check("1.2.3", Some("(no product)"));
    }
}
