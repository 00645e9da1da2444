//! Places outside are told of what happens: each event of the ledger that they want, in its order, until they take it.
//!
//! Each place has a task of its own, and a file that remembers how far it has been told: what happened while it was
//! away, or while nobody ran here, is told when both are back. What was sent and not remembered is sent again, under
//! the same id.

mod place;

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use portcullis_api::notify::{WebhookTestAnswer, WebhookView};
use portcullis_control::Control;
use portcullis_control::assurance::notice::Notice;
use portcullis_control::process::Testing;
use portcullis_store::Head;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use crate::settings::write_whole;
use place::Place;
pub use place::WebhookSettings;

const PLACES_MAX: usize = 32;
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(300);
/// Events of the ledger that are looked at together.
const EVENTS: usize = 256;
/// Notices that no ledger holds and that wait for one place; of more the newest.
const NOTICES_MAX: usize = 1_000;

/// The tasks, and what they say of themselves.
pub struct Webhooks {
    places: Vec<Arc<Told>>,
    tasks: Vec<JoinHandle<()>>,
}

/// One place, and how telling it goes.
struct Told {
    place: Place,
    view: Mutex<WebhookView>,
    head: watch::Receiver<Head>,
    control: Control,
}

/// What outlives a restart.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Remembered {
    /// The next event of the ledger.
    next: u64,
    /// These are in no ledger. Files of before call them so.
    #[serde(default, rename = "pages")]
    notices: VecDeque<Notice>,
}

impl Webhooks {
    /// Starts a task for each place.
    ///
    /// # Errors
    /// A place that can never work, such as one over plain HTTP.
    pub fn start(
        settings: &[WebhookSettings],
        folder: &Path,
        control: &Control,
        head: &watch::Receiver<Head>,
    ) -> Result<Self> {
        let mut webhooks = Self { places: Vec::new(), tasks: Vec::new() };
        if settings.len() > PLACES_MAX {
            bail!("`webhooks` of `settings.json` has {} places, at most {PLACES_MAX}", settings.len());
        }
        for settings in settings {
            let named = |told: &Arc<Told>| told.place.name == settings.name;
            if webhooks.places.iter().any(named) {
                bail!(
                    "two of `webhooks` in `settings.json` are called `{}`\nhint: each has a name of its own, by which it is remembered what it was told",
                    settings.name
                );
            }
            let place = Place::of(settings, control.issuer())?;
            fs::create_dir_all(folder).with_context(|| format!("can't make `{}`", folder.display()))?;
            let path = folder.join(format!("{}.json", place.name));
            let size = head.borrow().size;
            let remembered = remembered(&path, size)?;
            let view = Mutex::new(WebhookView { delivered: remembered.next, ..place.view() });
            let told = Arc::new(Told { place, view, head: head.clone(), control: control.clone() });
            webhooks.places.push(Arc::clone(&told));
            let teller = Teller { told, path, remembered, notices: control.follow_notices() };
            webhooks.tasks.push(tokio::spawn(teller.run()));
        }
        Ok(webhooks)
    }
}

impl Webhooks {
    pub fn is_named(&self, name: &str) -> bool {
        self.places.iter().any(|told| told.place.name == name)
    }

    /// Tells one place something beside the ledger's events, once.
    pub async fn send_to(&self, name: &str, notice: &Notice, now: Timestamp) -> Result<()> {
        let told = self.places.iter().find(|told| told.place.name == name);
        let told = told.ok_or_else(|| anyhow::anyhow!("there is no webhook `{name}`"))?;
        told.place.send(notice, now.as_second()).await
    }
}

impl Drop for Webhooks {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl portcullis_control::process::Webhooks for Webhooks {
    fn status(&self) -> Vec<WebhookView> {
        let view = |told: &Arc<Told>| {
            let mut view = told.view.lock().unwrap_or_else(PoisonError::into_inner).clone();
            view.waiting = told.head.borrow().size.saturating_sub(view.delivered);
            view
        };
        self.places.iter().map(view).collect()
    }

