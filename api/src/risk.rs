//! What a score is made of, in words; where clients stand; and which policies are in force.

mod counterfactual;
mod sentence;

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_domain::decision::DecisionId;
use portcullis_risk::{
    Action, Family, Judgement, Lacks, Missing, Mode, OutcomeRisk, Part, Place, Points, RiskRecord, Signal,
    Standing,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the assessment of an exchange came to. Points are decibans of relative odds, to a thousandth; never a probability.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RiskView {
    /// All of it in one sentence.
    pub summary: String,
    /// What was done.
    pub action: Action,
    /// What enforcing everything would have done.
    pub would: Action,
    /// `nothing`, `new_context`, `listed`, `pending`, `not_fresh`, `score`, `challenge_failed`, `key_evidence` or
    /// `rehearsal`.
    pub cause: String,
    pub mode: Mode,
    /// Families of signals whose mode is another one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub families: BTreeMap<Family, Mode>,
    /// Sum of all parts that act.
    pub score: f64,
    pub thresholds: ThresholdsView,
    pub evidence: EvidenceView,
    pub standing: Standing,
    /// The context passed its challenge and isn't admitted yet: it has a tenth of the budget.
    pub probation: bool,
    /// What could be lost before the next decision, in whole units of the installation's currency.
    pub at_stake: u64,
    /// The number of this step among all that changed the client's state.
    pub step: u64,
    /// The greatest first; those without data last.
    pub parts: Vec<PartView>,
    /// What would have made it pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_have_passed: Option<String>,
    /// What the response added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<AfterView>,
}

/// At which score each begins.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ThresholdsView {
    pub challenge: f64,
    pub deny: f64,
    pub sever: f64,
}

/// What the context has gathered, this request included.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceView {
    /// Since its last passed challenge.
    pub since_pass: f64,
    /// Whatever was passed: whoever is there may hold the key too.
    pub in_all: f64,
    /// The calibrated part of that, by which a client is denied.
    pub calibrated: f64,
}

/// One addend of a score.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PartView {
    /// The signal's public code.
    pub signal: String,
    pub family: Family,
    /// What it is about.
    pub sentence: String,
    pub points: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual: Option<String>,
    /// Why there is no data: then it adds nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_data: Option<String>,
    /// Its family is only observed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observed_only: bool,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AfterView {
    /// What the next request in this context begins with.
    pub score: f64,
    pub parts: Vec<PartView>,
}

/// An analyst's word on a decision.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct JudgementView {
    pub decision: DecisionId,
    pub judgement: Judgement,
    pub by: String,
    pub reason: String,
    #[schemars(with = "String")]
    pub time: Timestamp,
    /// It was taken back by this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undone: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JudgeRequest {
    /// Without it the word on the decision is taken back.
    #[serde(default)]
    pub judgement: Option<Judgement>,
    /// Why, for those who read it later.
    #[serde(default)]
    pub reason: String,
}

/// Where a client stands, and why.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ClientRiskView {
    pub client: String,
    pub standing: Standing,
    /// What that means, in a sentence.
    pub summary: String,
    /// What is missing to the next standing.
    pub lacks: Vec<LackView>,
    /// UTC days on which it was seen, and exchanges that were judged.
    pub days: u32,
    pub exchanges: u64,
    /// Score challenges that it passed among the last thousand exchanges at most.
    pub passed_lately: u32,
    /// The slow-drift statistic, which alarms above 5; nothing until its reference is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<f64>,
    pub drift_alarm: bool,
    pub contexts: Vec<ContextView>,
    /// When a gate said this last.
    #[schemars(with = "String")]
    pub time: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LackView {
    /// `days`, `weekends`, `exchanges`, `quiet`, `rehearsal` or `calibration`.
    pub what: String,
    pub sentence: String,
}

/// A pair of key and place that the client is seen in.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ContextView {
    pub place: Place,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// Address and port of its newest decision that is still in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ja4: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionId>,
    pub evidence: EvidenceView,
    #[schemars(with = "String")]
    pub last_seen: Timestamp,
    /// When probation ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub probation_until: Option<Timestamp>,
    /// Since when a question is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub question_since: Option<Timestamp>,
}

/// What is in force for the exchanges of an integration on a route.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct InForceView {
    pub vendor: String,
    pub integration: String,
    pub route: String,
    pub mode: Mode,
    /// Families whose mode is another one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub families: BTreeMap<Family, Mode>,
    pub sever_by_evidence: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money_per_record: Option<u64>,
    pub reach: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lateral: Option<u64>,
    /// The policy that each setting is from; by default where it isn't named.
    pub policies: BTreeMap<String, String>,
}

