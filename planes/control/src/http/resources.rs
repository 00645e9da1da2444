//! Declaring, listing and deleting resources; enrolling clients.

use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse as _;
use portcullis_api::apply::{ApplyReport, ApplyRequest};
use portcullis_api::enroll::{EnrollAnswer, EnrollRequest};
use portcullis_api::manifest::{self, ParsedDocument, SECRET_HINT, SECRET_REFUSED};
use portcullis_api::page::Page;
use portcullis_api::problem::{FaultView, Problem};
use portcullis_domain::command::{Fault, Refusal};
use portcullis_domain::spec::{ClientSpec, ClientTls, Declaration, Kind, Spec};
use portcullis_domain::state::Standing;
use serde_json::Value;

use super::prepare::prepare;
use super::read::{self, Json, Parameters};
use super::reply::{self, Refused, Reply, invalid, json, json_with_version, not_found};
use super::view;
use crate::control::Control;
use crate::error::ExecuteError;

pub async fn apply(State(control): State<Control>, Json(request): Json<ApplyRequest>) -> Reply {
    applied(&control, &request, request.dry_run).await.map(|report| json(StatusCode::OK, &report))
}

/// Whatever the body says, nothing changes.
pub async fn diff(State(control): State<Control>, Json(request): Json<ApplyRequest>) -> Reply {
    applied(&control, &request, true).await.map(|report| json(StatusCode::OK, &report))
}

async fn applied(control: &Control, request: &ApplyRequest, dry_run: bool) -> Result<ApplyReport, Refused> {
    let documents = parse(request)?;
    let declarations = documents.iter().map(|document| document.declaration.clone()).collect();
    let placed = |faults: &[Fault]| -> Refused {
        invalid(faults.iter().map(|fault| place(&documents, fault)).collect()).into()
    };
    let prepared =
        prepare(&control.state(), declarations, control.clock().now()).map_err(|faults| placed(&faults))?;
    match control.apply(prepared, dry_run).await {
        Err(ExecuteError::Refused(Refusal::Invalid(faults))) => Err(placed(&faults)),
        other => Ok(other?),
    }
}

fn parse(request: &ApplyRequest) -> Result<Vec<ParsedDocument>, Refused> {
    let (mut documents, mut faults) = (Vec::new(), Vec::<FaultView>::new());
    for file in &request.manifests {
        match manifest::parse(&file.file, &file.text) {
            Ok(parsed) => documents.extend(parsed),
            Err(errors) => faults.extend(errors.into_iter().map(FaultView::from)),
        }
    }
    if faults.is_empty() {
        return Ok(documents);
    }
    let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Err(Problem { faults, ..Problem::new(400, "manifests can't be read", shown.join("\n")) }.into())
}

/// The fault with its line, which is in the last document of that name: of two, the second is too much.
fn place(documents: &[ParsedDocument], fault: &Fault) -> FaultView {
    let meant = documents.iter().rev().find(|document| {
        document.declaration.spec.kind() == fault.kind && document.declaration.name == fault.name
    });
    match meant {
        Some(document) => document.fault(fault),
        None => FaultView { message: fault.to_string(), ..FaultView::default() },
    }
}

pub async fn list(
    State(control): State<Control>,
    Path(kind): Path<String>,
    RawQuery(query): RawQuery,
) -> Reply {
    let kind = kind_of(&kind)?;
    let mut parameters = Parameters::new(query.as_deref())?;
    let limit = parameters.limit()? as usize;
    let cursor = parameters.take("cursor");
    parameters.finish()?;
    let state = control.state();
    let mut rest = state
        .of_kind(kind)
        .filter(|(name, _)| cursor.as_ref().is_none_or(|cursor| *name > cursor.as_str()))
        .map(|(name, resource)| view::resource(&control, &state, name, resource));
    let items: Vec<_> = rest.by_ref().take(limit).collect();
    let next = rest.next().and_then(|_| items.last().map(|last| last.name.clone()));
    Ok(json(StatusCode::OK, &Page { items, next }))
}

pub async fn show(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Reply {
    let kind = kind_of(&kind)?;
    let state = control.state();
    let resource = state.resource(kind, &name).ok_or_else(|| missing(kind, &name))?;
    let unchanged = headers.get(IF_NONE_MATCH).is_some_and(|tags| names(tags, resource.version));
    let mut response =
        json_with_version(&view::resource(&control, &state, &name, resource), resource.version);
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
    }
    Ok(response)
}

