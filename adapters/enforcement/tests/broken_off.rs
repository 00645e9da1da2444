//! Commands that are under way when nobody waits for them any more, and such that fail, at a charon and a `wg` that do what a
//! test says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, SystemTime};

use portcullis_enforcement::NetworkArm;
use portcullis_enforcement::vici::Vici;
use portcullis_enforcement::wireguard::WireguardTool;
use portcullis_ids::ids::{IntegrationId, SeveranceId, TunnelId, VendorId};
use portcullis_network::cut::{Cut, Scope};
use portcullis_network::plan::{
    Authentication, Ipsec, Link, NetworkPlan, Owner, Standing, Tunnel, Wireguard,
};
use portcullis_network::secret::Secret;
use tokio::time::timeout;
use uuid::Uuid;

/// What charon has, and what it does when it is asked.
#[derive(Default)]
struct Charon {
    loaded: Mutex<BTreeSet<String>>,
    secrets: Mutex<BTreeSet<String>>,
    up: Mutex<BTreeSet<String>>,
    /// It doesn't know how to terminate this one.
    stubborn: Option<String>,
    /// Loading a connection is told by one, and goes on with the other.
    gate: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>,
}

impl Charon {
    fn listen(self, socket: &Path) -> Arc<Self> {
        let (this, listener) = (Arc::new(self), UnixListener::bind(socket).unwrap());
        let serving = Arc::clone(&this);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        this
    }

    /// Packets of VICI: length, kind, name, and a message.
    fn serve(&self, mut stream: UnixStream) {
        let mut say = {
            let mut stream = stream.try_clone().unwrap();
            move |kind: u8, body: &[u8]| {
                let length = u32::try_from(body.len() + 1).unwrap();
                let _ = stream.write_all(&[&length.to_be_bytes()[..], &[kind], body].concat());
            }
        };
        let mut length = [0; 4];
        while stream.read_exact(&mut length).is_ok() {
            let mut packet = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut packet).unwrap();
            let (kind, name_length) = (packet[0], usize::from(packet[1]));
            let name = String::from_utf8(packet[2..2 + name_length].to_vec()).unwrap();
            // Registering for an event, or no longer.
            if kind != 0 {
                say(5, &[]);
                continue;
            }
            let asked = Asked::read(&packet[2 + name_length..]);
            match self.answer(&name, &asked, &mut say) {
                Some(body) => say(1, &body),
                None => say(2, &[]),
            }
        }
    }

    fn answer(&self, command: &str, asked: &Asked, say: &mut impl FnMut(u8, &[u8])) -> Option<Vec<u8>> {
        let done = Some(value("success", "yes"));
        match command {
            "get-conns" => Some(list("conns", &self.loaded.lock().unwrap())),
            "get-shared" => Some(list("keys", &self.secrets.lock().unwrap())),
            "load-shared" => {
                self.secrets.lock().unwrap().insert(asked.of("id"));
                done
            }
            "load-conn" => {
                if let Some((begun, go_on)) = &*self.gate.lock().unwrap() {
                    begun.send(()).unwrap();
                    go_on.recv().unwrap();
                }
                self.loaded.lock().unwrap().insert(asked.section.clone());
                done
            }
            "unload-shared" => {
                self.secrets.lock().unwrap().remove(&asked.of("id"));
                done
            }
            "unload-conn" => {
                self.loaded.lock().unwrap().remove(&asked.of("name"));
                done
            }
            "list-sas" => {
                for name in &*self.up.lock().unwrap() {
                    let association =
                        [section(name), value("uniqueid", "1"), value("state", "ESTABLISHED"), vec![2]];
                    say(7, &[&[7][..], b"list-sa", &association.concat()].concat());
                }
                Some(Vec::new())
            }
            "terminate" if Some(asked.of("ike")) == self.stubborn => None,
            "terminate" => {
                self.up.lock().unwrap().remove(&asked.of("ike"));
                done
            }
            _ => done,
        }
    }
}

