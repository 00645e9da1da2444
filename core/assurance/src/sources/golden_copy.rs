//! GLEIF's golden copy as CSV, with the columns of LEI-CDF 3: millions of rows, of which only those asked for are kept.

use std::collections::BTreeSet;
use std::io::Read;

use jiff::Timestamp;

use super::gleif::{lei, lei_status, standing};
use super::table::{Limits, Row, Table};
use super::{SourceError, day};
use crate::entity::{Address, EntityRecord, EntitySource};
use crate::lei::Lei;

const OF: &str = "GLEIF golden copy";
const LIMITS: Limits = Limits { bytes_max: 16 << 30, rows_max: 20_000_000 };

/// Records that are kept of one reading.
pub const WANTED_MAX: usize = 100_000;

/// The records of `wanted`, or all where none are named, in the order of the file, as of `at`: when the copy was published.
///
/// # Errors
/// [`SourceError`], with the line.
pub fn records(
    source: impl Read,
    wanted: &BTreeSet<Lei>,
    at: Timestamp,
) -> Result<Vec<EntityRecord>, SourceError> {
    let mut table = Table::open(OF, source, &LIMITS, None)?;
    table.require(&["LEI", "Entity.LegalName", "Entity.EntityStatus", "Registration.RegistrationStatus"])?;
    let wanted_texts: BTreeSet<&str> = wanted.iter().map(Lei::as_str).collect();
    let mut records = Vec::new();
    table.each(|row| {
        let text = row.text("LEI")?;
        if !wanted.is_empty() && !wanted_texts.contains(text) {
            return Ok(());
        }
        if records.len() == WANTED_MAX {
            return Err(SourceError::TooMany { of: OF, what: "records", max: WANTED_MAX });
        }
        records.push(record(row, at)?);
        Ok(())
    })?;
    Ok(records)
}

fn record(row: &Row<'_>, at: Timestamp) -> Result<EntityRecord, SourceError> {
    let lei = lei(row.text("LEI")?)?.to_string();
    let status = lei_status(&lei, row.text("Registration.RegistrationStatus")?)?;
    let expiration = row.some("Entity.EntityExpirationReason")?;
    Ok(EntityRecord {
        source: EntitySource::Gleif,
        at,
        legal_name: row.text("Entity.LegalName")?.to_owned(),
        standing: standing(&lei, row.some("Entity.EntityStatus")?.as_deref(), expiration.as_deref(), status)?,
        lei_status: Some(status),
        registry_number: row.some("Entity.RegistrationAuthority.RegistrationAuthorityEntityID")?,
        jurisdiction: row.some("Entity.LegalJurisdiction")?,
        formed: row.some("Entity.EntityCreationDate")?.map(|text| day(OF, &lei, &text)).transpose()?,
        legal_form: match row.some("Entity.LegalForm.EntityLegalFormCode")? {
            Some(code) => Some(code),
            None => row.some("Entity.LegalForm.OtherLegalForm")?,
        },
        registered_address: Some(address(row, "Entity.LegalAddress")?),
        head_office: Some(address(row, "Entity.HeadquartersAddress")?),
        officers: Vec::new(),
        parent: None,
        ultimate_parent: None,
        lei: Some(lei),
    })
}

fn address(row: &Row<'_>, of: &str) -> Result<Address, SourceError> {
    let part = |name: &str| row.some(&format!("{of}.{name}"));
    let mut lines = Vec::new();
    for name in
        ["FirstAddressLine", "AdditionalAddressLine.1", "AdditionalAddressLine.2", "AdditionalAddressLine.3"]
    {
        lines.extend(part(name)?);
    }
    Ok(Address {
        lines,
        city: part("City")?,
        region: part("Region")?,
        country: part("Country")?,
        postal_code: part("PostalCode")?,
        shared_by: None,
        registered_agent: false,
    })
}
