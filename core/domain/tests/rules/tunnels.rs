use jiff::{SignedDuration, Timestamp};
use portcullis_domain::access::Access;
use portcullis_domain::command::{Command, Prepared, Refusal};
use portcullis_domain::event::Event;
use portcullis_domain::ids::{TunnelId, VendorId};
use portcullis_domain::personal::Personal;
use portcullis_domain::spec::Kind;
use portcullis_domain::state::tunnels::{NewCredentials, NewPerson};
use portcullis_domain::tunnel::{CredentialPart, Fingerprint, SeenTunnel, TunnelCarried};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::case::{Case, apply, contract, given, integration, prepared, vendor};

const KEY: &str = "mtJUpr5qB1rO5g6LxFZnTOyDjbIhq6kjGdq6IHtAyDc=";
const OTHER_KEY: &str = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

fn ipsec(name: &str, with: Value) -> Prepared {
    let ipsec = json!({
        "peer_address": "198.51.100.7", "local_identity": "gate.example.com", "peer_identity": "vpn.acme.example",
    });
    let spec = json!({
        "integration": "feed", "local_networks": ["10.20.0.5/32"], "remote_networks": ["10.30.0.0/24"], "ipsec": ipsec,
    });
    prepared("Tunnel", name, spec, with, &[])
}

fn with_ipsec(name: &str, ipsec: Value, with: Value) -> Prepared {
    let mut whole = json!({
        "peer_address": "198.51.100.7", "local_identity": "gate.example.com", "peer_identity": "vpn.acme.example",
    });
    for (member, value) in ipsec.as_object().unwrap() {
        match value {
            Value::Null => whole.as_object_mut().unwrap().remove(member),
            value => whole.as_object_mut().unwrap().insert(member.clone(), value.clone()),
        };
    }
    let mut all = json!({ "ipsec": whole });
    all.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    self::ipsec(name, all)
}

fn wireguard(name: &str, wireguard: Value, with: Value) -> Prepared {
    let mut whole = json!({ "interface": "pc-acme", "listen_port": 51_820, "peer_public_key": KEY });
    whole.as_object_mut().unwrap().extend(wireguard.as_object().unwrap().clone());
    let spec = json!({
        "integration": "feed", "local_networks": ["10.20.0.5/32"], "remote_networks": ["10.31.0.0/24"], "wireguard": whole,
    });
    prepared("Tunnel", name, spec, with, &[])
}

/// Contract and integration of another vendor.
fn others() -> Vec<Prepared> {
    let renamed = |mut prepared: Prepared, name: &str| {
        prepared.declaration.name = name.to_owned();
        prepared
    };
    vec![
        renamed(vendor(json!({ "legal_name": "Other Ltd" })), "other"),
        renamed(contract(json!({ "vendor": "other" })), "other-2026"),
        renamed(integration(json!({ "contract": "other-2026" })), "others-feed"),
    ]
}

/// The first fault's pointer and a part of its words.
fn check(case: &Case, prepared: Prepared, pointer: &str, words: &str) {
    match case.when(apply(&[prepared])) {
        Err(Refusal::Invalid(faults)) => {
            let found = faults.iter().any(|fault| fault.pointer == pointer && fault.message.contains(words));
            assert!(found, "{pointer}, {words}: {faults:?}");
        }
        other => panic!("{pointer}, {words}: {other:?}"),
    }
}

fn credentials(number: u128, print: &str) -> NewCredentials {
    NewCredentials {
        id: Uuid::from_u128(number),
        fingerprints: vec![Fingerprint { of: CredentialPart::PresharedKey, sha256: print.to_owned() }],
        not_after: None,
    }
}

fn issue(case: &Case, tunnel: &str, credentials: NewCredentials) -> Command {
    Command::IssueTunnelCredentials { tunnel: tunnel.to_owned(), credentials, by: case.operator("ann") }
}

fn holds(case: &Case, tunnel: &str) -> bool {
    let id = case.state.tunnel(tunnel).unwrap().id();
    let issued = case.state.tunnels.credentials.get(&id);
    issued.is_some_and(|issued| case.state.credentials_hold(issued, case.now))
}

