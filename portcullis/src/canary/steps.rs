//! What machines do in a live exercise, step by step.

mod asking;
mod tunnelled;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use portcullis_api::problem::Problem;
use portcullis_api::severing::{ArmVerdict, Receipt, SeverAnswer};
use portcullis_control::control::Control;
use portcullis_domain::command::Command;
use portcullis_domain::exercise::SeveredBy;
use portcullis_domain::ids::{IncidentId, OperatorId};
use portcullis_domain::target::TargetName;
use portcullis_exercise::drive::Told;
use portcullis_exercise::run::PathTried;
use portcullis_exercise::spec::{Actor, CANARY, Expect, LiveStep, StepKind};
use portcullis_incident::notice::Said;
use uuid::Uuid;

use super::manifests::{FAR, MACHINE, SPARE};
use super::paths::{self, Stream};
use super::tunnel::Tunnel;
use super::{Canary, KeyPairs, update};
use crate::machine::{Call, Machine, Options, http_builder};
use asking::{BODY_BYTES_MAX, FEW_RECORDS, ask, came, is_refused};
use tunnelled::Tunnelled;

/// How long a stream may take to end once it was cut.
const PATIENCE: Duration = Duration::from_secs(5);
const BEAT: Duration = Duration::from_millis(5);
/// The window of a records limit is ten seconds long.
const RETRY_SECONDS_MAX: u64 = 15;
const WAITS_MAX: usize = 2;
/// How long the canary has known of its breach when it tells of it: in time, by any contract.
const NOTICE_AFTER: Duration = Duration::from_secs(2 * 3_600);

/// The canary's machines, and what they hold open.
pub struct Stage {
    canary: Canary,
    control: Control,
    run: Uuid,
    by: Option<OperatorId>,
    keys: KeyPairs,
    machine: Arc<Machine>,
    spare: Arc<Machine>,
    streams: Vec<Stream>,
    tunnelled: Tunnelled,
    /// Opened by notices of this run.
    incidents: Vec<IncidentId>,
    receipt: Option<Receipt>,
    /// When the receipt was there, on the clock of stamps and on the exercise's.
    cut_at: Option<(u64, u64)>,
    /// Streams that had ended when the cut was ordered.
    over_before: BTreeSet<String>,
    ended_at: Option<Duration>,
}

impl Stage {
    /// New keys, and what an exercise that broke off has left closed is open again.
    pub async fn open(canary: Canary, run: Uuid, by: Option<OperatorId>) -> Result<Self, Box<Problem>> {
        let keys = KeyPairs::new()?;
        canary.declare(&keys, None).await?;
        let opened = Command::RestoreCanary { vendor: CANARY.to_owned(), run, by };
        let control = canary.control()?;
        control.execute_at_gates(opened).await.map_err(|error| super::refused(&error))?;
        let machine = machine(&canary, MACHINE, &keys, Actor::Machine)?;
        let spare = machine_of_spare(&canary, &keys, false)?;
        let mut stage = Self {
            canary,
            control,
            run,
            by,
            keys,
            machine,
            spare,
            streams: Vec::new(),
            tunnelled: Tunnelled::Absent,
            incidents: Vec::new(),
            receipt: None,
            cut_at: None,
            over_before: BTreeSet::new(),
            ended_at: None,
        };
        stage.open_tunnel().await;
        Ok(stage)
    }

    /// When the step's own work was over, if that was before it returned.
    pub fn ended_at(&mut self) -> Option<Duration> {
        self.ended_at.take()
    }

    pub fn close(&mut self) {
        self.streams.drain(..).for_each(Stream::close);
        self.tunnelled = Tunnelled::Absent;
    }

    pub async fn step(&mut self, step: &LiveStep) -> Told {
        let done = match step.what {
            StepKind::Work => return self.work(step).await,
            StepKind::Stream => self.stream().await,
            StepKind::Deliver => self.deliver(false).await,
            StepKind::DeliverTampered => self.deliver(true).await,
            StepKind::CheckUpdate => return self.check_update().await,
            StepKind::Pull => return self.pull(step).await,
            StepKind::UseToken => return self.use_token().await,
            StepKind::Notice => self.notice().await,
            StepKind::LoseControl => lose_control().await,
            StepKind::RegainControl => Ok("commands reach control again".to_owned()),
            StepKind::SignOut => self.sign_out().await,
            StepKind::SeverMisspelt => self.sever_misspelt().await,
            StepKind::Sever => return self.sever().await,
            StepKind::Verify => return Told::Verified { paths: self.verify().await },
            StepKind::Restore => self.restore().await,
        };
        match done {
            Ok(note) => Told::Done { note },
            Err(note) => Told::Failed { note },
        }
    }

