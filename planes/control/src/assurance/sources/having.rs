//! How one source is had: fetched, read from a file or a folder, or asked about each vendor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_api::sources::SourceKind;
use portcullis_assurance::entity::EntityRecord;
use portcullis_assurance::lei::Lei;
use portcullis_domain::state::State;
use portcullis_proof::digest;

use super::read::{content, gleif_records, registry_record};
use super::wanted::{leis, numbers};
use super::{Content, Kept, Loaded, Remembered, Source, Status, copies};
use crate::feeds::{FetchedFile, Validator, WantedFile};

/// Of a copy: lists are tens of megabytes, catalogues of packages some more.
const BYTES_MAX: u64 = 512 << 20;
/// LEIs that GLEIF is asked for at once.
const LEIS: usize = 100;
/// Companies that one register is asked for, one by one.
const COMPANIES_MAX: usize = 2_000;

/// So often in a row that it is the register that can't answer.
const FAILURES_IN_A_ROW: u32 = 5;
/// Behind a company's number.
const OFFICERS: &str = ".officers.json";

/// What came of having a source.
pub(super) struct Had {
    pub loaded: Loaded,
    pub remembered: Remembered,
    /// What it couldn't say, though it said the rest.
    pub partly: Option<String>,
    /// It said so little in the end that the others weren't asked.
    pub gave_up: bool,
}

/// Of registers.
#[derive(Default)]
struct Answers {
    records: Vec<EntityRecord>,
    partly: Option<String>,
    gave_up: bool,
}

impl From<Vec<EntityRecord>> for Answers {
    fn from(records: Vec<EntityRecord>) -> Self {
        Self { records, ..Self::default() }
    }
}

/// Has `source` now; `accept` takes it although it has lost most of its entries.
pub(super) async fn have(
    kept: &Kept,
    source: &Source,
    state: &State,
    now: Timestamp,
    accept: bool,
) -> Result<Had, String> {
    let settings = &source.settings;
    match (settings.kind, &settings.url, &settings.file) {
        (SourceKind::Gleif, Some(url), _) => {
            let records = ask_gleif(kept, source, url, state, now).await?;
            entities(kept, source, records.into(), now).await
        }
        (SourceKind::Registry, Some(url), _) => {
            let answers = ask_register(kept, source, url, state, now).await?;
            entities(kept, source, answers, now).await
        }
        (SourceKind::Registry, None, Some(folder)) => {
            let folder = folder.clone();
            let read = tokio::task::spawn_blocking(move || folder_of_records(&folder, now)).await;
            let records = read.map_err(|error| error.to_string())??;
            entities(kept, source, records.into(), now).await
        }
        _ => whole(kept, source, state, now, accept).await,
    }
}

/// Records of registers stay in memory.
async fn entities(
    kept: &Kept,
    source: &Source,
    Answers { records, partly, gave_up }: Answers,
    now: Timestamp,
) -> Result<Had, String> {
    let remembered = Remembered { place: source.settings.shown(), validator: None, as_of: Some(now) };
    copies::remember(kept, source, &remembered).await?;
    let loaded =
        Loaded { sha256: said(&records)?, content: Content::Entities(Arc::new(records)), as_of: now };
    Ok(Had { loaded, remembered, partly, gave_up })
}

/// What they say, whenever they said it.
fn said(records: &[EntityRecord]) -> Result<String, String> {
    let timeless = |record: &EntityRecord| EntityRecord { at: Timestamp::UNIX_EPOCH, ..record.clone() };
    let timeless: Vec<EntityRecord> = records.iter().map(timeless).collect();
    Ok(digest(&serde_json::to_vec(&timeless).map_err(|error| error.to_string())?))
}