#[test]
fn a_tunnel_is_narrow_modern_and_says_who_its_peer_is() {
    let case = given();
    assert!(case.when(apply(&[ipsec("main", json!({}))])).is_ok());
    assert!(
        case.when(apply(&[wireguard("wg", json!({ "endpoint": "[2001:db8::1]:51820" }), json!({}))])).is_ok()
    );
    let networks = |local: &str, remote: &str| {
        ipsec("main", json!({ "local_networks": [local], "remote_networks": [remote] }))
    };
    let (local, remote) = ("/spec/local_networks/0", "/spec/remote_networks/0");
    check(&case, networks("0.0.0.0/0", "10.30.0.0/24"), local, "too wide");
    check(&case, networks("10.0.0.0/23", "10.30.0.0/24"), local, "too wide");
    check(&case, networks("::/0", "10.30.0.0/24"), local, "too wide");
    check(&case, networks("10.0.0.5/32", "10.0.0.0/15"), remote, "too wide");
    check(&case, networks("10.0.0.5/32", "2001:db8::/47"), remote, "too wide");
    check(&case, networks("10.0.0.5/24", "10.30.0.0/24"), local, "bits behind its prefix");
    check(&case, networks("10.0.0.5", "10.30.0.0/24"), local, "not a network");
    check(&case, networks("127.0.0.1/32", "10.30.0.0/24"), local, "no network of machines");
    check(&case, networks("fe80::/64", "10.30.0.0/24"), local, "no network of machines");
    check(&case, networks("10.30.0.5/32", "10.30.0.0/24"), remote, "on both sides");
    let none = ipsec("main", json!({ "local_networks": [] }));
    check(&case, none, "/spec/local_networks", "1 to 16");
    let twice = ipsec("main", json!({ "remote_networks": ["10.30.0.0/24", "10.30.0.8/30"] }));
    check(&case, twice, "/spec/remote_networks/1", "there twice");
    let made = |ipsec: Value| with_ipsec("main", ipsec, json!({}));
    for weak in [
        "aes256-sha256-modp2048",
        "aes256gcm16-prfsha1-ecp384",
        "aes256gcm16-prfsha256-modp1024",
        "aes256gcm8-prfsha256-ecp256",
        "3des-md5-modp1024",
        "aes256gcm16-ecp384",
        "aes256gcm16-prfsha256-ecp256-noesn",
        "",
        "default",
        "aes256gcm16-prfsha384-ecp384!",
    ] {
        check(
            &case,
            made(json!({ "ike_proposals": [weak] })),
            "/spec/ipsec/ike_proposals/0",
            "not a proposal",
        );
    }
    for weak in ["aes256gcm16", "aes128-sha1", "null-sha256-ecp256", "aes256gcm16-prfsha384-ecp384"] {
        check(
            &case,
            made(json!({ "esp_proposals": [weak] })),
            "/spec/ipsec/esp_proposals/0",
            "not a proposal",
        );
    }
    assert!(case.when(apply(&[made(json!({ "ike_proposals": ["aes128gcm16-prfsha256-x25519"] }))])).is_ok());
    for odd in ["", "%any", "*", "@", "a b", "CN=x, O=y", "10.0.0.1", "a@b@c", "\"", &"x".repeat(129)] {
        check(&case, made(json!({ "peer_identity": odd })), "/spec/ipsec/peer_identity", "not an identity");
    }
    check(
        &case,
        made(json!({ "peer_identity": "gate.example.com" })),
        "/spec/ipsec/peer_identity",
        "our own",
    );
    for odd in ["0.0.0.0", "%any", "vpn.acme.example", "255.255.255.255", "::1"] {
        check(&case, made(json!({ "peer_address": odd })), "/spec/ipsec/peer_address", "not an address");
    }
    check(&case, made(json!({ "peer_address": null })), "/spec/ipsec", "where the peer is");
    check(&case, made(json!({ "peer_identity": null })), "/spec/ipsec", "who the peer is");
    let people = |with: Value| {
        let mut ipsec = json!({ "people": true, "peer_address": null, "peer_identity": null });
        ipsec.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        made(ipsec)
    };
    assert!(case.when(apply(&[people(json!({}))])).is_ok());
    check(
        &case,
        people(json!({ "peer_identity": "team@acme.example" })),
        "/spec/ipsec/peer_identity",
        "share no identity",
    );
    check(&case, people(json!({ "authentication": "psk" })), "/spec/ipsec/authentication", "nobody's");
    let wired = |with: Value| wireguard("wg", with, json!({}));
    for odd in ["", "abc", &KEY[..43], &format!("{KEY}="), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="] {
        check(
            &case,
            wired(json!({ "peer_public_key": odd })),
            "/spec/wireguard/peer_public_key",
            "not a public key",
        );
    }
    for odd in ["wg0", "pc-", "pc-UPPER", "pc-0123456789abc", "eth0", "pc-a/b"] {
        check(
            &case,
            wired(json!({ "interface": odd })),
            "/spec/wireguard/interface",
            "not an interface of ours",
        );
    }
    check(
        &case,
        wired(json!({ "endpoint": "vpn.acme.example:51820" })),
        "/spec/wireguard/endpoint",
        "with a port",
    );
    let both = wireguard("wg", json!({}), json!({ "ipsec": { "local_identity": "x.example" } }));
    check(&case, both, "/spec/wireguard", "two ways");
}

