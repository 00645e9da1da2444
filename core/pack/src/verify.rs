//! Whether a pack is what it says: its signature, the digest of each member, the proofs of sealed files and events, and, where
//! the rows are in it, every number.
//!
//! Nothing in a pack is believed before the key vouches for it, and nothing of it is held in memory that may be long: a pack is
//! read twice from its beginning.

mod plan;
mod proofs;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use jiff::Timestamp;
use portcullis_domain::archive::Content;
use portcullis_ledger::note::NoteVerifier;
use portcullis_ledger::{Hash, LedgerError, Sha256, sha256};
use portcullis_replay::{Tar, TarError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::evidence::{Counts, Evidence, Section};
use crate::gaps::gaps;
use crate::manifest::{MANIFEST, MEMBERS_MAX, Manifest, ManifestError, NOTE, Statement};
use crate::tally::{Counted, Names};
use crate::{EVIDENCE, FAILED, FORMAT, MINUTES, REPORT, UNSEALED, Window, WindowError, tar};
use plan::Plan;
use proofs::Proofs;

/// Of a member that is read whole.
const WHOLE_BYTES_MAX: u64 = 128 << 20;
const COPY_BYTES: usize = 1 << 17;

/// What is wrong with a pack.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("the pack can't be read")]
    Read(#[from] io::Error),
    #[error("the pack is no archive")]
    Tar(#[from] TarError),
    #[error("making the pack failed: {0}")]
    Failed(String),
    #[error("the pack has no member `{0}`")]
    Missing(String),
    #[error("the pack has the member `{0}` twice")]
    Twice(String),
    #[error("the pack has a member that can't be one: `{0}`")]
    Name(String),
    #[error("the pack has more than `{MEMBERS_MAX}` members")]
    TooMany,
    #[error("the pack holds more than its members: `{found}` bytes instead of `{expected}`")]
    Hidden { found: u64, expected: u64 },
    #[error("the member `{0}` is not in the manifest")]
    Unnamed(String),
    #[error("the member `{0}` was changed: it has another digest than the manifest says")]
    Changed(String),
    #[error("the manifest was changed: it has another digest than the signed note says")]
    ManifestChanged,
    #[error("the signed note can't be believed")]
    Note(#[source] ManifestError),
    #[error("the manifest can't be read")]
    Manifest(#[source] ManifestError),
    #[error("the key in the pack is none")]
    Key(#[source] LedgerError),
    #[error("the member `{0}` is too long")]
    TooLong(String),
    #[error("the member `{name}` can't be read")]
    Json {
        name: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("its format is `{0}`, this program reads `{FORMAT}`")]
    Format(String),
    #[error(transparent)]
    Window(#[from] WindowError),
    #[error("the note is about another pack than the evidence is: {0}")]
    OtherPack(&'static str),
    #[error("the member `{name}` proves nothing: {why}")]
    Proof { name: String, why: String },
    #[error("the rows of `{name}` are not those of the sealed file: {why}")]
    Rows { name: String, why: String },
    #[error("the evidence names rows of the sealed file `{0}` twice")]
    Repeated(String),
    #[error("counted anew, `{0}` is something else than the evidence says")]
    Count(&'static str),
}

/// What was found, where everything holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Verified {
    pub vendor: String,
    pub vendor_id: String,
    pub from: Timestamp,
    pub to: Timestamp,
    pub made_at: Timestamp,
    pub ledger: String,
    pub ledger_size: u64,
    /// Public key that everything was verified with.
    pub key: String,
    /// Whether that key came from elsewhere than from the pack.
    pub key_is_known: bool,
    pub members: u64,
    /// Sealed files whose digests stand in the ledger.
    pub sealed_files: u64,
    /// Events that stand in the ledger, those of the files included.
    pub events: u64,
    /// Rows that lead to the digests in the ledger.
    pub rows_proved: u64,
    /// Rows for which only the pack's signature stands.
    pub rows_unsealed: u64,
    /// Whether every number was counted anew from the rows.
    pub recounted: bool,
    pub summary: Counts,
    /// What the evidence itself says is missing from it.
    pub gaps: Vec<String>,
}

/// Verifies a pack of `length` bytes, which `open` gives from its beginning each time. Without a key the pack's own is taken:
/// then what it says about itself fits together, and whose it is must be known from elsewhere.
///
/// # Errors
/// [`VerifyError`]: the first thing that doesn't hold.
pub fn verify<R: Read>(
    open: &mut dyn FnMut() -> io::Result<R>,
    length: u64,
    key: Option<&NoteVerifier>,
) -> Result<Verified, VerifyError> {
    let read = first_pass(open()?, length)?;
    let evidence: Evidence = json(EVIDENCE, &read.evidence)?;
    if evidence.format != FORMAT {
        return Err(VerifyError::Format(evidence.format.chars().take(80).collect()));
    }
    let verifier = match key {
        Some(key) => key.clone(),
        None => evidence.ledger.key.parse().map_err(VerifyError::Key)?,
    };
    check_note(&read, &evidence, &verifier)?;
    let window = Window::new(evidence.vendor.id, evidence.window.from, evidence.window.to)?;
    let plan = Plan::of(&evidence, &read)?;
    let mut proofs = Proofs::new(&evidence, &verifier);
    let mut counting = rows::Rows::new(window, &evidence);
    second_pass(open()?, &plan, &mut proofs, &mut counting)?;
    proofs.finish()?;
    let rows_proved = counting.proved();
    let rows_unsealed = counting.unsealed();
    let recounted = evidence.rows_included;
    if recounted {
        let counted = counting.finish(&names(&evidence))?;
        compare(&evidence, &counted, &read)?;
    }
    Ok(Verified {
        vendor: evidence.vendor.name.clone(),
        vendor_id: evidence.vendor.id.to_string(),
        from: window.from,
        to: window.to,
        made_at: evidence.made_at,
        ledger: evidence.ledger.origin.clone(),
        ledger_size: evidence.ledger.size,
        key: verifier.to_string(),
        key_is_known: key.is_some(),
        members: read.members.len() as u64,
        sealed_files: evidence.sources.sealed.len() as u64,
        events: plan.proofs.len() as u64,
        rows_proved,
        rows_unsealed,
        recounted,
        summary: summary(&evidence),
        gaps: gaps(&evidence),
    })
}

#[must_use]
pub fn summary(evidence: &Evidence) -> Counts {
    let summary = evidence.sections.iter().find_map(|section| match section {
        Section::Summary(counts) => Some(counts.clone()),
        _ => None,
    });
    summary.unwrap_or_default()
}

/// The members, and what of them is needed first.
struct FirstPass {
    members: BTreeMap<String, Hash>,
    manifest: Vec<u8>,
    note: Vec<u8>,
    evidence: Vec<u8>,
}

fn first_pass(from: impl Read, length: u64) -> Result<FirstPass, VerifyError> {
    let mut tar = Tar::new(from);
    let mut read =
        FirstPass { members: BTreeMap::new(), manifest: Vec::new(), note: Vec::new(), evidence: Vec::new() };
    let mut expected = tar::END.len() as u64;
    let mut buffer = vec![0; COPY_BYTES];
    let mut failed = None;
    while let Some(name) = tar.next_file()? {
        if !tar::is_name(&name) {
            return Err(VerifyError::Name(name.chars().take(120).collect()));
        }
        let mut keep = match name.as_str() {
            MANIFEST => Some(&mut read.manifest),
            NOTE => Some(&mut read.note),
            EVIDENCE => Some(&mut read.evidence),
            FAILED => Some(failed.insert(Vec::new())),
            _ => None,
        };
        let (mut digest, mut bytes) = (Sha256::default(), 0_u64);
        loop {
            let count = tar.read(&mut buffer)?;
            let Some(some) = buffer.get(..count).filter(|some| !some.is_empty()) else { break };
            bytes += count as u64;
            digest.update(some);
            if let Some(keep) = &mut keep {
                if bytes > WHOLE_BYTES_MAX {
                    return Err(VerifyError::TooLong(name));
                }
                keep.extend_from_slice(some);
            }
        }
        expected = expected.saturating_add(tar::length(bytes));
        if read.members.len() >= MEMBERS_MAX {
            return Err(VerifyError::TooMany);
        }
        if read.members.insert(name.clone(), digest.finish()).is_some() {
            return Err(VerifyError::Twice(name));
        }
    }
    if let Some(why) = failed {
        let why = String::from_utf8_lossy(&why).into_owned();
        return Err(VerifyError::Failed(why.trim().chars().take(2_000).collect()));
    }
    for name in [MANIFEST, NOTE, EVIDENCE, MINUTES, REPORT] {
        if !read.members.contains_key(name) {
            return Err(VerifyError::Missing(name.to_owned()));
        }
    }
    // Links, long names and whatever lies behind the end are no members of a pack: somebody would see them, and no digest.
    if length != expected {
        return Err(VerifyError::Hidden { found: length, expected });
    }
    Ok(read)
}

fn check_note(read: &FirstPass, evidence: &Evidence, verifier: &NoteVerifier) -> Result<(), VerifyError> {
    let note = String::from_utf8_lossy(&read.note);
    let statement = Statement::open(&note, verifier).map_err(VerifyError::Note)?;
    if sha256(&read.manifest) != statement.manifest {
        return Err(VerifyError::ManifestChanged);
    }
    let text = String::from_utf8_lossy(&read.manifest);
    let manifest = Manifest::parse(&text).map_err(VerifyError::Manifest)?;
    let mut named = BTreeSet::from([MANIFEST, NOTE]);
    for (name, digest) in manifest.members() {
        match read.members.get(name) {
            Some(found) if found == digest => {}
            Some(_) => return Err(VerifyError::Changed(name.clone())),
            None => return Err(VerifyError::Missing(name.clone())),
        }
        named.insert(name);
    }
    if let Some(unnamed) = read.members.keys().find(|name| !named.contains(name.as_str())) {
        return Err(VerifyError::Unnamed(unnamed.clone()));
    }
    let expected = Statement::new(&manifest, evidence);
    for (same, what) in [
        (statement.vendor == expected.vendor, "the vendor is another"),
        ((statement.from, statement.to) == (expected.from, expected.to), "the window is another"),
        (statement.made_at == expected.made_at, "it was made at another time"),
        (statement.ledger == expected.ledger, "the ledger is another"),
        (verifier.name() == statement.ledger, "the key is of another ledger"),
        (statement.ledger_size == expected.ledger_size, "the ledger is longer or shorter"),
        (statement.members == expected.members, "it has more or fewer members"),
    ] {
        if !same {
            return Err(VerifyError::OtherPack(what));
        }
    }
    Ok(())
}

fn second_pass(
    from: impl Read,
    plan: &Plan<'_>,
    proofs: &mut Proofs<'_>,
    rows: &mut rows::Rows<'_>,
) -> Result<(), VerifyError> {
    let mut tar = Tar::new(from);
    while let Some(name) = tar.next_file()? {
        if plan.proofs.contains(name.as_str()) {
            proofs.check(&name, &whole(&name, &mut tar)?)?;
        }
        if let Some(number) = plan.ranges.get(name.as_str()) {
            rows.ranges(*number, json(&name, &whole(&name, &mut tar)?)?);
        }
        if let Some((number, sealed)) = plan.rows.get(name.as_str()) {
            rows.sealed(&name, *number, sealed, &mut tar)?;
        }
        if plan.unsealed && name == UNSEALED {
            rows.unsealed_rows(&mut tar)?;
        }
    }
    Ok(())
}

/// The names that the evidence gives, so that what is counted anew can be compared with it.
fn names(evidence: &Evidence) -> Names {
    let mut names = Names::new();
    let mut put = |id: Option<uuid::Uuid>, name: &Option<String>| {
        if let (Some(id), Some(name)) = (id, name) {
            names.insert(id, name.clone());
        }
    };
    for section in &evidence.sections {
        match section {
            Section::Routes(routes) => {
                routes.lines.iter().for_each(|line| put(line.route.map(|id| id.0), &line.name));
            }
            Section::Callers(callers) => {
                for line in &callers.lines {
                    put(line.integration.map(|id| id.0), &line.integration_name);
                    put(line.client.map(|id| id.0), &line.client_name);
                }
            }
            _ => {}
        }
    }
    names
}

fn compare(evidence: &Evidence, counted: &Counted, read: &FirstPass) -> Result<(), VerifyError> {
    let mut seen = BTreeSet::new();
    for section in &evidence.sections {
        let (name, same) = match section {
            Section::Summary(counts) => ("summary", *counts == counted.summary),
            Section::Routes(routes) => ("routes", *routes == counted.routes),
            Section::Callers(callers) => ("callers", *callers == counted.callers),
            Section::Networks(networks) => ("networks", *networks == counted.networks),
            Section::Reasons { lines } => ("reasons", *lines == counted.reasons),
            Section::Minutes(minutes) => {
                let csv = sha256(counted.series.csv().as_bytes());
                ("minutes", *minutes == counted.minutes && read.members.get(MINUTES) == Some(&csv))
            }
            Section::Decisions(decisions) => ("decisions", *decisions == counted.decisions),
            Section::Severances { lines } => {
                let by_minute = |line: &crate::evidence::SeveranceLine| {
                    line.records_by_minute == counted.series.hour_before(line.time)
                };
                ("severances", lines.iter().all(by_minute))
            }
            _ => continue,
        };
        if !same || !seen.insert(name) {
            return Err(VerifyError::Count(name));
        }
    }
    for name in ["summary", "routes", "callers", "networks", "reasons", "minutes", "decisions"] {
        if !seen.contains(name) {
            return Err(VerifyError::Count(name));
        }
    }
    Ok(())
}

fn whole(name: &str, from: &mut impl Read) -> Result<Vec<u8>, VerifyError> {
    let mut bytes = Vec::new();
    from.take(WHOLE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > WHOLE_BYTES_MAX {
        return Err(VerifyError::TooLong(name.to_owned()));
    }
    Ok(bytes)
}

fn json<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, VerifyError> {
    serde_json::from_slice(bytes).map_err(|source| VerifyError::Json { name: name.to_owned(), source })
}

/// For a line that names the sort of what stands in a file.
fn is_decisions(content: Content) -> bool {
    content == Content::Decisions
}
