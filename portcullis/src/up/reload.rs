//! Reading settings, certificates and identities anew, while everything serves on.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use jiff::Timestamp;
use portcullis_api::problem::Problem;
use portcullis_api::reload::ReloadAnswer;
use portcullis_control::assurance::calendar::CalendarKey;
use portcullis_control::feeds::Intel;
use portcullis_control::metrics::write_metric;
use portcullis_control::process::{MetricsAccess, Process, Webhooks};
use portcullis_gate::{GateSettings, Reloads, Strangers, TlsMaterial};
use rustls::ServerConfig;
use serde_json::Value;
use tokio::sync::{Mutex, watch};

use super::authority::BuiltIn;
use super::checks::{Surroundings, checks};
use super::posting::Postings;
use super::serve::server_config;
use crate::cli::failure::chain;
use crate::pki::Keys;
use crate::settings::Settings;

/// What a reload reads, and what it replaces.
pub struct Reloader {
    settings_path: PathBuf,
    keys: Keys,
    gate: Reloads,
    control: watch::Sender<Arc<ServerConfig>>,
    /// Names and addresses that the servers' certificates hold.
    hosts: Vec<String>,
    /// One reload at a time; with what the last one read.
    last: Mutex<Last>,
}

struct Last {
    settings: Settings,
    control: TlsMaterial,
}

impl Reloader {
    /// `settings` as the file held them at the start.
    pub fn new(
        settings_path: PathBuf,
        settings: Settings,
        keys: Keys,
        gate: Reloads,
        control: watch::Sender<Arc<ServerConfig>>,
        hosts: Vec<String>,
    ) -> Result<Self> {
        let last = Mutex::new(Last { settings, control: keys.server("control")? });
        Ok(Self { settings_path, keys, gate, control, hosts, last })
    }

    /// Makes a server's certificate anew, and puts it to use; connections that stand are not touched.
    pub async fn renew(&self, server: &str, now: Timestamp) -> Result<ReloadAnswer> {
        let days = self.last.lock().await.settings.keys.certificate_days;
        self.keys.renew_server(server, &self.hosts, days, now)?;
        self.reload().await
    }

    /// Makes those of the servers' certificates anew that have less than a third of their life left.
    pub async fn renew_due(&self, now: Timestamp) -> Result<Option<ReloadAnswer>> {
        let days = self.last.lock().await.settings.keys.certificate_days;
        if self.keys.renew_servers(&self.hosts, days, now)?.is_empty() {
            return Ok(None);
        }
        self.reload().await.map(Some)
    }

    /// Puts to use what the files hold now: all of it, or nothing. Connections that stand are not touched.
    pub async fn reload(&self) -> Result<ReloadAnswer> {
        let mut last = self.last.lock().await;
        let path = self.settings_path.display();
        let settings = Settings::read(&self.settings_path)?
            .ok_or_else(|| anyhow!("`{path}` is gone\nhint: restore it from a backup"))?;
        let gate_tls = self.keys.server("gate")?;
        let prepared = self.gate.prepare(&gate_tls, settings.gate.clone()).with_context(|| match settings
            .gate
            .check()
        {
            Err(_) => format!("`{path}` can't be used"),
            Ok(()) => format!("`{}` and its key can't be used", self.keys.path("gate.crt").display()),
        })?;
        let control = self.keys.server("control")?;
        let config = server_config(&control).with_context(|| {
            format!("`{}` and its key can't be used", self.keys.path("control.crt").display())
        })?;
        // From here on nothing fails but the identities, which come first.
        let reloaded = self.gate.put_to_use(prepared).await?;
        let mut answer = ReloadAnswer::default();
        let changed = &mut answer.changed;
        if reloaded.tls {
            changed.push("the gate's TLS".to_owned());
        }
        if control != last.control {
            self.control.send_replace(config);
            changed.push("control's certificate".to_owned());
        }
        changed.extend(reloaded.identities.iter().map(|identity| format!("identity `{identity}`")));
        changed.extend(differences(&reloaded.settings_before, &settings.gate));
        let closed = reloaded.closed.iter();
        answer.notes = closed
            .map(|name| format!("upstream `{name}` stays closed: its identity can't be used"))
            .collect();
        if !settings.is_same_but_for_reloads(&last.settings) {
            answer.notes.push(format!("`{path}`: other members than `gate` are read at a start only"));
        }
        last.settings = Settings { gate: settings.gate, ..last.settings.clone() };
        last.control = control;
        Ok(answer)
    }
}

/// What control can ask of this process.
pub fn process(
    reloader: Arc<Reloader>,
    strangers: Arc<Strangers>,
    (metrics_access, calendar_key): (MetricsAccess, CalendarKey),
    (postings, webhooks): (Arc<Postings>, Arc<dyn Webhooks>),
    surroundings: Surroundings,
    authority: BuiltIn,
    intel: Arc<dyn Intel>,
) -> Process {
    let posted = Arc::clone(&postings);
    Process {
        reload: Box::new(move || {
            let reloader = Arc::clone(&reloader);
            Box::pin(async move {
                reloader.reload().await.map_err(|error| Box::new(problem("nothing was reloaded", &error)))
            })
        }),
        metrics: Box::new(move |text| {
            metrics(&strangers, text);
            postings.metrics(text);
        }),
        postings: Box::new(move || posted.status()),
        metrics_access,
        checks: checks(surroundings),
        intel: Some(intel),
        authority: Some(Arc::new(authority)),
        webhooks,
        calendar_key: Some(calendar_key),
    }
}

pub fn problem(title: &'static str, error: &anyhow::Error) -> Problem {
    let (detail, hint) = chain(error);
    let problem = Problem::new(422, title, detail);
    problem.hint(hint.unwrap_or_else(|| "put it right and try again; what was in use serves on".to_owned()))
}

fn metrics(strangers: &Strangers, text: &mut String) {
    let refused = strangers.refused().map(|(reason, count)| (vec![reason.code().to_owned()], count as f64));
    write_metric(text, "portcullis_strangers_refused_total", refused);
}

/// A line for each setting whose value is another.
fn differences(before: &GateSettings, after: &GateSettings) -> Vec<String> {
    let mut lines = Vec::new();
    let values = [before, after].map(|settings| serde_json::to_value(settings).unwrap_or_default());
    let [before, after] = &values;
    collect("gate", before, after, &mut lines);
    lines
}

fn collect(name: &str, before: &Value, after: &Value, lines: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (member, value) in after {
                collect(
                    &format!("{name}.{member}"),
                    before.get(member).unwrap_or(&Value::Null),
                    value,
                    lines,
                );
            }
        }
        _ if before == after => {}
        _ => lines.push(format!("setting `{name}`: {after}, before {before}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_that_differs_is_named() {
        let before = GateSettings::default();
        assert!(differences(&before, &before).is_empty());
        let mut after = before.clone();
        after.head_seconds = 7;
        after.http2.streams_max = 9;
        assert_eq!(
            differences(&before, &after),
            ["setting `gate.head_seconds`: 7, before 15", "setting `gate.http2.streams_max`: 9, before 128"]
        );
    }
}
