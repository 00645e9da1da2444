//! `client enroll`: public keys and certificates only.

use std::path::PathBuf;

use anyhow::Result;
use portcullis_api::client_keys::{EnrolmentAnswer, EnrolmentRequest};
use portcullis_api::enroll::{EnrollAnswer, EnrollRequest};
use portcullis_domain::spec::AssertionAudience;
use portcullis_tokens::jws::Algorithm;

use super::certificate::{Registration, registration};
use super::key::{self, Generated};
use super::output::{Output, Paint, Style};
use super::server::Server;
use super::{Outcome, Place, time};

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("proof").required(true).multiple(true))]
pub(super) struct Arguments {
    /// Name of the client: its `client_id`
    name: String,
    /// Integration that the client belongs to
    #[arg(long, required_unless_present = "recover", conflicts_with = "recover")]
    integration: Option<String>,
    /// Public keys of the client, as a JSON Web Key Set
    #[arg(long, value_name = "FILE", group = "proof")]
    jwks: Option<PathBuf>,
    /// PEM of the client's certificate: pinned if self-signed, else registered by its subject
    #[arg(long, value_name = "FILE", group = "proof")]
    cert: Option<PathBuf>,
    /// PEM of the authority that issued the certificate, if it isn't in the same file
    #[arg(long, value_name = "FILE", requires = "cert")]
    cert_authority: Option<PathBuf>,
    /// Make a key pair in this folder, and register its public half
    #[arg(long, value_name = "DIR", group = "proof", conflicts_with = "jwks")]
    generate: Option<PathBuf>,
    /// Print a link by which the vendor's machine registers its own key, once
    #[arg(long, group = "proof", conflicts_with_all = ["jwks", "cert", "generate"])]
    link: bool,
    /// Print such a link for a client that has lost its keys; those it had end now
    #[arg(long, group = "proof", conflicts_with_all = ["jwks", "cert", "generate", "link"])]
    recover: bool,
    /// How long the link is good, such as 1h, 24h or 7d; a day without it
    #[arg(long, value_name = "SPAN", value_parser = span)]
    expires: Option<u32>,
    /// Write the link into this file, for its owner only, instead of printing it
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Algorithm of the key pair: EdDSA or ES256
    #[arg(long, requires = "generate", conflicts_with = "jwks", default_value = "EdDSA", value_parser = algorithm)]
    algorithm: Algorithm,
}

/// Minutes, hours or days, in seconds.
fn span(text: &str) -> Result<u32, String> {
    let refused = || "write a span such as `30m`, `24h` or `7d`".to_owned();
    let number = text.get(..text.len().saturating_sub(1)).and_then(|number| number.parse::<u32>().ok());
    let unit = match text.bytes().last() {
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        Some(b'd') => 86_400,
        _ => return Err(refused()),
    };
    number.and_then(|number| number.checked_mul(unit)).ok_or_else(refused)
}

pub(super) fn algorithm(name: &str) -> Result<Algorithm, String> {
    [Algorithm::EdDSA, Algorithm::ES256]
        .into_iter()
        .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
        .ok_or_else(|| "it is EdDSA or ES256".to_owned())
}

pub(super) async fn enroll(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    // Everything that can be refused here is, before anything is made or sent.
    let server = Server::find(place)?;
    if arguments.link || arguments.recover {
        return link(&server, out, arguments).await;
    }
    let mut request = EnrollRequest {
        name: arguments.name.clone(),
        integration: arguments.integration.clone().unwrap_or_default(),
        labels: std::collections::BTreeMap::new(),
        jwks: arguments.jwks.as_deref().map(key::read_public_set).transpose()?,
        certificates: Vec::new(),
        subject: None,
        assertion_audience: AssertionAudience::default(),
    };
    if let Some(path) = &arguments.cert {
        match registration(path, arguments.cert_authority.as_deref())? {
            Registration::Pinned(pem) => request.certificates.push(pem),
            Registration::Subject(subject) => request.subject = Some(*subject),
        }
    }
    let generated = match &arguments.generate {
        Some(directory) => Some(key::generate(directory, &arguments.name, arguments.algorithm)?),
        None => None,
    };
    if let Some(generated) = &generated {
        request.jwks = Some(generated.public.clone());
    }
    let answer: Result<(_, EnrollAnswer)> = server.post(&["v1", "clients"], &request).await;
    if let (Err(error), Some(generated)) = (&answer, &generated)
        && error.is::<super::failure::Refused>()
    {
        // Only when it was surely not registered; after a connection that broke nobody knows.
        generated.discard();
    }
    let (_, answer) = answer?;
    out.show(&answer, |paint| told(&answer, generated.as_ref(), &arguments, paint))?;
    Ok(Outcome::Done)
}

async fn link(server: &Server, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let request = EnrolmentRequest {
        name: arguments.name,
        integration: arguments.integration,
        labels: std::collections::BTreeMap::new(),
        expires_seconds: arguments.expires,
    };
    let (_, answer): (_, EnrolmentAnswer) = server.post(&["v1", "enrolments"], &request).await?;
    let link = answer.link.0.as_str();
    if let Some(file) = &arguments.file {
        key::write_new(file, format!("{link}\n").as_bytes(), 0o600)?;
    }
    let name = &answer.client;
    out.show(&answer, |_| match &arguments.file {
        Some(_) => String::new(),
        None => format!("{link}\n"),
    })?;
    if out.format == super::Format::Table {
        let file = arguments.file.as_ref().map(|file| format!("the link is in {}\n", file.display()));
        let ended = if arguments.recover {
            format!(
                "the keys that `{name}` had are refused now; it may be enrolled again {} more times\n",
                answer.recoveries_left
            )
        } else {
            String::new()
        };
        let behind =
            answer.gates_behind.iter().map(|gate| format!("gate `{gate}` does not decide by it yet\n"));
        out.note(&format!(
            "{}{ended}{}good once, until {}, and for whoever has it: give it to nobody but the vendor's developer, who runs\n  portcullis client accept LINK --out keys",
            file.unwrap_or_default(),
            behind.collect::<String>(),
            time::instant(answer.expires_at)
        ));
    }
    Ok(Outcome::Done)
}

fn told(answer: &EnrollAnswer, generated: Option<&Generated>, arguments: &Arguments, paint: Paint) -> String {
    let name = &answer.client.name;
    let mut text = format!(
        "{} client {name}, of integration {}\n\n",
        paint.paint("ENROLLED", Style::Good),
        arguments.integration.as_deref().unwrap_or_default()
    );
    let mut fact = |what: &str, value: &str| text.push_str(&format!("  {what:<14} {value}\n"));
    fact("issuer", &answer.issuer);
    fact("client_id", name);
    fact("proves itself", &answer.authentication.join(", "));
    fact("scopes", &answer.scopes.join(" "));
    for key in &answer.client.status.keys {
        fact(if key.form == "jwk" { "key" } else { &key.form }, &key.thumbprint);
    }
    let Some(generated) = generated else {
        text.push_str("\ntell the vendor's developer the issuer, the client_id and the scopes; any OAuth library does the rest\n");
        return text;
    };
    let key = generated.key.display();
    text.push_str(&format!("\n  private key    {key} (for its owner only; it was sent nowhere)\n"));
    text.push_str(&format!("  public set     {}\n", generated.jwks.display()));
    text.push_str(&format!(
        "\nnext\n  portcullis token {name} --key {key}\n  portcullis call GET /PATH --client {name} --key {key}\n"
    ));
    text
}
