//! Checkpoints go to places outside, so that a history that is rewritten here is noticed there.
//!
//! Each place has a task of its own. It posts the newest checkpoint when there is a new one, not more often
//! than the settings say, and tries again with growing pauses while the place does not take it.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use portcullis_api::ledger::Posting;
use portcullis_policy::clock::Clock;
use portcullis_store::{EventStore as _, Head, SqliteStore};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::machine::{authorities, http_builder};

const PLACES_MAX: usize = 16;
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(300);
/// For a webhook's whole answer.
const ANSWER: Duration = Duration::from_secs(30);

/// Member `checkpoints` of the settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointSettings {
    /// The shortest time between two checkpoints to one place.
    pub every_seconds: u32,
    pub to: Vec<Place>,
}

impl Default for CheckpointSettings {
    fn default() -> Self {
        Self { every_seconds: 60, to: Vec::new() }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Place {
    /// A file `SIZE.checkpoint` for each; best on another machine's disk.
    Folder { folder: PathBuf },
    /// The signed note as the body of a POST.
    Webhook {
        webhook: String,
        /// PEM of the authority of its certificate, where the system doesn't know it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca: Option<PathBuf>,
        /// File with a bearer token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<PathBuf>,
    },
}

/// The tasks, and what they say of themselves.
pub struct Postings {
    states: Vec<Arc<Mutex<Posting>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Postings {
    /// Starts a task for each place.
    ///
    /// # Errors
    /// A place that can never work, such as a webhook over plain HTTP.
    pub fn start(settings: &CheckpointSettings, store: &SqliteStore, clock: &Clock) -> Result<Self> {
        if settings.to.len() > PLACES_MAX {
            bail!(
                "`checkpoints.to` of `settings.json` has {} places, at most {PLACES_MAX}",
                settings.to.len()
            );
        }
        let every = Duration::from_secs(u64::from(settings.every_seconds.max(1)));
        let mut postings = Self { states: Vec::new(), tasks: Vec::new() };
        for place in &settings.to {
            let target = Target::of(place)?;
            let state = Arc::new(Mutex::new(Posting { to: target.shown(), ..Posting::default() }));
            postings.states.push(Arc::clone(&state));
            let poster = Poster { target, state, head: store.watch(), every, clock: clock.clone() };
            postings.tasks.push(tokio::spawn(poster.run()));
        }
        Ok(postings)
    }

    pub fn status(&self) -> Vec<Posting> {
        self.states.iter().map(|state| state.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }

    /// By number: metrics are public, and paths and addresses nobody's business.
    pub fn metrics(&self, text: &mut String) {
        if self.states.is_empty() {
            return;
        }
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "# HELP portcullis_checkpoint_posted_size Size of the newest checkpoint that a place outside has taken.\n# TYPE portcullis_checkpoint_posted_size gauge"
        );
        let status = self.status();
        for (place, posting) in status.iter().enumerate() {
            let size = posting.size.unwrap_or(0);
            let _ = writeln!(text, "portcullis_checkpoint_posted_size{{place=\"{place}\"}} {size}");
        }
        let _ = writeln!(
            text,
            "# HELP portcullis_checkpoint_post_failures Attempts that failed since the last one that did not.\n# TYPE portcullis_checkpoint_post_failures gauge"
        );
        for (place, posting) in status.iter().enumerate() {
            let _ = writeln!(
                text,
                "portcullis_checkpoint_post_failures{{place=\"{place}\"}} {}",
                posting.failures
            );
        }
    }
}

impl Drop for Postings {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

struct Poster {
    target: Target,
    state: Arc<Mutex<Posting>>,
    head: watch::Receiver<Head>,
    every: Duration,
    clock: Clock,
}

impl Poster {
    async fn run(mut self) {
        let mut retry = RETRY_FIRST;
        loop {
            let head = self.head.borrow_and_update().clone();
            match self.target.post(&head).await {
                Ok(()) => {
                    retry = RETRY_FIRST;
                    self.arrived(head.size);
                    tokio::time::sleep(self.every).await;
                    if self.head.has_changed().is_ok_and(|changed| !changed)
                        && self.head.changed().await.is_err()
                    {
                        return;
                    }
                }
                Err(error) => {
                    self.failed(&error);
                    tokio::time::sleep(retry).await;
                    retry = (retry * 2).min(RETRY_LAST);
                }
            }
            if self.head.has_changed().is_err() {
                return; // The store is closed.
            }
        }
    }

    fn arrived(&self, size: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let to = std::mem::take(&mut state.to);
        *state = Posting { to, size: Some(size), at: Some(self.clock.now()), failures: 0, error: None };
    }

    fn failed(&self, error: &anyhow::Error) {
        let error = format!("{error:#}");
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Each reason is told once, not at each attempt.
        if state.error.as_ref() != Some(&error) {
            tracing::warn!(to = state.to, error, "a checkpoint was not posted");
        }
        state.failures = state.failures.saturating_add(1);
        state.error = Some(error);
    }
}

enum Target {
    Folder(PathBuf),
    Webhook { url: Url, http: reqwest::Client, token: Option<PathBuf> },
}

impl Target {
    fn of(place: &Place) -> Result<Self> {
        let (webhook, ca, token) = match place {
            Place::Folder { folder } => return Ok(Self::Folder(folder.clone())),
            Place::Webhook { webhook, ca, token } => (webhook, ca, token),
        };
        let url = Url::parse(webhook).ok().filter(|url| {
            let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
            url.scheme() == "https" || (url.scheme() == "http" && here)
        });
        let url = url.ok_or_else(|| {
            anyhow!("`{webhook}` is no webhook for checkpoints\nhint: write `https://…`; plain `http` only goes to this machine")
        })?;
        let trusted = match ca {
            Some(path) => {
                authorities(&fs::read(path).with_context(|| format!("can't read `{}`", path.display()))?)?
            }
            None => Vec::new(),
        };
        let http = http_builder(&trusted, None)
            .timeout(ANSWER)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self::Webhook { url, http, token: token.clone() })
    }

    /// Without what may be secret in an address.
    fn shown(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Webhook { url, .. } => url.origin().ascii_serialization(),
        }
    }

    async fn post(&self, head: &Head) -> Result<()> {
        match self {
            Self::Folder(folder) => {
                let (folder, head) = (folder.clone(), head.clone());
                tokio::task::spawn_blocking(move || keep(&folder, &head)).await?
            }
            Self::Webhook { url, http, token } => {
                let mut request = http
                    .post(url.clone())
                    .header("content-type", "text/plain; charset=utf-8")
                    .body(head.checkpoint.clone());
                if let Some(path) = token {
                    let token = tokio::fs::read_to_string(path).await;
                    let token = token.with_context(|| format!("can't read `{}`", path.display()))?;
                    request = request.bearer_auth(token.trim());
                }
                let response = request.send().await.map_err(reqwest::Error::without_url)?;
                let status = response.status();
                if !status.is_success() {
                    bail!("it answered {status}");
                }
                Ok(())
            }
        }
    }
}

/// Writes `SIZE.checkpoint`, whole or not at all. What was kept is never replaced: if it says something
/// else, or is of a longer ledger, then this one was rewritten or cut.
fn keep(folder: &Path, head: &Head) -> Result<()> {
    let doing = || format!("can't write into `{}`", folder.display());
    fs::create_dir_all(folder).with_context(doing)?;
    let name = |size: u64| format!("{size}.checkpoint");
    let path = folder.join(name(head.size));
    match fs::read_to_string(&path) {
        Ok(kept) if kept == head.checkpoint => {}
        Ok(_) => bail!(
            "`{}` is of another ledger, or this one was rewritten: compare by `portcullis ledger verify --against`",
            path.display()
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let part = folder.join(".part");
            let mut file = fs::File::create(&part).with_context(doing)?;
            file.write_all(head.checkpoint.as_bytes()).and_then(|()| file.sync_all()).with_context(doing)?;
            fs::rename(&part, &path).with_context(doing)?;
            fs::File::open(folder).and_then(|folder| folder.sync_all()).with_context(doing)?;
        }
        Err(error) => return Err(error).with_context(|| format!("can't read `{}`", path.display())),
    }
    let mut longest = 0;
    for entry in fs::read_dir(folder).with_context(doing)? {
        let size =
            entry?.file_name().to_str().and_then(|name| name.strip_suffix(".checkpoint")?.parse().ok());
        longest = longest.max(size.unwrap_or(0));
    }
    if longest > head.size {
        bail!(
            "`{}` is of a longer ledger: this one was cut or rewritten, or an older backup was restored",
            folder.join(name(longest)).display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(size: u64, note: &str) -> Head {
        Head { size, root: [0; 32], checkpoint: note.to_owned() }
    }

    #[test]
    fn settings_name_folders_and_webhooks_and_nothing_else() {
        let check = |text: &str, good: bool| {
            let read = serde_json::from_str::<CheckpointSettings>(text);
            let good_places =
                |settings: CheckpointSettings| settings.to.iter().all(|to| Target::of(to).is_ok());
            assert_eq!(read.is_ok_and(good_places), good, "{text}");
        };
        check("{}", true);
        check(r#"{"every_seconds": 5, "to": [{"folder": "/x"}, {"webhook": "https://a.example/b"}]}"#, true);
        check(r#"{"to": [{"webhook": "http://127.0.0.1:1/"}]}"#, true);
        check(r#"{"to": [{"webhook": "http://a.example/"}]}"#, false);
        check(r#"{"to": [{"webhook": "https://a.example/", "ca": "/nowhere"}]}"#, false);
        check(r#"{"to": [{"folder": "/x", "webhook": "https://a.example/"}]}"#, false);
        check(r#"{"to": [{}]}"#, false);
        check(r#"{"at": 5}"#, false);
    }

    #[test]
    fn what_was_kept_is_compared_and_never_replaced() {
        let world = tempfile::tempdir().unwrap();
        let folder = world.path().join("kept");
        keep(&folder, &head(3, "three")).unwrap();
        keep(&folder, &head(3, "three")).unwrap();
        keep(&folder, &head(5, "five")).unwrap();
        let words = |head| keep(&folder, &head).unwrap_err().to_string();
        assert!(words(head(5, "another")).contains("rewritten"));
        assert!(words(head(4, "four")).contains("5.checkpoint"));
        assert_eq!(fs::read_to_string(folder.join("5.checkpoint")).unwrap(), "five");
        assert!(keep(&folder, &head(6, "six")).is_ok());
    }
}
