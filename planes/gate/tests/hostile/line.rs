//! One line of a table: what is sent, what must come of it, and how that is looked at.

use portcullis_domain::spec::UpstreamProtocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::recorder::{Recorder, Script, Seen, find, marker};
use crate::speech::{Said, answers};
use crate::support::client::{Connection, Connector, Protocol, With, get};
use crate::support::clock::HandClock;
use crate::support::identity::{Certificate, who};
use crate::support::soon;
use crate::support::world::World;

/// What must come of a request, or of one of several.
#[derive(Clone, Debug)]
pub enum Step {
    /// Exactly this reaches the upstream, and its answer comes back.
    Passes(Seen),
    /// Refused for this reason; the connection may serve on.
    Denied(u16, &'static str),
    /// Refused as ambiguous, and the connection is closed: nothing behind it is read.
    Refused,
    /// Either of the two: both readings are safe.
    RefusedOr(Seen),
    /// Refused, as ambiguous or by its path.
    Nowhere,
    /// Too much to read, and the connection is closed.
    TooLarge,
    /// It breaks off: the upstream may have seen its beginning and never a whole request. At most one
    /// answer, which blames the caller, and nothing behind it is read.
    Broken,
    /// It breaks off, or exactly this passes.
    BrokenOr(Seen),
    /// It passes, and its answer has no body, whatever its head says.
    PassesBare(Seen),
}

/// A request as raw bytes. `{path}` stands for a path of its own, `{auth}` for a line with good credentials.
pub struct Line {
    pub name: String,
    pub sent: Vec<u8>,
    pub steps: Vec<Step>,
    /// How it goes on: with a request behind it, or with the end of what the client sends.
    pub followed: bool,
    /// The last answer ends the connection, though nothing was wrong.
    pub closes: bool,
    /// A body that nobody wanted is read away or not: then the last answer may end the connection.
    pub may_close: bool,
    /// So much is sent that the end of the connection may overtake the answer.
    pub may_reset: bool,
    /// Each byte in a TLS record of its own.
    pub trickled: bool,
}

impl Line {
    /// Characters up to U+00FF are sent as one byte each.
    pub fn new(name: &str, sent: &str, step: Step) -> Self {
        Self::of(name, sent, vec![step])
    }

    pub fn of(name: &str, sent: &str, steps: Vec<Step>) -> Self {
        let sent: Vec<u8> = sent.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect();
        let name = name.to_owned();
        let (closes, may_close, may_reset, trickled) = (false, false, sent.len() > 16_000, false);
        Self { name, sent, steps, followed: true, closes, may_close, may_reset, trickled }
    }

    pub fn and_ends(self) -> Self {
        Self { followed: false, ..self }
    }

    pub fn and_may_close(self) -> Self {
        Self { may_close: true, ..self }
    }

    pub fn and_closes(self) -> Self {
        Self { closes: true, ..self }
    }
}

/// What an upstream sees; `{path}` is the line's own.
pub fn seen(method: &str, fields: &[&str], body: &str) -> Seen {
    let mut fields: Vec<String> = fields.iter().map(|&field| field.to_owned()).collect();
    fields.sort();
    Seen { method: method.to_owned(), target: "{path}".to_owned(), fields, body: body.as_bytes().to_vec() }
}

/// A gate before a recording upstream, an attacker with good credentials, and victims.
pub struct Stage {
    pub world: World,
    pub recorder: Recorder,
    pub connector: Connector,
    pub token: String,
    victims: Vec<(Connection, String)>,
    asked: u64,
}

/// With so many, each of the gate's cores serves one.
const VICTIMS: u128 = 6;

impl Stage {
    pub async fn new() -> Self {
        Self::before(Recorder::start()).await
    }

    pub async fn scripted(script: Script) -> Self {
        Self::before(Recorder::scripted(script)).await
    }

