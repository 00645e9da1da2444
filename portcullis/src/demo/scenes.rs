//! The scenes, in their order.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use http::Method;
use jiff::tz::TimeZone;
use portcullis_api::severing::SeverAnswer;
use portcullis_domain::spec::{Kind, Spec};
use portcullis_domain::state::State;

use super::cast::Cast;
use super::stage::{Mark, Stage};
use super::workers::{Done, Workers};
use crate::machine::{Answer, Call, Machine, MachineError};
use crate::up::Installation;

/// How far the first scene looks ahead.
const AHEAD_DAYS: i64 = 60;
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

pub fn get(target: &str) -> Call {
    Call::new(Method::GET, target)
}

/// Who is connected, and what each may read.
pub fn who_may_what(stage: &Stage, installation: &Installation) {
    stage.scene(1, "Eight vendors: what each one's machine may do, and what its dossier leaves it");
    let state = installation.control.state();
    for (name, vendor) in state.of_kind(Kind::Vendor) {
        let Spec::Vendor(spec) = &vendor.declaration.spec else { continue };
        let purpose = spec.purpose.as_deref().unwrap_or_default();
        stage.line(Mark::Fact, name, &format!("{}: {purpose}", spec.legal_name), None);
        for (paths, purpose) in grants(&state, name) {
            stage.line(Mark::Fact, "", &format!("  may GET {paths}: {purpose}"), None);
        }
        for words in left(installation, name) {
            stage.line(Mark::Fact, "", &format!("  {words}"), None);
        }
    }
    stage.note("Nothing else is reachable, and no vendor takes more than 50,000 records in ten seconds.");
}

/// What the stops leave a vendor, and for how long.
fn left(installation: &Installation, vendor: &str) -> Vec<String> {
    let (Some(view), Some(outlook)) =
        (installation.control.dossier(vendor), installation.control.outlook(vendor, AHEAD_DAYS))
    else {
        return Vec::new();
    };
    let tier = view.tier.number();
    let mut words: Vec<String> = view
        .stops
        .iter()
        .map(|held| {
            format!("{} at tier {tier} by stop {}: {}", held.access.as_str(), held.stop.number(), held.fact)
        })
        .collect();
    if words.is_empty() {
        let next = outlook.stretches.iter().find(|stretch| stretch.access != view.access);
        let next = next.map_or_else(String::new, |next| {
            let why = next.held.iter().find(|held| held.access == next.access);
            let why = why.map_or("", |held| held.stop.name()).replace('_', " ");
            format!("; {} from {} on: {why}", next.access.as_str(), next.from.strftime("%Y-%m-%d"))
        });
        words.push(format!("{} at tier {tier}{next}", view.access.as_str()));
    }
    words
}

fn grants(state: &State, vendor: &str) -> Vec<(String, String)> {
    let mut grants = Vec::new();
    for (name, integration) in state.of_kind(Kind::Integration) {
        let Spec::Integration(spec) = &integration.declaration.spec else { continue };
        if state.vendor_of_integration(name).is_some_and(|found| found.declaration.name == vendor) {
            let paths: Vec<&str> = spec
                .routes
                .iter()
                .filter_map(|route| state.route(route).map(|(_, route)| route.path.as_str()))
                .collect();
            grants.push((paths.join(" and "), spec.purpose.clone()));
        }
    }
    grants
}

/// Each machine does its daily work.
pub async fn at_work(stage: &Stage, cast: &Cast) -> Result<()> {
    stage.scene(2, "Their machines at work: a token bound to a key or certificate, a proof for each request");
    let work = [
        ("northgale", &cast.northgale, "/payslips", "DPoP, EdDSA"),
        ("quillmere", &cast.quillmere, "/parcels", "DPoP, EdDSA"),
        ("bluewick", &cast.bluewick, "/card-payments", "certificate"),
    ];
    for (name, machine, path, binding) in work {
        let mut records = 0;
        let mut last = None;
        for _ in 0..5 {
            let mut answer = machine.request(&get(path)).await?;
            ensure!(answer.status().is_success(), "{name}: {}", refusal(&mut answer).await);
            answer.body(BODY_BYTES_MAX).await?;
            records += answer.taken().records.unwrap_or(0);
            last = answer.decision().map(str::to_owned);
        }
        stage.line(
            Mark::Passed,
            name,
            &format!("5 × GET {path}: {records} records ({binding})"),
            last.as_deref(),
        );
    }
    let mut answer = cast.quillmere.request(&get("/customers/export")).await?;
    let decision = answer.decision().map(str::to_owned);
    let words = refusal(&mut answer).await;
    stage.line(Mark::Refused, "quillmere", &format!("GET /customers/export: {words}"), decision.as_deref());
    Ok(())
}

