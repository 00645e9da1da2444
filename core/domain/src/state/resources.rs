//! Declaring resources: all of a batch or none, and nothing when nothing changed.

pub(super) mod check;

use std::collections::{BTreeMap, VecDeque};

use crate::command::{Context, Fault, Prepared, Refusal};
use crate::event::Event;
use crate::ids::SubjectId;
use crate::personal::{ERASED, Personal, reveal};
use crate::spec::{Declaration, Kind, Spec};
use crate::state::State;

impl State {
    pub(super) fn decide_apply(
        &self,
        mut resources: Vec<Prepared>,
        context: &mut Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        // Those that others refer to come first, so that the ledger reads in a sensible order.
        resources.sort_by_key(|prepared| prepared.declaration.spec.kind());
        let faults = check::faults(self, &resources, check::Keyless::Refused, context.now);
        if !faults.is_empty() {
            return Err(Refusal::Invalid(faults));
        }
        Ok(resources.into_iter().filter_map(|prepared| self.define(prepared, context)).collect())
    }

    /// `None` when the declaration says what is known already.
    pub(super) fn define(&self, prepared: Prepared, context: &mut Context<'_>) -> Option<Event> {
        let Prepared { mut declaration, keys } = prepared;
        let known = self.resource(declaration.spec.kind(), &declaration.name);
        if let Some(known) = known
            && same(&known.declaration, &declaration)
        {
            return None;
        }
        hold_personal(&mut declaration.spec, known.map(|known| &known.declaration.spec), context);
        let id = known.map_or_else(|| (context.new_id)(), |known| known.id);
        Some(Event::ResourceDefined { id, declaration, keys, time: Some(context.now) })
    }

    /// The resources that refer to this one, as a person would write them.
    pub(super) fn users_of(&self, kind: Kind, name: &str) -> Vec<String> {
        self.resources
            .iter()
            .filter(|(_, resource)| {
                references(&resource.declaration.spec)
                    .iter()
                    .any(|(referred, referred_name, _)| *referred == kind && referred_name == name)
            })
            .map(|((user, user_name), _)| format!("{} `{user_name}`", user.as_str()))
            .collect()
    }
}

/// Whether two declarations say the same to a person.
#[must_use]
pub fn same(known: &Declaration, new: &Declaration) -> bool {
    let shown = |declaration: &Declaration| serde_json::to_value(declaration).map(reveal).ok();
    shown(known) == shown(new)
}

/// What a spec refers to: kind, name, and the pointer of the place that says so.
fn references(spec: &Spec) -> Vec<(Kind, String, String)> {
    match spec {
        Spec::Vendor(_) | Spec::Upstream(_) | Spec::Feed(_) | Spec::Exercise(_) => Vec::new(),
        Spec::Contract(spec) => vec![(Kind::Vendor, spec.vendor.clone(), "/spec/vendor".into())],
        Spec::Route(spec) => vec![(Kind::Upstream, spec.upstream.clone(), "/spec/upstream".into())],
        Spec::Tunnel(spec) => vec![(Kind::Integration, spec.integration.clone(), "/spec/integration".into())],
        Spec::Client(spec) => vec![(Kind::Integration, spec.integration.clone(), "/spec/integration".into())],
        Spec::Issuer(spec) => {
            mapped(&spec.vendor, spec.clients.iter().map(|mapping| mapping.client.as_str()))
        }
        Spec::TrustDomain(spec) => {
            mapped(&spec.vendor, spec.clients.iter().map(|mapping| mapping.client.as_str()))
        }
        Spec::Policy(spec) => {
            let named = |kind: Kind, list: &str, names: &Option<Vec<String>>| {
                let names = names.iter().flatten().enumerate();
                let all: Vec<_> = names
                    .map(|(place, name)| (kind, name.clone(), format!("/spec/{list}/{place}")))
                    .collect();
                all
            };
            [
                named(Kind::Vendor, "vendors", &spec.vendors),
                named(Kind::Integration, "integrations", &spec.integrations),
                named(Kind::Route, "routes", &spec.routes),
            ]
            .concat()
        }
        Spec::Integration(spec) => {
            let routes = spec.routes.iter().enumerate();
            routes
                .map(|(place, route)| (Kind::Route, route.clone(), format!("/spec/routes/{place}")))
                .chain([(Kind::Contract, spec.contract.clone(), "/spec/contract".into())])
                .collect()
        }
    }
}

/// The vendor, and the clients that are mapped.
fn mapped<'a>(vendor: &str, clients: impl Iterator<Item = &'a str>) -> Vec<(Kind, String, String)> {
    let clients = clients.enumerate();
    let clients = clients
        .map(|(place, client)| (Kind::Client, client.to_owned(), format!("/spec/clients/{place}/client")));
    std::iter::once((Kind::Vendor, vendor.to_owned(), "/spec/vendor".to_owned())).chain(clients).collect()
}

/// Gives each person a subject: the one that a text of theirs had before, or else a new one.
///
/// What was erased stays so: its placeholder in a manifest is no text of anybody.
fn hold_personal(spec: &mut Spec, known: Option<&Spec>, context: &mut Context<'_>) {
    let mut held: BTreeMap<String, SubjectId> = BTreeMap::new();
    let mut erased: VecDeque<SubjectId> = VecDeque::new();
    for mut person in known.cloned().iter_mut().flat_map(Spec::people_mut) {
        for personal in &mut person {
            match personal {
                Personal::Held { subject, text } => {
                    held.insert(text.clone(), *subject);
                }
                Personal::Erased { subject } if erased.back() != Some(subject) => erased.push_back(*subject),
                Personal::Erased { .. } | Personal::Plain(_) => {}
            }
        }
    }
    for mut person in spec.people_mut() {
        let gone = person.iter().any(|personal| **personal == Personal::Plain(ERASED.to_owned()));
        if let Some(subject) = gone.then(|| erased.pop_front()).flatten() {
            for personal in person.iter_mut().filter(|personal| personal.text() == ERASED) {
                **personal = Personal::Erased { subject };
            }
        }
        if person.iter().all(|personal| matches!(**personal, Personal::Erased { .. })) {
            continue;
        }
        let known = person.iter().find_map(|personal| held.get(personal.text()));
        let subject = known.copied().unwrap_or_else(|| SubjectId((context.new_id)()));
        for personal in person {
            *personal = personal.clone().held_by(subject);
        }
    }
}

fn fault(declaration: &Declaration, pointer: &str, message: String, hint: Option<&str>) -> Fault {
    Fault {
        kind: declaration.spec.kind(),
        name: declaration.name.clone(),
        pointer: pointer.to_owned(),
        message,
        hint: hint.map(str::to_owned),
    }
}
