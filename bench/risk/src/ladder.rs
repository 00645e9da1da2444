//! Thieves of growing skill (T1–T6). What they do comes from another client's log; where they come from is drawn.

use std::collections::BTreeMap;

use crate::corpora::{Account, Place, Request};
use crate::detector::{Detector, Factory};
use crate::places;
use crate::protocol::{self, Case, Cases, Caught};
use crate::random::{Random, hash, mix};
use crate::statistics::{Estimate, bootstrap, mean};

pub struct Rung {
    pub name: String,
    pub caught: [Estimate; 3],
    pub leaked: Estimate,
    pub thieves: usize,
}

/// How a thief goes about it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Skill {
    /// From where it happens to be, with what it has: may be the victim's own cloud and stack by chance.
    AnyPlace,
    /// The same, where chance didn't give it the victim's pair.
    OtherPlace,
    SameCloudAnyStack,
    SameCloudOtherStack,
    SameCloudAndStack,
    BehindTheNat,
    VictimsWays,
    Drip10,
    Drip100,
}

pub const SKILLS: [(Skill, &str); 9] = [
    (Skill::AnyPlace, "T1 network and TLS stack drawn"),
    (Skill::OtherPlace, "T1 without collisions"),
    (Skill::SameCloudAnyStack, "T2 same cloud, TLS stack drawn"),
    (Skill::SameCloudOtherStack, "T2 without collisions"),
    (Skill::SameCloudAndStack, "T3 same cloud and stack, another /24"),
    (Skill::BehindTheNat, "T4 behind the victim's NAT"),
    (Skill::VictimsWays, "T5 the victim's endpoints at its rate"),
    (Skill::Drip10, "T6 one request to ten of the victim's"),
    (Skill::Drip100, "T6 one request to a hundred"),
];

const SPLICES: usize = 2;
const THIEVES: usize = 4;

/// What every rung comes to at one threshold.
pub fn climb(cases: &Cases, with_peers: fn(&[&Account]) -> Factory, threshold: f64) -> Vec<Rung> {
    let factories: Vec<_> = cases.groups.iter().map(|peers| with_peers(peers)).collect();
    let mut by_skill = BTreeMap::<Skill, BTreeMap<(&str, &str), Caught>>::new();
    for case in &cases.cases {
        for (skill, caught) in case_rungs(case, factories[case.group](), threshold) {
            let victim = (case.corpus, case.victim.name.as_str());
            let sum = by_skill.entry(skill).or_default().entry(victim).or_default();
            sum.thieves += caught.thieves;
            sum.leaked += caught.leaked;
            for (all, one) in sum.within.iter_mut().zip(caught.within) {
                *all += one;
            }
        }
    }
    SKILLS
        .iter()
        .map(|(skill, name)| {
            let empty = BTreeMap::new();
            let victims: Vec<Caught> = by_skill
                .get(skill)
                .unwrap_or(&empty)
                .values()
                .filter(|caught| caught.thieves > 0)
                .copied()
                .collect();
            rung(name, &victims)
        })
        .collect()
}

/// Of the thieves of each victim.
pub fn rung(name: &str, victims: &[Caught]) -> Rung {
    let caught = [0, 1, 2].map(|which| {
        let rates: Vec<f64> = victims.iter().filter_map(|victim| victim.rate(which)).collect();
        bootstrap(&rates, 1_000, 13, mean)
    });
    let leaked: Vec<f64> = victims.iter().map(|victim| victim.leaked / victim.thieves as f64).collect();
    Rung {
        name: name.to_owned(),
        caught,
        leaked: bootstrap(&leaked, 1_000, 13, mean),
        thieves: victims.iter().map(|victim| victim.thieves).sum(),
    }
}

fn case_rungs(case: &Case, fresh: Box<dyn Detector>, threshold: f64) -> Vec<(Skill, Caught)> {
    let mut random = Random::new(mix(case.seed ^ 0x1add) ^ hash(&case.victim.name));
    let home = places::draw(&mut random);
    let requests: Vec<Request> =
        case.victim.requests.iter().map(|request| Request { place: home, ..*request }).collect();
    let (train, validation) = protocol::split(requests.len());
    let splices: Vec<usize> =
        (0..SPLICES).map(|_| validation + random.below(requests.len() - validation)).collect();
    let mut sums = BTreeMap::<Skill, Caught>::new();
    let mut detector = fresh;
    for (place, request) in requests.iter().enumerate() {
        if place == train {
            detector.trained();
        }
        let _ = protocol::honest(detector.as_mut(), request, threshold);
        if !splices.contains(&place) {
            continue;
        }
        for donor in case.donors.iter().take(THIEVES) {
            for (skill, _) in SKILLS {
                let Some(stolen) = steal(skill, case.victim, donor, home, request.at_us, &mut random) else {
                    continue;
                };
                let rights = following(&requests, place, validation, skill);
                let caught_at = interleaved(detector.fork(), &stolen, rights, skill, threshold);
                sums.entry(skill).or_default().add(caught_at, stolen.len());
            }
        }
    }
    sums.into_iter().collect()
}

