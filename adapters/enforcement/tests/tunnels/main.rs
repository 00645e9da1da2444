//! The arms against real peers: strongSwan and WireGuard in network namespaces, configured by what we render.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says when it is skipped"
)]

mod host;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use host::{Pair, ready, until};
use portcullis_enforcement::vici::Vici;
use portcullis_enforcement::wireguard::WireguardTool;
use portcullis_enforcement::{ArmError, NetworkArm as _};
use portcullis_ids::ids::{IntegrationId, SeveranceId, TunnelId, VendorId};
use portcullis_network::cut::{Cut, Scope};
use portcullis_network::plan::{
    Authentication, ClosedBy, Ipsec, Link, NetworkPlan, Owner, Standing, Tunnel, Wireguard,
};
use portcullis_network::rendering::{Side, Theirs, files};
use portcullis_network::secret::Secret;
use portcullis_network::swanctl::connection_name;
use uuid::Uuid;

#[expect(clippy::disallowed_methods, reason = "other processes tell their handshakes by the system's clock")]
fn clock() -> SystemTime {
    SystemTime::now()
}

const CLOSED: Standing = Standing::Closed { why: ClosedBy::Contract };

fn owner(vendor: u128) -> Owner {
    Owner {
        vendor: VendorId(Uuid::from_u128(vendor)),
        vendor_name: format!("vendor-{vendor}"),
        integration: IntegrationId(Uuid::from_u128(vendor + 100)),
        integration_name: format!("integration-{vendor}"),
    }
}

fn tunnel(vendor: u128, name: &str, link: Link, local: &str, remote: &str) -> Tunnel {
    Tunnel {
        id: TunnelId(Uuid::from_u128(vendor)),
        name: name.to_owned(),
        owner: owner(vendor),
        link,
        local_networks: vec![local.parse().unwrap()],
        remote_networks: vec![remote.parse().unwrap()],
        standing: Standing::Open,
    }
}

fn ipsec(name: &str, digest: &str, peer: &str, authentication: Authentication) -> Ipsec {
    Ipsec {
        connection: connection_name(name, digest),
        local_address: Some("10.77.0.1".parse().unwrap()),
        peer_address: Some("10.77.0.2".parse().unwrap()),
        local_identity: "gate.example.com".to_owned(),
        peer_identity: peer.to_owned(),
        ike_proposals: vec![
            "aes256gcm16-prfsha384-ecp384".to_owned(),
            "chacha20poly1305-prfsha256-curve25519".to_owned(),
        ],
        esp_proposals: vec!["aes256gcm16-ecp384".to_owned()],
        encapsulate: true,
        authentication: Some(authentication),
        virtual_address: None,
    }
}

fn preshared(digest: &str, key: &str) -> Tunnel {
    let key = Authentication::PresharedKey { key: Secret::new(key.to_owned()) };
    let ipsec = ipsec("acme", digest, "acme.example", key);
    tunnel(1, "acme", Link::Ipsec(Box::new(ipsec)), "10.101.0.1/32", "10.102.0.1/32")
}

fn plan(tunnels: Vec<Tunnel>) -> NetworkPlan {
    NetworkPlan { tunnels, ..NetworkPlan::default() }
}

fn cut(plan: &NetworkPlan, vendor: u128) -> Cut {
    plan.cut(Scope::Vendor { id: VendorId(Uuid::from_u128(vendor)) }, SeveranceId(Uuid::from_u128(9)))
}

/// An authority, and certificates under it for identities: PEM of certificate and key each.
fn certified(identities: &[&str]) -> (String, Vec<(String, String)>) {
    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    };
    // id-kp-ipsecIKE, RFC 4945, section 5.1.3.12.
    let usage = ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 17]);
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    parameters.extended_key_usages = vec![usage.clone()];
    let authority = parameters.clone().self_signed(&key).unwrap().pem();
    let issuer = Issuer::from_ca_cert_pem(&authority, key).unwrap();
    let leaves = identities.iter().map(|identity| {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![(*identity).to_owned()]).unwrap();
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![usage.clone()];
        (parameters.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    });
    (authority.clone(), leaves.collect())
}

