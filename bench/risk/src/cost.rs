//! What a decision takes, and a client's state.

use portcullis_risk::ClientRisk;

use crate::corpora::Corpus;
use crate::model::{Driven, Sight, peers};

pub struct Cost {
    /// Of `before` and `after` together, warm, over the corpora's own requests.
    pub decision_ns: f64,
    pub bytes: usize,
    pub exported_bytes: usize,
    pub requests: u64,
    /// Decisions and ends whose parts didn't sum to the score.
    pub unequal: u64,
}

pub fn measure(corpora: &[Corpus], rounds: usize) -> Cost {
    let (mut spent, mut requests, mut unequal, mut exported) = (0, 0, 0, 0);
    for corpus in corpora {
        let prior = peers(&corpus.accounts.iter().collect::<Vec<_>>(), Sight::Places);
        for account in &corpus.accounts {
            for _ in 0..rounds {
                let mut driven = Driven::new(prior.clone(), Sight::Places);
                let began = crate::cpu_ns();
                for request in &account.requests {
                    let (assessment, _) = driven.rightful(request);
                    let ended = driven.after(request, &assessment);
                    unequal += u64::from(assessment.parts.sum(true) != assessment.score);
                    unequal += u64::from(ended.parts.sum(true) != ended.score);
                }
                spent += crate::cpu_ns() - began;
                requests += account.requests.len() as u64;
                exported = exported.max(driven.risk.to_bytes().len());
            }
        }
    }
    Cost {
        decision_ns: spent as f64 / requests.max(1) as f64,
        bytes: size_of::<ClientRisk>(),
        exported_bytes: exported,
        requests,
        unequal,
    }
}
