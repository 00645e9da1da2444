//! strongSwan's charon in a host: IKEv2, with ESP in user space.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::clock::{PATIENCE, within};
use crate::host::Host;
use crate::process::Process;

pub const CHARON: &str = "/usr/lib/ipsec/charon";
const TIMEOUT_SECONDS: &str = "2";

/// A running charon; it is killed when this is dropped.
pub struct Charon {
    /// Its VICI socket.
    pub vici: PathBuf,
    pub process: Process,
}

impl Charon {
    /// Starts it on `host`, with its files in `folder`.
    #[must_use]
    pub fn start(host: &Host, folder: &Path) -> Self {
        let folder = folder.join(format!("charon-{}", host.name));
        std::fs::create_dir_all(&folder).unwrap();
        let vici = folder.join("vici");
        let settings = folder.join("strongswan.conf");
        std::fs::write(&settings, configuration(&vici)).unwrap();
        let mut command = Command::new(CHARON);
        command.env("STRONGSWAN_CONF", &settings);
        let mut process = host.start(command, &folder.join("charon.log"));
        process.until("charon's socket", |_| vici.exists().then_some(()));
        Self { vici, process }
    }

    /// Loads a folder as `/etc/swanctl` is one.
    pub fn load(&self, host: &Host, folder: &Path) {
        let uri = format!("unix://{}", self.vici.display());
        let folder = format!("SWANCTL_DIR={}", folder.display());
        host.must("env", &[&folder, "swanctl", "--load-all", "--noprompt", "--uri", &uri]);
    }

    /// Waits until a child stands, which the vendor's own configuration brings up.
    ///
    /// # Panics
    /// When none does for a while.
    pub fn until_up(&self, host: &Host) {
        let up = within(PATIENCE, || self.associations(host).contains("INSTALLED").then_some(()));
        assert!(up.is_some(), "no association: {}", self.process.log());
    }

    /// Brings the child `net` of a connection up.
    ///
    /// # Errors
    /// What swanctl wrote.
    pub fn try_initiate(&self, host: &Host, connection: &str) -> Result<(), String> {
        let arguments = ["--initiate", "--ike", connection, "--child", "net", "--timeout", TIMEOUT_SECONDS];
        let output = self.swanctl(host, &arguments);
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    /// The security associations that stand, as swanctl lists them; empty where there are none.
    #[must_use]
    pub fn associations(&self, host: &Host) -> String {
        self.must(host, &["--list-sas"])
    }

    /// The connections that are loaded.
    #[must_use]
    pub fn connections(&self, host: &Host) -> String {
        self.must(host, &["--list-conns"])
    }

    pub fn stop_answering(&self) {
        self.process.signal(Signal::STOP);
    }

    pub fn go_on(&self) {
        self.process.signal(Signal::CONT);
    }

    fn must(&self, host: &Host, arguments: &[&str]) -> String {
        let output = self.swanctl(host, arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    fn swanctl(&self, host: &Host, arguments: &[&str]) -> std::process::Output {
        let uri = format!("unix://{}", self.vici.display());
        host.output("swanctl", &[arguments, &["--uri", &uri]].concat())
    }
}

/// The kernel's ESP isn't everywhere: `kernel-libipsec` does it in user space, through a tun device. Its packets
/// must not go into the tunnel again, so they carry a mark that its rule excludes.
fn configuration(vici: &Path) -> String {
    format!(
        "charon {{\n  load = random nonce openssl aes sha1 sha2 hmac gmp pem pkcs1 pkcs8 x509 revocation constraints pubkey kdf gcm \
         kernel-libipsec kernel-netlink socket-default vici updown\n  retransmit_tries = 2\n  retransmit_timeout = 1\n  plugins {{\n    vici {{ socket = unix://{} }}\n    \
         kernel-libipsec {{ allow_peer_ts = yes }}\n    kernel-netlink {{ fwmark = !0x42 }}\n    \
         socket-default {{ fwmark = 0x42 }}\n  }}\n  filelog {{ log {{ path = /dev/stderr\n default = 1\n flush_line = yes }} }}\n}}\n",
        vici.display()
    )
}
