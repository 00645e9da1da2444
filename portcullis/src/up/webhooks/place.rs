//! One place that is told: where it is, how it knows us, and in which words.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use http::{HeaderName, HeaderValue, Method};
use portcullis_api::notify::WebhookView;
use portcullis_control::assurance::notice::{KINDS, Notice};
use portcullis_control::assurance::webhook::{Secrets, Template};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::machine::{authorities, http_builder};

/// For a whole answer.
const ANSWER: Duration = Duration::from_secs(30);
const HEADERS_MAX: usize = 32;
const SECRET_BYTES_MAX: usize = 16 << 10;

/// One of `webhooks` in `settings.json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// By which it is remembered what it was told: small letters, digits and hyphens.
    pub name: String,
    pub url: String,
    /// File with `whsec_` and base64, one secret a line; needed unless there is a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// Such as `stop.began` or `stop`; everything where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// PEM of the authority of its certificate, where the system doesn't know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// JSON with placeholders, sent in place of a CloudEvent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<PathBuf>,
    /// `POST` without a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Headers whose values are secret: files that hold them, read at each attempt.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub header_files: BTreeMap<String, PathBuf>,
}

pub(super) struct Place {
    pub name: String,
    pub events: Vec<String>,
    url: Url,
    http: reqwest::Client,
    method: Method,
    secret_file: Option<PathBuf>,
    template: Option<Template>,
    headers: Vec<(HeaderName, HeaderValue)>,
    header_files: Vec<(HeaderName, PathBuf)>,
    /// Of CloudEvents: who we are.
    source: String,
}

impl Place {
    pub fn of(settings: &WebhookSettings, source: &str) -> Result<Self> {
        let name = &settings.name;
        Self::read(settings, source).with_context(|| format!("webhook `{name}` of `settings.json`"))
    }

    fn read(settings: &WebhookSettings, source: &str) -> Result<Self> {
        let WebhookSettings { name, url, secret_file, events, ca, template, method, headers, header_files } =
            settings;
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 63 || !name.bytes().all(letter) {
            bail!("that is no name\nhint: up to 63 small letters, digits and hyphens");
        }
        for wanted in events {
            check_event(wanted)?;
        }
        if secret_file.is_none() && template.is_none() {
            bail!(
                "it has no `secret_file`\nhint: without one nobody knows who sends: `echo whsec_$(openssl rand -base64 32) > FILE`"
            );
        }
        if headers.len() + header_files.len() > HEADERS_MAX {
            bail!("it has more than {HEADERS_MAX} headers");
        }
        if let Some(path) = secret_file {
            secrets(path)?;
        }
        let trusted = match ca {
            Some(path) => {
                authorities(&fs::read(path).with_context(|| format!("can't read `{}`", path.display()))?)?
            }
            None => Vec::new(),
        };
        let header = |name: &String| {
            let header: HeaderName = name.parse().map_err(|_| anyhow!("`{name}` is no name of a header"))?;
            let ours = header.as_str().starts_with("webhook-")
                || matches!(header.as_str(), "content-length" | "host" | "transfer-encoding");
            if ours { Err(anyhow!("header `{name}` is set by itself")) } else { Ok(header) }
        };
        let value = |value: &String| {
            value.parse::<HeaderValue>().map_err(|_| anyhow!("`{value}` is no value of a header"))
        };
        let method = method.as_deref().unwrap_or("POST");
        Ok(Self {
            name: name.clone(),
            events: events.clone(),
            url: address(url)?,
            http: http_builder(&trusted, None)
                .timeout(ANSWER)
                .redirect(reqwest::redirect::Policy::none())
                .build()?,
            method: match method {
                "POST" => Method::POST,
                "PUT" => Method::PUT,
                "PATCH" => Method::PATCH,
                other => bail!("`{other}` is no method for it\nhint: write POST, PUT or PATCH"),
            },
            secret_file: secret_file.clone(),
            template: template.as_ref().map(|path| read_template(path)).transpose()?,
            headers: headers
                .iter()
                .map(|(name, text)| Ok((header(name)?, value(text)?)))
                .collect::<Result<_>>()?,
            header_files: header_files
                .iter()
                .map(|(name, path)| Ok((header(name)?, path.clone())))
                .collect::<Result<_>>()?,
            source: source.to_owned(),
        })
    }

    pub fn view(&self) -> WebhookView {
        WebhookView {
            name: self.name.clone(),
            to: self.url.origin().ascii_serialization(),
            events: self.events.clone(),
            template: self.template.is_some(),
            ..WebhookView::default()
        }
    }

