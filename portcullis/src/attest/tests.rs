use std::os::unix::fs::symlink;

use super::*;

/// A machine as a folder.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(self, path: &str, text: &str) -> Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn linked(self, path: &str, to: &str) -> Self {
        let link = self.0.path().join(path);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(self.0.path().join(to), link).unwrap();
        self
    }

    fn looked(&self) -> Looked {
        let now = crate::clock::system_clock().now();
        Looked { root: self.0.path().to_owned(), programs: Vec::new(), image: None, now }
    }

    fn fact(&self, name: &str) -> Option<bool> {
        self.looked().statement().hardening[name]
    }
}

#[test]
fn what_cant_be_told_is_unknown() {
    let statement = Machine::new().looked().statement();
    assert!(statement.hardening.values().all(Option::is_none), "{:?}", statement.hardening);
    assert!(statement.hardening.len() >= 10 && statement.software.is_empty());
    assert_eq!(statement.patched_days, None);
    assert_eq!(statement.key, Some(KeyStorage { exportable: true, how: Some("file".into()) }));
}

#[test]
fn the_system_is_named_and_programs_have_digests() {
    let machine = Machine::new()
        .with("etc/os-release", "NAME=\"Debian\"\nID=debian\nVERSION_ID=\"13\"\n")
        .with("proc/sys/kernel/osrelease", "6.12.1\n")
        .with("var/lib/dpkg/status", "x")
        .with("bin/agent", "abc");
    let mut looked = machine.looked();
    looked.programs = vec![
        ("agent".into(), machine.0.path().join("bin/agent")),
        ("gone".into(), machine.0.path().join("gone")),
    ];
    looked.image = Some(("registry.example/agent:1".into(), format!("sha256:{}", "a".repeat(64))));
    let statement = looked.statement();
    let told: Vec<_> = statement
        .software
        .iter()
        .map(|program| (program.name.as_str(), program.version.as_deref(), program.sha256.as_deref()))
        .collect();
    let (image, abc) = ("a".repeat(64), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(
        told,
        [
            ("os", Some("debian 13"), None),
            ("kernel", Some("6.12.1"), None),
            ("container-image", Some("registry.example/agent:1"), Some(image.as_str())),
            ("agent", None, Some(abc)),
            ("gone", None, None),
        ]
    );
    assert_eq!(statement.patched_days, Some(0));
}

#[test]
fn the_kernels_own_facts() {
    let machine = Machine::new()
        .with("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
        .with("proc/sys/kernel/randomize_va_space", "2\n")
        .with("proc/sys/kernel/kptr_restrict", "0\n")
        .with("sys/module/apparmor/parameters/enabled", "Y\n");
    assert_eq!(machine.fact("kernel_lockdown"), Some(true));
    assert_eq!(machine.fact("address_layout_random"), Some(true));
    assert_eq!(machine.fact("kernel_pointers_hidden"), Some(false));
    assert_eq!(machine.fact("mandatory_access_control"), Some(true));
    let open = Machine::new().with("sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
    assert_eq!(open.fact("kernel_lockdown"), Some(false));
    let booted = Machine::new().with(SECURE_BOOT, "\u{6}\0\0\0\u{1}");
    assert_eq!(booted.fact("secure_boot"), Some(true));
    assert_eq!(Machine::new().with(SECURE_BOOT, "\u{6}\0\0\0\0").fact("secure_boot"), Some(false));
}

#[test]
fn a_root_on_dm_crypt_is_found_below_lvm() {
    let mounts =
        "21 1 8:1 / /old rw - ext4 /dev/sda1 rw\n22 1 254:1 / / rw,relatime - ext4 /dev/mapper/root rw\n";
    let plain = || {
        Machine::new()
            .with("proc/self/mountinfo", mounts)
            .with("sys/devices/dm-1/dm/uuid", "LVM-abc\n")
            .linked("sys/dev/block/254:1", "sys/devices/dm-1")
    };
    assert_eq!(plain().fact("disk_encrypted"), Some(false));
    let encrypted = plain()
        .with("sys/devices/dm-0/dm/uuid", "CRYPT-LUKS2-abc\n")
        .linked("sys/devices/dm-1/slaves/dm-0", "sys/devices/dm-0");
    assert_eq!(encrypted.fact("disk_encrypted"), Some(true));
    let half =
        encrypted.with("sys/devices/sdb/size", "1").linked("sys/devices/dm-1/slaves/sdb", "sys/devices/sdb");
    assert_eq!(half.fact("disk_encrypted"), Some(false), "one of two devices lies open");
    let btrfs = Machine::new()
        .with("proc/self/mountinfo", "22 1 0:25 / / rw - btrfs /dev/dm-0 rw\n")
        .with("dev/dm-0", "")
        .with("sys/class/block/dm-0/dm/uuid", "CRYPT-LUKS2-abc\n");
    assert_eq!(btrfs.fact("disk_encrypted"), Some(true));
    let overlay =
        Machine::new().with("proc/self/mountinfo", "22 1 0:30 / / rw - overlay overlay rw,lowerdir=/a\n");
    assert_eq!(overlay.fact("disk_encrypted"), None);
}

#[test]
fn the_first_word_on_roots_login_counts_and_a_block_may_open_it() {
    let off = |config: &str| Machine::new().with("etc/ssh/sshd_config", config).fact("root_login_off");
    assert_eq!(off("# nothing\n"), Some(false), "by default root comes with a key");
    assert_eq!(off("PermitRootLogin no\nPermitRootLogin yes\n"), Some(true));
    assert_eq!(off("permitrootlogin=no\n"), Some(true));
    assert_eq!(off("PermitRootLogin prohibit-password\n"), Some(false));
    assert_eq!(off("#PermitRootLogin no\n"), Some(false));
    assert_eq!(off("PermitRootLogin no\nMatch Address 10.0.0.0/8\n  PermitRootLogin yes\n"), Some(false));
    assert_eq!(off("Match User x\n  PermitRootLogin no\n"), Some(false));
    let included = Machine::new()
        .with("etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin yes\n")
        .with("etc/ssh/sshd_config.d/10-x.conf", "PermitRootLogin no\n")
        .with("etc/ssh/sshd_config.d/90-x.conf", "PermitRootLogin yes\n");
    assert_eq!(included.fact("root_login_off"), Some(true));
}