    async fn before(recorder: Recorder) -> Self {
        let world = World::with(HandClock::real(), |facts| {
            let free = facts.routes.iter_mut().find(|route| route.path == "/free/{*rest}").unwrap();
            free.methods.push("HEAD".to_owned());
            let upstream = free.upstream;
            let main = facts.upstreams.iter_mut().find(|known| known.id == upstream).unwrap();
            main.url = format!("http://{}", recorder.address);
            main.protocol = UpstreamProtocol::default();
        })
        .await;
        let certificate = Certificate::new();
        let connector = world.connector(Some(&certificate));
        let token = world.token(who(1, 1), &certificate);
        let mut victims = Vec::new();
        for number in 0..VICTIMS {
            let (connection, token, _) = world.client(who(2 + number % 5, 1), Protocol::H1).await;
            victims.push((connection, token));
        }
        Self { world, recorder, connector, token, victims, asked: 0 }
    }

    /// Sends a line and says what was not as it must be.
    pub async fn check(&mut self, number: usize, line: &Line) -> Result<(), String> {
        let path = format!("/free/line-{number}");
        let after = format!("/free/after-{number}");
        let before = self.recorder.count();
        let bytes = self.bytes(line, &path, &after);
        let heard = self.hear(&bytes, line).await;
        let mut upstream = self.recorder.since(before);
        self.victims_are_served(&mut upstream).await?;
        let bare = line.steps.iter().map(|step| matches!(step, Step::PassesBare(_))).collect::<Vec<_>>();
        let said = answers(&heard, &bare)?;
        self.nothing_else_came(&mut upstream, &said, line, &path, &after)
    }

    fn bytes(&self, line: &Line, path: &str, after: &str) -> Vec<u8> {
        let auth = format!("Authorization: Bearer {}\r\n", self.token);
        let mut bytes = replaced(&line.sent, b"{path}", path.as_bytes());
        bytes = replaced(&bytes, b"{auth}", auth.as_bytes());
        if line.followed {
            let tail = format!("GET {after} HTTP/1.1\r\nHost: gate.test\r\n{auth}Connection: close\r\n\r\n");
            bytes.extend_from_slice(tail.as_bytes());
        }
        bytes
    }

    /// Everything that the gate says until it closes.
    async fn hear(&self, bytes: &[u8], line: &Line) -> Vec<u8> {
        let (stream, _) = self.connector.tls(Protocol::H1).await.unwrap();
        let (mut read, mut write) = tokio::io::split(stream);
        let mut heard = Vec::new();
        let talk = async {
            // The gate may close before it has read all of it.
            let step = if line.trickled { 1 } else { bytes.len().max(1) };
            for piece in bytes.chunks(step) {
                if write.write_all(piece).await.is_err() || write.flush().await.is_err() {
                    break;
                }
            }
            if !line.followed {
                let _ = write.shutdown().await;
            }
        };
        let listen = async {
            let _ = read.read_to_end(&mut heard).await;
        };
        soon(&line.name, async { tokio::join!(talk, listen) }).await;
        heard
    }

    /// Others get their own answers, whatever the attacker left in the connections to the upstream.
    pub async fn victims_are_served(&mut self, upstream: &mut Vec<Seen>) -> Result<(), String> {
        let before = self.recorder.count() - upstream.len();
        for (victim, (connection, token)) in self.victims.iter_mut().enumerate() {
            self.asked += 1;
            let path = format!("/free/victim-{victim}-{}", self.asked);
            let asked = soon("a victim's answer", connection.ask(get(&path).bearer(token))).await;
            let answer = asked.map_err(|error| format!("a victim got no answer: {error:?}"))?;
            if answer.status != 200 || answer.body != marker(&path).as_bytes() {
                return Err(format!("a victim got {}: {:?}", answer.status, shown(&answer.body)));
            }
        }
        *upstream = self.recorder.since(before);
        upstream.retain(|seen| !seen.target.starts_with("/free/victim-"));
        Ok(())
    }

