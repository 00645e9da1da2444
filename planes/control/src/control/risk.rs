//! Risk as people ask for it: where clients stand, what is in force, and their own word on decisions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_api::risk::{
    ClientRiskView, ContextView, EvidenceView, InForceView, JudgeRequest, JudgementView, lacks, points,
    standing,
};
use portcullis_domain::command::{Command, JudgedDecision};
use portcullis_domain::decision::{DecisionId, DecisionRecord};
use portcullis_domain::ids::{ClientId, IntegrationId, OperatorId, RouteId, VendorId};
use portcullis_domain::judgement::DecisionJudgement;
use portcullis_domain::spec::{Kind, Spec};
use portcullis_domain::state::State;
use portcullis_policy::policies::{InForce, Setting, Subject, in_force};
use portcullis_risk::{ContextReport, Family, Known};

use super::Control;
use crate::error::{DecisionsError, ExecuteError};
use crate::projection::policies::policies;
use crate::severing::operator_name;

/// Which exchanges are asked about; nothing stands for all.
#[derive(Clone, Default, Debug)]
pub(crate) struct About {
    pub vendor: Option<String>,
    pub integration: Option<String>,
    pub route: Option<String>,
}

/// Why nothing was said about a decision.
#[derive(Debug)]
pub(crate) enum JudgeError {
    Unknown,
    /// It is about nobody, or nothing of it was scored.
    NotScored,
    Log(DecisionsError),
}

impl Control {
    /// **Blocks** first, where the decision isn't a recent one: what can be judged of it.
    pub(crate) fn judged(&self, id: DecisionId) -> Result<JudgedDecision, JudgeError> {
        let view = self.explain(id).map_err(JudgeError::Log)?.ok_or(JudgeError::Unknown)?;
        let (Some(client), Some(risk)) = (view.record.client, &view.record.risk) else {
            return Err(JudgeError::NotScored);
        };
        Ok(JudgedDecision { decision: id, client, context: risk.before.context })
    }

    pub(crate) async fn judge_decision(
        &self,
        judged: JudgedDecision,
        request: JudgeRequest,
        by: OperatorId,
    ) -> Result<JudgementView, ExecuteError> {
        let decision = judged.decision;
        let before = self.state();
        let JudgeRequest { judgement, reason } = request;
        let command = match judgement {
            Some(judgement) => Command::JudgeDecision { judged, judgement, by, reason },
            None => Command::UnjudgeDecision { decision, by, reason },
        };
        self.execute(command).await?;
        let state = self.state();
        let word = state.judgement(decision).map(|word| judgement_view(&state, word));
        let undone =
            || Some(JudgementView { undone: true, ..judgement_view(&state, before.judgement(decision)?) });
        word.or_else(undone)
            .ok_or(ExecuteError::Refused(portcullis_domain::command::Refusal::NotJudged(decision)))
    }

    /// Nothing where no gate has told of it yet.
    pub(crate) fn client_risk(&self, client: ClientId, name: &str) -> Option<ClientRiskView> {
        let told = self.0.risk.standing(client)?;
        let recent = self.0.decisions.recent_of(client);
        let progress = &told.progress;
        Some(ClientRiskView {
            client: name.to_owned(),
            standing: progress.standing,
            summary: standing(progress.standing).to_owned(),
            lacks: lacks(progress),
            days: progress.days,
            exchanges: progress.exchanges,
            passed_lately: progress.passed_lately,
            drift: progress.drift_milli.map(|milli| f64::from(milli) / 1_000.0),
            drift_alarm: progress.drift_alarm,
            contexts: told.contexts.iter().map(|context| context_view(context, &recent)).collect(),
            time: instant(told.at_us),
        })
    }

