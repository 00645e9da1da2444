//! T8: the thief holds the key too, and passes every challenge. Caught is who is narrowed, or of whom an analyst is told.

use std::collections::BTreeMap;

use portcullis_risk::{Action, Standing};

use crate::corpora::{Place, Request};
use crate::generated::{Changes, Machine};
use crate::ladder::{Rung, rung};
use crate::model::{Driven, Sight, peers};
use crate::protocol::{self, Cases, Caught};
use crate::random::{Random, hash, mix};
use crate::statistics::{Estimate, Share, bootstrap, pooled};

const SPLICES: usize = 3;
/// A victim has worked for so long, by days made from its log: nobody graduates sooner than after three.
const DAYS: i64 = 20;
/// Moderate impact: 50 points for narrowing, of which a vendor that nobody has assessed brings 11.4.
pub const MONEY: u64 = 10_000;

pub struct StolenKey {
    pub rungs: Vec<Rung>,
    /// Honest requests of the second ten days at which a client began to be narrowed.
    pub pages: Estimate,
    /// Victims that stood at challenge or above in the end; the others have no thieves.
    pub graduated: usize,
    pub victims: usize,
}

pub fn measure(cases: &Cases) -> StolenKey {
    let priors: Vec<_> = cases.groups.iter().map(|accounts| peers(accounts, Sight::Places)).collect();
    let mut elsewhere = BTreeMap::<(&str, &str), Caught>::new();
    let mut nat = elsewhere.clone();
    let mut pages = BTreeMap::<(&str, &str), Share>::new();
    let mut graduated = 0;
    for case in cases.cases.iter().filter(|case| case.seed == cases.cases[0].seed) {
        let victim = (case.corpus, case.victim.name.as_str());
        let mut random = Random::new(mix(case.seed ^ 0x8) ^ hash(&case.victim.name));
        let source = [case.victim];
        let mut machine = Machine::new(&source, 0, random.clone(), Changes::Nothing);
        let home = machine.place;
        let mut driven = Driven::new(priors[case.group].clone(), Sight::Places);
        driven.money = MONEY;
        let mut was_paged = false;
        for day in 0..DAYS {
            let requests = machine.day(day);
            let is_last = day + 1 == DAYS;
            let splices: Vec<usize> =
                (0..SPLICES).filter(|_| is_last).map(|_| random.below(requests.len().max(1))).collect();
            for (place, request) in requests.iter().enumerate() {
                let is_paged = step(&mut driven, request);
                if day >= DAYS / 2 {
                    let share = pages.entry(victim).or_default();
                    share.size += 1.0;
                    share.hits += f64::from(u8::from(is_paged && !was_paged));
                }
                was_paged = is_paged;
                if !splices.contains(&place) || driven.risk.standing() < Standing::Challenge {
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
                        let caught =
                            stolen.iter().position(|request| step(&mut fork, request)).map(|at| at + 1);
                        sums.entry(victim).or_default().add(caught, stolen.len());
                    }
                }
            }
        }
        graduated += usize::from(driven.risk.standing() >= Standing::Challenge);
    }
    let of = |sums: &BTreeMap<_, Caught>| sums.values().copied().collect::<Vec<_>>();
    let pages: Vec<Share> = pages.into_values().collect();
    StolenKey {
        rungs: vec![
            rung("T8 key stolen too, from another place", &of(&elsewhere)),
            rung("T8 key stolen too, behind the victim's NAT", &of(&nat)),
        ],
        victims: pages.len(),
        pages: bootstrap(&pages, 1_000, 17, pooled),
        graduated,
    }
}

/// Whether it was narrowed, or somebody called, by this request.
fn step(driven: &mut Driven, request: &Request) -> bool {
    let (assessment, _) = driven.rightful(request);
    let before = assessment.page || assessment.action == Action::Limit || assessment.action >= Action::Deny;
    let ended = driven.after(request, &assessment);
    before || ended.page || ended.limit || ended.sever
}
