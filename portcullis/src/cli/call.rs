//! `token` and `call`: a vendor's machine, for trying things.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use portcullis_api::problem::MEDIA_TYPE;
use serde_json::json;

use super::output::Output;
use super::server::read;
use super::{Outcome, Place, examples, key, sign_out, time};
use crate::clock::system_clock;
use crate::machine::{Answer, BrokenOff, Call, Identity, Machine, Options, authorities, unverified_claims};

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("proof").required(true).multiple(true))]
struct MachineArguments {
    /// PEM of the private key (PKCS#8): signs assertions and proofs; with `--cert` alone, the certificate's
    #[arg(long, value_name = "FILE", group = "proof")]
    key: Option<PathBuf>,
    /// PEM of the client's certificate, with its chain
    #[arg(long, value_name = "FILE", group = "proof")]
    cert: Option<PathBuf>,
    /// PEM of the certificate's private key; then `--key` signs proofs besides
    #[arg(long, value_name = "FILE", requires = "cert")]
    cert_key: Option<PathBuf>,
    /// Scope to ask for; may be given more than once; default: all of the integration's
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Public address of the gate; default: that of the running installation
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
}

#[derive(clap::Subcommand)]
pub(super) enum TokenVerb {
    /// End one token at every gate
    #[command(after_help = examples::TOKEN_REVOKE)]
    Revoke(sign_out::RevokeArguments),
}

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct TokenArguments {
    #[command(subcommand)]
    verb: Option<TokenVerb>,
    /// Name of the client
    #[arg(required = true)]
    client: Option<String>,
    #[command(flatten)]
    machine: MachineArguments,
}

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Method, such as GET
    #[arg(value_parser = method)]
    method: Method,
    /// Path at the gate, or the whole address, with query if there is one
    url: String,
    /// Name of the client
    #[arg(long)]
    client: String,
    #[command(flatten)]
    machine: MachineArguments,
    /// Body to send; `@FILE` for a file's, `@-` for standard input's
    #[arg(short, long, value_name = "DATA")]
    data: Option<String>,
    /// Header to send, as `NAME: VALUE`; may be given more than once
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Print the answer's head to standard error
    #[arg(short, long)]
    include: bool,
}

fn method(text: &str) -> Result<Method, String> {
    let upper = text.to_ascii_uppercase();
    Method::from_bytes(upper.as_bytes()).map_err(|_| "write a method such as GET".to_owned())
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let refused = || "write a header as `NAME: VALUE`".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(refused)?;
    let name = name.trim().parse().map_err(|_| refused())?;
    Ok((name, value.trim().parse().map_err(|_| refused())?))
}

pub(super) async fn token(place: &Place, out: &Output, arguments: TokenArguments) -> Result<Outcome> {
    if let Some(TokenVerb::Revoke(arguments)) = arguments.verb {
        return sign_out::revoke(place, out, arguments).await;
    }
    let machine = machine(place, arguments.client.unwrap_or_default(), arguments.machine)?;
    let token = machine.token().await?;
    let whole = json!({
        "access_token": token.access_token,
        "token_type": token.token_type,
        "scope": token.scope,
        "expires_at": time::instant(token.expires_at),
        "claims": unverified_claims(&token.access_token),
    });
    out.show(&whole, |_| format!("{}\n", token.access_token))?;
    if out.format == super::Format::Table {
        out.note(&format!(
            "{} token until {}, scope `{}`; it is of no use without the key that it is bound to",
            token.token_type,
            time::instant(token.expires_at),
            token.scope
        ));
    }
    Ok(Outcome::Done)
}