fn initiate(pair: &Pair) -> (bool, String) {
    initiate_from(&pair.theirs)
}

/// Whether the tunnel is up after that: loading it begins it already.
fn initiate_from(host: &host::Host) -> (bool, String) {
    let (good, text) = host.swanctl(&["--initiate", "--child", "net", "--timeout", "20"]);
    (good || text.contains("existing duplicate"), text)
}

#[tokio::test]
async fn a_tunnel_by_a_shared_secret_carries_is_cut_and_does_not_come_back() {
    if !ready() {
        return;
    }
    let mut pair = Pair::new("psk");
    pair.ours.charon();
    pair.theirs.charon();
    let arm = Vici::new(pair.ours.socket());
    arm.probe().await.unwrap();
    let open = preshared("aa", "psk_Vm0wd2QyUXlVWGxW");
    // Somebody else's connection in the same charon.
    pair.ours.load(&[portcullis_network::rendering::File {
        path: "conf.d/other.conf".to_owned(),
        text: "connections { other { version = 2\n remote_addrs = 10.77.0.9\n local { auth = psk\n id = x }\n remote { auth = psk\n id = y }\n } }\nsecrets { ike-other { id = y\n secret = others } }\n".to_owned(),
        secret: true,
    }]);
    let wanted = plan(vec![open.clone()]);
    arm.enforce(&wanted).await.unwrap();
    arm.enforce(&wanted).await.unwrap();
    pair.theirs.load(&files(&open, Side::Vendors, &Theirs::default(), true));
    let (good, text) = initiate(&pair);
    assert!(good, "{text}\n{}", fs::read_to_string(pair.ours.folder.join("log")).unwrap());
    let got = pair.ours.listen("10.101.0.1");
    until("a line comes through the tunnel", || {
        pair.theirs.send("10.102.0.1", "10.101.0.1", "hello")
            && fs::read_to_string(&got).unwrap().contains("hello")
    });
    let measured = arm.measure(&wanted).await.unwrap().tunnels.remove(0);
    assert!(measured.up && measured.bytes_in > 0 && measured.associations == 1, "{measured:?}");
    assert_eq!(measured.peer.as_deref(), Some("10.77.0.2:4500"));

    let cut = cut(&wanted, 1);
    assert!(matches!(arm.verify(&cut).await, Err(ArmError::Open(_))));
    let reports = arm.sever(&cut).await.unwrap();
    assert!(reports[0].was_open, "{reports:?}");
    let verified = arm.verify(&cut).await.unwrap();
    assert_eq!(
        (verified[0].path.as_str(), verified[0].how.as_str()),
        ("tunnel/acme", "not loaded, no secret, and list-sas shows none")
    );
    assert!(!arm.sever(&cut).await.unwrap()[0].was_open, "closing what is closed changes nothing");
    assert!(!pair.theirs.send("10.102.0.1", "10.101.0.1", "again"));
    let (good, text) = initiate(&pair);
    assert!(!good && text.contains("NO_PROP"), "{text}");
    arm.verify(&cut).await.unwrap();
    let (_, others) = pair.ours.swanctl(&["--list-conns"]);
    assert!(others.contains("other:") && !others.contains("portcullis--"), "{others}");

    // A plan that has it closed opens nothing, and one with other credentials does; the former ones are worth nothing.
    let mut closed = open.clone();
    closed.standing = CLOSED;
    arm.enforce(&plan(vec![closed])).await.unwrap();
    arm.verify(&cut).await.unwrap();
    let renewed = plan(vec![preshared("bb", "psk_another")]);
    arm.enforce(&renewed).await.unwrap();
    assert!(!initiate(&pair).0, "the former secret is void");
    pair.theirs.load(&files(&renewed.tunnels[0], Side::Vendors, &Theirs::default(), true));
    assert!(initiate(&pair).0);
    // Up though it is closed, it is told of once more, and cut by the look itself.
    let mut ended = renewed.clone();
    ended.tunnels[0].standing = CLOSED;
    assert!(arm.measure(&ended).await.unwrap().tunnels[0].up);
    assert!(!arm.measure(&ended).await.unwrap().tunnels[0].up);
    arm.verify(&cut).await.unwrap();
    arm.enforce(&renewed).await.unwrap();
    until("it is up again", || initiate(&pair).0);
    // The contract ends: enforcing cuts what is up.
    arm.enforce(&plan(Vec::new())).await.unwrap();
    assert!(!arm.measure(&renewed).await.unwrap().tunnels[0].up);
    arm.verify(&cut).await.unwrap();
}

