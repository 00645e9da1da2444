//! Answers in a spreadsheet: our own, and those that firms send each other, with a row for each question.

use serde::Serialize;

use super::Given;
use crate::evidence::Domain;
use crate::names::fold::plain;
use crate::sheet::{Row, Sheet, letters};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    Id,
    Question,
    Answer,
    Comment,
    Evidence,
}

impl Field {
    pub const ALL: [Self; 5] = [Self::Id, Self::Question, Self::Answer, Self::Comment, Self::Evidence];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Question => "question",
            Self::Answer => "answer",
            Self::Comment => "comment",
            Self::Evidence => "evidence",
        }
    }

    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.word() == word.trim().to_ascii_lowercase())
    }

    fn synonyms(self) -> &'static [&'static str] {
        match self {
            Self::Id => &[
                "id",
                "questionid",
                "quesnum",
                "questionnumber",
                "questionno",
                "qid",
                "ref",
                "reference",
                "number",
                "no",
                "nr",
                "serialno",
                "controlid",
                "fragenr",
            ],
            Self::Question => &[
                "question",
                "questiontext",
                "questionrequest",
                "assessmentquestion",
                "consensusassessmentquestion",
                "control",
                "frage",
            ],
            Self::Answer => &[
                "answer",
                "response",
                "cspcaiqanswer",
                "caiqanswer",
                "vendorresponse",
                "vendoranswer",
                "yesnona",
                "yesno",
                "consensusassessmentanswer",
                "antwort",
            ],
            Self::Comment => &[
                "comment",
                "comments",
                "additionalinformation",
                "explanation",
                "notes",
                "remarks",
                "justification",
                "cspimplementationdescription",
                "vendorcomments",
                "details",
                "kommentar",
                "bemerkung",
            ],
            Self::Evidence => &["evidence", "evidenceid"],
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TableError {
    #[error(
        "no row names both the ids of questions and their answers\nhint: say what columns are by `--map id=HEADER --map answer=HEADER`, and where they stand by `--header-row N`"
    )]
    NoHeader,
    #[error("no column is called `{0}`\nhint: write it as the header has it, or by its letter")]
    NoColumn(String),
    #[error("{place}: `{text}` is no id of evidence\nhint: `portcullis vendor show VENDOR` lists them")]
    Evidence { place: String, text: String },
    #[error("there are no answers in it")]
    Empty,
}

/// The answers of a sheet, and which columns they were taken from.
///
/// # Errors
/// [`TableError`].
pub fn answers(
    sheet: &Sheet,
    mapped: &[(Field, String)],
    header_row: Option<u32>,
) -> Result<(Vec<Given>, Vec<String>), TableError> {
    let asked = header_row.map(|number| sheet.rows.iter().position(|row| row.number == number));
    let at = match asked {
        Some(at) => at,
        None => sheet.rows.iter().take(60).position(|row| {
            place(row, mapped, Field::Id).is_some() && place(row, mapped, Field::Answer).is_some()
        }),
    };
    let header = at.and_then(|at| sheet.rows.get(at)).ok_or(TableError::NoHeader)?;
    for (_, asked) in mapped {
        if named(header, asked).is_none() {
            return Err(TableError::NoColumn(asked.chars().take(80).collect()));
        }
    }
    let column = |field| place(header, mapped, field);
    let (id, answer) = column(Field::Id).zip(column(Field::Answer)).ok_or(TableError::NoHeader)?;
    let used =
        Field::ALL.into_iter().filter_map(|field| Some((field, column(field)?))).map(|(field, place)| {
            format!("{} {} `{}`", field.word(), letters(place), header.value(place).shown())
        });
    let used: Vec<String> = used.collect();
    let mut given = Vec::new();
    for row in sheet.rows.iter().filter(|row| row.number > header.number && !row.heading) {
        let text = |field| column(field).map(|place| row.value(place).shown()).unwrap_or_default();
        let (number, question) = (row.value(id).shown(), text(Field::Question));
        // A heading of a section has no id, or no question.
        if number.is_empty() || column(Field::Question).is_some() && question.is_empty() {
            continue;
        }
        let place = format!("row {}", row.number);
        let evidence = match text(Field::Evidence) {
            text if text.is_empty() => None,
            text => Some(text.parse().map_err(|_| TableError::Evidence {
                place: place.clone(),
                text: text.chars().take(60).collect(),
            })?),
        };
        given.push(Given {
            id: number,
            text: question,
            answer: row.value(answer).shown(),
            comment: text(Field::Comment),
            evidence,
            place,
        });
    }
    if given.is_empty() { Err(TableError::Empty) } else { Ok((given, used)) }
}

fn place(row: &Row, mapped: &[(Field, String)], field: Field) -> Option<usize> {
    if let Some((_, asked)) = mapped.iter().find(|(own, _)| *own == field) {
        return named(row, asked);
    }
    let ranked = row.values.iter().enumerate().filter_map(|(at, value)| {
        let shown = value.shown();
        let bare = folded(shown.split(['(', '[']).next().unwrap_or_default());
        Some((field.synonyms().iter().position(|synonym| *synonym == bare)?, at))
    });
    ranked.min().map(|(_, at)| at)
}

fn named(row: &Row, asked: &str) -> Option<usize> {
    let by_name =
        row.values.iter().position(|value| !value.is_empty() && folded(&value.shown()) == folded(asked));
    by_name.or_else(|| (0..row.values.len()).find(|at| letters(*at).eq_ignore_ascii_case(asked.trim())))
}

fn folded(text: &str) -> String {
    plain(text).replace(' ', "")
}

/// The domain of a question by the beginning of its id, where the id is of the well-known cloud controls.
pub(super) fn domain_of(id: &str) -> Option<Domain> {
    let prefix = id.split(['-', '.', ' ']).next().unwrap_or_default().to_ascii_uppercase();
    Some(match prefix.as_str() {
        "A&A" | "GRC" | "HRS" => Domain::Governance,
        "IAM" => Domain::Identity,
        "CEK" => Domain::Encryption,
        "TVM" | "UEM" => Domain::Vulnerability,
        "SEF" | "LOG" => Domain::Incident,
        "DSP" => Domain::DataHandling,
        "BCR" | "DCS" => Domain::Resilience,
        "AIS" | "CCC" => Domain::Development,
        "STA" => Domain::SupplyChain,
        _ => return None,
    })
}
