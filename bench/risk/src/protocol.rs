//! Who is victim, thief and peer; what is learnt, what fixes the threshold, and what counts.
//!
//! The accounts of a corpus fall into three folds by the seed. Each fold is once the victims, once the thieves, once the
//! peers. A victim's requests are split by time: 50 % training, 20 % validation, 30 % test. Honest traffic goes through
//! once; at each splice the detector is forked as it stood, and a thief's requests follow as if they came on a connection of
//! their own, shifted to that moment.

use crate::corpora::{Account, Corpus, Request};
use crate::detector::{Detector, Kind, Thresholds};
use crate::random::{Random, hash, mix};
use crate::statistics::Share;

pub const SEEDS: [u64; 3] = [1, 2, 3];
pub const CAUGHT_WITHIN: [usize; 3] = [5, 20, 60];
const SPLICES: usize = 5;

/// One victim with those around it.
pub struct Case<'a> {
    pub corpus: &'static str,
    pub seed: u64,
    pub victim: &'a Account,
    pub donors: Vec<&'a Account>,
    /// Which group of peers, so that its prior is made once.
    pub group: usize,
    /// Thieves come during validation, and the test part stays unseen.
    is_tuning: bool,
}

pub struct Cases<'a> {
    pub cases: Vec<Case<'a>>,
    pub groups: Vec<Vec<&'a Account>>,
}

/// All victims of all seeds.
pub fn cases<'a>(corpora: &'a [Corpus], seeds: &[u64], is_tuning: bool) -> Cases<'a> {
    let mut all = Cases { cases: Vec::new(), groups: Vec::new() };
    for &seed in seeds {
        for corpus in corpora {
            let folds = folds(&corpus.accounts, seed);
            let small = folds_of(&corpus.small, seed);
            for rotation in 0..3 {
                let part = |of: usize| folds[(rotation + of) % 3].clone();
                let mut peers = part(2);
                peers.extend(small[(rotation + 2) % 3].iter().copied());
                all.groups.push(peers);
                all.cases.extend(part(0).into_iter().map(|victim| Case {
                    corpus: corpus.name,
                    seed,
                    victim,
                    donors: part(1),
                    group: all.groups.len() - 1,
                    is_tuning,
                }));
            }
        }
    }
    all
}

fn folds(accounts: &[Account], seed: u64) -> [Vec<&Account>; 3] {
    folds_of(accounts, seed)
}

/// In an order that the seed gives, dealt out one by one.
fn folds_of(accounts: &[Account], seed: u64) -> [Vec<&Account>; 3] {
    let mut order: Vec<&Account> = accounts.iter().collect();
    order.sort_by_key(|account| mix(hash(&account.name) ^ mix(seed)));
    let mut folds = [Vec::new(), Vec::new(), Vec::new()];
    for (place, account) in order.into_iter().enumerate() {
        folds[place % 3].push(account);
    }
    folds
}

/// Where training ends, and validation.
pub fn split(requests: usize) -> (usize, usize) {
    (requests / 2, requests * 7 / 10)
}

/// What a threshold came to for one victim and seed.
#[derive(Clone, Default, Debug)]
pub struct Outcome {
    pub corpus: &'static str,
    pub victim: String,
    pub validation: Share,
    pub test: Share,
    /// Share of the thieves that were caught within 5, 20, 60 requests; of any, and of those on the victim's main endpoint.
    pub any: Caught,
    pub same: Caught,
}

#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Caught {
    pub thieves: usize,
    pub within: [f64; 3],
    /// Requests of thieves that were forwarded before they were caught, at most sixty for each.
    pub leaked: f64,
}

impl Caught {
    pub fn add(&mut self, caught_at: Option<usize>, requests: usize) {
        self.thieves += 1;
        for (within, limit) in self.within.iter_mut().zip(CAUGHT_WITHIN) {
            *within += f64::from(u8::from(caught_at.is_some_and(|at| at <= limit)));
        }
        self.leaked += caught_at.map_or(requests.min(60), |at| (at - 1).min(60)) as f64;
    }

    pub fn rate(&self, which: usize) -> Option<f64> {
        (self.thieves > 0).then(|| self.within[which] / self.thieves as f64)
    }
}

