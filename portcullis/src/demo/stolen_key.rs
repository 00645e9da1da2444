//! Token and key are stolen: whoever has both passes each challenge. What it does is not what the machine does, and that
//! adds up.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use portcullis_api::decisions::DecisionView;
use portcullis_api::findings::FindingCode;
use portcullis_domain::decision::{DecisionId, Verdict};
use portcullis_domain::event::Cause;
use portcullis_domain::reason::Reason;
use portcullis_risk::{Action, RiskRecord, Signal};
use tokio::task::JoinSet;

use super::cast::{Cast, LARKHILL, THIEF_OF_KEY};
use super::past::Past;
use super::scenes::{BODY_BYTES_MAX, get};
use super::stage::{Mark, Stage};
use super::watch::Watch;
use super::workers::{Done, Workers};
use crate::machine::{Machine, MachineError};
use crate::up::Installation;

/// Between two of its requests, as the machine itself does it.
const PACE: Duration = Duration::from_millis(330);
/// First one list after the other.
const LIST: &str = "/absences?records=90";
const LISTS: usize = 2;
/// Then whole tables, all at once.
const TABLE: &str = "/absences?records=300";
const TABLES_MAX: usize = 8;

/// Where larkhill's thirty days come from.
pub fn tell_past(stage: &Stage, past: &Past) {
    stage.note(&format!(
        "Larkhill's machine comes with 30 days behind it. They are generated, not lived: {} exchanges of an invented habit, \
         each put through the gate's own learner with a time of its own, before the first scene. Evidence about it is now \
         good enough to refuse by (it stands at `{}`). Of the other machines nothing is known yet.",
        past.exchanges,
        format!("{:?}", past.progress.standing).to_lowercase(),
    ));
}

/// A thief in another network who has both, and takes more than one thing at a time where the contract permits it.
pub async fn stolen_key(stage: &Stage, installation: &Installation, cast: &Cast) -> Result<()> {
    stage.scene(7, "Larkhill's token and its key are stolen, and used from another network");
    stage.note(
        "V is the evidence that whoever is there has the key and isn't the machine: points that no passed challenge takes \
         away. Larkhill has agreed that evidence alone may close a context (policy `larkhill-severs`).",
    );
    let at_work = Workers::habitual(cast);
    at_work.wait_for(3).await;
    let before = at_work.done();
    let thief = &cast.larkhill_thief;
    thief.adopt(&cast.larkhill).await?;
    let mut watch = Watch::begin(&installation.control, IpAddr::V4(THIEF_OF_KEY));
    let mut story = Story::default();
    let mut records = 0;
    for _ in 0..LISTS {
        records += take(Arc::clone(thief), LIST).await;
        story.hear(stage, installation, &mut watch).await?;
        tokio::time::sleep(PACE).await;
    }
    stage.note("Now it takes whole tables, all at once.");
    let mut tables = JoinSet::new();
    let mut pace = tokio::time::interval(PACE);
    for _ in 0..TABLES_MAX {
        pace.tick().await;
        tables.spawn(take(Arc::clone(thief), TABLE));
        if severed(installation).is_some() {
            break;
        }
        story.hear(stage, installation, &mut watch).await?;
    }
    while let Some(taken) = tables.join_next().await {
        records += taken?;
    }
    story.hear(stage, installation, &mut watch).await?;
    story.check()?;
    let severed = wait_for("the thief was never severed", || severed(installation)).await?;
    let words = "as its tables end, enough of V is certain: severed";
    stage.line(Mark::Cut, "thief", words, Some(&severed.to_string()));
    stage.line(
        Mark::Fact,
        "",
        &format!("all in all {records} records went out, and nothing was learnt from it"),
        None,
    );
    told_at_the_door(stage, thief, &mut watch).await?;
    at_work.wait_for(2).await;
    let since = at_work.done() - before;
    let Done { errors, last, .. } = at_work.stop().await;
    let words = format!("its own machine, all the while: {since} answers, {errors} errors");
    stage.line(Mark::Passed, "larkhill", &words, last.as_deref());
    ensure!(errors == 0, "the rightful machine was disturbed");
    if let Some(narrowed) = &story.narrowed {
        stage.try_it(&[
            (&format!("explain {severed}"), "why, by part"),
            (&format!("decisions verdict {narrowed} malicious --reason theft"), "your word"),
            (&format!("describe client {LARKHILL}"), "its place"),
        ]);
    }
    Ok(())
}

/// Somebody is told, once.
async fn paged(stage: &Stage, installation: &Installation) -> Result<()> {
    let about = format!("client/{LARKHILL}");
    let paged = || {
        let findings = installation.control.findings().into_iter();
        findings
            .filter(|finding| finding.about == about)
            .find(|finding| finding.code == FindingCode::RiskPaged)
    };
    wait_for("nobody was paged", paged).await?;
    stage.note("Narrowed by its evidence, and an analyst is paged: finding `risk_paged`.");
    Ok(())
}

/// Which decision has closed the thief's context.
fn severed(installation: &Installation) -> Option<DecisionId> {
    installation.control.state().severances.values().find_map(|severance| match severance.cause {
        Cause::Risk { decision, reason: Reason::RiskSevered } => Some(decision),
        _ => None,
    })
}