/// The first section's name, and the values before any.
#[derive(Default)]
struct Asked {
    section: String,
    values: Vec<(String, String)>,
}

impl Asked {
    fn read(mut body: &[u8]) -> Self {
        let mut asked = Self::default();
        while let [kind @ (1 | 3), length, rest @ ..] = body {
            let (name, rest) = rest.split_at(usize::from(*length));
            let name = String::from_utf8(name.to_vec()).unwrap();
            if *kind == 1 {
                asked.section = name;
                return asked;
            }
            let (length, rest) = rest.split_at(2);
            let (value, rest) = rest.split_at(usize::from(u16::from_be_bytes([length[0], length[1]])));
            asked.values.push((name, String::from_utf8_lossy(value).into_owned()));
            body = rest;
        }
        asked
    }

    fn of(&self, key: &str) -> String {
        self.values.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone()).unwrap_or_default()
    }
}

fn named(kind: u8, name: &str) -> Vec<u8> {
    [&[kind, u8::try_from(name.len()).unwrap()][..], name.as_bytes()].concat()
}

fn section(name: &str) -> Vec<u8> {
    named(1, name)
}

fn text(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat()
}

fn value(key: &str, value: &str) -> Vec<u8> {
    [named(3, key), text(value)].concat()
}

fn list(name: &str, items: &BTreeSet<String>) -> Vec<u8> {
    let items: Vec<u8> = items.iter().flat_map(|item| [vec![5], text(item)].concat()).collect();
    [named(4, name), items, vec![6]].concat()
}

fn tunnel(vendor: u128, name: &str, link: Link) -> Tunnel {
    Tunnel {
        id: TunnelId(Uuid::from_u128(vendor)),
        name: name.to_owned(),
        owner: Owner {
            vendor: VendorId(Uuid::from_u128(1)),
            vendor_name: "acme".to_owned(),
            integration: IntegrationId(Uuid::from_u128(vendor + 100)),
            integration_name: name.to_owned(),
        },
        link,
        local_networks: vec!["10.101.0.1/32".parse().unwrap()],
        remote_networks: vec!["10.9.0.0/24".parse().unwrap()],
        standing: Standing::Open,
    }
}

fn ipsec(vendor: u128, name: &str) -> Tunnel {
    let ipsec = Ipsec {
        connection: format!("portcullis--{name}--aa"),
        local_address: None,
        peer_address: None,
        local_identity: "gate.example.com".to_owned(),
        peer_identity: name.to_owned(),
        ike_proposals: Vec::new(),
        esp_proposals: Vec::new(),
        encapsulate: true,
        authentication: Some(Authentication::PresharedKey { key: Secret::new("psk".to_owned()) }),
        virtual_address: None,
    };
    tunnel(vendor, name, Link::Ipsec(Box::new(ipsec)))
}

fn planned(tunnels: Vec<Tunnel>) -> (NetworkPlan, Cut) {
    let plan = NetworkPlan { tunnels, ..NetworkPlan::default() };
    let scope = Scope::Vendor { id: VendorId(Uuid::from_u128(1)) };
    let cut = plan.cut(scope, SeveranceId(Uuid::from_u128(9)));
    (plan, cut)
}

/// Severs as the enforcer does: until it is verified. It has to wait for what was begun, which goes on with `go_on`.
async fn severed_behind(arm: &dyn NetworkArm, cut: &Cut, go_on: impl FnOnce()) {
    let mut severing = arm.sever(cut);
    let waits = timeout(Duration::from_millis(100), &mut severing).await;
    assert!(waits.is_err(), "it went before what had been begun: {waits:?}");
    go_on();
    let mut severed = severing.await;
    while severed.is_err() {
        severed = arm.sever(cut).await;
    }
    arm.verify(cut).await.unwrap();
}