#[test]
fn what_a_peer_is_known_by_is_one_vendors_for_good() {
    let case = given()
        .after(apply(&others()))
        .after(apply(&[ipsec("main", json!({})), wireguard("wg", json!({}), json!({}))]));
    let other = |name: &str, ipsec: Value, remote: &str| {
        with_ipsec(name, ipsec, json!({ "integration": "others-feed", "remote_networks": [remote] }))
    };
    let shared = json!({ "peer_identity": "VPN.acme.example", "peer_address": "198.51.100.8" });
    check(
        &case,
        other("theirs", shared.clone(), "10.40.0.0/24"),
        "/spec/ipsec/peer_identity",
        "tunnel `main`'s",
    );
    let same_address = json!({ "peer_identity": "vpn.other.example" });
    check(
        &case,
        other("theirs", same_address.clone(), "10.40.0.0/24"),
        "/spec/ipsec/peer_address",
        "tunnel `main`'s",
    );
    let own = json!({ "peer_identity": "vpn.other.example", "peer_address": "198.51.100.8" });
    check(
        &case,
        other("theirs", own.clone(), "10.30.0.128/25"),
        "/spec/remote_networks/0",
        "overlaps what is behind tunnel `main`",
    );
    assert!(case.when(apply(&[other("theirs", own.clone(), "10.40.0.0/24")])).is_ok());
    let key = wireguard(
        "wg-2",
        json!({ "interface": "pc-2", "listen_port": 51_821 }),
        json!({ "integration": "others-feed", "remote_networks": ["10.41.0.0/24"] }),
    );
    check(&case, key.clone(), "/spec/wireguard/peer_public_key", "tunnel `wg`'s");
    let device = wireguard(
        "wg-2",
        json!({ "peer_public_key": OTHER_KEY }),
        json!({ "remote_networks": ["10.41.0.0/24"] }),
    );
    check(&case, device.clone(), "/spec/wireguard/interface", "tunnel `wg`'s");
    check(&case, device, "/spec/wireguard/listen_port", "tunnel `wg`'s");
    // One gateway, two tunnels of the same vendor, each with an identity of its own.
    let second = with_ipsec(
        "second",
        json!({ "peer_identity": "second.acme.example" }),
        json!({ "remote_networks": ["10.32.0.0/24"] }),
    );
    assert!(case.when(apply(&[second])).is_ok());
    // Deleted, they are still known.
    let gone = |case: Case, name: &str| case.after(Command::Delete { kind: Kind::Tunnel, name: name.into() });
    let case = gone(gone(case, "main"), "wg");
    check(
        &case,
        other("theirs", shared, "10.40.0.0/24"),
        "/spec/ipsec/peer_identity",
        "is or was of a tunnel of vendor `acme`",
    );
    check(&case, other("main", same_address, "10.40.0.0/24"), "/spec/ipsec/peer_address", "is or was");
    check(&case, key, "/spec/wireguard/peer_public_key", "is or was");
    assert!(case.when(apply(&[ipsec("again", json!({}))])).is_ok(), "the same vendor takes its own");
    // A vendor that is deleted and declared anew under its name is another one.
    let case = case.after(apply(&[other("theirs", own.clone(), "10.40.0.0/24")]));
    let mut case = gone(case, "theirs");
    for (kind, name) in
        [(Kind::Integration, "others-feed"), (Kind::Contract, "other-2026"), (Kind::Vendor, "other")]
    {
        case = case.after(Command::Delete { kind, name: name.into() });
    }
    let mut all = others();
    all.push(other("theirs", own, "10.40.0.0/24"));
    assert!(matches!(case.when(apply(&all)), Err(Refusal::Invalid(_))));
    let mut moved = ipsec("main", json!({ "integration": "feed" }));
    let case = given().after(apply(&others())).after(apply(std::slice::from_ref(&moved)));
    moved.declaration = serde_json::from_value(json!({ "kind": "Tunnel", "name": "main", "spec": {
        "integration": "others-feed", "local_networks": ["10.20.0.5/32"], "remote_networks": ["10.30.0.0/24"],
        "ipsec": { "peer_address": "198.51.100.9", "local_identity": "gate.example.com", "peer_identity": "x.example" } } })).unwrap();
    check(&case, moved, "/spec/integration", "can't go over");
}