/// Runs a victim at one threshold.
pub fn run(case: &Case, fresh: Box<dyn Detector>, threshold: f64) -> Outcome {
    let requests = &case.victim.requests;
    let (train, validation) = split(requests.len());
    let mut outcome = Outcome { corpus: case.corpus, victim: case.victim.name.clone(), ..Outcome::default() };
    let mut random = Random::new(mix(case.seed) ^ hash(&case.victim.name));
    let (from, until) = if case.is_tuning { (train, validation) } else { (validation, requests.len()) };
    let mut splices: Vec<usize> = (0..SPLICES).map(|_| from + random.below(until - from)).collect();
    splices.sort_unstable();
    let main_endpoint = case.victim.main_endpoint();
    let mut detector = fresh;
    let seen = if case.is_tuning { validation } else { requests.len() };
    for (place, request) in requests.iter().take(seen).enumerate() {
        if place == train {
            detector.trained();
        }
        let challenges = honest(detector.as_mut(), request, threshold);
        let share = if place >= validation { &mut outcome.test } else { &mut outcome.validation };
        if place >= train {
            share.size += 1.0;
            share.hits += challenges;
        }
        if splices.contains(&place) {
            for donor in &case.donors {
                let stolen = donated(donor, request.at_us, None, &mut random);
                outcome.any.add(thief(detector.fork(), &stolen, threshold), stolen.len());
                let stolen = donated(donor, request.at_us, Some(main_endpoint), &mut random);
                if stolen.len() >= CAUGHT_WITHIN[1] {
                    outcome.same.add(thief(detector.fork(), &stolen, threshold), stolen.len());
                }
            }
        }
    }
    outcome
}

/// An honest client passes a challenge at once. How many it cost.
pub fn honest(detector: &mut dyn Detector, request: &Request, threshold: f64) -> f64 {
    let stops = detector.stops(request, threshold);
    if stops {
        detector.passed(request, threshold);
    }
    detector.finish(request);
    f64::from(u8::from(stops))
}

/// A thief without the key can't pass: it is caught. At which of its requests, from 1.
pub fn thief(mut detector: Box<dyn Detector>, requests: &[Request], threshold: f64) -> Option<usize> {
    for (place, request) in requests.iter().enumerate() {
        if detector.stops(request, threshold) {
            return Some(place + 1);
        }
        detector.finish(request);
    }
    None
}

/// At most sixty requests in a row of another client, from anywhere in what it did, or of those alone on one endpoint. The
/// first comes as long after `at_us` as it came after the one before it.
pub fn donated(donor: &Account, at_us: i64, only: Option<u32>, random: &mut Random) -> Vec<Request> {
    let longest = CAUGHT_WITHIN[2];
    let chosen: Vec<Request> = donor
        .requests
        .iter()
        .filter(|request| only.is_none_or(|endpoint| request.endpoint == endpoint))
        .copied()
        .collect();
    if chosen.is_empty() {
        return chosen;
    }
    let first = random.below(chosen.len().saturating_sub(longest) + 1);
    let before = first.checked_sub(1).map_or(chosen[first].at_us - 1_000_000, |before| chosen[before].at_us);
    let shift = at_us - before;
    chosen
        .iter()
        .skip(first)
        .take(longest)
        .map(|request| Request { at_us: request.at_us + shift, ..*request })
        .collect()
}

/// The thresholds to try, lowest first.
pub fn thresholds(kind: &Kind, cases: &Cases) -> Vec<f64> {
    match kind.thresholds {
        Thresholds::Steps { from, step, count } => {
            (0..count).map(|place| from + step * place as f64).collect()
        }
        Thresholds::Seen => {
            let factories: Vec<_> = cases.groups.iter().map(|peers| (kind.with_peers)(peers)).collect();
            let mut scores: Vec<f64> = Vec::new();
            for case in &cases.cases {
                scores.extend(validation_scores(case, factories[case.group]()));
            }
            scores.retain(|score| score.is_finite());
            scores.sort_by(f64::total_cmp);
            let mut chosen: Vec<f64> = (0..32)
                // The share of requests above falls by the same factor from each to the next: from a tenth to none.
                .map(|place| 0.1 * 0.8_f64.powi(place))
                .filter_map(|above| scores.get(((1.0 - above) * scores.len() as f64) as usize).copied())
                .collect();
            chosen.extend(scores.last().map(|last| last + last.abs() * 0.01 + 1e-9));
            chosen.dedup();
            chosen
        }
    }
}

