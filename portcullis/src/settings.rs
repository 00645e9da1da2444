//! What an installation keeps from its first start on, its public address and its names, and what
//! its owner sets.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jiff::SignedDuration;
use portcullis_control::assurance::sources::SourceSettings;
use portcullis_control::control::DocumentRetention;
use portcullis_control::incidents::IncidentSettings;
use portcullis_control::sealing::SealingSettings;
use portcullis_domain::state::signing_keys::SigningPlan;
use portcullis_gate::GateSettings;
use portcullis_incident::telling::OurContact;
use serde::{Deserialize, Serialize};

use crate::up::{CheckpointSettings, OnCallStep, SmtpSettings, WebhookSettings};

/// `settings.json` of a data directory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where vendors reach the gate; the issuer of tokens.
    pub public_url: String,
    pub listen_gate: SocketAddr,
    pub listen_control: SocketAddr,
    /// Identity of the ledger in its checkpoints.
    pub ledger_origin: String,
    /// How strangers are met; the part that a reload reads anew.
    #[serde(default, skip_serializing_if = "is_default")]
    pub gate: GateSettings,
    /// Where checkpoints of the ledger go.
    #[serde(default, skip_serializing_if = "is_default")]
    pub checkpoints: CheckpointSettings,
    #[serde(default, skip_serializing_if = "is_default")]
    pub metrics: MetricsSettings,
    /// How long keys live.
    #[serde(default, skip_serializing_if = "is_default")]
    pub keys: KeySettings,
    #[serde(default, skip_serializing_if = "is_default")]
    pub drain: DrainSettings,
    /// When decisions are sealed, and how fast.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sealing: SealingSettings,
    /// Who is told of what happens.
    #[serde(default, skip_serializing_if = "is_default")]
    pub webhooks: Vec<WebhookSettings>,
    /// Socket of the enforcer, which cuts tunnels and networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcer: Option<PathBuf>,
    /// Who is called, step by step, until somebody answers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_call: Vec<OnCallStep>,
    /// The server that takes mail.
    #[serde(default, skip_serializing_if = "is_default")]
    pub smtp: Option<SmtpSettings>,
    /// Whether vendors' contacts are told by mail of what was closed and opened of theirs.
    #[serde(default = "yes", skip_serializing_if = "bool::clone")]
    pub tell_vendors: bool,
    /// Whom vendors call.
    #[serde(default, skip_serializing_if = "is_default")]
    pub contact: Option<OurContact>,
    /// Registers, lists and catalogues that vendors are looked up in.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sources: Vec<SourceSettings>,
    /// When the kill drill runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kill_drill: crate::canary::DrillSettings,
    /// Whose clocks run in incidents.
    #[serde(default, skip_serializing_if = "is_default")]
    pub incidents: IncidentSettings,
    /// How long documents of evidence are kept.
    #[serde(default, skip_serializing_if = "is_default")]
    pub documents: DocumentRetention,
}

/// How a stop goes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DrainSettings {
    /// How long `/readyz` says 503 while everything is served, so that balancers stop sending; at most 300.
    pub notice_seconds: u16,
    /// How long requests under way may then take to end; at most 3600.
    pub seconds: u16,
}

impl Default for DrainSettings {
    fn default() -> Self {
        Self { notice_seconds: 0, seconds: 10 }
    }
}

impl DrainSettings {
    pub fn notice(&self) -> Duration {
        Duration::from_secs(self.notice_seconds.min(300).into())
    }

    pub fn limit(&self) -> Duration {
        Duration::from_secs(self.seconds.min(3_600).into())
    }
}

/// Who may read what is counted, and how much of it there is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsSettings {
    pub access: MetricsAccess,
    /// Series of each family; what is beyond is counted together.
    pub series_max: usize,
}

/// Who may read `/metrics`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricsAccess {
    /// Operators, and who holds the token of `metrics.token`.
    #[default]
    Token,
    /// Everybody who reaches control.
    Open,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self { access: MetricsAccess::Token, series_max: portcullis_control::metrics::SERIES_MAX }
    }
}

/// How long keys live.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeySettings {
    /// How long one key signs tokens.
    pub signing_days: u32,
    /// How long a key is published before it signs.
    pub publish_ahead_seconds: u32,
    /// How long certificates of the built-in authority are good; renewed when a third of it is left.
    pub certificate_days: u32,
}

impl Default for KeySettings {
    fn default() -> Self {
        Self { signing_days: 30, publish_ahead_seconds: 3_600, certificate_days: 30 }
    }
}

impl KeySettings {
    /// How long copies of the key set may live: its `max-age`.
    const AHEAD_SECONDS_MIN: u32 = 300;

    pub fn signing_plan(&self) -> Result<SigningPlan> {
        let Self { signing_days, publish_ahead_seconds, certificate_days } = self;
        if !(2..=397).contains(certificate_days) {
            bail!("`keys.certificate_days` is `{certificate_days}`\nhint: it may be 2 to 397");
        }
        if !(1..=366).contains(signing_days) {
            bail!("`keys.signing_days` is `{signing_days}`\nhint: it may be 1 to 366");
        }
        if !(Self::AHEAD_SECONDS_MIN..=86_400).contains(publish_ahead_seconds) {
            bail!(
                "`keys.publish_ahead_seconds` is `{publish_ahead_seconds}`\nhint: it may be {} to 86400; copies of the key set live {} seconds",
                Self::AHEAD_SECONDS_MIN,
                Self::AHEAD_SECONDS_MIN
            );
        }
        Ok(SigningPlan {
            life: SignedDuration::from_hours(i64::from(*signing_days) * 24),
            publish_ahead: SignedDuration::from_secs(i64::from(*publish_ahead_seconds)),
        })
    }
}

fn yes() -> bool {
    true
}

fn is_default<T: Default + PartialEq>(settings: &T) -> bool {
    *settings == T::default()
}

impl Settings {
    /// The settings of a data directory, if it has been started before.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .with_context(|| format!("`{}` can't be read as settings", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("can't read `{}`", path.display())),
        }
    }

    /// Whether a reload is all it takes to get from one to the other.
    pub fn is_same_but_for_reloads(&self, other: &Self) -> bool {
        *self == Self { gate: self.gate.clone(), ..other.clone() }
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        write_whole(path, &serde_json::to_vec_pretty(self)?, 0o600)
    }
}

/// Writes a file so that a reader sees the old one or the whole new one, after a power loss too.
pub fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let new = path.with_extension("new");
    let doing = || format!("can't write `{}`", path.display());
    let _ = fs::remove_file(&new);
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&new).with_context(doing)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(doing)?;
    fs::rename(&new, path).with_context(doing)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all()).with_context(doing)
}
