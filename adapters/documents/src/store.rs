//! Putting documents in, and getting them out again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::aead::NONCE_LEN;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use portcullis_ids::ids::VendorId;
use serde::{Deserialize, Serialize};

use crate::seal::{self, RootKey, VendorKey};
use crate::{Error, shred};

/// Fills bytes with randomness.
pub type Entropy = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

const KEY: &str = "vendor.key";
const CHECK: &str = "CHECK";
const ENDING: &str = "doc";
/// What is being written. Backups leave such files out.
const UNFINISHED: &str = "new";
const LINE_BYTES_MAX: u64 = 4_096;
const CHECKED: &[u8] = b"documents";

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub document_bytes_max: u64,
    pub vendor_bytes_max: u64,
    pub vendor_documents_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { document_bytes_max: 64 << 20, vendor_bytes_max: 2 << 30, vendor_documents_max: 10_000 }
    }
}

/// The store.
pub struct Documents {
    pub(crate) folder: PathBuf,
    root: RootKey,
    entropy: Entropy,
    limits: Limits,
    /// One writer at a time: what a vendor has is counted before more is written.
    writing: Mutex<()>,
    /// Called before each step that the disk sees; tests end it there.
    pub(crate) step: fn(&'static str) -> io::Result<()>,
}

/// A document that is kept now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Lower-case hexadecimal.
    pub sha256: String,
    pub bytes: u64,
    /// Whether it wasn't there before.
    pub is_new: bool,
}

/// What is said of a document before its pieces.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Version of the form.
    document: u8,
    /// Kind of evidence, by which it is retained.
    pub kind: String,
    pub bytes: u64,
    pub stored_at: Timestamp,
    salt: String,
    #[serde(skip)]
    pub sha256: String,
}

impl Documents {
    /// Opens the folder, finishes shreddings that broke off, and removes what was left half written.
    ///
    /// # Errors
    /// [`Error::OtherKey`] if the documents were sealed under another key; [`Error::Io`].
    pub fn open(folder: &Path, root: RootKey, entropy: Entropy, limits: Limits) -> Result<Self, Error> {
        let documents = Self {
            folder: folder.to_owned(),
            root,
            entropy,
            limits,
            writing: Mutex::new(()),
            step: |_| Ok(()),
        };
        make_folder(folder)?;
        documents.check_key()?;
        shred::finish(&documents)?;
        for vendor in documents.vendors()? {
            remove_unfinished(&documents.place(vendor))?;
        }
        remove_unfinished(folder)?;
        Ok(documents)
    }

