//! What the gate keeps beside its decision log: calls that belong to no decision, its starts, and what it compared with.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use portcullis_domain::ids::ClientId;
use portcullis_policy::risk_log::{
    CALLS_EXTENSION, CALLS_FOLDER, Line, PEERS_EXTENSION, PEERS_FOLDER, PeersFile,
};
use portcullis_policy::risks::UnderWay;
use portcullis_replay::redecide::Redecider;

/// A start names every client.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub(super) struct Recorded {
    folder: PathBuf,
}

/// What was under way when the copy of a day was made, and when that was.
#[derive(Default)]
pub(super) struct Copied {
    pub at_us: Option<i64>,
    pub under_way: Vec<(ClientId, UnderWay)>,
}

impl Recorded {
    pub fn of(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Tells what clients were compared with since when.
    pub fn peers(&self, redecider: &mut Redecider<'_>) -> Result<()> {
        for (from_us, path) in self.numbered(PEERS_FOLDER, PEERS_EXTENSION)? {
            let file: PeersFile = serde_json::from_slice(&fs::read(&path)?)
                .with_context(|| format!("`{}` can't be read", path.display()))?;
            redecider.compared(from_us, file.compiled());
        }
        Ok(())
    }

    /// Of the copy of this day.
    pub fn copied(&self, wanted: i64) -> Result<Copied> {
        let mut found = Copied::default();
        self.each(None, &mut |line| {
            if let Line::Copied { at_us, day, under_way } = line
                && day == wanted
            {
                found = Copied { at_us: Some(at_us), under_way };
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Tells the starts after this time.
    pub fn starts(&self, redecider: &mut Redecider<'_>, from_us: i64) -> Result<()> {
        self.each(None, &mut |line| {
            if let Line::Started { at_us, steps } = line
                && at_us > from_us
            {
                redecider.started(at_us, steps);
            }
            Ok(())
        })
    }

    /// Gives the calls of one day.
    pub fn calls(&self, redecider: &mut Redecider<'_>, day: i64, wanted: Option<ClientId>) -> Result<()> {
        self.each(Some(day), &mut |line| {
            if let Line::Called { at_us, client, step, call } = line
                && wanted.is_none_or(|wanted| wanted == client)
            {
                redecider.take_aside(client, step, at_us, call)?;
            }
            Ok(())
        })
    }

    /// Lines of a day, or of all, in their order. One that broke off with the gate is none.
    fn each(&self, wanted: Option<i64>, visit: &mut dyn FnMut(Line) -> Result<()>) -> Result<()> {
        for (day, path) in self.numbered(CALLS_FOLDER, CALLS_EXTENSION)? {
            if wanted.is_some_and(|wanted| wanted != day) {
                continue;
            }
            let mut file = BufReader::new(File::open(&path)?);
            let mut text = Vec::new();
            loop {
                text.clear();
                if file.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut text)? == 0 {
                    break;
                }
                if let Ok(line) = serde_json::from_slice(&text) {
                    visit(line)?;
                }
            }
        }
        Ok(())
    }

    fn numbered(&self, folder: &str, extension: &str) -> Result<Vec<(i64, PathBuf)>> {
        let folder = self.folder.join(folder);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(|| format!("can't list `{}`", folder.display()))?,
        };
        let number = |path: &Path| {
            let is_one = path.extension()? == extension;
            path.file_stem()?.to_str()?.parse::<i64>().ok().filter(|_| is_one)
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let mut found: Vec<(i64, PathBuf)> = paths.filter_map(|path| Some((number(&path)?, path))).collect();
        found.sort();
        Ok(found)
    }
}
