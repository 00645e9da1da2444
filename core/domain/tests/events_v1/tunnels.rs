//! What happens to tunnels.

use jiff::Timestamp;
use portcullis_domain::event::Event;
use portcullis_domain::ids::{IntegrationId, OperatorId, SubjectId, TunnelId, VendorId};
use portcullis_domain::personal::Personal;
use portcullis_domain::tunnel::{
    CredentialPart, Fingerprint, TunnelCarried, TunnelCredentials, TunnelObservation, TunnelPerson,
    TunnelPersonRevocation,
};
use serde_json::json;

use super::id;

pub fn tunnels(time: Timestamp, by: OperatorId, subject: SubjectId) -> Vec<Event> {
    let issued = |person, not_after| {
        let print = |of| Fingerprint { of, sha256: "ab".repeat(32) };
        Event::TunnelCredentialsIssued(TunnelCredentials {
            id: id(31),
            tunnel: TunnelId(id(30)),
            person,
            vendor: VendorId(id(4)),
            integration: IntegrationId(id(5)),
            vendor_epoch: 1,
            integration_epoch: 3,
            fingerprints: vec![
                print(CredentialPart::PresharedKey),
                print(CredentialPart::OurKey),
                print(CredentialPart::TheirKey),
                print(CredentialPart::InterfaceKey),
            ],
            not_after,
            by: Some(by),
            run: None,
            time,
        })
    };
    let spec = json!({ "integration": "feed", "local_networks": ["10.20.0.5/32"], "remote_networks": ["10.30.0.0/24"],
        "ipsec": { "peer_address": "198.51.100.7", "local_identity": "gate.example.com", "peer_identity": "vpn.acme.example",
            "authentication": "psk", "ike_proposals": ["aes256gcm16-prfsha384-ecp384"], "esp_proposals": ["aes256gcm16-ecp384"],
            "encapsulate": true } });
    let wireguard = json!({ "integration": "feed", "local_networks": ["10.20.0.5/32"], "remote_networks": ["10.31.0.0/24"],
        "wireguard": { "interface": "pc-acme", "listen_port": 51_820, "peer_public_key": "AAAA", "endpoint": "198.51.100.7:51820",
            "keepalive_seconds": 25 } });
    let defined = |name: &str, spec: serde_json::Value| Event::ResourceDefined {
        id: id(30),
        declaration: serde_json::from_value(json!({ "name": name, "kind": "Tunnel", "spec": spec })).unwrap(),
        keys: vec![],
        time: None,
    };
    let person = TunnelId(id(32));
    vec![
        defined("acme-main", spec),
        defined("acme-wg", wireguard),
        issued(None, None),
        issued(Some(person), Some(time)),
        Event::TunnelPersonAdded(TunnelPerson {
            id: person,
            tunnel: TunnelId(id(30)),
            name: Personal::Held { subject, text: "Jane Doe".into() },
            address: "10.33.0.1".parse().unwrap(),
            by,
            time,
        }),
        Event::TunnelPersonRevoked(TunnelPersonRevocation {
            tunnel: TunnelId(id(30)),
            person,
            by,
            reason: "left".into(),
            time,
        }),
    ]
}

/// Of the canary, at the drill's time and by somebody's exercise.
pub fn canarys(time: Timestamp, by: OperatorId) -> [Event; 2] {
    let issued = |by| {
        Event::TunnelCredentialsIssued(TunnelCredentials {
            id: id(33),
            tunnel: TunnelId(id(30)),
            person: None,
            vendor: VendorId(id(4)),
            integration: IntegrationId(id(5)),
            vendor_epoch: 2,
            integration_epoch: 1,
            fingerprints: vec![Fingerprint { of: CredentialPart::InterfaceKey, sha256: "cd".repeat(32) }],
            not_after: None,
            by,
            run: Some(id(34)),
            time,
        })
    };
    [issued(None), issued(Some(by))]
}

pub fn observed(time: Timestamp) -> [Event; 2] {
    let observed = |person, up, changes, carried| {
        Event::TunnelObserved(TunnelObservation {
            tunnel: TunnelId(id(30)),
            person,
            vendor: VendorId(id(4)),
            integration: IntegrationId(id(5)),
            up,
            since: time,
            changes,
            carried,
            time,
        })
    };
    let carried = TunnelCarried { bytes_in: 1_000, bytes_out: 70_000, last_handshake: Some(time) };
    [observed(None, true, 0, None), observed(Some(TunnelId(id(32))), false, 3, Some(carried))]
}
