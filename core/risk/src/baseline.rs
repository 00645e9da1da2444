//! What is usual for a client: Dirichlet back-offs from the finest table that knows something up to uniform.

pub(crate) mod cells;
pub(crate) mod counts;
mod learn;
mod merge;
pub(crate) mod rates;

use crate::buckets::{GAPS, HOURS, NONE, RECORDS, SIZES, STATUSES};
use crate::codec::fields;
use crate::constants::{
    ANCHOR_SHARE, CONCENTRATION, COUNTRIES, HOUR_OF_DAY_SHARE, NETWORKS_OF_COUNTRY, OWN_WAYS_SHARE,
    PREFIXES_OF_NETWORK, THIEF_PEERS_SHARE, TLS_CLIENTS,
};
use crate::exchange::Exchange;
use crate::hash::{fold16, pair};
use crate::peers::{Compiled, Likely};
use cells::{Cells, KINDS, Key, Kind};
use counts::{Counts, Sealed, Vocabulary};
use rates::Rates;

pub(crate) const ENDPOINTS_KEPT: usize = 32;

/// Totals of an endpoint's rows in the table of cells.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Row {
    count: u16,
    anchor: u16,
    live: [u16; KINDS],
    anchors: [u16; KINDS],
}

fields!(Row { count, anchor, live, anchors });

#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Baseline {
    cells: Cells,
    /// Of the endpoints; 0 is free.
    hashes: [u32; ENDPOINTS_KEPT],
    rows: [Row; ENDPOINTS_KEPT],
    mass: u32,
    anchored: u32,
    /// Exchanges with endpoints that had to make room, fading like the others.
    elsewhere: u16,
    sizes: Counts<SIZES>,
    statuses: Counts<STATUSES>,
    record_sizes: Counts<SIZES>,
    records: Counts<RECORDS>,
    gaps: Counts<GAPS>,
    hours: Counts<HOURS>,
    sealed_gaps: Sealed<GAPS>,
    /// By the hour of the day.
    sealed_hours: Sealed<24>,
    countries: Vocabulary<6>,
    networks: Vocabulary<12>,
    prefixes: Vocabulary<20>,
    ja4s: Vocabulary<8>,
    pub(crate) rates: Rates,
}

fields!(Baseline {
    cells,
    hashes,
    rows,
    mass,
    anchored,
    elsewhere,
    sizes,
    statuses,
    record_sizes,
    records,
    gaps,
    hours,
    sealed_gaps,
    sealed_hours,
    countries,
    networks,
    prefixes,
    ja4s,
    rates
});

/// How likely something is for the client, and for a thief.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Odds {
    pub(crate) usual: f64,
    pub(crate) thief: f64,
}

impl Odds {
    /// ln of the e-value; `share` is π.
    pub(crate) fn nats(self, share: f64) -> f64 {
        crate::ln::ln((1.0 - share) + share * self.thief / self.usual)
    }

    /// A thief does half what peers do, half anything.
    fn of(usual: f64, peer: f64, anything: f64) -> Self {
        Self { usual, thief: THIEF_PEERS_SHARE * peer + (1.0 - THIEF_PEERS_SHARE) * anything }
    }
}

/// Where an endpoint is in the tables; what is not in them has an index beyond.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place(pub(crate) usize);

impl Baseline {
    pub(crate) fn mass(&self) -> u32 {
        self.mass
    }

    pub(crate) fn place(&self, endpoint: u32) -> Place {
        // Without a branch for each: the compiler compares many at once.
        let mut place = usize::MAX;
        for (at, hash) in self.hashes.iter().enumerate() {
            if *hash == endpoint {
                place = at;
            }
        }
        Place(place)
    }

    /// For what is learnt, which keeps folds alone.
    pub(crate) fn place_of_fold(&self, fold: u16) -> Option<usize> {
        if fold == 0 {
            return None;
        }
        self.hashes.iter().position(|hash| *hash != 0 && fold16(*hash) == fold)
    }

