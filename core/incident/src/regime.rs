//! Texts that ask for a notice in time: laws, regulations, contracts. One dated file each.

pub mod read;
mod shipped;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::due::Within;
use crate::moment::MomentName;
pub use read::{RegimeError, read};
pub use shipped::SHIPPED;

/// One text that is in force from a day on, with the stages in which it wants something told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Regime {
    /// Small letters, digits and hyphens. Several files may have one id: the newest that is in force counts.
    pub id: String,
    pub title: String,
    pub basis: Basis,
    /// First day of this text.
    #[schemars(with = "String")]
    pub in_force: Date,
    /// Last day of this text, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub until: Option<Date>,
    /// Whom it binds, for people who decide whether it applies.
    pub applies_to: String,
    /// Where its days are counted; where the installation is, without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holidays: Option<Holidays>,
    pub stages: Vec<Stage>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What the duty rests on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    pub kind: BasisKind,
    /// Article, section or clause.
    pub citation: String,
    /// Where it was published, so that it is found in a library.
    pub source: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BasisKind {
    Law,
    Contract,
    /// A rule of our own.
    Policy,
}

/// Days beside weekends that are no business days.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Holidays {
    pub name: String,
    /// The list is complete until this day; after it only weekends are left out, so a clock is over too early, never too late.
    #[schemars(with = "String")]
    pub listed_until: Date,
    #[schemars(with = "Vec<String>")]
    pub days: Vec<Date>,
}

/// One thing that is to be told, by when, and to whom.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    pub id: String,
    pub title: String,
    pub recipient: String,
    /// The moment that it counts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<MomentName>,
    /// Or the earlier stage whose meeting it counts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    pub within: Within,
    /// Time of day at which its last day is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub by: Option<Time>,
    /// A second bound from another moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<AtMost>,
    /// Moments that meet it by being recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub met_by: Vec<MomentName>,
    /// A contract's clause on incident reporting may make it shorter.
    #[serde(default, skip_serializing_if = "is_false")]
    pub contract_shortens: bool,
    #[serde(default, skip_serializing_if = "Obliged::is_us")]
    pub obliged: Obliged,
}

/// It counts where the stage starts before it is over, and not for one that starts later.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtMost {
    pub after: MomentName,
    pub within: Within,
}

/// Who has to tell.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Obliged {
    #[default]
    Us,
    Vendor,
}

/// A text as an incident took it in: it stays with the incident, whatever becomes of the file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Taken {
    pub regime: Regime,
    /// Lower-case hex, of the file.
    pub sha256: String,
}

impl Stage {
    /// Whether it is the vendor's own notice, as its contract asks for it: a hard stop rests on that.
    #[must_use]
    pub fn is_agreed_notice(&self, regime: &Regime) -> bool {
        regime.basis.kind == BasisKind::Contract
            && self.obliged == Obliged::Vendor
            && self.met_by.contains(&MomentName::vendor_notified())
    }
}

impl Regime {
    #[must_use]
    pub fn stage(&self, id: &str) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.id == id)
    }

    #[must_use]
    pub fn is_in_force(&self, day: Date) -> bool {
        self.in_force <= day && self.until.is_none_or(|last| day <= last)
    }

    #[must_use]
    pub fn holidays(&self) -> &[Date] {
        self.holidays.as_ref().map_or(&[], |list| &list.days)
    }

    /// Its own zone, or `here`; UTC, where the name means none.
    #[must_use]
    pub fn zone<'a>(&'a self, here: &'a str) -> (&'a str, TimeZone) {
        let name = self.zone.as_deref().unwrap_or(here);
        TimeZone::get(name).map_or(("UTC", TimeZone::UTC), |zone| (name, zone))
    }
}

/// Of each id the newest text that is in force on `day`.
#[must_use]
pub fn in_force(all: &[Taken], day: Date) -> Vec<Taken> {
    let mut chosen: std::collections::BTreeMap<&str, &Taken> = std::collections::BTreeMap::new();
    for taken in all.iter().filter(|taken| taken.regime.is_in_force(day)) {
        let known = chosen.entry(&taken.regime.id).or_insert(taken);
        // Of two of the same day the later in the list: an installation's own file stands behind the shipped ones.
        if known.regime.in_force <= taken.regime.in_force {
            *known = taken;
        }
    }
    chosen.into_values().cloned().collect()
}

impl Obliged {
    fn is_us(&self) -> bool {
        *self == Self::Us
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}
