//! Pages: somebody is called, and then the next one, until somebody answers.

use jiff::{SignedDuration, Timestamp};
use portcullis_ids::ids::{IncidentId, OperatorId, PageId, SeveranceId, VendorId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Characters of a title, which stands in a line, and of a text.
pub const TITLE_CHARACTERS_MAX: usize = 160;
pub const TEXT_CHARACTERS_MAX: usize = 2_000;

/// What somebody is called for. One page is raised for one cause, however often it is told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum PageCause {
    /// Opened by a severance, a vendor's notice or a slow drift: those that people open need no call.
    IncidentOpened {
        incident: IncidentId,
    },
    /// `REGIME/STAGE`: the last quarter of its time.
    ClockNear {
        incident: IncidentId,
        clock: String,
    },
    ClockMissed {
        incident: IncidentId,
        clock: String,
    },
    /// The day's rehearsal of a severance did not cut, or not in time.
    KillDrillFailed {
        drill: String,
    },
    /// A way of closing does not verify: something may be open that should be cut.
    ArmFailed {
        severance: SeveranceId,
        arm: String,
    },
    /// Somebody tries whether calls arrive.
    Tried {
        at: Timestamp,
    },
}

/// Pages that wait for an answer, and of them those about arms: one dead enforcer has one for each severance and arm, and
/// must not take the place of everything else.
const OPEN_MAX: usize = 500;
const OPEN_ARMS_MAX: usize = 50;

impl PageCause {
    /// How many of its kind may wait for an answer.
    #[must_use]
    pub fn open_max(&self) -> usize {
        if self.is_arm() { OPEN_ARMS_MAX } else { OPEN_MAX }
    }

    /// Whether it has room beside the causes that wait for an answer.
    #[must_use]
    pub fn has_room<'a>(&self, open: impl Iterator<Item = &'a Self>) -> bool {
        open.filter(|other| other.is_arm() == self.is_arm()).count() < self.open_max()
    }

    /// Whether it is about an arm, which the finding `path_not_closed` tells as well.
    #[must_use]
    pub fn is_arm(&self) -> bool {
        matches!(self, Self::ArmFailed { .. })
    }

    /// In a few words.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Self::IncidentOpened { .. } => "an incident was opened",
            Self::ClockNear { .. } => "a clock is nearly over",
            Self::ClockMissed { .. } => "a clock was missed",
            Self::KillDrillFailed { .. } => "the kill drill failed",
            Self::ArmFailed { .. } => "a way of severing fails",
            Self::Tried { .. } => "somebody tries whether calls arrive",
        }
    }
}

/// What whoever raises a page says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Raising {
    pub cause: PageCause,
    pub vendor: Option<VendorId>,
    /// In a line: what has happened, to whom.
    pub title: String,
    /// What is cut, what is read, what to do now. Nobody's name.
    pub text: String,
}

/// A page that was raised, as the ledger holds it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Page {
    pub id: PageId,
    /// By which people name it: no secret, for acknowledging takes an operator.
    pub code: String,
    #[serde(flatten)]
    pub cause: PageCause,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<VendorId>,
    pub title: String,
    pub text: String,
    pub time: Timestamp,
}

/// Somebody has answered: nobody else is called.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Acknowledgement {
    pub page: PageId,
    pub by: OperatorId,
    pub time: Timestamp,
}

impl Page {
    /// Texts are cut to what a call has room for, and hold no control characters but newlines.
    #[must_use]
    pub fn new(id: PageId, raising: Raising, time: Timestamp) -> Self {
        let Raising { cause, vendor, title, text } = raising;
        let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let plain = |letter: &char| *letter == '\n' || !letter.is_control();
        Self {
            id,
            code: code(id),
            cause,
            vendor,
            title: line(&title).chars().filter(plain).take(TITLE_CHARACTERS_MAX).collect(),
            text: text.chars().filter(plain).take(TEXT_CHARACTERS_MAX).collect(),
            time,
        }
    }
}

/// Eight letters of the id that nobody takes for another: enough for the pages of an installation.
fn code(id: PageId) -> String {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let number = id.0.as_u128();
    let letter = |place: u32| LETTERS.get((number >> (5 * place) & 31) as usize).copied().unwrap_or(b'0');
    let letters: String = (0..8).map(|place| char::from(letter(place))).collect();
    let (first, last) = letters.split_at(4);
    format!("{first}-{last}")
}

/// Whether people mean this code: case, spaces and hyphens don't matter.
#[must_use]
pub fn is_code(written: &str, code: &str) -> bool {
    let letters = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
    };
    letters(written) == letters(code)
}

/// Which steps of a plan are due, and when the next one is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Due {
    /// So many, from the first.
    pub steps: usize,
    pub next: Option<Timestamp>,
}

/// The steps that are due at `now`, of a page that was raised at `raised` and that nobody has acknowledged. `minutes` are those that each
/// step waits for an answer before the next; the first is due at once.
#[must_use]
pub fn due(raised: Timestamp, minutes: &[u32], now: Timestamp) -> Due {
    let mut at = raised;
    for (number, wait) in minutes.iter().enumerate() {
        if number > 0 && now < at {
            return Due { steps: number, next: Some(at) };
        }
        at = at.checked_add(SignedDuration::from_mins(i64::from(*wait))).unwrap_or(Timestamp::MAX);
    }
    Due { steps: minutes.len(), next: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + minute * 60).unwrap()
    }

    #[test]
    fn the_next_is_called_when_the_one_before_has_had_its_time() {
        let minutes = [5, 10, 30];
        for (now, steps, next) in [
            // A clock that was set back calls the first one all the same.
            (-3, 1, Some(5)),
            (0, 1, Some(5)),
            (4, 1, Some(5)),
            (5, 2, Some(15)),
            (14, 2, Some(15)),
            (15, 3, None),
            (10_000, 3, None),
        ] {
            assert_eq!(due(at(0), &minutes, at(now)), Due { steps, next: next.map(at) }, "{now}");
        }
        assert_eq!(due(at(0), &[], at(9)), Due { steps: 0, next: None });
        assert_eq!(due(at(0), &[0, 0], at(0)), Due { steps: 2, next: None });
    }

    #[test]
    fn a_code_is_what_people_write() {
        let id = PageId(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
        let code = code(id);
        assert_eq!(code.len(), 9);
        for written in [code.as_str(), &code.to_lowercase(), &code.replace('-', " "), &format!(" {code} ")] {
            assert!(is_code(written, &code), "{written}");
        }
        assert!(!is_code("", &code) && !is_code(&code[1..], &code));
    }

    #[test]
    fn texts_are_cut_and_a_title_is_a_line() {
        let raising = Raising {
            cause: PageCause::Tried { at: at(0) },
            vendor: None,
            title: format!("a\r\nBcc: all@example\u{7} {}", "x".repeat(500)),
            text: "one\ntwo\u{1b}[31m\r\n".to_owned() + &"y".repeat(5_000),
        };
        let page = Page::new(PageId(Uuid::nil()), raising, at(0));
        assert!(page.title.starts_with("a Bcc: all@example x") && !page.title.contains('\n'));
        assert_eq!(page.title.chars().count(), TITLE_CHARACTERS_MAX);
        assert!(page.text.starts_with("one\ntwo[31m\n"));
        assert_eq!(page.text.chars().count(), TEXT_CHARACTERS_MAX);
    }
}