/// A contract runs out while its vendor reads.
pub async fn contract_ends(stage: &Stage, installation: &Installation, cast: &Cast) -> Result<()> {
    stage.scene(3, "A contract ends in front of you, and nobody does anything");
    let zone = TimeZone::get("America/Los_Angeles")?;
    let ends = cast.trial_ends.to_zoned(zone).strftime("%H:%M:%S %Z").to_string();
    let mut answer = cast.selwick.request(&get("/shipments/live?records=1000000")).await?;
    ensure!(answer.status().is_success(), "selwick: {}", refusal(&mut answer).await);
    let decision = answer.decision().map(str::to_owned);
    stage.line(
        Mark::Passed,
        "selwick",
        &format!("GET /shipments/live, until the end at {ends}"),
        decision.as_deref(),
    );
    loop {
        match answer.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => bail!("selwick's download came to a regular end"),
            Err(_) => break,
        }
    }
    let late = installation.control.clock().now().duration_since(cast.trial_ends).as_millis();
    let records = answer.taken().records.unwrap_or(0);
    stage.line(
        Mark::Cut,
        "selwick",
        &format!("cut {late} ms after the end, {records} records into it"),
        decision.as_deref(),
    );
    match cast.selwick.request(&get("/shipments/live")).await {
        Err(MachineError::NoToken(refused)) => stage.line(
            Mark::Refused,
            "selwick",
            &format!("a new token? {}", refused.reasons.join(", ")),
            refused.decision.as_deref(),
        ),
        Err(error) => return Err(error.into()),
        Ok(_) => bail!("selwick still gets in"),
    }
    Ok(())
}

/// More than the limit is asked for, through a permitted route.
pub async fn greedy_read(stage: &Stage, cast: &Cast) -> Result<()> {
    stage.scene(8, "60,000 records asked through a permitted route, with a good token");
    let mut answer = cast.harrowfield.request(&get("/customers/export?records=60000")).await?;
    let decision = answer.decision().map(str::to_owned);
    match answer.body(BODY_BYTES_MAX).await {
        Ok(_) => bail!("all of it came through"),
        Err(broken) => {
            let records = broken.taken.records.unwrap_or(0);
            ensure!(records == 50_000, "{records} records came through");
            stage.line(
                Mark::Cut,
                "harrowfield",
                &format!("it gets an incomplete answer: {records} records"),
                decision.as_deref(),
            );
        }
    }
    let (words, decision) = refused_now(&cast.harrowfield, "/customers/export").await?;
    stage.line(Mark::Refused, "harrowfield", &format!("tries again: {words}"), decision.as_deref());
    stage.note("The key stays closed until an operator restores it: `restore client/harrowfield-machine`.");
    Ok(())
}