    async fn work(&self, step: &LiveStep) -> Told {
        let machine = self.of(step.who);
        let requests = step.requests.unwrap_or(10);
        let answered = step.expect.unwrap_or(Expect::Answered) == Expect::Answered;
        for _ in 0..requests {
            let asked = match answered {
                true => self.ask_in_time(&machine).await,
                false => ask(&machine, FEW_RECORDS).await,
            };
            match asked {
                Ok((Expect::Answered, _)) => {}
                Ok((came, note)) => return Told::Came { came, note },
                Err(note) => return Told::Failed { note },
            }
        }
        Told::Came { came: Expect::Answered, note: format!("{requests} requests were answered") }
    }

    /// What an exercise of a moment ago has taken counts in the records limit still: it is waited for.
    async fn ask_in_time(&self, machine: &Machine) -> Result<(Expect, String), String> {
        let mut waits = 0;
        loop {
            let mut answer = machine.request(&Call::new(Method::GET, FEW_RECORDS)).await;
            let again =
                answer.as_ref().ok().filter(|answer| answer.status() == StatusCode::TOO_MANY_REQUESTS);
            let seconds = again.and_then(|answer| {
                let seconds = answer.headers().get(http::header::RETRY_AFTER)?.to_str().ok()?;
                seconds.parse::<u64>().ok().filter(|seconds| *seconds <= RETRY_SECONDS_MAX)
            });
            match seconds {
                Some(seconds) if waits < WAITS_MAX => {
                    waits += 1;
                    self.canary.say(
                        format!("  its records limit is used up: {seconds} s until it has room again"),
                        None,
                    );
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                }
                _ => return came(&mut answer).await,
            }
        }
    }

    async fn stream(&mut self) -> Result<String, String> {
        let http1 = machine_of_spare(&self.canary, &self.keys, true).map_err(|problem| problem.detail)?;
        let opened = [
            (&self.spare, "http/2 download", Call::new(Method::GET, "/canary/live")),
            (&http1, "http/1.1 download", Call::new(Method::GET, "/canary/live")),
            (&self.spare, "event stream", Call::new(Method::GET, "/canary/events")),
            (&http1, "websocket", paths::websocket("/canary/socket")),
            (&self.spare, "grpc stream", paths::grpc("/canary.Stream/Watch")),
        ];
        for (machine, path, call) in opened {
            self.streams.push(Stream::open(machine, path, &call).await?);
        }
        let streams = &self.streams;
        until(|| streams.iter().all(Stream::has_begun)).await.then_some(()).ok_or("nothing flows")?;
        let tunnelled = self.stream_tunnelled().await;
        Ok(format!("{} answers flow; {tunnelled}", self.streams.len()))
    }

    async fn deliver(&self, tampered: bool) -> Result<String, String> {
        let body = update::made(&self.keys.machine, tampered).ok_or("the update can't be signed")?;
        let call = Call { body, ..Call::new(Method::PUT, "/canary/update") };
        let mut answer = self.machine.request(&call).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let _ = answer.body(BODY_BYTES_MAX).await;
        if status.is_success() {
            Ok(format!("delivered, status {status}"))
        } else {
            Err(format!("status {status}"))
        }
    }

    async fn check_update(&self) -> Told {
        let call = Call::new(Method::GET, "/canary/update");
        let fetched = async {
            let mut answer = self.machine.request(&call).await.map_err(|error| error.to_string())?;
            answer.body(BODY_BYTES_MAX).await.map_err(|error| error.to_string())
        };
        match fetched.await {
            Err(note) => Told::Failed { note },
            Ok(body) => {
                let now = self.control.clock().now();
                let (came, note) = if update::is_genuine(&body, &self.keys.machine, now) {
                    (Expect::Answered, "the signature holds")
                } else {
                    (Expect::Mismatch, "the content is not what was signed")
                };
                Told::Came { came, note: note.to_owned() }
            }
        }
    }

