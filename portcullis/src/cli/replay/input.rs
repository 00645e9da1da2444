//! Files, folders, archives and standard input, as one log.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use flate2::read::MultiGzDecoder;
use portcullis_replay::{Broken, Format, HEAD_BYTES, Log, LogError, Parsed, Reading, Tar, is_tar};

use super::Progress;

/// Of all folders together.
const FILES_MAX: usize = 100_000;
const DEPTH_MAX: usize = 32;
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Lines between two words about them.
const TOLD_EVERY: u64 = 20_000;

pub(super) struct Wanted {
    pub format: Option<Format>,
    pub reading: Reading,
    pub since_us: i64,
    pub until_us: i64,
    pub client: Option<String>,
}

/// Reads all of it, and tells which formats there were.
pub(super) fn read(paths: &[PathBuf], wanted: &Wanted, log: &mut Log, progress: &Progress) -> Result<String> {
    let mut input = Input { wanted, log, progress, formats: Vec::new(), lines: 0 };
    for path in paths {
        if path.as_os_str() == "-" {
            input.stream("standard input", io::stdin().lock(), Named::Itself)?;
            continue;
        }
        let meta = std::fs::metadata(path).with_context(|| format!("can't read `{}`", path.display()))?;
        if !meta.is_dir() {
            input.file(path, Named::Itself)?;
            continue;
        }
        let mut files = Vec::new();
        walk(path, 0, &mut files)?;
        for file in files {
            input.file(&file, Named::InFolder)?;
        }
    }
    let names: Vec<&str> = input.formats.iter().map(|format| format.as_str()).collect();
    Ok(names.join(", "))
}

/// Whether somebody named this very file: then it must be a log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Itself,
    InFolder,
}

struct Input<'a> {
    wanted: &'a Wanted,
    log: &'a mut Log,
    progress: &'a Progress,
    formats: Vec<Format>,
    lines: u64,
}