#[tokio::test]
async fn certificates_open_their_own_tunnel_and_no_other_vendors() {
    if !ready() {
        return;
    }
    let mut pair = Pair::new("crt");
    pair.ours.charon();
    pair.theirs.charon();
    let arm = Vici::new(pair.ours.socket());
    let (authority, mut made) =
        certified(&["gate.example.com", "acme.example", "other.example", "gate.example.com"]);
    let (our_second, other, acme, our) =
        (made.pop().unwrap(), made.pop().unwrap(), made.pop().unwrap(), made.pop().unwrap());
    let by = |own: &(String, String), peer: &(String, String)| Authentication::Certificate {
        certificate: own.0.clone(),
        private_key: Secret::new(own.1.clone()),
        peer_certificate: peer.0.clone(),
        authority: authority.clone(),
    };
    let first = ipsec("acme", "aa", "acme.example", by(&our, &acme));
    let second = ipsec("other", "bb", "other.example", by(&our_second, &other));
    let first = tunnel(1, "acme", Link::Ipsec(Box::new(first)), "10.101.0.1/32", "10.102.0.1/32");
    let second = tunnel(2, "other", Link::Ipsec(Box::new(second)), "10.101.0.1/32", "10.103.0.1/32");
    let wanted = plan(vec![first.clone(), second]);
    arm.enforce(&wanted).await.unwrap();
    let theirs = |leaf: &(String, String)| Theirs {
        chain: Some(leaf.0.clone()),
        private_key: Some(leaf.1.clone()),
        our_public_key: None,
    };
    // The other vendor's key and certificate, under acme's identity and with its own: neither opens acme's tunnel.
    pair.theirs.load(&files(&first, Side::Vendors, &theirs(&other), true));
    let (good, text) = initiate(&pair);
    assert!(!good, "{text}");
    fs::remove_dir_all(pair.theirs.folder.join("swanctl")).unwrap();
    pair.theirs.load(&files(&first, Side::Vendors, &theirs(&acme), true));
    let (good, text) = initiate(&pair);
    assert!(good, "{text}\n{}", fs::read_to_string(pair.ours.folder.join("log")).unwrap());
    let cut = cut(&wanted, 1);
    assert!(arm.sever(&cut).await.unwrap()[0].was_open);
    arm.verify(&cut).await.unwrap();
    assert!(!initiate(&pair).0);
    // The other vendor's stays loaded.
    let (_, left) = pair.ours.swanctl(&["--list-conns"]);
    assert!(left.contains("portcullis--other--bb") && !left.contains("portcullis--acme"), "{left}");
}

