//! `auditor`: whose signatures over documents count.

use std::path::PathBuf;

use anyhow::Result;
use portcullis_api::auditors::{AuditorAdded, AuditorRemoved, AuditorRequest, AuditorView};
use portcullis_domain::event::KeyForm;
use portcullis_proof::certificate::ROOTS_BYTES_MAX;

use super::evidence::read;
use super::output::Output;
use super::server::Server;
use super::table::Table;
use super::{Outcome, Place, examples};

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Register keys or roots of an auditor: what they sign counts as signed
    #[command(after_help = examples::AUDITOR_ADD)]
    Add(AddArguments),
    /// List the auditors, and who registered which keys
    #[command(after_help = examples::AUDITOR_LIST)]
    List,
    /// Remove an auditor: what it signs from now on counts as unsigned
    #[command(after_help = examples::AUDITOR_REMOVE)]
    Remove(RemoveArguments),
}

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub(super) struct AddArguments {
    /// The firm, as its reports name it
    name: String,
    /// Its public key (JWK) or keys (JWK Set); may be given many times
    #[arg(long, value_name = "FILE", group = "what")]
    key: Vec<PathBuf>,
    /// PEM of an authority that vouches for this auditor alone, or of a signer's own certificate; may be given many times
    #[arg(long, value_name = "FILE", group = "what")]
    root: Vec<PathBuf>,
}

#[derive(clap::Args)]
pub(super) struct RemoveArguments {
    /// The firm, as `auditor list` names it
    name: String,
    /// Why, for those who read it later
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

pub(super) async fn auditor(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    let server = Server::find(place)?;
    match verb {
        Verb::Add(arguments) => add(&server, out, arguments).await?,
        Verb::List => {
            let auditors: Vec<AuditorView> = server.get(&["v1", "auditors"]).await?;
            let none = "no auditor is registered: every signature has an unknown signer\nhint: `portcullis auditor add NAME --key FILE`";
            out.show(&auditors, |_| out.table(&table(&auditors), none))?;
        }
        Verb::Remove(RemoveArguments { name, reason }) => {
            let query = if reason.is_empty() { Vec::new() } else { vec![("reason", reason)] };
            let removed: AuditorRemoved = server.delete(&["v1", "auditors", &name], &query).await?;
            out.show(&removed, |_| {
                format!(
                    "auditor `{}` was removed; what it has signed, and was verified, stays as it is\n",
                    removed.name
                )
            })?;
        }
    }
    Ok(Outcome::Done)
}

async fn add(server: &Server, out: &Output, arguments: AddArguments) -> Result<()> {
    let AddArguments { name, key, root } = arguments;
    let text = |path: &PathBuf| -> Result<String> {
        Ok(String::from_utf8_lossy(&read(path, ROOTS_BYTES_MAX)?).into_owned())
    };
    let keys = key.iter().map(text).collect::<Result<_>>()?;
    let roots = root.iter().map(text).collect::<Result<Vec<_>>>()?;
    let roots = (!roots.is_empty()).then(|| roots.join("\n"));
    let request = AuditorRequest { name, keys, roots };
    let (_, answer): (_, AuditorAdded) = server.post(&["v1", "auditors"], &request).await?;
    out.show(&answer, |_| added(&answer, out))
}

fn added(answer: &AuditorAdded, out: &Output) -> String {
    let name = &answer.auditor.name;
    let what = match answer.added {
        0 => format!("unchanged: all of it is registered for `{name}` already\n"),
        1 => format!("one key or root was registered for `{name}`; what it signs counts from now on\n"),
        many => {
            format!("{many} keys or roots were registered for `{name}`; what they sign counts from now on\n")
        }
    };
    format!("{what}{}", out.table(&table(std::slice::from_ref(&answer.auditor)), ""))
}

fn table(auditors: &[AuditorView]) -> Table {
    let mut table = Table::new(["AUDITOR", "FORM", "~ABOUT", "ENDS", "SINCE", "BY", "THUMBPRINT"]);
    for auditor in auditors {
        for key in &auditor.keys {
            let form = match key.form {
                KeyForm::Jwk => "key",
                KeyForm::Certificate => "root",
            };
            table.row([
                auditor.name.as_str().into(),
                form.into(),
                key.about.as_str().into(),
                key.ends.map(|ends| ends.strftime("%Y-%m-%d").to_string()).unwrap_or_default().into(),
                key.since.strftime("%Y-%m-%d").to_string().into(),
                key.by.as_str().into(),
                key.thumbprint.as_str().into(),
            ]);
        }
    }
    table
}
