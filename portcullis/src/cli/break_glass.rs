//! Credentials for the night in which nobody can sign in.

use anyhow::Result;
use portcullis_api::break_glass::{BreakGlassRemoved, BreakGlassRequest, BreakGlassSealed, BreakGlassView};

use super::output::{Format, Output};
use super::server::Server;
use super::table::Table;
use super::{Outcome, Place, time};

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Make a credential to be sealed away; it is printed once
    Seal {
        /// Of the envelope, such as `safe-of-the-night-shift`; no person's
        name: String,
    },
    /// List the credentials, and which were used
    List,
    /// Remove a credential; it is dead at once
    Remove {
        /// Of the envelope
        name: String,
    },
}

pub(super) async fn break_glass(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    let server = Server::find(place)?;
    match verb {
        Verb::Seal { name } => {
            let request = BreakGlassRequest { name };
            let (_, sealed): (_, BreakGlassSealed) = server.post(&["v1", "break-glass"], &request).await?;
            // Alone on standard output, so that it can be piped to a printer.
            out.show(&sealed, |_| format!("{}\n", sealed.token.0))?;
            if out.format == Format::Table {
                out.note(&format!(
                    "credential `{}` is printed once: seal it in an envelope, beside the address of control and its certificate authority\nhint: whoever breaks the seal sets it as `PORTCULLIS_TOKEN` and runs `portcullis sever vendor/NAME --reason REASON`; it severs and looks, and is worth nothing a day after its first use",
                    sealed.name
                ));
            }
        }
        Verb::List => {
            let known: Vec<BreakGlassView> = server.get(&["v1", "break-glass"]).await?;
            let none = "no sealed credentials; `portcullis break-glass seal NAME` makes one";
            out.show(&known, |_| out.table(&table(&known), none))?;
        }
        Verb::Remove { name } => {
            let removed: BreakGlassRemoved = server.delete(&["v1", "break-glass", &name], &[]).await?;
            out.show(&removed, |_| format!("credential `{}` was removed, it is dead\n", removed.name))?;
        }
    }
    Ok(Outcome::Done)
}

fn table(known: &[BreakGlassView]) -> Table {
    let mut table = Table::new(["NAME", "STATE", "SEALED", "BY", "USED"]);
    for credential in known {
        let state = match (credential.opened_at, credential.good) {
            (None, _) => "sealed",
            (Some(_), true) => "OPEN",
            (Some(_), false) => "over",
        };
        let used = credential.opened_at.map_or_else(|| "never".to_owned(), time::instant);
        table.row([
            credential.name.as_str().into(),
            state.into(),
            time::instant(credential.sealed_at).into(),
            credential.sealed_by.as_str().into(),
            used.into(),
        ]);
    }
    table
}
