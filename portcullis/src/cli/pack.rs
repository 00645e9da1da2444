//! `pack`: an evidence pack, and whether one is what it says.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use portcullis_api::packs::PackRequest;
use portcullis_ledger::note::NoteVerifier;
use portcullis_pack::verify::{Verified, VerifyError, verify};

use super::ledger;
use super::output::{Output, Paint, Style, plain};
use super::server::Server;
use super::time::{self, Since};
use super::{Outcome, Place, examples};
use crate::clock::system_clock;

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    wanted: Wanted,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Check a pack without any server: signature, digests, proofs, and every number where the rows are in it
    #[command(after_help = examples::PACK_VERIFY)]
    Verify(VerifyArguments),
}

#[derive(clap::Args)]
struct Wanted {
    /// Name of the vendor; of a deleted one, its id
    #[arg(value_name = "VENDOR", required_unless_present = "incident")]
    vendor: Option<String>,
    /// The incident that it is about, by number or id: its vendor, its time, and a section of its own
    #[arg(long, value_name = "INCIDENT", conflicts_with = "vendor")]
    incident: Option<String>,
    /// What was decided since then: `90m`, `24h`, `7d`, or an instant such as `2026-12-31T18:00:00Z`
    #[arg(long, required_unless_present = "incident")]
    from: Option<Since>,
    /// What was decided before then, written like `--from`; now without it
    #[arg(long)]
    to: Option<Since>,
    #[command(flatten)]
    how: How,
}

#[derive(clap::Args, Clone)]
pub(super) struct How {
    /// Where to write it; default: `VENDOR-DAY.portcullis-pack.tar` here
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Include every row, so that others can count anew
    #[arg(long)]
    rows: bool,
    /// Include whole sealed files: they hold decisions about other vendors, too
    #[arg(long)]
    files: bool,
    /// Seal first what is not sealed yet, so that there is a proof for all of it
    #[arg(long)]
    seal: bool,
}

#[derive(clap::Args)]
struct VerifyArguments {
    /// The pack
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Public key of the ledger that you keep; without it, the one in the pack is taken, and shown
    #[arg(long, value_name = "VKEY")]
    key: Option<NoteVerifier>,
}

pub(super) async fn pack(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    if let Some(Verb::Verify(arguments)) = arguments.verb {
        let verified = check(&arguments.file, arguments.key.as_ref())?;
        out.show(&verified, |paint| told(&verified, None, paint))?;
        return Ok(Outcome::Done);
    }
    let Wanted { vendor, incident, from, to, how } = arguments.wanted;
    let now = system_clock().now();
    let request = PackRequest {
        vendor,
        incident,
        from: from.map(|from| from.before(now)),
        to: to.map(|to| to.before(now)),
        rows: how.rows,
        files: how.files,
        seal: how.seal,
    };
    fetch(place, out, &request, how.out).await
}

/// The pack of an incident.
pub(super) async fn export(place: &Place, out: &Output, incident: String, how: How) -> Result<Outcome> {
    let request = PackRequest {
        vendor: None,
        incident: Some(incident),
        from: None,
        to: None,
        rows: how.rows,
        files: how.files,
        seal: how.seal,
    };
    fetch(place, out, &request, how.out).await
}

/// Has a pack made, and writes it once it is verified.
pub(super) async fn fetch(
    place: &Place,
    out: &Output,
    request: &PackRequest,
    file: Option<PathBuf>,
) -> Result<Outcome> {
    let server = Server::find(place)?;
    let key = ledger::head(&server).await?.key.context("the server tells no key of its ledger")?;
    let key: NoteVerifier = key.parse()?;
    let mut response = server.post_for_stream(&["v1", "packs"], request).await?;
    let file = file.unwrap_or_else(|| PathBuf::from(file_name(&response)));
    let partial = file.with_added_extension("part");
    let doing = || format!("can't write `{}`", partial.display());
    let mut opened = File::options();
    // What a vendor read is not everybody's business.
    let mut written =
        opened.write(true).create(true).truncate(true).mode(0o600).open(&partial).with_context(doing)?;
    let fetched = async {
        while let Some(chunk) = response.chunk().await.context("the server's answer broke off")? {
            written.write_all(&chunk).with_context(doing)?;
        }
        written.sync_all().with_context(doing)?;
        // What wouldn't convince others is not handed to them.
        check(&partial, Some(&key))
    };
    let verified = match fetched.await {
        Ok(verified) => verified,
        Err(error) => {
            let _ = std::fs::remove_file(&partial);
            return Err(error);
        }
    };
    std::fs::rename(&partial, &file).with_context(|| format!("can't write `{}`", file.display()))?;
    let mut shown = serde_json::to_value(&verified)?;
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("file".to_owned(), file.display().to_string().into());
    }
    out.show(&shown, |paint| told(&verified, Some(&file), paint))?;
    Ok(Outcome::Done)
}

