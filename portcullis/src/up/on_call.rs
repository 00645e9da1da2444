//! Who is on call is called: by mail and by webhook, step by step, until somebody answers.
//!
//! What is to be said stands in the ledger. `on-call.json` of the data folder remembers whom it was said to; what was sent and not
//! remembered is sent again, under the same id. A server that doesn't take it is tried again, less and less often, and the next
//! step is called meanwhile.

mod calling;
pub(super) mod settings;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use jiff::Timestamp;
use portcullis_api::notify::{WebhookTestAnswer, WebhookView};
use portcullis_control::Control;
use portcullis_control::assurance::notice::Notice;
use portcullis_control::findings::ON_CALL;
use portcullis_control::process::Testing;
use portcullis_incident::page::Page;
use portcullis_mail::Letter;
use tokio::task::{self, JoinHandle, JoinSet};

use self::calling::{Call, Called, Target, beginning};
pub use self::settings::{OnCallStep, SmtpSettings};
use super::webhooks::Webhooks;
use crate::cli::failure::chain;
use crate::settings::write_whole;

/// How often it is looked whether anybody is to be called.
const BEAT: Duration = Duration::from_secs(2);

/// The webhooks, and who is on call.
pub struct OnCall {
    webhooks: Arc<Webhooks>,
    caller: Arc<Caller>,
    task: Option<JoinHandle<()>>,
}

struct Caller {
    steps: Vec<OnCallStep>,
    smtp: Option<SmtpSettings>,
    webhooks: Arc<Webhooks>,
    control: Control,
    path: PathBuf,
    called: Mutex<Called>,
}

impl OnCall {
    /// Starts the task that calls, where anybody is to be called.
    ///
    /// # Errors
    /// Settings that can never work, or a file that can't be read.
    pub fn start(
        steps: &[OnCallStep],
        smtp: Option<&SmtpSettings>,
        path: PathBuf,
        webhooks: Webhooks,
        control: &Control,
    ) -> Result<Self> {
        settings::check(steps, smtp, &|name| webhooks.is_named(name))?;
        let webhooks = Arc::new(webhooks);
        let caller = Arc::new(Caller {
            steps: steps.to_vec(),
            smtp: smtp.cloned(),
            webhooks: Arc::clone(&webhooks),
            control: control.clone(),
            called: Mutex::new(read(&path)?),
            path,
        });
        let calling = Arc::clone(&caller);
        let task = tokio::spawn(async move { calling.run().await });
        Ok(Self { webhooks, caller, task: Some(task) })
    }
}

impl Drop for OnCall {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

impl portcullis_control::process::Webhooks for OnCall {
    fn status(&self) -> Vec<WebhookView> {
        let mut views = self.webhooks.status();
        views.extend(self.caller.view());
        views
    }

    fn test(&self, name: &str) -> Option<Testing> {
        if name != ON_CALL {
            return self.webhooks.test(name);
        }
        let caller = Arc::clone(&self.caller);
        Some(Box::pin(async move { caller.test().await }))
    }
}

fn read(path: &Path) -> Result<Called> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| {
            format!("`{}` can't be read\nhint: delete it; whoever waits is called once more", path.display())
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Called::default()),
        Err(error) => Err(error).with_context(|| format!("can't read `{}`", path.display())),
    }
}

impl Caller {
    /// Looks whether anybody is to be called, and never waits for a call: one that hangs holds up no look, and no other call.
    async fn run(self: Arc<Self>) {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut sending = JoinSet::new();
        let mut under_way: HashMap<task::Id, Call> = HashMap::new();
        loop {
            tokio::select! {
                Some(ended) = sending.join_next_with_id() => {
                    let (id, sent) = match ended {
                        Ok(ended) => ended,
                        Err(error) => (error.id(), Err(anyhow!("the call broke off"))),
                    };
                    if let Some(call) = under_way.remove(&id) {
                        self.note(&call, sent, self.control.clock().now());
                    }
                }
                _ = beat.tick() => {
                    let calls = self.look(&under_way.values().collect::<Vec<_>>()).await;
                    for call in calls {
                        let (caller, asked) = (Arc::clone(&self), call.clone());
                        let task = sending.spawn(async move { caller.send(&asked).await });
                        under_way.insert(task.id(), call);
                    }
                }
            }
        }
    }

    /// Records what is to be paged, and says who is to be called now.
    async fn look(&self, under_way: &[&Call]) -> Vec<Call> {
        // They are recorded also where nobody is on call: somebody may look.
        self.control.raise_due_pages().await;
        if self.steps.is_empty() {
            return Vec::new();
        }
        let now = self.control.clock().now();
        // In this order: what is recorded in between is in both, and in none would be forgotten.
        let mut held = self.control.pages_held();
        let open: Vec<Page> =
            self.control.state().open_pages().iter().map(|known| known.page.clone()).collect();
        held.retain(|page| !open.iter().any(|known| known.id == page.id));
        let mut called = self.lock();
        if called.keep_only(&open, &held) {
            self.remember(&called);
        }
        beginning(&called.due(&open, &held, &self.steps, now), under_way)
    }

