//! The product's own model, driven as the gate drives it.

use portcullis_risk::{
    Action, After, Answered, Assessment, Before, Binding, Cause, ClientRisk, Context, Ended, Endpoint,
    Family, Identity, IssuedIn, Known, Missing, Mode, Origin, PeerCounts, Peers, Points, Rules, Stakes, Tls,
};

use crate::corpora::{Account, Place, Request};
use crate::detector::{Detector, Factory};
use crate::random::mix;

/// What the gate sees of where a request comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sight {
    /// The log says nothing of it.
    Nothing,
    /// By the table of places.
    Places,
}

/// One client's state with what belongs around it.
#[derive(Clone)]
pub struct Driven {
    pub risk: ClientRisk,
    pub peers: Peers,
    pub rules: Rules,
    pub sight: Sight,
    /// Where its token was issued.
    pub home: Option<Place>,
    pub money: u64,
    count: u64,
}

impl Driven {
    pub fn new(peers: Peers, sight: Sight) -> Self {
        let mut rules = Rules::default();
        if sight == Sight::Nothing {
            // What the log doesn't tell mustn't count as always the same.
            for family in [Family::Origin, Family::Tls] {
                rules.families[family as usize] = Mode::Off;
            }
        }
        Self { risk: ClientRisk::new(), peers, rules, sight, home: None, money: 0, count: 0 }
    }

    pub fn context(&self, place: Place) -> Context {
        let ja4 = match self.sight {
            Sight::Nothing => Known::NoData(Missing::NotInLog),
            Sight::Places => Known::Is(mix(u64::from(place.ja4) ^ 0x4a34)),
        };
        Context {
            key: 1,
            ja4,
            network: mix(u64::from(place.asn) ^ 0xa5),
            prefix: mix(u64::from(place.prefix) ^ 0x9e),
        }
    }

    pub fn before(&mut self, request: &Request, answer: Answered) -> Assessment {
        self.count += u64::from(answer == Answered::No);
        let home = *self.home.get_or_insert(request.place);
        let missing = Known::NoData(Missing::NotInLog);
        let asn = match self.sight {
            Sight::Nothing => missing,
            Sight::Places => Known::Is(64_512 + request.place.asn),
        };
        let issued_in = match (home.asn == request.place.asn, home.ja4 == request.place.ja4) {
            (true, true) => IssuedIn::SameContext,
            (false, true) => IssuedIn::OtherNetwork,
            (true, false) => IssuedIn::OtherTls,
            (false, false) => IssuedIn::OtherBoth,
        };
        let before = Before {
            at_us: request.at_us,
            sample: mix(self.count) as u16,
            context: self.context(request.place),
            issued_in,
            endpoint: Endpoint(request.endpoint),
            request_bytes: request.request_bytes,
            object: request.object.map_or(Known::NoData(Missing::NotInLog), Known::Is),
            identity: Identity {
                binding: Binding::Dpop,
                token_age_seconds: Known::NoData(Missing::NotInLog),
                key_age_seconds: Known::NoData(Missing::NotInLog),
                rotation_overdue: false,
            },
            origin: Origin { asn, ..Origin::UNKNOWN },
            tls: Tls {
                listed: Known::NoData(Missing::NotInLog),
                misfit: Known::NoData(Missing::NotInLog),
                alpn_odd: Known::NoData(Missing::NotInLog),
                sni_odd: Known::NoData(Missing::NotInLog),
            },
            posture: Known::NoData(Missing::NotAsked),
            vendor: Known::NoData(Missing::NotAssessed),
            outside: Some(Known::NoData(Missing::NotInLog)),
            stakes: Stakes { money: self.money, critical: false },
            fresh_nonce: false,
            answer,
        };
        self.risk.before(&before, &self.peers, &self.rules)
    }

    pub fn after(&mut self, request: &Request, assessment: &Assessment) -> Ended {
        self.after_records(request, assessment, Known::NoData(Missing::NotInLog))
    }

    pub fn after_records(
        &mut self,
        request: &Request,
        assessment: &Assessment,
        records: Known<u64>,
    ) -> Ended {
        let after = After {
            at_us: request.at_us,
            status: request.status,
            request_bytes: request.request_bytes,
            response_bytes: records.value().unwrap_or(0) * 100,
            records,
        };
        self.risk.after(assessment.ticket, &after, &self.peers, &self.rules)
    }

    /// As a client that holds its key: a challenge costs one more round trip.
    pub fn rightful(&mut self, request: &Request) -> (Assessment, bool) {
        let first = self.before(request, Answered::No);
        if first.action != Action::Challenge {
            return (first, false);
        }
        (self.before(request, Answered::Valid), true)
    }
}

/// Prior of the model from whole accounts, each gone through once.
pub fn peers(accounts: &[&Account], sight: Sight) -> Peers {
    let mut counts = PeerCounts::default();
    for account in accounts {
        let mut driven = Driven::new(Peers::default(), sight);
        for request in &account.requests {
            let (assessment, _) = driven.rightful(request);
            let _ = driven.after(request, &assessment);
        }
        counts.add(&driven.risk);
    }
    Peers::of(&counts, &counts)
}

/// The model as a detector: stopped by a new context, or by the evidence of the context at the threshold that is tried. What the
/// product adds to both, the client's graduation and the thresholds of its impact, is left out, so that the whole
/// curve can be seen; the false kills are measured with it.
#[derive(Clone)]
pub struct Model {
    driven: Driven,
    assessment: Option<Assessment>,
    is_trained: bool,
}

pub fn factory(accounts: &[&Account], sight: Sight) -> Factory {
    let peers = peers(accounts, sight);
    Box::new(move || {
        Box::new(Model { driven: Driven::new(peers.clone(), sight), assessment: None, is_trained: false })
    })
}

impl Model {
    fn judge(&mut self, request: &Request, answer: Answered) -> Assessment {
        let assessment = self.driven.before(request, answer);
        self.assessment = Some(assessment);
        assessment
    }
}

impl Detector for Model {
    fn stops(&mut self, request: &Request, threshold: f64) -> bool {
        let assessment = self.judge(request, Answered::No);
        let by_context = matches!(assessment.cause, Cause::NewContext | Cause::Pending);
        by_context || assessment.evidence[0] >= Points((threshold * 1_000.0) as i64)
    }

    fn passed(&mut self, request: &Request, _: f64) {
        let context = self.driven.context(request.place);
        self.driven.risk.passed(&context, request.at_us);
        let _ = self.judge(request, Answered::Valid);
    }

    fn finish(&mut self, request: &Request) {
        let context = self.driven.context(request.place);
        if let Some(assessment) = self.assessment.take() {
            let _ = self.driven.after(request, &assessment);
        }
        // Training is attended: all of it is learnt.
        if !self.is_trained {
            self.driven.risk.passed(&context, request.at_us);
        }
    }

    fn score(&self) -> f64 {
        self.assessment.map_or(0.0, |assessment| assessment.evidence[0].milli() as f64 / 1_000.0)
    }

    fn trained(&mut self) {
        self.is_trained = true;
        self.driven.risk.trained();
    }

    fn fork(&self) -> Box<dyn Detector> {
        Box::new(self.clone())
    }
}
