//! The load of HTTP/1.1: closed loop, open loop at a fixed rate, a connection for each request, or
//! connections that stay open and idle.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::client::Client;
use crate::connection::{Connection, Stage, Step};
use crate::process;
use crate::reply::Answered;
use crate::report::{Report, Tally};

/// How a load goes.
#[derive(Clone)]
pub struct Plan {
    pub target: SocketAddr,
    pub connections: usize,
    pub warm_up: Duration,
    pub window: Duration,
    pub shape: Shape,
    /// Source addresses, `127.64.0.1`, `127.64.1.1`, …: a gate limits what comes from one network.
    pub networks: usize,
    /// The process whose CPU time is counted.
    pub watched: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Shape {
    /// Each connection sends as soon as it has its answer.
    Closed,
    /// So many a second over all; latency counts from the moment at which each was due.
    Open { per_second: f64 },
    /// A full handshake, one request if asked for, and the end, again and again.
    Handshakes { with_request: bool },
}

/// How long after the window late answers of an open loop are waited for.
const LATE: Duration = Duration::from_secs(1);
const SCRATCH_BYTES: usize = 128 * 1024;
/// Faults in a row after which it makes no sense to go on.
const FAULTS_MAX: u64 = 2_000;
/// Connections that are opened at the same time, when all are to stay.
const OPENING_MAX: usize = 64;

/// Runs `clients`, split over threads by their owner, and says what came out.
pub fn run(plan: &Plan, threads: Vec<&mut [Client]>) -> Result<Report> {
    let epoch = Instant::now();
    let count = threads.len().max(1);
    let mut measured = None;
    let mut tally = Tally::default();
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = threads
            .into_iter()
            .enumerate()
            .map(|(number, clients)| {
                let mut plan = plan.clone();
                plan.connections = plan.connections / count + usize::from(number < plan.connections % count);
                if let Shape::Open { per_second } = &mut plan.shape {
                    *per_second /= count as f64;
                }
                scope.spawn(move || Engine::new(plan, clients, epoch)?.measure())
            })
            .collect();
        measured = Some(watch(plan, epoch)?);
        for worker in workers {
            tally.add(&worker.join().map_err(|_| anyhow::anyhow!("the generator failed"))??);
        }
        Ok(())
    })?;
    let (window, watched, own) = measured.context("nothing was measured")?;
    Ok(Report::new(&tally, window, watched, own))
}

/// Opens all of `plan`'s connections, asks once on each, and leaves them open as long as the result lives.
pub fn hold<'a>(plan: &Plan, clients: &'a mut [Client]) -> Result<Held<'a>> {
    let mut engine = Engine::new(plan.clone(), clients, Instant::now())?;
    engine.open_all()?;
    Ok(Held(engine))
}

/// Open and idle connections.
pub struct Held<'a>(Engine<'a>);

impl Held<'_> {
    pub fn open(&self) -> usize {
        self.0.connections.iter().flatten().count()
    }

    pub fn tally(&self) -> &Tally {
        &self.0.tally
    }
}

/// CPU time at both ends of the window: of what is watched, and our own.
pub fn watch(plan: &Plan, epoch: Instant) -> Result<(Duration, Option<Duration>, Duration)> {
    let sample = |at: Duration| -> Result<_> {
        std::thread::sleep(at.saturating_sub(epoch.elapsed()));
        Ok((epoch.elapsed(), plan.watched.map(process::cpu).transpose()?, process::cpu(std::process::id())?))
    };
    let begin = sample(plan.warm_up)?;
    let end = sample(plan.warm_up + plan.window)?;
    Ok((end.0 - begin.0, end.1.zip(begin.1).map(|(end, begin)| end - begin), end.2 - begin.2))
}

struct Engine<'a> {
    plan: Plan,
    clients: &'a mut [Client],
    epoch: Instant,
    epoll: OwnedFd,
    connections: Vec<Option<Connection>>,
    opened: usize,
    /// Of an open loop: connections that are free.
    idle: VecDeque<usize>,
    /// Of an open loop: how many requests were sent, or put to a connection.
    sent: u64,
    request: Vec<u8>,
    scratch: Vec<u8>,
    tally: Tally,
    faults_in_a_row: u64,
    is_over: bool,
    /// Connections stay open after their first answer.
    holds: bool,
}

