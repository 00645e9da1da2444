//! What the product does to honest machines over years, with everything on: graduation, thresholds by impact, denying, and
//! severing by evidence, to which integrations opt in.

use portcullis_risk::{Action, Answered, Assessment, Cause, Ended, Judgement, Peers, Standing};

use crate::corpora::{Corpus, Request};
use crate::generated::{self, Changes, Machine};
use crate::model::{Driven, Sight, peers};
use crate::random::{Random, hash, mix};
use crate::statistics::poisson_upper;

const IN_FLIGHT: usize = 50;
const ANSWER_FAILS: f64 = 0.01;
const ROUND_TRIP_US: i64 = 50_000;
const PATIENCE_US: i64 = 11_000_000;

#[derive(Clone, Default, Debug)]
pub struct Kills {
    pub machines: usize,
    pub sources: usize,
    pub days: usize,
    pub requests: u64,
    /// Severed for a wrong answer, for none, and denied or severed by evidence.
    pub failed: u64,
    pub unanswered: u64,
    pub statistical: u64,
    /// Of those, requests that were denied; the others closed a context.
    pub denied: u64,
    /// Challenges: of new contexts, by score, to see whether it can answer.
    pub new_context: u64,
    pub score: u64,
    pub rehearsal: u64,
    pub other: u64,
    pub in_flight: u64,
    pub answers_lost: u64,
    /// Narrowed and an analyst called.
    pub pages: u64,
    /// Score challenges and requests while the client stood at challenge or above.
    pub graduated_requests: u64,
    pub deny_requests: u64,
    /// Decisions whose parts didn't sum to the score.
    pub unequal: u64,
    pub most_of_one: u64,
}

impl Kills {
    pub fn years(&self) -> f64 {
        (self.machines * self.days) as f64 / 365.25
    }

    pub fn total(&self) -> u64 {
        self.failed + self.unanswered + self.statistical
    }

    pub fn statement(&self) -> String {
        let (x, upper) = (self.total(), poisson_upper(self.total()));
        format!(
            "{x} ({} failed, {} unanswered, {} statistical) in {} generated requests = {:.1} client-years at the generator's own \
             rates; Poisson upper bound χ²₀.₉₅(2x+2)/2 = {upper:.2}: {:.2} per million requests and {:.2} per client-year; \
             conditional on the generator, which resamples {} source clients",
            self.failed,
            self.unanswered,
            self.statistical,
            self.requests,
            self.years(),
            upper / self.requests as f64 * 1e6,
            upper / self.years(),
            self.sources,
        )
    }

    fn add(&mut self, other: &Self) {
        self.machines += other.machines;
        self.requests += other.requests;
        self.failed += other.failed;
        self.unanswered += other.unanswered;
        self.statistical += other.statistical;
        self.denied += other.denied;
        self.new_context += other.new_context;
        self.score += other.score;
        self.rehearsal += other.rehearsal;
        self.other += other.other;
        self.in_flight += other.in_flight;
        self.answers_lost += other.answers_lost;
        self.pages += other.pages;
        self.graduated_requests += other.graduated_requests;
        self.deny_requests += other.deny_requests;
        self.unequal += other.unequal;
        self.most_of_one = self.most_of_one.max(other.requests);
    }
}

