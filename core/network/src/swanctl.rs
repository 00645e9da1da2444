//! A tunnel as settings of strongSwan (`swanctl.conf(5)`): what the arm loads over VICI, and the files that
//! people read, of our side and of the vendor's.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::plan::{Authentication, Ipsec, Link, Tunnel};
use crate::setting::Setting;

/// All that is ours in charon begins with it; what doesn't is never touched.
pub const PREFIX: &str = "portcullis--";
/// The one CHILD_SA of a connection.
pub const CHILD: &str = "net";
const DEAD_PEER_SECONDS: u32 = 30;
const IKE_REKEY: &str = "4h";
const CHILD_REKEY: &str = "1h";

/// Name of a connection: of the tunnel, and of all that its peers and charon must agree on, so that a change of
/// credentials or networks is another connection, and nothing of the former one stays up.
#[must_use]
pub fn connection_name(tunnel: &str, digest: &str) -> String {
    let digest: String = digest.chars().filter(char::is_ascii_hexdigit).take(12).collect();
    format!("{PREFIX}{}--{digest}", tunnel.replace('/', "_"))
}

/// Of a connection's name the part that is the same for the tunnel whatever its credentials are.
#[must_use]
pub fn stem(connection: &str) -> &str {
    connection.rsplit_once("--").map_or(connection, |(stem, _)| stem)
}

/// Whether two names are of one tunnel.
#[must_use]
pub fn same_tunnel(one: &str, other: &str) -> bool {
    one == other || (one.starts_with(PREFIX) && stem(one) == stem(other))
}

/// The connection at our side, without certificates: over VICI they are bytes, and in files names of files.
/// None of a tunnel of another kind.
#[must_use]
pub fn ours(tunnel: &Tunnel) -> Option<Setting> {
    let Link::Ipsec(ipsec) = &tunnel.link else { return None };
    let mut connection = common(ipsec);
    connection.push("local_addrs", addresses(ipsec.local_address));
    connection.push("remote_addrs", addresses(ipsec.peer_address));
    match ipsec.virtual_address {
        // A person moves between networks. One identity has one address, so a second machine with the same
        // certificate gets none; and it can't push the first one out: `never` ignores INITIAL_CONTACT.
        Some(_) => {
            connection.push("mobike", Setting::text("yes"));
            connection.push("unique", Setting::text("never"));
            connection.push("pools", Setting::List(vec![ipsec.connection.clone()]));
        }
        None => {
            connection.push("mobike", Setting::text("no"));
            connection.push("unique", Setting::text("replace"));
        }
    }
    let how = method(ipsec);
    let side =
        |identity: &str| Setting::section([("auth", Setting::text(how)), ("id", Setting::text(identity))]);
    connection.push("local", side(&ipsec.local_identity));
    connection.push("remote", side(&ipsec.peer_identity));
    let remote = match ipsec.virtual_address {
        Some(_) => vec!["dynamic".to_owned()],
        None => texts(&tunnel.remote_networks),
    };
    connection.push("children", children(ipsec, texts(&tunnel.local_networks), remote, "none"));
    Some(connection)
}

/// The connection at the vendor's side, which begins it.
#[must_use]
pub fn vendors(tunnel: &Tunnel) -> Option<Setting> {
    let Link::Ipsec(ipsec) = &tunnel.link else { return None };
    let mut connection = common(ipsec);
    connection.push("local_addrs", addresses(ipsec.peer_address));
    // Whoever begins must know where to: by name, where no address of ours is declared.
    let by_name = ipsec.local_identity.rsplit_once('@').map_or(&*ipsec.local_identity, |(_, host)| host);
    let ours = ipsec.local_address.map_or_else(|| by_name.to_owned(), |address| address.to_string());
    connection.push("remote_addrs", Setting::List(vec![ours]));
    if let Some(address) = ipsec.virtual_address {
        // Any address of the family that the one for this person is of.
        let any = if address.is_ipv4() { "0.0.0.0" } else { "::" };
        connection.push("vips", Setting::List(vec![any.to_owned()]));
    }
    let how = method(ipsec);
    let side =
        |identity: &str| Setting::section([("auth", Setting::text(how)), ("id", Setting::text(identity))]);
    connection.push("local", side(&ipsec.peer_identity));
    connection.push("remote", side(&ipsec.local_identity));
    let local = match ipsec.virtual_address {
        Some(_) => vec!["dynamic".to_owned()],
        None => texts(&tunnel.remote_networks),
    };
    connection.push("children", children(ipsec, local, texts(&tunnel.local_networks), "start"));
    Some(connection)
}

/// How both sides prove themselves, as charon calls it.
#[must_use]
pub fn method(ipsec: &Ipsec) -> &'static str {
    match (&ipsec.authentication, ipsec.virtual_address) {
        (Some(Authentication::PresharedKey { .. }), _) => "psk",
        (Some(Authentication::Certificate { .. }), _) | (None, Some(_)) => "pubkey",
        (None, None) => "psk",
    }
}

fn common(ipsec: &Ipsec) -> Setting {
    let yes_no = |yes: bool| Setting::text(if yes { "yes" } else { "no" });
    Setting::section([
        ("version", Setting::text("2")),
        ("proposals", Setting::List(ipsec.ike_proposals.clone())),
        ("encap", yes_no(ipsec.encapsulate)),
        ("dpd_delay", Setting::text(format!("{DEAD_PEER_SECONDS}s"))),
        ("rekey_time", Setting::text(IKE_REKEY)),
        // Both sides show their certificate without being asked.
        ("send_cert", Setting::text("always")),
        ("send_certreq", yes_no(false)),
    ])
}

fn children(ipsec: &Ipsec, local: Vec<String>, remote: Vec<String>, start: &str) -> Setting {
    let again = if start == "start" { "restart" } else { "clear" };
    let child = Setting::section([
        ("local_ts", Setting::List(local)),
        ("remote_ts", Setting::List(remote)),
        ("esp_proposals", Setting::List(ipsec.esp_proposals.clone())),
        ("rekey_time", Setting::text(CHILD_REKEY)),
        ("dpd_action", Setting::text(again)),
        ("start_action", Setting::text(start)),
        ("close_action", Setting::text("none")),
    ]);
    Setting::section([(CHILD, child)])
}

fn addresses(address: Option<IpAddr>) -> Setting {
    Setting::List(vec![address.map_or_else(|| "%any".to_owned(), |address| address.to_string())])
}

fn texts(networks: &[IpNet]) -> Vec<String> {
    networks.iter().map(ToString::to_string).collect()
}
