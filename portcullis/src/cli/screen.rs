//! `screen`: what vendors match on lists, without recording it.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use portcullis_api::sources::{FoundMatch, ListText, ScreenReport, ScreenRequest, SourceKind};
use portcullis_assurance::screening::MatchWord;

use super::output::{Output, Paint, Style};
use super::server::{Server, read};
use super::table::{Cell, Table};
use super::{Outcome, Place, time, vendor};

/// As much as the readers of lists take.
const LIST_BYTES_MAX: usize = 64 << 20;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Name of a vendor; all of them without it
    vendor: Option<String>,
    /// A list to try in the place of those in use
    #[arg(long, value_name = "FILE", requires = "kind")]
    list: Option<PathBuf>,
    /// What the list is: `SDN.CSV` of OFAC, or `targets.simple.csv` of OpenSanctions
    #[arg(long, value_enum, requires = "list")]
    kind: Option<Kind>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum Kind {
    OfacSdn,
    Opensanctions,
}

pub(super) async fn screen(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let server = Server::find(place)?;
    let Arguments { vendor, list, kind } = arguments;
    let list = match (list, kind) {
        (Some(path), Some(kind)) => Some(ListText {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            kind: match kind {
                Kind::OfacSdn => SourceKind::OfacSdn,
                Kind::Opensanctions => SourceKind::Opensanctions,
            },
            text: text(&path)?,
        }),
        _ => None,
    };
    let vendor = vendor.map(|name| vendor::bare(&name).to_owned());
    let report: ScreenReport = server.post_long(&["v1", "screen"], &ScreenRequest { vendor, list }).await?;
    out.show(&report, |paint| told(out, &report, paint))?;
    let open = report.found.iter().any(|found| found.word != Some(MatchWord::Cleared));
    Ok(if open { Outcome::Refused } else { Outcome::Done })
}

/// A file to send.
pub(super) fn text(path: &std::path::Path) -> Result<String> {
    let bytes = read(path)?;
    if bytes.len() > LIST_BYTES_MAX {
        bail!(
            "`{}` has more than {LIST_BYTES_MAX} bytes\nhint: name it among `sources` of `settings.json`",
            path.display()
        );
    }
    String::from_utf8(bytes).map_err(|_| {
        anyhow!("`{}` is no text in UTF-8\nhint: choose the download as text, unpacked", path.display())
    })
}

fn told(out: &Output, report: &ScreenReport, paint: Paint) -> String {
    if report.lists.is_empty() {
        return "there is no list to look in: `sources` of `settings.json` names lists, or give one by `--list`, and we have parted from nobody\n".to_owned();
    }
    let lists = report.lists.iter().map(|list| {
        let as_of = list.as_of.map(|as_of| format!(" of {}", time::instant(as_of)));
        format!("`{}` ({} entries{})", list.name, list.entries, as_of.unwrap_or_default())
    });
    let lists: Vec<String> = lists.collect();
    let of = match report.vendors {
        1 => "1 vendor".to_owned(),
        many => format!("{many} vendors"),
    };
    let mut text = format!("{of} beside {}; nothing is recorded\n", lists.join(", "));
    if report.found.is_empty() {
        text.push_str(&format!("{}\n", paint.paint("nobody matches", Style::Good)));
    } else {
        text.push_str(&out.table(&table(&report.found), ""));
    }
    text
}

fn table(found: &[FoundMatch]) -> Table {
    let mut table = Table::new(["VENDOR", "LIST", "ENTRY", "SCORE", "IDENTIFIER", "STATE", "~NAME", "~WHY"]);
    for FoundMatch { vendor, list, found, known, word } in found {
        let state = match (word, known) {
            (Some(MatchWord::Cleared), _) => Cell::styled("cleared", Style::Good),
            (Some(MatchWord::Confirmed), _) => Cell::styled("confirmed", Style::Bad),
            (None, true) => Cell::styled("open", Style::Warning),
            (None, false) => Cell::styled("new", Style::Warning),
        };
        table.row([
            vendor.as_str().into(),
            list.as_str().into(),
            found.entry.as_str().into(),
            Cell::styled(
                format!("{}.{:03}", found.score / 1_000, found.score % 1_000),
                if found.is_sure() { Style::Bad } else { Style::Warning },
            ),
            found.identifier.as_deref().unwrap_or("-").into(),
            state,
            found.name.as_str().into(),
            found.why.as_str().into(),
        ]);
    }
    table
}
