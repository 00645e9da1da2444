//! The newest statement of each client's machine, and what is held of it: the ledger has the changes of sense, this has
//! the rest. One file for each client, so that a restart knows what was said; a client without one is stale until
//! the next.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use portcullis_domain::ids::ClientId;
use portcullis_domain::posture::{Held, Judged, Statement};
use portcullis_domain::spec::PostureRules;
use portcullis_domain::state::{Standing, State};
use portcullis_policy::posture::{PostureFacts, PostureState};
use serde::{Deserialize, Serialize};

/// The longest file that is read back: a statement of 63 KiB, and what is known of it.
const FILE_BYTES_MAX: u64 = 128 * 1024;

/// A statement that was verified.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Kept {
    pub statement: Statement,
    pub issued_at: Timestamp,
    /// From when on it isn't good whatever the rules say.
    pub expires_at: Timestamp,
    pub received_at: Timestamp,
    /// Thumbprint of the key that signed it, or the workload's SPIFFE ID.
    pub signed_by: String,
    /// Lower-case hex, of the whole statement.
    pub sha256: String,
    /// Where it came from.
    pub address: String,
}

/// What is kept of all clients.
pub struct Postures {
    /// None in tests that need no disk.
    folder: Option<PathBuf>,
    kept: Mutex<BTreeMap<ClientId, Arc<Kept>>>,
    revision: AtomicU64,
}

impl Kept {
    #[must_use]
    pub fn judged(&self, rules: &PostureRules) -> Judged {
        Judged {
            failing: rules.failing(&self.statement),
            good_until: rules.good_until(self.issued_at).min(self.expires_at),
        }
    }
}

