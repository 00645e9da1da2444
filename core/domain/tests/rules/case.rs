//! A history, and a person who commands. Ids are numbers that count up.

use jiff::{SignedDuration, Timestamp};
use portcullis_domain::command::{Command, Context, Prepared, Refusal, Seen};
use portcullis_domain::event::{Event, KeyForm, RegisteredKey, Restoration, RestoreProposal, Severance};
use portcullis_domain::ids::{ClientId, OperatorId};
use portcullis_domain::personal::Personal;
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;
use serde_json::{Value, json};
use uuid::Uuid;

#[derive(Clone)]
pub struct Case {
    pub state: State,
    pub events: Vec<Event>,
    pub now: Timestamp,
    next_id: u128,
}

/// A founded installation with the operators `ann` and `bob`, and what `acme` declares.
pub fn given() -> Case {
    empty()
        .after(Command::Found { issuer: "https://gate.example".into(), stops: None })
        .after(operator("ann"))
        .after(operator("bob"))
        .after(Command::Apply { resources: acme() })
}

pub fn empty() -> Case {
    let now = "2026-06-01T12:00:00Z".parse().unwrap();
    Case { state: State::default(), events: Vec::new(), now, next_id: 0 }
}

impl Case {
    /// What follows from `command`, without it having happened.
    pub fn when(&self, command: Command) -> Result<Vec<Event>, Refusal> {
        let mut next_id = self.next_id;
        let mut new_id = || {
            next_id += 1;
            Uuid::from_u128(next_id)
        };
        self.state.decide(command, &mut Context { now: self.now, new_id: &mut new_id })
    }

    /// `command` has happened.
    pub fn after(mut self, command: Command) -> Self {
        for event in self.when(command.clone()).unwrap_or_else(|refusal| panic!("{command:?}: {refusal}")) {
            self.state.apply(&event);
            self.events.push(event);
        }
        self.next_id += 100;
        self
    }

    pub fn later(mut self, time: SignedDuration) -> Self {
        self.now += time;
        self
    }

    pub fn operator(&self, name: &str) -> OperatorId {
        self.state.operator_named(name).unwrap().id
    }

    pub fn client(&self, name: &str) -> ClientId {
        ClientId(self.state.resource(Kind::Client, name).unwrap().id)
    }

    pub fn sever(&self, target: &str) -> Command {
        self.sever_seen(target, Seen::default())
    }

    pub fn sever_seen(&self, target: &str, seen: Seen) -> Command {
        let by = self.operator("ann").into();
        Command::Sever { target: target.parse().unwrap(), by, reason: "theft".into(), tell: None, seen }
    }

    pub fn severed(self, target: &str) -> Self {
        let command = self.sever(target);
        self.after(command)
    }

    pub fn propose(&self, target: &str, by: &str) -> Command {
        Command::ProposeRestore { target: target.parse().unwrap(), by: self.operator(by) }
    }

    pub fn proposed(self, target: &str, by: &str) -> Self {
        let command = self.propose(target, by);
        self.after(command)
    }

    /// Confirms the newest proposal.
    pub fn confirm(&self, target: &str, by: &str) -> Command {
        let newest = self.events.iter().rev().find_map(|event| match event {
            Event::RestoreProposed(proposal) => Some(proposal.id),
            _ => None,
        });
        Command::ConfirmRestore {
            proposal: newest.unwrap(),
            target: target.parse().unwrap(),
            by: self.operator(by),
        }
    }

    pub fn confirmed(self, target: &str, by: &str) -> Self {
        let command = self.confirm(target, by);
        self.after(command)
    }

    pub fn refused_keys(&self) -> Vec<&str> {
        self.state.refused_keys.keys().map(String::as_str).collect()
    }
}

pub fn operator(name: &str) -> Command {
    Command::AddOperator { name: Personal::Plain(name.into()), token_sha256: format!("digest of {name}") }
}

pub fn apply(resources: &[Prepared]) -> Command {
    Command::Apply { resources: resources.to_vec() }
}

/// In an order in which nothing may refer forward: `decide` sorts.
pub fn acme() -> Vec<Prepared> {
    vec![
        client("robot", &["key-1"]),
        client("other", &["key-2"]),
        integration(json!({})),
        route(json!({})),
        upstream(json!({})),
        contract(json!({})),
        vendor(json!({})),
    ]
}

pub fn vendor(with: Value) -> Prepared {
    prepared("Vendor", "acme", json!({ "legal_name": "Acme Ltd" }), with, &[])
}

pub fn contract(with: Value) -> Prepared {
    let spec = json!({ "vendor": "acme", "starts": "2026-01-01", "ends": "2026-12-31", "time_zone": "UTC" });
    prepared("Contract", "acme-2026", spec, with, &[])
}

pub fn upstream(with: Value) -> Prepared {
    prepared("Upstream", "tracking", json!({ "url": "http://10.0.0.1:80" }), with, &[])
}

pub fn route(with: Value) -> Prepared {
    let spec =
        json!({ "upstream": "tracking", "methods": ["GET"], "path": "/parcels/{id}", "scope": "read" });
    prepared("Route", "parcels", spec, with, &[])
}

pub fn integration(with: Value) -> Prepared {
    let spec =
        json!({ "contract": "acme-2026", "purpose": "tracking", "routes": ["parcels"], "scopes": ["read"] });
    prepared("Integration", "feed", spec, with, &[])
}

pub fn client(name: &str, keys: &[&str]) -> Prepared {
    let spec = json!({ "integration": "feed", "jwks": { "keys": keys } });
    prepared("Client", name, spec, json!({}), keys)
}

/// The spec with some members set otherwise.
pub fn prepared(kind: &str, name: &str, mut spec: Value, with: Value, keys: &[&str]) -> Prepared {
    spec.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    let key = |key: &&str| RegisteredKey { thumbprint: (*key).to_owned(), form: KeyForm::Jwk };
    Prepared {
        declaration: serde_json::from_value(json!({ "kind": kind, "name": name, "spec": spec })).unwrap(),
        keys: keys.iter().map(key).collect(),
    }
}

pub fn severance(events: Result<Vec<Event>, Refusal>) -> Severance {
    match &events.unwrap()[..] {
        [Event::Severed(severance)] => severance.clone(),
        other => panic!("{other:?}"),
    }
}

pub fn restoration(events: Result<Vec<Event>, Refusal>) -> Restoration {
    match &events.unwrap()[..] {
        [Event::Restored(restoration)] => restoration.clone(),
        other => panic!("{other:?}"),
    }
}

pub fn proposal(events: Result<Vec<Event>, Refusal>) -> RestoreProposal {
    match &events.unwrap()[..] {
        [Event::RestoreProposed(proposal)] => proposal.clone(),
        other => panic!("{other:?}"),
    }
}
