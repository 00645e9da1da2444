//! `on_call` and `smtp` of `settings.json`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use jiff::Timestamp;
use portcullis_mail::{Letter, PATIENCE, Security, Server};
use serde::{Deserialize, Serialize};

use super::calling::Target;

const STEPS_MAX: usize = 20;
const TARGETS_MAX: usize = 20;
const FILE_BYTES_MAX: usize = 64 << 10;

/// Who is called at the same time, and how long is waited for an answer before the next.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnCallStep {
    /// Addresses of mailboxes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mail: Vec<String>,
    /// Names of `webhooks`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhooks: Vec<String>,
    /// Until the next step; 1 to 1440.
    pub minutes: u32,
}

impl OnCallStep {
    pub fn targets(&self) -> Vec<Target> {
        let mail = self.mail.iter().cloned().map(Target::Mail);
        mail.chain(self.webhooks.iter().cloned().map(Target::Webhook)).collect()
    }
}

/// The server that takes mail.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    pub host: String,
    #[serde(default = "submission")]
    pub port: u16,
    #[serde(default)]
    pub tls: SmtpSecurity,
    /// The sender's address.
    pub from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// File with the password, read at each attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// PEM of the authority of its certificate, where the system doesn't know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// RFC 6409.
fn submission() -> u16 {
    587
}

/// How the connection is secured.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpSecurity {
    /// After STARTTLS, which the server must offer.
    #[default]
    Starttls,
    /// From the first byte.
    Tls,
    /// In the clear, and without a password.
    DangerNone,
}

/// What lies in files.
pub struct Held {
    password: Option<String>,
    authorities: Option<Vec<u8>>,
}

impl SmtpSettings {
    pub fn read(&self) -> Result<Held> {
        let small = |path: &PathBuf| -> Result<Vec<u8>> {
            let bytes = fs::read(path).with_context(|| format!("can't read `{}`", path.display()))?;
            if bytes.len() > FILE_BYTES_MAX {
                bail!("`{}` has more than {FILE_BYTES_MAX} bytes", path.display());
            }
            Ok(bytes)
        };
        let password = self.password_file.as_ref().map(small).transpose()?;
        let password = password.map(|bytes| String::from_utf8_lossy(&bytes).trim_end().to_owned());
        Ok(Held { password, authorities: self.ca.as_ref().map(small).transpose()? })
    }
}

impl Held {
    pub fn server<'a>(&'a self, smtp: &'a SmtpSettings) -> Server<'a> {
        Server {
            host: &smtp.host,
            port: smtp.port,
            security: match smtp.tls {
                SmtpSecurity::Starttls => Security::StartTls,
                SmtpSecurity::Tls => Security::Tls,
                SmtpSecurity::DangerNone => Security::DangerNone,
            },
            credentials: smtp.user.as_deref().zip(self.password.as_deref()),
            authorities: self.authorities.as_deref(),
            patience: PATIENCE,
        }
    }
}

/// Refuses what can never work.
pub fn check(steps: &[OnCallStep], smtp: Option<&SmtpSettings>, known: &dyn Fn(&str) -> bool) -> Result<()> {
    if steps.len() > STEPS_MAX {
        bail!("`on_call` of `settings.json` has {} steps, at most {STEPS_MAX}", steps.len());
    }
    for (number, step) in steps.iter().enumerate() {
        check_step(step, smtp, known)
            .with_context(|| format!("step {} of `on_call` in `settings.json`", number + 1))?;
    }
    let Some(smtp) = smtp else { return Ok(()) };
    let check = || -> Result<()> {
        letter(&smtp.from, &smtp.from)?;
        if smtp.host.is_empty() || smtp.host.contains(|letter: char| letter.is_whitespace() || letter == '/')
        {
            bail!("`{}` is no name of a host", smtp.host);
        }
        if smtp.user.is_some() != smtp.password_file.is_some() {
            bail!("`user` and `password_file` go together");
        }
        if smtp.user.is_some() && smtp.tls == SmtpSecurity::DangerNone {
            bail!("a password would go in the clear\nhint: set `tls` to `starttls` or `tls`");
        }
        smtp.read().map(|_| ())
    };
    check().context("`smtp` of `settings.json`")
}

fn check_step(step: &OnCallStep, smtp: Option<&SmtpSettings>, known: &dyn Fn(&str) -> bool) -> Result<()> {
    let targets = step.targets();
    if targets.is_empty() || targets.len() > TARGETS_MAX {
        bail!("it calls {} at once\nhint: name 1 to {TARGETS_MAX} in `mail` and `webhooks`", targets.len());
    }
    if !(1..=1_440).contains(&step.minutes) {
        bail!("`minutes` is `{}`\nhint: it may be 1 to 1440", step.minutes);
    }
    for to in &step.mail {
        let smtp = smtp.ok_or_else(|| anyhow!("there is no `smtp` to send mail by"))?;
        letter(&smtp.from, to)?;
    }
    if let Some(unknown) = step.webhooks.iter().find(|name| !known(name)) {
        bail!("there is no webhook `{unknown}`\nhint: they are in `webhooks`");
    }
    Ok(())
}

/// Whether a letter can be written at all.
pub fn letter(from: &str, to: &str) -> Result<()> {
    let (time, text) = (Timestamp::UNIX_EPOCH, "");
    Letter { id: "check", follows: None, from, to, reply_to: None, subject: text, text, time }.bytes()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_never_work_is_refused_with_a_reason() {
        let judged = |steps: &str, smtp: &str, words: Option<&str>| {
            let steps: Vec<OnCallStep> = serde_json::from_str(steps).unwrap();
            let smtp: Option<SmtpSettings> = serde_json::from_str(smtp).unwrap();
            let error = check(&steps, smtp.as_ref(), &|name| name == "desk").err();
            let error = error.map(|error| format!("{error:#}"));
            assert_eq!(error.is_some(), words.is_some(), "{error:?}");
            assert!(words.is_none_or(|words| error.as_ref().unwrap().contains(words)), "{error:?}");
        };
        let good = r#"{"host": "mail.example", "from": "gate@us.example"}"#;
        judged("[]", "null", None);
        judged(r#"[{"mail": ["ann@us.example"], "minutes": 5}]"#, good, None);
        judged(r#"[{"webhooks": ["desk"], "minutes": 5}]"#, "null", None);
        judged(r#"[{"mail": ["ann@us.example"], "minutes": 5}]"#, "null", Some("no `smtp`"));
        judged(r#"[{"webhooks": ["disk"], "minutes": 5}]"#, "null", Some("no webhook `disk`"));
        judged(r#"[{"minutes": 5}]"#, good, Some("name 1 to"));
        judged(
            r#"[{"mail": ["ann@us.example\r\nBcc: x@y.example"], "minutes": 5}]"#,
            good,
            Some("no address"),
        );
        judged(r#"[{"mail": ["ann@us.example"], "minutes": 0}]"#, good, Some("1 to 1440"));
        judged("[]", r#"{"host": "a b", "from": "gate@us.example"}"#, Some("no name of a host"));
        judged("[]", r#"{"host": "a", "from": "gate"}"#, Some("no address"));
        judged("[]", r#"{"host": "a", "from": "g@us.example", "user": "x"}"#, Some("go together"));
        let clear = r#"{"host": "a", "from": "g@us.example", "user": "x", "password_file": "/dev/null", "tls": "danger_none"}"#;
        judged("[]", clear, Some("in the clear"));
    }
}
