//! Counts with back-off: `p(x|u) = (n_ux + 2·p_parent(x)) / (n_u + 2)` down to uniform.

use std::collections::HashMap;

use crate::corpora::{Account, Request};

const STRENGTH: f64 = 2.0;
/// Of a client, for its peers.
const PEER_EXCHANGES_MAX: usize = 60;
const ENDPOINTS: f64 = 64.0;
const SIZES: f64 = 32.0;
const GAPS: f64 = 40.0;
const HOURS: f64 = 168.0;
const STATUSES: f64 = 16.0;

/// One exchange, as the tables see it.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    pub at_us: i64,
    pub endpoint: u32,
    pub previous: u32,
    pub size: u32,
    pub gap: Option<u32>,
    pub hour: u32,
    pub status: u32,
}

impl Exchange {
    pub fn of(request: &Request, previous: Option<&Request>) -> Self {
        let hours = request.at_us.div_euclid(3_600_000_000);
        Self {
            at_us: request.at_us,
            endpoint: request.endpoint,
            previous: previous.map_or(0, |previous| previous.endpoint),
            size: bucket(request.request_bytes),
            gap: previous
                .map(|previous| bucket((request.at_us - previous.at_us).max(0).unsigned_abs() / 1_000)),
            hour: hours.rem_euclid(168) as u32,
            status: u32::from(request.status),
        }
    }
}

fn bucket(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

#[derive(Clone, Default)]
struct Row {
    total: f64,
    cells: HashMap<u32, f64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Table {
    Endpoint,
    Size,
    Gap,
    Hour,
    Status,
}

/// The row of a table that stands for "whatever came before".
const ANY: u32 = 0;

#[derive(Clone, Default)]
pub struct Counts(HashMap<(Table, u32), Row>);

impl Counts {
    pub fn of_peers(peers: &[&Account]) -> Self {
        let mut counts = Self::default();
        for peer in peers {
            let mut previous = None;
            // Spread over all that it did.
            let step = (peer.requests.len() / PEER_EXCHANGES_MAX).max(1);
            for (place, request) in peer.requests.iter().enumerate() {
                if place % step == 0 && place / step < PEER_EXCHANGES_MAX {
                    counts.add(&Exchange::of(request, previous));
                }
                previous = Some(request);
            }
        }
        counts
    }

    pub fn add(&mut self, exchange: &Exchange) {
        self.count(Table::Endpoint, exchange.previous, exchange.endpoint);
        self.count(Table::Endpoint, ANY, exchange.endpoint);
        self.count(Table::Size, exchange.endpoint, exchange.size);
        self.count(Table::Size, ANY, exchange.size);
        self.count(Table::Status, exchange.endpoint, exchange.status);
        self.count(Table::Status, ANY, exchange.status);
        self.count(Table::Hour, ANY, exchange.hour);
        if let Some(gap) = exchange.gap {
            self.count(Table::Gap, ANY, gap);
        }
    }

    fn count(&mut self, table: Table, row: u32, cell: u32) {
        let row = self.0.entry((table, row)).or_default();
        row.total += 1.0;
        *row.cells.entry(cell).or_default() += 1.0;
    }

    fn over(&self, table: Table, row: u32, cell: u32, parent: f64) -> f64 {
        let Some(row) = self.0.get(&(table, row)) else { return parent };
        (row.cells.get(&cell).copied().unwrap_or(0.0) + STRENGTH * parent) / (row.total + STRENGTH)
    }

    fn peer(&self, table: Table, row: u32, cell: u32, cells: f64) -> f64 {
        let any = self.over(table, ANY, cell, 1.0 / cells);
        if row == ANY { any } else { self.over(table, row, cell, any) }
    }

    pub fn endpoint(&self, peers: &Self, x: &Exchange) -> f64 {
        let parent = peers.peer(Table::Endpoint, ANY, x.endpoint, ENDPOINTS);
        self.over(
            Table::Endpoint,
            x.previous,
            x.endpoint,
            self.over(Table::Endpoint, ANY, x.endpoint, parent),
        )
    }

    pub fn size(&self, peers: &Self, x: &Exchange) -> f64 {
        let parent = peers.peer(Table::Size, x.endpoint, x.size, SIZES);
        self.over(Table::Size, x.endpoint, x.size, self.over(Table::Size, ANY, x.size, parent))
    }

    pub fn status(&self, peers: &Self, x: &Exchange) -> f64 {
        let parent = peers.peer(Table::Status, x.endpoint, x.status, STATUSES);
        self.over(Table::Status, x.endpoint, x.status, self.over(Table::Status, ANY, x.status, parent))
    }

    pub fn gap(&self, peers: &Self, x: &Exchange) -> f64 {
        let Some(gap) = x.gap else { return 1.0 };
        self.over(Table::Gap, ANY, gap, peers.peer(Table::Gap, ANY, gap, GAPS))
    }

    pub fn hour(&self, peers: &Self, x: &Exchange) -> f64 {
        self.over(Table::Hour, ANY, x.hour, peers.peer(Table::Hour, ANY, x.hour, HOURS))
    }

    pub fn peer_endpoint(&self, x: &Exchange) -> f64 {
        half(self.peer(Table::Endpoint, ANY, x.endpoint, ENDPOINTS), ENDPOINTS)
    }

    pub fn peer_size(&self, x: &Exchange) -> f64 {
        half(self.peer(Table::Size, x.endpoint, x.size, SIZES), SIZES)
    }

    pub fn peer_status(&self, x: &Exchange) -> f64 {
        half(self.peer(Table::Status, x.endpoint, x.status, STATUSES), STATUSES)
    }

    pub fn peer_gap(&self, x: &Exchange) -> f64 {
        x.gap.map_or(1.0, |gap| half(self.peer(Table::Gap, ANY, gap, GAPS), GAPS))
    }

    pub fn peer_hour(&self, x: &Exchange) -> f64 {
        half(self.peer(Table::Hour, ANY, x.hour, HOURS), HOURS)
    }
}

fn half(of_peers: f64, cells: f64) -> f64 {
    0.5 * of_peers + 0.5 / cells
}
