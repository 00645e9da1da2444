//! The task that fetches: what is due, one after another and side by side.

use std::sync::Arc;
use std::time::Duration;

use portcullis_domain::command::Command;
use portcullis_domain::event::ExternalKeys;
use portcullis_domain::ids::IssuerId;
use portcullis_policy::link::ToGate;
use portcullis_tokens::external_keys::PUBLISHED_BYTES_MAX;
use serde_json::Value;

use super::read::{Read, read};
use super::{Fetch, From, Place, Wanted};
use crate::control::Control;
use crate::projection::issuers::good_until;

/// How often it is looked whose turn it is.
const BEAT: Duration = Duration::from_secs(1);
const DISCOVERY_BYTES_MAX: usize = 64 * 1024;

impl Control {
    /// Has the keys of issuers and trust domains fetched from now on, until control is gone. Without
    /// it, only keys that manifests give are ever known.
    pub fn fetch_with(&self, fetch: Fetch) {
        let (control, runtime) = (self.weak(), self.runtime_handle());
        runtime.spawn(async move {
            let mut beat = tokio::time::interval(BEAT);
            beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                beat.tick().await;
                let Some(control) = control.upgrade() else { return };
                for place in control.issuers().due(&control.state(), control.clock().now()) {
                    let (control, fetch) = (control.clone(), Arc::clone(&fetch));
                    tokio::spawn(async move { control.fetch_keys(&fetch, place).await });
                }
            }
        });
    }

    async fn fetch_keys(&self, fetch: &Fetch, place: Place) {
        let outcome = match published(fetch, &place, self).await {
            Ok(Read { keys, left_out }) => self.keep(&place, keys).await.map(|()| left_out),
            Err(error) => Err(error),
        };
        let now = self.clock().now();
        if let Err(error) = &outcome {
            tracing::warn!(issuer = %place.id, error, "the keys of an issuer can't be fetched");
        }
        let mut jitter = [0];
        (self.entropy())(&mut jitter);
        let good = outcome.is_ok();
        self.issuers().tried(&place, outcome, now, jitter[0]);
        if good {
            let good_until_seconds = good_until(now, place.stale_seconds);
            let issuer = IssuerId(place.id);
            self.tell_gates(ToGate::IssuerFresh { issuer, good_until_seconds }).await;
        }
    }

    /// Puts changed keys on record. What isn't on record isn't used.
    async fn keep(&self, place: &Place, keys: ExternalKeys) -> Result<(), String> {
        let origin = place.origin.clone();
        let command = Command::ChangeIssuerKeys { issuer: place.id, origin, keys: keys.clone() };
        self.execute(command).await.map_err(|error| format!("the ledger can't take its keys: {error}"))?;
        match self.state().issuer_keys.get(&place.id) {
            Some(known) if known.keys == keys => Ok(()),
            _ => Err("its keys changed twice within a minute: the newer ones wait".to_owned()),
        }
    }
}

async fn published(fetch: &Fetch, place: &Place, control: &Control) -> Result<Read, String> {
    let url = match &place.from {
        From::At(url) => url.clone(),
        From::Discovered(issuer) => discovered(fetch, place, issuer).await?,
    };
    let text = get(fetch, place, url, PUBLISHED_BYTES_MAX).await?;
    read(&text, place.form, Some(control.clock().now())).map_err(|error| {
        let text = error.to_string();
        text.split("\nhint: ").next().unwrap_or_default().to_owned()
    })
}

async fn get(fetch: &Fetch, place: &Place, url: String, bytes_max: usize) -> Result<Vec<u8>, String> {
    let certificate_authority = place.certificate_authority.clone();
    let shown = url.clone();
    let wanted = Wanted { url, certificate_authority, bytes_max };
    fetch(wanted).await.map_err(|error| format!("`{shown}`: {error}"))
}

/// `jwks_uri` by OpenID Connect Discovery, section 4, or RFC 8414, section 3.
async fn discovered(fetch: &Fetch, place: &Place, issuer: &str) -> Result<String, String> {
    let base = issuer.trim_end_matches('/');
    let first = get(fetch, place, format!("{base}/.well-known/openid-configuration"), DISCOVERY_BYTES_MAX);
    let (document, error) = match first.await {
        Ok(document) => (document, None),
        Err(error) => {
            let url = oauth_metadata(base).ok_or_else(|| error.clone())?;
            match get(fetch, place, url, DISCOVERY_BYTES_MAX).await {
                Ok(document) => (document, Some(error)),
                Err(_) => return Err(error),
            }
        }
    };
    jwks_uri(&document, issuer)
        .map_err(|found| error.map_or(found.clone(), |first| format!("{found}; {first}")))
}

/// The path of an issuer comes behind the well-known one.
fn oauth_metadata(base: &str) -> Option<String> {
    let rest = base.strip_prefix("https://")?;
    let (host, path) =
        rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
    Some(format!("https://{host}/.well-known/oauth-authorization-server{path}"))
}

/// Both documents say whose they are; keys of another host must be declared by a person.
pub(super) fn jwks_uri(document: &[u8], issuer: &str) -> Result<String, String> {
    let document: Value =
        serde_json::from_slice(document).map_err(|_| "the discovery document isn't JSON".to_owned())?;
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("issuer") != issuer {
        return Err(format!("the discovery document is of issuer `{}`", shown(text("issuer"))));
    }
    let uri = text("jwks_uri");
    let host = |url: &str| {
        let rest = url.strip_prefix("https://")?;
        Some(rest.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase())
    };
    match (host(uri), host(issuer)) {
        (Some(keys), Some(own)) if keys == own && !keys.contains('@') => Ok(uri.to_owned()),
        _ => Err(format!(
            "the discovery document has its keys at `{}`, which is another host; declare `jwks_uri`",
            shown(uri)
        )),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(120).flat_map(char::escape_debug).collect()
}
