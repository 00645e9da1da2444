//! Whether the root file system lies on an encrypted device: dm-crypt, itself or below it.

use std::fs;
use std::path::{Path, PathBuf};

use super::text;

/// Devices below each other: partition, RAID, LVM, LUKS and some more.
const DEPTH_MAX: usize = 8;

/// Nothing where the device isn't known: in containers, on overlays, over networks.
pub fn is_encrypted(root: &Path) -> Option<bool> {
    let mounts = text(&root.join("proc/self/mountinfo"))?;
    // The last mount of a place is the one that shows (proc_pid_mountinfo(5)): id, parent, device, root, place …
    let mount = mounts.lines().rev().find(|line| line.split(' ').nth(4) == Some("/"))?;
    let number = mount.split(' ').nth(2)?;
    let by_number = root.join("sys/dev/block").join(number);
    let device = if number.starts_with("0:") {
        // File systems over several devices have a number of their own, and name one of them as their source.
        let source = mount.split_once(" - ")?.1.split(' ').nth(1)?;
        let name = source.strip_prefix("/dev/")?;
        let resolved = fs::canonicalize(root.join("dev").join(name)).ok()?;
        root.join("sys/class/block").join(resolved.file_name()?)
    } else {
        by_number
    };
    let device = fs::canonicalize(device).ok()?;
    Some(lies_on_crypt(&device, DEPTH_MAX))
}

/// Whether the device is dm-crypt, or all devices below it are.
fn lies_on_crypt(device: &Path, depth: usize) -> bool {
    if text(&device.join("dm/uuid")).is_some_and(|uuid| uuid.starts_with("CRYPT-")) {
        return true;
    }
    let below: Vec<PathBuf> = fs::read_dir(device.join("slaves"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| fs::canonicalize(entry.path()).ok())
        .collect();
    depth > 0 && !below.is_empty() && below.iter().all(|device| lies_on_crypt(device, depth - 1))
}
