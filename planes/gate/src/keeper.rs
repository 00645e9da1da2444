//! What is known of how clients behave, kept over restarts; and what is done about it beside the requests: analysts' words,
//! the peers of a new day, and what people are told.
//!
//! One file for each client, `ID.risk`, replaced whole; those that have changed, each minute and at the end. One that can't be
//! read is kept aside, and its client begins anew. A copy of each day lies under `days/`: links to the same files, which cost
//! nothing until they are replaced.
//!
//! Beside them lies what a replay needs and the decision log has not: `calls/` and `peers/` ([`portcullis_policy::risk_log`]).

mod recorded;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use portcullis_domain::ids::ClientId;
use portcullis_policy::facts::JudgementFacts;
use portcullis_policy::link::{FromGate, RiskStanding};
use portcullis_policy::risk_log::{Line, PeersFile};
use portcullis_policy::risks::{RiskCell, Risks, UnderWay};
use portcullis_risk::{Aside, ClientRisk, ContextReport, Progress};
use uuid::Uuid;

use crate::shared::{Ready, Shared};

const LOOK: Duration = Duration::from_secs(1);
const WRITE_SECONDS: i64 = 60;
const DAY_SECONDS: i64 = 86_400;
/// For `backtest`, which replays a week from the state before it.
const DAYS_KEPT: usize = 8;
/// Clients that people are told of in a second; the others are told of in the next.
const TOLD_A_SECOND: usize = 200;
const EXTENSION: &str = "risk";

/// Reads what was kept into `risks`. The folder is made if it is missing.
///
/// # Errors
/// The folder can't be made or read.
pub fn recall(folder: &Path, risks: &Risks, now_us: i64) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut steps = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(client) = client_of(&path) else { continue };
        let read = fs::read(&path).map_err(|error| error.to_string());
        match read.and_then(|bytes| ClientRisk::from_bytes(&bytes).map_err(|error| error.to_string())) {
            Ok(state) => {
                steps.insert(client, state.step());
                risks.cell(client).restore(Box::new(state));
            }
            Err(why) => {
                let aside = path.with_extension("risk.damaged");
                tracing::error!(path = %aside.display(), why, "what is known of how a client behaves can't be read: it is kept aside, and the client begins anew");
                fs::rename(&path, aside)?;
            }
        }
    }
    recorded::append(folder, &[Line::Started { at_us: now_us, steps }])
}

fn client_of(path: &Path) -> Option<ClientId> {
    if path.extension()? != EXTENSION {
        return None;
    }
    path.file_stem()?.to_str()?.parse::<Uuid>().ok().map(ClientId)
}

/// The thread that keeps them. Dropping it writes what is not written yet.
pub struct Keeper {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// # Errors
    /// The thread can't be started.
    pub fn start(shared: Arc<Shared>, folder: PathBuf) -> io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        let now = shared.now_seconds();
        let today = now.div_euclid(DAY_SECONDS);
        let compared_on = match recorded::recall(&folder, &shared.risks) {
            Ok(Some(from_us)) => from_us.div_euclid(DAY_SECONDS * 1_000_000),
            // Where nothing was kept, nobody has peers before the turn of the day: a replay of the log begins like that.
            Ok(None) if shared.risks.all().iter().all(|(_, cell)| cell.look(|_| ()).is_none()) => today,
            Ok(None) => i64::MIN,
            Err(error) => {
                tracing::warn!(%error, "what clients were compared with can't be read: it is made anew");
                i64::MIN
            }
        };
        let keeping = Keeping {
            shared,
            folder,
            day: today,
            write_at: now + WRITE_SECONDS,
            version: None,
            compared_on,
            compare_at: now,
            told: HashMap::new(),
            tidied: false,
        };
        let thread =
            std::thread::Builder::new().name("gate-risk".to_owned()).spawn(move || keeping.run(&stopped))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Keeping {
    shared: Arc<Shared>,
    folder: PathBuf,
    /// UTC days since the Unix epoch.
    day: i64,
    write_at: i64,
    /// The snapshot that was looked at last.
    version: Option<u64>,
    /// Day of the peers that are in use, and when it is next tried to make new ones.
    compared_on: i64,
    compare_at: i64,
    told: HashMap<ClientId, (Progress, Vec<ContextReport>)>,
    /// Nothing is kept of clients that are gone.
    tidied: bool,
}

impl Keeping {
    fn run(mut self, stopped: &Receiver<()>) {
        while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            self.look();
        }
        self.note(Vec::new());
        self.shared.days.sync();
        self.write();
    }

