//! Good rows become vendors and contracts, in one request; then each is admitted provisionally, with its steps assigned.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow};
use portcullis_api::apply::{ApplyReport, ApplyRequest, ManifestText};
use portcullis_api::dossiers::{DossierAnswer, DossierRequest, DossierView};
use portcullis_api::resource::ResourceView;
use portcullis_assurance::assessment::{Admission, Step};
use portcullis_assurance::days::date_of;
use portcullis_assurance::intake::{Candidate, Judged, Verdict};
use portcullis_assurance::sheet::tidy;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::output::Output;
use super::super::server::{Server, text_of};
use super::{Import, good};
use crate::clock::system_clock;

/// What vendors of an import are known by, as long as nobody takes the label away.
const LABEL: &str = "imported-from";

/// Bytes of the manifests of one request: all of them or none is a promise for one request only.
const MANIFEST_BYTES_MAX: usize = 900 * 1024;
const REQUEST_BYTES_MAX: usize = 1_900 * 1024;

/// How often somebody who waits is told.
const TELL_EVERY_SECONDS: i64 = 2;

#[derive(Serialize)]
pub(super) struct Report<'a> {
    pub file: &'a str,
    pub sheet: &'a str,
    pub notes: &'a [String],
    #[serde(flatten)]
    pub judgement: &'a portcullis_assurance::intake::Judgement,
    pub applied: bool,
    /// First moment after the provisional admission.
    pub until: jiff::Timestamp,
    pub created: usize,
    pub admitted: usize,
    /// How many of those have which access now.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub access: BTreeMap<&'static str, usize>,
    /// Vendors of an earlier import that broke off.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finished: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_admitted: Vec<String>,
}

impl Report<'_> {
    pub(super) fn failed(&self) -> bool {
        !self.not_admitted.is_empty()
    }
}

/// Vendors that an import has declared and nobody has looked at since: neither admitted nor assessed. Whoever was
/// admitted once and isn't now, isn't admitted again by a file.
pub(super) async fn unfinished(
    server: &Server,
    import: &Import,
    known: &[ResourceView],
) -> Result<Vec<(String, Option<String>)>> {
    let mut unfinished = Vec::new();
    for judged in &import.judgement.rows {
        let Some(view) = there(judged).and_then(|name| known.iter().find(|view| view.name == name)) else {
            continue;
        };
        if !view.labels.contains_key(LABEL) {
            continue;
        }
        let dossier: DossierView = server.get(&["v1", "vendors", &view.name, "dossier"]).await?;
        if dossier.version == 0 && dossier.admission == Admission::No {
            let owner = Some(text_of(&view.spec, "owner").to_owned()).filter(|owner| !owner.is_empty());
            unfinished.push((view.name.clone(), owner));
        }
    }
    unfinished.dedup();
    Ok(unfinished)
}

fn there(judged: &Judged) -> Option<&str> {
    match &judged.verdict {
        Verdict::There { vendor, .. } => Some(vendor),
        _ => None,
    }
}

/// The server says what it would say; nothing is changed.
pub(super) async fn rehearse<'a>(
    server: &Server,
    import: &'a Import,
    unfinished: Vec<(String, Option<String>)>,
) -> Result<Report<'a>> {
    let manifests = manifests(import)?;
    if !manifests.is_empty() {
        let request = ApplyRequest { manifests, dry_run: true };
        let _: (_, ApplyReport) = server.post(&["v1", "diff"], &request).await?;
    }
    Ok(report(import, unfinished))
}

pub(super) async fn apply<'a>(
    server: &Server,
    out: &Output,
    import: &'a Import,
    unfinished: Vec<(String, Option<String>)>,
) -> Result<Report<'a>> {
    let manifests = manifests(import)?;
    let mut report = report(import, unfinished.clone());
    report.applied = true;
    if !manifests.is_empty() {
        let request = ApplyRequest { manifests, dry_run: false };
        let (_, answer): (_, ApplyReport) = server.post(&["v1", "apply"], &request).await?;
        report.created = answer.changes.len();
        for gate in &answer.gates_behind {
            out.note(&format!("note: gate `{gate}` has not confirmed yet that it decides by this"));
        }
    }
    let new = good(import).map(|vendor| (vendor.name.clone(), owner(import, vendor)));
    let waiting: Vec<(String, Option<String>)> = new.chain(unfinished).collect();
    let mut told = system_clock().now();
    for (at, (name, owner)) in waiting.iter().enumerate() {
        if system_clock().now().duration_since(told).as_secs() >= TELL_EVERY_SECONDS {
            out.note(&format!("admitted {at} of {} vendors", waiting.len()));
            told = system_clock().now();
        }
        let request = admission(import, owner.as_deref());
        let path = ["v1", "vendors", name.as_str(), "dossier"];
        match server.post(&path, &request).await {
            Ok((_, answer)) => {
                let answer: DossierAnswer = answer;
                report.admitted += 1;
                *report.access.entry(answer.dossier.access.as_str()).or_default() += 1;
            }
            Err(error) => report.not_admitted.push(format!("{name}: {}", one_line(&error))),
        }
    }
    Ok(report)
}