#[test]
fn credentials_are_void_after_a_severance_and_its_restoration() {
    for target in ["vendor/acme", "integration/feed"] {
        let case = given().after(apply(&[ipsec("main", json!({}))]));
        assert!(!holds(&case, "main"), "nothing was issued");
        let case = case.clone().after(issue(&case, "main", credentials(1, "aa")));
        assert!(holds(&case, "main"));
        let case = case.severed(target);
        assert!(!holds(&case, "main"));
        let during = issue(&case, "main", credentials(2, "bb"));
        assert!(matches!(case.when(during), Err(Refusal::TunnelSevered { .. })), "none while it is closed");
        let case = case.proposed(target, "ann").confirmed(target, "bob");
        assert!(
            !holds(&case, "main"),
            "two people have restored it, and it stays closed until it has others"
        );
        let again = issue(&case, "main", credentials(3, "aa"));
        assert!(matches!(case.when(again), Err(Refusal::CredentialTaken { what: "preshared_key" })));
        let case = case.clone().after(issue(&case, "main", credentials(4, "cc")));
        assert!(holds(&case, "main"));
        // Signing tokens out is not about tunnels; nor is a client's severance.
        let out = Command::SignOut {
            target: target.parse().unwrap(),
            by: case.operator("ann"),
            reason: "all".into(),
        };
        let case = case.after(out).severed("client/robot");
        assert!(holds(&case, "main"));
        // Deleted and declared anew, it is another one.
        let case = case.after(Command::Delete { kind: Kind::Tunnel, name: "main".into() });
        assert!(!holds(&case.after(apply(&[ipsec("main", json!({}))])), "main"));
    }
}

#[test]
fn credentials_end_and_a_blocked_vendor_gets_none() {
    let case = given().after(apply(&[ipsec("main", json!({}))]));
    let ends: Timestamp = case.now + SignedDuration::from_hours(1);
    let new = NewCredentials { not_after: Some(ends), ..credentials(1, "aa") };
    let case = case.clone().after(issue(&case, "main", new));
    assert!(holds(&case, "main"));
    assert!(!holds(&case.clone().later(SignedDuration::from_hours(1)), "main"));
    let by = case.operator("ann");
    let hold =
        Command::HoldVendor { vendor: "acme".into(), level: Access::Blocked, by, reason: "breach".into() };
    let case = case.after(hold);
    let refused = issue(&case, "main", credentials(2, "bb"));
    assert!(matches!(case.when(refused), Err(Refusal::TunnelHeld { .. })));
    let unknown = issue(&case, "nobody", credentials(2, "bb"));
    assert!(matches!(case.when(unknown), Err(Refusal::Unknown { kind: "Tunnel", .. })));
}