    async fn pull(&self, step: &LiveStep) -> Told {
        let machine = match step.who {
            Actor::Updated | Actor::Thief => machine(&self.canary, MACHINE, &self.keys, step.who),
            who => Ok(self.of(who)),
        };
        let target = format!("/canary/records?records={}", step.records.unwrap_or(5_000));
        match machine {
            Err(problem) => Told::Failed { note: problem.detail },
            Ok(machine) => match ask(&machine, &target).await {
                Ok((came, note)) => Told::Came { came, note },
                Err(note) => Told::Failed { note },
            },
        }
    }

    /// The token alone, from elsewhere, by another TLS client.
    async fn use_token(&self) -> Told {
        let sent = async {
            let token = self.machine.token().await.map_err(|error| error.to_string())?;
            let mut builder = http_builder(&self.canary.0.authorities, None).http1_only();
            builder = builder.local_address(self.canary.seat(Actor::Thief));
            let http = builder.build().map_err(|error| error.to_string())?;
            let url = format!("{}/canary/records", self.canary.0.gate);
            let request = http.get(url).header("authorization", format!("DPoP {}", token.access_token));
            request.send().await.map_err(|error| error.to_string())
        };
        match sent.await {
            Err(note) => Told::Failed { note },
            Ok(response) => {
                let status = response.status();
                let came = if status.is_success() { Expect::Answered } else { Expect::Refused };
                Told::Came { came, note: format!("status {status}") }
            }
        }
    }

    /// By the machine's own key, at the endpoint that vendors use.
    async fn notice(&mut self) -> Result<String, String> {
        let now = self.control.clock().now();
        let said = Said {
            reference: format!("exercise {}", self.run),
            aware: now.checked_sub(NOTICE_AFTER).unwrap_or(now),
            what: "This is an exercise: the canary says that it was broken into.".to_owned(),
            severity: None,
            contact: None,
            affected_records: None,
            data: Vec::new(),
        };
        let signed = self.machine.signed_notice(&said).map_err(|error| error.to_string())?;
        let taken = self.machine.tell(signed).await.map_err(|error| error.to_string())?;
        let state = self.control.state();
        let opened = state.incidents.get(&taken.incident).filter(|incident| incident.is_open());
        let clocks = opened.map(|incident| incident.clocks.len()).ok_or("no incident is open for it")?;
        self.incidents.push(taken.incident);
        Ok(format!("incident {} is open, and {clocks} clocks run", taken.incident))
    }

    /// Incidents of this run are over with it.
    pub async fn tidy(&mut self) {
        for incident in self.incidents.drain(..) {
            let summary = format!("exercise {} is over", self.run);
            if let Err(error) = self.control.close_rehearsed(incident, summary, self.by).await {
                tracing::warn!(%incident, %error, "the incident of an exercise can't be closed");
            }
        }
    }

    async fn sign_out(&self) -> Result<String, String> {
        let by = self.by.ok_or("only an operator signs out")?;
        let (target, reason) = (TargetName::Vendor(CANARY.to_owned()), self.reason());
        let ended = self.control.end_tokens(Command::SignOut { target, by, reason }).await;
        ended.map(|_| "tokens ended; nothing was cut".to_owned()).map_err(|error| error.to_string())
    }

    async fn sever_misspelt(&self) -> Result<String, String> {
        let target = TargetName::Vendor("canry-misspelt-in-an-exercise".to_owned());
        match self.control.sever(target, self.severer(), self.reason()).await {
            Ok(_) => Err("a target that doesn't exist was severed".to_owned()),
            Err(error) => {
                let text = error.to_string();
                Ok(format!("refused: {}", text.lines().next().unwrap_or_default()))
            }
        }
    }

