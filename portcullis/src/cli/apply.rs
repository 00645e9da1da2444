//! `apply` and `diff`: manifests go to the server as they are, so that its errors name their lines.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use portcullis_api::apply::{Action, ApplyReport, ApplyRequest, ManifestText};
use portcullis_api::manifest::FILE_BYTES_MAX;

use super::output::{Output, Paint, Style};
use super::server::Server;
use super::{Outcome, Place};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    files: Files,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(clap::Args)]
pub(super) struct Files {
    /// Manifest, folder of manifests, or `-` for standard input; may be given more than once
    #[arg(short = 'f', long = "file", value_name = "PATH", required = true)]
    files: Vec<PathBuf>,
}

pub(super) async fn apply(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let manifests = read_all(&arguments.files.files)?;
    let request = ApplyRequest { manifests, dry_run: arguments.dry_run };
    let (_, report): (_, ApplyReport) = Server::find(place)?.post(&["v1", "apply"], &request).await?;
    show(out, &report)
}

pub(super) async fn diff(place: &Place, out: &Output, files: Files) -> Result<Outcome> {
    let request = ApplyRequest { manifests: read_all(&files.files)?, dry_run: true };
    let (_, report): (_, ApplyReport) = Server::find(place)?.post(&["v1", "diff"], &request).await?;
    show(out, &report)
}

pub(super) fn show(out: &Output, report: &ApplyReport) -> Result<Outcome> {
    out.show(report, |paint| told(report, paint))?;
    for gate in &report.gates_behind {
        out.note(&format!("note: gate `{gate}` has not confirmed yet that it decides by this"));
    }
    Ok(Outcome::Done)
}

/// The diff of what changes, a line for each resource, and a summary.
fn told(report: &ApplyReport, paint: Paint) -> String {
    let mut text = String::new();
    for change in &report.changes {
        for line in change.diff.lines() {
            text.push_str(&paint.paint(line, style_of(line)));
            text.push('\n');
        }
    }
    for change in &report.changes {
        let style = if change.action == Action::Unchanged { Style::Dim } else { Style::Strong };
        let action = paint.paint(&format!("{:<9}", change.action.as_str()), style);
        text.push_str(&format!("{action}  {} {}\n", change.kind, change.name));
        for note in &change.notes {
            text.push_str(&format!("           {}\n", paint.paint(note, Style::Warning)));
        }
    }
    let count = |action| report.changes.iter().filter(|change| change.action == action).count();
    let mut counts = vec![
        format!("created {}", count(Action::Created)),
        format!("changed {}", count(Action::Changed)),
        format!("unchanged {}", count(Action::Unchanged)),
    ];
    let deleted = count(Action::Deleted);
    if deleted > 0 {
        counts = vec![format!("deleted {deleted}")];
    }
    let dry_run = if report.dry_run { " (dry run: nothing was changed)" } else { "" };
    text.push_str(&format!("{}{dry_run}\n", counts.join(", ")));
    text
}

fn style_of(line: &str) -> Style {
    match line.as_bytes().first() {
        Some(b'+') => Style::Good,
        Some(b'-') => Style::Bad,
        Some(b'@') => Style::Dim,
        _ => Style::Plain,
    }
}

pub(super) fn read_all(paths: &[PathBuf]) -> Result<Vec<ManifestText>> {
    let mut manifests = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let text = bounded(std::io::stdin().lock(), "standard input")?;
            manifests.push(ManifestText { file: "-".to_owned(), text });
        } else if path.is_dir() {
            for file in manifests_in(path)? {
                manifests.push(read_one(&file)?);
            }
        } else {
            manifests.push(read_one(path)?);
        }
    }
    Ok(manifests)
}

/// The manifests of a folder by name; not those of folders in it.
fn manifests_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let doing = || format!("can't read `{}`", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(doing)? {
        let path = entry.with_context(doing)?.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if path.is_file() && matches!(ending, Some("yaml" | "yml" | "json")) {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!(
            "there is no manifest in `{}`\nhint: their names end in `.yaml`, `.yml` or `.json`",
            folder.display()
        );
    }
    files.sort();
    Ok(files)
}

fn read_one(path: &Path) -> Result<ManifestText> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).with_context(|| format!("can't read `{name}`"))?;
    Ok(ManifestText { text: bounded(file, &name)?, file: name })
}

fn bounded(from: impl std::io::Read, name: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let one_more = FILE_BYTES_MAX as u64 + 1;
    from.take(one_more).read_to_end(&mut bytes).with_context(|| format!("can't read `{name}`"))?;
    if bytes.len() > FILE_BYTES_MAX {
        bail!("`{name}` is longer than {FILE_BYTES_MAX} bytes\nhint: part it into several files");
    }
    String::from_utf8(bytes).with_context(|| format!("`{name}` is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_api::apply::Change;
    use portcullis_domain::spec::Kind;

    #[test]
    fn a_report_is_diff_then_lines_then_summary() {
        let change = |name: &str, action, diff: &str| Change {
            kind: Kind::Vendor,
            name: name.to_owned(),
            action,
            diff: diff.to_owned(),
            notes: Vec::new(),
        };
        let report = ApplyReport {
            changes: vec![
                change("a", Action::Created, "--- /dev/null\n+++ Vendor/a\n@@ -0,0 +1 @@\n+kind: Vendor\n"),
                change("b", Action::Unchanged, ""),
            ],
            ledger_size: 2,
            dry_run: true,
            gates_behind: Vec::new(),
        };
        insta::assert_snapshot!(told(&report, Paint { on: false }), @r"
        --- /dev/null
        +++ Vendor/a
        @@ -0,0 +1 @@
        +kind: Vendor
        created    Vendor a
        unchanged  Vendor b
        created 1, changed 0, unchanged 1 (dry run: nothing was changed)
        ");
    }

    #[test]
    fn a_folder_gives_its_manifests_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let empty = read_all(&[folder.path().to_owned()]).unwrap_err().to_string();
        assert!(empty.contains("there is no manifest in"), "{empty}");
        for name in ["b.yaml", "a.json", "c.txt"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let texts: Vec<String> = read_all(&[folder.path().to_owned()])
            .unwrap()
            .into_iter()
            .map(|manifest| manifest.text)
            .collect();
        assert_eq!(texts, ["a.json", "b.yaml"]);
    }

    #[test]
    fn a_long_file_is_refused() {
        assert_eq!(bounded(&[b'a'; 3][..], "f").unwrap(), "aaa");
        let long = vec![b'a'; FILE_BYTES_MAX + 1];
        assert!(bounded(long.as_slice(), "f").unwrap_err().to_string().contains("is longer than"));
        assert!(bounded(&[0xff][..], "f").is_err());
    }
}