/// The thief's requests, or nothing where chance doesn't give this kind.
fn steal(
    skill: Skill,
    victim: &Account,
    donor: &Account,
    home: Place,
    at_us: i64,
    random: &mut Random,
) -> Option<Vec<Request>> {
    let drawn = places::draw(random);
    let place = match skill {
        Skill::AnyPlace => drawn,
        Skill::OtherPlace if drawn.asn != home.asn && drawn.ja4 != home.ja4 => drawn,
        Skill::SameCloudAnyStack => {
            Place { ja4: drawn.ja4, asn: home.asn, prefix: places::prefix(home.asn, random) }
        }
        Skill::SameCloudOtherStack if drawn.ja4 != home.ja4 => {
            Place { ja4: drawn.ja4, asn: home.asn, prefix: places::prefix(home.asn, random) }
        }
        Skill::OtherPlace | Skill::SameCloudOtherStack => return None,
        Skill::SameCloudAndStack => Place { prefix: places::prefix(home.asn, random), ..home },
        Skill::BehindTheNat | Skill::VictimsWays | Skill::Drip10 | Skill::Drip100 => home,
    };
    let mut stolen = protocol::donated(donor, at_us, None, random);
    if skill == Skill::VictimsWays {
        imitate(&mut stolen, victim, at_us, random);
    }
    for request in &mut stolen {
        request.place = place;
    }
    Some(stolen)
}

/// Endpoints and gaps of the victim's training in their order; objects, sizes and statuses stay the thief's own.
fn imitate(stolen: &mut [Request], victim: &Account, at_us: i64, random: &mut Random) {
    let (train, _) = protocol::split(victim.requests.len());
    let first = random.below(train.saturating_sub(stolen.len()).max(1));
    let mut now = at_us;
    for (place, request) in stolen.iter_mut().enumerate() {
        let at = (first + place) % (train - 1);
        let (before, model) = (&victim.requests[at], &victim.requests[at + 1]);
        now += (model.at_us - before.at_us).max(0);
        request.at_us = now;
        request.endpoint = model.endpoint;
    }
}

/// What the victim goes on doing, over and over where its log ends too early.
fn following(
    requests: &[Request],
    place: usize,
    from: usize,
    skill: Skill,
) -> Box<dyn Iterator<Item = Request> + '_> {
    if matches!(
        skill,
        Skill::AnyPlace | Skill::OtherPlace | Skill::SameCloudAnyStack | Skill::SameCloudOtherStack
    ) {
        // Its own context: what the victim does meanwhile is another's evidence.
        return Box::new(std::iter::empty());
    }
    let test = &requests[from..];
    let (Some(first), Some(last)) = (test.first(), test.last()) else { return Box::new(std::iter::empty()) };
    let span = last.at_us - first.at_us + 60_000_000;
    let rounds = (0..).flat_map(move |round: i64| {
        test.iter().map(move |request| Request { at_us: request.at_us + round * span, ..*request })
    });
    Box::new(rounds.skip(place + 1 - from))
}

/// The victim goes on while the thief is at work, in the same context. At which of its requests the thief is caught.
fn interleaved(
    mut detector: Box<dyn Detector>,
    stolen: &[Request],
    rights: Box<dyn Iterator<Item = Request> + '_>,
    skill: Skill,
    threshold: f64,
) -> Option<usize> {
    let mut rights = rights.peekable();
    let mut late = 0;
    for (place, request) in stolen.iter().enumerate() {
        let mut request = *request;
        let every = match skill {
            Skill::Drip10 => Some(10),
            Skill::Drip100 => Some(100),
            _ => None,
        };
        if let Some(every) = every {
            for right in rights.by_ref().take(every) {
                let _ = protocol::honest(detector.as_mut(), &right, threshold);
                late = right.at_us;
            }
            // Between the victim's requests, wherever those are by now.
            request.at_us = late + 1_000;
        } else {
            while let Some(right) = rights.next_if(|right| right.at_us <= request.at_us) {
                let _ = protocol::honest(detector.as_mut(), &right, threshold);
            }
        }
        if detector.stops(&request, threshold) {
            return Some(place + 1);
        }
        detector.finish(&request);
    }
    None
}
