//! Decisions, as gates report them: the newest in memory, all others on disk, and a stream.
//!
//! What reads the disk **blocks**: call it from a thread that may.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use portcullis_api::decisions::{DecisionQuery, DecisionView, FileFault, NamesView, Would};
use portcullis_api::page::{LIMIT_DEFAULT, LIMIT_MAX};
use portcullis_archive::{Archive, Filter, Row};
use portcullis_decision_log::{Frame, Reader};
use portcullis_domain::decision::{
    DECISION_KIND, DecisionId, DecisionRecord, OUTCOME_KIND, OutcomeRecord, Verdict, is_payload_version,
};
use portcullis_domain::ids::{ClientId, TunnelId, VendorId};
use portcullis_domain::judgement::DecisionJudgement;
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;
use portcullis_policy::link::LogBatch;
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::control::risk::judgement_view;
use crate::error::DecisionsError;
use crate::network::tunnels::short;

mod recent;

use recent::RecentLog;

/// Decisions whose outcome is waited for, while somebody follows.
const OPEN_MAX: usize = 65_536;
/// Decisions that a slow follower may be behind before it misses some.
const FOLLOWED_MAX: usize = 4_096;
/// How far back the disk is searched at first; each further step goes twice as far.
const STEP_FIRST_MS: u64 = 600_000;
/// How far back a session is looked for on disk.
const SESSION_SEARCH_MS: u64 = 24 * 3_600_000;

pub(crate) struct Decisions {
    recent: Mutex<RecentLog>,
    /// In the order of [`Verdict::ALL`].
    counts: [AtomicU64; Verdict::ALL.len()],
    reader: Reader,
    log: PathBuf,
    archive: Arc<Archive>,
    followed: broadcast::Sender<Arc<DecisionView>>,
    /// Decisions whose outcome followers wait for.
    open: Mutex<HashMap<DecisionId, DecisionRecord>>,
    names: Mutex<Option<Arc<Names>>>,
}

/// What was found, and the sealed files that could not be looked into.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct FoundDecisions {
    pub items: Vec<DecisionView>,
    pub unreadable: Vec<FileFault>,
}

#[derive(Clone)]
struct Recent {
    record: DecisionRecord,
    outcome: Option<OutcomeRecord>,
}

/// Names by id, of one state.
struct Names {
    state: Arc<State>,
    by_id: HashMap<Uuid, String>,
    judged: HashMap<DecisionId, DecisionJudgement>,
}

impl Decisions {
    pub fn new(log: PathBuf, archive: PathBuf) -> Self {
        Self {
            recent: Mutex::default(),
            counts: Default::default(),
            reader: Reader::new(&log),
            archive: Arc::new(Archive::new(archive)),
            log,
            followed: broadcast::Sender::new(FOLLOWED_MAX),
            open: Mutex::default(),
            names: Mutex::default(),
        }
    }

    /// Each decision as it is reported, and once more with its outcome.
    pub fn follow(&self) -> broadcast::Receiver<Arc<DecisionView>> {
        self.followed.subscribe()
    }

    /// How many decisions had each verdict, since the start.
    pub fn counts(&self) -> [(Verdict, u64); Verdict::ALL.len()] {
        Verdict::ALL.map(|verdict| {
            let count = self.counts.get(verdict.rank()).map_or(0, |count| count.load(Ordering::Relaxed));
            (verdict, count)
        })
    }

    /// Keeps a batch as it came: most of it nobody will ever ask for.
    pub fn take(&self, batch: LogBatch, state: &Arc<State>) {
        for (count, (_, more)) in self.counts.iter().zip(batch.by_verdict()) {
            count.fetch_add(more, Ordering::Relaxed);
        }
        if self.followed.receiver_count() > 0 {
            self.tell(&batch, state);
        } else if let Ok(mut open) = self.open.try_lock() {
            open.clear();
        }
        self.recent().push(batch);
    }