fn check(file: &Path, key: Option<&NoteVerifier>) -> Result<Verified> {
    let shown = file.display();
    let reading = || format!("can't read `{shown}`");
    let bytes = std::fs::metadata(file).with_context(reading)?.len();
    let mut open = || File::open(file);
    match verify(&mut open, bytes, key) {
        Ok(verified) => Ok(verified),
        Err(VerifyError::Failed(why)) => bail!("the pack can't be made: {why}"),
        Err(error) => {
            Err(anyhow!(error).context(format!("`{shown}` is not what it says\nhint: do not rely on it")))
        }
    }
}

/// As the server proposes it, if that is a name and nothing else.
fn file_name(response: &reqwest::Response) -> String {
    let proposed = response.headers().get("content-disposition").and_then(|value| value.to_str().ok());
    let name = proposed.and_then(|value| value.split("filename=\"").nth(1)?.split('"').next());
    let plain = |name: &&str| !name.contains('/') && portcullis_pack::tar::is_name(name);
    name.filter(plain).unwrap_or("portcullis-pack.tar").to_owned()
}

fn told(verified: &Verified, file: Option<&Path>, paint: Paint) -> String {
    let summary = &verified.summary;
    let mut text = format!(
        "{}  what `{}` read from {} to {}\n",
        paint.paint("GOOD", Style::Good),
        plain(&verified.vendor),
        time::instant(verified.from),
        time::instant(verified.to)
    );
    text.push_str(&format!(
        "      {} records in {} requests: {} allowed, {} cut, {} denied, {} challenged\n",
        summary.records, summary.requests, summary.allowed, summary.cut, summary.denied, summary.challenged
    ));
    let counted = if verified.recounted {
        format!(
            "counted anew: {} stand in sealed files, {} in none yet",
            verified.rows_proved, verified.rows_unsealed
        )
    } else {
        "its rows are not in it, so nothing was counted anew: `--rows` includes them".to_owned()
    };
    text.push_str(&format!("rows  {counted}\n"));
    text.push_str(&format!(
        "by    {} members signed, {} sealed files and {} events proved\nin    the {} events of `{}`\nkey   {}\n",
        verified.members, verified.sealed_files, verified.events, verified.ledger_size, plain(&verified.ledger), plain(&verified.key)
    ));
    if !verified.key_is_known {
        text.push_str("      the key is the pack's own word: compare it with the one that you keep, or give that one by `--key`\n");
    }
    for gap in &verified.gaps {
        text.push_str(&format!("{}  {}\n", paint.paint("but ", Style::Warning), plain(gap)));
    }
    if let Some(file) = file {
        text.push_str(&format!("file  {}\n", plain(&file.display().to_string())));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_pack::evidence::Counts;

    /// A pack that brings its own key is whoever's: its words are shown, and do nothing.
    #[test]
    fn a_foreign_pack_steers_no_terminal() {
        let hostile = |word: &str| format!("\u{1b}[2J{word}\u{7}\u{9b}1A\u{202e}\r\n");
        let verified = Verified {
            vendor: hostile("vendor"),
            vendor_id: String::new(),
            from: jiff::Timestamp::UNIX_EPOCH,
            to: jiff::Timestamp::UNIX_EPOCH,
            made_at: jiff::Timestamp::UNIX_EPOCH,
            ledger: hostile("ledger"),
            ledger_size: 1,
            key: hostile("key"),
            key_is_known: false,
            members: 1,
            sealed_files: 0,
            events: 0,
            rows_proved: 0,
            rows_unsealed: 0,
            recounted: true,
            summary: Counts::default(),
            gaps: vec![hostile("gap")],
        };
        let file = PathBuf::from(hostile("file"));
        let text = told(&verified, Some(&file), Paint { on: false });
        for word in ["vendor", "ledger", "key", "gap", "file"] {
            assert!(text.contains(&format!(" [2J{word}  1A   ")), "{word}: {text:?}");
        }
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\r']), "{text:?}");
        assert_eq!(text.lines().count(), 9, "{text}");
    }
}
