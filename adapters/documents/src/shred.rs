//! Shredding: the key first, then the documents. What breaks off is finished at the next opening, for a mark says
//! that it was begun. The mark stays: a backup that brings the key back doesn't bring the documents back.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;

use portcullis_ids::ids::VendorId;

use crate::store::{make_folder, names, remove_if_there, sync_folder};
use crate::{Documents, Error};

const SHREDDED: &str = "shredded";

pub(crate) fn shred(documents: &Documents, vendor: VendorId) -> Result<(), Error> {
    let marks = documents.folder.join(SHREDDED);
    make_folder(&marks)?;
    documents.write_whole(&mark(documents, vendor), &mut |file| file.write_all(b"\n"))?;
    destroy(documents, vendor)
}

pub(crate) fn is_shredded(documents: &Documents, vendor: VendorId) -> bool {
    mark(documents, vendor).exists()
}

pub(crate) fn finish(documents: &Documents) -> Result<(), Error> {
    for vendor in names(&documents.folder.join(SHREDDED))?.iter().filter_map(|name| name.parse().ok()) {
        destroy(documents, vendor)?;
    }
    Ok(())
}

fn mark(documents: &Documents, vendor: VendorId) -> PathBuf {
    documents.folder.join(SHREDDED).join(vendor.to_string())
}

fn destroy(documents: &Documents, vendor: VendorId) -> Result<(), Error> {
    let place = documents.place(vendor);
    if !place.exists() {
        return Ok(());
    }
    let key = documents.key_place(vendor);
    let step = |name| (documents.step)(name).map_err(|source| Error::io("shred", &place, source));
    step("overwrite")?;
    // As far as the file system writes in place; without the installation's key it says nothing anyway.
    let overwritten = fs::metadata(&key).and_then(|metadata| {
        let mut file = OpenOptions::new().write(true).open(&key)?;
        file.write_all(&vec![0; usize::try_from(metadata.len()).unwrap_or(0).min(4_096)])?;
        file.sync_all()
    });
    match overwritten {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::io("shred", &key, error)),
        _ => {}
    }
    step("key")?;
    remove_if_there(&key)?;
    sync_folder(&place)?;
    step("documents")?;
    fs::remove_dir_all(&place).map_err(|source| Error::io("remove", &place, source))?;
    sync_folder(&documents.folder)
}