    fn tell(&self, batch: &LogBatch, state: &Arc<State>) {
        let (decided, ended) = match batch.records() {
            Ok(records) => records,
            Err(error) => return tracing::error!(%error, "a gate reports what is no decision"),
        };
        let names = self.names(state);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news = Vec::with_capacity(decided.len() + ended.len());
        for record in decided {
            open.insert(record.id, record.clone());
            news.push(Recent { record, outcome: None });
        }
        for outcome in ended {
            // Decided before anybody followed: it may still be among the recent ones.
            let record = open.remove(&outcome.id).or_else(|| self.recent().record(outcome.id));
            news.extend(record.map(|record| Recent { record, outcome: Some(outcome) }));
        }
        if open.len() > OPEN_MAX {
            open.clear();
        }
        drop(open);
        for decision in news {
            // The last follower may just have gone.
            let _ = self.followed.send(Arc::new(names.view(decision)));
        }
    }

    pub fn archive(&self) -> &Arc<Archive> {
        &self.archive
    }

    /// Where the gate writes its segments.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The decision with its outcome, if it has one. Blocks where it isn't a recent one.
    ///
    /// # Errors
    /// The log can't be read, or it isn't in it and a sealed file that may hold it can't be read.
    pub fn explain(
        &self,
        id: DecisionId,
        state: &Arc<State>,
    ) -> Result<Option<DecisionView>, DecisionsError> {
        let recent = self.recent().find(id);
        let found = match recent {
            Some(found) if found.outcome.is_some() => Some(found),
            other => {
                let frames = self.reader.find(id.0)?;
                match joined(&frames)?.pop().or(other) {
                    Some(found) if found.outcome.is_some() => Some(found),
                    Some(found) => {
                        let outcome = self.archive.late_outcome(&state.sealed, id)?;
                        Some(Recent { outcome, ..found })
                    }
                    None => {
                        let row = self.archive.find(&state.sealed, id)?;
                        // It may end after it was sealed.
                        row.map(|row| Recent {
                            outcome: row.outcome.or_else(|| outcome_of(&frames)),
                            record: row.record,
                        })
                    }
                }
            }
        };
        Ok(found.map(|found| self.names(state).view(found)))
    }