    /// Keeps a document of a vendor. The same document again changes nothing.
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::VendorFull`], [`Error::Shredded`], [`Error::DiskFull`]; nothing is kept then.
    pub fn put(
        &self,
        vendor: VendorId,
        kind: &str,
        document: &[u8],
        now: Timestamp,
    ) -> Result<Stored, Error> {
        let bytes = document.len() as u64;
        if bytes > self.limits.document_bytes_max {
            return Err(Error::TooLong { bytes, bytes_max: self.limits.document_bytes_max });
        }
        let sha256 = hex(digest(&SHA256, document).as_ref());
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if shred::is_shredded(self, vendor) {
            return Err(Error::Shredded { vendor });
        }
        // What lies there may have been changed: then it is written anew.
        if self.get(vendor, &sha256).is_ok() {
            return Ok(Stored { sha256, bytes, is_new: false });
        }
        self.make_room(vendor, &sha256, bytes)?;
        let key = self.key_for_writing(vendor)?;
        let mut salt = [0; 32];
        (self.entropy)(&mut salt);
        let salt_text = URL_SAFE_NO_PAD.encode(salt);
        let listed = Listed {
            document: 1,
            kind: kind.chars().take(64).collect(),
            bytes,
            stored_at: now,
            salt: salt_text,
            sha256: String::new(),
        };
        let line = line(&listed).ok_or_else(|| Error::Name { text: kind.to_owned() })?;
        let authenticated = authenticated(vendor, &sha256, &line);
        self.write_whole(&self.path(vendor, &sha256), &mut |file| {
            file.write_all(&line)?;
            seal::seal(&key, &salt, &authenticated, document, file)
        })?;
        Ok(Stored { sha256, bytes, is_new: true })
    }

    /// A document, which is what was put.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Changed`] if it isn't any more what its name says.
    pub fn get(&self, vendor: VendorId, sha256: &str) -> Result<Vec<u8>, Error> {
        let path = self.named(vendor, sha256)?;
        let changed = |why| Error::Changed { vendor, sha256: sha256.to_owned(), found: None, why };
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Missing { vendor, sha256: sha256.to_owned() });
            }
            opened => opened.map_err(|source| Error::io("read", &path, source))?,
        };
        let mut file = BufReader::new(file);
        let reading = |source| Error::io("read", &path, source);
        let (listed, line) =
            read_line(&mut file).map_err(reading)?.ok_or(changed("its first line can't be read"))?;
        if listed.bytes > self.limits.document_bytes_max {
            return Err(changed("it says of itself that it is too long"));
        }
        let key = self.key(vendor)?.ok_or(changed("its vendor's key is gone, or was changed"))?;
        let salt =
            URL_SAFE_NO_PAD.decode(&listed.salt).map_err(|_| changed("its first line can't be read"))?;
        let authenticated = authenticated(vendor, sha256, &line);
        let bytes = usize::try_from(listed.bytes).map_err(|_| changed("it is too long"))?;
        let opened = seal::unseal(&key, &salt, &authenticated, bytes, &mut file).map_err(reading)?;
        let document = opened.ok_or(changed("what lies there isn't what was sealed"))?;
        let found = hex(digest(&SHA256, &document).as_ref());
        if found != sha256 {
            let why = "its digest differs";
            return Err(Error::Changed { vendor, sha256: sha256.to_owned(), found: Some(found), why });
        }
        Ok(document)
    }

    /// What is kept of a vendor, by digest. Files that can't be read are left to [`Documents::verify_all`].
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn list(&self, vendor: VendorId) -> Result<Vec<Listed>, Error> {
        let mut found = Vec::new();
        for (path, sha256) in self.files(vendor)? {
            let Ok(file) = File::open(&path) else { continue };
            if let Ok(Some((listed, _))) = read_line(&mut BufReader::new(file)) {
                found.push(Listed { sha256, ..listed });
            }
        }
        Ok(found)
    }

    /// Vendors that have a folder.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn vendors(&self) -> Result<Vec<VendorId>, Error> {
        let mut found: Vec<VendorId> =
            names(&self.folder)?.iter().filter_map(|name| name.parse().ok()).collect();
        found.sort();
        Ok(found)
    }

    /// Forgets one document; whether it was there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove(&self, vendor: VendorId, sha256: &str) -> Result<bool, Error> {
        let path = self.named(vendor, sha256)?;
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        remove_if_there(&path)
    }

    /// Forgets documents whose kind's time is over: `retention` says how long each is kept, or nothing for ever.
    /// Those for which `is_needed` answers stay. Answers what was forgotten.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn expire(
        &self,
        now: Timestamp,
        retention: &dyn Fn(&str) -> Option<SignedDuration>,
        is_needed: &dyn Fn(VendorId, &str) -> bool,
    ) -> Result<Vec<(VendorId, String)>, Error> {
        let mut forgotten = Vec::new();
        for vendor in self.vendors()? {
            for listed in self.list(vendor)? {
                let is_over =
                    retention(&listed.kind).is_some_and(|kept| now.duration_since(listed.stored_at) > kept);
                if is_over && !is_needed(vendor, &listed.sha256) && self.remove(vendor, &listed.sha256)? {
                    forgotten.push((vendor, listed.sha256));
                }
            }
        }
        Ok(forgotten)
    }

    /// Destroys the vendor's key, and then its documents: what is in backups stays sealed for ever, unless a backup
    /// holds the key, too. Doing it again changes nothing.
    ///
    /// # Errors
    /// [`Error::Io`]; the next opening goes on with it.
    pub fn shred(&self, vendor: VendorId) -> Result<(), Error> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        shred::shred(self, vendor)
    }

    pub(crate) fn place(&self, vendor: VendorId) -> PathBuf {
        self.folder.join(vendor.to_string())
    }

    pub(crate) fn key_place(&self, vendor: VendorId) -> PathBuf {
        self.place(vendor).join(KEY)
    }

    /// Documents' files with the digests that they are named by.
    pub(crate) fn files(&self, vendor: VendorId) -> Result<Vec<(PathBuf, String)>, Error> {
        let place = self.place(vendor);
        let ending = format!(".{ENDING}");
        let mut found: Vec<_> = names(&place)?
            .into_iter()
            .filter_map(|name| {
                let sha256 = name.strip_suffix(&ending).filter(|sha256| is_digest(sha256))?.to_owned();
                Some((place.join(name), sha256))
            })
            .collect();
        found.sort();
        Ok(found)
    }

    /// The vendor's key; none if there is none, or what is there isn't one.
    fn key(&self, vendor: VendorId) -> Result<Option<VendorKey>, Error> {
        let path = self.key_place(vendor);
        match fs::read(&path) {
            Ok(sealed) => Ok(VendorKey::unwrapped(&self.root, &vendor.to_string(), &sealed)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::io("read", &path, source)),
        }
    }

    fn key_for_writing(&self, vendor: VendorId) -> Result<VendorKey, Error> {
        if let Some(key) = self.key(vendor)? {
            return Ok(key);
        }
        if self.key_place(vendor).exists() {
            let why = "the vendor's key was changed";
            return Err(Error::Changed { vendor, sha256: String::new(), found: None, why });
        }
        make_folder(&self.place(vendor))?;
        sync_folder(&self.folder)?;
        let mut key = [0; 32];
        (self.entropy)(&mut key);
        let key = VendorKey::new(key);
        let path = self.key_place(vendor);
        let sealed = key.wrapped(&self.root, &vendor.to_string(), self.nonce());
        let sealed =
            sealed.ok_or_else(|| Error::io("seal", &path, io::Error::other("the library refused")))?;
        self.write_whole(&path, &mut |file| file.write_all(&sealed))?;
        Ok(key)
    }

    fn nonce(&self) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        (self.entropy)(&mut nonce);
        nonce
    }

    fn check_key(&self) -> Result<(), Error> {
        let path = self.folder.join(CHECK);
        match fs::read(&path) {
            Ok(sealed) => match seal::unwrap_text(&self.root, &sealed, CHECK) {
                Some(text) if text == CHECKED => Ok(()),
                _ => Err(Error::OtherKey),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let sealed =
                    seal::wrap_text(&self.root, CHECKED, CHECK, self.nonce()).ok_or(Error::OtherKey)?;
                self.write_whole(&path, &mut |file| file.write_all(&sealed))
            }
            Err(source) => Err(Error::io("read", &path, source)),
        }
    }

    fn make_room(&self, vendor: VendorId, sha256: &str, bytes: u64) -> Result<(), Error> {
        let files = self.files(vendor)?;
        let others = files.iter().filter(|(_, name)| name != sha256);
        let (mut held, mut documents) = (bytes, 0);
        for (path, _) in others {
            held = held.saturating_add(fs::metadata(path).map_or(0, |metadata| metadata.len()));
            documents += 1;
        }
        if documents >= self.limits.vendor_documents_max {
            return Err(Error::TooMany { documents });
        }
        if held > self.limits.vendor_bytes_max {
            return Err(Error::VendorFull { bytes: held, bytes_max: self.limits.vendor_bytes_max });
        }
        Ok(())
    }

    /// A reader sees nothing or all of it, after a power loss too.
    pub(crate) fn write_whole(
        &self,
        path: &Path,
        write: &mut dyn FnMut(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), Error> {
        let unfinished = path.with_extension(UNFINISHED);
        let written = (|| {
            let _ = fs::remove_file(&unfinished);
            (self.step)("create")?;
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
            let mut file = BufWriter::new(file);
            (self.step)("write")?;
            write(&mut file)?;
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            (self.step)("sync")?;
            file.sync_all()?;
            (self.step)("rename")?;
            fs::rename(&unfinished, path)
        })();
        if let Err(source) = written {
            let _ = fs::remove_file(&unfinished);
            return Err(Error::io("write", path, source));
        }
        sync_folder(path.parent().unwrap_or(&self.folder))
    }

    fn path(&self, vendor: VendorId, sha256: &str) -> PathBuf {
        self.place(vendor).join(format!("{sha256}.{ENDING}"))
    }

    fn named(&self, vendor: VendorId, sha256: &str) -> Result<PathBuf, Error> {
        if is_digest(sha256) {
            return Ok(self.path(vendor, sha256));
        }
        let text = sha256.chars().take(80).flat_map(char::escape_debug).collect();
        Err(Error::Name { text })
    }
}

