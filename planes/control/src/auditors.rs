//! Registered auditors: their keys as cryptography reads them, and what a signature by one of them says.

use portcullis_api::auditors::{AuditorKeyView, AuditorRequest, AuditorView};
use portcullis_assurance::evidence::{Proof, ProofOutcome};
use portcullis_assurance::names::{HOLDS, compare};
use portcullis_domain::auditor::Auditor;
use portcullis_domain::event::{KeyForm, PublicKey};
use portcullis_domain::state::State;
use portcullis_proof::auditor::KeyError;
use portcullis_proof::certificate::RootsError;
use portcullis_proof::{AuditorKey, Roots};
use portcullis_tokens::json;
use portcullis_tokens::jwk::KEY_BYTES_MAX;
use serde_json::{Value, json};

use crate::severing::operator_name;

/// The longest JWK Set that is read.
const SET_BYTES_MAX: usize = 16 * KEY_BYTES_MAX;

/// Why something isn't an auditor's key or root. Nothing was registered.
#[derive(Debug, thiserror::Error)]
pub enum UnreadKey {
    #[error("the key can't be read: {0}\nhint: give a JWK or a JWK Set, as JSON")]
    Json(String),
    #[error("the JWK Set has {bytes} bytes\nhint: at most {SET_BYTES_MAX} are read")]
    TooLong { bytes: usize },
    #[error("the key can't be used: {0}")]
    Key(#[from] KeyError),
    #[error("the roots can't be used: {0}")]
    Roots(#[from] RootsError),
}

/// What a request would register, with thumbprints.
///
/// # Errors
/// The first key or root that can't be read, or isn't public.
pub fn read(request: &AuditorRequest) -> Result<Vec<PublicKey>, UnreadKey> {
    let mut found = Vec::new();
    for text in &request.keys {
        for text in keys_of(text)? {
            let key = AuditorKey::parse(&request.name, &text)?;
            let public = serde_json::from_str(&text).map_err(|error| UnreadKey::Json(error.to_string()))?;
            let thumbprint = key.thumbprint().to_owned();
            found.push(PublicKey { thumbprint, form: KeyForm::Jwk, public });
        }
    }
    if let Some(pem) = &request.roots {
        let roots = Roots::parse(pem.as_bytes())?.facts().into_iter();
        found.extend(roots.map(|root| PublicKey {
            thumbprint: root.thumbprint,
            form: KeyForm::Certificate,
            public: Value::String(root.pem),
        }));
    }
    Ok(found)
}

/// A key, or those of a set, each as a text of its own.
fn keys_of(text: &str) -> Result<Vec<String>, UnreadKey> {
    if text.len() > SET_BYTES_MAX {
        return Err(UnreadKey::TooLong { bytes: text.len() });
    }
    let members = json::object(text.as_bytes()).map_err(|error| UnreadKey::Json(error.to_string()))?;
    Ok(match members.get("keys").and_then(Value::as_array) {
        Some(keys) => keys.iter().map(Value::to_string).collect(),
        None => vec![text.to_owned()],
    })
}

/// Everybody whose signatures count now.
pub fn trusted(state: &State) -> (Vec<AuditorKey>, Roots) {
    let (mut keys, mut roots) = (Vec::new(), Roots::default());
    for (name, auditor) in &state.auditors {
        for known in &auditor.keys {
            let PublicKey { thumbprint, form, public } = &known.key;
            // What was read once is read again; if it weren't, the signature would have an unknown signer.
            let read = match form {
                KeyForm::Jwk => AuditorKey::parse(name, &public.to_string())
                    .map(|key| keys.push(key.registered()))
                    .map_err(|error| error.to_string()),
                KeyForm::Certificate => Roots::parse(public.as_str().unwrap_or_default().as_bytes())
                    .map(|root| roots.add(root.of_auditor(name)))
                    .map_err(|error| error.to_string()),
            };
            if let Err(error) = read {
                tracing::error!(error, thumbprint, "a registered key of an auditor can't be read");
            }
        }
    }
    (keys, roots)
}

/// Whoever has signed is the issuer; where the evidence names another one, nobody known stands behind its word.
pub fn settle_issuer(evidence: &mut Value, proof: &mut Proof) {
    let (Some(auditor), ProofOutcome::Valid) = (&proof.auditor, proof.outcome) else { return };
    let Some(members) = evidence.as_object_mut() else { return };
    let Some(issuer) = members.get("issuer") else {
        members.insert("issuer".to_owned(), json!(auditor));
        return;
    };
    let issuer = issuer.as_str().unwrap_or_default();
    if compare(issuer, auditor).score_thousandths < HOLDS {
        let issuer: String = issuer.chars().take(200).collect();
        proof.detail = format!("signed by `{auditor}`, who isn't the issuer that it names: `{issuer}`");
        proof.outcome = ProofOutcome::UnknownSigner;
    }
}

pub fn views(state: &State) -> Vec<AuditorView> {
    state.auditors.iter().map(|(name, auditor)| view(state, name, auditor)).collect()
}

pub fn view(state: &State, name: &str, auditor: &Auditor) -> AuditorView {
    let keys = auditor.keys.iter().map(|known| {
        let PublicKey { thumbprint, form, public } = &known.key;
        let (about, ends) = match form {
            KeyForm::Jwk => (about_key(public), None),
            KeyForm::Certificate => {
                let root = Roots::parse(public.as_str().unwrap_or_default().as_bytes()).unwrap_or_default();
                let facts = root.facts().into_iter().next();
                facts.map_or_else(Default::default, |facts| (facts.subject, facts.not_after))
            }
        };
        AuditorKeyView {
            form: *form,
            thumbprint: thumbprint.clone(),
            about,
            ends,
            by: operator_name(state, known.by),
            since: known.since,
        }
    });
    AuditorView { name: name.to_owned(), keys: keys.collect() }
}

fn about_key(public: &Value) -> String {
    let member = |name: &str| public.get(name).and_then(Value::as_str);
    let kind = member("crv").or_else(|| member("kty")).unwrap_or_default();
    match member("kid") {
        Some(kid) => format!("{kind}, `{}`", json::shown(kid)),
        None => kind.to_owned(),
    }
}
