//! A tunnel as files that people read and put in place: ours, and ready ones for the vendor.

use std::fmt::Write as _;

use crate::plan::{Authentication, Ipsec, Link, Tunnel, Wireguard};
use crate::setting::Setting;
use crate::swanctl;

/// A file, by a path below a folder of the reader's choice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct File {
    pub path: String,
    pub text: String,
    /// Whether it holds a key: it is for one pair of eyes.
    pub secret: bool,
}

/// What the vendor's side needs and ours doesn't keep.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Theirs {
    /// PEM: the vendor's certificate, then its intermediate.
    pub chain: Option<String>,
    /// PEM of the vendor's key, where it was made here.
    pub private_key: Option<String>,
    /// Of our interface, base64.
    pub our_public_key: Option<String>,
}

/// Whose file it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Ours,
    Vendors,
}

/// The files of one side. Without `secrets` a line says where they come from.
#[must_use]
pub fn files(tunnel: &Tunnel, side: Side, theirs: &Theirs, secrets: bool) -> Vec<File> {
    match &tunnel.link {
        Link::Ipsec(ipsec) => ipsec_files(tunnel, ipsec, side, theirs, secrets),
        Link::Wireguard(wireguard) => vec![wireguard_file(tunnel, wireguard, side, theirs, secrets)],
    }
}

fn ipsec_files(tunnel: &Tunnel, ipsec: &Ipsec, side: Side, theirs: &Theirs, secrets: bool) -> Vec<File> {
    let name = match side {
        Side::Ours => ipsec.connection.clone(),
        Side::Vendors => swanctl::stem(&ipsec.connection).trim_start_matches(swanctl::PREFIX).to_owned(),
    };
    let connection = match side {
        Side::Ours => swanctl::ours(tunnel),
        Side::Vendors => swanctl::vendors(tunnel),
    };
    let Some(mut connection) = connection else { return Vec::new() };
    let mut files = Vec::new();
    let mut shared = None;
    match &ipsec.authentication {
        Some(Authentication::PresharedKey { key }) => shared = Some(key.expose().to_owned()),
        Some(Authentication::Certificate { certificate, private_key, peer_certificate, authority }) => {
            let own = match side {
                Side::Ours => (Some(certificate.clone()), Some(private_key.expose().to_owned())),
                Side::Vendors => (theirs.chain.clone(), theirs.private_key.clone()),
            };
            let other = match side {
                Side::Ours => peer_certificate,
                Side::Vendors => certificate,
            };
            certificates(
                &mut connection,
                &mut files,
                &name,
                (own.0, own.1.filter(|_| secrets)),
                other,
                authority,
            );
        }
        None => {}
    }
    let mut text = head(tunnel, side);
    let _ = writeln!(text, "connections {{");
    connection.write(&mut text, &name, 1);
    text.push_str("}\n");
    if let (Side::Ours, Some(address)) = (side, ipsec.virtual_address) {
        let pool = Setting::section([("addrs", Setting::text(address.to_string()))]);
        text.push_str("\npools {\n");
        pool.write(&mut text, &name, 1);
        text.push_str("}\n");
    }
    let has_key = shared.is_some() && secrets;
    if swanctl::method(ipsec) == "psk" {
        secret_section(&mut text, ipsec, &name, shared.filter(|_| secrets));
    }
    files.insert(0, File { path: format!("conf.d/{name}.conf"), text, secret: has_key });
    files
}

fn certificates(
    connection: &mut Setting,
    files: &mut Vec<File>,
    name: &str,
    (own, key): (Option<String>, Option<String>),
    other: &str,
    authority: &str,
) {
    if let Some(local) = connection.at_mut(&["local"]) {
        local.push("certs", Setting::List(vec![format!("{name}.crt")]));
    }
    if let Some(remote) = connection.at_mut(&["remote"]) {
        // This one certificate, and no other of the same authority.
        remote.push("certs", Setting::List(vec![format!("{name}-peer.crt")]));
        remote.push("cacerts", Setting::List(vec![format!("{name}-ca.crt")]));
    }
    let mut put = |path: String, text: String, secret: bool| files.push(File { path, text, secret });
    if let Some(own) = own {
        put(format!("x509/{name}.crt"), first_certificate(&own), false);
    }
    put(format!("x509/{name}-peer.crt"), first_certificate(other), false);
    put(format!("x509ca/{name}-ca.crt"), authority.to_owned(), false);
    if let Some(key) = key {
        put(format!("private/{name}.key"), key, true);
    }
}