#[tokio::test]
async fn a_persons_certificate_is_used_from_one_machine_at_a_time() {
    if !ready() {
        return;
    }
    let mut pair = Pair::new("who");
    pair.ours.charon();
    pair.theirs.charon();
    let arm = Vici::new(pair.ours.socket());
    let (authority, mut made) = certified(&["gate.example.com", "p-1.tunnel.example"]);
    let (person, our) = (made.pop().unwrap(), made.pop().unwrap());
    let by = Authentication::Certificate {
        certificate: our.0,
        private_key: Secret::new(our.1),
        peer_certificate: person.0.clone(),
        authority,
    };
    let link = Ipsec {
        peer_address: None,
        virtual_address: Some("10.104.0.7".parse().unwrap()),
        ..ipsec("people/p-1", "aa", "p-1.tunnel.example", by)
    };
    let tunnel = tunnel(1, "people/p-1", Link::Ipsec(Box::new(link)), "10.101.0.1/32", "10.104.0.7/32");
    let wanted = plan(vec![tunnel.clone()]);
    arm.enforce(&wanted).await.unwrap();
    let theirs = Theirs { chain: Some(person.0), private_key: Some(person.1), our_public_key: None };
    let rendered = files(&tunnel, Side::Vendors, &theirs, true);
    pair.theirs.load(&rendered);
    let (good, text) = initiate(&pair);
    assert!(good, "{text}\n{}", fs::read_to_string(pair.ours.folder.join("log")).unwrap());
    let measured = arm.measure(&wanted).await.unwrap().tunnels.remove(0);
    assert!(measured.up && measured.associations == 1, "{measured:?}");
    // A second machine with the same certificate, at another address of the same network.
    let mut second = host::beside(&pair.theirs, "c");
    second.charon();
    second.load(&rendered);
    let (good, text) = initiate_from(&second);
    assert!(!good, "{text}");
    let measured = arm.measure(&wanted).await.unwrap().tunnels.remove(0);
    assert!(measured.up && measured.peer.is_some(), "the first one goes on: {measured:?}");
    assert_eq!(measured.associations, 2, "two are there, and that is told: {measured:?}");
    arm.enforce(&plan(Vec::new())).await.unwrap();
    assert!(!initiate(&pair).0);
}

#[tokio::test]
async fn a_charon_that_is_gone_or_stopped_is_an_error_in_bounded_time() {
    if !ready() {
        return;
    }
    let mut pair = Pair::new("stop");
    let step = Duration::from_millis(300);
    let arm = Vici::new(pair.ours.socket()).with_step(step);
    let wanted = plan(vec![preshared("aa", "psk_x")]);
    let cut = cut(&wanted, 1);
    assert!(matches!(arm.probe().await, Err(ArmError::Absent(_))));
    assert!(matches!(arm.sever(&cut).await, Err(ArmError::Absent(_))));
    assert!(matches!(arm.enforce(&wanted).await, Err(ArmError::Absent(_))));
    arm.enforce(&plan(Vec::new())).await.unwrap();
    let id = pair.ours.charon().to_string();
    arm.enforce(&wanted).await.unwrap();
    Command::new("kill").args(["-STOP", &id]).status().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the bound is about real time")]
    let begun = Instant::now();
    let said = arm.sever(&cut).await.unwrap_err().to_string();
    assert!(said.contains("did not answer within 300 ms"), "{said}");
    assert!(
        matches!(arm.verify(&cut).await, Err(ArmError::Failed { .. })),
        "what can't be seen isn't closed"
    );
    // Two answers were waited for, each 300 ms; a wait without an end would take for ever.
    assert!(begun.elapsed() < Duration::from_secs(10));
    Command::new("kill").args(["-CONT", &id]).status().unwrap();
    arm.sever(&cut).await.unwrap();
    arm.verify(&cut).await.unwrap();
}

