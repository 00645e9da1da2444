//! What a laboratory needs of the machine, and what is said where it isn't there.

use std::path::Path;

use crate::host::Host;

/// With this variable a laboratory that can't be had fails the test instead of skipping it.
pub const REQUIRED: &str = "PORTCULLIS_LAB_REQUIRED";

/// What a test needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Need {
    /// Namespaces, links, nftables, sockets: root, or a user namespace of one's own.
    Packets,
    /// Tunnels too: `/dev/net/tun`, strongSwan and WireGuard.
    Tunnels,
}

/// Whether the machine has it; where it hasn't, says so.
///
/// # Panics
/// Where it must be there: with [`REQUIRED`] set.
#[must_use]
pub fn available(need: Need) -> bool {
    let Some(why) = missing(need) else { return true };
    assert!(std::env::var_os(REQUIRED).is_none(), "the laboratory is required, and {why}");
    eprintln!("skipped: {why}");
    false
}

fn missing(need: Need) -> Option<String> {
    let mut programs = vec!["ip", "nft", "ss"];
    if need == Need::Tunnels {
        programs.extend(["swanctl", "wg", "wireguard-go"]);
        if let Err(error) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun") {
            return Some(format!("`/dev/net/tun` can't be opened: {error}"));
        }
        if !Path::new(crate::strongswan::CHARON).exists() {
            return Some(format!("`{}` is not installed", crate::strongswan::CHARON));
        }
    }
    if let Some(absent) = programs.into_iter().find(|program| !installed(program)) {
        return Some(format!("`{absent}` is not installed"));
    }
    Host::try_new("probe").err().map(|error| format!("no namespace can be made: {error}"))
}

fn installed(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).exists())
}
