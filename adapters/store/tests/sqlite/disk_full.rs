//! A disk that is full, and then isn't: on a small tmpfs, which only root may mount.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis_store::conformance::numbered;
use portcullis_store::{
    EventStore as _, NewEvent, Obstacle, ReserveFile, SqliteOptions, SqliteStore, StoreError,
};
use serde_json::json;
use uuid::Uuid;

use crate::world::options;

/// A tmpfs of two megabytes, unmounted when dropped.
struct SmallDisk {
    directory: tempfile::TempDir,
}

impl SmallDisk {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(directory.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            println!("skipped: a tmpfs can't be mounted here");
        }
        mounted.then_some(Self { directory })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Takes all space that is left.
    fn fill(&self) -> PathBuf {
        let filler = self.path().join("filler");
        let mut file = OpenOptions::new().append(true).create(true).open(&filler).unwrap();
        while file.write_all(&[0x55; 4_096]).is_ok() {}
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn is_full(error: &StoreError, name: &str) -> bool {
    matches!(error, StoreError::Unwritable { file, obstacle: Obstacle::Full, .. } if file.ends_with(name))
}

#[tokio::test]
async fn appends_fail_whole_and_work_again_when_there_is_space() {
    let Some(disk) = SmallDisk::mount() else { return };
    let reserve = ReserveFile::open(disk.path().join("reserve"), 64, 4_096).unwrap();
    let store = SqliteStore::open(options(disk.path())).await.unwrap();
    store.append(0, vec![numbered(0)]).await.unwrap();
    let filler = disk.fill();

    // What is allocated already may take a few more.
    let mut size = 1;
    let error = loop {
        match store.append(size, vec![numbered(size)]).await {
            Ok(committed) => size = committed.size,
            Err(error) => break error,
        }
        assert!(size < 1_000, "the disk doesn't get full");
    };
    assert!(is_full(&error, "ledger.sqlite"), "{error}");
    assert!(error.to_string().contains("hint: free some space"), "{error}");

    // Nothing half-written, reading goes on, and the next try tells the same.
    assert_eq!(store.head().await.unwrap().size, size);
    assert_eq!(store.read(size - 1, 10).await.unwrap().len(), 1);
    assert!(is_full(&store.append(size, vec![numbered(size)]).await.unwrap_err(), "ledger.sqlite"));
    assert!(store.verify(&mut |_| {}).await.unwrap().is_sound());

    // The reserve takes all its entries meanwhile.
    for number in 0..64_u8 {
        reserve.put(&vec![number; reserve.entry_bytes_max()]).unwrap();
    }
    assert_eq!(reserve.entries().unwrap().len(), 64);

    fs::remove_file(filler).unwrap();
    let committed = store.append(size, vec![numbered(size)]).await.unwrap();
    assert_eq!(committed.size, size + 1);
    assert!(store.verify(&mut |_| {}).await.unwrap().is_sound());
    store.close().await;
}

#[tokio::test]
async fn full_keys_stop_only_what_needs_keys() {
    let Some(disk) = SmallDisk::mount() else { return };
    let elsewhere = tempfile::tempdir().unwrap();
    let keys = options(disk.path()).subject_keys;
    let store =
        SqliteStore::open(SqliteOptions { subject_keys: keys, ..options(elsewhere.path()) }).await.unwrap();
    let filler = disk.fill();
    let person = |number: u128| NewEvent {
        payload: json!({ "$personal": { "subject": Uuid::from_u128(number), "text": "text" } }),
        ..numbered(0)
    };
    // Both wait for the same commit.
    let (refused, severance) =
        tokio::join!(store.append(0, vec![person(0)]), store.append(0, vec![numbered(0)]));
    assert!(is_full(&refused.unwrap_err(), "subject_keys.sqlite"));
    assert_eq!(severance.unwrap().size, 1);

    fs::remove_file(filler).unwrap();
    store.append(1, vec![person(1)]).await.unwrap();
    assert_eq!(store.read(1, 1).await.unwrap()[0].payload["$personal"]["text"], "text");
    store.erase(Uuid::from_u128(1)).await.unwrap();
    store.close().await;
}
