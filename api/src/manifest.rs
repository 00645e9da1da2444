//! Manifests: YAML or JSON, many documents in a file, every error with its line and column.
//!
//! A document is first read to a tree in which every value knows its place, then its spec is read
//! from that tree. So errors of the spec, and the faults that `decide` finds later, point at the
//! line that a person has to change.

mod nearest;
mod read;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;

use portcullis_domain::command::Fault;
use portcullis_domain::personal::MARKER;
use portcullis_domain::spec::{Declaration, Kind, Spec};
use serde::de::DeserializeOwned;
use serde_saphyr::Spanned;

use crate::problem::FaultView;
pub(crate) use nearest::hint_of_known;
use read::{ReadError, Reader};
use tree::{Node, Place, Read, Tree};

/// Bytes that one file may have.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Documents that one file may have.
pub const DOCUMENTS_MAX: usize = 10_000;

/// Kinds that manifests will have, and that this version can't do anything with.
const KINDS_TO_COME: [&str; 1] = ["Exception"];
const FIELDS: [&str; 4] = ["kind", "name", "labels", "spec"];
/// Names, without underscores and hyphens, under which people try to hand over a secret.
const SECRETS: [&str; 9] = [
    "clientsecret",
    "secret",
    "sharedsecret",
    "apikey",
    "apikeys",
    "password",
    "token",
    "accesstoken",
    "privatekey",
];

/// What a manifest, or a body, is told that brings a secret.
pub const SECRET_REFUSED: &str = "secrets and API keys can't be registered";
/// What to do instead.
pub const SECRET_HINT: &str = "register a public key (`jwks`) or a certificate (`certificates`); `portcullis client enroll NAME --generate DIR` makes one";

/// What can't be read, with its place. Lines and columns count from 1, columns in characters.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}{}", .hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default())]
pub struct ManifestError {
    pub file: String,
    pub line: u64,
    pub column: u64,
    pub message: String,
    pub hint: Option<String>,
}

impl From<ManifestError> for FaultView {
    fn from(error: ManifestError) -> Self {
        Self {
            file: Some(error.file),
            line: Some(error.line),
            column: Some(error.column),
            message: error.message,
            hint: error.hint,
            ..Self::default()
        }
    }
}

/// A document that was read, and where each part of it stands.
#[derive(Clone, Debug)]
pub struct ParsedDocument {
    pub file: String,
    pub declaration: Declaration,
    tree: Node,
}

impl ParsedDocument {
    /// Line and column of an RFC 6901 pointer such as `/spec/routes/1`; of the nearest part above it
    /// where the manifest is silent. `None` for what is no pointer.
    #[must_use]
    pub fn locate(&self, pointer: &str) -> Option<(u64, u64)> {
        self.tree.locate(pointer).map(|place| (place.line, place.column))
    }

    /// A fault of this document, with its place.
    #[must_use]
    pub fn fault(&self, fault: &Fault) -> FaultView {
        let place = self.locate(&fault.pointer);
        FaultView {
            file: Some(self.file.clone()),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            kind: Some(fault.kind),
            name: Some(fault.name.clone()),
            pointer: Some(fault.pointer.clone()),
            message: fault.message.clone(),
            hint: fault.hint.clone(),
        }
    }
}

