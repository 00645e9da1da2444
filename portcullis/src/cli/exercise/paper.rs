//! People walk through an exercise: what happens is told when it is due, and what they say they did is taken down.

use std::io::BufRead as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use portcullis_api::exercises::{PaperAnswer, PaperRequest, RunView};
use portcullis_api::resource::ResourceView;
use portcullis_domain::spec::{ExerciseSpec, Kind};
use portcullis_exercise::span::Span;
use portcullis_exercise::walk::Walk;
use portcullis_policy::clock::Clock;
use tokio::sync::mpsc;

use super::super::failure::Usage;
use super::super::get;
use super::super::output::Output;
use super::super::server::Server;
use crate::clock::system_clock;

/// How often it is looked whether something is due.
const BEAT: Duration = Duration::from_millis(200);

/// Answers from a file, graded by the server.
pub(super) async fn from_file(server: &Server, name: &str, file: &Path) -> Result<RunView> {
    let text = std::fs::read_to_string(file).with_context(|| format!("can't read `{}`", file.display()))?;
    let request = PaperRequest { started_at: None, answers: read(&file.display().to_string(), &text)? };
    Ok(server.post(&["v1", "exercises", name, "paper"], &request).await?.1)
}

fn read(file: &str, text: &str) -> Result<Vec<PaperAnswer>> {
    let hint = "hint: write a list of answers, each `{ at: 5m, who: on-call, did: what was done }`";
    portcullis_api::exercises::answers(text)
        .map_err(|error| Usage(format!("`{file}` can't be read as answers: {error}\n{hint}")).into())
}

/// Asks whoever sits at the terminal, until everything was told and nothing is open any more.
pub(super) async fn at_the_terminal(server: &Server, out: &Output, name: &str) -> Result<RunView> {
    let view = get::one(server, Kind::Exercise, name).await?;
    let spec = spec_of(&view)?;
    let clock = system_clock();
    let (lines, mut typed) = mpsc::channel(64);
    // Reading a line can't be broken off: the thread ends with the process.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let started_at = clock.now();
    let mut session = Session::new(spec, &clock);
    out.note(&session.opening());
    let mut beat = tokio::time::interval(BEAT);
    while !session.is_over() {
        tokio::select! {
            _ = beat.tick() => out.note_all(&session.tick()),
            line = typed.recv() => match line {
                Some(line) => out.note_all(&session.line(&line)),
                None => session.end(),
            },
        }
    }
    let request = PaperRequest { started_at: Some(started_at), answers: session.answers };
    Ok(server.post(&["v1", "exercises", name, "paper"], &request).await?.1)
}

fn spec_of(view: &ResourceView) -> Result<ExerciseSpec> {
    serde_json::from_value(view.spec.clone()).map_err(|error| anyhow!("the exercise can't be read: {error}"))
}

impl Output {
    fn note_all(&self, lines: &[String]) {
        for line in lines {
            self.note(line);
        }
    }
}

/// What is shown and typed; the server grades it anew.
struct Session {
    walk: Walk,
    clock: Clock,
    began: Duration,
    /// What was skipped by `next`.
    skipped: Duration,
    answers: Vec<PaperAnswer>,
    ended: bool,
}

impl Session {
    fn new(spec: ExerciseSpec, clock: &Clock) -> Self {
        let began = clock.monotonic();
        Self {
            walk: Walk::new(spec),
            clock: clock.clone(),
            began,
            skipped: Duration::ZERO,
            answers: Vec::new(),
            ended: false,
        }
    }

    fn opening(&self) -> String {
        let spec = self.walk.spec();
        format!(
            "{}\n\n{}\n\n{}\n\nRoles: {}\nType `ROLE: what was done`, as often as you like; `next` goes on to what happens next, `open` says\nhow much is open, `end` ends it. Write no names: what you type is kept.\n",
            spec.title,
            spec.story.trim(),
            spec.scope.trim(),
            spec.roles.join(", ")
        )
    }

