//! The life of a client's keys: on the vendor's machine `accept` and `rotate`, for operators `keys` and
//! `revoke`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use portcullis_api::client_keys::{ClientKeysView, KeyStanding};
use portcullis_api::closing::RevokeKeysRequest;
use portcullis_api::severing::{Receipt, SeverAnswer};
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;

use super::output::{Output, Style};
use super::server::{Server, read};
use super::table::{Cell, Table};
use super::{Outcome, Place, key, sever, time};
use crate::clock::system_clock;
use crate::machine::{Machine, MachineError, Options, Registered, authorities};

/// Characters of a thumbprint that tell the files of two keys apart.
const MARK_CHARACTERS: usize = 8;

#[derive(clap::Args)]
pub(super) struct AcceptArguments {
    /// The link, or a file that holds it
    link: String,
    /// Folder for the private key
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Algorithm of the key: EdDSA or ES256
    #[arg(long, default_value = "EdDSA", value_parser = super::enroll::algorithm)]
    algorithm: Algorithm,
}

#[derive(clap::Args)]
pub(super) struct RotateArguments {
    /// Name of the client
    name: String,
    /// PEM of the private key in use
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Folder for the next private key
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Public address of the gate; default: that of the running installation
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
}

#[derive(clap::Args)]
pub(super) struct KeysArguments {
    /// Name of the client
    name: String,
}

#[derive(clap::Args)]
pub(super) struct RevokeArguments {
    /// Name of the client
    name: String,
    /// Thumbprint of one key; without it, all that the client has
    #[arg(long, value_name = "THUMBPRINT", allow_hyphen_values = true)]
    key: Option<String>,
    /// Why, for those who read it later
    #[arg(long)]
    reason: String,
}

pub(super) async fn accept(place: &Place, out: &Output, arguments: AcceptArguments) -> Result<Outcome> {
    let text = if arguments.link.starts_with("https://") {
        arguments.link.clone()
    } else {
        String::from_utf8(read(Path::new(&arguments.link))?).unwrap_or_default()
    };
    let (issuer, name, code) = parts(text.trim())
        .ok_or_else(|| anyhow!("this is no link of an enrolment\nhint: it is `https://GATE/oauth/enroll#NAME.CODE`; quote it in a shell"))?;
    let path = arguments.out.join(format!("{name}.pem"));
    let (key, new) = key::kept(&path, arguments.algorithm)?;
    let machine = machine(place, issuer, name, key)?;
    let registered = match machine.enrol(code).await {
        Ok(registered) => registered,
        Err(error) => {
            // Only when it was surely not registered; after a connection that broke nobody knows.
            if new && matches!(error, MachineError::Refused(_)) {
                let _ = std::fs::remove_file(&path);
            }
            if let MachineError::Refused(refused) = &error
                && !new
                && refused.error == "invalid_request"
            {
                bail!(
                    "`{}` holds a key that is or was registered: {}\nhint: name another folder by `--out` for the new one",
                    path.display(),
                    refused.description
                );
            }
            return Err(error.into());
        }
    };
    told(out, "ENROLLED", &registered, &path)
}

/// Issuer, client and code of a link.
fn parts(link: &str) -> Option<(&str, &str, &str)> {
    let (address, fragment) = link.split_once('#')?;
    let (name, code) = fragment.split_once('.')?;
    let issuer = address.strip_suffix("/oauth/enroll")?;
    (portcullis_domain::spec::is_name(name) && !code.is_empty()).then_some((issuer, name, code))
}

/// The next key is on disk before it is sent, under a name of its own, and stays there until the gate
/// is known to have it: so the command may be given again after any failure.
pub(super) async fn rotate(place: &Place, out: &Output, arguments: RotateArguments) -> Result<Outcome> {
    let name = arguments.name.as_str();
    if !portcullis_domain::spec::is_name(name) {
        bail!("`{name}` can't name a client\nhint: use at most 63 lower-case letters, digits and hyphens");
    }
    let issuer = match &arguments.issuer {
        Some(issuer) => issuer.trim_end_matches('/').to_owned(),
        None => place.endpoints().context("no gate is known")?.issuer,
    };
    let current = key::read_signing_key(&arguments.key)?;
    let pending = arguments.out.join(format!("{name}.next.pem"));
    let (next, new) = key::kept(&pending, current.algorithm())?;
    let mark: String = next.kid().chars().take(MARK_CHARACTERS).collect();
    let settled = arguments.out.join(format!("{name}.{mark}.pem"));
    if !new && is_known(place, &issuer, name, key::read_signing_key(&pending)?).await? {
        settle(&pending, &settled)?;
        out.note("the gate had this key already: only its answer was lost");
        let registered = Registered {
            client_id: name.to_owned(),
            key: next.kid().to_owned(),
            key_expires_at: "unknown".to_owned(),
            replaces: None,
            replaces_until: None,
        };
        return told(out, "ROTATED", &registered, &settled);
    }
    let registered = machine(place, &issuer, name, current)?.rotate(&next).await?;
    settle(&pending, &settled)?;
    told(out, "ROTATED", &registered, &settled)
}