pub fn measure(corpora: &[Corpus], days: usize, changes: Changes, sever_by_evidence: bool) -> Kills {
    let mut all = Kills { days, ..Kills::default() };
    for corpus in corpora {
        let sources = generated::sources(corpus);
        all.sources += sources.len();
        let prior = peers(&sources, Sight::Places);
        let parts: Vec<Kills> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2)
                .map(|thread| {
                    let (sources, prior) = (&sources, &prior);
                    scope.spawn(move || {
                        let mut sum = Kills::default();
                        for source in (thread..sources.len()).step_by(2) {
                            let seed = mix(hash(&sources[source].name));
                            let client = Machine::new(sources, source, Random::new(seed), changes);
                            sum.add(&machine(client, prior, days, seed, sever_by_evidence));
                        }
                        sum
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        for part in parts {
            let most = part.most_of_one;
            all.add(&part);
            all.most_of_one = all.most_of_one.max(most);
        }
    }
    all
}

struct Run {
    driven: Driven,
    kills: Kills,
    random: Random,
    verdicts: u64,
    paged_at: Option<i64>,
}

fn machine(mut machine: Machine, prior: &Peers, days: usize, seed: u64, sever_by_evidence: bool) -> Kills {
    let mut driven = Driven::new(prior.clone(), Sight::Places);
    driven.rules.sever_by_evidence = sever_by_evidence;
    let mut run = Run {
        driven,
        kills: Kills { machines: 1, ..Kills::default() },
        random: Random::new(!seed),
        verdicts: 0,
        paged_at: None,
    };
    for day in 0..days {
        for request in machine.day(day as i64) {
            run.request(&request);
        }
    }
    run.kills
}

impl Run {
    fn request(&mut self, request: &Request) {
        self.kills.requests += 1;
        match self.driven.risk.standing() {
            Standing::Observe => {}
            Standing::Challenge => self.kills.graduated_requests += 1,
            Standing::Deny => {
                self.kills.graduated_requests += 1;
                self.kills.deny_requests += 1;
            }
        }
        // An analyst comes an hour after the call, and finds nothing wrong.
        if self.paged_at.is_some_and(|paged| request.at_us - paged > 3_600_000_000) {
            self.benign(request);
        }
        let mut assessment = self.ask(request, Answered::No);
        if assessment.action == Action::Challenge {
            let Some(answered) = self.challenged(request, assessment.cause) else { return };
            assessment = answered;
        }
        match assessment.action {
            Action::Allow | Action::Limit => {
                let ended = self.driven.after(request, &assessment);
                self.kills.unequal += u64::from(ended.parts.sum(true) != ended.score);
                self.ended(request, &ended);
            }
            Action::Challenge => self.kills.other += 1,
            Action::Deny | Action::Sever => {
                self.kills.statistical += 1;
                self.kills.denied += u64::from(assessment.action == Action::Deny);
                self.benign(request);
            }
        }
    }

    fn ask(&mut self, request: &Request, answer: Answered) -> Assessment {
        let assessment = self.driven.before(request, answer);
        self.kills.unequal += u64::from(assessment.parts.sum(true) != assessment.score);
        if assessment.page {
            self.page(request);
        }
        assessment
    }

    fn ended(&mut self, request: &Request, ended: &Ended) {
        if ended.page {
            self.page(request);
        }
        if ended.sever {
            self.kills.statistical += 1;
            self.benign(request);
        }
    }

    fn page(&mut self, request: &Request) {
        if self.paged_at.is_none() {
            self.kills.pages += 1;
            self.paged_at = Some(request.at_us);
        }
    }

    fn benign(&mut self, request: &Request) {
        self.verdicts += 1;
        let context = self.driven.context(request.place);
        self.driven.risk.judge(self.verdicts, &context, Judgement::Benign, false, request.at_us);
        self.paged_at = None;
    }

    /// Fifty more requests are under way, and all get the same question. One answer in a hundred is lost; the client asks
    /// again after eleven seconds. Nothing if that was once too often.
    fn challenged(&mut self, request: &Request, cause: Cause) -> Option<Assessment> {
        match cause {
            Cause::NewContext => self.kills.new_context += 1,
            Cause::Score => self.kills.score += 1,
            Cause::Rehearsal => self.kills.rehearsal += 1,
            _ => self.kills.other += 1,
        }
        let mut at_us = request.at_us;
        for _ in 0..IN_FLIGHT {
            at_us += 1_000;
            self.kills.in_flight += 1;
            let action = self.ask(&Request { at_us, ..*request }, Answered::No).action;
            if action >= Action::Deny {
                return self.severed(request);
            }
        }
        while self.random.unit() < ANSWER_FAILS {
            self.kills.answers_lost += 1;
            at_us += PATIENCE_US;
            if self.ask(&Request { at_us, ..*request }, Answered::No).action >= Action::Deny {
                return self.severed(request);
            }
        }
        let answered = Request { at_us: at_us + ROUND_TRIP_US, ..*request };
        Some(self.ask(&answered, Answered::Valid))
    }

    fn severed(&mut self, request: &Request) -> Option<Assessment> {
        self.kills.unanswered += 1;
        self.benign(request);
        None
    }
}
