//! Clients that the gate has known for long: from where the tests' own clients speak.

use std::path::Path;

use aws_lc_rs::digest::{Context as Digest, SHA256};
use portcullis_risk::{ClientRisk, Context, Known};
use portcullis_wire::client_hello::{Assembler, ClientHello, Progress};
use portcullis_wire::ja4;
use rustls::pki_types::ServerName;

use super::client::{BOTH, Connector, Protocol};
use super::identity::who;

/// Puts down, as a gate would have before, that every client was seen over both protocols.
pub fn know_all(folder: &Path, connector: &Connector) {
    std::fs::create_dir_all(folder).unwrap();
    let contexts = BOTH.map(|protocol| context(connector, protocol));
    for (vendor, client) in (1..=6).flat_map(|vendor| (1..=3).map(move |client| (vendor, client))) {
        let mut state = ClientRisk::new();
        for context in &contexts {
            state.admit(context, 1);
        }
        let name = format!("{}.risk", who(vendor, client).client.0);
        std::fs::write(folder.join(name), state.to_bytes()).unwrap();
    }
}

/// A context of some other key: what is known of a place counts for all keys there.
fn context(connector: &Connector, protocol: Protocol) -> Context {
    let hello = hello(connector, protocol);
    let ja4 = ja4::context_key(&hello).to_string();
    let network = "127.0.0.0/24";
    Context {
        key: 1,
        ja4: Known::Is(hash("ja4", &ja4)),
        network: hash("network", network),
        prefix: hash("prefix", network),
    }
}

fn hello(connector: &Connector, protocol: Protocol) -> ClientHello {
    let name = ServerName::try_from("localhost").unwrap();
    let mut tls = rustls::ClientConnection::new(connector.config_for(protocol), name).unwrap();
    let mut bytes = Vec::new();
    tls.write_tls(&mut bytes).unwrap();
    let Progress::Complete(message) = Assembler::new().push(&bytes).unwrap() else {
        panic!("no whole hello")
    };
    ClientHello::parse(&message).unwrap()
}

/// As the gate names what it keeps of contexts: the form is final, as files of earlier releases have it.
fn hash(about: &str, what: &str) -> u64 {
    let mut digest = Digest::new(&SHA256);
    digest.update(b"portcullis risk 1\0");
    for part in [about, what] {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    u64::from_be_bytes(digest.finish().as_ref()[..8].try_into().unwrap())
}
