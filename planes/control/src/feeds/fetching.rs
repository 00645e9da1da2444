//! The task that tells of feeds and fetches them: what is due, side by side.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_domain::state::State;
use portcullis_intel::{Folder, Limits};

use super::{FetchFile, FetchedFile, Outside, Place, Remembered, WantedFile, places};
use crate::control::Control;

/// How often it is looked what is declared, and whose turn it is.
const BEAT: Duration = Duration::from_secs(1);

/// Why a feed can't be fetched now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotNow {
    Unknown,
    UnderWay,
    /// Nobody reads feeds here.
    Nowhere,
}

impl Control {
    /// Keeps the folder of feeds from now on, until control is gone.
    pub fn keep_feeds(&self, folder: Folder, fetch: FetchFile) {
        if self.feeds().outside.set(Outside { folder, fetch }).is_err() {
            return;
        }
        let (control, runtime) = (self.weak(), self.runtime_handle());
        runtime.spawn(async move {
            let mut beat = tokio::time::interval(BEAT);
            beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut told: Option<Arc<State>> = None;
            loop {
                beat.tick().await;
                let Some(control) = control.upgrade() else { return };
                let Some(Outside { folder, .. }) = control.feeds().outside.get() else { return };
                let state = control.state();
                let is_new = told.as_ref().is_none_or(|told| !Arc::ptr_eq(told, &state));
                if is_new && control.tell_feeds(folder, &state) {
                    told = Some(Arc::clone(&state));
                }
                for place in control.feeds().due(&state, folder, control.clock().now()) {
                    let control = control.clone();
                    tokio::spawn(async move { control.fetch_feed(&place).await });
                }
            }
        });
    }

    /// Fetches a feed now, and has it read; says when that is done.
    pub(crate) async fn refresh_feed(&self, name: &str, accept: bool) -> Result<(), NotNow> {
        let Some(Outside { folder, .. }) = self.feeds().outside.get() else { return Err(NotNow::Nowhere) };
        let state = self.state();
        let (_, id, _) = super::declared(&state).find(|(known, ..)| *known == name).ok_or(NotNow::Unknown)?;
        if accept {
            // Any word but the last one; the time is as good as any.
            let word = u64::try_from(self.clock().now().as_microsecond()).unwrap_or(1);
            self.feeds().accept(id, word);
            self.tell_feeds(folder, &state);
        }
        if let Some(place) = places(&state).into_iter().find(|place| place.id == id) {
            self.feeds().take(&place).ok_or(NotNow::UnderWay)?;
            self.fetch_feed(&place).await;
        }
        self.look_at_feeds().await;
        Ok(())
    }

    /// Whether whoever reads feeds knows what is declared.
    fn tell_feeds(&self, folder: &Folder, state: &State) -> bool {
        let told = folder.declare(&self.feeds().sources(state, folder));
        if let Err(error) = &told {
            tracing::error!(%error, "the list of feeds can't be written");
        }
        forget_fetched(folder, state);
        told.is_ok()
    }

    async fn look_at_feeds(&self) {
        let Some(intel) = self.process().and_then(|process| process.intel.clone()) else { return };
        let _ = tokio::task::spawn_blocking(move || intel.look()).await;
    }

    async fn fetch_feed(&self, place: &Place) {
        let Some(Outside { folder, fetch }) = self.feeds().outside.get() else { return };
        let outcome = self.fetched(folder, fetch, place).await;
        if let Err(error) = &outcome {
            tracing::warn!(feed = place.name, error, "a feed can't be fetched");
        }
        let mut jitter = [0];
        (self.entropy())(&mut jitter);
        self.feeds().tried(place, outcome, self.clock().now(), jitter[0]);
    }

    async fn fetched(&self, folder: &Folder, fetch: &FetchFile, place: &Place) -> Result<Remembered, String> {
        let to = folder.fetched(&place.name);
        let known = self.feeds().remembered(place);
        let known = known.validator.filter(|_| to.is_file());
        let wanted = WantedFile {
            url: place.url.clone(),
            certificate_authority: place.certificate_authority.clone(),
            header_files: BTreeMap::new(),
            known: known.clone(),
            to: to.clone(),
            bytes_max: Limits::default().bytes_max,
        };
        let fetched = fetch(wanted).await.map_err(|error| format!("`{}`: {error}", place.url))?;
        let validator = match fetched {
            FetchedFile::Unchanged => known,
            FetchedFile::Written { validator } => validator,
        };
        let remembered = Remembered { url: place.url.clone(), validator, checked: Some(self.clock().now()) };
        remember(&to.with_extension("json"), &remembered);
        Ok(remembered)
    }
}

/// Without it the feed is only fetched once more than it would have to be.
fn remember(path: &Path, remembered: &Remembered) {
    let written = serde_json::to_vec(remembered).map(|text| std::fs::write(path, text));
    if !matches!(written, Ok(Ok(()))) {
        tracing::warn!(path = %path.display(), "it can't be remembered when a feed was fetched");
    }
}

/// Removes the content of feeds that are no longer declared, or no longer fetched.
fn forget_fetched(folder: &Folder, state: &State) {
    let Some(fetched) = folder.fetched("x").parent().map(Path::to_owned) else { return };
    let Ok(entries) = std::fs::read_dir(fetched) else { return };
    let known = places(state);
    for entry in entries.flatten() {
        let path = entry.path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        if known.iter().all(|place| place.name != name) {
            let _ = std::fs::remove_file(path);
        }
    }
}