    /// By the call that an operator's command comes to.
    async fn sever(&mut self) -> Told {
        let control = &self.control;
        let target = TargetName::Vendor(CANARY.to_owned());
        self.over_before =
            self.streams.iter().filter(|of| of.has_ended()).map(|of| of.path.clone()).collect();
        let severed = control.sever(target, self.severer(), self.reason()).await;
        self.ended_at = Some(control.clock().monotonic());
        match severed {
            Err(error) => Told::Failed { note: error.to_string() },
            Ok(receipt) => {
                if let Ok(station) = self.canary.station().await {
                    self.cut_at = Some((station.stamp(), station.requests()));
                }
                let faults = faults(&receipt);
                let milliseconds = |micros: u64| micros as f64 / 1_000.0;
                let note = format!(
                    "{}: {} connections; gates after {:.1} ms, ledger after {:.1} ms, all after {:.1} ms",
                    receipt.answer.as_str(),
                    receipt.connections_total,
                    milliseconds(receipt.gates_took_us),
                    milliseconds(receipt.recorded_took_us),
                    milliseconds(receipt.took_us)
                );
                let severance = receipt.severance.0;
                self.receipt = Some(receipt);
                Told::Severed { severance, note, faults }
            }
        }
    }

    async fn verify(&mut self) -> Vec<PathTried> {
        let mut paths = Vec::new();
        let Some((cut_at, requests)) = self.cut_at else { return paths };
        let streams = &self.streams;
        until(|| streams.iter().all(Stream::has_ended)).await;
        for stream in &self.streams {
            let after = stream.newest().saturating_sub(cut_at);
            let how = match (stream.has_ended(), after) {
                (false, _) => "it goes on".to_owned(),
                // By a limit, or by what the gate thought of its machine.
                (true, 0) if self.over_before.contains(&stream.path) => {
                    "it was over before the cut, and nothing made after the receipt came".to_owned()
                }
                (true, 0) => "reset, and nothing made after the receipt came".to_owned(),
                (true, after) => format!("what was made {after} µs after the receipt came"),
            };
            let closed = stream.has_ended() && after == 0;
            paths.push(PathTried {
                path: stream.path.clone(),
                closed,
                how,
                bytes_after: u64::from(after > 0),
            });
        }
        let fresh = |client, keys: &KeyPairs| machine(&self.canary, client, keys, Actor::Updated);
        let tried = [
            ("request with the token in hand", Ok(Arc::clone(&self.machine))),
            ("request of the spare machine", Ok(Arc::clone(&self.spare))),
            ("new connection and new token", fresh(MACHINE, &self.keys)),
            ("new token of the spare machine", machine_of_spare(&self.canary, &self.keys, true)),
        ];
        for (path, machine) in tried {
            let (closed, how) = match machine {
                Err(problem) => (false, format!("it can't be tried: {}", problem.detail)),
                Ok(machine) => is_refused(&machine).await,
            };
            paths.push(PathTried { path: path.to_owned(), closed, how, bytes_after: 0 });
        }
        let later = match self.canary.station().await {
            Ok(station) => station.requests().saturating_sub(requests),
            Err(_) => 1,
        };
        let how = if later == 0 { "no request came".to_owned() } else { format!("{later} requests came") };
        paths.push(PathTried {
            path: "server behind the gate".to_owned(),
            closed: later == 0,
            how,
            bytes_after: 0,
        });
        paths.extend(self.verify_tunnelled(cut_at).await);
        let arms = self.receipt.iter().flat_map(|receipt| &receipt.arms);
        for arm in arms.filter(|arm| arm.outcome != ArmVerdict::Nothing) {
            let closed = arm.outcome == ArmVerdict::Closed;
            let how = arm.why.clone().unwrap_or_else(|| match arm.paths.len() {
                1 => "its path was looked at, and is closed".to_owned(),
                many => format!("{many} paths were looked at, and are closed"),
            });
            paths.push(PathTried { path: format!("arm {}", arm.arm), closed, how, bytes_after: 0 });
        }
        paths
    }

