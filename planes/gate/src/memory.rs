//! What this gate has closed, on its own disk: a ledger that is brought back from a backup knows less.
//!
//! Read before anything is let in, told to control with the first word, and written when a severance has been
//! confirmed, by a thread that nobody waits for: until then the ledger or its reserve holds it. A file that can't be
//! read is kept aside, and the gate starts without it, since without it control alone decided before, too.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use portcullis_domain::target::Target;
use portcullis_policy::link::{FromGate, RememberedSeverance, SeverOrder};
use portcullis_policy::liveness::Liveness;
use serde::{Deserialize, Serialize};

const FILE: &str = "memory.json";
const FORMAT: u32 = 1;
/// Severances beyond these push out the oldest.
const SEVERANCES_MAX: usize = 10_000;
/// No token lives longer than an hour; a vendor revokes one a second.
const TOKENS_MAX: usize = 100_000;

#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: u32,
    /// The newest snapshot that was in use: the size of the ledger then.
    version: u64,
    severances: VecDeque<RememberedSeverance>,
    /// Token id → expiry in seconds since the Unix epoch.
    tokens: BTreeMap<String, i64>,
}

/// The gate's memory. Dropping it writes what is not written yet.
pub struct Memory {
    kept: Arc<Mutex<Kept>>,
    wake: Option<SyncSender<()>>,
    writer: Option<JoinHandle<()>>,
}

impl Memory {
    /// Reads the folder, which is made if it is missing.
    ///
    /// # Errors
    /// The folder can't be made, or the writer not started.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let kept = Arc::new(Mutex::new(read(&folder.join(FILE))?));
        // One wake-up that waits is enough: it writes all there is.
        let (wake, woken) = sync_channel(1);
        let (of_writer, path) = (Arc::clone(&kept), folder.join(FILE));
        let writer = std::thread::Builder::new()
            .name("gate-memory".to_owned())
            .spawn(move || write_on(&of_writer, &path, &woken))?;
        Ok(Self { kept, wake: Some(wake), writer: Some(writer) })
    }

    /// Closes what is remembered. Snapshots reopen what was restored later than that, and nothing else.
    pub fn recall(&self, liveness: &Liveness, now_seconds: i64) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for severance in &kept.severances {
            liveness.recall(severance);
        }
        for (token, expires_at) in kept.tokens.iter().filter(|(_, expires_at)| **expires_at > now_seconds) {
            liveness.revoke_token(token, *expires_at);
        }
    }

    /// What control is told first; nothing, where nothing is remembered.
    #[must_use]
    pub fn told(&self) -> Option<FromGate> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.severances.is_empty() {
            return None;
        }
        Some(FromGate::Remembered {
            version: kept.version,
            severances: kept.severances.iter().cloned().collect(),
        })
    }

    pub fn severed(&self, order: &SeverOrder, version: u64) {
        let severance = RememberedSeverance {
            severance: order.severance,
            target: order.target.clone(),
            epoch: order.epoch,
            keys: order.keys.clone(),
            version,
        };
        self.change(|kept| {
            // Told again, it is the same one.
            if kept.severances.iter().any(|known| known.severance == severance.severance) {
                return false;
            }
            kept.severances.push_back(severance);
            if kept.severances.len() > SEVERANCES_MAX {
                kept.severances.pop_front();
            }
            true
        });
    }

    pub fn revoked(&self, token: &str, expires_at: i64, now_seconds: i64) {
        self.change(|kept| {
            kept.tokens.retain(|_, expires_at| *expires_at > now_seconds);
            if kept.tokens.len() >= TOKENS_MAX {
                return false;
            }
            kept.tokens.insert(token.to_owned(), expires_at) != Some(expires_at)
        });
    }

    /// A snapshot is in use: what it has opened again need not be remembered.
    pub fn in_use(&self, version: u64, liveness: &Liveness) {
        self.change(|kept| {
            let before = kept.severances.len();
            kept.severances.retain(|severance| severance.version >= version || holds(severance, liveness));
            // The version alone is worth no writing at each change of the ledger, unless there is something to compare.
            let newer = version > kept.version;
            kept.version = kept.version.max(version);
            before != kept.severances.len() || (newer && !kept.severances.is_empty())
        });
    }

    fn change(&self, change: impl FnOnce(&mut Kept) -> bool) {
        let changed = change(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        if changed && let Some(wake) = &self.wake {
            // Full: the writer looks anyway.
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Whether anything of a severance is still closed.
fn holds(severance: &RememberedSeverance, liveness: &Liveness) -> bool {
    let closed = match &severance.target {
        Target::Vendor { id } => liveness.cell(id.0).severed(),
        Target::Integration { id } => liveness.cell(id.0).severed(),
        Target::Client { id } => liveness.cell(id.0).severed(),
        Target::Key { thumbprint, .. } => liveness.key_refused(thumbprint),
        Target::Session { session, .. } => liveness.session_refused(session),
    };
    closed || severance.keys.iter().any(|key| liveness.key_refused(key))
}

fn read(path: &Path) -> io::Result<Kept> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
        Err(error) => return aside(path, &error.to_string()),
    };
    match serde_json::from_slice::<Kept>(&bytes) {
        Ok(kept) if kept.format == FORMAT => Ok(kept),
        Ok(kept) => aside(path, &format!("its format is `{}`", kept.format)),
        Err(error) => aside(path, &error.to_string()),
    }
}

fn aside(path: &Path, why: &str) -> io::Result<Kept> {
    let kept = path.with_extension("json.damaged");
    tracing::error!(path = %kept.display(), why, "what this gate remembers of severances can't be read: it is kept aside, and the ledger alone decides");
    fs::rename(path, kept)?;
    Ok(Kept::default())
}

fn write_on(kept: &Mutex<Kept>, path: &Path, woken: &Receiver<()>) {
    let mut written = Kept::default();
    while woken.recv().is_ok() {
        let mut now = kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        now.format = FORMAT;
        if now == written {
            continue;
        }
        match write(path, &now) {
            Ok(()) => written = now,
            // The next change tries again; the ledger holds it meanwhile.
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "what this gate remembers can't be written")
            }
        }
    }
}