fn report(import: &Import, unfinished: Vec<(String, Option<String>)>) -> Report<'_> {
    Report {
        file: &import.file,
        sheet: &import.sheet.name,
        notes: &import.sheet.notes,
        judgement: &import.judgement,
        applied: false,
        until: import.until,
        created: 0,
        admitted: 0,
        access: BTreeMap::new(),
        finished: unfinished.into_iter().map(|(name, _)| name).collect(),
        not_admitted: Vec::new(),
    }
}

fn one_line(error: &anyhow::Error) -> String {
    let (message, _) = super::super::failure::chain(error);
    tidy(&message)
}

fn owner(import: &Import, vendor: &Candidate) -> Option<String> {
    vendor.owner.clone().or_else(|| import.owner.clone())
}

/// In force from now on, with every step to be gone through until it ends.
fn admission(import: &Import, owner: Option<&str>) -> DossierRequest {
    let due = date_of(import.until - jiff::SignedDuration::from_micros(1));
    let admitted = json!({ "change": "admitted_provisionally", "until": import.until });
    let steps = Step::ALL
        .into_iter()
        .map(|step| json!({ "change": "step_assigned", "step": step, "owner": owner, "due": due }));
    DossierRequest { changes: std::iter::once(admitted).chain(steps).collect(), dry_run: false }
}

/// The manifests of all good rows, parted only where one file would be too long.
fn manifests(import: &Import) -> Result<Vec<ManifestText>> {
    let mut texts: Vec<String> = Vec::new();
    for vendor in good(import) {
        let mut documents = vec![vendor_manifest(import, vendor)];
        documents.extend(contract_manifest(import, vendor));
        for document in documents {
            let text = serde_json::to_string(&document).context("can't write a manifest")?;
            match texts.last_mut().filter(|texts| texts.len() + text.len() < MANIFEST_BYTES_MAX) {
                Some(texts) => {
                    texts.push_str("\n---\n");
                    texts.push_str(&text);
                }
                None => texts.push(text),
            }
        }
    }
    if texts.iter().map(String::len).sum::<usize>() > REQUEST_BYTES_MAX {
        return Err(anyhow!(
            "the good rows are too much for one request\nhint: part the file; what was taken is known when the rest follows"
        ));
    }
    let named = |(at, text)| ManifestText { file: format!("import-{at}.json"), text };
    Ok((1..).zip(texts).map(named).collect())
}

fn vendor_manifest(import: &Import, vendor: &Candidate) -> Value {
    let mut spec = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty()) {
            spec.insert(name.to_owned(), value);
        }
    };
    let entity = &vendor.entity;
    put("legal_name", json!(entity.legal_name));
    put("jurisdiction", json!(entity.jurisdiction));
    put("registry_number", json!(entity.registry_number));
    put("lei", json!(entity.lei));
    put("aliases", json!(entity.aliases));
    put("purpose", json!(vendor.purpose));
    put("business_unit", json!(vendor.business_unit));
    put("owner", json!(owner(import, vendor)));
    put("domains", json!(vendor.domains));
    let contacts: Vec<Value> = vendor
        .contacts
        .iter()
        .map(|contact| {
            let mut one = Map::from_iter([("name".to_owned(), json!(contact.name))]);
            one.extend(contact.email.as_ref().map(|email| ("email".to_owned(), json!(email))));
            one.extend(contact.phone.as_ref().map(|phone| ("phone".to_owned(), json!(phone))));
            Value::Object(one)
        })
        .collect();
    put("contacts", Value::Array(contacts));
    let mut labels = Map::from_iter([(LABEL.to_owned(), json!(label(&import.file)))]);
    if !vendor.data.is_empty() {
        let classes: Vec<&str> = vendor.data.iter().map(|class| class.name()).collect();
        labels.insert("data-classes".to_owned(), json!(classes.join(" ")));
    }
    labels.extend(vendor.records.map(|records| ("records".to_owned(), json!(records.to_string()))));
    json!({ "kind": "Vendor", "name": vendor.name, "labels": labels, "spec": spec })
}

fn contract_manifest(import: &Import, vendor: &Candidate) -> Option<Value> {
    let term = vendor.term?;
    let mut spec = json!({
        "vendor": vendor.name, "starts": term.starts, "ends": term.ends, "time_zone": import.time_zone,
    });
    if let (Some(reference), Some(members)) = (&vendor.reference, spec.as_object_mut()) {
        members.insert("reference".to_owned(), json!(reference));
    }
    Some(json!({ "kind": "Contract", "name": vendor.name, "spec": spec }))
}

/// The file's name without its folders.
fn label(file: &str) -> String {
    let name = std::path::Path::new(file).file_name().map(|name| name.to_string_lossy().into_owned());
    tidy(&name.unwrap_or_default()).chars().take(100).collect()
}