async fn wait_for<T>(otherwise: &'static str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    let found = async {
        loop {
            pace.tick().await;
            if let Some(found) = look() {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), found).await.context(otherwise)
}

/// One request; how many records came.
async fn take(thief: Arc<Machine>, what: &str) -> u64 {
    // That it is refused or cut is told by the gate.
    let Ok(mut answer) = thief.request(&get(what)).await else { return 0 };
    if !answer.status().is_success() {
        return 0;
    }
    let _ = answer.body(BODY_BYTES_MAX).await;
    answer.taken().records.unwrap_or(0)
}

/// Once more: the context is closed, whatever is signed.
async fn told_at_the_door(stage: &Stage, thief: &Machine, watch: &mut Watch) -> Result<()> {
    for _ in 0..2 {
        match thief.request(&get("/plans")).await {
            Ok(answer) => ensure!(!answer.status().is_success(), "the thief still gets in"),
            // The connection that was reset may be the one that this request was put on.
            Err(MachineError::Unreachable { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(decision) = watch.next().await {
            let record = &decision.record;
            let words = format!("comes back: {} {}", record.reason.status(), record.reason.code());
            stage.line(Mark::Refused, "thief", &words, Some(&record.id.to_string()));
            return Ok(());
        }
    }
    bail!("the thief was not refused at the gate")
}

/// What has happened to the thief so far.
#[derive(Default)]
struct Story {
    asked: u32,
    passed: u32,
    narrowed: Option<String>,
}

impl Story {
    /// All that is heard within a moment.
    async fn hear(&mut self, stage: &Stage, installation: &Installation, watch: &mut Watch) -> Result<()> {
        while let Some(decision) = watch.next().await {
            let known = self.narrowed.is_some();
            self.tell(stage, &decision)?;
            if self.narrowed.is_some() && !known {
                paged(stage, installation).await?;
            }
        }
        Ok(())
    }

    /// One decision about the thief, or how it ended.
    fn tell(&mut self, stage: &Stage, decision: &DecisionView) -> Result<()> {
        let id = decision.record.id.to_string();
        if decision.outcome.is_some() {
            return Ok(());
        }
        self.begins(stage, decision, id)
    }

    fn begins(&mut self, stage: &Stage, decision: &DecisionView, id: String) -> Result<()> {
        let record = &decision.record;
        // Asked for a nonce only, or stopped at the door.
        let Some(risk) = &record.risk else { return Ok(()) };
        // Each request for what is critical is asked for a nonce of its own: everybody's.
        if record.reason == Reason::ChallengeFreshNonce {
            return Ok(());
        }
        let (mark, words) = match (risk.action, record.verdict) {
            (Action::Challenge, _) => (Mark::Asked, format!("{}: signs", record.reason.code())),
            (Action::Sever, _) => (Mark::Cut, "severed".to_owned()),
            (Action::Deny, _) => (Mark::Refused, format!("{} of it certain", points(risk, 2))),
            (Action::Limit, _) | (_, Verdict::Limit) => (Mark::Narrowed, heaviest(risk)),
            (Action::Allow, _) => (Mark::Passed, heaviest(risk)),
        };
        let [_, evidence, _] = risk.evidence;
        let bar = stage.bar(evidence.milli());
        stage.line(mark, "thief", &format!("V {bar} {:>3}  {words}", points(risk, 1)), Some(&id));
        match risk.action {
            Action::Challenge => {
                ensure!(self.passed > 0 || self.asked > 0 || record.reason == Reason::ChallengeNewContext);
                self.asked += 1;
            }
            Action::Deny | Action::Sever => {}
            Action::Allow | Action::Limit => self.goes_on(stage, risk, id)?,
        }
        Ok(())
    }

    fn goes_on(&mut self, stage: &Stage, risk: &RiskRecord, id: String) -> Result<()> {
        ensure!(risk.probation, "a new context is not on probation");
        if self.passed == 0 {
            ensure!(self.asked > 0, "the thief was not challenged at its first request");
            stage.note(
                "It has the key, so it passes: on probation, with a tenth of the budget (5,000 records in ten seconds), and \
                 nothing that it does is learnt.",
            );
        }
        self.passed += 1;
        if risk.action == Action::Limit && self.narrowed.is_none() {
            self.narrowed = Some(id);
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        ensure!(self.asked > 0, "the thief was not challenged at its first request");
        ensure!(self.narrowed.is_some(), "the thief was never narrowed");
        Ok(())
    }
}

/// Whole points of one kind of evidence: since the last pass, whatever was passed, the certain part of that.
fn points(risk: &RiskRecord, which: usize) -> i64 {
    risk.evidence.get(which).map_or(0, |evidence| evidence.milli() / 1_000)
}

/// The part of this request that weighed most.
fn heaviest(risk: &RiskRecord) -> String {
    let parts = risk.parts.iter().filter(|part| {
        part.points > 0 && !matches!(part.signal, Signal::Carried | Signal::VendorPrior | Signal::Floor)
    });
    parts.max_by_key(|part| part.points).map_or_else(
        || "nothing unusual".to_owned(),
        |part| format!("+{} {}", part.points / 1_000, part.signal.code()),
    )
}
