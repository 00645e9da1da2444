//! The same on a real disk that is full: a small tmpfs, which only root may mount.

use std::path::PathBuf;
use std::process::Command as Program;

use portcullis_api::severing::SeverAnswer;

use crate::world::{World, entries, kinds, until};

struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let mounted =
            Program::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(&path).output();
        mounted.ok().filter(|output| output.status.success()).map(|_| Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Program::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_holds_up_no_severance_and_it_is_recorded_once_there_is_space() {
    let mut world = World::new();
    world.ledger_dir = world.directory.path().join("ledger");
    let Some(disk) = SmallDisk::mount(world.ledger_dir.clone()) else {
        println!("skipped: a tmpfs can't be mounted here");
        return;
    };
    let process = world.start().await;
    let admin = process.operator("admin").await;
    process.acme().await;
    let gate = process.gate("gate");
    let size = process.control.state().size;
    // Until not a byte fits any more.
    let filler = disk.0.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 512]).is_ok() {}
    let mut last = size;
    for number in 0.. {
        let command = portcullis_domain::command::Command::AddOperator {
            name: portcullis_domain::personal::Personal::Plain(format!("{number}{}", "x".repeat(4_000))),
            token_sha256: "0".repeat(64),
        };
        match process.control.execute(command).await {
            Ok(executed) => last = executed.size,
            Err(error) => {
                println!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string));
                break;
            }
        }
    }
    let receipt = process.control.sever("vendor/acme".parse().unwrap(), admin, "theft".into()).await.unwrap();
    assert_eq!(receipt.answer, SeverAnswer::SeveredReserved);
    assert_eq!(gate.orders().len(), 1);
    assert_eq!(entries(world.directory.path()), 1);
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    until("recorded", || process.control.state().size == last + 1).await;
    until("the slot is free", || entries(world.directory.path()) == 0).await;
    assert_eq!(kinds(&*process.store).await.last().unwrap(), "severed");
    process.stop().await;
}
