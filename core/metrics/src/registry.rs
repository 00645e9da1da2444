//! All series: of each vendor, of each integration, and of each route of an integration. Each family has a limit;
//! what comes beyond it is counted together, under no name.

mod backfill;

use portcullis_domain::decision::{DecisionGlance, DecisionId, OutcomeRecord};
use portcullis_domain::ids::{IntegrationId, RouteId, VendorId};

pub use backfill::Backfill;

use crate::hash::IdMap;
use crate::rolling::{Totals, Window};
use crate::series::{EndedExchange, Series};

/// Series of each family, without a word.
pub const SERIES_MAX: usize = 500;
/// Exchanges under way whose outcome is waited for.
const PENDING_MAX: usize = 262_144;
/// No exchange lasts longer: the longest life of a stream, and its end.
const PENDING_SECONDS_MAX: u64 = 86_400 + 3_600;

/// What a series is about. A vendor's has neither integration nor route, an integration's no route.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    pub vendor: VendorId,
    pub integration: Option<IntegrationId>,
    pub route: Option<RouteId>,
}

/// Which things are told apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Family {
    Vendor,
    Integration,
    Route,
}

impl Family {
    pub const ALL: [Self; 3] = [Self::Vendor, Self::Integration, Self::Route];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vendor => "vendor",
            Self::Integration => "integration",
            Self::Route => "route",
        }
    }

    /// The part of a key that this family tells apart.
    #[must_use]
    pub fn key(self, key: Key) -> Key {
        match self {
            Self::Vendor => Key { integration: None, route: None, ..key },
            Self::Integration => Key { route: None, ..key },
            Self::Route => key,
        }
    }
}

/// The series of one family.
#[derive(Default, Debug)]
struct Table {
    places: IdMap<Key, u32>,
    /// The first is of everything beyond the limit.
    series: Vec<Series>,
    free: Vec<u32>,
}

/// The outcome of what is no exchange is expected, and counts nowhere.
const NOWHERE: Places = [u32::MAX; Family::ALL.len()];

type Places = [u32; Family::ALL.len()];

/// Everything that is counted.
#[derive(Debug)]
pub struct Registry {
    series_max: usize,
    tables: [Table; Family::ALL.len()],
    places: IdMap<Key, Places>,
    pending: IdMap<DecisionId, Places>,
    /// Outcomes of decisions that aren't known (any more).
    unmatched: u64,
}

impl Registry {
    /// With at most `series_max` series of each family.
    #[must_use]
    pub fn new(series_max: usize) -> Self {
        let table = || Table { series: vec![Series::default()], ..Table::default() };
        Self {
            series_max: series_max.max(1),
            tables: [table(), table(), table()],
            places: IdMap::default(),
            pending: IdMap::default(),
            unmatched: 0,
        }
    }

    /// Counts a decision. One about nobody is counted in no series.
    pub fn decided(&mut self, decision: &DecisionGlance<'_>) {
        let Some(vendor) = decision.vendor else { return };
        let key = Key { vendor, integration: decision.integration, route: decision.route };
        let places = self.places_of(key);
        let now = decision.id.time_ms() / 1_000;
        let (verdict, reason) = (decision.verdict, decision.reason);
        // What passes without a route goes to the authorization server.
        let is_token = verdict.passes() && decision.route.is_none();
        for (table, place) in self.tables.iter_mut().zip(places) {
            match table.series.get_mut(place as usize) {
                Some(series) if is_token => series.answered(now),
                Some(series) => series.decided(verdict, reason, now),
                None => {}
            }
        }
        if verdict.passes() && self.pending.len() < PENDING_MAX {
            self.pending.insert(decision.id, if is_token { NOWHERE } else { places });
        }
    }

    pub fn ended(&mut self, outcome: &OutcomeRecord) {
        let Some(places) = self.pending.remove(&outcome.id) else {
            self.unmatched += 1;
            return;
        };
        let now = u64::try_from(outcome.time.as_second()).unwrap_or(0);
        let ended = EndedExchange::of(outcome);
        for (table, place) in self.tables.iter_mut().zip(places) {
            if let Some(series) = table.series.get_mut(place as usize) {
                series.ended(&ended, now);
            }
        }
    }

    /// The series of a family, without that of what is beyond the limit.
    pub fn series(&self, family: Family) -> impl Iterator<Item = (Key, &Series)> {
        let table = self.table(family);
        table.places.iter().filter_map(|(key, place)| Some((*key, table.series.get(*place as usize)?)))
    }

    /// What was counted under no name, because its family was full.
    #[must_use]
    pub fn other(&self, family: Family) -> Option<&Series> {
        self.table(family).series.first()
    }

    #[must_use]
    pub fn find(&self, family: Family, key: Key) -> Option<&Series> {
        let table = self.table(family);
        table.series.get(*table.places.get(&family.key(key))? as usize)
    }

    /// Adds to `totals` what is in the window of a series.
    pub fn add_window(&self, family: Family, key: Key, window: Window, now: u64, totals: &mut Totals) {
        if let Some(series) = self.find(family, key) {
            series.rolling.add_window(window, now, totals);
        }
    }

    #[must_use]
    pub fn unmatched(&self) -> u64 {
        self.unmatched
    }

    /// Bytes that the windows hold, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let series = self.tables.iter().flat_map(|table| &table.series);
        series.map(|series| size_of::<Series>() + series.rolling.bytes()).sum()
    }

    /// Forgets what doesn't exist any more, and exchanges whose outcome can't come any more.
    pub fn tidy(&mut self, exists: impl Fn(&Key) -> bool, now: u64) {
        let mut gone = false;
        for table in &mut self.tables {
            let dead: Vec<Key> = table.places.keys().filter(|key| !exists(key)).copied().collect();
            for key in dead {
                if let Some(place) = table.places.remove(&key)
                    && let Some(series) = table.series.get_mut(place as usize)
                {
                    *series = Series::default();
                    table.free.push(place);
                    gone = true;
                }
            }
        }
        if gone {
            self.places.clear();
            // A freed place is another's soon: its exchanges must not be counted there.
            let tables = &self.tables;
            self.pending.retain(|_, places| {
                tables.iter().zip(&*places).all(|(table, place)| !table.free.contains(place))
            });
        }
        self.pending.retain(|id, _| now.saturating_sub(id.time_ms() / 1_000) < PENDING_SECONDS_MAX);
    }

    fn table(&self, family: Family) -> &Table {
        let [vendors, integrations, routes] = &self.tables;
        match family {
            Family::Vendor => vendors,
            Family::Integration => integrations,
            Family::Route => routes,
        }
    }

    fn places_of(&mut self, key: Key) -> Places {
        if let Some(places) = self.places.get(&key) {
            return *places;
        }
        let mut places = [0; Family::ALL.len()];
        for ((family, table), place) in Family::ALL.into_iter().zip(&mut self.tables).zip(&mut places) {
            *place = table.place(family.key(key), self.series_max);
        }
        // What is beyond the limit is looked for again: a place may have become free.
        if !places.contains(&0) {
            self.places.insert(key, places);
        }
        places
    }
}

impl Table {
    fn place(&mut self, key: Key, series_max: usize) -> u32 {
        if let Some(place) = self.places.get(&key) {
            return *place;
        }
        if self.places.len() >= series_max {
            return 0;
        }
        let place = self.free.pop().or_else(|| {
            let place = u32::try_from(self.series.len()).ok()?;
            self.series.push(Series::default());
            Some(place)
        });
        let Some(place) = place else { return 0 };
        self.places.insert(key, place);
        place
    }
}
