//! The one writer. It decides a command on the newest tentative state and sends its events on
//! without waiting for those before: many commands share a commit of the store. Each is answered
//! after its own commit, and only then do readers see what it did.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::event::Event;
use portcullis_store::{Committed, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::core::Core;
use crate::error::{ExecuteError, FoldError};
use crate::record::Draft;

/// Appends under way at the same time.
const ON_THE_WAY_MAX: usize = 256;
/// How often a command is decided anew because somebody else wrote first.
const ATTEMPTS_MAX: u32 = 5;
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LAST: Duration = Duration::from_secs(5);

/// What a command did.
#[derive(Clone, PartialEq, Debug)]
pub struct Executed {
    /// None when nothing was to do.
    pub events: Vec<Event>,
    /// Size of the ledger after them.
    pub size: u64,
}

type Answer = oneshot::Sender<Result<Executed, ExecuteError>>;

/// A command that waits for its turn.
#[derive(Debug)]
pub(crate) struct Job {
    pub command: Command,
    pub answer: Answer,
    pub attempts: u32,
}

/// An append under way.
struct OnTheWay {
    drafts: Vec<Draft>,
    /// How many of the drafts, at their beginning, are severances that were in force before.
    severances: usize,
    job: Option<Job>,
}

type Landing = Pin<Box<dyn Future<Output = (OnTheWay, Result<Committed, StoreError>)> + Send>>;

pub(crate) struct Writer {
    core: Arc<Core>,
    jobs: mpsc::Receiver<Job>,
    /// Jobs to decide anew, before all others.
    again: VecDeque<Job>,
    on_the_way: FuturesOrdered<Landing>,
    /// Size of the ledger once all that is on the way has landed.
    next: u64,
    /// An append failed, and the ledger hasn't been read on since.
    behind: bool,
    retry: Option<Instant>,
    retry_after: Duration,
}

impl Writer {
    pub fn new(core: Arc<Core>, jobs: mpsc::Receiver<Job>) -> Self {
        let next = core.book().size();
        Self {
            core,
            jobs,
            again: VecDeque::new(),
            on_the_way: FuturesOrdered::new(),
            next,
            behind: false,
            retry: None,
            retry_after: RETRY_FIRST,
        }
    }

    /// Until every handle on control is gone, and all that was on its way has landed.
    pub async fn run(mut self) {
        loop {
            if let Some(job) = self.again.pop_front() {
                self.send(Some(job)).await;
                continue;
            }
            let room = self.on_the_way.len() < ON_THE_WAY_MAX;
            let retry = self.retry;
            tokio::select! {
                biased;
                Some((sent, landed)) = self.on_the_way.next() => match landed {
                    Ok(committed) => self.landed(sent, committed),
                    Err(error) => self.failed(sent, error).await,
                },
                () = self.core.severed.notified() => self.send(None).await,
                () = at(retry) => {
                    self.retry = None;
                    self.send(None).await;
                }
                job = self.jobs.recv(), if room => match job {
                    Some(job) => self.send(Some(job)).await,
                    None => break,
                },
            }
        }
        while let Some((sent, Ok(committed))) = self.on_the_way.next().await {
            self.landed(sent, committed);
        }
    }

    /// Decides `job` and sends its events on, after the severances that wait.
    async fn send(&mut self, job: Option<Job>) {
        if job.is_none() && !self.core.book().has_floating() {
            return;
        }
        if self.behind
            && let Err(error) = self.catch_up().await
        {
            self.give_up(job, error);
            return;
        }
        let Some(sent) = self.decide(job) else { return };
        let events: Vec<_> = sent.drafts.iter().map(|draft| draft.stored.clone()).collect();
        let (store, expected) = (Arc::clone(&self.core.store), self.next);
        self.next += events.len() as u64;
        let mut landing: Landing = Box::pin(async move {
            let landed = store.append(expected, events).await;
            (sent, landed)
        });
        // Polled once before the next one is made: that is what keeps their order.
        match poll_fn(|context| Poll::Ready(landing.as_mut().poll(context))).await {
            Poll::Pending => self.on_the_way.push_back(landing),
            Poll::Ready(ready) => self.on_the_way.push_back(Box::pin(std::future::ready(ready))),
        }
    }

    /// `None` when nothing has to be sent.
    fn decide(&self, job: Option<Job>) -> Option<OnTheWay> {
        let now = self.core.clock.now();
        let mut book = self.core.book();
        let decided = job.as_ref().map(|job| self.core.decide(&book.tentative, job.command.clone()));
        let decided = decided.map(|events| drafted(events, now));
        let (job, drafts) = match (job, decided) {
            (Some(job), Some(Ok(drafts))) => (Some(job), drafts),
            (Some(job), Some(Err(error))) => {
                answer(job, Err(error));
                (None, Vec::new())
            }
            _ => (None, Vec::new()),
        };
        let mut all = Vec::new();
        for severance in book.take_floating() {
            match Draft::new(&Event::Severed(severance), now) {
                Ok(draft) => all.push(draft),
                Err(error) => tracing::error!(%error, "a severance can't be recorded"),
            }
        }
        for draft in &drafts {
            book.tentative.apply(&draft.event);
        }
        let severances = all.len();
        all.extend(drafts);
        (job.is_some() || !all.is_empty()).then_some(OnTheWay { drafts: all, severances, job })
    }

    fn landed(&mut self, sent: OnTheWay, committed: Committed) {
        self.retry_after = RETRY_FIRST;
        let numbered =
            (committed.first..).zip(&sent.drafts).map(|(sequence, draft)| (sequence, &draft.event));
        self.core.commit(numbered);
        if let Some(job) = sent.job {
            let events = sent.drafts.into_iter().skip(sent.severances).map(|draft| draft.event).collect();
            answer(job, Ok(Executed { events, size: committed.size }));
        }
    }

    /// Everything that was decided on what failed fails with it, unless only its place was wrong.
    async fn failed(&mut self, sent: OnTheWay, error: StoreError) {
        let mut jobs = Vec::from_iter(sent.job.map(|job| (job, error.clone())));
        while let Some((sent, landed)) = self.on_the_way.next().await {
            match landed {
                // Can't be, since its place is taken by what failed; if the store says so, it holds.
                Ok(committed) => self.landed(sent, committed),
                Err(later) => jobs.extend(sent.job.map(|job| (job, later))),
            }
        }
        self.core.book().roll_back(&error);
        self.behind = true;
        self.retry_later();
        let caught_up = self.catch_up().await;
        for (mut job, own) in jobs {
            // After an obstacle, conflicts are its echo.
            let why = if matches!(error, StoreError::Unwritable { .. }) { error.clone() } else { own };
            match (&why, &caught_up) {
                (StoreError::Conflict { .. }, Ok(())) if job.attempts < ATTEMPTS_MAX => {
                    job.attempts += 1;
                    self.again.push_back(job);
                }
                (StoreError::Conflict { .. }, Ok(())) => answer(job, Err(ExecuteError::Contended)),
                _ => answer(job, Err(why.into())),
            }
        }
    }

    /// Reads what the ledger holds beyond what is known, whoever wrote it.
    async fn catch_up(&mut self) -> Result<(), FoldError> {
        self.core.read_on().await?;
        self.next = self.core.book().size();
        self.behind = false;
        Ok(())
    }

    fn give_up(&mut self, job: Option<Job>, error: FoldError) {
        let error = match error {
            FoldError::Store(error) => {
                self.core.book().roll_back(&error);
                ExecuteError::Store(error)
            }
            error => {
                tracing::error!(%error, "the ledger can't be read on");
                ExecuteError::Fold(error)
            }
        };
        self.retry_later();
        if let Some(job) = job {
            answer(job, Err(error));
        }
    }

    /// Severances are tried again by themselves; commands are, when they come.
    fn retry_later(&mut self) {
        self.retry = self.core.book().has_floating().then(|| Instant::now() + self.retry_after);
        self.retry_after = (self.retry_after * 2).min(RETRY_LAST);
    }
}

async fn at(retry: Option<Instant>) {
    match retry {
        Some(retry) => tokio::time::sleep_until(retry).await,
        None => std::future::pending().await,
    }
}

fn drafted(events: Result<Vec<Event>, Refusal>, now: jiff::Timestamp) -> Result<Vec<Draft>, ExecuteError> {
    events?.iter().map(|event| Draft::new(event, now)).collect()
}

fn answer(job: Job, result: Result<Executed, ExecuteError>) {
    // The asker may have gone; what was done stays done.
    let _ = job.answer.send(result);
}
