//! Kind `Tunnel`.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What may encrypt and authenticate a tunnel, first to last wish: of RFC 8247 and RFC 8221 what is an AEAD cipher with a
/// PRF of SHA-2, and a key exchange of 128 bits or more.
pub const CIPHERS: [&str; 3] = ["aes256gcm16", "chacha20poly1305", "aes128gcm16"];
pub const PSEUDO_RANDOM: [&str; 3] = ["prfsha384", "prfsha512", "prfsha256"];
pub const KEY_EXCHANGES: [&str; 6] = ["curve25519", "ecp384", "ecp256", "ecp521", "modp3072", "modp4096"];

/// An encrypted link to one vendor's network, or to the machines of its people, for one integration: by IPsec or by
/// WireGuard. It opens with credentials of its own, which `portcullis tunnel credentials` issues.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TunnelSpec {
    /// Name of the integration; it stays what it is.
    pub integration: String,
    /// At our side: what the vendor may reach through it, such as `10.20.0.5/32`, the gate's address inside. Not wider than
    /// `/24`, or `/64` of IPv6.
    pub local_networks: Vec<String>,
    /// At the vendor's side: what may come through it. Not wider than `/16`, or `/48` of IPv6; no part of it is another
    /// tunnel's.
    pub remote_networks: Vec<String>,
    /// By IPsec, with IKEv2. Either this or `wireguard`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipsec: Option<IpsecSpec>,
    /// By WireGuard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wireguard: Option<WireguardSpec>,
}

/// IPsec with IKEv2 (RFC 7296).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IpsecSpec {
    /// Our address towards the vendor; any of this machine's without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_address: Option<String>,
    /// The vendor's; no other vendor's tunnel has or had it. Needed unless it is for `people`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_address: Option<String>,
    /// What we call ourselves: a host name, or a name with `@`.
    pub local_identity: String,
    /// What the vendor calls itself; no other tunnel has it, and no other vendor's had it. Needed unless it is for `people`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_identity: Option<String>,
    /// How both sides prove themselves.
    #[serde(default)]
    pub authentication: TunnelAuthentication,
    /// Cipher, pseudo-random function and key exchange, such as `aes256gcm16-prfsha384-ecp384`.
    #[serde(default = "ike_proposals")]
    pub ike_proposals: Vec<String>,
    /// Cipher and key exchange of what carries packets, such as `aes256gcm16-ecp384`.
    #[serde(default = "esp_proposals")]
    pub esp_proposals: Vec<String>,
    /// Packets go in UDP at all times (RFC 3948), whether or not there is an address translation between.
    #[serde(default = "yes")]
    pub encapsulate: bool,
    /// For the vendor's people, who come from anywhere: each has a certificate and an address of `remote_networks` alone,
    /// by `portcullis tunnel person add`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub people: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TunnelAuthentication {
    /// Of our own authority, one for each side.
    #[default]
    Certificate,
    /// A pre-shared key of 256 random bits.
    Psk,
}

/// WireGuard, whose machines know each other by their public keys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WireguardSpec {
    /// Our interface, this tunnel's alone: `pc-` and at most 12 letters, digits and hyphens. Whoever runs this machine makes
    /// it; its key and its peer are set here.
    #[schemars(regex(pattern = "^pc-[a-z0-9-]{1,12}$"))]
    pub interface: String,
    /// UDP port of our interface.
    #[schemars(range(min = 1))]
    pub listen_port: u16,
    /// The vendor's key, as `wg pubkey` prints it; no other tunnel has it, and no other vendor's had it.
    pub peer_public_key: String,
    /// The vendor's address and port, where we begin the connection; it begins it otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// How often an idle peer sends something, so that address translations remember it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 5, max = 3_600))]
    pub keepalive_seconds: Option<u16>,
}

impl TunnelSpec {
    /// Those of ours that can be read, which are all once it is declared.
    #[must_use]
    pub fn local(&self) -> Vec<IpNet> {
        networks(&self.local_networks)
    }

    #[must_use]
    pub fn remote(&self) -> Vec<IpNet> {
        networks(&self.remote_networks)
    }

    #[must_use]
    pub fn is_for_people(&self) -> bool {
        self.ipsec.as_ref().is_some_and(|ipsec| ipsec.people)
    }

    /// The vendor's address outside of the tunnel, where it is known.
    #[must_use]
    pub fn peer(&self) -> Option<IpAddr> {
        let ipsec = self.ipsec.as_ref().and_then(|ipsec| ipsec.peer_address.as_ref()?.parse().ok());
        ipsec.or_else(|| Some(self.wireguard.as_ref()?.endpoint()?.ip()))
    }
}

impl IpsecSpec {
    #[must_use]
    pub fn local(&self) -> Option<IpAddr> {
        self.local_address.as_ref()?.parse().ok()
    }
}

impl WireguardSpec {
    #[must_use]
    pub fn endpoint(&self) -> Option<SocketAddr> {
        self.endpoint.as_ref()?.parse().ok()
    }
}

/// Whether all that a proposal names is taken here; `PRF` is for IKE alone.
#[must_use]
pub fn is_proposal(text: &str, with_prf: bool) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let (cipher, prf, exchange) = match (parts.as_slice(), with_prf) {
        ([cipher, prf, exchange], true) => (cipher, Some(prf), exchange),
        ([cipher, exchange], false) => (cipher, None, exchange),
        _ => return false,
    };
    CIPHERS.contains(cipher)
        && prf.is_none_or(|prf| PSEUDO_RANDOM.contains(prf))
        && (KEY_EXCHANGES.contains(exchange) || *exchange == "x25519")
}

fn networks(texts: &[String]) -> Vec<IpNet> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

fn ike_proposals() -> Vec<String> {
    vec!["aes256gcm16-prfsha384-ecp384".to_owned(), "chacha20poly1305-prfsha256-curve25519".to_owned()]
}

fn esp_proposals() -> Vec<String> {
    vec!["aes256gcm16-ecp384".to_owned(), "chacha20poly1305-curve25519".to_owned()]
}

fn yes() -> bool {
    true
}
