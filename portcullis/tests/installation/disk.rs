//! A full disk: nothing that can't be recorded passes, and a severance cuts all the same.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::json;

use crate::support::{Installation, Machine, PATIENCE, route, upstream, vendor};

/// A small disk of its own; unmounted when dropped.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// None where mounting is not allowed.
    fn mount(megabytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m,mode=0700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes every byte that is left.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = std::fs::File::create(&path).unwrap();
        for size in [1 << 20, 4_096, 1] {
            let block = vec![0_u8; size];
            while file.write_all(&block).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
    }
}

#[tokio::test]
async fn a_severance_on_a_full_disk_cuts_at_once_and_is_recorded_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(160) else {
        eprintln!("skipped: a small disk can't be mounted here (needs root)");
        return;
    };
    let directory = disk.path().join("data");
    let installation = Installation::start(&directory);
    let operator = installation.operator();
    let machine = Machine::new(&installation, "full-machine");
    let manifests = [
        route(upstream().await),
        vendor("full", "2099-12-31"),
        format!("---\n{}", machine.manifest("full-read")),
    ];
    operator.must_apply(&manifests.concat()).await;
    let token = machine.must_token().await;
    let mut download = machine.get("/records?records=100000&pace=5", &token).await.unwrap();
    assert_eq!(download.status(), 200);

    let filler = disk.fill();
    let (status, answer) =
        operator.apply("kind: Vendor\nname: late\nspec: { legal_name: Late Ltd }\n").await.unwrap();
    assert!(status >= 500, "what can't be recorded is refused: {status} {answer}");

    let (_, receipt) =
        operator.post("/v1/sever", json!({ "target": "vendor/full", "reason": "full disk" })).await.unwrap();
    assert_eq!(receipt["answer"], "severed, reserved", "{receipt}");
    assert_eq!(receipt["connections_total"], 1, "{receipt}");
    while let Ok(chunk) = download.chunk().await {
        assert!(chunk.is_some(), "the download came to a regular end");
    }
    let refused = machine.get("/records", &token).await.unwrap();
    assert!(refused.status() == 403 || refused.status() == 503, "{}", refused.status());

    // Killed while the disk is full: the reserve is read before any listener opens.
    installation.kill();
    std::fs::remove_file(filler).unwrap();
    let installation = Installation::start(&directory);
    let operator = installation.operator();
    let (status, answer) = machine.token().await.unwrap();
    assert_eq!(status, 400, "{answer}");
    assert_eq!(answer["reasons"][0], "vendor_severed", "{answer}");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, severances) = operator.get("/v1/severances").await;
        let recorded = severances.to_string().contains("\"vendor/full\"");
        let (_, report) = operator.post("/v1/ledger/verify", json!({})).await.unwrap();
        if recorded && report["good"] == true {
            break;
        }
        assert!(Instant::now() < deadline, "{severances} {report}");
    }
}