impl Input<'_> {
    fn file(&mut self, path: &Path, named: Named) -> Result<()> {
        let file = File::open(path).with_context(|| format!("can't read `{}`", path.display()))?;
        self.stream(&path.display().to_string(), file, named)
    }

    /// Gzip is unpacked, once; an archive is gone through.
    fn stream(&mut self, name: &str, from: impl Read, named: Named) -> Result<()> {
        let (head, from) = peeked(from).with_context(|| format!("can't read `{name}`"))?;
        if !head.starts_with(&GZIP) {
            return self.unpacked(name, &head, from, named);
        }
        match peeked(MultiGzDecoder::new(from)) {
            Ok((head, from)) => self.unpacked(name, &head, from, named),
            Err(error) => self.damaged(name, &error),
        }
    }

    fn unpacked(&mut self, name: &str, head: &[u8], from: impl Read, named: Named) -> Result<()> {
        if !is_tar(head) {
            return self.log(name, head, from, named);
        }
        let mut tar = Tar::new(from);
        loop {
            let inner = match tar.next_file() {
                Ok(Some(inner)) => inner,
                Ok(None) => return Ok(()),
                Err(error) => return self.damaged(name, &error),
            };
            let inner = format!("{name}/{inner}");
            match peeked(tar.by_ref()) {
                Ok((head, file)) if head.starts_with(&GZIP) => match peeked(MultiGzDecoder::new(file)) {
                    Ok((head, file)) => self.log(&inner, &head, file, Named::InFolder)?,
                    Err(error) => self.damaged(&inner, &error)?,
                },
                Ok((head, file)) => self.log(&inner, &head, file, Named::InFolder)?,
                Err(error) => return self.damaged(&inner, &error),
            }
        }
    }

    fn log(&mut self, name: &str, head: &[u8], from: impl Read, named: Named) -> Result<()> {
        let found = Format::of_content(head, &self.wanted.reading);
        let format = match (self.wanted.format, found) {
            (Some(format), Some(found)) if named == Named::InFolder && format != found => None,
            (Some(format), None) if named == Named::InFolder && !looks_like(format, head) => None,
            (Some(format), _) => Some(format),
            (None, found) => found,
        };
        let Some(format) = format else {
            if named == Named::Itself && !head.is_empty() {
                return Err(anyhow!(
                    "the format of `{name}` is none that is read here\n\
                     hint: say what it is by `--format` (cloudtrail, k8s-audit, combined, jsonl); other JSON is read as jsonl with `--map`"
                ));
            }
            self.log.other_file(name);
            return Ok(());
        };
        if !self.formats.contains(&format) {
            self.formats.push(format);
        }
        self.log.begin_file(name);
        let reading = &self.wanted.reading;
        let mut visit = |line: u64, parsed: Result<Parsed, Broken>| self.take(line, parsed);
        match format.read(&mut BufReader::with_capacity(1 << 16, from), reading, &mut visit) {
            Ok(ControlFlow::Continue(())) => Ok(()),
            Ok(ControlFlow::Break(full)) => Err(full.into()),
            Err(error) => self.damaged(name, &error),
        }
    }

    fn take(&mut self, line: u64, parsed: Result<Parsed, Broken>) -> ControlFlow<LogError> {
        self.lines += 1;
        if self.lines.is_multiple_of(TOLD_EVERY) {
            self.progress.tell(&format!("reading: {} lines", self.lines));
        }
        match parsed {
            Err(broken) => self.log.broken(line, &broken.0),
            Ok(Parsed::Passed(passed)) => self.log.passed(passed),
            Ok(Parsed::Call(call)) => {
                let Wanted { since_us, until_us, client, .. } = self.wanted;
                let is_asked_for = (*since_us..*until_us).contains(&call.at_us)
                    && client.as_ref().is_none_or(|client| call.client.contains(client.as_str()));
                if !is_asked_for {
                    self.log.filtered();
                } else if let Err(full) = self.log.push(call, line) {
                    return ControlFlow::Break(full);
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// What was read of it counts; that the rest is missing is said with the broken lines.
    fn damaged(&mut self, name: &str, error: &dyn std::error::Error) -> Result<()> {
        self.log.begin_file(name);
        self.log.broken(0, &format!("the file can not be read to its end: {error}"));
        Ok(())
    }
}

/// A file in a folder that may be of a format although its first lines don't show it.
fn looks_like(format: Format, head: &[u8]) -> bool {
    let is_json = matches!(head.trim_ascii_start().first(), Some(b'{' | b'['));
    match format {
        Format::CloudTrail | Format::Jsonl => is_json,
        Format::K8sAudit | Format::Combined => false,
    }
}

/// A reader that begins with bytes that were looked at.
type Peeked<R> = io::Chain<Cursor<Vec<u8>>, Rest<R>>;

/// What stands behind them: first of all why it couldn't be looked further.
struct Rest<R> {
    error: Option<io::Error>,
    from: R,
}

impl<R: Read> Read for Rest<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.error.take().map_or_else(|| self.from.read(to), Err)
    }
}

/// The first bytes, and a reader that begins with them. What breaks off behind some of them breaks off when it is read.
fn peeked<R: Read>(mut from: R) -> io::Result<(Vec<u8>, Peeked<R>)> {
    let mut head = Vec::new();
    let error = match from.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head) {
        Err(error) if head.is_empty() => return Err(error),
        read => read.err(),
    };
    Ok((head.clone(), Cursor::new(head).chain(Rest { error, from })))
}

/// All files of a folder, in the order of their names. Hidden ones are left out.
fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("can't list `{}`", folder.display()))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()
        .with_context(|| format!("can't list `{}`", folder.display()))?;
    paths.sort();
    for path in paths {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden {
            continue;
        }
        if path.is_dir() {
            if depth < DEPTH_MAX && !path.is_symlink() {
                walk(&path, depth + 1, files)?;
            }
        } else if path.is_file() {
            if files.len() >= FILES_MAX {
                return Err(anyhow!(
                    "there are more than `{FILES_MAX}` files\nhint: name fewer folders at once"
                ));
            }
            files.push(path);
        }
    }
    Ok(())
}
