//! Signed receipts of severances, and whether one is genuine.

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use portcullis_api::severing::ReceiptsView;
use portcullis_control::receipts;
use portcullis_ledger::note::NoteVerifier;

use super::output::{Format, Output, Paint};
use super::server::Server;
use super::{Outcome, Place, sever, telling};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Id of the severance, as its receipt and `severances` say it
    #[arg(required_unless_present = "verify")]
    severance: Option<String>,
    /// Verify a signed receipt in a file, and ask no server
    #[arg(long, value_name = "FILE", conflicts_with = "severance", requires = "key")]
    verify: Option<PathBuf>,
    /// The ledger's key, as `ledger key` prints it
    #[arg(long, value_name = "VKEY")]
    key: Option<NoteVerifier>,
}

pub(super) async fn receipt(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let Arguments { severance, verify, key } = arguments;
    if let (Some(path), Some(verifier)) = (verify, key) {
        let note =
            std::fs::read_to_string(&path).with_context(|| format!("can't read `{}`", path.display()))?;
        let text = verifier.open(&note).map_err(|error| {
            anyhow!("the receipt is not genuine: {error}\nhint: is it the key of the ledger that it is from, and the whole file, with one receipt?")
        })?;
        let receipt = receipts::read(text).map_err(|error| anyhow!(error))?;
        out.show(&receipt, |paint| {
            format!("genuine, signed by {}\n\n{}", verifier.name(), sever::receipt_told(&receipt, paint))
        })?;
        return Ok(Outcome::Done);
    }
    let Some(severance) = severance else { bail!("name a severance, or a file to verify") };
    let view: ReceiptsView = Server::find(place)?.get(&["v1", "severances", &severance, "receipts"]).await?;
    // As they are: whoever verifies one needs every byte.
    out.show(&view, |_| view.notes.join("\n"))?;
    if let Some(told) = view.told.as_ref().filter(|_| out.format == Format::Table) {
        let mut text = String::new();
        telling::told(&mut text, told, false, Paint { on: false });
        out.note(text.trim_end());
    }
    Ok(Outcome::Done)
}