    fn test(&self, name: &str) -> Option<Testing> {
        let told = Arc::clone(self.places.iter().find(|told| told.place.name == name)?);
        Some(Box::pin(async move {
            let now = told.control.clock().now();
            let id = format!("test-{}", now.as_microsecond());
            let sent = told.place.send(&Notice::test(id.clone(), now), now.as_second()).await;
            let error = sent.err().map(|error| format!("{error:#}"));
            WebhookTestAnswer { name: told.place.name.clone(), id, taken: error.is_none(), error }
        }))
    }
}

/// A place that is new is told of what happens from now on. A ledger that is shorter was brought back from a backup.
fn remembered(path: &Path, size: u64) -> Result<Remembered> {
    let remembered = match fs::read(path) {
        Ok(bytes) => {
            let known: Remembered = serde_json::from_slice(&bytes).with_context(|| {
                format!("`{}` can't be read\nhint: delete it; the place is told of what happens from the next start on", path.display())
            })?;
            Remembered { next: known.next.min(size), ..known }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Remembered { next: size, ..Remembered::default() }
        }
        Err(error) => return Err(error).with_context(|| format!("can't read `{}`", path.display())),
    };
    write_whole(path, &serde_json::to_vec(&remembered)?, 0o600)?;
    Ok(remembered)
}

struct Teller {
    told: Arc<Told>,
    path: PathBuf,
    remembered: Remembered,
    notices: broadcast::Receiver<Notice>,
}

impl Teller {
    async fn run(mut self) {
        let mut head = self.told.head.clone();
        let mut retry = RETRY_FIRST;
        loop {
            head.mark_unchanged();
            self.take_notices();
            match self.tell().await {
                Ok(true) => retry = RETRY_FIRST,
                Ok(false) => {
                    retry = RETRY_FIRST;
                    let notice = tokio::select! {
                        changed = head.changed() => match changed {
                            Ok(()) => None,
                            Err(_) => return, // The store is closed.
                        },
                        notice = self.notices.recv() => notice.ok(),
                    };
                    notice.into_iter().for_each(|notice| self.keep(notice));
                }
                Err(error) => {
                    self.failed(&error);
                    tokio::time::sleep(retry).await;
                    retry = (retry * 2).min(RETRY_LAST);
                }
            }
        }
    }

    /// Whether there may be more to tell.
    async fn tell(&mut self) -> Result<bool> {
        if let Some(notice) = self.remembered.notices.front().cloned() {
            if notice.is_wanted(&self.told.place.events) {
                self.send(&notice).await?;
            }
            self.remembered.notices.pop_front();
            self.remember()?;
            return Ok(true);
        }
        let from = self.remembered.next;
        let noticed = self
            .told
            .control
            .notices(from, EVENTS)
            .await
            .map_err(|error| anyhow::anyhow!("the ledger: {error}"))?;
        for (sequence, notice) in &noticed.notices {
            if notice.is_wanted(&self.told.place.events) {
                self.send(notice).await?;
                self.remembered.next = sequence + 1;
                self.remember()?;
            }
        }
        if noticed.next != self.remembered.next {
            self.remembered.next = noticed.next;
            self.remember()?;
        }
        Ok(noticed.next > from)
    }

    async fn send(&self, notice: &Notice) -> Result<()> {
        let now = self.told.control.clock().now();
        self.told.place.send(notice, now.as_second()).await?;
        let mut view = self.view();
        view.at = Some(self.told.control.clock().now());
        view.failures = 0;
        view.error = None;
        Ok(())
    }

    /// What came while it was told something else.
    fn take_notices(&mut self) {
        loop {
            match self.notices.try_recv() {
                Ok(notice) => self.keep(notice),
                Err(broadcast::error::TryRecvError::Lagged(missed)) => {
                    tracing::warn!(
                        missed,
                        webhook = self.told.place.name,
                        "notices were missed; `portcullis findings` has them"
                    );
                }
                Err(_) => return,
            }
        }
    }

    fn keep(&mut self, notice: Notice) {
        if self.remembered.notices.len() >= NOTICES_MAX {
            self.remembered.notices.pop_front();
        }
        self.remembered.notices.push_back(notice);
        if let Err(error) = self.remember() {
            self.failed(&error);
        }
    }

    fn remember(&self) -> Result<()> {
        write_whole(&self.path, &serde_json::to_vec(&self.remembered)?, 0o600)?;
        self.view().delivered = self.remembered.next;
        Ok(())
    }

    fn failed(&self, error: &anyhow::Error) {
        let error = format!("{error:#}");
        let mut view = self.view();
        // Each reason is told once, not at each attempt.
        if view.error.as_ref() != Some(&error) {
            tracing::warn!(webhook = view.name, error, "a webhook did not take what it was told");
        }
        view.failures = view.failures.saturating_add(1);
        view.error = Some(error);
    }

    fn view(&self) -> std::sync::MutexGuard<'_, WebhookView> {
        self.told.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_place_begins_at_the_end_and_a_shorter_ledger_takes_it_back() {
        let world = tempfile::tempdir().unwrap();
        let path = world.path().join("desk.json");
        assert_eq!(remembered(&path, 7).unwrap().next, 7);
        assert_eq!(remembered(&path, 9).unwrap().next, 7);
        assert_eq!(remembered(&path, 3).unwrap().next, 3);
        // What a version of before has left waiting is told.
        let notice = Notice::test("page-1".to_owned(), Timestamp::UNIX_EPOCH);
        fs::write(&path, serde_json::json!({ "next": 2, "pages": [notice] }).to_string()).unwrap();
        assert_eq!(remembered(&path, 7).unwrap().notices, [notice]);
        fs::write(&path, "{").unwrap();
        assert!(format!("{:#}", remembered(&path, 3).err().unwrap()).contains("hint: "));
    }
}