    fn nothing_else_came(
        &self,
        upstream: &mut Vec<Seen>,
        said: &[Said],
        line: &Line,
        path: &str,
        after: &str,
    ) -> Result<(), String> {
        let all: Vec<_> = said.iter().map(|said| (said.status, said.reason())).collect();
        let wrong = |what: &str| Err(format!("{what}; answered {all:?}; upstream saw {upstream:?}"));
        if let Some(fault) = self.recorder.take_faults().first() {
            return wrong(&format!("the upstream got {fault}"));
        }
        let mut expected = Vec::new();
        let mut said = said.iter();
        let mut is_open = true;
        for step in &line.steps {
            let said = said.next();
            match step {
                Step::Passes(seen) if passed(said) => expected.push(at(seen, path)),
                Step::RefusedOr(seen) if passed(said) => expected.push(at(seen, path)),
                Step::BrokenOr(seen) | Step::PassesBare(seen) if passed(said) => {
                    expected.push(at(seen, path))
                }
                Step::Refused | Step::RefusedOr(_) if refused(said) => is_open = false,
                Step::TooLarge if too_large(said) || (said.is_none() && line.may_reset) => is_open = false,
                Step::Nowhere if nowhere(said) => is_open = said.is_some_and(stays_open),

                Step::Denied(status, reason) if denied(said, *status, reason) => {
                    is_open = said.is_some_and(stays_open);
                }
                Step::Broken | Step::BrokenOr(_)
                    if said.is_none_or(|said| (400..500).contains(&said.status)) =>
                {
                    is_open = false;
                }
                step => return wrong(&format!("expected {step:?}")),
            }
        }
        let more = said.clone().next();
        if is_open && line.followed && !line.closes && (more.is_some() || !line.may_close) {
            expected.push(Seen { target: after.to_owned(), ..seen("GET", &[], "") });
            if !passed(said.next()) {
                return wrong("the request behind it was not answered");
            }
        }
        if said.next().is_some() {
            return wrong("more was answered");
        }
        if *upstream != expected {
            return wrong(&format!("expected {expected:?}"));
        }
        Ok(())
    }

    /// What the upstream has of no whole request must be of a line that broke off.
    pub fn only_broken_lines_left_rests(&self, broken: &[usize]) {
        let is_broken = |rest: &[u8]| {
            broken.iter().any(|number| find(rest, format!(" /free/line-{number} ").as_bytes()).is_some())
        };
        for rest in self.recorder.rests() {
            assert!(is_broken(&rest), "the upstream got {:?}", shown(&rest));
        }
        assert_eq!(self.recorder.take_faults(), Vec::<String>::new());
    }
}

/// Runs a table, and fails with all of its faults together.
pub async fn check_all(lines: &[Line]) {
    let mut stage = Stage::new().await;
    let mut faults = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        if let Err(fault) = stage.check(number, line).await {
            faults.push(format!("{}: {fault}", line.name));
        }
    }
    assert!(faults.is_empty(), "{} of {} lines\n{}", faults.len(), lines.len(), faults.join("\n"));
    let breaks = |line: &Line| line.steps.iter().any(|step| matches!(step, Step::Broken | Step::BrokenOr(_)));
    let broken: Vec<usize> = (0..lines.len()).filter(|&number| breaks(&lines[number])).collect();
    stage.only_broken_lines_left_rests(&broken);
    println!("{} lines", lines.len());
}

fn passed(said: Option<&Said>) -> bool {
    said.is_some_and(|said| said.status == 200 && said.whole)
}

fn denied(said: Option<&Said>, status: u16, reason: &str) -> bool {
    said.is_some_and(|said| said.status == status && said.reason().as_deref() == Some(reason))
}

fn refused(said: Option<&Said>) -> bool {
    denied(said, 400, "head_ambiguous") && !said.is_some_and(stays_open)
}

fn stays_open(said: &Said) -> bool {
    said.field("connection") != Some("close")
}

fn too_large(said: Option<&Said>) -> bool {
    denied(said, 431, "head_too_large") && !said.is_some_and(stays_open)
}

fn nowhere(said: Option<&Said>) -> bool {
    refused(said) || denied(said, 400, "path_not_canonical") || too_large(said)
}

/// `{path}` in the target and the fields is the line's own.
fn at(seen: &Seen, path: &str) -> Seen {
    Seen { target: seen.target.replace("{path}", path), ..seen.clone() }
}

fn replaced(bytes: &[u8], place: &[u8], by: &[u8]) -> Vec<u8> {
    let (mut made, mut rest) = (Vec::new(), bytes);
    while let Some(at) = find(rest, place) {
        made.extend_from_slice(&rest[..at]);
        made.extend_from_slice(by);
        rest = &rest[at + place.len()..];
    }
    made.extend_from_slice(rest);
    made
}

pub fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned()
}