impl<'a> Engine<'a> {
    fn new(plan: Plan, clients: &'a mut [Client], epoch: Instant) -> Result<Self> {
        if clients.is_empty() {
            bail!("a load needs a client");
        }
        let connections = (0..plan.connections).map(|_| None).collect();
        Ok(Self {
            plan,
            clients,
            epoch,
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            connections,
            opened: 0,
            idle: VecDeque::new(),
            sent: 0,
            request: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES],
            tally: Tally::default(),
            faults_in_a_row: 0,
            is_over: false,
            holds: false,
        })
    }

    fn measure(mut self) -> Result<Tally> {
        // Timers of the open loop wake within a microsecond instead of fifty.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        for place in 0..self.plan.connections {
            self.open(place)?;
        }
        let end = self.window_end_ns();
        loop {
            let now = self.now_ns();
            if now >= end {
                break;
            }
            let due = self.send_due(now)?;
            self.wait(due.unwrap_or(end).min(end).saturating_sub(now))?;
        }
        if matches!(self.plan.shape, Shape::Open { .. }) {
            self.finish_late()?;
        }
        for client in &mut *self.clients {
            if let Some(prover) = client.requests.prover() {
                self.tally.proofs_signed_late += std::mem::take(&mut prover.signed_late);
            }
        }
        Ok(self.tally)
    }

    fn open_all(&mut self) -> Result<()> {
        self.holds = true;
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.idle.len() < self.plan.connections {
            while self.opened < self.plan.connections && self.opened - self.idle.len() < OPENING_MAX {
                self.open(self.opened)?;
                self.opened += 1;
            }
            self.wait(100_000_000)?;
            if Instant::now() > deadline {
                bail!("only {} connections stand after a minute", self.idle.len());
            }
        }
        Ok(())
    }

    /// After the window: what was due in it is sent, and what is under way may still come.
    fn finish_late(&mut self) -> Result<()> {
        self.is_over = true;
        let deadline = self.now_ns() + LATE.as_nanos() as u64;
        let is_waiting = |connection: &Option<Connection>| {
            connection.as_ref().is_some_and(|connection| connection.stage == Stage::Answer)
        };
        loop {
            let now = self.now_ns();
            self.send_due(now)?;
            let is_done = self.due_ns().is_none() && !self.connections.iter().any(is_waiting);
            if is_done || now >= deadline {
                break;
            }
            self.wait(10_000_000)?;
        }
        let now = self.now_ns();
        let late: Vec<u64> = self
            .connections
            .iter()
            .flatten()
            .filter(|connection| connection.stage == Stage::Answer)
            .map(|connection| connection.intended_ns)
            .collect();
        for intended in late {
            self.tally.unfinished += 1;
            self.tally.record(now - intended);
        }
        // What was due and never left, for want of a connection.
        while let Some(due) = self.due_ns() {
            self.tally.unfinished += 1;
            self.tally.record(now - due);
            self.sent += 1;
        }
        Ok(())
    }

    fn now_ns(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    fn window_end_ns(&self) -> u64 {
        (self.plan.warm_up + self.plan.window).as_nanos() as u64
    }

    fn is_in_window(&self, at_ns: u64) -> bool {
        at_ns >= self.plan.warm_up.as_nanos() as u64 && at_ns < self.window_end_ns()
    }

    /// When the next request of an open loop is due. It starts halfway through the warm-up, when the
    /// connections stand.
    fn due_ns(&self) -> Option<u64> {
        let Shape::Open { per_second } = self.plan.shape else { return None };
        let start = self.plan.warm_up.as_nanos() as u64 / 2;
        let due = start + (self.sent as f64 * 1e9 / per_second) as u64;
        (due < self.window_end_ns()).then_some(due)
    }

    /// Sends what is due; when the next one is.
    fn send_due(&mut self, now: u64) -> Result<Option<u64>> {
        while let Some(due) = self.due_ns() {
            if due > now {
                return Ok(Some(due));
            }
            let Some(place) = self.idle.pop_front() else { return Ok(None) };
            if self.connections[place].as_ref().is_none_or(|connection| connection.stage != Stage::Idle) {
                continue;
            }
            self.sent += 1;
            self.send(place, due)?;
        }
        Ok(None)
    }

    fn wait(&mut self, timeout_ns: u64) -> Result<()> {
        let timeout = Timespec {
            tv_sec: (timeout_ns / 1_000_000_000) as _,
            tv_nsec: (timeout_ns % 1_000_000_000) as _,
        };
        let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 128];
        let count = match epoll::wait(&self.epoll, &mut events[..], Some(&timeout)) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for event in &events[..count] {
            let (flags, data) = (event.flags, event.data);
            self.event(data.u64() as usize, flags)?;
        }
        Ok(())
    }

    fn open(&mut self, place: usize) -> Result<()> {
        let now = self.now_ns();
        let clients = self.clients.len();
        let client = &self.clients[place % clients];
        let from = (self.plan.networks > 0).then(|| {
            let network = place % self.plan.networks;
            Ipv4Addr::new(127, 64 + (network >> 8) as u8, network as u8, 1)
        });
        let connection = match Connection::open(self.plan.target, from, client.tls.as_ref(), now) {
            Ok(connection) => connection,
            Err(error) => return self.fault(place, &error),
        };
        let flags = EventFlags::IN | EventFlags::OUT;
        epoll::add(&self.epoll, &connection.socket, EventData::new_u64(place as u64), flags)?;
        self.connections[place] = Some(connection);
        Ok(())
    }

    fn event(&mut self, place: usize, flags: EventFlags) -> Result<()> {
        if flags.contains(EventFlags::OUT) {
            let Some(connection) = &mut self.connections[place] else { return Ok(()) };
            let step = connection.writable();
            if let Some(connection) = self.connections[place].as_ref().filter(|it| !it.wants_write()) {
                let data = EventData::new_u64(place as u64);
                epoll::modify(&self.epoll, &connection.socket, data, EventFlags::IN)?;
            }
            self.step(place, step)?;
        }
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            let Some(connection) = &mut self.connections[place] else { return Ok(()) };
            let step = connection.readable(&mut self.scratch);
            self.step(place, step)?;
        }
        Ok(())
    }

    fn step(&mut self, place: usize, step: Result<Step>) -> Result<()> {
        match step {
            Ok(Step::Nothing) => Ok(()),
            Ok(Step::Open) => self.opened(place),
            Ok(Step::Answered(answered)) => self.answered(place, answered),
            Ok(Step::Ended) => self.ended(place),
            Err(error) => self.fault(place, &error),
        }
    }

    fn opened(&mut self, place: usize) -> Result<()> {
        let now = self.now_ns();
        match self.plan.shape {
            _ if self.holds => self.send(place, now),
            Shape::Closed => self.send(place, now),
            Shape::Open { .. } => {
                self.idle.push_back(place);
                Ok(())
            }
            Shape::Handshakes { with_request: true } => {
                let begun = self.connections[place].as_ref().map_or(now, |connection| connection.begun_ns);
                self.send(place, begun)
            }
            Shape::Handshakes { with_request: false } => self.finish(place),
        }
    }

    fn finish(&mut self, place: usize) -> Result<()> {
        let Some(connection) = &mut self.connections[place] else { return Ok(()) };
        match connection.finish() {
            Ok(()) => Ok(()),
            Err(error) => self.fault(place, &error),
        }
    }

    fn send(&mut self, place: usize, intended: u64) -> Result<()> {
        let count = self.clients.len();
        if !self.clients[place % count].requests.next(&mut self.request)? {
            bail!("the requests that were signed ahead are used up: the load is faster than was thought");
        }
        let Some(connection) = &mut self.connections[place] else { return Ok(()) };
        connection.intended_ns = intended;
        if let Err(error) = connection.send(&self.request) {
            return self.fault(place, &error);
        }
        if connection.wants_write() {
            let data = EventData::new_u64(place as u64);
            epoll::modify(&self.epoll, &connection.socket, data, EventFlags::IN | EventFlags::OUT)?;
        }
        Ok(())
    }

    fn answered(&mut self, place: usize, answered: Answered) -> Result<()> {
        let now = self.now_ns();
        self.faults_in_a_row = 0;
        self.count(place, &answered, now);
        if let Some(nonce) = answered.nonce {
            let count = self.clients.len();
            if let Some(prover) = self.clients[place % count].requests.prover() {
                prover.take_nonce(nonce);
                if answered.status == 401 || answered.status == 400 {
                    prover.forget_ahead();
                }
            }
        }
        if answered.is_last && !matches!(self.plan.shape, Shape::Handshakes { .. }) {
            return self.open(place);
        }
        match self.plan.shape {
            _ if self.holds => self.idle.push_back(place),
            Shape::Closed => return self.send(place, now),
            Shape::Open { .. } => {
                self.idle.push_back(place);
                self.send_due(now)?;
            }
            Shape::Handshakes { .. } => return self.finish(place),
        }
        Ok(())
    }

    fn count(&mut self, place: usize, answered: &Answered, now: u64) {
        if !(200..300).contains(&answered.status) {
            *self.tally.refused.entry(answered.status).or_default() += 1;
        }
        let Some(connection) = &self.connections[place] else { return };
        if self.is_in_window(now) {
            self.tally.answers += 1;
            self.tally.bytes += answered.body_bytes;
        }
        let is_open_loop = matches!(self.plan.shape, Shape::Open { .. });
        let counts_at = if is_open_loop { connection.intended_ns } else { now };
        if self.is_in_window(counts_at) {
            self.tally.record(now.saturating_sub(connection.intended_ns));
        }
    }

    fn ended(&mut self, place: usize) -> Result<()> {
        let now = self.now_ns();
        let Some(connection) = &self.connections[place] else { return Ok(()) };
        if connection.stage != Stage::End {
            return self.fault(place, &anyhow::anyhow!("closed while {:?} was waited for", connection.stage));
        }
        if self.is_in_window(now) {
            self.tally.handshakes += 1;
        }
        if self.plan.shape == (Shape::Handshakes { with_request: false }) && self.is_in_window(now) {
            self.tally.record(now - connection.begun_ns);
        }
        self.open(place)
    }

    fn fault(&mut self, place: usize, error: &anyhow::Error) -> Result<()> {
        self.connections[place] = None;
        self.tally.fault(error);
        self.faults_in_a_row += 1;
        if self.faults_in_a_row > FAULTS_MAX {
            bail!(
                "{} faults in a row, the first: {}",
                FAULTS_MAX,
                self.tally.first_fault.as_deref().unwrap_or("")
            );
        }
        if self.is_over { Ok(()) } else { self.open(place) }
    }
}
