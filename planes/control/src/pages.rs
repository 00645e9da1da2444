//! Pages: who is called for what. They are raised here by whoever finds the cause, recorded, and carried out by the process.

mod causes;
mod held;

use std::time::Duration;

use jiff::Timestamp;
use portcullis_api::pages::{PageAnswer, PageView};
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::ids::{OperatorId, PageId};
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;
use portcullis_domain::state::pages::KnownPage;
use portcullis_incident::page::{Page, Raising};
use portcullis_metrics::rolling::Window;
use tokio::time::timeout;

use self::causes::{due, failing_arms};
pub(crate) use self::held::HeldPages;
use crate::control::Control;
use crate::error::ExecuteError;
use crate::incidents::view::vendor_name;
use crate::severing::operator_name;

/// The next step isn't called before the look that this ends; a disk may hang for good.
const RECORDING_WAIT: Duration = Duration::from_secs(2);
/// Pages that a list shows.
const LISTED_MAX: usize = 200;

impl Control {
    /// Calls somebody, once for each cause: told again it is no news. It is recorded when this returns, and survives a restart.
    ///
    /// # Errors
    /// The ledger can't take it, or too many wait for an answer.
    pub async fn raise_page(&self, raising: Raising) -> Result<(), ExecuteError> {
        let page = self.new_page(raising, self.clock().now());
        self.execute(Command::RaisePage(Box::new(page))).await.map(|_| ())
    }

    fn new_page(&self, raising: Raising, now: Timestamp) -> Page {
        tracing::warn!(title = raising.title, cause = raising.cause.words(), "somebody is called");
        Page::new(PageId(self.new_id()), raising, now)
    }

    /// Somebody answers: nobody else is called.
    ///
    /// # Errors
    /// There is no such page, or the ledger can't take it.
    pub async fn acknowledge_page(&self, named: String, by: OperatorId) -> Result<PageAnswer, ExecuteError> {
        // Whoever was called before it could be recorded answers what is recorded then.
        if self.state().page(&named).is_none()
            && let Some(page) = self.held_pages().named(&named)
        {
            self.execute(Command::RaisePage(Box::new(page))).await?;
        }
        let before = self.execute(Command::AcknowledgePage { page: named.clone(), by }).await?;
        let state = self.state();
        let known = state.page(&named).ok_or(Refusal::Unknown { kind: "page", name: named.clone() })?;
        Ok(PageAnswer { unchanged: before.events.is_empty(), page: view(&state, known) })
    }

    /// Those that wait, the oldest first; with `all`, also those that were answered, the newest first.
    #[must_use]
    pub fn pages(&self, all: bool) -> Vec<PageView> {
        let state = self.state();
        let held = self.pages_held().into_iter().map(|page| KnownPage { page, acknowledged: None });
        let held: Vec<PageView> = held.map(|known| view(&state, &known)).collect();
        if !all {
            return state.open_pages().into_iter().map(|known| view(&state, known)).chain(held).collect();
        }
        let mut pages: Vec<_> = state.pages.values().collect();
        pages.sort_by_key(|known| std::cmp::Reverse((known.page.time, known.page.id)));
        let known = pages.into_iter().take(LISTED_MAX).map(|known| view(&state, known));
        held.into_iter().rev().chain(known).collect()
    }

    /// Those that the ledger hasn't taken: whoever is first is called all the same.
    #[must_use]
    pub fn pages_held(&self) -> Vec<Page> {
        let state = self.state();
        let mut held = self.held_pages().all();
        held.retain(|page| !state.is_paged(&page.cause));
        held
    }

    /// Raises what incidents and their clocks ask for. What can't be recorded is held, and tried again at each look.
    pub async fn raise_due_pages(&self) {
        let (state, now) = (self.state(), self.clock().now());
        let failing = failing_arms(&state, &self.enforcer_standing());
        for mut raising in due(&state, now).into_iter().chain(failing) {
            let cause = &raising.cause;
            if state.is_paged(cause) || self.held_pages().knows(cause) {
                continue;
            }
            // So many calls about arms say it all, and each severance has its finding.
            let held = self.held_pages().all();
            let waiting = state.open_pages().into_iter().map(|known| &known.page).chain(&held);
            if cause.is_arm() && !cause.has_room(waiting.map(|page| &page.cause)) {
                continue;
            }
            if let Some(lines) = raising.vendor.and_then(|vendor| self.read_lately(&state, vendor.0, now)) {
                raising.text = lines + &raising.text;
            }
            if !self.held_pages().hold(self.new_page(raising, now)) {
                tracing::error!("somebody should be called, and too many calls wait to be recorded");
            }
        }
        self.record_held_pages().await;
        self.held_pages().forget_recorded(&self.state());
    }

    /// Under the ids by which somebody may have been called, so that nobody is called twice.
    async fn record_held_pages(&self) {
        for page in self.pages_held() {
            let recording = self.execute(Command::RaisePage(Box::new(page)));
            let error = match timeout(RECORDING_WAIT, recording).await {
                Ok(Ok(_)) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("the ledger did not answer within {} s", RECORDING_WAIT.as_secs()),
            };
            tracing::error!(error, "somebody is called, and that can't be recorded");
            return;
        }
    }

    /// What a vendor reads now.
    fn read_lately(&self, state: &State, vendor: uuid::Uuid, now: Timestamp) -> Option<String> {
        let (Kind::Vendor, name, resource) = state.by_id(vendor)? else { return None };
        let records = |window| self.metrics().vendor(state, name, resource, window, now).total.records;
        Some(format!(
            "Records in the last minute: {}; in the last hour: {}.\n",
            records(Window::Minute),
            records(Window::Hour)
        ))
    }
}

/// As it is shown.
fn view(state: &State, known: &KnownPage) -> PageView {
    let page = &known.page;
    PageView {
        id: page.id,
        code: page.code.clone(),
        cause: page.cause.clone(),
        vendor: vendor_name(state, page.vendor),
        title: page.title.clone(),
        text: page.text.clone(),
        time: page.time,
        acknowledged_at: known.acknowledged.as_ref().map(|answered| answered.time),
        acknowledged_by: known.acknowledged.as_ref().map(|answered| operator_name(state, answered.by)),
    }
}