async fn whole(
    kept: &Kept,
    source: &Source,
    state: &State,
    now: Timestamp,
    accept: bool,
) -> Result<Had, String> {
    let (kind, place) = (source.settings.kind, source.settings.shown());
    let before = source.status().clone();
    let (bytes, validator) = match &source.settings.file {
        Some(file) => (read_file(file.clone()).await?, None),
        None => {
            let known = before.remembered.validator.clone();
            let known = known.filter(|_| before.loaded.is_some() && before.remembered.place == place);
            match fetch(kept, source, &place, known).await? {
                Fetched::Unchanged => return unchanged(kept, source, before, now).await,
                Fetched::Bytes(bytes, validator) => (bytes, validator),
            }
        }
    };
    let wanted = leis(state);
    let parse = move || (content(kind, &bytes, &wanted, now), digest(&bytes), bytes);
    let (content, sha256, bytes) =
        tokio::task::spawn_blocking(parse).await.map_err(|error| error.to_string())?;
    let content = content.map_err(|error| error.to_string())?;
    if let Content::Entities(records) = content {
        return entities(kept, source, records.to_vec().into(), now).await;
    }
    check_loss(&before, &content, accept)?;
    let remembered = Remembered { place, validator, as_of: Some(now) };
    copies::lay_down(kept, source, &bytes, &remembered).await?;
    Ok(Had { loaded: Loaded { content, sha256, as_of: now }, remembered, partly: None, gave_up: false })
}

async fn unchanged(kept: &Kept, source: &Source, before: Status, now: Timestamp) -> Result<Had, String> {
    let loaded = before.loaded.ok_or("it says that nothing is new, and nothing is here")?;
    let remembered = Remembered { as_of: Some(now), ..before.remembered };
    copies::remember(kept, source, &remembered).await?;
    Ok(Had { loaded: Loaded { as_of: now, ..loaded }, remembered, partly: None, gave_up: false })
}

/// A list that has lost most of its entries was rather cut off than cleared.
fn check_loss(before: &Status, content: &Content, accept: bool) -> Result<(), String> {
    let Some(before) = &before.loaded else { return Ok(()) };
    let (had, has) = (before.content.entries(), content.entries());
    if accept || has * 2 >= had {
        return Ok(());
    }
    Err(format!(
        "it has {has} entries, and had {had}\nhint: if that is right, `portcullis source refresh NAME --accept` takes it"
    ))
}

enum Fetched {
    Unchanged,
    Bytes(Vec<u8>, Option<Validator>),
}

async fn fetch(kept: &Kept, source: &Source, url: &str, known: Option<Validator>) -> Result<Fetched, String> {
    let to = copies::fetched(kept, source);
    let wanted = WantedFile {
        url: url.to_owned(),
        certificate_authority: source.certificate_authority.clone(),
        header_files: source.settings.header_files.clone(),
        known,
        to: to.clone(),
        bytes_max: BYTES_MAX,
    };
    match (kept.fetch)(wanted).await? {
        FetchedFile::Unchanged => Ok(Fetched::Unchanged),
        FetchedFile::Written { validator } => {
            let bytes = read_file(to.clone()).await;
            let _ = tokio::fs::remove_file(&to).await;
            Ok(Fetched::Bytes(bytes?, validator))
        }
    }
}

async fn read_file(path: PathBuf) -> Result<Vec<u8>, String> {
    let said = |error: std::io::Error| format!("`{}` can't be read: {error}", path.display());
    let length = tokio::fs::metadata(&path).await.map_err(said)?.len();
    if length > BYTES_MAX {
        return Err(format!("`{}` has more than {BYTES_MAX} bytes", path.display()));
    }
    tokio::fs::read(&path).await.map_err(said)
}

/// What GLEIF says of every vendor with an LEI.
async fn ask_gleif(
    kept: &Kept,
    source: &Source,
    url: &str,
    state: &State,
    now: Timestamp,
) -> Result<Vec<EntityRecord>, String> {
    let leis: Vec<Lei> = leis(state).into_iter().collect();
    let mut records = Vec::new();
    for some in leis.chunks(LEIS) {
        let names: Vec<&str> = some.iter().map(Lei::as_str).collect();
        let joined = if url.contains('?') { '&' } else { '?' };
        let asked = format!("{url}{joined}filter%5Blei%5D={}&page%5Bsize%5D={LEIS}", names.join("%2C"));
        let Fetched::Bytes(bytes, _) = fetch(kept, source, &asked, None).await? else { continue };
        let read = gleif_records(&bytes, &some.iter().cloned().collect(), now);
        records.extend(read.map_err(|error| error.to_string())?);
    }
    Ok(records)
}