/// Of a chain in PEM the certificate itself.
#[must_use]
pub fn first_certificate(chain: &str) -> String {
    const END: &str = "-----END CERTIFICATE-----";
    match chain.find(END) {
        Some(place) => format!("{}{END}\n", chain.get(..place).unwrap_or_default()),
        None => chain.to_owned(),
    }
}

fn secret_section(text: &mut String, ipsec: &Ipsec, name: &str, key: Option<String>) {
    let Some(key) = key else {
        text.push_str("\n# The shared secret is not in this file. `portcullis tunnel render NAME --with-secrets` writes it, once.\n");
        return;
    };
    let secret = Setting::section([
        ("id-1", Setting::text(&*ipsec.local_identity)),
        ("id-2", Setting::text(&*ipsec.peer_identity)),
        ("secret", Setting::text(key)),
    ]);
    text.push_str("\nsecrets {\n");
    secret.write(text, &format!("ike-{name}"), 1);
    text.push_str("}\n");
}

fn head(tunnel: &Tunnel, side: Side) -> String {
    let (who, put) = match side {
        Side::Ours => (
            "Our side",
            "# The enforcer loads the same over VICI, and takes it out again: this file is for reading. Loaded by hand it\n# would stay when the tunnel is cut.\n",
        ),
        Side::Vendors => (
            "The vendor's side",
            "# Put the folders into /etc/swanctl, then: swanctl --load-all\n# Networks behind it on your side and on ours are agreed; others are refused.\n",
        ),
    };
    format!(
        "# {who} of tunnel `{}`: vendor `{}`, integration `{}`.\n{put}\n",
        tunnel.name, tunnel.owner.vendor_name, tunnel.owner.integration_name
    )
}

fn wireguard_file(
    tunnel: &Tunnel,
    wireguard: &Wireguard,
    side: Side,
    theirs: &Theirs,
    secrets: bool,
) -> File {
    let networks = |networks: &[ipnet::IpNet]| {
        let texts: Vec<_> = networks.iter().map(ToString::to_string).collect();
        texts.join(", ")
    };
    let who = if side == Side::Ours { "Our side" } else { "The vendor's side" };
    let mut text = format!(
        "# {who} of tunnel `{}`: vendor `{}`, integration `{}`.\n",
        tunnel.name, tunnel.owner.vendor_name, tunnel.owner.integration_name
    );
    text.push_str(match side {
        Side::Ours => {
            "# `wg-quick up` makes the interface; the enforcer sets its peer, and takes it out again.\n\n"
        }
        Side::Vendors => "# Put it into /etc/wireguard, then: wg-quick up NAME\n\n",
    });
    text.push_str("[Interface]\n");
    let (addresses, allowed) = match side {
        Side::Ours => (&tunnel.local_networks, &tunnel.remote_networks),
        Side::Vendors => (&tunnel.remote_networks, &tunnel.local_networks),
    };
    // The first address of the first network; routes to the other side are made by wg-quick.
    if let Some((first, length)) =
        addresses.first().and_then(|network| Some((network.hosts().next()?, network.max_prefix_len())))
    {
        let _ = writeln!(text, "Address = {first}/{length}");
    }
    let key = wireguard.private_key.as_ref().filter(|_| secrets && side == Side::Ours);
    match (side, key) {
        (Side::Ours, Some(key)) => {
            let _ = writeln!(text, "PrivateKey = {}", key.expose());
        }
        (Side::Ours, None) => text.push_str("# PrivateKey: the enforcer sets it.\n"),
        (Side::Vendors, _) => {
            text.push_str("# The key whose public half you have given us.\nPrivateKey = YOUR_PRIVATE_KEY\n")
        }
    }
    if let (Side::Ours, Some(port)) = (side, wireguard.listen_port) {
        let _ = writeln!(text, "ListenPort = {port}");
    }
    text.push_str("\n[Peer]\n");
    let public = match side {
        Side::Ours => wireguard.peer_public_key.clone(),
        Side::Vendors => theirs.our_public_key.clone(),
    };
    match public {
        Some(key) => {
            let _ = writeln!(text, "PublicKey = {key}");
        }
        None => text.push_str(
            "# PublicKey: there are no credentials yet; `portcullis tunnel credentials NAME` issues them.\n",
        ),
    }
    let shared = wireguard.preshared_key.as_ref().filter(|_| secrets);
    match shared {
        Some(key) => {
            let _ = writeln!(text, "PresharedKey = {}", key.expose());
        }
        None => {
            text.push_str("# PresharedKey: `portcullis tunnel render NAME --with-secrets` writes it, once.\n")
        }
    }
    let _ = writeln!(text, "AllowedIPs = {}", networks(allowed));
    match (side, wireguard.endpoint, wireguard.listen_port) {
        (Side::Ours, Some(endpoint), _) => {
            let _ = writeln!(text, "Endpoint = {endpoint}");
        }
        (Side::Vendors, _, Some(port)) => {
            let _ = writeln!(text, "Endpoint = OUR_ADDRESS:{port}");
        }
        _ => {}
    }
    if let (Side::Vendors, Some(seconds)) = (side, wireguard.keepalive_seconds) {
        let _ = writeln!(text, "PersistentKeepalive = {seconds}");
    }
    let path = match side {
        Side::Ours => format!("{}.conf", wireguard.interface),
        Side::Vendors => format!("{}.conf", tunnel.name.replace('/', "-")),
    };
    File { path, text, secret: shared.is_some() || key.is_some() }
}

