//! `client posture`: what is held of a client's machine, and what others say of it.

use anyhow::{Result, anyhow, bail};
use jiff::SignedDuration;
use portcullis_api::posture::{PostureAnswer, PostureRequest, PostureView, PushedState};

use super::output::{Output, Paint, Style};
use super::server::Server;
use super::{Outcome, Place, time};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Name of the client
    name: String,
    /// What its machine is: `good`, `failing`, or `none` to take back what was said; without it, show what is held
    #[arg(value_enum, requires = "reason")]
    state: Option<State>,
    /// Why, for those who read it later
    #[arg(long, requires = "state")]
    reason: Option<String>,
    /// How long `good` is good, such as `8h`; a day without it
    #[arg(long = "for", value_name = "TIME", value_parser = seconds, requires = "state")]
    good_for: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum State {
    Good,
    Failing,
    None,
}

fn seconds(text: &str) -> Result<u32, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|time| u32::try_from(time.as_secs()).ok());
    parsed.ok_or_else(|| "write a time such as `8h`".to_owned())
}

pub(super) async fn posture(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let server = Server::find(place)?;
    let path = ["v1", "clients", &arguments.name, "posture"];
    let (Some(state), Some(reason)) = (arguments.state, arguments.reason) else {
        let view: PostureView = server.get(&path).await?;
        out.show(&view, |paint| format!("client {}\n{}", view.client, told(&view, paint)))?;
        return Ok(Outcome::Done);
    };
    if arguments.good_for.is_some() && state != State::Good {
        bail!("`--for` is for `good` alone\nhint: `failing` holds until another word");
    }
    let state = match state {
        State::Good => PushedState::Good,
        State::Failing => PushedState::Failing,
        State::None => PushedState::None,
    };
    let request = PostureRequest { state, reason, good_seconds: arguments.good_for };
    let answer: PostureAnswer = server.put(&path, &request).await?;
    out.show(&answer, |paint| format!("client {}\n{}", answer.posture.client, told(&answer.posture, paint)))?;
    if answer.gates_behind.is_empty() {
        return Ok(Outcome::Done);
    }
    Err(anyhow!(
        "it is recorded, and these gates have not confirmed it yet: {}\nhint: `portcullis doctor` looks at them",
        answer.gates_behind.join(", ")
    ))
}

/// What is held, and whose words it rests on.
pub(super) fn told(view: &PostureView, paint: Paint) -> String {
    let style = match view.state.as_str() {
        "good" => Style::Good,
        "failing" | "absent" => Style::Bad,
        "stale" => Style::Warning,
        _ => Style::Dim,
    };
    let mut text = format!("  held       {}", paint.paint(&view.state.replace('_', " "), style));
    if let Some(until) = view.good_until {
        text.push_str(&format!(", good until {}", time::instant(until)));
    }
    text.push('\n');
    for what in &view.failing {
        text.push_str(&format!("             {}\n", paint.paint(what, Style::Bad)));
    }
    if let Some(pushed) = &view.pushed {
        let state = match pushed.state {
            PushedState::Good => "good",
            PushedState::Failing => "failing",
            PushedState::None => "none",
        };
        let until =
            pushed.good_until.map(|until| format!(" until {}", time::instant(until))).unwrap_or_default();
        let (by, at) = (&pushed.by, time::instant(pushed.time));
        text.push_str(&format!("  pushed     {state}{until} by {by} at {at}: {}\n", pushed.reason));
    }
    let Some(statement) = &view.statement else { return text };
    let (made, from) = (time::instant(statement.issued_at), &statement.address);
    text.push_str(&format!("  statement  of {made}, from {from}, by {}\n", statement.signed_by));
    for program in &statement.software {
        let known: Vec<&str> =
            [&program.version, &program.sha256].into_iter().flatten().map(String::as_str).collect();
        text.push_str(&format!("    {:<24} {}\n", program.name, known.join(" ")));
    }
    for (name, known) in &statement.hardening {
        let style = match known.as_str() {
            "true" => Style::Good,
            "false" => Style::Warning,
            _ => Style::Dim,
        };
        text.push_str(&format!("    {name:<24} {}\n", paint.paint(known, style)));
    }
    if let Some(days) = statement.patched_days {
        text.push_str(&format!("    {:<24} {days}\n", "patched_days"));
    }
    if let Some(exportable) = statement.key_exportable {
        let how = statement.key_kept.as_deref().map(|how| format!(" ({how})")).unwrap_or_default();
        text.push_str(&format!("    {:<24} {exportable}{how}\n", "key exportable"));
    }
    text
}
