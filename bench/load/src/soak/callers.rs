//! Who calls: clients of every kind on threads of their own, each at its share of the rate, and strangers.

mod honest;
mod strangers;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use portcullis_bench_load::figures::Table;
use portcullis_bench_load::keys::Algorithm;
use portcullis_bench_load::portcullis::{Binding, Portcullis};

use honest::Caller;
use strangers::Stranger;

/// The gate's tables of what was used have their room from the start, and the kernel gives each page
/// when it is first written: random places of the largest table, 17 MB, want so many before hardly a
/// page is left.
const FILL_GRANTS: usize = 16_000;
const FILLING: &str = "token, while it warms up";
const KEPT_THREADS: usize = 3;
/// Tokens are got anew long before they expire.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(40);

pub struct Callers {
    board: Arc<Board>,
    threads: Vec<JoinHandle<()>>,
}

/// What all of them write on.
#[derive(Default)]
pub struct Board {
    is_over: AtomicBool,
    answers: AtomicU64,
    tally: Mutex<Tally>,
}

#[derive(Clone, Default)]
pub struct Tally(BTreeMap<&'static str, Kind>);

#[derive(Clone, Default)]
struct Kind {
    done: u64,
    /// Of connections that the gate ended in order, and new ones took the place of.
    reopened: u64,
    errors: u64,
    first_error: Option<String>,
}

impl Callers {
    pub fn start(portcullis: &Portcullis, rate: f64, warm_up: Duration) -> Result<Self> {
        let mut callers = Self { board: Arc::default(), threads: Vec::new() };
        let caller = |binding: Binding, number: usize| {
            let machine = portcullis.machines(binding).nth(number).context("there are machines")?;
            Caller::new(portcullis, machine, TOKEN_AGE_MAX)
        };
        let (eddsa, es256) = (Binding::Dpop(Algorithm::Eddsa), Binding::Dpop(Algorithm::Es256));
        let each = |share: f64| rate * share / KEPT_THREADS as f64;
        for number in 0..KEPT_THREADS {
            let mut kept = honest::Kept::new(caller(Binding::Certificate, number)?, true);
            callers.thread("certificate, kept HTTP/1.1", each(0.40), move |_| kept.ask());
            let mut kept = honest::Kept::new(caller([eddsa, es256][number % 2], number)?, false);
            callers.thread("DPoP, kept HTTP/1.1", each(0.25), move |_| kept.ask());
        }
        let http2 = [caller(Binding::Certificate, 4)?, caller(eddsa, 4)?];
        for caller in http2 {
            let mut streams = honest::Streams::new(caller)?;
            callers.thread("HTTP/2, streams two by two", rate * 0.10 / 2.0, move |_| streams.ask_twice());
        }
        let mut newcomers = vec![caller(Binding::Certificate, 5)?, caller(eddsa, 5)?, caller(es256, 5)?];
        callers.thread("new connection for a request", rate * 0.05, move |turn| {
            let count = newcomers.len();
            newcomers[turn % count].ask_anew()
        });
        let askers = [caller(Binding::Certificate, 6)?, caller(eddsa, 6)?, caller(es256, 6)?];
        callers.thread("token", rate * 0.05, move |turn| {
            askers[turn % askers.len()].new_token().map(|_| Done::Well)
        });
        let stranger = Stranger::new(&portcullis.issuer)?;
        callers.thread("stranger, refused", rate * 0.05, move |turn| stranger.try_it(turn));
        let fill_rate = FILL_GRANTS as f64 / warm_up.mul_f64(0.7).as_secs_f64();
        let mut filler = honest::Filler::new(caller(eddsa, 7)?);
        callers.thread_for(Some(FILL_GRANTS), FILLING, fill_rate, move |_| filler.ask());
        Ok(callers)
    }

    /// What all callers have done so far.
    pub fn answers(&self) -> u64 {
        self.board.answers.load(Ordering::Relaxed)
    }

    pub fn stop(self) -> Tally {
        self.board.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            if thread.join().is_err() {
                self.board.count("thread", Err(anyhow::anyhow!("a thread failed")));
            }
        }
        self.board.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn thread<F>(&mut self, kind: &'static str, per_second: f64, work: F)
    where
        F: FnMut(usize) -> Result<Done> + Send + 'static,
    {
        self.thread_for(None, kind, per_second, work);
    }

    fn thread_for<F>(&mut self, turns: Option<usize>, kind: &'static str, per_second: f64, mut work: F)
    where
        F: FnMut(usize) -> Result<Done> + Send + 'static,
    {
        let board = Arc::clone(&self.board);
        let pause = Duration::from_secs_f64(1.0 / per_second);
        // Not all at once.
        let first = pause.mul_f64(self.threads.len() as f64 / 16.0);
        self.threads.push(std::thread::spawn(move || {
            let mut due = Instant::now() + first;
            for turn in 0..turns.unwrap_or(usize::MAX) {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if board.is_over.load(Ordering::Relaxed) {
                    return;
                }
                board.count(kind, work(turn));
                // Who is late doesn't make up for it in a burst.
                due = (due + pause).max(Instant::now().checked_sub(pause * 4).unwrap_or(due));
            }
        }));
    }
}

/// How a turn went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    Well,
    /// Two requests at once.
    Twice,
    /// On a new connection, since the gate had ended the one before in order.
    Reopened,
}

impl Board {
    fn count(&self, kind: &'static str, done: Result<Done>) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = tally.0.entry(kind).or_default();
        match done {
            Ok(done) => {
                let requests = if done == Done::Twice { 2 } else { 1 };
                kind.done += requests;
                kind.reopened += u64::from(done == Done::Reopened);
                self.answers.fetch_add(requests, Ordering::Relaxed);
            }
            Err(error) => {
                kind.errors += 1;
                kind.first_error.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }
}

impl Tally {
    pub fn errors(&self) -> u64 {
        self.0.values().map(|kind| kind.errors).sum()
    }

    /// Of all that goes on all the time.
    pub fn per_second(&self, soak: Duration) -> f64 {
        let lasting = self.0.iter().filter(|(name, _)| **name != FILLING);
        lasting.map(|(_, kind)| kind.done).sum::<u64>() as f64 / soak.as_secs_f64()
    }

    pub fn table(&self, soak: Duration) -> Table {
        let row = |(name, kind): (&&'static str, &Kind)| {
            vec![
                (*name).to_owned(),
                kind.done.to_string(),
                format!("{:.1}", kind.done as f64 / soak.as_secs_f64()),
                kind.reopened.to_string(),
                kind.errors.to_string(),
                kind.first_error.clone().unwrap_or_default(),
            ]
        };
        Table {
            title: "The callers".to_owned(),
            note: String::new(),
            head: vec!["", "done", "a second", "reopened", "errors", "the first"],
            rows: self.0.iter().map(row).collect(),
        }
    }
}
