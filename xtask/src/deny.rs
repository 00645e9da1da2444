//! The lists of deny.toml, so that cargo-deny and these checks can't differ.
//!
//! Reads only what that file needs: a list that opens with `NAME = [` at the start of a line in its
//! section, one entry to a line, and closes with `]`.

/// The entries of `[section]`'s list `name`, as they are written.
///
/// # Errors
/// When there is no such list.
pub fn list<'a>(text: &'a str, section: &str, name: &str) -> Result<Vec<&'a str>, String> {
    let header = format!("[{section}]");
    let opening = format!("{name} = [");
    let mut lines = text.lines().map(str::trim).skip_while(|line| *line != header).skip(1);
    lines
        .by_ref()
        .take_while(|line| !line.starts_with('['))
        .find(|line| *line == opening)
        .ok_or_else(|| format!("deny.toml has no list `{name}` in `{header}`"))?;
    Ok(lines
        .take_while(|line| *line != "]")
        .map(|line| line.trim_end_matches(','))
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect())
}

/// The text between the quotes of `KEY = "…"` in an inline table.
pub fn member<'a>(entry: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = entry.split_once(&format!("{key} = \""))?;
    rest.split_once('"').map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[licenses]
# Which.
allow = [
    "MIT",
    # Why this one.
    "ISC",
]

[bans]
skip = [
    { crate = "syn@2", reason = "proc macros" },
]
"#;

    #[test]
    fn lists_and_members_are_read() {
        assert_eq!(list(TEXT, "licenses", "allow").unwrap(), ["\"MIT\"", "\"ISC\""]);
        let skip = list(TEXT, "bans", "skip").unwrap();
        assert_eq!(member(skip[0], "crate"), Some("syn@2"));
        assert_eq!(member(skip[0], "reason"), Some("proc macros"));
        assert!(list(TEXT, "licenses", "skip").is_err());
        assert!(list(TEXT, "sources", "allow").is_err());
    }
}
