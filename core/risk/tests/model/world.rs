//! Requests of a client, and a small generator.

use portcullis_risk::{
    Action, After, Answered, Assessment, Before, Binding, ClientRisk, Context, Ended, Endpoint, Identity,
    IssuedIn, Known, Missing, Origin, Outside, Peers, Posture, Rules, Stakes, Tls,
};

pub const SECOND: i64 = 1_000_000;
pub const DAY: i64 = 86_400 * SECOND;
/// Monday, 2026-01-05.
pub const START: i64 = 20_458 * DAY;

/// A stream of numbers.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

pub fn context(key: u64, ja4: u64, asn: u64) -> Context {
    Context { key, ja4: Known::Is(ja4), network: asn, prefix: asn * 1_000 + 1 }
}

pub fn before(at_us: i64) -> Before {
    Before {
        at_us,
        sample: 0,
        context: context(1, 10, 100),
        issued_in: IssuedIn::SameContext,
        endpoint: Endpoint(7),
        request_bytes: 400,
        object: Known::NoData(Missing::NotAsked),
        identity: Identity {
            binding: Binding::Dpop,
            token_age_seconds: Known::Is(60),
            key_age_seconds: Known::Is(864_000),
            rotation_overdue: false,
        },
        origin: Origin {
            country: Known::Is(*b"DE"),
            asn: Known::Is(100),
            listed: Known::NoData(Missing::NoDatabase),
            place: Known::NoData(Missing::NoDatabase),
        },
        tls: Tls {
            listed: Known::NoData(Missing::NoDatabase),
            misfit: Known::NoData(Missing::NotAsked),
            alpn_odd: Known::Is(false),
            sni_odd: Known::Is(false),
        },
        posture: Known::Is(Posture::Good),
        vendor: Known::NoData(Missing::NotAssessed),
        outside: Some(Known::Is(Outside::Quiet)),
        stakes: Stakes { money: 1_000, critical: false },
        fresh_nonce: false,
        answer: Answered::No,
    }
}

pub fn after(at_us: i64, records: u64) -> After {
    After {
        at_us,
        status: 200,
        request_bytes: 400,
        response_bytes: 200 + 100 * records,
        records: Known::Is(records),
    }
}

/// A client that answers every challenge.
#[derive(Clone)]
pub struct Client {
    pub risk: Box<ClientRisk>,
    pub peers: Peers,
    pub rules: Rules,
    pub challenges: u32,
}

impl Client {
    pub fn new() -> Self {
        Self { risk: Box::default(), peers: Peers::default(), rules: Rules::default(), challenges: 0 }
    }

    /// One request, answered where it is challenged; what was assessed first.
    pub fn exchange(&mut self, before: &Before, records: u64) -> (Assessment, Option<Ended>) {
        let first = self.risk.before(before, &self.peers, &self.rules);
        let assessed = if first.action == Action::Challenge {
            self.challenges += 1;
            let answer = Before {
                answer: Answered::Valid,
                fresh_nonce: true,
                at_us: before.at_us + 20_000,
                ..*before
            };
            self.risk.before(&answer, &self.peers, &self.rules)
        } else {
            first
        };
        if assessed.action > Action::Limit {
            return (first, None);
        }
        let ended = self.risk.after(
            assessed.ticket,
            &after(before.at_us + 50_000, records),
            &self.peers,
            &self.rules,
        );
        (first, Some(ended))
    }

    /// A working day: list, then read pages, with small variations; every `gap` seconds.
    pub fn day(&mut self, day: i64, exchanges: i64, gap: i64, numbers: &mut Numbers) {
        for at in 0..exchanges {
            let request = usual(START + day * DAY + 8 * 3_600 * SECOND + at * gap * SECOND, at, numbers);
            let records = 20 + numbers.below(12);
            self.exchange(&request, records);
        }
    }
}

/// What the client usually asks for.
pub fn usual(at_us: i64, at: i64, numbers: &mut Numbers) -> Before {
    Before {
        at_us: at_us + numbers.below(300_000) as i64,
        endpoint: Endpoint(if at % 10 == 0 { 1 } else { 2 + (at % 2) as u32 }),
        request_bytes: 300 + numbers.below(100),
        sample: numbers.below(65_536) as u16,
        ..before(at_us)
    }
}
