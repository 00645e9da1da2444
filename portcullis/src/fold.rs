//! Words for a terminal of a given width.

/// Parted at spaces into lines of at most `width` characters; a longer word stays whole.
pub fn folded(text: &str, width: usize) -> Vec<String> {
    let indent = text.len() - text.trim_start().len();
    if text.chars().count() <= width {
        return vec![text.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{}{word}", " ".repeat(indent))),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_no_wider_than_they_may_be() {
        assert_eq!(folded("  one two three", 9), ["  one two", "  three"]);
        assert_eq!(folded("éé éé", 5), ["éé éé"]);
        assert_eq!(folded("a   b", 5), ["a   b"]);
    }
}