    async fn send(&self, call: &Call) -> Result<()> {
        let now = self.control.clock().now();
        let page = &call.page;
        let first = format!("page-{}", page.id);
        let id = format!("{first}-{}", call.step);
        match &call.target {
            Target::Mail(to) => {
                let text = format!(
                    "{}\n\n{}\nAnswer, so that nobody else is called:\n  portcullis page ack {}\n\nRaised {}, step {} of {}.\n",
                    page.title,
                    page.text.trim_end(),
                    page.code,
                    page.time,
                    call.step,
                    self.steps.len()
                );
                let subject = format!("[page {}] {}", page.code, page.title);
                self.mail(to, &id, (call.step > 1).then_some(&first), &subject, &text, now).await
            }
            Target::Webhook(name) => {
                let state = self.control.state();
                let vendor = page.vendor.and_then(|vendor| state.by_id(vendor.0));
                let text = format!("{}\nportcullis page ack {}", page.text.trim_end(), page.code);
                let notice = Notice {
                    id,
                    kind: "page.raised".to_owned(),
                    time: page.time,
                    vendor: vendor.map(|(_, name, _)| name.to_owned()),
                    owner: None,
                    title: page.title.clone(),
                    text,
                    due: None,
                };
                self.webhooks.send_to(name, &notice, now).await
            }
        }
    }

    async fn mail(
        &self,
        to: &str,
        id: &str,
        follows: Option<&String>,
        subject: &str,
        text: &str,
        time: Timestamp,
    ) -> Result<()> {
        let smtp = self.smtp.as_ref().ok_or_else(|| anyhow!("`settings.json` has no `smtp`"))?;
        let held = smtp.read()?;
        let follows = follows.map(|first| format!("{first}-1"));
        let follows = follows.as_deref();
        let letter = Letter { id, follows, from: &smtp.from, to, reply_to: None, subject, text, time };
        Ok(held.server(smtp).send(&letter).await?)
    }

    fn note(&self, call: &Call, sent: Result<()>, now: Timestamp) {
        let mut called = self.lock();
        match sent {
            Ok(()) => {
                tracing::info!(page = call.page.code, to = %call.target, step = call.step, "somebody was called");
                called.sent(call, now);
            }
            Err(error) => {
                let (error, _) = chain(&error);
                tracing::error!(page = call.page.code, to = %call.target, error, "somebody can't be called");
                called.failed(call, error, now);
            }
        }
        self.remember(&called);
    }

    fn remember(&self, called: &Called) {
        let written = serde_json::to_vec(called).map_err(anyhow::Error::from);
        if let Err(error) = written.and_then(|bytes| write_whole(&self.path, &bytes, 0o600)) {
            tracing::error!(error = %format!("{error:#}"), "who was called can't be remembered");
        }
    }

    /// How calling goes, beside the webhooks.
    fn view(&self) -> Option<WebhookView> {
        if self.steps.is_empty() {
            return None;
        }
        let called = self.lock();
        let to = self
            .smtp
            .as_ref()
            .map_or("webhooks".to_owned(), |smtp| format!("smtp://{}:{}", smtp.host, smtp.port));
        let failing = called.failing();
        Some(WebhookView {
            name: ON_CALL.to_owned(),
            to,
            events: vec!["page.raised".to_owned()],
            delivered: self.control.state().size,
            waiting: 0,
            at: called.last(),
            failures: failing.as_ref().map_or(0, |(failures, _)| *failures),
            error: failing.map(|(_, error)| error),
            ..WebhookView::default()
        })
    }

    /// Whoever is called first, once, with a word that tells of nothing.
    async fn test(&self) -> WebhookTestAnswer {
        let now = self.control.clock().now();
        let id = format!("test-{}", now.as_microsecond());
        let mut errors = Vec::new();
        let first = self.steps.first().map(OnCallStep::targets).unwrap_or_default();
        if first.is_empty() {
            errors.push("nobody is on call: `on_call` of `settings.json` has no step".to_owned());
        }
        // Side by side, so that all of it takes no longer than the slowest.
        let sent = futures_util::future::join_all(first.iter().map(async |target| match target {
            Target::Mail(to) => {
                let text = "Somebody tries whether this mailbox is reached. Nothing has happened.\n";
                self.mail(to, &id, None, "[test] of who is on call", text, now).await
            }
            Target::Webhook(name) => self.webhooks.send_to(name, &Notice::test(id.clone(), now), now).await,
        }));
        for (target, sent) in first.iter().zip(sent.await) {
            if let Err(error) = sent {
                errors.push(format!("{target}: {}", chain(&error).0));
            }
        }
        let error = (!errors.is_empty()).then(|| errors.join("; "));
        WebhookTestAnswer { name: ON_CALL.to_owned(), id, taken: error.is_none(), error }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Called> {
        self.called.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