/// Reads every document of a file.
///
/// # Errors
/// One for each document that can't be read, or a single one where the text is not YAML.
pub fn parse(file: &str, text: &str) -> Result<Vec<ParsedDocument>, Vec<ManifestError>> {
    let error = |place: Place, message: String, hint: Option<String>| ManifestError {
        file: file.to_owned(),
        line: place.line,
        column: place.column,
        message,
        hint,
    };
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file is larger than {FILE_BYTES_MAX} bytes");
        return Err(vec![error(START, message, Some("part it into several files".to_owned()))]);
    }
    let documents: Vec<Spanned<Read>> =
        serde_saphyr::from_multiple_with_options(text, options()).map_err(|yaml| {
            let place = yaml.location().map_or(START, tree::place);
            let (message, hint) = yaml_error(&yaml);
            vec![error(place.or_start(), message, hint)]
        })?;
    if documents.len() > DOCUMENTS_MAX {
        return Err(vec![error(START, format!("the file has more than {DOCUMENTS_MAX} documents"), None)]);
    }
    let (mut parsed, mut errors) = (Vec::new(), Vec::new());
    for document in documents {
        let tree = Node::new(document, text);
        match read_document(&tree) {
            Ok(declaration) => parsed.push(ParsedDocument { file: file.to_owned(), declaration, tree }),
            Err(found) => errors.extend(found.into_iter().map(|found| {
                let place = found.place.unwrap_or(tree.place).or_start();
                error(place, found.message, found.hint)
            })),
        }
    }
    if errors.is_empty() { Ok(parsed) } else { Err(errors) }
}

const START: Place = Place { line: 1, column: 1 };

impl Place {
    /// A place that the parser doesn't know becomes the file's start.
    fn or_start(self) -> Self {
        if self.line == 0 { START } else { self }
    }
}

pub(crate) fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: DOCUMENTS_MAX,
            max_depth: 64,
            flow_nesting_limit: 64,
            max_events: 1_000_000,
            max_nodes: 500_000,
            max_anchors: 1_000,
            max_aliases: 1_000,
            max_merge_keys: 1_000,
            max_recorded_anchor_events: 10_000,
            max_total_scalar_bytes: 2 * FILE_BYTES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 10_000,
            max_replay_stack_depth: 16,
        },
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    }
}

/// What the parser found, without the place that stands before it here.
fn yaml_error(error: &serde_saphyr::Error) -> (String, Option<String>) {
    use serde_saphyr::Error as Yaml;
    match error.without_snippet() {
        Yaml::AliasError { error, .. } => yaml_error(error),
        Yaml::DuplicateMappingKey { key, .. } => {
            (format!("field `{}` is there twice", key.as_deref().unwrap_or_default()), None)
        }
        Yaml::Budget { .. }
        | Yaml::AliasReplayLimitExceeded { .. }
        | Yaml::AliasExpansionLimitExceeded { .. }
        | Yaml::AliasReplayStackDepthExceeded { .. } => (
            "the file holds, nests or repeats more than a manifest may".to_owned(),
            Some("part it into several files, and write anchors and aliases out".to_owned()),
        ),
        other => {
            let text = other.to_string();
            let text = text.lines().next().unwrap_or_default();
            let text = text.strip_prefix("error: ").unwrap_or(text);
            let text = text.split(" at line ").next().unwrap_or(text);
            (format!("not readable as YAML or JSON: {}", text.trim_end_matches([',', '.'])), None)
        }
    }
}

fn read_document(tree: &Node) -> Result<Declaration, Vec<ReadError>> {
    let Tree::Map(members) = &tree.value else {
        return Err(vec![at(tree.place, "a manifest has `kind`, `name` and `spec`", None)]);
    };
    let mut errors: Vec<ReadError> = members
        .iter()
        .filter(|member| !FIELDS.contains(&member.key.as_str()))
        .map(|member| {
            let hint = match member.key.as_str() {
                "metadata" => "write `name` and `labels` at the top".to_owned(),
                other => hint_of_known("fields", other, &FIELDS),
            };
            at(member.key_place, format!("unknown field `{}`", member.key), Some(hint))
        })
        .collect();
    let kind = keep(read_kind(tree), &mut errors);
    let name = keep(required::<String>(tree, "name"), &mut errors);
    let labels = match tree.member("labels") {
        Some(_) => keep(required::<BTreeMap<String, String>>(tree, "labels"), &mut errors),
        None => Some(BTreeMap::new()),
    };
    let spec = kind.and_then(|kind| keep(read_spec(tree, kind), &mut errors));
    match (name, labels, spec) {
        (Some(name), Some(labels), Some(spec)) if errors.is_empty() => Ok(Declaration { name, labels, spec }),
        _ => Err(errors),
    }
}

