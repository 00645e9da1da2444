//! The task that has sources again and again, and screens vendors when anything is new.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use portcullis_api::sources::SourceView;
use portcullis_domain::state::State;

use super::having::{Had, have};
use super::wanted::{leis, wanted};
use super::{Kept, RETRY_SECONDS, SOURCES_MAX, SettingsError, Source, SourceSettings, copies, view};
use crate::assurance::screening::Screener;
use crate::control::Control;
use crate::feeds::FetchFile;

/// How often it is looked whose turn it is, and whether vendors have changed.
const BEAT: Duration = Duration::from_secs(1);

/// After which a register that gave up is asked about the rest.
const REST: SignedDuration = SignedDuration::from_mins(10);

/// Why a source can't be had now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotNow {
    Unknown,
    UnderWay,
}

impl Control {
    /// Keeps `sources` from now on, copies in `folder`, and screens vendors against them, until control is gone. Once: a
    /// second word changes nothing.
    ///
    /// # Errors
    /// A source that can never work.
    pub fn keep_sources(
        &self,
        sources: Vec<SourceSettings>,
        folder: PathBuf,
        fetch: FetchFile,
    ) -> Result<(), SettingsError> {
        let sources = checked(sources)?;
        if self.sources().0.set(Kept { folder, fetch, sources }).is_err() {
            return Ok(());
        }
        let (control, runtime) = (self.weak(), self.runtime_handle());
        runtime.spawn(async move {
            if let Some(control) = control.upgrade() {
                control.read_copies().await;
            }
            let mut beat = tokio::time::interval(BEAT);
            beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let (mut screener, mut told) = (Screener::default(), None);
            loop {
                beat.tick().await;
                let Some(control) = control.upgrade() else { return };
                let state = control.state();
                if told.replace(state.size) != Some(state.size) {
                    control.tell_sources(&state);
                }
                for source in control.due_sources() {
                    let control = control.clone();
                    tokio::spawn(async move { control.have_source(&source, false).await });
                }
                screener = control.screen_what_is_new(screener).await;
            }
        });
        Ok(())
    }

    /// Has a source now, and says how that went; `accept` takes it although it has lost most of its entries.
    pub(crate) async fn refresh_source(&self, name: &str, accept: bool) -> Result<SourceView, NotNow> {
        let kept = self.sources().0.get().ok_or(NotNow::Unknown)?;
        let found = kept.sources.iter().find(|source| source.settings.name == name);
        let source = found.ok_or(NotNow::Unknown)?;
        if std::mem::replace(&mut source.status().under_way, true) {
            return Err(NotNow::UnderWay);
        }
        self.have_source(source, accept).await;
        Ok(view(source))
    }

    /// Notes where there are vendors of which a register wasn't asked: they don't wait for its next day.
    fn tell_sources(&self, state: &State) {
        for source in self.sources().0.get().into_iter().flat_map(|kept| &kept.sources) {
            let wanted = wanted(&source.settings, state);
            let mut status = source.status();
            status.has_more = !wanted.is_subset(&status.asked);
        }
    }

    /// Those whose turn it is, marked as under way.
    fn due_sources(&self) -> Vec<Arc<Source>> {
        let now = self.clock().now();
        let sources = self.sources().0.get().map(|kept| kept.sources.as_slice()).unwrap_or_default();
        let due = sources.iter().filter(|source| {
            let mut status = source.status();
            let its_turn = status.schedule.next.is_none_or(|next| now >= next);
            let wanted = status.has_more && status.schedule.failures == 0;
            let due = (its_turn || wanted) && !status.under_way;
            status.under_way |= due;
            due
        });
        due.cloned().collect()
    }

    async fn read_copies(&self) {
        let Some(kept) = self.sources().0.get() else { return };
        let wanted = Arc::new(leis(&self.state()));
        // A handful of names, once.
        copies::tidy(kept);
        for source in &kept.sources {
            let (source, folder, wanted) = (Arc::clone(source), kept.folder.clone(), Arc::clone(&wanted));
            let read =
                tokio::task::spawn_blocking(move || copies::read_copy(&source, &folder, &wanted)).await;
            if let Ok(Err(error)) = read {
                tracing::warn!(error, "the copy of a source can't be read: it is had anew");
            }
        }
    }

    async fn have_source(&self, source: &Arc<Source>, accept: bool) {
        let Some(kept) = self.sources().0.get() else { return };
        let state = self.state();
        let asked = wanted(&source.settings, &state);
        let had = have(kept, source, &state, self.clock().now(), accept).await;
        let now = self.clock().now();
        let mut jitter = [0];
        (self.entropy())(&mut jitter);
        let troubled = had.as_ref().map_or_else(Some, |had| had.partly.as_ref());
        if let Some(error) = troubled {
            tracing::warn!(
                source = source.settings.name,
                error,
                "a source can't be had: what is in use stays"
            );
        }
        // Vendors may have been declared meanwhile.
        let has_more = !wanted(&source.settings, &self.state()).is_subset(&asked);
        let mut status = source.status();
        status.under_way = false;
        status.error_since = troubled.map(|_| status.error_since.unwrap_or(now));
        let seconds = (i64::from(source.settings.refresh_seconds), RETRY_SECONDS);
        let (outcome, partly, gave_up) = match had {
            Ok(Had { loaded, remembered, partly, gave_up }) => {
                status.loaded = Some(loaded);
                status.remembered = remembered;
                status.has_more = has_more;
                status.asked = asked;
                (Ok(()), partly, gave_up)
            }
            Err(error) => (Err(error), None, false),
        };
        status.schedule.tried(outcome, seconds, now, jitter[0]);
        if partly.is_some() {
            status.schedule.error = partly;
        }
        if gave_up {
            let soon = now.checked_add(REST).ok();
            status.schedule.next = status.schedule.next.min(soon);
        }
    }
}

fn checked(sources: Vec<SourceSettings>) -> Result<Vec<Arc<Source>>, SettingsError> {
    if sources.len() > SOURCES_MAX {
        return Err(SettingsError::Many(sources.len()));
    }
    let mut names = BTreeSet::new();
    let mut kept = Vec::new();
    for settings in sources {
        settings.check()?;
        if !names.insert(settings.name.clone()) {
            return Err(SettingsError::Twice(settings.name));
        }
        let authority = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|error| SettingsError::Authority {
                name: settings.name.clone(),
                path: path.display().to_string(),
                error: error.to_string(),
            })
        };
        let certificate_authority = settings.ca.as_ref().map(authority).transpose()?;
        kept.push(Arc::new(Source { settings, certificate_authority, status: Default::default() }));
    }
    Ok(kept)
}