    /// The newest first. Blocks where the recent ones don't suffice.
    ///
    /// # Errors
    /// The log can't be read. Sealed files that can't be are named in the answer.
    pub fn find(
        &self,
        query: &DecisionQuery,
        state: &Arc<State>,
        now_ms: u64,
    ) -> Result<FoundDecisions, DecisionsError> {
        let limit = query.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX) as usize;
        let names = self.names(state);
        let (mut found, oldest) = self.find_recent(query, &names, limit);
        // What is older than everything in memory is on disk, and so is all from before the start.
        let below = oldest.into_iter().chain(query.cursor).min();
        if found.len() >= limit {
            return Ok(FoundDecisions { items: found, unreadable: Vec::new() });
        }
        let room = limit - found.len();
        let mut on_disk = self.find_in_log(query, &names, below, now_ms, room)?;
        let sealed = self.find_sealed(query, state, &names, below, room);
        // Between sealing and the end of its segment a decision is in both.
        let known: HashSet<_> = on_disk.iter().map(|view| view.record.id).collect();
        on_disk.extend(sealed.items.into_iter().filter(|view| !known.contains(&view.record.id)));
        on_disk.sort_by_key(|view| std::cmp::Reverse(view.record.id));
        on_disk.truncate(room);
        found.extend(on_disk);
        Ok(FoundDecisions { items: found, unreadable: sealed.unreadable })
    }

    /// Those in segments that aren't sealed.
    fn find_in_log(
        &self,
        query: &DecisionQuery,
        names: &Names,
        below: Option<DecisionId>,
        now_ms: u64,
        limit: usize,
    ) -> Result<Vec<DecisionView>, DecisionsError> {
        let mut found = Vec::new();
        let mut until_ms = below.map_or(u64::MAX, |below| below.time_ms().saturating_add(1));
        let since_ms = query.since.map_or(0, |since| u64::try_from(since.as_millisecond()).unwrap_or(0));
        let mut step_ms = STEP_FIRST_MS;
        let mut from_ms = until_ms.min(now_ms).saturating_sub(step_ms).max(since_ms);
        while found.len() < limit && since_ms < until_ms {
            let room = limit - found.len();
            found.extend(self.find_on_disk(query, names, from_ms, until_ms, below, room)?);
            if from_ms <= since_ms {
                break;
            }
            until_ms = from_ms;
            step_ms = step_ms.saturating_mul(2);
            from_ms = from_ms.saturating_sub(step_ms).max(since_ms);
        }
        Ok(found)
    }

    /// Those in sealed files.
    fn find_sealed(
        &self,
        query: &DecisionQuery,
        state: &Arc<State>,
        names: &Names,
        below: Option<DecisionId>,
        limit: usize,
    ) -> FoundDecisions {
        let id_of = |kind: Kind, name: &Option<String>| match name {
            Some(name) => state.resource(kind, name).map(|found| Some(found.id)),
            None => Some(None),
        };
        // Nobody has this name any more, so nothing is listed under it.
        let (Some(vendor), Some(client), Some(tunnel)) = (
            id_of(Kind::Vendor, &query.vendor),
            id_of(Kind::Client, &query.client),
            id_of(Kind::Tunnel, &query.tunnel),
        ) else {
            return FoundDecisions::default();
        };
        let filter = Filter {
            vendor: vendor.map(VendorId),
            client: client.map(ClientId),
            verdict: query.verdict,
            reason: query.reason,
            would_stop: query.would == Some(Would::Stop),
            tunnel: tunnel.map(TunnelId),
            session: None,
            since: query.since,
            until: query.until,
            below,
        };
        let found = self.archive.newest(&state.sealed, &filter, limit);
        let view = |row: Row| names.view(Recent { record: row.record, outcome: row.outcome });
        let unreadable = found.unreadable.into_iter();
        FoundDecisions {
            items: found.rows.into_iter().map(view).collect(),
            unreadable: unreadable.map(|fault| FileFault { file: fault.file, why: fault.why }).collect(),
        }
    }

    /// The client that a session belongs to, by its newest decision. Blocks where that isn't recent.
    pub fn session_of(&self, session: &str, state: &State, now_ms: u64) -> Option<ClientId> {
        let begin_ms = now_ms.saturating_sub(SESSION_SEARCH_MS);
        self.recent_session_of(session)
            .or_else(|| {
                let mut client = None;
                let scanned = self.reader.scan(begin_ms, u64::MAX, &mut |frame| {
                    if frame.kind == DECISION_KIND
                        && let Ok(record) = DecisionRecord::of_version(frame.version, &frame.payload)
                        && record.session.as_deref() == Some(session)
                    {
                        client = record.client;
                    }
                    ControlFlow::Continue(())
                });
                if let Err(error) = scanned {
                    tracing::warn!(%error, "a session can't be looked for in the decision log");
                }
                client
            })
            .or_else(|| {
                let since = i64::try_from(begin_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
                let filter = Filter { session: Some(session.to_owned()), since, ..Filter::default() };
                self.archive.newest(&state.sealed, &filter, 1).rows.pop()?.record.client
            })
    }

    /// The recent ones of a client, the newest first.
    pub fn recent_of(&self, client: ClientId) -> Vec<DecisionRecord> {
        let newest_first = self.recent().decisions().into_iter();
        newest_first.map(|decision| decision.record).filter(|record| record.client == Some(client)).collect()
    }

    /// Those that nobody needs a disk for.
    pub fn recent_records(&self) -> Vec<DecisionRecord> {
        self.recent().decisions().into_iter().map(|decision| decision.record).collect()
    }

    pub fn recent_session_of(&self, session: &str) -> Option<ClientId> {
        let newest_first = self.recent().decisions();
        newest_first
            .into_iter()
            .find(|decision| decision.record.session.as_deref() == Some(session))?
            .record
            .client
    }

    fn find_recent(
        &self,
        query: &DecisionQuery,
        names: &Names,
        limit: usize,
    ) -> (Vec<DecisionView>, Option<DecisionId>) {
        let newest_first = self.recent().decisions();
        let oldest = newest_first.last().map(|decision| decision.record.id);
        let found = newest_first
            .into_iter()
            .filter(|decision| query.cursor.is_none_or(|cursor| decision.record.id < cursor))
            .map(|decision| names.view(decision))
            .filter(|view| query.takes(view))
            .take(limit)
            .collect();
        (found, oldest)
    }

    /// At most `limit`, the newest first, of those decided in `from_ms..until_ms` and older than `below`.
    fn find_on_disk(
        &self,
        query: &DecisionQuery,
        names: &Names,
        from_ms: u64,
        until_ms: u64,
        below: Option<DecisionId>,
        limit: usize,
    ) -> Result<Vec<DecisionView>, DecisionsError> {
        let mut newest: VecDeque<DecisionView> = VecDeque::new();
        let mut failed = None;
        let mut frames: Vec<Frame> = Vec::new();
        let mut take = |frames: &mut Vec<Frame>| -> Result<(), DecisionsError> {
            for decision in joined(frames)? {
                let view = names.view(decision);
                if below.is_none_or(|below| view.record.id < below) && query.takes(&view) {
                    newest.push_back(view);
                }
            }
            if newest.len() > limit {
                newest.drain(..newest.len() - limit);
            }
            frames.clear();
            Ok(())
        };
        // Frames of one id come one after the other.
        self.reader.scan(from_ms, until_ms, &mut |frame| {
            if frames.first().is_some_and(|first| first.id != frame.id)
                && let Err(error) = take(&mut frames)
            {
                failed = Some(error);
                return ControlFlow::Break(());
            }
            frames.push(frame.clone());
            ControlFlow::Continue(())
        })?;
        match failed {
            Some(error) => Err(error),
            None => {
                take(&mut frames)?;
                Ok(newest.into_iter().rev().collect())
            }
        }
    }

    fn recent(&self) -> MutexGuard<'_, RecentLog> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Made anew only when the state is another.
    fn names(&self, state: &Arc<State>) -> Arc<Names> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        match &*names {
            Some(known) if Arc::ptr_eq(&known.state, state) => Arc::clone(known),
            _ => Arc::clone(names.insert(Arc::new(Names::new(state)))),
        }
    }
}

