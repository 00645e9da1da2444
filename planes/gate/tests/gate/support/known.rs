//! Clients that the gate has known for long: from where the tests' own clients speak.

use std::path::Path;

use aws_lc_rs::digest::{Context as Digest, SHA256};
use portcullis_risk::{
    Action, After, Answered, Before, Binding, ClientRisk, Context, Endpoint, Identity, IssuedIn, Known,
    Missing, Origin, Peers, Rules, Stakes, Standing, Tls,
};
use portcullis_tokens::thumbprint::Thumbprint;
use portcullis_wire::client_hello::{Assembler, ClientHello, Progress};
use portcullis_wire::ja4;
use rustls::pki_types::ServerName;

use super::client::{BOTH, Connector, Protocol};
use super::identity::who;

/// Puts down, as a gate would have before, that every client was seen over both protocols.
pub fn know_all(folder: &Path, connector: &Connector) {
    std::fs::create_dir_all(folder).unwrap();
    let contexts = BOTH.map(|protocol| context(connector, protocol, None));
    for (vendor, client) in (1..=6).flat_map(|vendor| (1..=3).map(move |client| (vendor, client))) {
        let mut state = ClientRisk::new();
        for context in &contexts {
            state.admit(context, 1);
        }
        let name = format!("{}.risk", who(vendor, client).client.0);
        std::fs::write(folder.join(name), state.to_bytes()).unwrap();
    }
}

/// A client that has worked by this key for so long, from where the tests' clients speak, that evidence is acted on: a page
/// of records each minute, and nothing else, for six days that end an hour ago.
pub fn graduated(connector: &Connector, protocol: Protocol, key: Thumbprint, now_us: i64) -> Box<ClientRisk> {
    let state = worked(context(connector, protocol, Some(key)), 6, now_us);
    assert_eq!(state.standing(), Standing::Challenge, "{:?}", state.progress());
    state
}

/// The same, and then so much that is unusual from there that another such request comes to `wanted`.
pub fn suspected(
    connector: &Connector,
    protocol: Protocol,
    key: Thumbprint,
    now_us: i64,
    wanted: Action,
) -> Box<ClientRisk> {
    let context = context(connector, protocol, Some(key));
    let mut state = worked(context, if wanted == Action::Deny { 21 } else { 6 }, now_us);
    let (peers, rules) = (Peers::default(), Rules::default());
    for number in 0..200 {
        let at_us = now_us - 600 * SECOND + i64::from(number) * SECOND;
        let request_bytes = 1 << (number % 12);
        let stakes = Stakes { money: 1_000, critical: false };
        let asked = state.question(&context).is_some();
        let unusual = Before {
            endpoint: Endpoint(1_000 + number),
            request_bytes,
            stakes,
            answer: if asked { Answered::Valid } else { Answered::Ahead },
            ..usual(context, at_us)
        };
        let assessed = state.before(&unusual, &peers, &rules);
        state.after(assessed.ticket, &end(at_us, 4_000 << (number % 8)), &peers, &rules);
        if assessed.action == wanted {
            return state;
        }
    }
    panic!("{:?} {:?}", state.standing(), state.contexts())
}

const SECOND: i64 = 1_000_000;

/// A page of records each minute on so many days.
fn worked(context: Context, days: i64, now_us: i64) -> Box<ClientRisk> {
    let mut state = Box::new(ClientRisk::new());
    let (peers, rules) = (Peers::default(), Rules::default());
    for day in (1..=days).rev() {
        for at in 0..250 {
            let at_us = now_us - (day * 86_400 - 3_600 - at * 60) * SECOND;
            let assessed = state.before(&usual(context, at_us), &peers, &rules);
            state.after(assessed.ticket, &end(at_us + 30_000, 2_000), &peers, &rules);
        }
    }
    state
}

fn end(at_us: i64, response_bytes: u64) -> After {
    After { at_us, status: 200, request_bytes: 0, response_bytes, records: Known::Is(20) }
}

/// What it asks for each minute; whatever is asked of it, it has answered.
fn usual(context: Context, at_us: i64) -> Before {
    Before {
        at_us,
        sample: 0,
        context,
        issued_in: IssuedIn::SameContext,
        endpoint: Endpoint(7),
        request_bytes: 0,
        object: Known::NoData(Missing::NotAsked),
        identity: Identity {
            binding: Binding::Dpop,
            token_age_seconds: Known::Is(60),
            key_age_seconds: Known::Is(864_000),
            rotation_overdue: false,
        },
        origin: Origin::UNKNOWN,
        tls: Tls {
            listed: Known::NoData(Missing::NoDatabase),
            misfit: Known::NoData(Missing::NotAsked),
            alpn_odd: Known::Is(false),
            sni_odd: Known::Is(false),
        },
        posture: Known::NoData(Missing::NotAsked),
        vendor: Known::NoData(Missing::NotAssessed),
        outside: None,
        stakes: Stakes { money: 10_000, critical: false },
        fresh_nonce: false,
        answer: Answered::Ahead,
    }
}

/// A context of this key, or of some other: what is known of a place counts for all keys there.
pub fn context(connector: &Connector, protocol: Protocol, key: Option<Thumbprint>) -> Context {
    let hello = hello(connector, protocol);
    let ja4 = ja4::context_key(&hello).to_string();
    let network = "127.0.0.0/24";
    Context {
        key: key.map_or(1, |key| hash("key", &key.to_string())),
        ja4: Known::Is(hash("ja4", &ja4)),
        network: hash("prefix", network),
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
