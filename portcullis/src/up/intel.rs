//! Whoever reads feeds and databases in this process, for the gate and for control.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_control::feeds::Intel;
use portcullis_intel::{Folder, Library, Limits, Source};
use portcullis_policy::clock::Clock;
use tokio::task::JoinHandle;

/// How often it is looked whether a file was replaced.
const BEAT: Duration = Duration::from_secs(1);

/// The folder of feeds in a data directory. `PORTCULLIS_GEO` names another place of installed databases.
pub fn folder(directory: &Path) -> Folder {
    Folder::new(directory.join("intel"), elsewhere())
}

/// What `PORTCULLIS_GEO` names, where there is no data directory.
pub fn installed_elsewhere() -> Folder {
    Folder::new(elsewhere().unwrap_or_else(|| PathBuf::from("/nonexistent")), elsewhere())
}

fn elsewhere() -> Option<PathBuf> {
    std::env::var_os("PORTCULLIS_GEO").map(PathBuf::from)
}

/// Reads what was replaced, and holds what is in use.
pub struct Reader {
    folder: Folder,
    library: Arc<Library>,
    clock: Clock,
    /// What was declared when that could be read last.
    sources: Mutex<Vec<Source>>,
}

/// The task that looks; it ends with this.
pub struct Looking(JoinHandle<()>);

impl Reader {
    /// Reads everything that is there. A gate that began without it would take every context for a new one.
    pub async fn start(folder: Folder, clock: Clock) -> Arc<Self> {
        let library = Arc::new(Library::new(folder.kept(), Limits::default()));
        let reader = Arc::new(Self { folder, library, clock, sources: Mutex::default() });
        reader.look_once().await;
        reader
    }

    pub fn shared(&self) -> Arc<Library> {
        Arc::clone(&self.library)
    }

    /// Looks every second from now on.
    pub fn watch(self: &Arc<Self>) -> Looking {
        let reader = Arc::clone(self);
        Looking(tokio::spawn(async move {
            let mut beat = tokio::time::interval(BEAT);
            beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                beat.tick().await;
                reader.look_once().await;
            }
        }))
    }

    async fn look_once(self: &Arc<Self>) {
        let reader = Arc::clone(self);
        let _ = tokio::task::spawn_blocking(move || reader.look()).await;
    }
}

impl Intel for Reader {
    fn library(&self) -> &Library {
        &self.library
    }

    fn look(&self) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        match self.folder.sources() {
            Ok(found) => *sources = found,
            Err(error) => tracing::warn!(%error, "the list of feeds can't be read: those of before stay"),
        }
        self.library.look(&sources, self.clock.now());
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.abort();
    }
}
