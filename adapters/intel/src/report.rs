//! What was found in a feed.

/// Broken lines that are shown, the first ones.
const SHOWN: usize = 5;
const SHOWN_CHARACTERS: usize = 80;

/// What was found in a feed that was read.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Report {
    /// Such as `addresses, one a line`.
    pub format: String,
    pub bytes: u64,
    /// Entries that were read, before those that touch became one.
    pub entries: u64,
    /// What is kept of them: ranges, fingerprints, numbers or rows.
    pub kept: u64,
    /// Reserved blocks (RFC 6890), which are left out.
    pub reserved: u64,
    pub broken: u64,
    pub first_broken: Vec<Broken>,
    /// The last line doesn't end: something may be missing.
    pub unended: bool,
}

/// A line or an entry that can't be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// Counted from 1; in JSON the number of the value; 0 of the whole.
    pub line: u64,
    /// The beginning of it.
    pub text: String,
    pub why: &'static str,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        write!(f, "`{}` {}", self.text, self.why)
    }
}

impl Report {
    /// Takes over what was found in the lines behind the first `lines`.
    pub(crate) fn absorb(&mut self, piece: &mut Self, lines: u64) {
        self.reserved += piece.reserved;
        self.broken += piece.broken;
        self.unended |= piece.unended;
        let left = SHOWN - self.first_broken.len();
        let shown = piece.first_broken.drain(..).take(left);
        self.first_broken.extend(shown.map(|broken| Broken { line: broken.line + lines, ..broken }));
    }

    pub(crate) fn broken(&mut self, line: u64, text: &[u8], why: &'static str) {
        self.broken += 1;
        if self.first_broken.len() < SHOWN {
            // Four bytes a character at most.
            let text = text.get(..SHOWN_CHARACTERS * 4).unwrap_or(text);
            let text = String::from_utf8_lossy(text);
            let text = text.chars().take(SHOWN_CHARACTERS).flat_map(char::escape_debug).collect();
            self.first_broken.push(Broken { line, text, why });
        }
    }
}