impl Names {
    fn new(state: &Arc<State>) -> Self {
        let named = state.resources.iter().map(|((_, name), resource)| (resource.id, name.clone()));
        let mut judged = HashMap::new();
        for word in state.judgements.iter().map(|judged| &judged.word) {
            match word.undo {
                true => judged.remove(&word.decision),
                false => judged.insert(word.decision, word.clone()),
            };
        }
        Self { by_id: named.collect(), judged, state: Arc::clone(state) }
    }

    fn view(&self, decision: Recent) -> DecisionView {
        let Recent { record, outcome } = decision;
        let name = |id: Option<Uuid>| id.and_then(|id| self.by_id.get(&id).cloned());
        let names = NamesView {
            vendor: name(record.vendor.map(|id| id.0)),
            integration: name(record.integration.map(|id| id.0)),
            client: name(record.client.map(|id| id.0)),
            route: name(record.route.map(|id| id.0)),
            tunnel: self.tunnel(&record),
        };
        let judgement = self.judged.get(&record.id).map(|word| judgement_view(&self.state, word));
        DecisionView { judgement, ..DecisionView::new(record, outcome, names) }
    }

    /// With the person's part where it is one for people: an address inside is one person's for good.
    fn tunnel(&self, record: &DecisionRecord) -> Option<String> {
        let tunnel = record.tunnel?;
        let name = self.by_id.get(&tunnel.0)?;
        let people = self.state.tunnels.people.get(&tunnel).into_iter().flat_map(|people| people.values());
        let peer = record.peer.parse::<SocketAddr>().map(|peer| peer.ip().to_canonical());
        let person = people.map(|person| &person.added).find(|added| peer == Ok(added.address));
        Some(person.map_or_else(|| name.clone(), |added| format!("{name}/{}", short(added.id))))
    }
}

fn outcome_of(frames: &[Frame]) -> Option<OutcomeRecord> {
    let outcome = frames.iter().find(|frame| frame.kind == OUTCOME_KIND)?;
    OutcomeRecord::of_version(outcome.version, &outcome.payload).ok()
}

/// Decisions with their outcomes, from frames that come in their order.
fn joined(frames: &[Frame]) -> Result<Vec<Recent>, DecisionsError> {
    let mut decisions: Vec<Recent> = Vec::new();
    for frame in frames {
        if !is_payload_version(frame.version) {
            return Err(DecisionsError::Version(frame.version));
        }
        match frame.kind {
            DECISION_KIND => {
                let record = DecisionRecord::of_version(frame.version, &frame.payload)?;
                decisions.push(Recent { record, outcome: None });
            }
            OUTCOME_KIND => {
                let outcome = OutcomeRecord::of_version(frame.version, &frame.payload)?;
                if let Some(decision) =
                    decisions.last_mut().filter(|decision| decision.record.id == outcome.id)
                {
                    decision.outcome = Some(outcome);
                }
            }
            // Counts of refusals before anybody was identified: no decisions.
            _ => {}
        }
    }
    Ok(decisions)
}
