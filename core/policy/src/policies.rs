//! Which policies are in force for an exchange, and what they say together.
//!
//! Each setting comes from the most specific policy that has it. A policy that names routes is more specific than one
//! that names integrations, that than one that names impacts, and that than one that names vendors; one that names
//! several is more specific than one that names fewer of the same. Among equals, which `apply` refuses where they
//! disagree, the stricter setting counts.

use std::collections::BTreeMap;

use portcullis_domain::ids::{IntegrationId, RouteId, VendorId};
use portcullis_domain::spec::Impact;
use portcullis_risk::{Family, Mode, Rules};
use serde::{Deserialize, Serialize};

/// A policy, with the ids of what it names. Where it names nothing of a kind, it is about all of them.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct PolicyFacts {
    pub name: String,
    pub vendors: Option<Vec<VendorId>>,
    pub integrations: Option<Vec<IntegrationId>>,
    pub routes: Option<Vec<RouteId>>,
    pub impacts: Option<Vec<Impact>>,
    pub mode: Option<Mode>,
    pub families: BTreeMap<Family, Mode>,
    pub sever_by_evidence: Option<bool>,
    /// Whole units of the installation's currency.
    pub money_per_record: Option<u64>,
    pub reach: Option<u32>,
    pub lateral: Option<u64>,
}

/// What an exchange is of, as far as policies go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subject {
    pub vendor: VendorId,
    pub integration: IntegrationId,
    pub route: RouteId,
    pub impact: Impact,
}

/// A setting, and the policy that it is from; by default where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Setting<'a, T> {
    pub value: T,
    pub policy: Option<&'a str>,
}

/// Every setting, each with its policy.
#[derive(Clone, PartialEq, Debug)]
pub struct InForce<'a> {
    pub mode: Setting<'a, Mode>,
    /// By [`Family::ALL`]; nothing where the mode alone counts.
    pub families: [Setting<'a, Option<Mode>>; Family::ALL.len()],
    pub sever_by_evidence: Setting<'a, bool>,
    pub money_per_record: Setting<'a, Option<u64>>,
    pub reach: Setting<'a, u32>,
    pub lateral: Setting<'a, Option<u64>>,
}

/// What a gate needs of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RiskRules {
    pub rules: Rules,
    pub money: Money,
}

/// What an exchange puts at stake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Money {
    pub impact: Impact,
    pub per_record: Option<u64>,
    pub reach: u32,
    pub lateral: Option<u64>,
}

/// What is in force for `subject`.
#[must_use]
pub fn in_force(policies: &[PolicyFacts], subject: Subject) -> InForce<'_> {
    let mut about: Vec<(u8, &PolicyFacts)> = policies
        .iter()
        .filter(|policy| policy.is_about(subject))
        .map(|policy| (policy.specificity(), policy))
        .collect();
    // The most specific first; names make it the same everywhere.
    about.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.name.cmp(&other.1.name)));
    let family = |family: Family| strictest(&about, |policy| policy.families.get(&family).copied());
    let mut families = [Setting::default(); Family::ALL.len()];
    for (place, of) in families.iter_mut().zip(Family::ALL) {
        *place = family(*of).map_or(Setting::default(), |(value, policy)| Setting {
            value: Some(value),
            policy: Some(policy),
        });
    }
    InForce {
        mode: setting(strictest(&about, |policy| policy.mode), Mode::Enforce),
        families,
        sever_by_evidence: setting(strictest(&about, |policy| policy.sever_by_evidence), false),
        money_per_record: optional(strictest(&about, |policy| policy.money_per_record)),
        reach: setting(strictest(&about, |policy| policy.reach), 1),
        lateral: optional(strictest(&about, |policy| policy.lateral)),
    }
}

/// Of the most specific policies that have a setting, the greatest value: in each of them that is the stricter one.
fn strictest<'a, T: Ord + Copy>(
    about: &[(u8, &'a PolicyFacts)],
    of: impl Fn(&PolicyFacts) -> Option<T>,
) -> Option<(T, &'a str)> {
    let mut best: Option<(u8, T, &'a str)> = None;
    for (specificity, policy) in about {
        let Some(value) = of(policy) else { continue };
        match best {
            Some((most, _, _)) if most > *specificity => break,
            Some((_, known, _)) if known >= value => {}
            _ => best = Some((*specificity, value, &policy.name)),
        }
    }
    best.map(|(_, value, name)| (value, name))
}

fn setting<T>(found: Option<(T, &str)>, default: T) -> Setting<'_, T> {
    match found {
        Some((value, policy)) => Setting { value, policy: Some(policy) },
        None => Setting { value: default, policy: None },
    }
}

fn optional<T>(found: Option<(T, &str)>) -> Setting<'_, Option<T>> {
    match found {
        Some((value, policy)) => Setting { value: Some(value), policy: Some(policy) },
        None => Setting { value: None, policy: None },
    }
}

impl PolicyFacts {
    #[must_use]
    pub fn is_about(&self, subject: Subject) -> bool {
        names(&self.vendors, &subject.vendor)
            && names(&self.integrations, &subject.integration)
            && names(&self.routes, &subject.route)
            && names(&self.impacts, &subject.impact)
    }

    /// One bit for each kind of thing that it names, the most specific kind highest.
    #[must_use]
    pub fn specificity(&self) -> u8 {
        u8::from(self.routes.is_some()) << 3
            | u8::from(self.integrations.is_some()) << 2
            | u8::from(self.impacts.is_some()) << 1
            | u8::from(self.vendors.is_some())
    }
}

fn names<T: PartialEq>(named: &Option<Vec<T>>, one: &T) -> bool {
    named.as_ref().is_none_or(|named| named.contains(one))
}

impl InForce<'_> {
    #[must_use]
    pub fn compiled(&self, impact: Impact) -> RiskRules {
        let mode = self.mode.value;
        RiskRules {
            rules: Rules {
                mode,
                families: self.families.map(|family| family.value.unwrap_or(mode)),
                sever_by_evidence: self.sever_by_evidence.value,
            },
            money: Money {
                impact,
                per_record: self.money_per_record.value,
                reach: self.reach.value,
                lateral: self.lateral.value,
            },
        }
    }
}

impl RiskRules {
    /// Without any policy: what is new is still protected by graduation.
    #[must_use]
    pub fn of_impact(impact: Impact) -> Self {
        Self { rules: Rules::default(), money: Money { impact, per_record: None, reach: 1, lateral: None } }
    }
}

impl Money {
    /// What could be lost before the next decision, in whole units of the installation's currency: `page_max` is how
    /// many records a response holds at most, `left` how many may leave at all.
    #[must_use]
    pub fn at_stake(&self, page_max: Option<u64>, left: u64) -> u64 {
        if self.per_record.is_none() && self.lateral.is_none() {
            return match self.impact {
                Impact::Low => 1_000,
                Impact::Moderate => 10_000,
                Impact::High => 100_000,
                Impact::Critical => 1_000_000,
            };
        }
        let records = page_max.unwrap_or(u64::MAX).min(left);
        let released = records.saturating_mul(self.per_record.unwrap_or(0));
        released.saturating_mul(u64::from(self.reach)).saturating_add(self.lateral.unwrap_or(0))
    }
}