#[tokio::test]
async fn a_wireguard_peer_carries_is_removed_and_does_not_come_back() {
    if !ready() {
        return;
    }
    let mut pair = Pair::new("wg");
    let (ours, theirs) = ("pc-acme", "wgv");
    let tool = pair.ours.wireguard(ours, "10.101.1.1/32");
    let vendors = pair.theirs.wireguard(theirs, "10.102.1.1/32");
    pair.ours.ip(&["route", "add", "10.102.1.0/28", "dev", ours]);
    pair.theirs.ip(&["route", "add", "10.101.1.1/32", "dev", theirs]);
    let generated = |word: &str| {
        let output = Command::new("wg").arg(word).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let public = |private: &str| {
        let output =
            Command::new("sh").args(["-c", &format!("echo {private} | wg pubkey")]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (our_key, vendor_key, shared) = (generated("genkey"), generated("genkey"), generated("genpsk"));
    let link = Wireguard {
        interface: ours.to_owned(),
        peer_public_key: Some(public(&vendor_key)),
        preshared_key: Some(Secret::new(shared)),
        endpoint: None,
        keepalive_seconds: Some(1),
        private_key: Some(Secret::new(our_key.clone())),
        listen_port: Some(51_899),
    };
    let open = tunnel(1, "acme", Link::Wireguard(Box::new(link)), "10.101.1.1/32", "10.102.1.0/28");
    let wanted = plan(vec![open.clone()]);
    let arm = WireguardTool::new(clock).with(&tool, Duration::from_secs(2));
    arm.probe().await.unwrap();
    arm.enforce(&wanted).await.unwrap();
    let told = Theirs { our_public_key: Some(public(&our_key)), ..Theirs::default() };
    let file = files(&open, Side::Vendors, &told, true).remove(0);
    // `wg-quick` would take out what `wg` doesn't know.
    let text = file.text.replace("YOUR_PRIVATE_KEY", &vendor_key).replace("OUR_ADDRESS", "10.77.0.1");
    let text: Vec<_> = text.lines().filter(|line| !line.starts_with("Address")).collect();
    let path = pair.theirs.folder.join("vendor.conf");
    fs::write(&path, text.join("\n")).unwrap();
    let set = Command::new(&vendors).args(["setconf", theirs]).arg(&path).output().unwrap();
    assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    let got = pair.ours.listen("10.101.1.1");
    until("a line comes through the tunnel", || {
        pair.theirs.send("10.102.1.1", "10.101.1.1", "hello")
            && fs::read_to_string(&got).unwrap().contains("hello")
    });
    let measured = arm.measure(&wanted).await.unwrap().tunnels.remove(0);
    assert!(
        measured.up && measured.bytes_in > 0 && measured.handshake_age_seconds.unwrap() < 10,
        "{measured:?}"
    );
    // Again changes nothing: the peer keeps where it is.
    arm.enforce(&wanted).await.unwrap();
    assert!(arm.measure(&wanted).await.unwrap().tunnels[0].up);

    let cut = cut(&wanted, 1);
    assert!(matches!(arm.verify(&cut).await, Err(ArmError::Open(_))));
    assert!(arm.sever(&cut).await.unwrap()[0].was_open);
    arm.verify(&cut).await.unwrap();
    assert!(!arm.sever(&cut).await.unwrap()[0].was_open);
    assert!(!pair.theirs.send("10.102.1.1", "10.101.1.1", "again"));
    assert!(!arm.measure(&wanted).await.unwrap().tunnels[0].up);
    // A tunnel that is in no plan any more: what is on an interface of ours goes.
    arm.enforce(&wanted).await.unwrap();
    // The vendor's side would go on with its former session for a while.
    let again = format!(
        "{vendors} set {theirs} peer {} remove && {vendors} setconf {theirs} {}",
        public(&our_key),
        path.display()
    );
    assert!(Command::new("sh").args(["-c", &again]).status().unwrap().success());
    until("it is up again", || pair.theirs.send("10.102.1.1", "10.101.1.1", "more"));
    arm.enforce(&plan(Vec::new())).await.unwrap();
    arm.verify(&cut).await.unwrap();
    assert!(!pair.theirs.send("10.102.1.1", "10.101.1.1", "again"));
}

#[tokio::test]
async fn a_tool_that_is_missing_or_hangs_is_told_of_in_bounded_time() {
    let folder = tempfile::tempdir().unwrap();
    let missing = WireguardTool::new(clock).with("/nowhere/wg", Duration::from_millis(200));
    assert!(matches!(missing.probe().await, Err(ArmError::Absent(_))));
    missing.enforce(&plan(Vec::new())).await.unwrap();
    let hangs = folder.path().join("wg");
    fs::write(&hangs, "#!/bin/sh\nexec sleep 60\n").unwrap();
    Command::new("chmod").arg("755").arg(&hangs).status().unwrap();
    let hangs = WireguardTool::new(clock).with(&hangs.display().to_string(), Duration::from_millis(200));
    let said = hangs.probe().await.unwrap_err().to_string();
    assert!(said.contains("did not answer within 200 ms"), "{said}");
}
