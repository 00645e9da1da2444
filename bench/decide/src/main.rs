//! How long one decision takes (before and after together): of one client again and again, and of 20,000 clients in turn,
//! so that each state comes from memory.
//!
//! `bench-decide [--short]`

use std::time::Instant;

use portcullis_risk::{
    Action, After, Answered, Before, Binding, ClientRisk, Context, Endpoint, Identity, IssuedIn, Known,
    Missing, Origin, Peers, Posture, Rules, Stakes, Tls,
};

const CLIENTS: usize = 20_000;
const SECOND: i64 = 1_000_000;
const START: i64 = 20_458 * 86_400 * SECOND;

fn main() {
    let short = std::env::args().any(|argument| argument == "--short");
    let (peers, rules) = (Peers::default(), Rules::default());
    println!("state of a client: {} bytes", size_of::<ClientRisk>());
    let mut pattern = ClientRisk::new();
    let mut numbers = Numbers(1);
    for at in 0..20_000 {
        exchange(&mut pattern, &request(&mut numbers, START + at * 90 * SECOND), at as u64, &peers, &rules);
    }
    println!("after 20,000 exchanges: {:?}, {} days", pattern.standing(), pattern.progress().days);
    let clock = clock_nanoseconds();
    println!("reading the clock takes {clock} ns, taken off below");
    let begin = START + 20_000 * 90 * SECOND;

    let rounds = if short { 200_000 } else { 2_000_000 };
    let mut warm = Vec::with_capacity(rounds);
    let mut client = Box::new(pattern.clone());
    for at in 0..rounds {
        let request = request(&mut numbers, begin + at as i64 * 90 * SECOND);
        let start = Instant::now();
        exchange(&mut client, &request, at as u64, &peers, &rules);
        warm.push(nanoseconds(start, clock));
    }
    report("warm", &mut warm);

    let mut clients: Vec<Box<ClientRisk>> = (0..CLIENTS).map(|_| Box::new(pattern.clone())).collect();
    let turns = if short { 3 } else { 20 };
    let mut cold = Vec::with_capacity(turns * CLIENTS);
    for turn in 0..turns {
        for at in 0..CLIENTS {
            // In an order that no prefetcher guesses.
            let Some(client) = clients.get_mut(at * 7_919 % CLIENTS) else { continue };
            let request = request(&mut numbers, begin + turn as i64 * 90 * SECOND + at as i64);
            let start = Instant::now();
            exchange(client, &request, at as u64, &peers, &rules);
            cold.push(nanoseconds(start, clock));
        }
    }
    report("cold, 20,000 clients", &mut cold);

    // The turn of a day, which the first request of each day pays.
    let mut days = Vec::new();
    for (at, client) in clients.iter_mut().take(2_000).enumerate() {
        let request = request(&mut numbers, begin + 2 * 86_400 * SECOND + at as i64);
        let start = Instant::now();
        exchange(client, &request, at as u64, &peers, &rules);
        days.push(nanoseconds(start, clock));
    }
    report("first of a day", &mut days);
}

fn exchange(client: &mut ClientRisk, before: &Before, at: u64, peers: &Peers, rules: &Rules) {
    let mut assessed = client.before(before, peers, rules);
    if assessed.action == Action::Challenge {
        let answer = Before { answer: Answered::Valid, ..*before };
        assessed = client.before(&answer, peers, rules);
    }
    let records = 20 + at % 12;
    let after = After {
        at_us: before.at_us + 40_000,
        status: 200,
        request_bytes: before.request_bytes,
        response_bytes: 200 + 100 * records,
        records: Known::Is(records),
    };
    let ended = client.after(assessed.ticket, &after, peers, rules);
    std::hint::black_box((assessed.action, ended.score));
}

fn request(numbers: &mut Numbers, at_us: i64) -> Before {
    Before {
        at_us,
        sample: numbers.below(65_536) as u16,
        context: Context { key: 1, ja4: Known::Is(10), network: 100, prefix: 1_001 },
        issued_in: IssuedIn::SameContext,
        endpoint: Endpoint(1 + (numbers.below(20) * numbers.below(20) / 40) as u32),
        request_bytes: 300 + numbers.below(400),
        object: Known::Is(numbers.below(500) as u32),
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
            place: Known::Is((5_252, 1_340)),
        },
        tls: Tls {
            listed: Known::NoData(Missing::NoDatabase),
            misfit: Known::Is(false),
            alpn_odd: Known::Is(false),
            sni_odd: Known::Is(false),
        },
        posture: Known::Is(Posture::Good),
        vendor: Known::NoData(Missing::NotAssessed),
        outside: Some(Known::NoData(Missing::NotAsked)),
        stakes: Stakes { money: 20_000, critical: false },
        fresh_nonce: false,
        answer: Answered::No,
    }
}

fn report(name: &str, times: &mut [u64]) {
    times.sort_unstable();
    let at = |share: f64| times.get(((times.len() - 1) as f64 * share) as usize).copied().unwrap_or_default();
    println!(
        "{name}: p50 {} ns, p90 {} ns, p99 {} ns, p99.9 {} ns, of {}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        times.len()
    );
}

fn nanoseconds(start: Instant, clock: u64) -> u64 {
    (start.elapsed().as_nanos() as u64).saturating_sub(clock)
}

fn clock_nanoseconds() -> u64 {
    let mut times: Vec<u64> = (0..10_000).map(|_| nanoseconds(Instant::now(), 0)).collect();
    times.sort_unstable();
    times.get(5_000).copied().unwrap_or_default()
}

struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