/// What a register says of every vendor with a number in it, one by one. Of whom it can't tell now stays what was said
/// before; the first of those is told.
async fn ask_register(
    kept: &Kept,
    source: &Source,
    url: &str,
    state: &State,
    now: Timestamp,
) -> Result<Answers, String> {
    let before = source.status().loaded.clone();
    let mut before: BTreeMap<String, EntityRecord> = match before.map(|loaded| loaded.content) {
        Some(Content::Entities(records)) => {
            let of =
                |record: &EntityRecord| Some((plain(record.registry_number.as_deref()?), record.clone()));
            records.iter().filter_map(of).collect()
        }
        _ => BTreeMap::new(),
    };
    let (mut answers, mut told, mut in_a_row) = (Answers::default(), 0_usize, 0);
    let numbers = numbers(state, source.settings.jurisdiction.as_deref());
    for number in in_turn(numbers, &before).into_iter().take(COMPANIES_MAX) {
        answers.gave_up = in_a_row >= FAILURES_IN_A_ROW;
        if answers.gave_up {
            answers.records.extend(before.remove(&plain(&number)));
            continue;
        }
        match ask_one(kept, source, (url, &number), now).await {
            Ok(record) => {
                (told, in_a_row) = (told + 1, 0);
                answers.records.push(record);
            }
            Err(error) => {
                in_a_row += 1;
                answers.records.extend(before.remove(&plain(&number)));
                answers.partly.get_or_insert(format!("company `{number}`: {error}"));
            }
        }
    }
    match answers.partly {
        // Nobody could be told of: that is the register, and not the company.
        Some(error) if told == 0 => Err(error),
        partly => Ok(Answers { partly, ..answers }),
    }
}

/// Whoever was never told of first, then whoever that is longest ago: registers count how often they are asked.
fn in_turn(numbers: BTreeSet<String>, before: &BTreeMap<String, EntityRecord>) -> Vec<String> {
    let mut numbers: Vec<String> = numbers.into_iter().collect();
    numbers.sort_by_key(|number| before.get(&plain(number)).map(|record| record.at));
    numbers
}

async fn ask_one(
    kept: &Kept,
    source: &Source,
    (url, number): (&str, &str),
    now: Timestamp,
) -> Result<EntityRecord, String> {
    let answer = async |url: &str| match fetch(kept, source, &url.replace("{number}", number), None).await? {
        Fetched::Bytes(bytes, _) => Ok(bytes),
        Fetched::Unchanged => Err("it says that nothing is new".to_owned()),
    };
    let profile = answer(url).await?;
    let officers = match &source.settings.officers_url {
        Some(url) => Some(answer(url).await?),
        None => None,
    };
    registry_record(&profile, officers.as_deref(), now).map_err(|error| error.to_string())
}

/// Registers write numbers with zeros in front, people without.
pub(super) fn plain(number: &str) -> String {
    number.trim_start_matches('0').to_ascii_uppercase()
}

/// One file for each company.
fn folder_of_records(folder: &Path, now: Timestamp) -> Result<Vec<EntityRecord>, String> {
    let said = |error: std::io::Error| format!("`{}` can't be read: {error}", folder.display());
    let mut records = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(said)?.take(COMPANIES_MAX) {
        let path = entry.map_err(said)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !name.ends_with(".json") || name.ends_with(OFFICERS) {
            continue;
        }
        let bytes = std::fs::read(&path).map_err(said)?;
        let beside = path.with_file_name(format!("{}{OFFICERS}", name.trim_end_matches(".json")));
        let officers = beside.is_file().then(|| std::fs::read(&beside).map_err(said)).transpose()?;
        let record = registry_record(&bytes, officers.as_deref(), now);
        records.push(record.map_err(|error| format!("`{}`: {error}", path.display()))?);
    }
    records.sort_by(|one, other| one.registry_number.cmp(&other.registry_number));
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_told_of_longest_ago_is_asked_first() {
        let record = |number: &str, at: &str| {
            let profile = format!(r#"{{ "company_name": "Acme Ltd", "company_number": "{number}" }}"#);
            (plain(number), registry_record(profile.as_bytes(), None, at.parse().unwrap()).unwrap())
        };
        let before = [record("0001", "2030-01-03T00:00:00Z"), record("0002", "2030-01-02T00:00:00Z")].into();
        let numbers = ["1", "2", "3"].map(str::to_owned).into();
        assert_eq!(in_turn(numbers, &before), ["3", "2", "1"]);
    }
}