    /// What is in force for each granted route that is asked about.
    pub(crate) fn in_force(&self, about: &About) -> Vec<InForceView> {
        let state = self.state();
        let policies = policies(&state);
        let wanted =
            |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
        let mut found = Vec::new();
        for (name, integration) in state.of_kind(Kind::Integration) {
            let Spec::Integration(spec) = &integration.declaration.spec else { continue };
            let Some((vendor_name, vendor)) = vendor_of(&state, &spec.contract) else { continue };
            if !wanted(&about.integration, name) || !wanted(&about.vendor, vendor_name) {
                continue;
            }
            for route_name in spec.routes.iter().filter(|route| wanted(&about.route, route)) {
                let Some((route, route_spec)) = state.route(route_name) else { continue };
                let subject = Subject {
                    vendor,
                    integration: IntegrationId(integration.id),
                    route: RouteId(route.id),
                    impact: route_spec.impact,
                };
                let said = in_force(&policies, subject);
                found.push(in_force_view(&said, [vendor_name, name, route_name.as_str()]));
            }
        }
        found
    }
}

fn vendor_of<'a>(state: &'a State, contract: &str) -> Option<(&'a str, VendorId)> {
    let Spec::Contract(contract) = &state.resource(Kind::Contract, contract)?.declaration.spec else {
        return None;
    };
    Some((contract.vendor.as_str(), VendorId(state.resource(Kind::Vendor, &contract.vendor)?.id)))
}

fn in_force_view(said: &InForce<'_>, [vendor, integration, route]: [&str; 3]) -> InForceView {
    fn note<T>(of: &mut BTreeMap<String, String>, name: &str, setting: &Setting<'_, T>) {
        of.extend(setting.policy.map(|policy| (name.to_owned(), policy.to_owned())));
    }
    let mut from = BTreeMap::new();
    note(&mut from, "mode", &said.mode);
    note(&mut from, "sever_by_evidence", &said.sever_by_evidence);
    note(&mut from, "money_per_record", &said.money_per_record);
    note(&mut from, "reach", &said.reach);
    note(&mut from, "lateral", &said.lateral);
    let mut families = BTreeMap::new();
    for (family, setting) in Family::ALL.iter().zip(&said.families) {
        if let Some(mode) = setting.value.filter(|mode| *mode < said.mode.value) {
            families.insert(*family, mode);
            note(&mut from, family.as_str(), setting);
        }
    }
    InForceView {
        vendor: vendor.to_owned(),
        integration: integration.to_owned(),
        route: route.to_owned(),
        mode: said.mode.value,
        families,
        sever_by_evidence: said.sever_by_evidence.value,
        money_per_record: said.money_per_record.value,
        reach: said.reach.value,
        lateral: said.lateral.value,
        policies: from,
    }
}

/// With the names that its newest decision knows: a gate keeps hashes only.
fn context_view(told: &ContextReport, recent: &[DecisionRecord]) -> ContextView {
    let seen = recent.iter().find(|record| {
        let context = record.risk.as_ref().map(|risk| risk.before.context);
        // The prefix may be another one: it makes no context.
        context.is_some_and(|context| {
            (context.key, context.ja4, context.network)
                == (told.context.key, told.context.ja4, told.context.network)
        })
    });
    let origin = seen.and_then(|record| record.risk.as_ref()).map(|risk| risk.before.origin);
    let country = origin.and_then(|origin| match origin.country {
        Known::Is(country) => String::from_utf8(country.to_vec()).ok(),
        Known::NoData(_) => None,
    });
    ContextView {
        place: told.place,
        country,
        asn: origin.and_then(|origin| origin.asn.value()),
        peer: seen.map(|record| record.peer.clone()),
        ja4: seen.and_then(|record| record.ja4_context.clone()),
        decision: seen.map(|record| record.id),
        evidence: EvidenceView {
            since_pass: points(told.w),
            in_all: points(told.v),
            calibrated: points(told.calibrated),
        },
        last_seen: instant(told.last_us),
        probation_until: told.until_us.map(instant),
        question_since: told.question_us.map(instant),
    }
}

/// A gate's microseconds are of this age; others would be its first.
fn instant(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(crate) fn judgement_view(state: &State, word: &DecisionJudgement) -> JudgementView {
    JudgementView {
        decision: word.decision,
        judgement: word.judgement,
        by: operator_name(state, word.by),
        reason: word.reason.clone(),
        time: word.time,
        undone: word.undo,
    }
}