#[cfg(test)]
mod tests {
    use portcullis_ids::ids::{IntegrationId, TunnelId, VendorId};
    use uuid::Uuid;

    use super::*;
    use crate::plan::{Owner, Standing};
    use crate::secret::Secret;

    fn tunnel(name: &str, link: Link) -> Tunnel {
        Tunnel {
            id: TunnelId(Uuid::from_u128(1)),
            name: name.to_owned(),
            owner: Owner {
                vendor: VendorId(Uuid::from_u128(2)),
                vendor_name: "acme".to_owned(),
                integration: IntegrationId(Uuid::from_u128(3)),
                integration_name: "orders".to_owned(),
            },
            link,
            local_networks: vec!["10.0.0.5/32".parse().unwrap()],
            remote_networks: vec!["10.9.0.0/28".parse().unwrap(), "fd00:9::/64".parse().unwrap()],
            standing: Standing::Open,
        }
    }

    fn preshared() -> Tunnel {
        tunnel(
            "acme-main",
            Link::Ipsec(Box::new(Ipsec {
                connection: swanctl::connection_name("acme-main", "0123456789abcdef"),
                local_address: Some("203.0.113.4".parse().unwrap()),
                peer_address: Some("198.51.100.7".parse().unwrap()),
                local_identity: "gate.example.com".to_owned(),
                peer_identity: "vpn.acme.example".to_owned(),
                ike_proposals: vec!["aes256gcm16-prfsha384-ecp384".to_owned()],
                esp_proposals: vec!["aes256gcm16-ecp384".to_owned()],
                encapsulate: true,
                authentication: Some(Authentication::PresharedKey {
                    key: Secret::new("hunter 2\"".to_owned()),
                }),
                virtual_address: None,
            })),
        )
    }

    const VENDORS: &str = r#"# The vendor's side of tunnel `acme-main`: vendor `acme`, integration `orders`.
# Put the folders into /etc/swanctl, then: swanctl --load-all
# Networks behind it on your side and on ours are agreed; others are refused.

connections {
  acme-main {
    version = 2
    proposals = aes256gcm16-prfsha384-ecp384
    encap = yes
    dpd_delay = 30s
    rekey_time = 4h
    send_cert = always
    send_certreq = no
    local_addrs = 198.51.100.7
    remote_addrs = 203.0.113.4
    local {
      auth = psk
      id = vpn.acme.example
    }
    remote {
      auth = psk
      id = gate.example.com
    }
    children {
      net {
        local_ts = 10.9.0.0/28, fd00:9::/64
        remote_ts = 10.0.0.5/32
        esp_proposals = aes256gcm16-ecp384
        rekey_time = 1h
        dpd_action = restart
        start_action = start
        close_action = none
      }
    }
  }
}

secrets {
  ike-acme-main {
    id-1 = gate.example.com
    id-2 = vpn.acme.example
    secret = "hunter 2\""
  }
}
"#;

    #[test]
    fn the_vendors_side_is_written_whole_and_its_secret_on_request_only() {
        let tunnel = preshared();
        let written = files(&tunnel, Side::Vendors, &Theirs::default(), true);
        let [file] = written.as_slice() else { panic!("{written:?}") };
        assert_eq!((file.path.as_str(), file.secret), ("conf.d/acme-main.conf", true));
        assert_eq!(file.text, VENDORS);
        for side in [Side::Ours, Side::Vendors] {
            let shown = files(&tunnel, side, &Theirs::default(), false);
            assert!(shown.iter().all(|file| !file.secret && !file.text.contains("hunter")), "{shown:?}");
        }
        let mut anywhere = tunnel;
        if let Link::Ipsec(ipsec) = &mut anywhere.link {
            ipsec.local_address = None;
        }
        let text = files(&anywhere, Side::Vendors, &Theirs::default(), false).remove(0).text;
        assert!(text.contains("remote_addrs = gate.example.com\n"), "{text}");
        // A person is given one address, of whichever family.
        for (address, asked) in [("10.9.0.7", "vips = 0.0.0.0\n"), ("fd00:9::7", "vips = ::\n")] {
            if let Link::Ipsec(ipsec) = &mut anywhere.link {
                ipsec.virtual_address = Some(address.parse().unwrap());
            }
            let text = files(&anywhere, Side::Vendors, &Theirs::default(), false).remove(0).text;
            assert!(text.contains(asked), "{text}");
        }
    }

