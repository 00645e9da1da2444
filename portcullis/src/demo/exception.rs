//! A weakness that an auditor has found turns 30 days old: nobody does anything, and the next request is refused.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use portcullis_api::dossiers::DossierView;
use portcullis_domain::access::Access;
use serde_json::Value;

use super::cast::Cast;
use super::dossiers::{self, HARROWFIELD_CLOSED, HARROWFIELD_VEX, LEFT};
use super::scenes::{BODY_BYTES_MAX, get};
use super::stage::{Mark, Stage};
use crate::clock::Shift;
use crate::machine::{Machine, MachineError};
use crate::up::Installation;

const VENDOR: &str = "harrowfield";
const PATH: &str = "/customers/export";
/// It takes no records: a later scene shows that there are 50,000 in ten seconds.
const ASKED: &str = "/customers/export?records=0";
/// Until what was recorded must have come to the gate.
const PATIENCE: Duration = Duration::from_secs(5);

pub async fn turns_thirty(
    stage: &Stage,
    installation: &Installation,
    cast: &Cast,
    shift: &Shift,
) -> Result<()> {
    stage.scene(4, "A weakness that Harrowfield's auditor has found turns 30 days old");
    tell_known(stage, &known(installation)?);
    let Told::Passed { words, decision } = ask(&cast.harrowfield).await? else {
        bail!("harrowfield is refused before its exception is 30 days old")
    };
    stage.line(Mark::Narrowed, VENDOR, &format!("GET {PATH}: {words}"), decision.as_deref());
    stage.note(&format!(
        "The demo's installation reads an injected clock. It is set forward by {} seconds now. Nothing is recorded, and nobody \
         does anything.",
        LEFT.as_secs() + 1
    ));
    shift.forward(LEFT + jiff::SignedDuration::from_secs(1));
    let Told::Refused { words, detail, decision } = ask(&cast.harrowfield).await? else {
        bail!("harrowfield gets in although its exception is older than 30 days")
    };
    stage.line(Mark::Refused, VENDOR, &format!("GET {PATH}: {words}"), decision.as_deref());
    stage.line(Mark::Fact, "", &format!("it is told: {detail}"), None);
    ensure!(known(installation)?.access == Access::Blocked, "the dossier says something else than the gate");
    let words = "says that it isn't affected (VEX), and an operator records that";
    remedied(stage, installation, cast, (HARROWFIELD_VEX, words), (Mark::Narrowed, Access::Limited)).await?;
    let words = "has mended it, which a scan by somebody else shows";
    remedied(stage, installation, cast, (HARROWFIELD_CLOSED, words), (Mark::Passed, Access::Clear)).await
}

fn known(installation: &Installation) -> Result<DossierView> {
    installation.control.dossier(VENDOR).context("harrowfield is declared")
}

/// As `vendor show` tells it, in short.
fn tell_known(stage: &Stage, view: &DossierView) {
    let tier = view.tier.number();
    let words =
        format!("{}: {} at tier {tier}, by `vendor show {VENDOR}`:", view.legal_name, view.access.as_str());
    stage.line(Mark::Fact, VENDOR, &words, None);
    for held in &view.stops {
        let words = format!("  stop {}, {}: {}", held.stop.number(), held.access.as_str(), held.fact);
        stage.line(Mark::Fact, "", &words, None);
    }
    for filed in &view.evidence {
        let evidence = &filed.evidence;
        let ends = filed.ends.map(|ends| ends.strftime("%Y-%m-%d").to_string()).unwrap_or_default();
        let words = format!("  {} by {}, good until {ends}", evidence.title, evidence.issuer);
        stage.line(Mark::Fact, "", &words, None);
    }
    for warning in &view.warnings {
        stage.line(Mark::Fact, "", &format!("  ahead: {}", warning.sentence), None);
    }
}

/// Something is recorded, and the next request sees it.
async fn remedied(
    stage: &Stage,
    installation: &Installation,
    cast: &Cast,
    (changes, words): (&str, &str),
    (mark, expect): (Mark, Access),
) -> Result<()> {
    stage.line(Mark::Fact, VENDOR, words, None);
    let begun = stage.elapsed();
    let now = installation.control.clock().now();
    let answer = dossiers::record(installation, VENDOR, changes, now).await?;
    ensure!(answer.dossier.access == expect, "{} is left", answer.dossier.access.as_str());
    let passed = async {
        loop {
            if let Told::Passed { decision, .. } = ask(&cast.harrowfield).await? {
                return anyhow::Ok(decision);
            }
        }
    };
    let decision = tokio::time::timeout(PATIENCE, passed).await.context("harrowfield stays out")??;
    let milliseconds = (stage.elapsed() - begun).as_millis();
    let words = format!("{}: a request passes {milliseconds} ms later", expect.as_str());
    stage.line(mark, VENDOR, &words, decision.as_deref());
    Ok(())
}

/// What a request came to.
enum Told {
    Passed { words: String, decision: Option<String> },
    Refused { words: String, detail: String, decision: Option<String> },
}

async fn ask(machine: &Machine) -> Result<Told> {
    let mut answered = machine.request(&get(ASKED)).await;
    if matches!(answered, Err(MachineError::Unreachable { .. })) {
        // The connection on which nothing was open when access ended may be closed.
        answered = machine.request(&get(ASKED)).await;
    }
    match answered {
        Ok(mut answer) => {
            let decision = answer.decision().map(str::to_owned);
            let status = answer.status();
            let body = answer.body(BODY_BYTES_MAX).await?;
            if status.is_success() {
                return Ok(Told::Passed {
                    words: format!("{}, with a tenth of its records", status.as_u16()),
                    decision,
                });
            }
            let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
            let text =
                |pointer| problem.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let words = format!("{} {}", status.as_u16(), text("/reasons/0"));
            Ok(Told::Refused { words, detail: text("/detail"), decision })
        }
        Err(MachineError::NoToken(refused)) => Ok(Told::Refused {
            words: format!("no token, {}", refused.reasons.join(", ")),
            detail: refused.description.clone(),
            decision: refused.decision.clone(),
        }),
        Err(error) => Err(error.into()),
    }
}
