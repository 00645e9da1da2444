//! What a source's bytes say.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_api::sources::SourceKind;
use portcullis_assurance::entity::EntityRecord;
use portcullis_assurance::lei::Lei;
use portcullis_assurance::screening::index::{Index, IndexError};
use portcullis_assurance::sources::{
    SourceError, companies_house, gleif, golden_copy, kev, lists, ofac, open_corporates, osv,
};

use super::Content;

/// Why a source's bytes can't be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("there is no entry in it\nhint: an empty list is no list; look at what is published there")]
    Empty,
    #[error("`{}` is no list\nhint: a list is `ofac_sdn` or `opensanctions`", .0.name())]
    NoList(SourceKind),
}

/// A list that names are looked up in.
///
/// # Errors
/// It can't be read, or is empty.
pub(crate) fn list_of(kind: SourceKind, bytes: &[u8]) -> Result<Index, ReadError> {
    let list = match kind {
        SourceKind::OfacSdn => ofac::entries(bytes)?,
        SourceKind::Opensanctions => lists::open_sanctions(bytes)?,
        other => return Err(ReadError::NoList(other)),
    };
    if list.entries.is_empty() {
        return Err(ReadError::Empty);
    }
    Ok(Index::new(list.entries)?)
}

/// What a whole copy says; `wanted` are the LEIs of vendors.
pub(super) fn content(
    kind: SourceKind,
    bytes: &[u8],
    wanted: &BTreeSet<Lei>,
    at: Timestamp,
) -> Result<Content, ReadError> {
    let content = match kind {
        SourceKind::OfacSdn | SourceKind::Opensanctions => Content::List(Arc::new(list_of(kind, bytes)?)),
        SourceKind::Kev => Content::Kev(Arc::new(kev::read(bytes)?)),
        SourceKind::Osv => Content::Osv(Arc::new(osv::read(bytes)?)),
        SourceKind::Gleif => Content::Entities(Arc::new(gleif_records(bytes, wanted, at)?)),
        SourceKind::Registry => Content::Entities(Arc::new(vec![registry_record(bytes, None, at)?])),
    };
    if content.entries() == 0 && !matches!(content, Content::Entities(_)) {
        return Err(ReadError::Empty);
    }
    Ok(content)
}

/// Of the API, or of the golden copy, whose every row would be too much: of it only those that are wanted.
pub(crate) fn gleif_records(
    bytes: &[u8],
    wanted: &BTreeSet<Lei>,
    at: Timestamp,
) -> Result<Vec<EntityRecord>, SourceError> {
    let is_json = bytes.trim_ascii_start().first().is_some_and(|byte| matches!(byte, b'{' | b'['));
    if is_json { gleif::records(bytes, at) } else { golden_copy::records(bytes, wanted, at) }
}

/// As one of the two registers' ways of speaking.
pub(crate) fn registry_record(
    bytes: &[u8],
    officers: Option<&[u8]>,
    at: Timestamp,
) -> Result<EntityRecord, SourceError> {
    let own = companies_house::record(bytes, officers, at);
    own.or_else(|error| open_corporates::record(bytes, at).map_err(|_| error))
}