fn line(listed: &Listed) -> Option<Vec<u8>> {
    let mut line = serde_json::to_vec(listed).ok()?;
    line.push(b'\n');
    Some(line)
}

fn read_line(file: &mut BufReader<File>) -> io::Result<Option<(Listed, Vec<u8>)>> {
    let mut line = Vec::new();
    file.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    let listed: Option<Listed> = serde_json::from_slice(&line).ok();
    Ok(listed.filter(|listed| listed.document == 1 && line.ends_with(b"\n")).map(|listed| (listed, line)))
}

/// Whose document it is, and which, is part of what each piece is sealed with.
fn authenticated(vendor: VendorId, sha256: &str, line: &[u8]) -> Vec<u8> {
    [format!("portcullis document 1\n{vendor}\n{sha256}\n").as_bytes(), line].concat()
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|source| Error::io("read", folder, source))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| Error::io("read", folder, source))?;
        found.extend(entry.file_name().into_string());
    }
    Ok(found)
}

pub(crate) fn make_folder(path: &Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| Error::io("make", path, source))
}

pub(crate) fn sync_folder(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|source| Error::io("sync", path, source))
}

pub(crate) fn remove_if_there(path: &Path) -> Result<bool, Error> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(Error::io("remove", path, source)),
    }
}

fn remove_unfinished(folder: &Path) -> Result<(), Error> {
    let ending = format!(".{UNFINISHED}");
    for name in names(folder)?.iter().filter(|name| name.ends_with(&ending)) {
        remove_if_there(&folder.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
