//! `token revoke` and `sign-out`: tokens that are dead, and since when.

use anyhow::Result;
use portcullis_api::closing::{RevokeTokenRequest, SignOutRequest, TokensEnded};

use super::output::{Output, Paint, Style};
use super::server::Server;
use super::{Outcome, Place, time};

#[derive(clap::Args)]
pub(super) struct RevokeArguments {
    /// The token, or its id (`jti`) with `--client`
    #[arg(allow_hyphen_values = true)]
    token: String,
    /// Client that the token with this id was given to
    #[arg(long)]
    client: Option<String>,
}

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// `vendor/NAME`, `integration/NAME` or `client/NAME`
    #[arg(value_parser = super::sever::target)]
    target: String,
    /// Why, for those who read it later
    #[arg(long)]
    reason: String,
}

pub(super) async fn revoke(place: &Place, out: &Output, arguments: RevokeArguments) -> Result<Outcome> {
    let RevokeArguments { token, client } = arguments;
    let request = match client {
        Some(client) => RevokeTokenRequest { token: None, token_id: Some(token), client: Some(client) },
        None => RevokeTokenRequest { token: Some(token), token_id: None, client: None },
    };
    ended(place, out, &["v1", "tokens", "revoke"], &request).await
}

pub(super) async fn sign_out(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let Arguments { target, reason } = arguments;
    ended(place, out, &["v1", "sign-out"], &SignOutRequest { target, reason }).await
}

async fn ended(
    place: &Place,
    out: &Output,
    path: &[&str],
    request: &impl serde::Serialize,
) -> Result<Outcome> {
    let (_, answer): (_, TokensEnded) = Server::find(place)?.post(path, request).await?;
    out.show(&answer, |paint| told(&answer, paint))?;
    Ok(if answer.gates_silent.is_empty() { Outcome::Done } else { Outcome::Refused })
}

fn told(answer: &TokensEnded, paint: Paint) -> String {
    if !answer.changed {
        return "nothing was to do: it is dead already\n".to_owned();
    }
    let (verdict, style) = match answer.gates_silent.is_empty() {
        true => ("SIGNED OUT", Style::Good),
        false => ("RECORDED, NOT CONFIRMED", Style::Bad),
    };
    let verdict = if answer.epoch.is_none() && answer.gates_silent.is_empty() { "REVOKED" } else { verdict };
    let took = time::milliseconds(answer.took_us);
    let mut text = format!("{} {} in {took}\n\n", paint.paint(verdict, style), answer.what);
    for gate in &answer.gates {
        let took = time::milliseconds(gate.took_us);
        text.push_str(&format!("  at `{}`: {} cores confirmed in {took}\n", gate.gate, gate.cores));
    }
    for gate in &answer.gates_silent {
        let silent = paint.paint(&format!("gate {gate}: NO ANSWER"), Style::Bad);
        text.push_str(&format!("  {silent}, tokens may pass there until its next snapshot\n"));
    }
    if answer.gates.is_empty() && answer.gates_silent.is_empty() {
        text.push_str("  no gate is connected\n");
    }
    text.push_str(&format!("\nsince {} no such token is accepted", time::instant(answer.finished_at)));
    if answer.epoch.is_some() {
        text.push_str("; new ones may be had, and responses under way go on");
    }
    text.push('\n');
    text
}
