//! `incident tell`: the vendor's machine signs a notice of its breach, and sends it or prints it.

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use portcullis_incident::Severity;
use portcullis_incident::notice::{Said, check};
use serde_json::json;

use super::super::output::Output;
use super::super::time::Since;
use super::super::{Outcome, Place, client, key};
use super::{moment, named, show};

#[derive(clap::Args)]
pub(in super::super) struct Arguments {
    /// Name of your client
    client: String,
    /// PEM of its private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Public address of the gate; default: that of the running installation
    #[arg(long, value_name = "URL")]
    gate: Option<String>,
    /// Your own name for your incident; a further notice with the same belongs to it
    #[arg(long, value_name = "TEXT")]
    reference: String,
    /// When your firm knew: an instant in UTC, or how long ago, such as `3h`
    #[arg(long, value_name = "TIME")]
    aware: Since,
    /// What has happened
    #[arg(long, value_name = "TEXT")]
    what: String,
    /// `low`, `medium`, `high` or `critical`
    #[arg(long, value_name = "SEVERITY", value_parser = named::<Severity>)]
    severity: Option<Severity>,
    /// Whom to call at your firm
    #[arg(long, value_name = "TEXT")]
    contact: Option<String>,
    /// How many records are affected, as far as you know
    #[arg(long, value_name = "COUNT")]
    records: Option<u64>,
    /// Which data, in a word or two; may be given many times
    #[arg(long, value_name = "TEXT")]
    data: Vec<String>,
    /// Print the signed notice, and send nothing: mail it, or hand it in on the gate's page
    #[arg(long)]
    sign_only: bool,
}

pub(in super::super) async fn tell(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let Arguments {
        client: name,
        key,
        gate,
        reference,
        aware,
        what,
        severity,
        contact,
        records,
        data,
        sign_only,
    } = arguments;
    let aware = moment(Some(aware)).unwrap_or_default();
    let said = Said { reference, aware, what, severity, contact, affected_records: records, data };
    check(&said).map_err(|error| anyhow!("{error}"))?;
    let issuer = match gate {
        Some(gate) => gate.trim_end_matches('/').to_owned(),
        None => {
            place
                .endpoints()
                .context("no gate is known\nhint: name its public address by `--gate URL`")?
                .issuer
        }
    };
    let machine = client::machine(place, &issuer, &name, key::read_signing_key(&key)?)?;
    let signed = machine.signed_notice(&said)?;
    if sign_only {
        out.show(&json!({ "signed_notice": signed }), |_| format!("{signed}\n"))?;
        return Ok(Outcome::Done);
    }
    let answer = machine.tell(signed).await?;
    out.show(&answer, |paint| show::acknowledged(paint, &answer))?;
    Ok(Outcome::Done)
}
