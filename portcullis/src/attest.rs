//! What a Linux machine can tell of itself. What it can't is said to be unknown, and never guessed.

mod disk;
mod sshd;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use portcullis_domain::posture::{KeyStorage, Program, Statement};
use portcullis_domain::spec::posture::is_digest;

/// A machine's files, as they lie below `root`.
pub struct Looked {
    pub root: PathBuf,
    /// Name and file of programs whose digest is wanted.
    pub programs: Vec<(String, PathBuf)>,
    /// Reference and digest (`sha256:…`) of the image that the machine runs from, where somebody has said so.
    pub image: Option<(String, String)>,
    pub now: Timestamp,
}

/// Longer files of the system are none that are meant here.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Package databases, of which the newest change counts.
const PACKAGES: [&str; 5] = [
    "var/lib/dpkg/status",
    "var/lib/rpm/rpmdb.sqlite",
    "var/lib/rpm/Packages",
    "lib/apk/db/installed",
    "var/lib/pacman/local",
];

const SECURE_BOOT: &str = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

impl Looked {
    /// Everything that can be told. The key lies in a file, so it can be carried away.
    #[must_use]
    pub fn statement(&self) -> Statement {
        Statement {
            software: self.software(),
            hardening: self.hardening(),
            patched_days: self.patched_days(),
            key: Some(KeyStorage { exportable: true, how: Some("file".to_owned()) }),
        }
    }

    fn software(&self) -> Vec<Program> {
        let named = |name: &str, version: Option<String>, sha256: Option<String>| {
            let version = version.filter(|version| (1..=256).contains(&version.len()));
            Program { name: name.to_owned(), version, sha256 }
        };
        let mut software = Vec::new();
        software.extend(self.os().map(|os| named("os", Some(os), None)));
        let kernel = self.text("proc/sys/kernel/osrelease");
        software.extend(kernel.map(|kernel| named("kernel", Some(kernel), None)));
        if let Some((reference, digest)) = &self.image {
            let digest = digest.strip_prefix("sha256:").unwrap_or(digest).to_owned();
            let digest = Some(digest).filter(|digest| is_digest(digest));
            software.push(named("container-image", Some(reference.clone()), digest));
        }
        // One that can't be read is named all the same: without a digest it is none that anybody asks for.
        let programs = self.programs.iter().map(|(name, path)| named(name, None, digest_of(path)));
        software.extend(programs);
        software
    }

    fn os(&self) -> Option<String> {
        let text = self.text("etc/os-release").or_else(|| self.text("usr/lib/os-release"))?;
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
            Some(line.trim_matches(['"', '\'']).to_owned())
        };
        let id = value("ID")?;
        Some(value("VERSION_ID").map_or_else(|| id.clone(), |version| format!("{id} {version}")))
    }

    fn hardening(&self) -> BTreeMap<String, Option<bool>> {
        let number = |path: &str| self.text(path).and_then(|text| text.parse::<i64>().ok());
        let at_least = |path: &str, least: i64| number(path).map(|found| found >= least);
        let facts = [
            ("disk_encrypted", disk::is_encrypted(&self.root)),
            ("secure_boot", self.secure_boot()),
            (
                "kernel_lockdown",
                self.text("sys/kernel/security/lockdown").map(|text| !text.contains("[none]")),
            ),
            ("root_login_off", sshd::root_login_off(&self.root)),
            ("firewall_on", self.firewall_on()),
            ("mandatory_access_control", self.access_control()),
            ("address_layout_random", at_least("proc/sys/kernel/randomize_va_space", 2)),
            ("kernel_pointers_hidden", at_least("proc/sys/kernel/kptr_restrict", 1)),
            ("kernel_log_hidden", at_least("proc/sys/kernel/dmesg_restrict", 1)),
            ("ptrace_restricted", at_least("proc/sys/kernel/yama/ptrace_scope", 1)),
            ("unprivileged_bpf_off", at_least("proc/sys/kernel/unprivileged_bpf_disabled", 1)),
        ];
        facts.into_iter().map(|(name, known)| (name.to_owned(), known)).collect()
    }

    /// The variable of EFI: four bytes of attributes, then the value. A machine without EFI can't tell.
    fn secure_boot(&self) -> Option<bool> {
        let bytes = fs::read(self.root.join(SECURE_BOOT)).ok()?;
        bytes.get(4).map(|value| *value == 1)
    }

    fn access_control(&self) -> Option<bool> {
        let selinux = self.text("sys/fs/selinux/enforce").map(|text| text == "1");
        let apparmor = self.text("sys/module/apparmor/parameters/enabled").map(|text| text == "Y");
        match (selinux, apparmor) {
            (None, None) => None,
            (one, other) => Some(one == Some(true) || other == Some(true)),
        }
    }

    /// Whether some rule looks at what comes in. Only who may list the rules knows; and only of the machine that runs.
    fn firewall_on(&self) -> Option<bool> {
        if self.root != Path::new("/") {
            return None;
        }
        let listed = Command::new("nft").args(["list", "ruleset"]).output().ok()?;
        let text = String::from_utf8_lossy(&listed.stdout);
        listed.status.success().then(|| text.contains("hook input"))
    }

    /// Since the package database changed last.
    fn patched_days(&self) -> Option<u32> {
        let changed =
            PACKAGES.iter().filter_map(|path| fs::metadata(self.root.join(path)).ok()?.modified().ok());
        let newest = Timestamp::try_from(changed.max()?).ok()?;
        let days = self.now.duration_since(newest).as_secs().max(0) / 86_400;
        u32::try_from(days).ok()
    }

    fn text(&self, path: &str) -> Option<String> {
        text(&self.root.join(path))
    }
}

/// A small file's text, without the space around it; nothing for an empty one.
fn text(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok().filter(|metadata| metadata.is_file())?;
    if metadata.len() > FILE_BYTES_MAX {
        return None;
    }
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Lower-case hex of the SHA-256 of a file, piece by piece.
fn digest_of(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut file =
        fs::File::open(path).ok().filter(|file| file.metadata().is_ok_and(|file| file.is_file()))?;
    let (mut digest, mut piece) = (Context::new(&SHA256), vec![0; 1 << 16]);
    loop {
        let count = file.read(&mut piece).ok()?;
        if count == 0 {
            break;
        }
        digest.update(piece.get(..count)?);
    }
    Some(digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests;
