//! What a check found.

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Good,
    Skipped,
    Fault,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Skipped => "skipped",
            Self::Fault => "FAULT",
        }
    }
}

/// One line, and below it what deserves a look.
#[derive(Debug)]
pub struct Outcome {
    pub verdict: Verdict,
    pub line: String,
    pub details: Vec<String>,
}

impl Outcome {
    pub fn good(line: impl Into<String>) -> Self {
        Self { verdict: Verdict::Good, line: line.into(), details: Vec::new() }
    }

    pub fn skipped(line: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skipped, line: line.into(), details: Vec::new() }
    }

    pub fn fault(line: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fault, line: line.into(), details: Vec::new() }
    }

    /// Good with `line` when there is no fault, else their number and all of them.
    pub fn of(faults: Vec<String>, line: impl Into<String>) -> Self {
        if faults.is_empty() {
            return Self::good(line);
        }
        let count = faults.len();
        let noun = if count == 1 { "fault" } else { "faults" };
        Self { verdict: Verdict::Fault, line: format!("{count} {noun}"), details: faults }
    }

    /// Adds lines that are no faults.
    pub fn noting(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(notes);
        self
    }
}
