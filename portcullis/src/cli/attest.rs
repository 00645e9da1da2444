//! `attest`: the vendor's machine says what it is, once or again and again.

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use jiff::SignedDuration;
use serde_json::json;

use super::output::{Output, Style};
use super::{Outcome, Place, client, key};
use crate::attest::Looked;
use crate::clock::system_clock;
use crate::machine::{Machine, Stated, unverified_claims};

/// How long a statement is good by itself; the integration's rules may want a newer one.
const STATEMENT_SECONDS: i64 = 86_400;
const EVERY_SECONDS: std::ops::RangeInclusive<i64> = 10..=86_400;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Name of the client
    client: String,
    /// PEM of its private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Public address of the gate; default: that of the running installation
    #[arg(long, value_name = "URL")]
    gate: Option<String>,
    /// A program whose digest is told, as FILE or NAME=FILE; may be given many times
    #[arg(long, value_name = "[NAME=]FILE")]
    program: Vec<String>,
    /// Print the statement and its claims, and send nothing
    #[arg(long, conflicts_with = "every")]
    print: bool,
    /// Go on, and send a new statement so often, such as `1h`
    #[arg(long, value_name = "TIME", value_parser = every)]
    every: Option<SignedDuration>,
    /// Reference of the image that the machine runs from
    #[arg(long, env = "PORTCULLIS_IMAGE", value_name = "NAME", requires = "image_digest")]
    image: Option<String>,
    /// Digest of that image (`sha256:…`), as whoever started the machine knows it
    #[arg(long, env = "PORTCULLIS_IMAGE_DIGEST", value_name = "DIGEST")]
    image_digest: Option<String>,
}

fn every(text: &str) -> Result<SignedDuration, String> {
    let parsed: Result<SignedDuration, _> = text.parse();
    let wanted = || "write a time of 10 seconds to a day, such as `30m` or `1h`".to_owned();
    parsed.ok().filter(|every| EVERY_SECONDS.contains(&every.as_secs())).ok_or_else(wanted)
}

pub(super) async fn attest(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    if !portcullis_domain::spec::is_name(&arguments.client) {
        bail!(
            "`{}` can't name a client\nhint: use at most 63 lower-case letters, digits and hyphens",
            arguments.client
        );
    }
    let programs: Vec<_> = arguments.program.iter().map(|text| program(text)).collect::<Result<_>>()?;
    let image = arguments.image_digest.clone();
    let image = image.map(|digest| (arguments.image.clone().unwrap_or_else(|| "unnamed".to_owned()), digest));
    let look = || Looked {
        root: PathBuf::from("/"),
        programs: programs.clone(),
        image: image.clone(),
        now: system_clock().now(),
    };
    let machine = machine(place, &arguments)?;
    if arguments.print {
        let statement = machine.signed_posture(&look().statement(), STATEMENT_SECONDS)?;
        let claims = unverified_claims(&statement).unwrap_or_default();
        out.show(&json!({ "claims": claims, "statement": statement }), |_| {
            format!("{claims:#}\n\n{statement}\n")
        })?;
        return Ok(Outcome::Done);
    }
    let Some(every) = arguments.every else {
        let stated = machine.state(&look().statement(), STATEMENT_SECONDS).await?;
        return told(out, &stated);
    };
    let mut times = tokio::time::interval(every.unsigned_abs());
    loop {
        // The first comes at once. A gate that can't be reached is tried again at the next.
        times.tick().await;
        match machine.state(&look().statement(), STATEMENT_SECONDS).await {
            Ok(stated) => drop(told(out, &stated)?),
            Err(error) => out.note(&format!("{:#}", anyhow!(error))),
        }
    }
}

fn program(text: &str) -> Result<(String, PathBuf)> {
    let (name, path) = match text.split_once('=') {
        Some((name, path)) => (name.to_owned(), PathBuf::from(path)),
        None => {
            let path = PathBuf::from(text);
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            (name, path)
        }
    };
    if !portcullis_domain::spec::posture::is_software_name(&name) {
        bail!("`{text}` names no program\nhint: write FILE, or NAME=FILE with a name of visible characters");
    }
    Ok((name, path))
}

fn machine(place: &Place, arguments: &Arguments) -> Result<Machine> {
    let issuer = match &arguments.gate {
        Some(gate) => gate.trim_end_matches('/').to_owned(),
        None => {
            place
                .endpoints()
                .context("no gate is known\nhint: name its public address by `--gate URL`")?
                .issuer
        }
    };
    client::machine(place, &issuer, &arguments.client, key::read_signing_key(&arguments.key)?)
}

fn told(out: &Output, stated: &Stated) -> Result<Outcome> {
    out.show(stated, |paint| {
        let style = match stated.posture.as_str() {
            "good" => Style::Good,
            "failing" => Style::Bad,
            _ => Style::Dim,
        };
        let mut text = format!("client {}: {}", stated.client_id, paint.paint(&stated.posture, style));
        if let Some(until) = &stated.good_until {
            text.push_str(&format!(" until {until}"));
        }
        text.push('\n');
        for what in &stated.failing {
            text.push_str(&format!("  {what}\n"));
        }
        text
    })?;
    Ok(if stated.posture == "failing" { Outcome::Refused } else { Outcome::Done })
}