/// Whole or not at all, after a power loss too.
fn write(path: &Path, kept: &Kept) -> io::Result<()> {
    let new: PathBuf = path.with_extension("json.new");
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&serde_json::to_vec(kept)?)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use portcullis_domain::ids::{ClientId, SeveranceId, VendorId};
    use portcullis_policy::liveness::RefusedNames;
    use uuid::Uuid;

    use super::*;

    fn order(number: u128, target: Target, epoch: u64, keys: &[&str]) -> SeverOrder {
        SeverOrder {
            order: 0,
            severance: SeveranceId(Uuid::from_u128(number)),
            target,
            epoch,
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            closed_by: None,
        }
    }

    fn vendor() -> Target {
        Target::Vendor { id: VendorId(Uuid::from_u128(1)) }
    }

    fn key(thumbprint: &str) -> Target {
        Target::Key { client: ClientId(Uuid::from_u128(2)), thumbprint: thumbprint.to_owned() }
    }

    #[test]
    fn what_was_closed_is_closed_at_the_next_start_whatever_an_older_snapshot_says() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::open(folder.path()).unwrap();
        assert!(memory.told().is_none());
        memory.severed(&order(1, vendor(), 5, &["k1"]), 40);
        memory.severed(&order(1, vendor(), 5, &["k1"]), 41);
        memory.severed(&order(2, key("k2"), 0, &["k2"]), 42);
        memory.revoked("token", 1_000, 0);
        drop(memory);

        let memory = Memory::open(folder.path()).unwrap();
        let Some(FromGate::Remembered { severances, .. }) = memory.told() else { panic!("nothing") };
        assert_eq!(severances.len(), 2);
        let liveness = Liveness::default();
        memory.recall(&liveness, 0);
        // A snapshot of a ledger that knows none of it.
        liveness.cell(Uuid::from_u128(1)).raise(2, false);
        liveness.replace(90, RefusedNames::default(), 0);
        assert!(liveness.cell(Uuid::from_u128(1)).severed());
        assert!(liveness.key_refused("k1") && liveness.key_refused("k2") && liveness.token_revoked("token"));
    }

    #[test]
    fn what_was_restored_later_stays_open_and_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::open(folder.path()).unwrap();
        memory.severed(&order(1, vendor(), 5, &[]), 40);
        memory.severed(&order(2, key("k2"), 0, &["k2"]), 42);
        let liveness = Liveness::default();
        memory.recall(&liveness, 0);
        liveness.cell(Uuid::from_u128(1)).raise(6, false);
        let lifted = [("k2".to_owned(), 50)].into();
        liveness.replace(60, RefusedNames { lifted, ..RefusedNames::default() }, 0);
        assert!(!liveness.cell(Uuid::from_u128(1)).severed() && !liveness.key_refused("k2"));
        memory.in_use(60, &liveness);
        assert!(memory.told().is_none());
        drop(memory);
        assert!(Memory::open(folder.path()).unwrap().told().is_none());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_kept_aside() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "{}", "not json", r#"{"format":9,"version":1,"severances":[],"tokens":{}}"#] {
            fs::write(folder.path().join(FILE), text).unwrap();
            assert!(Memory::open(folder.path()).unwrap().told().is_none(), "{text}");
            assert_eq!(fs::read_to_string(folder.path().join("memory.json.damaged")).unwrap(), text);
        }
    }
}