fn person(case: &Case, number: u128, name: &str) -> Command {
    let credentials = NewCredentials {
        id: Uuid::from_u128(number),
        fingerprints: vec![Fingerprint { of: CredentialPart::TheirKey, sha256: format!("{number}") }],
        not_after: Some(case.now + SignedDuration::from_hours(24)),
    };
    let id = TunnelId(Uuid::from_u128(number));
    let person = Box::new(NewPerson { id, name: Personal::Plain(name.to_owned()), credentials });
    Command::AddTunnelPerson { tunnel: "people".to_owned(), person, by: case.operator("ann") }
}

fn out(case: &Case, person: &str) -> Command {
    let (by, reason) = (case.operator("ann"), "left".to_owned());
    Command::RevokeTunnelPerson { tunnel: "people".to_owned(), person: person.to_owned(), by, reason }
}

#[test]
fn each_person_has_a_certificate_and_an_address_that_nobody_else_gets() {
    let ipsec = json!({ "people": true, "peer_address": null, "peer_identity": null });
    let people = with_ipsec("people", ipsec, json!({ "remote_networks": ["10.33.0.0/30"] }));
    let case = given().after(apply(&[people, self::ipsec("main", json!({}))]));
    let shown = |case: &Case| -> Vec<String> {
        let id = case.state.tunnel("people").unwrap().id();
        case.state
            .people_of(id)
            .map(|person| format!("{} {}", person.added.name.text(), person.added.address))
            .collect()
    };
    let case = case.clone().after(person(&case, 1, "Jo Doe"));
    assert_eq!(shown(&case), ["Jo Doe 10.33.0.1"]);
    assert!(matches!(case.when(person(&case, 2, "Jo Doe")), Err(Refusal::PersonKnown { .. })));
    assert!(matches!(case.when(person(&case, 2, "  ")), Err(Refusal::PersonUnnamed { .. })));
    assert!(matches!(case.when(person(&case, 1, "Al Roe")), Err(Refusal::CredentialTaken { .. })));
    assert!(matches!(
        case.when(issue(&case, "people", credentials(9, "zz"))),
        Err(Refusal::TunnelForPeople(_))
    ));
    let case = case.clone().after(out(&case, "Jo Doe"));
    assert!(shown(&case).is_empty() && case.when(out(&case, "Jo Doe")).unwrap().is_empty());
    assert!(matches!(case.when(out(&case, "nobody")), Err(Refusal::Unknown { kind: "person", .. })));
    let case = case.clone().after(person(&case, 2, "Jo Doe"));
    assert_eq!(shown(&case), ["Jo Doe 10.33.0.2"], "an address means one certificate");
    assert!(matches!(case.when(person(&case, 3, "Al Roe")), Err(Refusal::AddressesTaken(_))));
    // What is erased of a person leaves the way in as it is.
    let subject = case.events.iter().rev().find_map(|event| match event {
        Event::TunnelPersonAdded(added) => added.name.subject(),
        _ => None,
    });
    let case = case.after(Command::EraseSubject { subject: subject.unwrap() });
    assert_eq!(shown(&case), ["(erased) 10.33.0.2"]);
    let by_id = out(&case, &Uuid::from_u128(2).to_string());
    assert!(shown(&case.after(by_id)).is_empty());
}

#[test]
fn the_vendor_of_a_mark_is_known_by_its_id() {
    let case = given().after(apply(&[ipsec("main", json!({}))]));
    let acme = VendorId(case.state.resource(Kind::Vendor, "acme").unwrap().id);
    assert!(case.state.tunnels.marks.values().all(|vendor| *vendor == acme));
    assert_eq!(case.state.tunnels.marks.len(), 2);
}

fn seen(case: &Case, tunnel: TunnelId, up: bool, changes: u32) -> SeenTunnel {
    let carried = Some(TunnelCarried { bytes_in: 7, bytes_out: 8, last_handshake: Some(case.now) });
    SeenTunnel { tunnel, up, since: case.now, changes, carried }
}