/// One command closes every path of one vendor; the others notice nothing.
pub async fn severed(stage: &Stage, installation: &Installation, cast: &Cast) -> Result<()> {
    stage.scene(9, "sever vendor/quillmere, with downloads over HTTP/1.1 and HTTP/2 and idle connections");
    let mut over_http1 = cast.quillmere_http1.request(&get("/shipments/live?records=1000000")).await?;
    let mut over_http2 = cast.quillmere.request(&get("/shipments/live?records=1000000")).await?;
    for answer in [&mut over_http1, &mut over_http2] {
        ensure!(answer.status().is_success(), "quillmere: {}", refusal(answer).await);
        answer.chunk().await?;
        let what = format!("GET /shipments/live flows over {:?}", answer.version());
        stage.line(Mark::Passed, "quillmere", &what, answer.decision());
    }
    let others = Workers::busy(cast);
    others.wait_for(20).await;
    let token = installation.admin_token()?;
    let Some(operator) = installation.control.operator_by_token(&token) else {
        bail!("the operator is unknown")
    };
    let reason = "the demo: token seen where it should not be".to_owned();
    let receipt = installation.control.sever("vendor/quillmere".parse()?, operator.id, reason).await?;
    ensure!(receipt.answer == SeverAnswer::Severed, "{}", receipt.answer.as_str());
    let milliseconds = receipt.took_us as f64 / 1_000.0;
    let recorded = receipt.recorded.ledger_sequence.unwrap_or_default();
    stage.line(
        Mark::Cut,
        "quillmere",
        &format!("severed in {milliseconds:.1} ms, in the ledger as event {recorded}"),
        None,
    );
    for gate in &receipt.gates {
        for connection in &gate.connections {
            let what = format!(
                "{} {}: reset after {:.1} ms",
                connection.protocol,
                connection.peer,
                connection.after_us as f64 / 1_000.0
            );
            let exchange = connection.exchanges.first().map(ToString::to_string);
            stage.line(Mark::Cut, "", &what, exchange.as_deref());
        }
    }
    for answer in [&mut over_http1, &mut over_http2] {
        ensure!(drain(answer).await, "a download of quillmere came to a regular end");
    }
    let (words, decision) = refused_now(&cast.quillmere, "/parcels").await?;
    stage.line(Mark::Refused, "quillmere", &format!("comes back: {words}"), decision.as_deref());
    others.wait_for(20).await;
    let Done { requests, errors, last } = others.stop().await;
    stage.line(
        Mark::Passed,
        "the others",
        &format!("{requests} requests during all of that, {errors} errors"),
        last.as_deref(),
    );
    ensure!(errors == 0, "other vendors were disturbed");
    Ok(())
}

/// The book of it.
pub async fn book(stage: &Stage, installation: &Installation) -> Result<()> {
    stage.scene(10, "The book of it");
    let report = installation.control.verify_ledger().await?;
    ensure!(report.faults.is_empty(), "the ledger does not verify: {:?}", report.faults);
    let root: String = report.root.chars().take(16).collect();
    stage.line(
        Mark::Fact,
        "ledger",
        &format!("{} events, each digest and the tree verified, root {root}…", report.size),
        None,
    );
    stage.note(&format!("All of it took {:.0} seconds.", stage.elapsed().as_secs_f32()));
    Ok(())
}

/// Keeps the others busy until the demo is ended.
pub async fn go_on(cast: &Cast) {
    let mut pace = tokio::time::interval(Duration::from_secs(1));
    loop {
        pace.tick().await;
        for (machine, path) in [(&cast.northgale, "/payslips"), (&cast.bluewick, "/card-payments")] {
            // An operator may have severed it by now; that is what the demo stays up for.
            if let Ok(mut answer) = machine.request(&get(path)).await {
                let _ = answer.body(BODY_BYTES_MAX).await;
            }
        }
    }
}

/// Reads on until it breaks off; false if it comes to a regular end.
async fn drain(answer: &mut Answer) -> bool {
    loop {
        match answer.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

/// One more request that must be refused, at the gate or at the token endpoint.
pub async fn refused_now(machine: &Machine, path: &str) -> Result<(String, Option<String>)> {
    let mut answered = machine.request(&get(path)).await;
    if matches!(answered, Err(MachineError::Unreachable { .. })) {
        // The connection that the cut resets may be the one that this request was put on.
        answered = machine.request(&get(path)).await;
    }
    match answered {
        Ok(mut answer) => {
            let decision = answer.decision().map(str::to_owned);
            ensure!(!answer.status().is_success(), "{} still gets in", machine.client());
            Ok((refusal(&mut answer).await, decision))
        }
        Err(MachineError::NoToken(refused)) => {
            Ok((format!("no token, {}", refused.reasons.join(", ")), refused.decision.clone()))
        }
        Err(error) => Err(error.into()),
    }
}

/// A refusal in a few words: its status and its reason code.
pub async fn refusal(answer: &mut Answer) -> String {
    let status = answer.status().as_u16();
    let body = answer.body(BODY_BYTES_MAX).await.unwrap_or_default();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let reason = problem.pointer("/reasons/0").and_then(serde_json::Value::as_str).unwrap_or("no reason");
    format!("{status} {reason}")
}