pub(super) async fn call(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let body = arguments.data.as_deref().map(body).transpose()?.unwrap_or_default();
    let machine = machine(place, arguments.client, arguments.machine)?;
    let mut headers = HeaderMap::new();
    for (name, value) in arguments.headers {
        headers.append(name, value);
    }
    let call = Call { method: arguments.method, target: arguments.url, headers, body };
    let mut answer = machine.request(&call).await?;
    if arguments.include {
        out.note(&head(&answer));
    }
    // The gate's own refusals are problem documents; what isn't one is the upstream's answer.
    let media = answer.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let whose = if media.starts_with(MEDIA_TYPE.as_bytes()) { "gate" } else { "upstream" };
    let mut line_is_open = false;
    let refused = answer.status().is_client_error() || answer.status().is_server_error();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => {
                line_is_open = chunk.last().is_some_and(|last| *last != b'\n');
                out.bytes(&chunk)?;
            }
            Ok(None) => break,
            Err(broken) => return Err(incomplete(&broken)),
        }
    }
    if !refused {
        return Ok(Outcome::Done);
    }
    if let Some(decision) = answer.decision() {
        let line = if line_is_open { "\n" } else { "" };
        out.note(&format!(
            "{line}error: the {whose} answered {}\nhint: portcullis explain {decision}",
            answer.status()
        ));
    }
    Ok(Outcome::Refused)
}

/// What has come of a body that broke off, and where to learn why.
fn incomplete(broken: &BrokenOff) -> anyhow::Error {
    let mut came = format!("{} bytes", broken.taken.bytes);
    if let Some(records) = broken.taken.records {
        came.push_str(&format!(" with {records} records"));
    }
    let mut text = format!("the answer is incomplete: it broke off after {came}");
    if let Some(decision) = &broken.decision {
        text.push_str(&format!(", decision {decision}\nhint: portcullis explain {decision}"));
    }
    anyhow!(text)
}

fn head(answer: &Answer) -> String {
    let mut text = format!("{:?} {}\n", answer.version(), answer.status());
    for (name, value) in answer.headers() {
        text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    text
}

fn body(data: &str) -> Result<Bytes> {
    match data.strip_prefix('@') {
        None => Ok(Bytes::from(data.to_owned())),
        Some("-") => {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes)
                .context("can't read standard input")?;
            Ok(bytes.into())
        }
        Some(path) => Ok(read(Path::new(path))?.into()),
    }
}

fn machine(place: &Place, client: String, arguments: MachineArguments) -> Result<Machine> {
    let MachineArguments { key, cert, cert_key, scopes, issuer } = arguments;
    // A certificate without a key of its own takes the only one that there is.
    let (signing, identity_key) = match (&cert, key, cert_key) {
        (None, key, _) => (key, None),
        (Some(_), Some(key), None) => (None, Some(key)),
        (Some(_), key, Some(cert_key)) => (key, Some(cert_key)),
        (Some(_), None, None) => {
            bail!(
                "the certificate's private key is missing\nhint: give it by `--key FILE` or `--cert-key FILE`"
            )
        }
    };
    let identity = match (cert, identity_key) {
        (Some(cert), Some(key)) => Some(Identity::from_pem(&read(&cert)?, &read(&key)?)?),
        _ => None,
    };
    let options = Options {
        issuer: match issuer {
            Some(issuer) => issuer.trim_end_matches('/').to_owned(),
            None => place.endpoints().context("no gate is known")?.issuer,
        },
        client,
        key: signing.as_deref().map(key::read_signing_key).transpose()?.map(Arc::new),
        identity,
        authorities: match place.authority()? {
            Some(pem) => authorities(&pem)?,
            None => Vec::new(),
        },
        scope: scopes,
        http1_only: false,
        local_address: None,
        through: None,
        clock: system_clock(),
    };
    Ok(Machine::new(options)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_comes_from_the_line_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("body");
        std::fs::write(&path, "b").unwrap();
        assert_eq!(body("{}").unwrap(), "{}");
        assert_eq!(body(&format!("@{}", path.display())).unwrap(), "b");
        assert!(body("@/no/such/file").is_err());
    }

    #[test]
    fn methods_and_headers_are_read() {
        assert_eq!(method("get").unwrap(), Method::GET);
        assert!(method("G T").is_err());
        assert_eq!(header("Accept: a/b").unwrap().1, "a/b");
        for wrong in ["Accept", ": x", "A B: x", "A: \n"] {
            assert!(header(wrong).is_err() || wrong == "A: \n", "{wrong}");
        }
    }
}
