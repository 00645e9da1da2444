//! One call made again, under the rules that it was made by and under others.

use portcullis_domain::decision::DecisionId;
use portcullis_domain::ids::ClientId;
use portcullis_risk::{
    Action, Answered, Aside, Assessment, Before, Cause, Ended, OutcomeRisk, Peers, RiskRecord, Ticket,
};

use super::Redecider;
use super::client::{Client, Step};
use super::compare::{difference, end_difference};
use super::outcome::{Decided, Difference, Flip, GAPS_MAX, Gap};

/// Exchanges of a client that may be under way at once; further ends count for nothing.
const UNDER_WAY_MAX: usize = 10_000;

impl Redecider<'_> {
    /// The gate began anew: with the state that it had written last, which may be older than its last calls.
    pub(super) fn pass_starts(&mut self, id: ClientId, client: &mut Client, start: usize) {
        while client.starts < start {
            let wanted = self.starts.get(client.starts).and_then(|(_, steps)| steps.get(&id)).copied();
            client.starts += 1;
            let [same, _] = &client.states;
            let last = same.step() + client.behind;
            let wanted = wanted.unwrap_or(0);
            if !client.begun || wanted == last {
                continue;
            }
            client.under_way.clear();
            match client.saved.remove(&wanted) {
                Some((states, behind)) => (client.states, client.behind) = (states, behind),
                // What is ahead of all that is known is a gap, which the next call tells.
                None if wanted > last => {}
                None => {
                    (client.states, client.behind) = (Default::default(), 0);
                    client.begun = wanted == 0;
                }
            }
        }
    }

    pub(super) fn step(&mut self, id: ClientId, client: &mut Client, number: u64, step: Step) {
        if let Step::Aside(_, aside @ Aside::Replaced { .. }) = &step {
            if number < client.from {
                // The copy was made of what came after it.
                return;
            }
            client.states.iter_mut().for_each(|state| state.repeat(aside));
            (client.begun, client.behind) = (true, 0);
            return;
        }
        let [same, _] = &client.states;
        let expected = same.step() + client.behind + 1;
        if number != expected || !(client.begun || number == 1) {
            // Before a copy there is nothing to be done again.
            if number < expected && client.begun {
                if let Step::Decision(decided, _) = step
                    && let Some((known, ..)) = client.under_way.get_mut(&decided.id)
                {
                    *known = decided;
                }
                return;
            }
            if number > expected && self.outcome.gaps.len() < GAPS_MAX {
                self.outcome.gaps.push(Gap { client: id, from: expected, to: number - 1 });
            }
            client.behind += number.saturating_sub(expected);
        }
        client.begun = true;
        let peers = self.peers_at(client.vendor, step.at_us());
        match step {
            Step::Aside(_, aside) => client.states.iter_mut().for_each(|state| state.repeat(&aside)),
            Step::Decision(decided, record) => self.decide(client, decided, &record, &peers),
            Step::End(decision, end) => self.end(id, client, decision, &end, &peers),
        }
    }

    fn decide(&mut self, client: &mut Client, decided: Decided, record: &RiskRecord, peers: &[Peers; 2]) {
        let counts = record.before.at_us >= self.count_from_us;
        self.outcome.decisions += u64::from(counts);
        let [state, changed] = &mut client.states;
        let [peers_same, peers_changed] = peers;
        let assessed = state.before(&record.before, peers_same, &record.rules);
        match difference(record, &assessed) {
            _ if !counts => {}
            None => self.outcome.same += 1,
            Some((what, recorded, computed)) => self.outcome.differs(Difference {
                id: decided.id,
                client: decided.client,
                step: record.step,
                what,
                recorded,
                computed,
            }),
        }
        let mut tickets = [passed(&assessed), None];
        let mut rules = [record.rules; 2];
        if self.changed {
            let (other, money) = self.change.of(&decided, record.rules, record.before.stakes.money);
            rules = [record.rules, other];
            let mut before = record.before;
            before.stakes.money = money;
            let again = changed.before(&before, peers_changed, &other);
            let ticket = if again.action == Action::Challenge && tickets[0].is_some() {
                // It passed when it was decided, so whoever it was would have answered.
                let answered = Before { answer: Answered::Valid, ..before };
                passed(&changed.before(&answered, peers_changed, &other))
            } else {
                passed(&again)
            };
            tickets = [tickets[0], ticket];
            if counts && again.action != record.action {
                self.outcome.flips(Flip {
                    decided: decided.clone(),
                    at_us: record.before.at_us,
                    from: record.action,
                    to: again.action,
                    cause_from: record.cause,
                    cause_to: again.cause,
                    score_from: record.score,
                    score_to: again.score,
                });
            }
        }
        if tickets.iter().any(Option::is_some) && client.under_way.len() < UNDER_WAY_MAX {
            client.under_way.insert(decided.id, (decided, tickets, rules));
        }
    }

    fn end(
        &mut self,
        id: ClientId,
        client: &mut Client,
        decision: DecisionId,
        end: &OutcomeRisk,
        peers: &[Peers; 2],
    ) {
        let Some((decided, tickets, rules)) = client.under_way.remove(&decision) else {
            // Its decision is not in what was given: the state lacks this call.
            client.behind += 1;
            return;
        };
        let [state, changed] = &mut client.states;
        let [peers_same, peers_changed] = peers;
        let counts = end.after.at_us >= self.count_from_us;
        let mut ended = None;
        if let Some(ticket) = tickets[0] {
            self.outcome.ends += u64::from(counts);
            let again = state.after(ticket, &end.after, peers_same, &rules[0]);
            match end_difference(end, &again) {
                _ if !counts => {}
                None => self.outcome.same += 1,
                Some((what, recorded, computed)) => self.outcome.differs(Difference {
                    id: decision,
                    client: id,
                    step: end.step,
                    what,
                    recorded,
                    computed,
                }),
            }
            ended = Some(again);
        }
        if let (true, Some(ticket)) = (self.changed, tickets[1]) {
            let other = changed.after(ticket, &end.after, peers_changed, &rules[1]);
            let [from, to] = [ended.as_ref().map_or(Action::Allow, action_of), action_of(&other)];
            if counts && from != to {
                self.outcome.flips(Flip {
                    decided,
                    at_us: end.after.at_us,
                    from,
                    to,
                    cause_from: Cause::KeyEvidence,
                    cause_to: Cause::KeyEvidence,
                    score_from: end.score,
                    score_to: other.score,
                });
            }
        }
    }
}

fn passed(assessed: &Assessment) -> Option<Ticket> {
    matches!(assessed.action, Action::Allow | Action::Limit).then_some(assessed.ticket)
}

fn action_of(ended: &Ended) -> Action {
    match (ended.sever, ended.limit) {
        (true, _) => Action::Sever,
        (_, true) => Action::Limit,
        _ => Action::Allow,
    }
}
