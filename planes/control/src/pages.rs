//! Pages: who is called for what. They are raised here by whoever finds the cause, recorded, and carried out by the process.

mod causes;

use jiff::Timestamp;
use portcullis_api::pages::{PageAnswer, PageView};
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::ids::OperatorId;
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;
use portcullis_domain::state::pages::KnownPage;
use portcullis_incident::page::Raising;
use portcullis_metrics::rolling::Window;

use self::causes::{due, failing_arms};
use crate::control::Control;
use crate::error::ExecuteError;
use crate::incidents::view::vendor_name;
use crate::severing::operator_name;

/// Pages that a list shows.
const LISTED_MAX: usize = 200;

impl Control {
    /// Calls somebody, once for each cause: told again it is no news. It is recorded when this returns, and survives a restart.
    ///
    /// # Errors
    /// The ledger can't take it, or too many wait for an answer.
    pub async fn raise_page(&self, raising: Raising) -> Result<(), ExecuteError> {
        tracing::warn!(title = raising.title, cause = raising.cause.words(), "somebody is called");
        self.execute(Command::RaisePage(Box::new(raising))).await.map(|_| ())
    }

    /// Somebody answers: nobody else is called.
    ///
    /// # Errors
    /// There is no such page, or the ledger can't take it.
    pub async fn acknowledge_page(&self, named: String, by: OperatorId) -> Result<PageAnswer, ExecuteError> {
        let before = self.execute(Command::AcknowledgePage { page: named.clone(), by }).await?;
        let state = self.state();
        let known = state.page(&named).ok_or(Refusal::Unknown { kind: "page", name: named.clone() })?;
        Ok(PageAnswer { unchanged: before.events.is_empty(), page: view(&state, known) })
    }

    /// Those that wait, the oldest first; with `all`, also those that were answered, the newest first.
    #[must_use]
    pub fn pages(&self, all: bool) -> Vec<PageView> {
        let state = self.state();
        if !all {
            return state.open_pages().into_iter().map(|known| view(&state, known)).collect();
        }
        let mut pages: Vec<_> = state.pages.values().collect();
        pages.sort_by_key(|known| std::cmp::Reverse((known.page.time, known.page.id)));
        pages.into_iter().take(LISTED_MAX).map(|known| view(&state, known)).collect()
    }

    /// Raises what incidents and their clocks ask for. What can't be recorded is tried again at the next look.
    pub async fn raise_due_pages(&self) {
        let (state, now) = (self.state(), self.clock().now());
        let failing = failing_arms(&state, &self.enforcer_standing());
        for mut raising in due(&state, now).into_iter().chain(failing) {
            if state.is_paged(&raising.cause) {
                continue;
            }
            if let Some(lines) = raising.vendor.and_then(|vendor| self.read_lately(&state, vendor.0, now)) {
                raising.text = lines + &raising.text;
            }
            if let Err(error) = self.raise_page(raising).await {
                tracing::error!(%error, "somebody should be called, and that can't be recorded");
            }
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
