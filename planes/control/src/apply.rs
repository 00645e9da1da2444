//! What a batch of declarations changes, resource by resource.

use portcullis_api::apply::{Action, ApplyReport, Change};
use portcullis_api::render;
use portcullis_domain::event::Event;
use portcullis_domain::spec::{Declaration, Kind};
use portcullis_domain::state::State;

/// Compares what was declared with what was `before`, given the events that came of it.
pub(crate) fn report(
    before: &State,
    declared: &[(Kind, String)],
    events: &[Event],
    ledger_size: u64,
    dry_run: bool,
) -> ApplyReport {
    let changes = declared.iter().map(|(kind, name)| {
        let new = events.iter().find_map(|event| match event {
            Event::ResourceDefined { declaration, .. }
                if declaration.spec.kind() == *kind && declaration.name == *name =>
            {
                Some(declaration)
            }
            _ => None,
        });
        let removed = events.iter().any(|event| {
            matches!(event, Event::ResourceRemoved { kind: gone, name: gone_name, .. }
                if gone == kind && gone_name == name)
        });
        let old = before.resource(*kind, name).map(|resource| &resource.declaration);
        let action = match (old, new) {
            (_, None) if removed => Action::Deleted,
            (_, None) => Action::Unchanged,
            (None, Some(_)) => Action::Created,
            (Some(_), Some(_)) => Action::Changed,
        };
        let diff = match action {
            Action::Unchanged => String::new(),
            _ => diff(old, new, *kind, name),
        };
        Change { kind: *kind, name: name.clone(), action, diff, notes: notes(before, events, *kind, name) }
    });
    ApplyReport { changes: changes.collect(), ledger_size, dry_run, gates_behind: Vec::new() }
}

/// Keys that a client's manifest names and that have ended for good: they are not taken again.
fn notes(before: &State, events: &[Event], kind: Kind, name: &str) -> Vec<String> {
    let declared = events.iter().find_map(|event| match event {
        Event::ResourceDefined { declaration, keys, .. }
            if kind == Kind::Client && declaration.spec.kind() == kind && declaration.name == name =>
        {
            Some(keys)
        }
        _ => None,
    });
    let spent = declared.into_iter().flatten().filter(|key| before.spent_keys.contains_key(&key.thumbprint));
    spent
        .map(|key| format!("key `{}` was replaced by the client, and stays so: take it out", key.thumbprint))
        .collect()
}

/// A unified diff of the manifests, empty where they read the same.
fn diff(old: Option<&Declaration>, new: Option<&Declaration>, kind: Kind, name: &str) -> String {
    let (old, new) = (text(old), text(new));
    let path = format!("{}/{name}", kind.as_str().to_ascii_lowercase());
    similar::TextDiff::from_lines(&old, &new)
        .unified_diff()
        .context_radius(3)
        .header(&format!("a/{path}"), &format!("b/{path}"))
        .to_string()
}

/// The manifest as a person would write it, texts about people included.
fn text(declaration: Option<&Declaration>) -> String {
    declaration.and_then(|declaration| render::declaration(declaration).ok()).unwrap_or_default()
}