fn keep<T>(read: Result<T, ReadError>, errors: &mut Vec<ReadError>) -> Option<T> {
    read.map_err(|error| errors.push(error)).ok()
}

fn read_kind(tree: &Node) -> Result<Kind, ReadError> {
    let word: String = required(tree, "kind")?;
    let place = tree.member("kind").map_or(tree.place, tree::Member::place);
    let known: Vec<&str> = Kind::ALL.into_iter().map(Kind::as_str).collect();
    if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == word) {
        return Ok(kind);
    }
    if KINDS_TO_COME.contains(&word.as_str()) {
        let message = format!("this version does not know the kind `{word}` yet");
        return Err(at(place, message, Some(format!("known kinds: {}", known.join(", ")))));
    }
    Err(at(place, format!("`{word}` is not a kind"), Some(hint_of_known("kinds", &word, &known))))
}

fn read_spec(tree: &Node, kind: Kind) -> Result<Spec, ReadError> {
    if let Some(member) = tree.member("spec") {
        refuse_markers(&member.node)?;
        if kind == Kind::Client {
            refuse_secrets(&member.node)?;
        }
    }
    Ok(match kind {
        Kind::Vendor => Spec::Vendor(required(tree, "spec")?),
        Kind::Contract => Spec::Contract(required(tree, "spec")?),
        Kind::Upstream => Spec::Upstream(required(tree, "spec")?),
        Kind::Route => Spec::Route(required(tree, "spec")?),
        Kind::Integration => Spec::Integration(required(tree, "spec")?),
        Kind::Client => Spec::Client(required(tree, "spec")?),
        Kind::Issuer => Spec::Issuer(required(tree, "spec")?),
        Kind::TrustDomain => Spec::TrustDomain(required(tree, "spec")?),
        Kind::Policy => Spec::Policy(required(tree, "spec")?),
        Kind::Feed => Spec::Feed(required(tree, "spec")?),
        Kind::Tunnel => Spec::Tunnel(required(tree, "spec")?),
        Kind::Exercise => Spec::Exercise(required(tree, "spec")?),
    })
}

fn required<T: DeserializeOwned>(tree: &Node, field: &'static str) -> Result<T, ReadError> {
    let Some(member) = tree.member(field) else {
        return Err(at(tree.place, format!("field `{field}` is missing"), None));
    };
    T::deserialize(Reader(&member.node)).map_err(|error| ReadError {
        // A name or a kind that YAML reads as nothing would point at the key otherwise.
        place: error.place.or(Some(member.place())),
        ..error
    })
}

fn refuse_secrets(spec: &Node) -> Result<(), ReadError> {
    let secret = spec.members().iter().find(|member| is_secret_name(&member.key));
    secret.map_or(Ok(()), |member| Err(at(member.key_place, SECRET_REFUSED, Some(SECRET_HINT.to_owned()))))
}

/// Whether a field of this name would hold a secret: `api_key`, `apiKey`, `API-KEY`.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    SECRETS.contains(&plain.as_str())
}

/// The ledger's markers of personal texts are its own: a manifest must not name a subject.
fn refuse_markers(node: &Node) -> Result<(), ReadError> {
    match &node.value {
        Tree::Map(members) => {
            for member in members {
                if member.key == MARKER {
                    return Err(at(
                        member.key_place,
                        format!("`{MARKER}` can't be written in a manifest"),
                        Some("write the text itself".to_owned()),
                    ));
                }
                refuse_markers(&member.node)?;
            }
            Ok(())
        }
        Tree::List(items) => items.iter().try_for_each(refuse_markers),
        Tree::Null | Tree::Scalar(..) => Ok(()),
    }
}

fn at(place: Place, message: impl Into<String>, hint: Option<String>) -> ReadError {
    ReadError { place: Some(place), message: message.into(), hint }
}
