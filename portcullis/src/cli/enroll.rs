//! `client enroll`: public keys and certificates only.

use std::path::PathBuf;

use anyhow::Result;
use portcullis_api::enroll::{EnrollAnswer, EnrollRequest};
use portcullis_domain::spec::AssertionAudience;
use portcullis_tokens::jws::Algorithm;

use super::certificate::{Registration, registration};
use super::key::{self, Generated};
use super::output::{Output, Paint, Style};
use super::server::Server;
use super::{Outcome, Place};

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("proof").required(true).multiple(true))]
pub(super) struct Arguments {
    /// Name of the client: its `client_id`
    name: String,
    /// Integration that the client belongs to
    #[arg(long)]
    integration: String,
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
    /// Algorithm of the key pair: EdDSA or ES256
    #[arg(long, requires = "generate", conflicts_with = "jwks", default_value = "EdDSA", value_parser = algorithm)]
    algorithm: Algorithm,
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    [Algorithm::EdDSA, Algorithm::ES256]
        .into_iter()
        .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
        .ok_or_else(|| "it is EdDSA or ES256".to_owned())
}

pub(super) async fn enroll(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    // Everything that can be refused here is, before anything is made or sent.
    let server = Server::find(place)?;
    let mut request = EnrollRequest {
        name: arguments.name.clone(),
        integration: arguments.integration.clone(),
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

fn told(answer: &EnrollAnswer, generated: Option<&Generated>, arguments: &Arguments, paint: Paint) -> String {
    let name = &answer.client.name;
    let mut text = format!(
        "{} client {name}, of integration {}\n\n",
        paint.paint("ENROLLED", Style::Good),
        arguments.integration
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
