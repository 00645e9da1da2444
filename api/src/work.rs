//! What is to be done about vendors, by whom and by when; and the calendar of it.

use jiff::civil::Date;
use portcullis_assurance::work::WorkKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that somebody has to do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WorkView {
    pub vendor: String,
    pub kind: WorkKind,
    /// In the vendor's dossier.
    pub id: String,
    pub title: String,
    /// Of its own, or else whoever answers for the vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its last day, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub due: Option<Date>,
    /// Days that are left; fewer than 0 when it is overdue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_left: Option<i64>,
    /// Overdue for more than 7 days: whoever answers for the vendor was told.
    #[serde(default)]
    pub escalated: bool,
}

/// A new task.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskRequest {
    pub vendor: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub due: Option<Date>,
}

/// A task that was opened or done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TaskAnswer {
    pub vendor: String,
    pub id: String,
    /// It was so before.
    pub unchanged: bool,
}

/// What is asked of a task that is done: nothing more than its id.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TaskDoneRequest {}

/// Where a calendar reads what ends and what is due, without an account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CalendarLink {
    /// Path and query under control's address. Whoever has it reads the calendar, and nothing else.
    pub path: String,
}
