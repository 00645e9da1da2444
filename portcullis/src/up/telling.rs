//! Vendors' contacts are told by mail of what was closed and opened of theirs: beside whatever severs, never in its way.
//!
//! What is to be said, and who was told, is in the ledger; here it is sent.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use portcullis_control::Control;
use portcullis_control::telling::{DueLetter, TellSettings};
use portcullis_incident::telling::OurContact;
use portcullis_mail::Letter;
use tokio::task::JoinHandle;

use super::SmtpSettings;
use super::on_call::settings::letter;
use crate::cli::failure::chain;
use crate::settings::Settings;

/// How often it is looked whether anybody is to be told.
const BEAT: Duration = Duration::from_secs(1);
const NO_SERVER: &str = "`settings.json` has no `smtp`";
const OFF: &str = "`tell_vendors` of `settings.json` is `false`";
const TEXT_MAX: usize = 120;

/// The task that tells, until it is dropped.
pub struct Telling(Option<JoinHandle<()>>);

impl Telling {
    /// # Errors
    /// A `contact` that nobody can call.
    pub fn start(settings: &Settings, control: &Control) -> Result<Self> {
        if let Some(contact) = &settings.contact {
            check(contact).context("`contact` of `settings.json`")?;
        }
        let smtp = settings.smtp.clone().filter(|_| settings.tell_vendors);
        let why_not = match &smtp {
            Some(_) => None,
            None if settings.tell_vendors => Some(NO_SERVER.to_owned()),
            None => Some(OFF.to_owned()),
        };
        control.tell_vendors_by(TellSettings { why_not, contact: settings.contact.clone() });
        let task = smtp.map(|smtp| tokio::spawn(run(control.clone(), Arc::new(smtp))));
        Ok(Self(task))
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

async fn run(control: Control, smtp: Arc<SmtpSettings>) {
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let letters = control.letters_due().await;
        // Side by side: one that hangs holds up no other.
        let sent = letters.into_iter().map(|letter| {
            let (control, smtp) = (control.clone(), Arc::clone(&smtp));
            async move {
                let outcome = send(&control, &smtp, &letter).await.map_err(|error| chain(&error).0);
                control.letter_went(&letter, outcome).await;
            }
        });
        futures_util::future::join_all(sent).await;
    }
}

async fn send(control: &Control, smtp: &SmtpSettings, due: &DueLetter) -> Result<()> {
    let held = smtp.read()?;
    let letter = Letter {
        id: &due.id,
        follows: None,
        from: &smtp.from,
        to: &due.to,
        reply_to: due.reply_to.as_deref(),
        subject: &due.subject,
        text: &due.text,
        time: control.clock().now(),
    };
    Ok(held.server(smtp).send(&letter).await?)
}

fn check(contact: &OurContact) -> Result<()> {
    let OurContact { name, phone, mail } = contact;
    let texts = [Some(name), phone.as_ref()].into_iter().flatten();
    for text in texts {
        if text.trim().is_empty() || text.len() > TEXT_MAX || text.contains(char::is_control) {
            bail!("`{}` is no text of 1 to {TEXT_MAX} bytes", text.escape_debug());
        }
    }
    if phone.is_none() && mail.is_none() {
        return Err(anyhow!("nobody can call `{name}`\nhint: set `phone`, `mail` or both"));
    }
    mail.as_ref().map_or(Ok(()), |mail| letter(mail, mail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_can_be_called() {
        let judged = |name: &str, phone: Option<&str>, mail: Option<&str>, words: Option<&str>| {
            let (phone, mail) = (phone.map(str::to_owned), mail.map(str::to_owned));
            let error = check(&OurContact { name: name.to_owned(), phone, mail }).err();
            let error = error.map(|error| format!("{error:#}"));
            assert_eq!(error.is_some(), words.is_some(), "{error:?}");
            assert!(words.is_none_or(|words| error.as_ref().unwrap().contains(words)), "{error:?}");
        };
        judged("desk", Some("+49 30 1"), None, None);
        judged("desk", None, Some("desk@us.example"), None);
        judged("desk", None, None, Some("nobody can call"));
        judged(" ", Some("1"), None, Some("no text"));
        judged("desk", Some("1\r\n2"), None, Some("no text"));
        judged("desk", None, Some("desk@us.example\r\nBcc: x@y.example"), Some("no address"));
    }
}