pub async fn delete(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Reply {
    let kind = kind_of(&kind)?;
    let mut parameters = Parameters::new(query.as_deref())?;
    let dry_run = parameters.parsed("dry_run", "`true` or `false`")?.unwrap_or(false);
    parameters.finish()?;
    let version = control.state().resource(kind, &name).map(|resource| resource.version);
    let version = version.ok_or_else(|| missing(kind, &name))?;
    if headers.get(IF_MATCH).is_some_and(|tags| !names(tags, version)) {
        let detail = format!("{kind} `{name}` has version {version} by now");
        return Err(Problem::new(412, "the resource has changed", detail).hint("look at it again").into());
    }
    Ok(json(StatusCode::OK, &control.delete(kind, &name, dry_run).await?))
}

/// Whether a list of entity tags (RFC 9110 §8.8.3) names this version.
fn names(tags: &HeaderValue, version: u64) -> bool {
    let wanted = reply::etag(version);
    tags.to_str().is_ok_and(|tags| {
        tags.split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == wanted)
    })
}

pub async fn enroll(State(control): State<Control>, Json(body): Json<Value>) -> Reply {
    if let Some(members) = body.as_object()
        && members.keys().any(|name| manifest::is_secret_name(name))
    {
        return Err(Problem::new(400, "no secrets", SECRET_REFUSED).hint(SECRET_HINT).into());
    }
    let request: EnrollRequest = read::read(&Bytes::from(body.to_string()))?;
    let EnrollRequest { name, integration, labels, jwks, certificates, subject, assertion_audience } =
        request;
    if control.state().resource(Kind::Client, &name).is_some() {
        let detail = format!("client `{name}` is enrolled already");
        let hint = "choose another name, or change its keys by `portcullis apply`";
        return Err(Problem::new(409, "the name is taken", detail).hint(hint).into());
    }
    let spec = ClientSpec {
        integration,
        jwks,
        certificates,
        subject,
        assertion_audience,
        tls: ClientTls::default(),
        key_exportable: None,
    };
    let declaration = Declaration { name: name.clone(), labels, spec: Spec::Client(spec) };
    let prepared = prepare(&control.state(), vec![declaration], control.clock().now())
        .map_err(|faults| Refused::from(Refusal::Invalid(faults)))?;
    let report = control.apply(prepared, false).await?;
    let state = control.state();
    let standing = state.standing(&name).ok_or_else(|| missing(Kind::Client, &name))?;
    Ok(json(StatusCode::CREATED, &enrolled(&control, &state, &standing, report)))
}

fn enrolled(
    control: &Control,
    state: &portcullis_domain::state::State,
    standing: &Standing<'_>,
    report: ApplyReport,
) -> EnrollAnswer {
    let ways = standing.client_spec.authentication();
    let word = |way| serde_json::to_value(way).ok().and_then(|word| word.as_str().map(str::to_owned));
    EnrollAnswer {
        client: view::resource(control, state, &standing.client.declaration.name, standing.client),
        issuer: state.installation.as_ref().map(|known| known.issuer.clone()).unwrap_or_default(),
        authentication: ways.into_iter().filter_map(word).collect(),
        scopes: standing.integration_spec.scopes.clone(),
        ledger_size: report.ledger_size,
    }
}

fn missing(kind: Kind, name: &str) -> Refused {
    not_found(format!("there is no {kind} `{}`", name.chars().take(80).collect::<String>()))
}

fn kind_of(word: &str) -> Result<Kind, Refused> {
    Kind::from_word(word).ok_or_else(|| {
        let known: Vec<String> =
            Kind::ALL.iter().map(|kind| format!("`{}`", kind.as_str().to_lowercase())).collect();
        let word: String = word.chars().take(60).collect();
        Problem::new(404, "not found", format!("`{word}` is not a kind"))
            .hint(format!("known kinds: {}", known.join(", ")))
            .into()
    })
}

/// The JSON Schema of a kind; it is public.
pub async fn schema(Path(file): Path<String>) -> Response<Body> {
    let kind = file.strip_suffix(".json").ok_or_else(|| not_found("schemas are at `/schemas/KIND.json`"));
    match kind.and_then(kind_of) {
        Ok(kind) => {
            let mut response = json(StatusCode::OK, &portcullis_api::schema::schema(kind));
            let media = HeaderValue::from_static("application/schema+json");
            response.headers_mut().insert(CONTENT_TYPE, media);
            response
        }
        Err(refused) => refused.into_response(),
    }
}