    /// An endpoint, after the one before.
    pub(crate) fn endpoint(&self, previous: Option<Place>, place: Place, likely: &Likely) -> Odds {
        let peer = likely.share();
        let row = self.rows.get(place.0).copied().unwrap_or_default();
        // A client with more endpoints than there is room for: what had to make room is expected again, as any of many.
        let kept = place.0 < ENDPOINTS_KEPT;
        let anything = Odds::of(0.0, peer, 1.0 / crate::constants::ENDPOINTS).thief;
        let count = |count: u32, gone: u32| if kept { f64::from(count) } else { f64::from(gone) * anything };
        let elsewhere = u32::from(self.elsewhere);
        let live = backed_by(count(row.count.into(), elsewhere), self.mass + elsewhere, peer);
        let anchor = backed(row.anchor.into(), self.anchored, peer);
        let usual = match previous.and_then(|Place(from)| Some((from, self.rows.get(from)?))) {
            Some((from, before)) => {
                let key = Key::new(Kind::Next, from, place.0);
                let (next, sealed) = if kept { self.cells.find(key) } else { (0, 0) };
                let followed = total(&before.live, Kind::Next);
                // Each of its exchanges was followed by one: what isn't in the table had to make room.
                let gone = u32::from(before.count).saturating_sub(followed + 1).min(elsewhere);
                self.mixed(
                    backed_by(count(next.into(), gone), followed + gone, live),
                    backed(sealed, total(&before.anchors, Kind::Next), anchor),
                )
            }
            None => self.mixed(live, anchor),
        };
        Odds::of(usual, peer, 1.0 / crate::constants::ENDPOINTS)
    }

    pub(crate) fn request_size(&self, place: Place, bucket: u8, likely: &Likely) -> Odds {
        let own = backed(self.sizes.live(bucket.into()), self.sizes.total(), likely.size(bucket));
        let usual = self.given(Kind::RequestSize, place, bucket, own, likely.size(bucket));
        Odds::of(usual, likely.size(bucket), 1.0 / SIZES as f64)
    }

    pub(crate) fn status(&self, place: Place, bucket: u8, likely: &Likely) -> Odds {
        let peer = likely.status(bucket);
        let own = backed(self.statuses.live(bucket.into()), self.statuses.total(), peer);
        Odds::of(self.given(Kind::Status, place, bucket, own, peer), peer, 1.0 / STATUSES as f64)
    }

    pub(crate) fn record_size(&self, place: Place, bucket: u8, likely: &Likely) -> Odds {
        let peer = likely.record_size(bucket);
        let own = backed(self.record_sizes.live(bucket.into()), self.record_sizes.total(), peer);
        Odds::of(self.given(Kind::RecordSize, place, bucket, own, peer), peer, 1.0 / SIZES as f64)
    }

    /// A thief takes more rather than less.
    pub(crate) fn records(&self, place: Place, bucket: u8, likely: &Likely) -> Odds {
        let peer = likely.records(bucket);
        let own = backed(self.records.live(bucket.into()), self.records.total(), peer);
        let most = RECORDS as f64;
        let tilted = 2.0 * (f64::from(bucket) + 1.0) / (most * (most + 1.0));
        Odds::of(self.given(Kind::Records, place, bucket, own, peer), peer, tilted)
    }

    pub(crate) fn gap(&self, bucket: u8, peers: &Compiled) -> Odds {
        let (at, peer) = (usize::from(bucket), peers.gap(bucket));
        let live = backed(self.gaps.live(at), self.gaps.total(), peer);
        let anchor = backed(self.sealed_gaps.count(at), self.sealed_gaps.total(), peer);
        Odds::of(self.mixed(live, anchor), peer, 1.0 / GAPS as f64)
    }

    /// Half by the hour of the week, half by that of the day: a weekday not seen yet isn't strange.
    pub(crate) fn hour(&self, hour: u8, peers: &Compiled) -> Odds {
        let (at, peer) = (usize::from(hour), peers.hour(hour));
        let days = (0..7).map(|day| self.hours.live(at % 24 + 24 * day)).sum();
        let daily = backed(days, self.hours.total(), 7.0 * peer) / 7.0;
        let weekly = backed(self.hours.live(at), self.hours.total(), daily);
        let live = HOUR_OF_DAY_SHARE * daily + (1.0 - HOUR_OF_DAY_SHARE) * weekly;
        let anchor = backed(self.sealed_hours.count(at % 24), self.sealed_hours.total(), 7.0 * peer) / 7.0;
        Odds::of(self.mixed(live, anchor), peer, 1.0 / HOURS as f64)
    }

    /// Country, network of the country, prefix of the network. Only the prefix counts where nothing is known of the others.
    pub(crate) fn network(&self, country: u16, asn: u32, prefix: u16, peers: &Compiled) -> Odds {
        let [country, network, place] = network_keys(country, asn, prefix);
        let (all, all_sealed) = self.countries.totals();
        let ((lives, sealed), (in_country, in_country_sealed)) =
            (self.countries.find(country), self.networks.find(network));
        let (in_network, in_network_sealed) = self.prefixes.find(place);
        let peer_country = peers.country(country);
        let peer_network = (peers.network(network) / peer_country).min(1.0);
        let anywhere = 1.0 / PREFIXES_OF_NETWORK;
        let live = backed(lives, all, peer_country)
            * backed(in_country, lives.max(in_country), peer_network)
            * backed(in_network, in_country.max(in_network), anywhere);
        let anchor = backed(sealed, all_sealed, peer_country)
            * backed(in_country_sealed, sealed.max(in_country_sealed), peer_network)
            * backed(in_network_sealed, in_country_sealed.max(in_network_sealed), anywhere);
        let uniform = anywhere / (COUNTRIES * NETWORKS_OF_COUNTRY);
        Odds::of(self.mixed(live, anchor), peer_country * peer_network * anywhere, uniform)
    }

