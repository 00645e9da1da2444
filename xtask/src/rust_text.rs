//! Rust text with strings and comments blanked out, so that a search finds code only.

use std::ops::Range;

/// `source` with each byte of a comment, string or character literal replaced by a space, except
/// quotes and line ends: places stay what they were.
pub fn blanked(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut place = 0;
    while place < bytes.len() {
        let end = skip(bytes, place);
        for blank in out.get_mut(place..end).into_iter().flatten() {
            if !matches!(*blank, b'\n' | b'"') {
                *blank = b' ';
            }
        }
        place = end.max(place + 1);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Where the comment or literal that begins at `place` ends; `place` itself if none does.
fn skip(bytes: &[u8], place: usize) -> usize {
    let rest = bytes.get(place..).unwrap_or_default();
    let before_is_name = place.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(is_name_byte);
    let length = match rest {
        [b'/', b'/', ..] => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => string(rest),
        [b'r', b'"' | b'#', ..] if !before_is_name => raw_string(rest, 1),
        [b'b', b'r', b'"' | b'#', ..] if !before_is_name => raw_string(rest, 2),
        [b'\'', b'\\', ..] => {
            3 + rest.iter().skip(3).position(|byte| *byte == b'\'').map_or(0, |found| found + 1)
        }
        // A lifetime has no quote behind its first character.
        [b'\'', first, b'\'', ..] if first.is_ascii() => 3,
        _ => 0,
    };
    place + length.min(rest.len())
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut place) = (0_usize, 0);
    while place < rest.len() {
        match rest.get(place..place + 2) {
            Some(b"/*") => depth += 1,
            Some(b"*/") => depth -= 1,
            _ => {
                place += 1;
                continue;
            }
        }
        place += 2;
        if depth == 0 {
            return place;
        }
    }
    rest.len()
}

fn string(rest: &[u8]) -> usize {
    let mut place = 1;
    while let Some(byte) = rest.get(place) {
        match byte {
            b'\\' => place += 2,
            b'"' => return place + 1,
            _ => place += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[u8], prefix: usize) -> usize {
    let hashes = rest.iter().skip(prefix).take_while(|byte| **byte == b'#').count();
    let start = prefix + hashes + 1;
    if rest.get(start - 1) != Some(&b'"') {
        return 0;
    }
    let mut closing = vec![b'"'];
    closing.resize(hashes + 1, b'#');
    let body = rest.get(start..).unwrap_or_default();
    let found = body.windows(closing.len()).position(|window| window == closing);
    found.map_or(rest.len(), |found| start + found + closing.len())
}

/// The attributes of blanked text: `#[…]` and `#![…]`.
pub fn attributes(blanked: &str) -> Vec<Range<usize>> {
    let openings = blanked.match_indices("#[").chain(blanked.match_indices("#!["));
    openings.map(|(start, _)| start..closing(blanked, start, b'[', b']')).collect()
}

/// The test modules of blanked text: from `#[cfg(test)]` to the end of the item below it.
pub fn test_modules(blanked: &str) -> Vec<Range<usize>> {
    let found = blanked.match_indices("#[cfg(test)]").map(|(start, attribute)| {
        let rest = blanked.get(start + attribute.len()..).unwrap_or_default();
        let end = match rest.find(['{', ';']) {
            Some(place) if rest.get(place..).is_some_and(|item| item.starts_with('{')) => {
                closing(blanked, start + attribute.len() + place, b'{', b'}')
            }
            Some(place) => start + attribute.len() + place,
            None => blanked.len(),
        };
        start..end
    });
    found.collect()
}

/// Behind the bracket that closes the first one at or after `start`.
fn closing(blanked: &str, start: usize, open: u8, close: u8) -> usize {
    let mut depth = 0_usize;
    for (place, byte) in blanked.bytes().enumerate().skip(start) {
        if byte == open {
            depth += 1;
        } else if byte == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return place + 1;
            }
        }
    }
    blanked.len()
}

/// Where `word` stands as a whole, in blanked text.
pub fn words<'a>(blanked: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    blanked.match_indices(word).map(|(place, _)| place).filter(move |place| {
        let bytes = blanked.as_bytes();
        let before = place.checked_sub(1).and_then(|before| bytes.get(before));
        let after = bytes.get(place + word.len());
        let last_is_name = word.as_bytes().last().is_some_and(is_name_byte);
        let goes_on = last_is_name && after.is_some_and(is_name_byte);
        !before.is_some_and(is_name_byte) && !goes_on
    })
}

fn is_name_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_comments_are_blank() {
        for (source, expect) in [
            (r#"a("x")b"#, r#"a(" ")b"#),
            (r#""\"x" y"#, r#"" " " y"#),
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            ("r#\"a\"b\"# c", "  \" \" \"  c"),
            ("br\"x\" c", "  \" \" c"),
            ("'\"' a \"b\"", " \"  a \" \""),
            (r"'\'' a", "     a"),
            ("&'a str 'b'", "&'a str    "),
            ("r#type", "r#type"),
            ("bar\"x\"", "bar\" \""),
        ] {
            assert_eq!(blanked(source), expect, "{source}");
            assert_eq!(blanked(source).len(), source.len());
        }
    }

    #[test]
    fn open_ends_are_no_panic() {
        for source in
            ["\"", "/*", "r#\"", "'\\", "b'", "\"\\", "//", "'", "#[", "#[cfg(test)]", "#[cfg(test)] mod a {"]
        {
            let text = blanked(source);
            let _ = (attributes(&text), test_modules(&text));
        }
    }

    #[test]
    fn parts_are_found() {
        let source = "#[allow(a[1])] fn b() {}\n#[cfg(test)]\nmod tests { fn c() { {} } }\nfn d() {}";
        let found: Vec<_> = attributes(source).into_iter().map(|range| &source[range]).collect();
        assert_eq!(found, ["#[allow(a[1])]", "#[cfg(test)]"]);
        let modules: Vec<_> = test_modules(source).into_iter().map(|range| &source[range]).collect();
        assert_eq!(modules, ["#[cfg(test)]\nmod tests { fn c() { {} } }"]);
        assert_eq!(words("sleep( asleep( sleeper( x.sleep(", "sleep(").count(), 2);
        assert_eq!(words("todo todos", "todo").count(), 1);
    }
}
