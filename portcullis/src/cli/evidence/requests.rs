//! Requests for evidence: a link that is said once, and the vendor's answer by it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use jiff::civil::Date;
use portcullis_api::documents::{DOCUMENT_BYTES_MAX, EvidenceAsked, RequestMade};
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use super::verify::read;
use crate::cli::output::{Format, Output};
use crate::cli::server::Server;
use crate::cli::vendor::{bare, when};
use crate::cli::{Outcome, Place};
use crate::machine::{authorities, http_builder};

/// The gate takes 64 KiB in a request; so many of these fit into one list.
const PART_BYTES: usize = 60 * 1024;
const PARTS_MAX: usize = 900;
const WAIT: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
pub(in crate::cli) struct RequestArguments {
    /// Name of the vendor
    vendor: String,
    /// Kind of evidence, such as `penetration_test`
    #[arg(long)]
    kind: String,
    /// Whom it goes to, such as a mail address
    #[arg(long)]
    contact: String,
    /// Until which day
    #[arg(long, value_name = "DATE", value_parser = when::day)]
    due: Date,
    /// What else the vendor should know
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

#[derive(clap::Args)]
pub(in crate::cli) struct AnswerArguments {
    /// The link, as it came
    link: String,
    /// The document
    #[arg(required_unless_present = "refuse")]
    file: Option<PathBuf>,
    /// Refuse instead, and say why
    #[arg(long, value_name = "REASON", conflicts_with = "file")]
    refuse: Option<String>,
}

pub(super) async fn request(server: &Server, out: &Output, arguments: RequestArguments) -> Result<Outcome> {
    let RequestArguments { vendor, kind, contact, due, note } = arguments;
    let asked = EvidenceAsked { wanted: kind, note, contact, due };
    let path = ["v1", "vendors", bare(&vendor), "requests"];
    let (_, made): (_, RequestMade) = server.post(&path, &asked).await?;
    // Alone on standard output, so that a script can take it.
    out.show(&made, |_| format!("{}\n", made.link.0))?;
    if out.format == Format::Table {
        out.note(&format!(
            "request {}; this link is printed once and works once, until {}\nhint: send it to the contact; `portcullis vendor show {}` tells what came",
            made.id,
            made.good_until,
            bare(&vendor)
        ));
    }
    Ok(Outcome::Done)
}

pub(super) async fn answer(place: &Place, out: &Output, arguments: AnswerArguments) -> Result<Outcome> {
    let link = Url::parse(&arguments.link).ok().filter(|link| link.scheme() == "https");
    let link = link.ok_or_else(|| {
        anyhow!("this is no link of a request\nhint: it is `https://GATE/oauth/evidence/CODE`")
    })?;
    let trusted = match place.authority()? {
        Some(pem) => authorities(&pem)?,
        None => Vec::new(),
    };
    let http = http_builder(&trusted, None).timeout(WAIT).build()?;
    let form = match (&arguments.refuse, &arguments.file) {
        (Some(reason), _) => vec![("refuse", reason.clone())],
        (None, Some(file)) => {
            let bytes = read(file, DOCUMENT_BYTES_MAX)?;
            if bytes.is_empty() || bytes.len() > PART_BYTES * PARTS_MAX {
                bail!(
                    "`{}` is empty, or longer than {} bytes\nhint: send it another way",
                    file.display(),
                    PART_BYTES * PARTS_MAX
                );
            }
            let mut digests = Vec::new();
            for part in bytes.chunks(PART_BYTES) {
                let request = http.post(link.clone()).header(CONTENT_TYPE, "application/octet-stream");
                let kept = told(request.body(part.to_vec())).await?;
                digests.push(kept.get("sha256").and_then(Value::as_str).unwrap_or_default().to_owned());
            }
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            vec![("name", name), ("parts", digests.join(","))]
        }
        (None, None) => bail!("nothing is answered\nhint: name a file, or `--refuse REASON`"),
    };
    let done = told(http.post(link).form(&form)).await?;
    out.show(&done, |_| format!("{}\n", done.get("done").and_then(Value::as_str).unwrap_or("sent")))?;
    Ok(Outcome::Done)
}

async fn told(request: reqwest::RequestBuilder) -> Result<Value> {
    // The address holds the code: it isn't said in an error.
    let response =
        request.send().await.map_err(reqwest::Error::without_url).context("can't reach the gate")?;
    let status = response.status();
    let body: Value = response.json().await.unwrap_or_default();
    if status.is_success() {
        return Ok(body);
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match (text("error_description"), text("hint")) {
        (description, _) if description.is_empty() => bail!("the gate answered {status}"),
        (description, hint) if hint.is_empty() => bail!("{description}"),
        (description, hint) => bail!("{description}\nhint: {hint}"),
    }
}