fn observe(seen: SeenTunnel) -> Command {
    Command::ObserveTunnels { seen: vec![seen] }
}

/// What is written down: of whom, and whether it is up.
fn written(case: &Case, seen: SeenTunnel) -> Vec<(TunnelId, Option<TunnelId>, bool)> {
    let events = case.when(observe(seen.clone())).unwrap();
    assert_eq!(case.state.tunnels_due(&[seen], case.now).count() > 0, !events.is_empty());
    let all = events.into_iter().map(|event| match event {
        Event::TunnelObserved(observed) => (observed.tunnel, observed.person, observed.up),
        other => panic!("{other:?}"),
    });
    all.collect()
}

#[test]
fn a_tunnel_is_written_down_when_it_goes_up_or_down_and_once_a_day() {
    let case = given().after(apply(&[ipsec("main", json!({}))]));
    let main = case.state.tunnel("main").unwrap().id();
    // One that never was up is no news.
    assert!(written(&case, seen(&case, main, false, 0)).is_empty());
    assert_eq!(written(&case, seen(&case, main, true, 0)), [(main, None, true)]);
    let case = case.clone().after(observe(seen(&case, main, true, 0)));
    assert_eq!(case.state.tunnels_up().collect::<Vec<_>>(), [main]);
    let minutes = SignedDuration::from_mins;
    // However it flaps, it is written down every five minutes at the most.
    for (up, changes, early, late) in
        [(true, 0, false, false), (false, 1, false, true), (true, 2, false, true)]
    {
        for (after, expect) in [(minutes(4), early), (minutes(5), late)] {
            let case = case.clone().later(after);
            let found = written(&case, seen(&case, main, up, changes));
            assert_eq!(!found.is_empty(), expect, "{up} {changes} {after}");
        }
    }
    let day = case.clone().later(minutes(24 * 60));
    assert_eq!(written(&day, seen(&day, main, true, 0)), [(main, None, true)]);
    let down = case.later(minutes(5));
    let down = down.clone().after(observe(seen(&down, main, false, 1)));
    assert_eq!(down.state.tunnels_up().count(), 0);
    // One that stays down is no news, on no day.
    let later = down.clone().later(minutes(48 * 60));
    assert!(written(&later, seen(&later, main, false, 0)).is_empty());
    let Some(Event::TunnelObserved(last)) = down.events.last() else { panic!() };
    assert_eq!((last.up, last.changes, last.since), (false, 1, down.now));
    assert_eq!(last.carried.as_ref().map(|carried| (carried.bytes_in, carried.bytes_out)), Some((7, 8)));
}

#[test]
fn what_was_up_is_written_down_as_down_though_it_is_deleted_and_nobody_unknown_is() {
    let people = json!({ "people": true, "peer_address": null, "peer_identity": null });
    let people = with_ipsec("people", people, json!({ "remote_networks": ["10.33.0.0/29"] }));
    let case = given().after(apply(&[people]));
    let case = case.clone().after(person(&case, 1, "Jo Doe"));
    let (tunnel, jo) = (case.state.tunnel("people").unwrap().id(), TunnelId(Uuid::from_u128(1)));
    assert_eq!(written(&case, seen(&case, jo, true, 0)), [(tunnel, Some(jo), true)]);
    let nobody = TunnelId(Uuid::from_u128(999_999));
    let vendor = TunnelId(case.state.resource(Kind::Vendor, "acme").unwrap().id);
    for unknown in [nobody, vendor] {
        assert!(case.when(observe(seen(&case, unknown, true, 0))).unwrap().is_empty());
    }
    let case = case.clone().after(observe(seen(&case, jo, true, 0)));
    let case = case.after(Command::Delete { kind: Kind::Tunnel, name: "people".into() });
    let case = case.later(SignedDuration::from_mins(5));
    assert_eq!(written(&case, seen(&case, jo, false, 1)), [(tunnel, Some(jo), false)]);
    let case = case.clone().after(observe(seen(&case, jo, false, 1)));
    assert!(case.state.tunnels.observed.is_empty());
}