    fn look(&mut self) {
        let now = self.shared.now_seconds();
        if let Some(ready) = self.shared.ready.load_full() {
            if self.version != Some(ready.snapshot.version) {
                self.version = Some(ready.snapshot.version);
                self.take_words(&ready);
                self.forget(&ready);
            }
            let today = now.div_euclid(DAY_SECONDS);
            if today != self.compared_on && now >= self.compare_at {
                self.compare_at = now + WRITE_SECONDS;
                self.compare(&ready, today);
            }
            if today != self.day {
                self.copy_day(self.day);
                recorded::remove_old(&self.folder, today);
                self.day = today;
            }
        }
        self.note(Vec::new());
        self.tell();
        self.shared.days.sync();
        if now >= self.write_at {
            self.write();
            self.write_at = now + WRITE_SECONDS;
        }
    }

    /// Analysts' words: each client's state knows which it has had.
    fn take_words(&self, ready: &Ready) {
        for client in ready.snapshot.clients().filter(|client| !client.judgements.is_empty()) {
            for word in &client.judgements {
                let JudgementFacts { sequence, context, judgement, undo, at_us, .. } = *word;
                let aside = Aside::Judged { sequence, context, judgement, undo, at_us };
                client.risk.change_aside(aside, |state| {
                    state.judge(sequence, &context, judgement, undo, at_us);
                });
            }
        }
    }

    /// Clients that were deleted are erased here, too: at the first look those that went while this gate was away.
    fn forget(&mut self, ready: &Ready) {
        let present: HashSet<ClientId> = ready.snapshot.clients().map(|client| client.id).collect();
        let gone = self.shared.risks.keep_only(&present);
        gone.iter().for_each(|client| drop(self.told.remove(client)));
        if gone.is_empty() && self.tidied {
            return;
        }
        self.tidied = true;
        let days = self.days().into_iter().map(|day| self.folder.join("days").join(day));
        for folder in days.chain([self.folder.clone()]) {
            if let Err(error) = erase_all_but(&present, &folder) {
                self.tidied = false;
                tracing::warn!(path = %folder.display(), %error, "what is known of a deleted client can't be removed");
            }
        }
    }

    /// What clients are compared with on this day: the others of their vendor, and all.
    fn compare(&mut self, ready: &Ready, today: i64) {
        let mut file = PeersFile::default();
        for client in ready.snapshot.clients() {
            let of_vendor = file.vendors.entry(client.integration.vendor).or_default();
            client.risk.look(|state| {
                file.all.add(state);
                of_vendor.add(state);
            });
        }
        let now_us = || self.shared.clock.now().as_microsecond();
        match recorded::turn(&self.folder, &self.shared.risks, &file, now_us) {
            Ok(in_time) => {
                self.compared_on = today;
                if !in_time {
                    tracing::warn!(
                        "what clients are compared with was put to use late: a replay may differ around it"
                    );
                }
            }
            // What can't be recorded doesn't happen: those of before stay.
            Err(error) => tracing::warn!(%error, "what clients are compared with can't be written"),
        }
    }

    /// Keeps calls that belong to no decision.
    fn note(&self, mut lines: Vec<Line>) {
        let now_us = self.shared.clock.now().as_microsecond();
        for (client, cell) in self.shared.risks.all() {
            lines.extend(cell.take_asides().into_iter().map(|(step, call)| {
                let at_us = match &call {
                    Aside::Asked { at_us, .. } => *at_us,
                    Aside::Judged { .. } | Aside::Replaced { .. } => now_us,
                };
                Line::Called { at_us, client, step, call }
            }));
        }
        if !lines.is_empty()
            && let Err(error) = recorded::append(&self.folder, &lines)
        {
            tracing::warn!(%error, "calls can't be kept: a replay will have gaps");
        }
    }

    /// Where clients stand, for people: those that have changed.
    fn tell(&mut self) {
        let at_us = self.shared.clock.now().as_microsecond();
        let mut room = TOLD_A_SECOND;
        for (client, cell) in self.shared.risks.all() {
            if room == 0 {
                return;
            }
            if !cell.take_touched() {
                continue;
            }
            let Some((progress, contexts)) = cell.look(|state| (state.progress(), state.contexts())) else {
                continue;
            };
            let now = (progress, contexts);
            if self.told.get(&client) == Some(&now) {
                continue;
            }
            room -= 1;
            let (progress, contexts) = now.clone();
            let standing = RiskStanding { client, at_us, progress, contexts };
            match self.shared.to_control.try_send(FromGate::RiskStanding(Box::new(standing))) {
                Ok(()) => drop(self.told.insert(client, now)),
                // Control is behind: the next look tells it.
                Err(_) => cell.touch(),
            }
        }
    }

