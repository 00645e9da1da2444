//! A vendor's word on its own breach.

use jiff::Timestamp;
use portcullis_ids::ids::{ClientId, IncidentId, NoticeId};
use portcullis_ids::personal::Personal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::severity::Severity;

/// Largest body of a notice, signed or not.
pub const BODY_BYTES_MAX: usize = 16 * 1024;
const REFERENCE_MAX: usize = 100;
const WHAT_MAX: usize = 2_000;
const CONTACT_MAX: usize = 200;
const DATA_MAX: usize = 20;

/// What a vendor says: the JSON of its notice, or the claims of a signed one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "IncidentNotice")]
pub struct Said {
    /// The vendor's own name for its incident: a further notice with the same belongs to the same incident.
    pub reference: String,
    /// When the vendor became aware of it.
    #[schemars(with = "String")]
    pub aware: Timestamp,
    /// What has happened, in a few sentences.
    pub what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Whom to call: name, telephone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// How many records of ours are affected, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affected_records: Option<u64>,
    /// Which data of ours: classes, in a word or two each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<String>,
}

/// A notice as it is kept.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Notice {
    pub id: NoticeId,
    pub reference: String,
    pub aware: Timestamp,
    /// When it reached us.
    pub received: Timestamp,
    pub what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Personal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affected_records: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<String>,
    pub way: Way,
    /// Lower-case hex, of the bytes that came.
    pub sha256: String,
    /// The whole compact JWS of a signed one, which proves itself later. A person may be named in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Personal>,
}

/// How it came.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "way", rename_all = "snake_case")]
pub enum Way {
    /// A client of the vendor proved itself at the endpoint.
    Client {
        client: ClientId,
        /// Thumbprint of the key or certificate that it proved itself by.
        key: String,
        /// The client, or what it belongs to, was severed.
        severed: bool,
        /// The key had ended or was revoked: whoever sent it may not be the vendor.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        refused: bool,
    },
    /// A form that a registered key of the client had signed.
    Signed {
        client: ClientId,
        key: String,
        severed: bool,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        refused: bool,
    },
    /// One of ours took it down: a call, a letter.
    Hand,
}

/// Why a notice can't be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoticeError {
    #[error("the notice has more than {BODY_BYTES_MAX} bytes\nhint: say the rest in a further notice")]
    TooLong,
    #[error("this is no notice: {0}\nhint: send `reference`, `aware` and `what` as one JSON object")]
    Form(String),
    #[error("`{field}` is empty, too long or has control characters\nhint: write 1 to {most} characters")]
    Text { field: &'static str, most: usize },
    #[error("`data` has more than {DATA_MAX} entries\nhint: name classes of data, not fields")]
    DataMany,
    #[error(
        "`aware` lies in the future\nhint: it is when the vendor knew, in UTC, such as `2026-11-22T02:00:00Z`"
    )]
    Future,
}

/// Reads the JSON of a notice.
///
/// # Errors
/// [`NoticeError`], for the vendor to read.
pub fn read(body: &[u8]) -> Result<Said, NoticeError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(NoticeError::TooLong);
    }
    let said: Said = serde_json::from_slice(body).map_err(|error| {
        // What the text says isn't repeated beyond a line: it comes from outside.
        NoticeError::Form(error.to_string().chars().filter(|shown| !shown.is_control()).take(160).collect())
    })?;
    check(&said)?;
    Ok(said)
}

/// Whether what is said is bounded and readable.
///
/// # Errors
/// [`NoticeError`].
pub fn check(said: &Said) -> Result<(), NoticeError> {
    check_text("reference", &said.reference, REFERENCE_MAX, false)?;
    check_text("what", &said.what, WHAT_MAX, true)?;
    if let Some(contact) = &said.contact {
        check_text("contact", contact, CONTACT_MAX, false)?;
    }
    if said.data.len() > DATA_MAX {
        return Err(NoticeError::DataMany);
    }
    said.data.iter().try_for_each(|class| check_text("data", class, REFERENCE_MAX, false))
}

fn check_text(field: &'static str, text: &str, most: usize, lines: bool) -> Result<(), NoticeError> {
    let strange = |shown: char| shown.is_control() && !(lines && matches!(shown, '\n' | '\t'));
    if text.trim().is_empty() || text.chars().count() > most || text.chars().any(strange) {
        return Err(NoticeError::Text { field, most });
    }
    Ok(())
}

impl Said {
    /// As it is kept. `signed` is the form that it came in, where it came signed.
    ///
    /// # Errors
    /// [`NoticeError::Future`] where the vendor knew of it later than now.
    pub fn received(
        self,
        id: NoticeId,
        now: Timestamp,
        way: Way,
        sha256: String,
        signed: Option<String>,
    ) -> Result<Notice, NoticeError> {
        if self.aware > now {
            return Err(NoticeError::Future);
        }
        Ok(Notice {
            id,
            reference: self.reference,
            aware: self.aware,
            received: now,
            what: self.what,
            severity: self.severity,
            contact: self.contact.map(Personal::Plain),
            affected_records: self.affected_records,
            data: self.data,
            way,
            sha256,
            signed: signed.map(Personal::Plain),
        })
    }
}

impl Notice {
    pub fn people(&self) -> impl Iterator<Item = &Personal> {
        self.contact.iter().chain(&self.signed)
    }

    pub fn people_mut(&mut self) -> impl Iterator<Item = &mut Personal> {
        self.contact.iter_mut().chain(&mut self.signed)
    }

    /// Whether it is the vendor's word beyond doubt: not by a key that had ended or was revoked.
    #[must_use]
    pub fn counts(&self) -> bool {
        !matches!(self.way, Way::Client { refused: true, .. } | Way::Signed { refused: true, .. })
    }

    /// The client that it came from.
    #[must_use]
    pub fn client(&self) -> Option<ClientId> {
        match self.way {
            Way::Client { client, .. } | Way::Signed { client, .. } => Some(client),
            Way::Hand => None,
        }
    }
}

/// What a vendor hears of its notice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "NoticeAcknowledgement")]
pub struct Acknowledgement {
    pub notice: NoticeId,
    pub incident: IncidentId,
    #[schemars(with = "String")]
    pub received: Timestamp,
    /// Hours that the contract gives, and whether this came within them.
    pub window_hours: u32,
    pub in_time: bool,
    /// The key that it came by had ended or was revoked: whether it is the vendor's word is asked by a call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubtful: bool,
    /// Digest of what was received, lower-case hex.
    pub sha256: String,
}