    async fn restore(&mut self) -> Result<String, String> {
        let former = self.tunnelled.held();
        self.close();
        let old =
            machine(&self.canary, MACHINE, &self.keys, Actor::Machine).map_err(|problem| problem.detail)?;
        let keys = KeyPairs::new().map_err(|problem| problem.detail)?;
        self.canary.declare(&keys, None).await.map_err(|problem| problem.detail)?;
        let opened = Command::RestoreCanary { vendor: CANARY.to_owned(), run: self.run, by: self.by };
        let control = &self.control;
        control.execute_at_gates(opened).await.map_err(|error| error.to_string())?;
        let new = machine(&self.canary, MACHINE, &keys, Actor::Machine).map_err(|problem| problem.detail)?;
        match self.ask_in_time(&new).await? {
            (Expect::Answered, _) => {}
            (came, note) => return Err(format!("the canary is not open again: {} {note}", came.as_str())),
        }
        let (closed, how) = is_refused(&old).await;
        if !closed {
            return Err(format!("the old key is taken: {how}"));
        }
        let tunnel = self.restore_tunnelled(&keys, former).await?;
        self.keys = keys;
        Ok(format!("open again with new keys{tunnel}; the old ones stay refused"))
    }

    fn of(&self, who: Actor) -> Arc<Machine> {
        Arc::clone(if who == Actor::Spare { &self.spare } else { &self.machine })
    }

    fn severer(&self) -> SeveredBy {
        SeveredBy::Exercise { run: self.run, operator: self.by }
    }

    fn reason(&self) -> String {
        format!("exercise {}", self.run)
    }
}

/// What a receipt must say of a cut that is whole.
fn faults(receipt: &Receipt) -> Vec<String> {
    let mut faults = Vec::new();
    if receipt.answer != SeverAnswer::Severed {
        faults.push(format!("the receipt says `{}`", receipt.answer.as_str()));
    }
    faults.extend(receipt.gates_silent.iter().map(|gate| format!("gate `{gate}` was silent")));
    for arm in receipt.arms.iter().filter(|arm| arm.outcome == ArmVerdict::Failed) {
        let why = arm.why.as_deref().unwrap_or("it was not verified");
        faults.push(format!("arm `{}`: {why}", arm.arm));
    }
    let unverified = receipt.arms.iter().filter(|arm| arm.outcome == ArmVerdict::Closed);
    for path in unverified.flat_map(|arm| &arm.paths).filter(|path| path.verified_us.is_none()) {
        faults.push(format!("path `{}` was not verified", path.path));
    }
    faults
}

/// A command that goes where nobody listens, as when control is gone.
async fn lose_control() -> Result<String, String> {
    let nobody = std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    match tokio::net::TcpStream::connect(nobody).await {
        Ok(_) => Err("somebody listens on port 1 of this machine".to_owned()),
        Err(error) => Ok(format!("a command finds nobody: {error}")),
    }
}

async fn until(mut holds: impl FnMut() -> bool) -> bool {
    let mut beat = tokio::time::interval(BEAT);
    let waited = async {
        while !holds() {
            beat.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.is_ok()
}

fn machine_of_spare(
    canary: &Canary,
    keys: &KeyPairs,
    http1_only: bool,
) -> Result<Arc<Machine>, Box<Problem>> {
    let from = (canary.seat(Actor::Spare), None);
    made(canary, SPARE, Arc::clone(&keys.spare), http1_only, from)
}

/// Its connections come out of the tunnel.
fn machine_tunnelled(
    canary: &Canary,
    keys: &KeyPairs,
    tunnel: &Tunnel,
) -> Result<Arc<Machine>, Box<Problem>> {
    made(canary, FAR, Arc::clone(&keys.far), false, (None, Some(tunnel.door().to_owned())))
}

fn machine(canary: &Canary, client: &str, keys: &KeyPairs, who: Actor) -> Result<Arc<Machine>, Box<Problem>> {
    let from = (canary.seat(who), None);
    made(canary, client, Arc::clone(&keys.machine), who != Actor::Machine, from)
}

fn made(
    canary: &Canary,
    client: &str,
    key: Arc<portcullis_tokens::signing::SigningKey>,
    http1_only: bool,
    (local_address, through): (Option<IpAddr>, Option<PathBuf>),
) -> Result<Arc<Machine>, Box<Problem>> {
    let options = Options {
        issuer: canary.0.gate.clone(),
        client: client.to_owned(),
        key: Some(key),
        identity: None,
        authorities: canary.0.authorities.clone(),
        scope: Vec::new(),
        http1_only,
        local_address,
        through,
        clock: canary.control()?.clock().clone(),
    };
    Machine::new(options).map(Arc::new).map_err(|error| super::refused(&error))
}
