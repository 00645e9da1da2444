//! The machine under it: disk, permissions, the time service.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use portcullis_api::checks::{Check, Health};

/// With less, a severance may soon find no room but the reserve.
const FREE_BYTES_MIN: u64 = 1024 * 1024 * 1024;
const FREE_BYTES_LEAST: u64 = 100 * 1024 * 1024;
const FREE_INODES_MIN: u64 = 10_000;
/// Of statfs(2): file systems that write a block elsewhere each time, so that even the reserve needs space.
const COPY_ON_WRITE: [(i64, &str); 3] =
    [(0x9123_683e, "btrfs"), (0x2fc1_2fc1, "zfs"), (0xca45_1a4e, "bcachefs")];
/// Those that other machines hold, which may go away while we write.
const REMOTE: [(i64, &str); 4] =
    [(0x6969, "nfs"), (0xfe53_4d42, "smb"), (0xff53_4d42, "cifs"), (0x6573_5546, "fuse")];
const READABLE_BY_OTHERS: u32 = 0o077;
/// What nobody but its user may read, as far as it is there.
const PRIVATE: [&str; 11] = [
    "",
    "keys",
    "keys/ca.key",
    "keys/gate.key",
    "keys/control.key",
    "keys/signing.pem",
    "keys/checkpoint.pem",
    "admin.token",
    "metrics.token",
    "subject_keys.sqlite",
    "ledger.sqlite",
];

pub(super) fn disk(directory: &Path) -> Vec<Check> {
    let name = "disk";
    let (Ok(found), Ok(system)) = (rustix::fs::statvfs(directory), rustix::fs::statfs(directory)) else {
        return vec![Check::new(
            name,
            Health::Unknown,
            format!("`{}` can't be looked at", directory.display()),
        )];
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let health = match free {
        FREE_BYTES_MIN.. => Health::Good,
        FREE_BYTES_LEAST.. => Health::Warning,
        _ => Health::Bad,
    };
    let check = Check::new("disk space", health, format!("{} MiB free", free / (1024 * 1024)));
    let mut checks = vec![match health {
        Health::Good => check,
        _ => check.hint("make room: without it nothing passes the gate"),
    }];
    if found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        let check = Check::new(name, Health::Bad, "it is mounted read-only");
        checks.push(check.hint("look at the kernel's log: a failing disk is often remounted so"));
    }
    // Some file systems make inodes as they need them, and say 0.
    if found.f_files > 0 && found.f_favail < FREE_INODES_MIN {
        let check = Check::new(name, Health::Warning, format!("{} inodes free", found.f_favail));
        checks.push(check.hint("make room: a file that can't be made is a decision that can't be recorded"));
    }
    let magic = system.f_type;
    let is_one_of =
        |list: &[(i64, &'static str)]| list.iter().find(|(number, _)| *number == magic).map(|found| found.1);
    if let Some(kind) = is_one_of(&COPY_ON_WRITE) {
        let check = Check::new(
            name,
            Health::Warning,
            format!("`{kind}` writes each block elsewhere: the reserve may need space after all"),
        );
        checks.push(check.hint("put the data folder on ext4 or xfs"));
    }
    if let Some(kind) = is_one_of(&REMOTE) {
        let check = Check::new(
            name,
            Health::Warning,
            format!("`{kind}` may be another machine's: its locks and syncs may not hold"),
        );
        checks.push(check.hint("put the data folder on a disk of this machine"));
    }
    checks
}

/// The reserve must have its blocks before they are needed.
pub(super) fn reserve(directory: &Path) -> Check {
    let path = directory.join("severances.reserve");
    match fs::metadata(&path) {
        Ok(found) if found.blocks().saturating_mul(512) >= found.len() => {
            Check::new("reserve", Health::Good, format!("{} KiB, every block is there", found.len() / 1024))
        }
        Ok(found) => Check::new(
            "reserve",
            Health::Warning,
            format!("{} of {} KiB have blocks", found.blocks() / 2, found.len() / 1024),
        )
        .hint("the file system keeps no blocks ahead: put the data folder on ext4 or xfs"),
        Err(error) => {
            Check::new("reserve", Health::Bad, format!("`{}` can't be looked at: {error}", path.display()))
                .hint("start `portcullis up`: it makes one")
        }
    }
}

pub(super) fn permissions(directory: &Path) -> Check {
    let name = "permissions";
    let Ok(owner) = fs::metadata(directory).map(|found| found.uid()) else {
        return Check::new(name, Health::Unknown, format!("`{}` can't be looked at", directory.display()));
    };
    let mut open = Vec::new();
    for file in PRIVATE {
        let path = if file.is_empty() { directory.to_owned() } else { directory.join(file) };
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        let mode = found.permissions().mode() & 0o777;
        // Inside of a private folder a file's own mode is a second fence only, for keys and tokens.
        let guarded = file.ends_with(".sqlite") || file == "keys";
        if mode & READABLE_BY_OTHERS != 0 && !guarded {
            open.push(format!("`{}` has mode {mode:04o}", path.display()));
        }
        if found.uid() != owner {
            open.push(format!("`{}` belongs to user {}", path.display(), found.uid()));
        }
    }
    match open.first() {
        None => Check::new(name, Health::Good, "folder, keys and tokens are their user's alone"),
        Some(first) => {
            Check::new(name, Health::Bad, format!("{} of them are open, the first: {first}", open.len()))
                .hint(
                    "`chmod 0700` the folder, `chmod 0600` keys and tokens, `chown -R` to the service's user",
                )
        }
    }
}

/// Whether a time service says that it keeps the clock.
pub(super) fn time_service() -> Check {
    let name = "time service";
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return Check::new(name, Health::Good, "systemd-timesyncd keeps the clock");
    }
    for socket in
        ["/run/chrony/chronyd.sock", "/run/chrony/chronyd.pid", "/run/ntpd.pid", "/var/run/ntpd.pid"]
    {
        if Path::new(socket).exists() {
            return Check::new(name, Health::Good, format!("there is one: `{socket}`"));
        }
    }
    Check::new(name, Health::Unknown, "none is seen from here")
        .hint("in a container the host keeps the clock; elsewhere `timedatectl set-ntp true`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_may_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        set(folder.path(), 0o700);
        let token = folder.path().join("admin.token");
        fs::write(&token, "x").unwrap();
        set(&token, 0o600);
        assert_eq!(permissions(folder.path()).finding, Health::Good);
        set(&token, 0o640);
        let check = permissions(folder.path());
        assert_eq!(check.finding, Health::Bad);
        assert!(check.detail.contains("admin.token` has mode 0640"), "{check:?}");
        set(&token, 0o600);
        set(folder.path(), 0o755);
        assert_eq!(permissions(folder.path()).finding, Health::Bad);
        set(folder.path(), 0o700);
    }

    #[test]
    fn a_reserve_without_blocks_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(reserve(folder.path()).finding, Health::Bad);
        let file = fs::File::create(folder.path().join("severances.reserve")).unwrap();
        file.set_len(1 << 20).unwrap();
        assert_eq!(reserve(folder.path()).finding, Health::Warning);
        assert!(disk(folder.path()).iter().any(|check| check.check == "disk space"));
    }
}
