//! Templates of paths, where a log holds the paths as they were asked for.

use crate::hash;

/// Deeper parts of a path are told by `…`.
const PARTS_MAX: usize = 12;

/// A path's template, and the hash of what stood in its places.
///
/// A place is a part that is a number, a UUID, or letters and digits as long as a hash; a name in front of a number
/// (`order-17`) and an ending (`17.json`) stay. What follows `?` isn't looked at.
#[must_use]
pub fn of(target: &str) -> (String, Option<u32>) {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    // Proxies are asked for whole addresses.
    let path = match path.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => path,
    };
    let (mut template, mut ids) = (String::new(), Vec::new());
    for (place, part) in path.split('/').skip(usize::from(path.starts_with('/'))).enumerate() {
        if place >= PARTS_MAX {
            template.push_str("/…");
            break;
        }
        template.push('/');
        match place_in(part) {
            Some((begin, end)) => {
                template.push_str(part.get(..begin).unwrap_or_default());
                template.push_str("{id}");
                template.push_str(part.get(end..).unwrap_or_default());
                ids.extend_from_slice(part.as_bytes());
                ids.push(b'/');
            }
            None => template.push_str(part),
        }
    }
    (template, (!ids.is_empty()).then(|| hash::short(&ids)))
}

/// Where in a part an id stands.
fn place_in(part: &str) -> Option<(usize, usize)> {
    let end = part.find('.').filter(|at| *at > 0).unwrap_or(part.len());
    let stem = part.get(..end)?;
    if is_id(stem) {
        return Some((0, end));
    }
    // `order-17`, `user:17`: the name says what it is.
    let begin = stem.rfind(['-', '_', ':', '=', '~'])? + 1;
    let tail = stem.get(begin..)?;
    (!tail.is_empty() && tail.bytes().all(|byte| byte.is_ascii_digit())).then_some((begin, end))
}

fn is_id(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if text.is_empty() || digits == 0 && text.len() < 32 {
        return false;
    }
    if digits == text.len() {
        return true;
    }
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_uuid(text)
        || is_hex && (text.len() >= 16 || text.len() >= 8 && digits >= 2)
        // ULIDs, base64url and the like: long, and digits among the letters.
        || text.len() >= 20
            && digits >= 3
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// 8-4-4-4-12 hexadecimal digits.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_places_and_names_stay() {
        for (target, expect) in [
            ("/", "/"),
            ("/parcels/17", "/parcels/{id}"),
            ("/parcels/17.json?x=1", "/parcels/{id}.json"),
            ("/v1/users/3f2504e0-4f89-11d3-9a0c-0305e82c3301/keys", "/v1/users/{id}/keys"),
            ("/blob/d41d8cd98f00b204e9800998ecf8427e", "/blob/{id}"),
            ("/order-17/items", "/order-{id}/items"),
            ("/o/01M7Q5CQKV0W3GE1R70W3GE1R7", "/o/{id}"),
            ("/api/v2/oauth2/s3", "/api/v2/oauth2/s3"),
            ("/dead/beef/facade", "/dead/beef/facade"),
            ("/internationalization", "/internationalization"),
            ("http://example.com/a/1", "/a/{id}"),
            ("*", "/*"),
            ("", "/"),
        ] {
            assert_eq!(of(target).0, expect, "{target}");
        }
        let deep = of(&"/a".repeat(40)).0;
        assert_eq!(deep, format!("{}/…", "/a".repeat(12)));
        assert_eq!(of("/a").1, None);
        assert_ne!(of("/a/1").1, of("/a/2").1);
    }
}
