//! Decisions, as gates report them: the newest in memory, all others on disk, and a stream.
//!
//! What reads the disk **blocks**: call it from a thread that may.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_api::decisions::{DecisionQuery, DecisionView, NamesView};
use portcullis_api::page::{LIMIT_DEFAULT, LIMIT_MAX};
use portcullis_decision_log::{Frame, Reader};
use portcullis_domain::decision::{
    DECISION_KIND, DecisionId, DecisionRecord, OUTCOME_KIND, OutcomeRecord, PAYLOAD_VERSION,
};
use portcullis_domain::ids::ClientId;
use portcullis_domain::state::State;
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::error::DecisionsError;

/// Decisions kept in memory.
const RECENT_MAX: usize = 50_000;
/// Decisions that a slow follower may be behind before it misses some.
const FOLLOWED_MAX: usize = 4_096;
/// How far back the disk is searched at first; each further step goes twice as far.
const STEP_FIRST_MS: u64 = 600_000;
/// How far back a session is looked for on disk.
const SESSION_SEARCH_MS: u64 = 24 * 3_600_000;

pub(crate) struct Decisions {
    recent: Mutex<BTreeMap<DecisionId, Recent>>,
    reader: Reader,
    followed: broadcast::Sender<Arc<DecisionView>>,
    names: Mutex<Option<Arc<Names>>>,
}

#[derive(Clone)]
struct Recent {
    record: Arc<DecisionRecord>,
    outcome: Option<OutcomeRecord>,
}

/// Names by id, of one state.
struct Names {
    state: Arc<State>,
    by_id: HashMap<Uuid, String>,
}

impl Decisions {
    pub fn new(log: PathBuf) -> Self {
        Self {
            recent: Mutex::default(),
            reader: Reader::new(log),
            followed: broadcast::Sender::new(FOLLOWED_MAX),
            names: Mutex::default(),
        }
    }

    /// Each decision as it is reported, and once more with its outcome.
    pub fn follow(&self) -> broadcast::Receiver<Arc<DecisionView>> {
        self.followed.subscribe()
    }

    pub fn take(&self, decided: Vec<DecisionRecord>, ended: Vec<OutcomeRecord>, state: &Arc<State>) {
        let followed = self.followed.receiver_count() > 0;
        let mut news = Vec::new();
        {
            let mut recent = self.recent();
            for record in decided {
                let record = Arc::new(record);
                if followed {
                    news.push(Recent { record: Arc::clone(&record), outcome: None });
                }
                recent.insert(record.id, Recent { record, outcome: None });
            }
            for outcome in ended {
                // Decided so long ago that it is on disk only: so is this.
                let Some(decision) = recent.get_mut(&outcome.id) else { continue };
                decision.outcome = Some(outcome);
                if followed {
                    news.push(decision.clone());
                }
            }
            while recent.len() > RECENT_MAX {
                recent.pop_first();
            }
        }
        if followed {
            let names = self.names(state);
            for decision in news {
                // The last follower may just have gone.
                let _ = self.followed.send(Arc::new(names.view(decision)));
            }
        }
    }

    /// The decision with its outcome, if it has one. Blocks where it isn't a recent one.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn explain(
        &self,
        id: DecisionId,
        state: &Arc<State>,
    ) -> Result<Option<DecisionView>, DecisionsError> {
        let recent = self.recent().get(&id).cloned();
        let found = match recent {
            Some(found) if found.outcome.is_some() => Some(found),
            other => joined(&self.reader.find(id.0)?)?.pop().or(other),
        };
        Ok(found.map(|found| self.names(state).view(found)))
    }

    /// The newest first. Blocks where the recent ones don't suffice.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn find(
        &self,
        query: &DecisionQuery,
        state: &Arc<State>,
        now_ms: u64,
    ) -> Result<Vec<DecisionView>, DecisionsError> {
        let limit = query.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX) as usize;
        let names = self.names(state);
        let (mut found, oldest) = self.find_recent(query, &names, limit);
        // What is older than everything in memory is on disk, and so is all from before the start.
        let below = oldest.into_iter().chain(query.cursor).min();
        let mut until_ms = below.map_or(u64::MAX, |below| below.time_ms().saturating_add(1));
        let since_ms = query.since.map_or(0, |since| u64::try_from(since.as_millisecond()).unwrap_or(0));
        let mut step_ms = STEP_FIRST_MS;
        let mut from_ms = until_ms.min(now_ms).saturating_sub(step_ms).max(since_ms);
        while found.len() < limit && since_ms < until_ms {
            let room = limit - found.len();
            found.extend(self.find_on_disk(query, &names, from_ms, until_ms, below, room)?);
            if from_ms <= since_ms {
                break;
            }
            until_ms = from_ms;
            step_ms = step_ms.saturating_mul(2);
            from_ms = from_ms.saturating_sub(step_ms).max(since_ms);
        }
        Ok(found)
    }

    /// The client that a session belongs to, by its newest decision. Blocks where that isn't recent.
    pub fn session_of(&self, session: &str, now_ms: u64) -> Option<ClientId> {
        self.recent_session_of(session).or_else(|| {
            let mut client = None;
            let scanned =
                self.reader.scan(now_ms.saturating_sub(SESSION_SEARCH_MS), u64::MAX, &mut |frame| {
                    if frame.kind == DECISION_KIND
                        && frame.version == PAYLOAD_VERSION
                        && let Ok(record) = DecisionRecord::from_bytes(&frame.payload)
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
    }

    pub fn recent_session_of(&self, session: &str) -> Option<ClientId> {
        let recent = self.recent();
        let mut newest_first = recent.values().rev();
        newest_first.find(|decision| decision.record.session.as_deref() == Some(session))?.record.client
    }

    fn find_recent(
        &self,
        query: &DecisionQuery,
        names: &Names,
        limit: usize,
    ) -> (Vec<DecisionView>, Option<DecisionId>) {
        let recent = self.recent();
        let newest_first = recent.iter().rev();
        let found = newest_first
            .filter(|(id, _)| query.cursor.is_none_or(|cursor| **id < cursor))
            .map(|(_, decision)| names.view(decision.clone()))
            .filter(|view| query.takes(view))
            .take(limit)
            .collect();
        (found, recent.keys().next().copied())
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

    fn recent(&self) -> MutexGuard<'_, BTreeMap<DecisionId, Recent>> {
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
        Self { by_id: named.collect(), state: Arc::clone(state) }
    }

    fn view(&self, decision: Recent) -> DecisionView {
        let Recent { record, outcome } = decision;
        let name = |id: Option<Uuid>| id.and_then(|id| self.by_id.get(&id).cloned());
        let names = NamesView {
            vendor: name(record.vendor.map(|id| id.0)),
            integration: name(record.integration.map(|id| id.0)),
            client: name(record.client.map(|id| id.0)),
            route: name(record.route.map(|id| id.0)),
        };
        DecisionView::new(Arc::unwrap_or_clone(record), outcome, names)
    }
}

/// Decisions with their outcomes, from frames that come in their order.
fn joined(frames: &[Frame]) -> Result<Vec<Recent>, DecisionsError> {
    let mut decisions: Vec<Recent> = Vec::new();
    for frame in frames {
        if frame.version != PAYLOAD_VERSION {
            return Err(DecisionsError::Version(frame.version));
        }
        match frame.kind {
            DECISION_KIND => {
                let record = Arc::new(DecisionRecord::from_bytes(&frame.payload)?);
                decisions.push(Recent { record, outcome: None });
            }
            OUTCOME_KIND => {
                let outcome = OutcomeRecord::from_bytes(&frame.payload)?;
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