    #[test]
    fn one_certificate_is_pinned_and_keys_are_files_of_their_own() {
        let mut tunnel = preshared();
        let pem = |what: &str| format!("-----BEGIN CERTIFICATE-----\n{what}\n-----END CERTIFICATE-----\n");
        if let Link::Ipsec(ipsec) = &mut tunnel.link {
            ipsec.authentication = Some(Authentication::Certificate {
                certificate: pem("ours"),
                private_key: Secret::new("OUR KEY".to_owned()),
                peer_certificate: pem("theirs"),
                authority: pem("authority"),
            });
        }
        let theirs = Theirs {
            chain: Some(pem("theirs") + &pem("authority")),
            private_key: Some("THEIR KEY".to_owned()),
            our_public_key: None,
        };
        let paths = |side, secrets| -> Vec<String> {
            files(&tunnel, side, &theirs, secrets).into_iter().map(|file| file.path).collect()
        };
        let open = [
            "conf.d/acme-main.conf",
            "x509/acme-main.crt",
            "x509/acme-main-peer.crt",
            "x509ca/acme-main-ca.crt",
        ];
        assert_eq!(paths(Side::Vendors, false), open);
        assert_eq!(paths(Side::Vendors, true).last().unwrap(), "private/acme-main.key");
        let written = files(&tunnel, Side::Vendors, &theirs, true);
        assert!(
            written[0].text.contains("certs = acme-main-peer.crt\n      cacerts = acme-main-ca.crt"),
            "{}",
            written[0].text
        );
        assert_eq!(written[1].text, pem("theirs"), "of the chain the certificate alone");
        assert!(written.iter().all(|file| !file.text.contains("OUR KEY")));
    }

    #[test]
    fn both_sides_of_wireguard_name_each_other() {
        let link = Wireguard {
            interface: "pc-acme".to_owned(),
            peer_public_key: Some("PEER=".to_owned()),
            preshared_key: Some(Secret::new("SHARED=".to_owned())),
            endpoint: Some("198.51.100.7:51820".parse().unwrap()),
            keepalive_seconds: Some(25),
            private_key: Some(Secret::new("OURS=".to_owned())),
            listen_port: Some(51_821),
        };
        let tunnel = tunnel("acme-wg", Link::Wireguard(Box::new(link)));
        let theirs = Theirs { our_public_key: Some("PUBLIC=".to_owned()), ..Theirs::default() };
        let text = |side, secrets| files(&tunnel, side, &theirs, secrets).remove(0).text;
        let ours = text(Side::Ours, true);
        for line in [
            "PrivateKey = OURS=",
            "ListenPort = 51821",
            "PublicKey = PEER=",
            "PresharedKey = SHARED=",
            "AllowedIPs = 10.9.0.0/28, fd00:9::/64",
            "Endpoint = 198.51.100.7:51820",
            "Address = 10.0.0.5/32",
        ] {
            assert!(ours.lines().any(|found| found == line), "{line}: {ours}");
        }
        let vendors = text(Side::Vendors, true);
        for line in [
            "PrivateKey = YOUR_PRIVATE_KEY",
            "PublicKey = PUBLIC=",
            "AllowedIPs = 10.0.0.5/32",
            "Endpoint = OUR_ADDRESS:51821",
            "PersistentKeepalive = 25",
            "Address = 10.9.0.1/32",
        ] {
            assert!(vendors.lines().any(|found| found == line), "{line}: {vendors}");
        }
        assert!(!vendors.contains("OURS=") && !text(Side::Ours, false).contains("SHARED="));
    }

    #[test]
    fn a_connection_is_its_tunnels_whatever_its_digest_is() {
        let name = swanctl::connection_name("people/p-1", "0123456789abcdef0123");
        assert_eq!(name, "portcullis--people_p-1--0123456789ab");
        assert!(swanctl::same_tunnel(&name, "portcullis--people_p-1--ffff"));
        assert!(!swanctl::same_tunnel(&name, "portcullis--people-p-1--0123456789ab"));
        assert!(!swanctl::same_tunnel("other--aa", "other--bb"), "what isn't ours is only itself");
    }
}
