//! What is at stake through an integration, in money, and the tier that follows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an integration can reach, as its declaration says.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exposed {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<DataHeld>,
    #[serde(default)]
    pub reach: Reach,
    /// What an hour without the vendor costs us, and how many hours its recovery may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage_per_hour: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_hours: Option<u32>,
    /// Money that can be reached through the granted routes; what their policies or impacts say without a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lateral: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataHeld {
    pub class: DataClass,
    pub records: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DataClass {
    Internal,
    Confidential,
    Pii,
    Pci,
    Phi,
    Secret,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    PushOnly,
    #[default]
    ScopedRead,
    ScopedWrite,
    /// Bulk or admin.
    Bulk,
}

/// 1 is the most that can go wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    One,
    Two,
    Three,
}

/// Money for a record of a class, an assumption each, in whole units of the installation's currency.
const COST: [(DataClass, u32); 6] = [
    (DataClass::Internal, 2),
    (DataClass::Confidential, 20),
    (DataClass::Pii, 150),
    (DataClass::Pci, 200),
    (DataClass::Phi, 400),
    (DataClass::Secret, 5_000),
];

/// The share of what is there that such a reach gets hold of, an assumption each.
const REACH: [(Reach, f64); 4] =
    [(Reach::PushOnly, 0.02), (Reach::ScopedRead, 0.25), (Reach::ScopedWrite, 0.6), (Reach::Bulk, 1.0)];

/// Least inherent risk of tiers 1 and 2.
const TIER_ONE: f64 = 65.0;
const TIER_TWO: f64 = 50.0;

/// An assumption that the tier rests on.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Constant {
    pub name: &'static str,
    pub value: f64,
    pub meaning: &'static str,
}

/// Every assumption, for people to look at.
#[must_use]
pub fn constants() -> Vec<Constant> {
    let cost = COST.iter().map(|(class, cost)| Constant {
        name: class.name(),
        value: f64::from(*cost),
        meaning: "money for a record of this class",
    });
    let reach = REACH.iter().map(|(reach, share)| Constant {
        name: reach.name(),
        value: *share,
        meaning: "share of the records that such a reach gets hold of",
    });
    let tiers = [("tier_one", TIER_ONE), ("tier_two", TIER_TWO)];
    let tiers =
        tiers.map(|(name, value)| Constant { name, value, meaning: "least inherent risk of the tier" });
    cost.chain(reach).chain(tiers).collect()
}

impl DataClass {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Pii => "pii",
            Self::Pci => "pci",
            Self::Phi => "phi",
            Self::Secret => "secret",
        }
    }

    fn cost(self) -> f64 {
        COST.iter().find(|(class, _)| *class == self).map_or(0.0, |(_, cost)| f64::from(*cost))
    }
}

impl Reach {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PushOnly => "push_only",
            Self::ScopedRead => "scoped_read",
            Self::ScopedWrite => "scoped_write",
            Self::Bulk => "bulk",
        }
    }

    fn share(self) -> f64 {
        REACH.iter().find(|(reach, _)| *reach == self).map_or(1.0, |(_, share)| *share)
    }
}

impl Tier {
    /// 1 to 3.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
        }
    }
}

impl Exposed {
    /// Money that is at stake through one integration.
    #[must_use]
    pub fn money(&self) -> f64 {
        let data: f64 = self.data.iter().map(|held| whole(held.records) * held.class.cost()).sum();
        let hours = f64::from(self.recovery_hours.unwrap_or(0));
        data * self.reach.share()
            + whole(self.lateral.unwrap_or(0))
            + whole(self.outage_per_hour.unwrap_or(0)) * hours
    }
}

/// The tier of a vendor with these integrations, and its inherent risk, 0 to 100. By hand it is raised, never lowered
/// below what was computed.
#[must_use]
pub fn tier(exposed: &[Exposed], raised: Option<Tier>) -> (Tier, f64) {
    let money: f64 = exposed.iter().map(Exposed::money).sum();
    let inherent = (25.0 * (money.max(1.0).log10() - 4.0)).clamp(0.0, 100.0);
    let computed = match inherent {
        inherent if inherent >= TIER_ONE => Tier::One,
        inherent if inherent >= TIER_TWO => Tier::Two,
        _ => Tier::Three,
    };
    (raised.map_or(computed, |raised| raised.min(computed)), inherent)
}

#[expect(clippy::cast_precision_loss, reason = "money is told in two or three digits")]
fn whole(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposed(data: &[(DataClass, u64)], reach: Reach, lateral: u64, outage: (u64, u32)) -> Exposed {
        let data =
            data.iter().map(|(class, records)| DataHeld { class: *class, records: *records }).collect();
        let (per_hour, hours) = outage;
        Exposed {
            data,
            reach,
            outage_per_hour: Some(per_hour),
            recovery_hours: Some(hours),
            lateral: Some(lateral),
        }
    }

    /// What the reference arithmetic gives for six vendors.
    #[test]
    fn money_and_inherent_risk_are_those_of_the_model() {
        use DataClass::{Confidential, Internal, Pci, Phi, Pii, Secret};
        for (exposed, money, inherent, tier_number) in [
            (exposed(&[(Pii, 48_000)], Reach::ScopedWrite, 250_000, (8_000, 24)), 4_762_000.0, 66.9, 1),
            (
                exposed(&[(Pii, 210_000), (Confidential, 90_000)], Reach::Bulk, 200_000, (1_000, 48)),
                33_548_000.0,
                88.1,
                1,
            ),
            (
                exposed(&[(Pii, 12_000), (Internal, 500_000)], Reach::ScopedWrite, 250_000, (25_000, 12)),
                2_230_000.0,
                58.7,
                2,
            ),
            (exposed(&[(Pci, 900_000)], Reach::PushOnly, 0, (60_000, 4)), 3_840_000.0, 64.6, 2),
            (
                exposed(&[(Confidential, 4_000), (Secret, 12)], Reach::Bulk, 20_000_000, (0, 0)),
                20_140_000.0,
                82.6,
                1,
            ),
            (exposed(&[(Phi, 65_000)], Reach::ScopedRead, 50_000, (15_000, 24)), 6_910_000.0, 71.0, 1),
        ] {
            assert!((exposed.money() - money).abs() < 1.0, "{}", exposed.money());
            let (found, risk) = tier(&[exposed], None);
            assert!((risk - inherent).abs() < 0.06, "{risk} for {inherent}");
            assert_eq!(found.number(), tier_number);
        }
    }

    #[test]
    fn a_tier_is_raised_by_hand_and_never_lowered() {
        let little = [Exposed::default()];
        let much = [exposed(&[(DataClass::Phi, 1_000_000)], Reach::Bulk, 0, (0, 0))];
        assert_eq!(tier(&little, None), (Tier::Three, 0.0));
        assert_eq!(tier(&little, Some(Tier::One)).0, Tier::One);
        assert_eq!(tier(&much, Some(Tier::Three)).0, Tier::One);
        assert_eq!(tier(&[], None).0, Tier::Three);
    }

    #[test]
    fn every_constant_is_told() {
        let told = constants();
        assert_eq!(told.len(), 12);
        assert!(told.iter().any(|constant| constant.name == "phi" && constant.value == 400.0));
        assert!(told.iter().any(|constant| constant.name == "bulk" && constant.value == 1.0));
    }
}