    pub(crate) fn ja4(&self, ja4: u32, peers: &Compiled) -> Odds {
        let (live, sealed) = self.ja4s.find(ja4);
        let (all, all_sealed) = self.ja4s.totals();
        let peer = peers.ja4(ja4);
        let usual = self.mixed(backed(live, all, peer), backed(sealed, all_sealed, peer));
        Odds::of(usual, peer, 1.0 / TLS_CLIENTS)
    }

    /// The largest amount below `bucket` that adds nothing; computed for what stands out only.
    pub(crate) fn usual_amount(bucket: u8, odds: impl Fn(u8) -> Odds) -> u32 {
        let quiet = |lower: &u8| {
            let odds = odds(*lower);
            odds.usual >= odds.thief
        };
        (0..bucket).rev().find(quiet).map_or(0, crate::buckets::top)
    }

    fn given(&self, kind: Kind, place: Place, bucket: u8, own: f64, peer: f64) -> f64 {
        let ways = OWN_WAYS_SHARE * own + (1.0 - OWN_WAYS_SHARE) * peer;
        let Some(row) = self.rows.get(place.0) else { return ways };
        let (count, sealed) = self.cells.find(Key::new(kind, place.0, bucket.into()));
        self.mixed(
            backed(count.into(), total(&row.live, kind), ways),
            backed(sealed, total(&row.anchors, kind), ways),
        )
    }

    fn mixed(&self, live: f64, anchor: f64) -> f64 {
        if self.anchored == 0 { live } else { (1.0 - ANCHOR_SHARE) * live + ANCHOR_SHARE * anchor }
    }
}

/// The keys of country, of network in country, of prefix in network.
fn network_keys(country: u16, asn: u32, prefix: u16) -> [u32; 3] {
    let network = pair(u64::from(country), u64::from(asn));
    let place = pair(network, u64::from(prefix));
    [u32::from(country).max(1), crate::hash::fold32(network), crate::hash::fold32(place)]
}

/// The rate of a count, backed by a coarser one.
fn backed(count: u32, total: u32, parent: f64) -> f64 {
    backed_by(count.into(), total, parent)
}

fn backed_by(count: f64, total: u32, parent: f64) -> f64 {
    (count + CONCENTRATION * parent) / (f64::from(total) + CONCENTRATION)
}

fn total(totals: &[u16; KINDS], kind: Kind) -> u32 {
    totals.get(kind as usize).copied().map_or(0, u32::from)
}

/// Which cells an exchange counts in, by kind and bucket.
fn given_endpoint(exchange: &Exchange) -> impl Iterator<Item = (Kind, u8)> {
    let all = [
        (Kind::RequestSize, exchange.size),
        (Kind::Status, exchange.status),
        (Kind::RecordSize, exchange.record_size),
        (Kind::Records, exchange.records),
    ];
    all.into_iter().filter(|(_, bucket)| *bucket != NONE)
}

impl Baseline {
    /// Gives what is learnt to the counts of peers.
    pub(crate) fn give(&self, to: &mut dyn crate::peers::Giver) {
        for (hash, row) in self.hashes.iter().zip(&self.rows).filter(|(hash, _)| **hash != 0) {
            to.endpoint(*hash, None, 0, row.count.into());
        }
        for cell in self.cells.iter().filter(|cell| cell.key.kind() != Kind::Next as usize) {
            if let Some(hash) = self.hashes.get(cell.key.endpoint()).filter(|hash| **hash != 0) {
                to.endpoint(*hash, Some(cell.key.kind()), cell.key.bucket(), cell.live.into());
            }
        }
        self.gaps.iter().enumerate().for_each(|(bucket, count)| to.gap(bucket, count.into()));
        self.hours.iter().enumerate().for_each(|(bucket, count)| to.hour(bucket, count.into()));
        self.countries.iter().for_each(|(key, count)| to.country(key, count.into()));
        self.networks.iter().for_each(|(key, count)| to.network(key, count.into()));
        self.ja4s.iter().for_each(|(key, count)| to.ja4(key, count.into()));
    }
}
