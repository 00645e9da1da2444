//! WireGuard in a host, in user space by `wireguard-go`.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use crate::clock::until;
use crate::host::Host;
use crate::links;
use crate::process::Process;

/// A vendor's interface with its key; it is gone when this is dropped.
pub struct WireGuard {
    pub interface: String,
    pub private_key: String,
    pub public_key: String,
    pub process: Process,
}

impl WireGuard {
    /// Makes the interface `interface` on `host` with an address and a key of its own.
    #[must_use]
    pub fn start(host: &Host, folder: &Path, interface: &str, address: Ipv4Addr) -> Self {
        let process = self::interface(host, folder, interface, address);
        let private_key = host.must("wg", &["genkey"]).trim().to_owned();
        let public_key = host.feed("wg", &["pubkey"], &private_key).trim().to_owned();
        Self { interface: interface.to_owned(), private_key, public_key, process }
    }

    /// Sets keys and peers as a file of `wg`'s says.
    pub fn configure(&self, host: &Host, folder: &Path, text: &str) {
        let file = folder.join(format!("{}-{}.conf", host.name, self.interface));
        std::fs::write(&file, text).unwrap();
        host.must("wg", &["setconf", &self.interface, &file.display().to_string()]);
    }

    /// Waits for a handshake with every peer.
    pub fn until_shaken(&self, host: &Host) {
        until("a handshake", || {
            let text = host.must("wg", &["show", &self.interface, "latest-handshakes"]);
            text.lines().all(|line| !line.ends_with("\t0")).then_some(())
        });
    }
}

/// Public keys of the peers of an interface.
#[must_use]
pub fn peers(host: &Host, interface: &str) -> Vec<String> {
    host.must("wg", &["show", interface, "peers"]).lines().map(str::to_owned).collect()
}

/// Makes an interface with an address, and neither key nor peers.
#[must_use]
pub fn interface(host: &Host, folder: &Path, interface: &str, address: Ipv4Addr) -> Process {
    let mut command = Command::new("wireguard-go");
    command.args(["-f", interface]).env("LOG_LEVEL", "verbose");
    let mut process = host.start(command, &folder.join(format!("{}-{interface}.log", host.name)));
    // Not by asking `wg`: it removes a socket that nobody listens on yet.
    process.until("the interface", |process| process.log().contains("UAPI listener started").then_some(()));
    links::address_of(host, interface, &format!("{address}/32"));
    host.must("ip", &["link", "set", interface, "up"]);
    process
}