#[tokio::test]
async fn one_connection_that_can_not_be_terminated_keeps_no_other_up() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("vici");
    let names = |names: &[&str]| -> Mutex<BTreeSet<String>> {
        Mutex::new(names.iter().map(|name| format!("portcullis--{name}--aa")).collect())
    };
    let charon = Charon {
        loaded: names(&["a", "b", "c"]),
        up: names(&["a", "b", "c"]),
        stubborn: Some("portcullis--a--aa".to_owned()),
        ..Charon::default()
    };
    let charon = charon.listen(&socket);
    let (_, cut) = planned(vec![ipsec(1, "a"), ipsec(2, "b"), ipsec(3, "c")]);
    let arm = Vici::new(socket);
    assert!(arm.sever(&cut).await.is_err(), "one is up still");
    assert!(charon.loaded.lock().unwrap().is_empty());
    assert_eq!(*charon.up.lock().unwrap(), *names(&["a"]).lock().unwrap());
    assert!(arm.verify(&cut).await.unwrap_err().to_string().contains("tunnel/a"));
}

#[tokio::test]
async fn a_connection_that_is_being_loaded_is_cut_behind_that() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("vici");
    let ((begun, has_begun), (go_on, going_on)) = (mpsc::channel(), mpsc::channel());
    let charon = Charon { gate: Mutex::new(Some((begun, going_on))), ..Charon::default() };
    let charon = charon.listen(&socket);
    let (plan, cut) = planned(vec![ipsec(1, "a"), ipsec(2, "b")]);
    let arm = Vici::new(socket).with_step(Duration::from_secs(20));
    let enforcing = tokio::spawn({
        let arm = arm.clone();
        async move { arm.enforce(&plan).await }
    });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
    enforcing.abort();
    assert!(enforcing.await.is_err());
    severed_behind(&arm, &cut, || go_on.send(()).unwrap()).await;
    // Whoever has gone begins no other.
    assert!(charon.loaded.lock().unwrap().is_empty() && charon.secrets.lock().unwrap().is_empty());
}

#[expect(clippy::disallowed_methods, reason = "the tool's handshakes are told by the system's clock")]
fn clock() -> SystemTime {
    SystemTime::now()
}

#[tokio::test]
async fn a_peer_that_is_being_set_is_removed_behind_that() {
    let folder = tempfile::tempdir().unwrap();
    let (wg, peer) = (folder.path().join("wg"), folder.path().join("peer"));
    // A part of it lives on when it is killed, as a word to the kernel does.
    let script = r#"#!/bin/sh
cd "$(dirname "$0")"
case "$*" in
    "show interfaces") echo pc-acme ;;
    "show pc-acme dump") printf 'k\tp\t51820\toff\n'; test ! -e peer || printf 'KEY=\t(none)\t(none)\t10.9.0.0/24\t0\t0\t0\toff\n' ;;
    addconf*) (touch begun; cat gate; touch peer) ;;
    *remove) rm -f peer ;;
esac
exit 0
"#;
    fs::write(&wg, script).unwrap();
    fs::set_permissions(&wg, fs::Permissions::from_mode(0o755)).unwrap();
    let gate = folder.path().join("gate");
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let link = Wireguard {
        interface: "pc-acme".to_owned(),
        peer_public_key: Some("KEY=".to_owned()),
        preshared_key: None,
        endpoint: None,
        keepalive_seconds: None,
        private_key: None,
        listen_port: None,
    };
    let (plan, cut) = planned(vec![tunnel(1, "acme", Link::Wireguard(Box::new(link)))]);
    let arm = Arc::new(WireguardTool::new(clock).with(&wg.display().to_string(), Duration::from_secs(20)));
    let enforcing = tokio::spawn({
        let arm = Arc::clone(&arm);
        async move { arm.enforce(&plan).await }
    });
    let mut look = tokio::time::interval(Duration::from_millis(2));
    let begun = folder.path().join("begun");
    let beginning = async {
        while !begun.exists() {
            look.tick().await;
        }
    };
    timeout(Duration::from_secs(20), beginning).await.expect("it is begun");
    enforcing.abort();
    assert!(enforcing.await.is_err());
    severed_behind(&*arm, &cut, || fs::write(&gate, b"go on").unwrap()).await;
    assert!(!peer.exists());
}
