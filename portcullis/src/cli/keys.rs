//! The keys that tokens are signed with.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use portcullis_api::keys::{
    KeysView, RotateAnswer, RotateRequest, SigningKeyStage, SigningKeyView, WithdrawAnswer, WithdrawRequest,
    Withdrawn,
};

use portcullis_store::DataDirectory;

use super::output::{Output, Paint, Style};
use super::server::Server;
use super::table::Table;
use super::{Outcome, Place, examples, time};
use crate::clock::system_clock;
use crate::vault::{new_master, replace_lost, rewrap};

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List the keys that tokens are signed with, and those that were
    #[command(after_help = examples::KEYS_LIST)]
    List,
    /// Publish a new signing key, which signs when everybody has had time to learn of it
    #[command(after_help = examples::KEYS_ROTATE)]
    Rotate {
        /// Let it sign as soon as every gate knows it
        #[arg(long)]
        now: bool,
    },
    /// Refuse a signing key at once, and every token under it
    #[command(after_help = examples::KEYS_WITHDRAW)]
    Withdraw {
        /// The key, as `keys list` names it
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// Why, for those who read it later
        #[arg(long)]
        reason: String,
    },
    /// Make a master key in a new file
    #[command(after_help = examples::KEYS_NEW_MASTER)]
    NewMaster {
        /// The file to make
        file: PathBuf,
    },
    /// Seal everything by another master key, while the installation is stopped
    #[command(after_help = examples::KEYS_REWRAP)]
    Rewrap {
        /// File of the new master key
        #[arg(long, value_name = "FILE")]
        new_master_key_file: PathBuf,
        /// File of the master key in use; without it, `PORTCULLIS_MASTER_KEY` or the folder's own
        #[arg(long, env = "PORTCULLIS_MASTER_KEY_FILE", value_name = "FILE")]
        master_key_file: Option<PathBuf>,
    },
    /// Found new keys in place of those that a lost master key sealed, while the installation is stopped
    #[command(after_help = examples::KEYS_REPLACE_LOST)]
    ReplaceLost {
        /// It can't be undone
        #[arg(long)]
        confirm: bool,
        /// File of the master key to go on with; without it, `PORTCULLIS_MASTER_KEY` or the folder's own
        #[arg(long, env = "PORTCULLIS_MASTER_KEY_FILE", value_name = "FILE")]
        master_key_file: Option<PathBuf>,
    },
}

pub(super) async fn keys(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    match verb {
        Verb::NewMaster { file } => {
            new_master(&file)?;
            out.text(&format!(
                "made `{}`; what it seals is lost without it: keep a copy elsewhere\n",
                file.display()
            ))?;
            return Ok(Outcome::Done);
        }
        Verb::Rewrap { new_master_key_file, master_key_file } => {
            let (_held, directory) = stopped(place)?;
            let files = rewrap(&directory.join("keys"), master_key_file.as_deref(), &new_master_key_file)?;
            let new = new_master_key_file.display();
            out.text(&format!(
                "{files} files are sealed by `{new}` now\nstart with `--master-key-file {new}`\n"
            ))?;
            return Ok(Outcome::Done);
        }
        Verb::ReplaceLost { confirm, master_key_file } => {
            return replace(place, out, confirm, master_key_file.as_deref());
        }
        Verb::List | Verb::Rotate { .. } | Verb::Withdraw { .. } => {}
    }
    let server = Server::find(place)?;
    match verb {
        Verb::NewMaster { .. } | Verb::Rewrap { .. } | Verb::ReplaceLost { .. } => {}
        Verb::List => {
            let keys: KeysView = server.get(&["v1", "keys"]).await?;
            out.show(&keys, |_| listed(out, &keys))?;
        }
        Verb::Rotate { now } => {
            let (_, answer): (_, RotateAnswer) =
                server.post(&["v1", "keys", "rotate"], &RotateRequest { now }).await?;
            out.show(&answer, |paint| rotated(&answer, paint))?;
            if now && answer.key.stage != SigningKeyStage::Active {
                return Ok(Outcome::Refused);
            }
        }
        Verb::Withdraw { kid, reason } => {
            let request = WithdrawRequest { kid, reason };
            let (_, answer): (_, WithdrawAnswer) = server.post(&["v1", "keys", "withdraw"], &request).await?;
            out.show(&answer, |paint| withdrawn(&answer, paint))?;
            if answer.answer != Withdrawn::Withdrawn {
                return Ok(Outcome::Refused);
            }
        }
    }
    Ok(Outcome::Done)
}

