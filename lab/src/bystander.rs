//! Another vendor on the same gate, who has nothing to do with it and must lose nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::{now_ns, until};
use crate::host::Host;
use crate::machine::{Connection, Failure, Machine};
use crate::meter::Meter;

const CONNECTIONS: usize = 4;
const PACE: Duration = Duration::from_millis(8);

/// Requests one after the other over a few connections, each with its time.
pub struct Bystander {
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// Begin and duration of each answered request, in nanoseconds.
    answered: Vec<(u64, u64)>,
    /// When, and what.
    errors: Vec<(u64, String)>,
}

impl Bystander {
    #[must_use]
    pub fn start(host: &Host, machine: &Arc<Machine>, token: &str) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        for _ in 0..CONNECTIONS {
            let (machine, token, seen) = (Arc::clone(machine), token.to_owned(), Arc::clone(&seen));
            host.tasks().spawn(async move {
                if let Err(error) = run(&machine, &token, &seen).await {
                    seen.lock().unwrap().errors.push((now_ns(), error.to_string()));
                }
            });
        }
        Self { seen }
    }

    /// Waits until so many more requests are answered.
    pub fn until_answered(&self, requests: usize) {
        let target = self.seen.lock().unwrap().answered.len() + requests;
        until("the bystander's requests", || {
            let seen = self.seen.lock().unwrap();
            assert!(seen.errors.is_empty(), "the bystander: {:?}", seen.errors);
            (seen.answered.len() >= target).then_some(())
        });
    }

    /// Durations of requests that began in a while.
    #[must_use]
    pub fn durations(&self, from_ns: u64, to_ns: u64) -> Vec<u64> {
        let seen = self.seen.lock().unwrap();
        let within = seen.answered.iter().filter(|(at, _)| (from_ns..to_ns).contains(at));
        within.map(|(_, took)| *took).collect()
    }

    /// What went wrong, ever.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        self.seen.lock().unwrap().errors.iter().map(|(_, error)| error.clone()).collect()
    }
}

/// Of ascending figures; 0 where there are none.
#[must_use]
pub fn quantile(sorted: &[u64], percent: usize) -> u64 {
    let place = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(place).copied().unwrap_or(0)
}

async fn run(machine: &Machine, token: &str, seen: &Mutex<Seen>) -> Result<(), Failure> {
    let mut connection = machine.http1(&Meter::new()).await?;
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        pace.tick().await;
        let began = now_ns();
        ask(machine, &mut connection, token).await?;
        seen.lock().unwrap().answered.push((began, now_ns() - began));
    }
}

async fn ask(machine: &Machine, connection: &mut Connection, token: &str) -> Result<(), Failure> {
    let response = machine.get(connection, "/records", token).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    if status == 200 { Ok(()) } else { Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into()) }
}