impl RiskView {
    #[must_use]
    pub fn new(risk: &RiskRecord, outcome: Option<&OutcomeRisk>) -> Self {
        let [challenge, deny, sever] = risk.thresholds.map(points);
        let [since_pass, in_all, calibrated] = risk.evidence.map(points);
        let families = Family::ALL.iter().map(|family| (*family, risk.rules.of(*family)));
        Self {
            summary: sentence::summary(risk),
            action: risk.action,
            would: risk.would,
            cause: risk.cause.as_str().to_owned(),
            mode: risk.rules.mode,
            families: families.filter(|(_, mode)| *mode != risk.rules.mode).collect(),
            score: points(risk.score),
            thresholds: ThresholdsView { challenge, deny, sever },
            evidence: EvidenceView { since_pass, in_all, calibrated },
            standing: risk.standing,
            probation: risk.probation,
            at_stake: risk.before.stakes.money,
            step: risk.step,
            parts: parts(&risk.parts),
            would_have_passed: counterfactual::would_have_passed(risk),
            after: outcome.map(|after| AfterView { score: points(after.score), parts: parts(&after.parts) }),
        }
    }
}

/// Thousandths are exact: a number of this size has room for many more digits.
#[must_use]
pub fn points(points: Points) -> f64 {
    points.milli() as f64 / 1_000.0
}

fn parts(parts: &[Part]) -> Vec<PartView> {
    let mut sorted: Vec<&Part> = parts.iter().collect();
    sorted.sort_by_key(|part| (part.missing.is_some(), std::cmp::Reverse(part.points)));
    sorted.into_iter().map(part).collect()
}

fn part(part: &Part) -> PartView {
    let words = |value| part.signal.unit().words(value).filter(|_| part.missing.is_none());
    PartView {
        signal: part.signal.code().to_owned(),
        family: part.signal.family(),
        sentence: part.signal.sentence().to_owned(),
        points: points(Points(i64::from(part.points))),
        observed: words(part.observed),
        // What was never seen has nothing that is usual.
        usual: words(part.usual).filter(|_| part.usual > 0 || part.signal == Signal::Hour),
        no_data: part.missing.map(|why| missing(why).to_owned()),
        observed_only: part.observed_only,
    }
}

#[must_use]
pub fn missing(why: Missing) -> &'static str {
    match why {
        Missing::NoDatabase => "no database of this kind is installed",
        Missing::NotInDatabase => "the database doesn't know it",
        Missing::BehindBalancer => "a balancer in front of the gate ends TLS",
        Missing::NotAsked => "the integration doesn't ask for it",
        Missing::NeverSent => "it was asked for, and never came",
        Missing::NotCounted => "there is no response to learn it from, or the route isn't counted",
        Missing::TooEarly => "too little was learnt so far",
        Missing::NotAssessed => "nobody has assessed it",
        Missing::NotInLog => "the format that was read doesn't hold it",
    }
}

/// What is missing to the next standing, with how much of it is there.
#[must_use]
pub fn lacks(progress: &portcullis_risk::Progress) -> Vec<LackView> {
    let Lacks { days, weekends, exchanges, quiet, rehearsal, calibration } = progress.lacks;
    let bound = f64::from(progress.crossings_bound_ppm) / 10_000.0;
    let all = [
        (days, "days", format!("more days: it was seen on {}", progress.days)),
        (weekends, "weekends", format!("more weekends: {} have passed", progress.weekends)),
        (exchanges, "exchanges", format!("more exchanges: {} were judged", progress.exchanges)),
        (
            quiet,
            "quiet",
            format!(
                "fewer false alarms, or more exchanges: {} of {} crossed, so it may be up to {bound:.1} %",
                progress.crossings, progress.counted
            ),
        ),
        (rehearsal, "rehearsal", "a challenge that it passed".to_owned()),
        (calibration, "calibration", "enough exchanges to know how its evidence is spread".to_owned()),
    ];
    let lack = |(_, what, sentence): (bool, &str, String)| LackView { what: what.to_owned(), sentence };
    all.into_iter().filter(|(lacks, _, _)| *lacks).map(lack).collect()
}

/// A standing in a sentence.
#[must_use]
pub fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Observe => {
            "it is being learnt: its score is recorded and does nothing yet; what is new is challenged"
        }
        Standing::Challenge => "its score may challenge it",
        Standing::Deny => "its score may challenge it, and its evidence may deny it",
    }
}