/// The data folder of an installation that isn't running, and stays so while this is held.
fn stopped(place: &Place) -> Result<(DataDirectory, PathBuf)> {
    let directory = place.directory().ok_or_else(|| {
        anyhow!("no data folder is known\nhint: give `--dir DIR` of a stopped installation")
    })?;
    if !directory.join("FORMAT").exists() {
        bail!(
            "`{}` is no data folder\nhint: give `--dir DIR` of a stopped installation",
            directory.display()
        );
    }
    Ok((DataDirectory::open(&directory)?, directory))
}

fn replace(place: &Place, out: &Output, confirm: bool, given: Option<&Path>) -> Result<Outcome> {
    let (_held, directory) = stopped(place)?;
    if !confirm {
        bail!(
            "replacing lost keys can't be undone: every client needs a new token and the new `ca.crt`, and personal texts read as erased\nhint: look for the master key first; then say `--confirm`"
        );
    }
    let aside = format!("lost-{}", system_clock().now().as_second());
    let lost = replace_lost(&directory, given, &aside)?;
    let mut text = format!("put aside in `{}`:\n", directory.join("keys").join(aside).display());
    for name in lost {
        text.push_str(&format!("  {name}\n"));
    }
    text.push_str("\nthe next start makes new keys, and records it in the ledger\n");
    out.text(&text)?;
    Ok(Outcome::Done)
}

fn listed(out: &Output, keys: &KeysView) -> String {
    let mut text = out.table(&table(&keys.signing), "no keys");
    if let Some(next) = keys.next_published_at {
        text.push_str(&format!("\nthe next key is published {}\n", time::instant(next)));
    }
    text
}

fn table(keys: &[SigningKeyView]) -> Table {
    let mut table = Table::new(["KID", "STAGE", "ALGORITHM", "SINCE", "SIGNS FROM", "REFUSED FROM"]);
    let shown = |at: Option<jiff::Timestamp>| at.map(time::instant).unwrap_or_default();
    for key in keys {
        table.row([
            key.kid.clone().into(),
            key.stage.as_str().into(),
            key.algorithm.clone().into(),
            shown(key.since).into(),
            shown(key.signs_from).into(),
            shown(key.refused_from).into(),
        ]);
    }
    table
}

fn rotated(answer: &RotateAnswer, paint: Paint) -> String {
    let key = &answer.key;
    let (verdict, style) = match key.stage {
        SigningKeyStage::Active => ("ACTIVE", Style::Good),
        _ => ("PUBLISHED", Style::Warning),
    };
    let mut text = format!("{} {}\n\n", paint.paint(verdict, style), key.kid);
    if let Some(signs_from) = key.signs_from {
        text.push_str(&format!("  signs from    {}\n", time::instant(signs_from)));
    }
    if let Some(replaces) = &answer.replaces {
        text.push_str(&format!("  replaces      {replaces}\n"));
    }
    if let Some(refused_from) = answer.refused_from {
        text.push_str(&format!("  which is refused from {} on\n", time::instant(refused_from)));
    }
    for gate in &answer.gates_behind {
        text.push_str(&format!("  gate `{gate}` does not know the new key yet\n"));
    }
    noted(&mut text, &answer.notes);
    text
}

fn withdrawn(answer: &WithdrawAnswer, paint: Paint) -> String {
    let (verdict, style) = match answer.answer {
        Withdrawn::Withdrawn => ("WITHDRAWN", Style::Good),
        Withdrawn::NotRecorded => ("WITHDRAWN, NOT RECORDED", Style::Bad),
        Withdrawn::RecordedNotConfirmed => ("RECORDED, NOT CONFIRMED", Style::Bad),
    };
    let took = time::milliseconds(answer.took_us);
    let mut text = format!("{} {} in {took}\n\n", paint.paint(verdict, style), answer.kid);
    for gate in &answer.gates {
        text.push_str(&format!(
            "  at `{}`: refused after {}, {} connections reset\n",
            gate.gate,
            time::milliseconds(gate.took_us),
            gate.connections.len()
        ));
    }
    for gate in &answer.gates_silent {
        text.push_str(&format!(
            "  {}\n",
            paint.paint(&format!("gate `{gate}` has not confirmed"), Style::Bad)
        ));
    }
    text.push_str(&format!("  at         {}\n", time::instant(answer.withdrawn_at)));
    if let Some(successor) = &answer.successor {
        text.push_str(&format!("  signs now  {successor}\n"));
    }
    noted(&mut text, &answer.notes);
    text
}

fn noted(text: &mut String, notes: &[String]) {
    for note in notes {
        text.push_str(&format!("\nnote: {note}\n"));
    }
}
