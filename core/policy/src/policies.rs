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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const MODES: [Option<Mode>; 4] = [None, Some(Mode::Off), Some(Mode::Observe), Some(Mode::Enforce)];

    fn ids<T: Clone + std::fmt::Debug + 'static>(of: fn(Uuid) -> T) -> impl Strategy<Value = Option<Vec<T>>> {
        proptest::option::of(proptest::collection::vec(0..3_u128, 0..3)).prop_map(move |list| {
            list.map(|list| list.into_iter().map(|id| of(Uuid::from_u128(id))).collect())
        })
    }

    fn policy() -> impl Strategy<Value = PolicyFacts> {
        let impact = proptest::option::of(prop_oneof![Just(vec![Impact::High]), Just(vec![Impact::Low])]);
        let named = (ids(VendorId), ids(IntegrationId), ids(RouteId), impact);
        let said = (0..4_usize, 0..4_usize, proptest::option::of(0..9_u64));
        (named, said, "[a-c]").prop_map(|((vendors, integrations, routes, impacts), said, name)| {
            PolicyFacts {
                name,
                vendors,
                integrations,
                routes,
                impacts,
                mode: MODES[said.0],
                families: MODES[said.1].map(|mode| (Family::Origin, mode)).into_iter().collect(),
                money_per_record: said.2,
                ..PolicyFacts::default()
            }
        })
    }

    /// As the reference says it: look at all that are about it, and keep those that no other is more specific than.
    fn naive<T: Ord + Copy>(
        policies: &[PolicyFacts],
        subject: Subject,
        of: impl Fn(&PolicyFacts) -> Option<T>,
    ) -> Option<T> {
        let having: Vec<_> =
            policies.iter().filter(|policy| policy.is_about(subject) && of(policy).is_some()).collect();
        let most = having.iter().map(|policy| policy.specificity()).max()?;
        having.iter().filter(|policy| policy.specificity() == most).filter_map(|policy| of(policy)).max()
    }

    proptest! {
        #[test]
        fn each_setting_is_from_the_most_specific_policy_that_has_it(
            policies in proptest::collection::vec(policy(), 0..8),
            who in (0..3_u128, 0..3_u128, 0..3_u128),
        ) {
            let subject = Subject {
                vendor: VendorId(Uuid::from_u128(who.0)),
                integration: IntegrationId(Uuid::from_u128(who.1)),
                route: RouteId(Uuid::from_u128(who.2)),
                impact: Impact::High,
            };
            let said = in_force(&policies, subject);
            let mode = naive(&policies, subject, |policy| policy.mode);
            prop_assert_eq!(said.mode.value, mode.unwrap_or(Mode::Enforce));
            prop_assert_eq!(said.mode.policy.is_some(), mode.is_some());
            prop_assert_eq!(said.money_per_record.value, naive(&policies, subject, |policy| policy.money_per_record));
            let origin = naive(&policies, subject, |policy| policy.families.get(&Family::Origin).copied());
            prop_assert_eq!(said.families[Family::Origin as usize].value, origin);
            // What counts is never stricter than the mode.
            let rules = said.compiled(Impact::High).rules;
            prop_assert_eq!(rules.of(Family::Origin), origin.unwrap_or(rules.mode).min(rules.mode));
            prop_assert_eq!(rules.of(Family::Tls), rules.mode);
        }
    }

    #[test]
    fn what_is_at_stake_is_money_or_the_impact() {
        let money = RiskRules::of_impact(Impact::High).money;
        assert_eq!(money.at_stake(Some(5), 10), 100_000);
        let money = Money { per_record: Some(12), reach: 3, lateral: Some(500), ..money };
        assert_eq!(money.at_stake(Some(100), 40), 40 * 12 * 3 + 500);
        assert_eq!(money.at_stake(None, u64::MAX), u64::MAX, "too much is the most");
        assert_eq!(Money { per_record: None, ..money }.at_stake(Some(100), 40), 500);
    }
}
