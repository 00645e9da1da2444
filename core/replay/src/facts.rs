//! A logged call as the facts of an exchange. What a log doesn't hold is `no data` and says so.

use std::collections::HashMap;
use std::net::IpAddr;

use portcullis_risk::{
    After, Answered, Before, Binding, Context, Endpoint, Identity, IssuedIn, Known, Missing, Origin,
    OriginSource, Stakes, Tls,
};

use crate::call::{Source, TlsClient};
use crate::hash;
use crate::log::{Entry, Log, NOTHING, NOTHING_64};

const NOT_IN_LOG: Missing = Missing::NotInLog;

/// Makes facts of entries; what is known of an address is asked once.
pub(crate) struct Facts<'a> {
    log: &'a Log,
    origins: &'a dyn OriginSource,
    places: HashMap<u32, Place>,
    listed: HashMap<u32, Known<portcullis_risk::Listed>>,
    stakes: Stakes,
}

/// Where a source lies.
#[derive(Clone, Copy)]
struct Place {
    origin: Origin,
    network: u64,
    prefix: u64,
}

impl<'a> Facts<'a> {
    pub fn new(log: &'a Log, origins: &'a dyn OriginSource, stakes: Stakes) -> Self {
        Self { log, origins, places: HashMap::new(), listed: HashMap::new(), stakes }
    }

    /// `number` is that of the entry: it says which calls of a busy day are learnt.
    pub fn before(&mut self, entry: &Entry, number: usize, issued_in: IssuedIn, answer: Answered) -> Before {
        let place = self.place(entry.source);
        let tls = self.log.tls.all.get(entry.tls as usize);
        Before {
            at_us: entry.at_us,
            sample: hash::mixed(number as u64 ^ (entry.at_us.unsigned_abs() << 20)) as u16,
            context: self.context(entry),
            issued_in,
            endpoint: Endpoint(
                self.log
                    .endpoints
                    .all
                    .get(entry.endpoint as usize)
                    .map_or(0, |name| hash::short(name.as_bytes())),
            ),
            request_bytes: entry.request_bytes,
            object: entry.object.map_or(Known::NoData(NOT_IN_LOG), Known::Is),
            identity: Identity {
                // A log doesn't say how tokens are bound: nothing is held against it.
                binding: Binding::Dpop,
                token_age_seconds: known(entry.token_age_seconds),
                key_age_seconds: Known::NoData(NOT_IN_LOG),
                rotation_overdue: false,
            },
            origin: place.origin,
            tls: Tls {
                listed: self.listed(entry.tls, tls),
                misfit: Known::NoData(NOT_IN_LOG),
                alpn_odd: Known::NoData(NOT_IN_LOG),
                sni_odd: Known::NoData(NOT_IN_LOG),
            },
            posture: Known::NoData(NOT_IN_LOG),
            vendor: Known::NoData(Missing::NotAssessed),
            outside: Some(Known::NoData(NOT_IN_LOG)),
            stakes: self.stakes,
            fresh_nonce: false,
            answer,
        }
    }

    pub fn after(entry: &Entry) -> After {
        After {
            at_us: entry.at_us,
            status: entry.status,
            request_bytes: entry.request_bytes,
            response_bytes: entry.response_bytes,
            records: match entry.records {
                NOTHING_64 => Known::NoData(NOT_IN_LOG),
                records => Known::Is(records),
            },
        }
    }

    pub fn context(&mut self, entry: &Entry) -> Context {
        let place = self.place(entry.source);
        let key = self.log.keys.all.get(entry.key as usize);
        Context {
            key: key.map_or(0, |key| hash::of(key.as_bytes())),
            ja4: match self.log.tls.all.get(entry.tls as usize) {
                Some(tls) => Known::Is(hash::of(tls.as_str().as_bytes())),
                None => Known::NoData(NOT_IN_LOG),
            },
            network: place.network,
            prefix: place.prefix,
        }
    }

    /// A network's name, for people: its number if a database knows it, its prefix otherwise.
    pub fn network_name(&mut self, source: u32) -> String {
        let origin = self.place(source).origin;
        match (self.log.sources.all.get(source as usize), origin.asn) {
            (None, _) => "(not in the log)".to_owned(),
            (Some(_), Known::Is(asn)) => match origin.country {
                Known::Is([one, two]) => format!("AS{asn} ({}{})", char::from(one), char::from(two)),
                Known::NoData(_) => format!("AS{asn}"),
            },
            (Some(source), Known::NoData(_)) => source.prefix(),
        }
    }

    fn place(&mut self, source: u32) -> Place {
        let (log, origins) = (self.log, self.origins);
        *self.places.entry(source).or_insert_with(|| match log.sources.all.get(source as usize) {
            Some(source) => place_of(source, origins),
            None => Place { origin: NOWHERE, network: 0, prefix: 0 },
        })
    }

    fn listed(&mut self, number: u32, tls: Option<&TlsClient>) -> Known<portcullis_risk::Listed> {
        let origins = self.origins;
        match tls {
            Some(TlsClient::Ja4(ja4)) => *self.listed.entry(number).or_insert_with(|| origins.ja4(ja4)),
            _ => Known::NoData(NOT_IN_LOG),
        }
    }
}

const NOWHERE: Origin = Origin {
    country: Known::NoData(NOT_IN_LOG),
    asn: Known::NoData(NOT_IN_LOG),
    listed: Known::NoData(NOT_IN_LOG),
    place: Known::NoData(NOT_IN_LOG),
};

fn place_of(source: &Source, origins: &dyn OriginSource) -> Place {
    let prefix = hash::of(source.prefix().as_bytes());
    let origin = match source {
        Source::Address(address) => asked(*address, origins),
        Source::Name(_) => NOWHERE,
    };
    let network = match origin.asn {
        Known::Is(asn) => hash::of(&asn.to_be_bytes()),
        Known::NoData(_) => prefix,
    };
    Place { origin, network, prefix }
}

fn asked(address: IpAddr, origins: &dyn OriginSource) -> Origin {
    origins.origin(address)
}

fn known(number: u32) -> Known<u32> {
    if number == NOTHING { Known::NoData(NOT_IN_LOG) } else { Known::Is(number) }
}
