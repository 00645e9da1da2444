//! T8: the thief holds the key too, and passes every challenge. Caught is who is narrowed, or of whom an analyst is told.

use std::collections::BTreeMap;

use portcullis_risk::Action;

use crate::corpora::{Place, Request};
use crate::ladder::{Rung, rung};
use crate::model::{Driven, Sight, peers};
use crate::places;
use crate::protocol::{self, Cases, Caught};
use crate::random::{Random, hash, mix};
use crate::statistics::{Estimate, Share, bootstrap, pooled};

const SPLICES: usize = 2;
/// Moderate impact: 50 points for narrowing, of which a vendor that nobody has assessed brings 11.4.
pub const MONEY: u64 = 10_000;

pub struct StolenKey {
    pub rungs: Vec<Rung>,
    /// Honest requests of the test part at which a client began to be narrowed.
    pub pages: Estimate,
}

pub fn measure(cases: &Cases) -> StolenKey {
    let priors: Vec<_> = cases.groups.iter().map(|accounts| peers(accounts, Sight::Places)).collect();
    let mut elsewhere = BTreeMap::<(&str, &str), Caught>::new();
    let mut nat = elsewhere.clone();
    let mut pages = BTreeMap::<(&str, &str), Share>::new();
    for case in &cases.cases {
        let victim = (case.corpus, case.victim.name.as_str());
        let mut random = Random::new(mix(case.seed ^ 0x8) ^ hash(&case.victim.name));
        let home = places::draw(&mut random);
        let requests = &case.victim.requests;
        let (_, validation) = protocol::split(requests.len());
        let splices: Vec<usize> =
            (0..SPLICES).map(|_| validation + random.below(requests.len() - validation)).collect();
        let mut driven = Driven::new(priors[case.group].clone(), Sight::Places);
        driven.money = MONEY;
        let mut was_paged = false;
        for (place, request) in requests.iter().enumerate() {
            let request = Request { place: home, ..*request };
            let is_paged = step(&mut driven, &request);
            if place >= validation {
                let share = pages.entry(victim).or_default();
                share.size += 1.0;
                share.hits += f64::from(u8::from(is_paged && !was_paged));
            }
            was_paged = is_paged;
            if !splices.contains(&place) {
                continue;
            }
            for donor in &case.donors {
                let other = Place { ja4: home.ja4 % 10 + 1, asn: home.asn % 12 + 1, prefix: 9_999 };
                for (sums, from) in [(&mut elsewhere, other), (&mut nat, home)] {
                    let mut stolen = protocol::donated(donor, request.at_us, None, &mut random);
                    for request in &mut stolen {
                        request.place = from;
                    }
                    let mut fork = driven.clone();
                    let caught = stolen.iter().position(|request| step(&mut fork, request)).map(|at| at + 1);
                    sums.entry(victim).or_default().add(caught, stolen.len());
                }
            }
        }
    }
    let of = |sums: &BTreeMap<_, Caught>| sums.values().copied().collect::<Vec<_>>();
    let pages: Vec<Share> = pages.into_values().collect();
    StolenKey {
        rungs: vec![
            rung("T8 key stolen too, from another place", &of(&elsewhere)),
            rung("T8 key stolen too, behind the victim's NAT", &of(&nat)),
        ],
        pages: bootstrap(&pages, 1_000, 17, pooled),
    }
}

/// Whether it was narrowed, or somebody called, by this request.
fn step(driven: &mut Driven, request: &Request) -> bool {
    let (assessment, _) = driven.rightful(request);
    let before = assessment.page || assessment.action == Action::Limit || assessment.action >= Action::Deny;
    let ended = driven.after(request, &assessment);
    before || ended.page || ended.limit || ended.sever
}