fn validation_scores(case: &Case, fresh: Box<dyn Detector>) -> Vec<f64> {
    let (train, validation) = split(case.victim.requests.len());
    let mut detector = fresh;
    let mut scores = Vec::new();
    for (place, request) in case.victim.requests.iter().take(validation).enumerate() {
        if place == train {
            detector.trained();
        }
        let _ = honest(detector.as_mut(), request, f64::INFINITY);
        if place >= train {
            scores.push(detector.score());
        }
    }
    // A client with many requests must not fill the list.
    let step = (scores.len() / 200).max(1);
    scores.sort_by(f64::total_cmp);
    scores.into_iter().rev().step_by(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpora::Place;

    fn account(name: &str, endpoint: u32, requests: usize) -> Account {
        let request = |place: usize| Request {
            at_us: 1_000_000_000 + place as i64 * 2_000_000,
            endpoint: endpoint + u32::from(place % 10 == 9),
            object: None,
            request_bytes: 10,
            status: 200,
            place: Place::default(),
        };
        Account { name: name.to_owned(), requests: (0..requests).map(request).collect() }
    }

    fn corpus(accounts: usize) -> Corpus {
        let accounts =
            (0..accounts).map(|place| account(&format!("client {place}"), place as u32 * 10, 100)).collect();
        Corpus { name: "made", filter: String::new(), accounts, small: vec![account("small", 7, 30)] }
    }

    #[test]
    fn folds_are_disjoint_and_everybody_is_a_victim_once_for_each_seed() {
        let corpora = [corpus(10)];
        let cases = cases(&corpora, &SEEDS, false);
        assert_eq!(cases.cases.len(), 10 * SEEDS.len());
        for case in &cases.cases {
            let peers = &cases.groups[case.group];
            for donor in &case.donors {
                assert_ne!(donor.name, case.victim.name);
                assert!(peers.iter().all(|peer| peer.name != donor.name && peer.name != case.victim.name));
            }
        }
    }

    #[test]
    fn a_thief_begins_after_its_own_gap_and_stays_in_order() {
        let donor = account("donor", 1, 100);
        let mut random = Random::new(1);
        for _ in 0..50 {
            let stolen = donated(&donor, 5_000_000, None, &mut random);
            assert_eq!(stolen.len(), 60);
            let first = stolen[0].at_us - 5_000_000;
            assert!(first == 2_000_000 || first == 1_000_000, "{first}");
            assert!(stolen.windows(2).all(|pair| pair[1].at_us - pair[0].at_us == 2_000_000));
        }
        let only = donated(&donor, 5_000_000, Some(2), &mut random);
        assert_eq!(only.len(), 10);
        assert!(only.iter().all(|request| request.endpoint == 2));
    }

    /// Stops every request of one endpoint, until it is passed once.
    #[derive(Clone)]
    struct Doorman {
        endpoint: u32,
        trained: bool,
        learnt: usize,
    }

    impl Detector for Doorman {
        fn stops(&mut self, request: &Request, _: f64) -> bool {
            self.trained && request.endpoint == self.endpoint
        }
        fn passed(&mut self, _: &Request, _: f64) {}
        fn finish(&mut self, _: &Request) {
            self.learnt += 1;
        }
        fn score(&self) -> f64 {
            0.0
        }
        fn trained(&mut self) {
            self.trained = true;
        }
        fn fork(&self) -> Box<dyn Detector> {
            Box::new(self.clone())
        }
    }

    #[test]
    fn challenges_and_catches_are_counted_where_they_belong() {
        let corpora = [corpus(9)];
        let cases = cases(&corpora, &[1], false);
        let case = &cases.cases[0];
        let doorman = |endpoint| Box::new(Doorman { endpoint, trained: false, learnt: 0 });
        // Each tenth request of the victim: 2 of the 20 in validation, 3 of the 30 in the test part, none in training.
        let outcome = run(case, doorman(case.victim.requests[9].endpoint), 0.0);
        assert_eq!((outcome.validation.hits, outcome.validation.size), (2.0, 20.0));
        assert_eq!((outcome.test.hits, outcome.test.size), (3.0, 30.0));
        assert_eq!(outcome.any.within, [0.0; 3]);
        // The thief's own: caught at its tenth request at the latest, if it is that donor.
        let donor = case.donors[0];
        let outcome = run(case, doorman(donor.requests[9].endpoint), 0.0);
        assert_eq!(outcome.test.hits, 0.0);
        // The same moment may be drawn twice, and counts once.
        let moments = outcome.any.thieves / case.donors.len();
        assert!((1..=SPLICES).contains(&moments) && outcome.any.thieves % case.donors.len() == 0);
        assert_eq!(outcome.any.within[1], moments as f64);
        assert!(outcome.any.within[0] <= moments as f64);
        // A fork's learning is the thief's alone.
        assert_eq!(outcome.test.size, 30.0);
    }

    #[test]
    fn a_rate_of_caught_is_over_thieves_and_leaks_end_at_sixty() {
        let mut caught = Caught::default();
        for at in [Some(1), Some(20), Some(21), None] {
            caught.add(at, 60);
        }
        assert_eq!([0, 1, 2].map(|which| caught.rate(which)), [Some(0.25), Some(0.5), Some(0.75)]);
        assert_eq!(caught.leaked, 0.0 + 19.0 + 20.0 + 60.0);
        assert_eq!(Caught::default().rate(0), None);
    }
}
