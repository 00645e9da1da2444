//! Pages: who was called for what, and who has answered.

use std::collections::BTreeMap;

use portcullis_incident::page::{Acknowledgement, Page, is_code};

use crate::command::{Context, Refusal};
use crate::event::Event;
use crate::ids::{OperatorId, PageId};
use crate::state::State;

/// Pages that are remembered: of more, the oldest that were acknowledged go.
const PAGES_MAX: usize = 1_000;

/// Pages by id.
pub type Pages = BTreeMap<PageId, KnownPage>;

/// A page, and who has answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownPage {
    pub page: Page,
    pub acknowledged: Option<Acknowledgement>,
}

impl State {
    /// The page of this id or code, which people write as they like.
    #[must_use]
    pub fn page(&self, named: &str) -> Option<&KnownPage> {
        let by_id = named.parse().ok().and_then(|id: PageId| self.pages.get(&id));
        // Of two with one code, whoever answers means the one that is open, and the newer.
        let mut coded: Vec<_> =
            self.pages.values().filter(|known| is_code(named, &known.page.code)).collect();
        coded.sort_by_key(|known| (known.acknowledged.is_none(), known.page.time));
        by_id.or_else(|| coded.pop())
    }

    /// Those that nobody has acknowledged, the oldest first.
    #[must_use]
    pub fn open_pages(&self) -> Vec<&KnownPage> {
        let mut open: Vec<_> = self.pages.values().filter(|known| known.acknowledged.is_none()).collect();
        open.sort_by_key(|known| (known.page.time, known.page.id));
        open
    }

    /// Whether somebody was called for this already.
    #[must_use]
    pub fn is_paged(&self, cause: &portcullis_incident::page::PageCause) -> bool {
        self.pages.values().any(|known| known.page.cause == *cause)
    }

    pub(super) fn decide_raise_page(&self, page: Box<Page>) -> Result<Vec<Event>, Refusal> {
        if self.is_paged(&page.cause) {
            return Ok(Vec::new());
        }
        let open = self.pages.values().filter(|known| known.acknowledged.is_none());
        if !page.cause.has_room(open.map(|known| &known.page.cause)) {
            return Err(Refusal::PagesMany { most: page.cause.open_max() });
        }
        Ok(vec![Event::PageRaised(page)])
    }

    pub(super) fn decide_acknowledge_page(
        &self,
        named: &str,
        by: OperatorId,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let shown: String = named.chars().take(60).collect();
        let known = self.page(named).ok_or(Refusal::Unknown { kind: "page", name: shown })?;
        if known.acknowledged.is_some() {
            return Ok(Vec::new());
        }
        let acknowledgement = Acknowledgement { page: known.page.id, by, time: context.now };
        Ok(vec![Event::PageAcknowledged(acknowledgement)])
    }

    pub(super) fn apply_page_raised(&mut self, page: &Page) {
        let known = KnownPage { page: page.clone(), acknowledged: None };
        self.pages.insert(page.id, known);
        if self.pages.len() > PAGES_MAX {
            let done = self.pages.values().filter(|known| known.acknowledged.is_some());
            let oldest = done.min_by_key(|known| (known.page.time, known.page.id)).map(|known| known.page.id);
            if let Some(oldest) = oldest {
                self.pages.remove(&oldest);
            }
        }
    }

    pub(super) fn apply_page_acknowledged(&mut self, acknowledgement: &Acknowledgement) {
        if let Some(known) = self.pages.get_mut(&acknowledgement.page) {
            known.acknowledged.get_or_insert_with(|| acknowledgement.clone());
        }
    }
}