    fn now(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.began).saturating_add(self.skipped)
    }

    fn is_over(&self) -> bool {
        self.ended || self.walk.is_over(self.now())
    }

    fn end(&mut self) {
        self.ended = true;
    }

    /// What is due by now.
    fn tick(&mut self) -> Vec<String> {
        let due = self.walk.due(self.now());
        due.into_iter()
            .map(|(at, inject)| {
                let to = inject.to.map(|to| format!(" to {to}")).unwrap_or_default();
                format!("\n[{}]{to}: {}", clocked(at), inject.text.trim())
            })
            .collect()
    }

    fn line(&mut self, line: &str) -> Vec<String> {
        let now = self.now();
        match line.trim() {
            "" => Vec::new(),
            "end" => {
                self.end();
                vec!["ended".to_owned()]
            }
            "open" => {
                let open = self.walk.open().count();
                vec![format!("[{}] {open} expected actions are open", clocked(now))]
            }
            "next" => match self.walk.next_at(now) {
                Some(at) => {
                    self.skipped += at.saturating_sub(now);
                    self.tick()
                }
                None => vec!["nothing more happens by itself; `end` ends it".to_owned()],
            },
            typed => self.answer(now, typed),
        }
    }

    fn answer(&mut self, now: Duration, typed: &str) -> Vec<String> {
        let Some((who, did)) = typed.split_once(':') else {
            let first = self.walk.spec().roles.first().map_or("on-call", String::as_str);
            return vec![format!("write who did it, such as `{first}: {typed}`")];
        };
        let (who, did) = (who.trim(), did.trim());
        match self.walk.hear(now, who, did) {
            Err(error) => vec![error.to_string()],
            Ok(heard) => {
                let at = Span::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
                self.answers.push(PaperAnswer { at, who: who.to_owned(), did: did.to_owned() });
                let mut told: Vec<String> = heard
                    .is
                    .iter()
                    .map(|(id, outcome)| format!("[{}] `{id}`: {}", clocked(now), outcome.as_str()))
                    .collect();
                told.extend(heard.wrong.iter().map(|wrong| format!("[{}] not so: {wrong}", clocked(now))));
                if told.is_empty() {
                    told.push(format!("[{}] taken down", clocked(now)));
                }
                told
            }
        }
    }
}

/// Hours, minutes and seconds since the beginning.
fn clocked(at: Duration) -> String {
    let seconds = at.as_secs();
    format!("+{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use portcullis_domain::spec::Spec;

    fn shipped(name: &str) -> ExerciseSpec {
        let text = portcullis_exercise::shipped::scenario(name).unwrap();
        let document = portcullis_api::manifest::parse(name, text).unwrap().remove(0);
        match document.declaration.spec {
            Spec::Exercise(spec) => *spec,
            other => panic!("{other:?}"),
        }
    }

    /// A session whose seconds the test sets.
    fn session(name: &str) -> (Session, Arc<AtomicU64>) {
        let seconds = Arc::new(AtomicU64::new(0));
        let read = Arc::clone(&seconds);
        let monotonic = move || Duration::from_secs(read.load(Ordering::Relaxed));
        let clock = Clock::new(|| jiff::Timestamp::UNIX_EPOCH, monotonic);
        (Session::new(shipped(name), &clock), seconds)
    }

    #[test]
    fn injects_come_at_their_time_or_when_they_are_skipped_to() {
        let (mut session, seconds) = session("wrong-command");
        assert!(session.opening().contains("Roles: on-call, security-lead"));
        assert!(session.tick()[0].starts_with("\n[+00:00:00] to on-call: The page:"));
        assert_eq!(session.tick(), Vec::<String>::new());
        seconds.store(299, Ordering::Relaxed);
        assert_eq!(session.tick(), Vec::<String>::new());
        seconds.store(300, Ordering::Relaxed);
        assert!(session.tick()[0].contains("[+00:05:00]"));
        assert!(session.line("next")[0].contains("[+00:08:00]"), "the clock goes on");
        assert_eq!(session.line("open"), ["[+00:08:00] 3 expected actions are open"]);
    }

    #[test]
    fn answers_are_taken_down_with_their_times_and_graded_at_once() {
        let (mut session, seconds) = session("wrong-command");
        session.tick();
        seconds.store(480, Ordering::Relaxed);
        session.tick();
        assert_eq!(session.line("it is a typo"), ["write who did it, such as `on-call: it is a typo`"]);
        assert!(session.line("cook: it is a typo")[0].contains("nobody takes part as `cook`"));
        seconds.store(600, Ordering::Relaxed);
        assert_eq!(session.line("on-call: portcullis sever vendor/acme"), ["[+00:10:00] `sever`: in time"]);
        assert_eq!(session.line("on-call: hum"), ["[+00:10:00] taken down"]);
        assert!(session.line("on-call: restore it")[0].contains("not so: Nothing was cut"));
        let at: Vec<String> = session.answers.iter().map(|answer| answer.at.to_string()).collect();
        assert_eq!(at, ["10m", "10m", "10m"]);
        session.line("end");
        assert!(session.is_over());
    }

    #[test]
    fn answers_in_a_file_are_read_and_refused_with_a_place() {
        let text = "- { at: 5m, who: on-call, did: portcullis sever vendor/acme }\n";
        assert_eq!(read("a.yaml", text).unwrap()[0].at.to_string(), "5m");
        for wrong in [
            "- { at: 5y, who: on-call, did: x }",
            "- { who: on-call }",
            "nothing",
            "- { at: 5m, who: a, did: b, c: d }",
        ] {
            let error = read("a.yaml", wrong).unwrap_err().to_string();
            assert!(
                error.contains("`a.yaml` can't be read as answers") && error.contains("hint: "),
                "{error}"
            );
        }
    }
}