    /// Sends it once; it was taken where the answer is a success.
    pub async fn send(&self, notice: &Notice, seconds: i64) -> Result<()> {
        let (media, body) = match &self.template {
            None => ("application/cloudevents+json; charset=utf-8", notice.cloud_event(&self.source)),
            Some(template) => ("application/json", template.render(notice)),
        };
        let body = serde_json::to_vec(&body)?;
        let mut request =
            self.http.request(self.method.clone(), self.url.clone()).header("content-type", media);
        if let Some(path) = &self.secret_file {
            // Read at each attempt: a secret is replaced while all runs on.
            let signature = secrets(path)?.sign(&notice.id, seconds, &body);
            request = request
                .header("webhook-id", &notice.id)
                .header("webhook-timestamp", seconds)
                .header("webhook-signature", signature);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (name, path) in &self.header_files {
            let text = small(path)?;
            let mut value: HeaderValue = text
                .trim()
                .parse()
                .map_err(|_| anyhow!("`{}` holds no value of a header", path.display()))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let response = request.body(body).send().await.map_err(reqwest::Error::without_url)?;
        let status = response.status();
        if !status.is_success() {
            bail!("it answered {status}");
        }
        Ok(())
    }
}

fn address(text: &str) -> Result<Url> {
    let url = Url::parse(text).ok().filter(|url| {
        let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        url.scheme() == "https" || (url.scheme() == "http" && here)
    });
    url.ok_or_else(|| {
        anyhow!(
            "its `url` is none for a webhook\nhint: write `https://…`; plain `http` only goes to this machine"
        )
    })
}

fn check_event(wanted: &str) -> Result<()> {
    let group = wanted.strip_suffix(".*").unwrap_or(wanted);
    let known = wanted == "*"
        || wanted.starts_with("dossier.")
        || KINDS.iter().any(|kind| *kind == wanted || kind.split('.').next() == Some(group));
    if known {
        return Ok(());
    }
    bail!("there are no events `{wanted}`\nhint: there are {}", KINDS.join(", "))
}

fn secrets(path: &Path) -> Result<Secrets> {
    Secrets::parse(&small(path)?).with_context(|| format!("`{}`", path.display()))
}

fn read_template(path: &Path) -> Result<Template> {
    let text = fs::read_to_string(path).with_context(|| format!("can't read `{}`", path.display()))?;
    Template::parse(&text).with_context(|| format!("`{}`", path.display()))
}

fn small(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("can't read `{}`", path.display()))?;
    if text.len() > SECRET_BYTES_MAX {
        bail!("`{}` has more than {SECRET_BYTES_MAX} bytes", path.display());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_can_never_work_are_refused_with_a_reason() {
        let world = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = world.path().join(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let secret = file("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
        let short = file("short", "whsec_AAAA\n");
        let template = file("template", r#"{"text": "{{title}}"}"#);
        let wrong = file("wrong", r#"{"text": "{{titel}}"}"#);
        let check = |text: String, words: Option<&str>| {
            let read = serde_json::from_str::<WebhookSettings>(&text);
            let outcome = read
                .map_err(anyhow::Error::from)
                .and_then(|settings| Place::of(&settings, "https://us.example"));
            let error = outcome.err().map(|error| format!("{error:#}"));
            match words {
                None => assert_eq!(error, None, "{text}"),
                Some(words) => {
                    assert!(error.as_ref().is_some_and(|error| error.contains(words)), "{text}: {error:?}")
                }
            }
        };
        let with = |rest: &str| format!(r#"{{"name": "desk", "url": "https://a.example/x", {rest}}}"#);
        let signed = format!(r#""secret_file": "{secret}""#);
        check(with(&signed), None);
        check(with(&format!(r#"{signed}, "events": ["stop", "task.due", "dossier.admitted", "*"]"#)), None);
        check(with(&format!(r#""template": "{template}", "method": "PUT""#)), None);
        check(with(&format!(r#"{signed}, "events": ["stops"]"#)), Some("no events `stops`"));
        check(with(&format!(r#"{signed}, "method": "GET""#)), Some("no method"));
        check(with(&format!(r#"{signed}, "headers": {{"webhook-id": "x"}}"#)), Some("by itself"));
        check(with(&format!(r#""secret_file": "{short}""#)), Some("3 bytes"));
        check(with(&format!(r#""template": "{wrong}""#)), Some("titel"));
        check(with(r#""events": []"#), Some("no `secret_file`"));
        check(format!(r#"{{"name": "a/b", "url": "https://a.example/", {signed}}}"#), Some("no name"));
        check(format!(r#"{{"name": "a", "url": "http://a.example/", {signed}}}"#), Some("plain `http`"));
        check(format!(r#"{{"name": "a", "url": "http://127.0.0.1:1/", {signed}}}"#), None);
    }
}
