//! Disks that stop taking writes, for real: a file system that gives up, one that is mounted to be read, and
//! a limit on the size of files. What was acknowledged is there afterwards, what was refused is not.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis_store::conformance::numbered;
use portcullis_store::{EventStore as _, Obstacle, ReserveFile, SqliteStore, StoreError};

use crate::world::options;

/// An ext4 of its own in a file; only root may mount it.
struct LoopDisk {
    folder: tempfile::TempDir,
}

impl LoopDisk {
    fn mount() -> Option<Self> {
        let this = Self { folder: tempfile::tempdir().unwrap() };
        File::create(this.image()).unwrap().set_len(32 << 20).unwrap();
        fs::create_dir(this.path()).unwrap();
        let made = run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(this.image()));
        if !made || !this.attach() {
            println!("skipped: an ext4 in a file can't be mounted here (needs root)");
            return None;
        }
        Some(this)
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    fn attach(&self) -> bool {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.path()))
    }

    fn remount(&self, option: &str) {
        let how = format!("remount,{option}");
        assert!(run(Command::new("mount").args(["-o", &how]).arg(self.path())), "{option}");
    }

    /// What was not written to the device is gone, as after a power loss.
    fn detach(&self) {
        assert!(run(Command::new("umount").arg(self.path())));
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        run(Command::new("umount").arg("-l").arg(self.path()));
    }
}

fn run(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

#[track_caller]
fn is_refused(error: &StoreError) {
    let obstacle = matches!(
        error,
        StoreError::Unwritable { obstacle: Obstacle::ReadOnly | Obstacle::Device | Obstacle::Full, .. }
    );
    assert!(obstacle && error.to_string().contains("hint: "), "{error:?}");
}

/// Appends until it is refused; what it says is what must be there.
async fn append_until_refused(store: &SqliteStore, most: u64) -> (u64, StoreError) {
    let mut size = store.head().await.unwrap().size;
    for _ in 0..most {
        match store.append(size, vec![numbered(size)]).await {
            Ok(committed) => size = committed.size,
            Err(error) => return (size, error),
        }
    }
    panic!("nothing was refused");
}

/// After reopening: exactly what was acknowledged, and a sound ledger that takes more.
async fn check(directory: &Path, acknowledged: u64) {
    let store = SqliteStore::open(options(directory)).await.unwrap();
    assert_eq!(store.head().await.unwrap().size, acknowledged);
    assert_eq!(store.read(0, 10_000).await.unwrap().len() as u64, acknowledged);
    assert!(store.verify(&mut |_| {}).await.unwrap().is_sound());
    store.append(acknowledged, vec![numbered(acknowledged)]).await.unwrap();
    store.close().await;
}

/// The journal of the file system is aborted, as the kernel does after an error of the device: from then on nothing
/// is written, and what the kernel had not written yet never will be.
#[tokio::test]
async fn a_file_system_that_gives_up_costs_nothing_that_was_acknowledged() {
    for appends in [0, 1, 40] {
        let Some(disk) = LoopDisk::mount() else { return };
        let directory = disk.path().join("data");
        fs::create_dir(&directory).unwrap();
        let reserve = ReserveFile::open(directory.join("reserve"), 8, 4_096).unwrap();
        let store = SqliteStore::open(options(&directory)).await.unwrap();
        for size in 0..appends {
            store.append(size, vec![numbered(size)]).await.unwrap();
        }
        let severed = format!("severed after {appends}");
        reserve.put(severed.as_bytes()).unwrap();
        disk.remount("abort");

        let (acknowledged, error) = append_until_refused(&store, 10).await;
        is_refused(&error);
        assert_eq!(acknowledged, appends);
        assert_eq!(store.head().await.unwrap().size, appends);
        assert!(reserve.put(b"not acknowledged").is_err());
        store.close().await;
        drop((store, reserve));

        disk.detach();
        assert!(disk.attach());
        check(&directory, acknowledged).await;
        let reserve = ReserveFile::open(directory.join("reserve"), 8, 4_096).unwrap();
        let entries: Vec<_> = reserve.entries().unwrap().into_iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(entries, [severed.as_bytes()]);
    }
}

#[tokio::test]
async fn a_disk_that_is_only_to_be_read_is_named_and_nothing_is_lost() {
    let Some(disk) = LoopDisk::mount() else { return };
    let store = SqliteStore::open(options(&disk.path())).await.unwrap();
    for size in 0..5 {
        store.append(size, vec![numbered(size)]).await.unwrap();
    }
    store.close().await;
    drop(store);
    ReserveFile::open(disk.path().join("reserve"), 8, 4_096).unwrap().put(b"severed").unwrap();
    disk.remount("ro");
    let error = SqliteStore::open(options(&disk.path())).await.err().unwrap();
    assert!(matches!(error, StoreError::Unwritable { obstacle: Obstacle::ReadOnly, .. }), "{error:?}");
    assert!(ReserveFile::open(disk.path().join("reserve"), 8, 4_096).is_err());
    disk.remount("rw");
    check(&disk.path(), 5).await;
    let reserve = ReserveFile::open(disk.path().join("reserve"), 8, 4_096).unwrap();
    assert_eq!(reserve.entries().unwrap().len(), 1);
}

const DIRECTORY: &str = "PORTCULLIS_STORE_LIMIT_DIRECTORY";

/// A limit on the size of files (RLIMIT_FSIZE) meets writes in their middle: part of a page is written, then
/// nothing. Needs no rights.
#[tokio::test]
async fn a_write_that_is_cut_short_is_refused_whole() {
    for blocks in [80, 133, 200, 331] {
        let world = tempfile::tempdir().unwrap();
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let output = Command::new("sh")
            .args(["-c", &script])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "failing_disk::process_under_a_limit", "--ignored", "--nocapture"])
            .env(DIRECTORY, world.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
        let acknowledged = told.split("acknowledged ").nth(1).and_then(|rest| rest.split('.').next());
        let acknowledged: u64 = acknowledged.expect("it says so").parse().unwrap();
        assert!(acknowledged > 0, "the limit met the start already");
        check(world.path(), acknowledged).await;
    }
}

/// The process with the limit: it sees the refusals and serves on.
#[tokio::test]
#[ignore = "started by `a_write_that_is_cut_short_is_refused_whole`"]
async fn process_under_a_limit() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let store = SqliteStore::open(options(Path::new(&directory))).await.unwrap();
    let (acknowledged, error) = append_until_refused(&store, 10_000).await;
    is_refused(&error);
    let again = store.append(acknowledged, vec![numbered(acknowledged)]).await;
    is_refused(&again.unwrap_err());
    assert_eq!(store.head().await.unwrap().size, acknowledged);
    assert_eq!(store.read(0, 10_000).await.unwrap().len() as u64, acknowledged);
    assert!(store.verify(&mut |_| {}).await.unwrap().is_sound());
    println!("\nacknowledged {acknowledged}.");
}