impl Postures {
    /// Reads what is kept; a file that can't be read is passed over, and said. **Blocks**.
    #[must_use]
    pub fn open(folder: PathBuf, now: Timestamp) -> Self {
        let mut kept = BTreeMap::new();
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let client =
                name.to_str().and_then(|name| name.strip_suffix(".json")).and_then(|id| id.parse().ok());
            let Some(client) = client else { continue };
            let small = entry.metadata().is_ok_and(|metadata| metadata.len() <= FILE_BYTES_MAX);
            let read = small.then(|| fs::read(entry.path()).ok()).flatten();
            match read.and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok()) {
                Some(found) => {
                    kept.insert(client, Arc::new(found));
                }
                None => tracing::warn!(%client, "the kept statement of a client's machine can't be read"),
            }
        }
        Self::of(Some(folder), kept, now)
    }

    /// Keeps nothing over a restart.
    #[must_use]
    pub fn in_memory(now: Timestamp) -> Self {
        Self::of(None, BTreeMap::new(), now)
    }

    fn of(folder: Option<PathBuf>, kept: BTreeMap<ClientId, Arc<Kept>>, now: Timestamp) -> Self {
        // So that gates that outlive this process take its words for newer ones.
        let revision = AtomicU64::new(u64::try_from(now.as_microsecond()).unwrap_or(0));
        Self { folder, kept: Mutex::new(kept), revision }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<ClientId, Arc<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[must_use]
    pub fn newest(&self, client: ClientId) -> Option<Arc<Kept>> {
        self.kept().get(&client).cloned()
    }

    /// Takes a statement, unless a newer one is there. What is told from now on says so.
    pub fn take(&self, client: ClientId, statement: Kept) -> Option<Arc<Kept>> {
        let mut kept = self.kept();
        if kept.get(&client).is_some_and(|known| known.issued_at > statement.issued_at) {
            return None;
        }
        let statement = Arc::new(statement);
        kept.insert(client, Arc::clone(&statement));
        drop(kept);
        self.revision.fetch_add(1, Ordering::SeqCst);
        Some(statement)
    }

    /// Forgets clients that are gone, beside all else.
    pub(crate) fn tidy_soon(postures: &Arc<Self>, state: Arc<State>) {
        let postures = Arc::clone(postures);
        tokio::task::spawn_blocking(move || postures.keep_only(&state));
    }

    /// Forgets clients that are gone. **Blocks**.
    fn keep_only(&self, state: &State) {
        let gone: Vec<ClientId> =
            self.kept().keys().copied().filter(|client| state.standing_of(*client).is_none()).collect();
        for client in gone {
            self.kept().remove(&client);
            if let Some(folder) = &self.folder {
                // What stays is passed over at the next start, and tried again.
                let _ = fs::remove_file(folder.join(format!("{client}.json")));
            }
        }
    }

    /// Writes the newest statement of a client, whole or not at all. **Blocks**.
    ///
    /// # Errors
    /// The disk doesn't take it; the file before, if there is one, is as it was.
    pub fn write(&self, client: ClientId) -> std::io::Result<()> {
        let (Some(folder), Some(newest)) = (&self.folder, self.newest(client)) else { return Ok(()) };
        fs::create_dir_all(folder)?;
        let (path, new) = (folder.join(format!("{client}.json")), folder.join(format!("{client}.new")));
        let bytes = serde_json::to_vec(&*newest)?;
        let mut file = fs::File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(new, path)
    }

    /// The same beside all else: nobody waits for the disk.
    pub fn write_soon(postures: &Arc<Self>, client: ClientId) {
        if postures.folder.is_none() {
            return;
        }
        let postures = Arc::clone(postures);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = postures.write(client) {
                tracing::warn!(%client, %error, "a statement can't be kept: after a restart the client's machine is stale");
            }
        });
    }

    /// What is held of a client's machine.
    #[must_use]
    pub fn held(&self, state: &State, standing: &Standing<'_>) -> Held {
        let newest = self.newest(standing.client_id());
        let rules = standing.integration_spec.posture.as_ref();
        let judged = rules.zip(newest).map(|(rules, newest)| newest.judged(rules));
        state.held_posture(standing, judged.as_ref())
    }

    /// The same for gates.
    #[must_use]
    pub fn facts(&self, state: &State, standing: &Standing<'_>) -> PostureFacts {
        // Read before the statements: what came between the two is told once more, and not lost.
        let revision = self.revision.load(Ordering::SeqCst);
        let (told, good_until_seconds) = match self.held(state, standing) {
            Held::NotAsked => (PostureState::NotAsked, 0),
            Held::NeverSent => (PostureState::NeverSent, 0),
            Held::Absent => (PostureState::Absent, 0),
            Held::Good { until } => (PostureState::Good, until.as_second()),
            Held::Failing { .. } => (PostureState::Failing, 0),
        };
        PostureFacts { state: told, good_until_seconds, version: state.size, revision }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn kept(second: i64) -> Kept {
        let at = |second| Timestamp::from_second(second).unwrap();
        Kept {
            statement: Statement { patched_days: Some(3), ..Statement::default() },
            issued_at: at(second),
            expires_at: at(second + 100),
            received_at: at(second),
            signed_by: "key".into(),
            sha256: "00".into(),
            address: "192.0.2.7".into(),
        }
    }

    #[test]
    fn the_newest_statement_is_there_after_a_restart_and_a_broken_file_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let (folder, now) = (directory.path().join("posture"), Timestamp::UNIX_EPOCH);
        let [first, second] = [1, 2].map(|number| ClientId(Uuid::from_u128(number)));
        let postures = Postures::open(folder.clone(), now);
        for client in [first, second] {
            assert!(postures.take(client, kept(50)).is_some());
            assert!(postures.take(client, kept(49)).is_none(), "an older one came later");
            postures.write(client).unwrap();
        }
        fs::write(folder.join(format!("{second}.json")), b"{").unwrap();
        fs::write(folder.join("notes.txt"), b"").unwrap();
        let again = Postures::open(folder, now);
        assert_eq!(again.newest(first).as_deref(), Some(&kept(50)));
        assert_eq!(again.newest(second), None);
        again.keep_only(&State::default());
        assert_eq!(again.newest(first), None);
        assert_eq!(fs::read_dir(directory.path().join("posture")).unwrap().count(), 2);
    }

    #[test]
    fn a_statement_ends_by_its_age_or_by_itself() {
        let rules = |age| PostureRules { age_seconds_max: age, ..PostureRules::default() };
        assert_eq!(kept(50).judged(&rules(60)).good_until.as_second(), 110);
        assert_eq!(kept(50).judged(&rules(3_600)).good_until.as_second(), 150);
    }
}