    /// Writes what has changed. All of it is on the disk before any of it takes an older file's place. What was under way
    /// then.
    fn write(&self) -> Vec<(ClientId, UnderWay)> {
        let (mut written, mut under_way) = (Vec::new(), Vec::new());
        for (client, cell) in self.shared.risks.all() {
            let Some(copy) = cell.copy() else { continue };
            under_way.extend(copy.under_way.into_iter().map(|one| (client, one)));
            let Some(state) = copy.changed else { continue };
            let path = self.folder.join(name_of(client));
            match write_beside(&path, &state.to_bytes()) {
                Ok(()) => written.push((path, cell)),
                Err(error) => failed(&path, &cell, &error),
            }
        }
        if written.is_empty() {
            return under_way;
        }
        let synced =
            File::open(&self.folder).and_then(|folder| rustix::fs::syncfs(folder).map_err(Into::into));
        for (path, cell) in written {
            let renamed = match &synced {
                Ok(()) => fs::rename(beside(&path), &path),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            };
            if let Err(error) = renamed {
                failed(&path, &cell, &error);
            }
        }
        under_way
    }

    fn copy_day(&self, day: i64) {
        // What came before stands before it, and its moment is before the disk takes its time.
        self.note(Vec::new());
        let at_us = self.shared.clock.now().as_microsecond();
        let under_way = self.write();
        self.note(vec![Line::Copied { at_us, day, under_way }]);
        let days = self.days();
        let to = self.folder.join("days").join(day.to_string());
        if let Err(error) = copy_links(&self.folder, &to) {
            tracing::warn!(path = %to.display(), %error, "the day's copy of what is known of clients can't be made");
        }
        let old = days.len().saturating_sub(DAYS_KEPT - 1);
        for old in days.iter().take(old) {
            let _ = fs::remove_dir_all(self.folder.join("days").join(old));
        }
    }

    /// Names of the days that are kept, the oldest first.
    fn days(&self) -> BTreeSet<String> {
        let Ok(entries) = fs::read_dir(self.folder.join("days")) else { return BTreeSet::new() };
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }
}

/// Removes every file of clients that aren't among these, whole, damaged or half written.
fn erase_all_but(present: &HashSet<ClientId>, folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let parts = name.to_str().and_then(|name| name.split_once('.'));
        let Some((client, _)) = parts.filter(|(_, kind)| kind.split('.').next() == Some(EXTENSION)) else {
            continue;
        };
        let Ok(client) = client.parse::<Uuid>().map(ClientId) else { continue };
        if present.contains(&client) {
            continue;
        }
        match fs::remove_file(entry.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(())
}

fn failed(path: &Path, cell: &RiskCell, error: &io::Error) {
    // The next minute tries again.
    cell.mark_changed();
    tracing::warn!(path = %path.display(), %error, "what is known of how a client behaves can't be written");
}

fn name_of(client: ClientId) -> String {
    format!("{}.{EXTENSION}", client.0)
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension("risk.new")
}

fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(beside(path))?;
    file.write_all(bytes)
}

fn copy_links(from: &Path, to: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if let (Some(_), Some(name)) = (client_of(&path), path.file_name()) {
            let link = to.join(name);
            match fs::hard_link(&path, &link) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                done => done?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use super::*;

    fn client(number: u128) -> ClientId {
        ClientId(Uuid::from_u128(number))
    }

    #[test]
    fn what_was_kept_is_known_again_and_a_broken_file_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = |number| folder.path().join(name_of(client(number)));
        let mut state = ClientRisk::new();
        state.admit(
            &portcullis_risk::Context { key: 1, ja4: portcullis_risk::Known::Is(2), network: 3, prefix: 4 },
            1_800_000_000_000_000,
        );
        fs::write(path(1), state.to_bytes()).unwrap();
        let mut broken = state.to_bytes();
        *broken.last_mut().unwrap() ^= 1;
        fs::write(path(2), broken).unwrap();
        fs::write(folder.path().join("note.txt"), "not ours").unwrap();
        let risks = Risks::default();
        recall(folder.path(), &risks, 1_800_000_000_000_000).unwrap();
        assert_eq!(risks.cell(client(1)).look(ClientRisk::to_bytes), Some(state.to_bytes()));
        assert!(risks.cell(client(2)).look(|_| ()).is_none());
        assert!(!path(2).exists() && path(2).with_extension("risk.damaged").exists());
    }

    #[test]
    fn a_copy_of_a_day_keeps_what_was_written_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name_of(client(1)));
        fs::write(&path, "old").unwrap();
        let day = folder.path().join("days/20000");
        copy_links(folder.path(), &day).unwrap();
        write_beside(&path, b"new").unwrap();
        fs::rename(beside(&path), &path).unwrap();
        copy_links(folder.path(), &day).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read(day.join(name_of(client(1)))).unwrap(), b"old");
    }
}