/// Whether the gate takes the key already: then asking once more could look like a theft.
async fn is_known(place: &Place, issuer: &str, name: &str, key: SigningKey) -> Result<bool> {
    match machine(place, issuer, name, key)?.token().await {
        Ok(_) => Ok(true),
        Err(MachineError::NoToken(refused)) if refused.error == "invalid_client" => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn settle(pending: &Path, settled: &Path) -> Result<()> {
    std::fs::rename(pending, settled)
        .with_context(|| format!("can't rename `{}` to `{}`", pending.display(), settled.display()))
}

/// A machine that signs by a registered key.
pub(super) fn machine(place: &Place, issuer: &str, name: &str, key: SigningKey) -> Result<Machine> {
    Ok(Machine::new(Options {
        issuer: issuer.to_owned(),
        client: name.to_owned(),
        key: Some(Arc::new(key)),
        identity: None,
        authorities: match place.authority()? {
            Some(pem) => authorities(&pem)?,
            None => Vec::new(),
        },
        scope: Vec::new(),
        http1_only: false,
        local_address: None,
        through: None,
        clock: system_clock(),
    })?)
}

fn told(out: &Output, what: &str, registered: &Registered, path: &Path) -> Result<Outcome> {
    out.show(registered, |paint| {
        let name = &registered.client_id;
        let mut text = format!("{} client {name}\n\n", paint.paint(what, Style::Good));
        text.push_str(&format!("  key          {}\n", registered.key));
        text.push_str(&format!(
            "  private key  {} (for its owner only; it was sent nowhere)\n",
            path.display()
        ));
        text.push_str(&format!("  good until   {}\n", registered.key_expires_at));
        if let (Some(old), Some(until)) = (&registered.replaces, &registered.replaces_until) {
            text.push_str(&format!("  replaces     {old}, which is good until {until}\n"));
        }
        text.push_str(&format!("\nnext\n  portcullis token {name} --key {}\n", path.display()));
        text
    })?;
    Ok(Outcome::Done)
}

pub(super) async fn keys(place: &Place, out: &Output, arguments: KeysArguments) -> Result<Outcome> {
    let view: ClientKeysView = Server::find(place)?.get(&["v1", "clients", &arguments.name, "keys"]).await?;
    out.show(&view, |paint| {
        let mut table = Table::new(["KEY", "FORM", "FROM", "STANDING", "SINCE", "UNTIL"]);
        for key in &view.keys {
            let style = match key.standing {
                KeyStanding::Live => Style::Good,
                KeyStanding::Replaced => Style::Warning,
                _ => Style::Dim,
            };
            table.row([
                key.thumbprint.clone().into(),
                key.form.clone().into(),
                key.source.clone().into(),
                Cell::styled(key.standing.as_str(), style),
                time::instant(key.registered_at).into(),
                key.until.map(time::instant).unwrap_or_default().into(),
            ]);
        }
        let mut text = if table.is_empty() { String::new() } else { table.render(paint) };
        if view.keys.is_empty() {
            text.push_str("no key is registered\n");
        }
        if view.by_subject {
            text.push_str("\ncertificates of its authority are good as long as they are valid\n");
        }
        if let Some(enrolment) = &view.enrolment {
            let opened = format!("{} at {}", enrolment.opened_by, time::instant(enrolment.opened_at));
            let came = match (&enrolment.used_by, enrolment.used_at) {
                (Some(key), Some(at)) => format!("used by {key} at {}", time::instant(at)),
                _ => format!("not used, good until {}", time::instant(enrolment.expires_at)),
            };
            text.push_str(&format!("\nenrolment opened by {opened}: {came}\n"));
            if enrolment.reused > 0 {
                let theft = "another key came with it later: THEFT IS SUSPECTED";
                text.push_str(&format!("{}\n", paint.paint(theft, Style::Bad)));
            }
        }
        text
    })?;
    Ok(Outcome::Done)
}

pub(super) async fn revoke(place: &Place, out: &Output, arguments: RevokeArguments) -> Result<Outcome> {
    let RevokeArguments { name, key, reason } = arguments;
    let request = RevokeKeysRequest { key, reason };
    let path = ["v1", "clients", &name, "revoke"];
    let (_, receipt): (_, Receipt) = Server::find(place)?.post(&path, &request).await?;
    out.show(&receipt, |paint| sever::revoked_told(&receipt, &name, paint))?;
    Ok(match receipt.answer {
        SeverAnswer::Severed | SeverAnswer::SeveredReserved | SeverAnswer::ArmClosed => Outcome::Done,
        SeverAnswer::CutNotRecorded | SeverAnswer::RecordedNotConfirmed | SeverAnswer::NotEverywhere => {
            Outcome::Refused
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_has_three_parts() {
        let check =
            |link: &str, expect: Option<(&str, &str, &str)>| assert_eq!(parts(link), expect, "{link}");
        check(
            "https://gate.example:8443/oauth/enroll#acme-1.abc_-9",
            Some(("https://gate.example:8443", "acme-1", "abc_-9")),
        );
        for wrong in [
            "https://gate.example/oauth/enroll",
            "https://gate.example/oauth/enroll#acme-1",
            "https://gate.example/oauth/enroll#acme-1.",
            "https://gate.example/oauth/enroll#../x.abc",
            "https://gate.example/oauth/token#acme-1.abc",
        ] {
            check(wrong, None);
        }
    }
}
