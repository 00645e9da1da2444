//! `explain`: one decision in words, and what to do about it.

mod risk;

use anyhow::Result;
use portcullis_api::decisions::{DecisionView, ReasonView, WouldStopView};
use portcullis_assurance::stops::{Stop, StopMode};
use portcullis_domain::decision::{DecisionId, DecisionRecord, Ending, OutcomeRecord};
use portcullis_domain::reason::Fixer;
use portcullis_risk::{Action, Judgement};

use super::output::{Output, Paint, Style};
use super::server::Server;
use super::{Outcome, Place, decisions, time};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Id of a decision: from a list, the `Portcullis-Decision` header, or a refusal's `instance`
    #[arg(value_parser = id)]
    decision: DecisionId,
}

fn id(text: &str) -> Result<DecisionId, String> {
    text.parse().map_err(|_| "a decision id has 26 letters and digits".to_owned())
}

pub(super) async fn explain(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let id = arguments.decision.to_string();
    let decision: DecisionView = Server::find(place)?.get(&["v1", "decisions", &id]).await?;
    out.show(&decision, |paint| told(&decision, paint))?;
    Ok(Outcome::Done)
}

fn told(decision: &DecisionView, paint: Paint) -> String {
    let record = &decision.record;
    let mut text = format!("{}  {}\n", record.id, decisions::verdict_line(decision, paint));
    text.push_str(&format!("{} from {}{}\n", decisions::request(decision), record.peer, through(decision)));
    reason(&mut text, "decided", &decision.why, paint);
    if let Some(why) = &decision.why_ended {
        reason(&mut text, "ended", why, paint);
    }
    if let Some(outcome) = decision.outcome.as_ref().filter(|outcome| of_upstream(record, outcome)) {
        text.push_str(&format!("\nthe upstream itself answered {}: the gate passed it on\n", outcome.status));
    }
    text.push_str(&stops(decision, paint));
    if let Some(risk) = &decision.risk {
        text.push_str(&risk::told(risk, paint));
    }
    text.push('\n');
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            text.push_str(&format!("  {name:<12} {value}\n"));
        }
    };
    let named = |name: &Option<String>, id: Option<String>| match (name, id) {
        (Some(name), Some(id)) => format!("{name} ({id})"),
        (None, Some(id)) => format!("{id} (gone)"),
        (Some(name), None) => name.clone(),
        (None, None) => String::new(),
    };
    fact("time", record.time.to_string());
    fact("vendor", named(&decision.names.vendor, record.vendor.map(|id| id.to_string())));
    fact("integration", named(&decision.names.integration, record.integration.map(|id| id.to_string())));
    fact("client", named(&decision.names.client, record.client.map(|id| id.to_string())));
    fact("route", named(&decision.names.route, record.route.map(|id| id.to_string())));
    fact("tunnel", named(&decision.names.tunnel, decision.tunnel.map(|id| id.to_string())));
    fact("scope", record.scope.join(" "));
    fact("key", record.client_key.clone().unwrap_or_default());
    fact("session", record.session.clone().unwrap_or_default());
    fact("binding", record.binding.clone().unwrap_or_default());
    fact("protocol", record.protocol.clone());
    fact("ja4", record.ja4.clone().unwrap_or_default());
    fact("gate", format!("{}, by the ledger up to {}", record.gate, record.snapshot));
    if let Some(outcome) = &decision.outcome {
        let ending = match outcome.ending {
            Ending::Complete => "complete",
            Ending::Cut => "cut by the gate",
            Ending::ClientGone => "the client went away",
            Ending::UpstreamFailed => "the upstream failed",
        };
        fact(
            "outcome",
            format!("{ending}, status {}, after {}", outcome.status, time::milliseconds(outcome.duration_us)),
        );
        fact(
            "body",
            format!(
                "{} bytes in, {} bytes and {} records out",
                outcome.request_bytes, outcome.response_bytes, outcome.records
            ),
        );
    }
    text.push_str(&next(decision, paint));
    text
}

/// The tunnel that it came through, if any.
fn through(decision: &DecisionView) -> String {
    let name = decision.names.tunnel.clone().or_else(|| decision.tunnel.map(|id| id.to_string()));
    name.map(|name| format!(" through tunnel {name}")).unwrap_or_default()
}

/// What stood against the vendor, and what enforcing would have refused.
fn stops(decision: &DecisionView, paint: Paint) -> String {
    let (stops, would) = (&decision.stops, decision.would_stop.as_ref());
    let mut text = String::new();
    for held in stops {
        let would = would.filter(|would| would.stops.contains(held.stop));
        let what = match (held.mode, would) {
            (StopMode::Enforce, _) => format!("stop {}", held.stop.number()),
            (_, Some(would)) => would.what(held.stop, stops),
            (_, None) => format!("observed stop {}", held.stop.number()),
        };
        let level = paint.paint(held.access.as_str(), Style::Strong);
        text.push_str(&format!("\n{what}, `{}`: {level}: {}\n", held.stop.name(), held.fact));
        if let Some(since) = held.since {
            text.push_str(&format!("  since      {}\n", time::instant(since)));
        }
        text.push_str(&format!("  remedy     {}\n", held.remedy));
    }
    // What is known has changed since.
    let observed =
        |stop: &Stop| stops.iter().any(|held| held.stop == *stop && held.mode == StopMode::Observe);
    for (would, stop) in would.into_iter().flat_map(|would| would.stops.iter().map(move |stop| (would, stop)))
    {
        if !observed(&stop) {
            let (what, forgotten) = (would.what(stop, stops), WouldStopView::FORGOTTEN);
            text.push_str(&format!("\n{what}, `{}`: {forgotten}\n", stop.name()));
        }
    }
    text
}

/// What somebody said about it, and what to type now.
fn next(decision: &DecisionView, paint: Paint) -> String {
    let id = decision.record.id;
    let command = |command: String| format!("\nnext: {}\n", paint.paint(&command, Style::Strong));
    match (&decision.judgement, &decision.risk) {
        (Some(word), _) => {
            let (judgement, style) = match word.judgement {
                Judgement::Benign => ("benign", Style::Good),
                Judgement::Malicious => ("malicious", Style::Bad),
            };
            let judgement = paint.paint(judgement, style);
            let time = time::instant(word.time);
            let said = format!("\njudged {judgement} by {} at {time}: {}\n", word.by, word.reason);
            said + &command(format!("portcullis decisions verdict {id} --undo --reason REASON"))
        }
        (None, Some(risk)) if risk.action > Action::Allow || risk.would > Action::Allow => {
            command(format!("portcullis decisions verdict {id} benign|malicious --reason REASON"))
        }
        _ => String::new(),
    }
}

/// An error that is the upstream's own answer, and no refusal of the gate.
fn of_upstream(record: &DecisionRecord, outcome: &OutcomeRecord) -> bool {
    record.verdict.passes() && outcome.ending == Ending::Complete && outcome.status >= 400
}

fn reason(text: &mut String, what: &str, why: &ReasonView, paint: Paint) {
    let who = match why.fixer {
        Fixer::VendorDeveloper => "the developer of the vendor's machine",
        Fixer::Operator => "our operators, on the vendor's request",
        Fixer::UpstreamTeam => "the team of the upstream",
        Fixer::Time => "nobody: it passes",
    };
    text.push_str(&format!("\n{what}: {} ({})\n", paint.paint(&why.title, Style::Strong), why.code.code()));
    if why.status >= 400 {
        text.push_str(&format!("  to do      {}\n  who        {who}\n", why.how));
    }
}

#[cfg(test)]
mod tests {
    use super::super::decisions::tests::{decision, observed};
    use super::*;
    use portcullis_api::risk::RiskView;
    use portcullis_assurance::Access;
    use portcullis_assurance::stops::Held;
    use portcullis_domain::ids::TunnelId;
    use portcullis_domain::reason::Reason;
    use portcullis_risk::{example_outcome, example_record};
    use uuid::Uuid;

    #[test]
    fn a_cut_is_explained_from_both_sides() {
        let cut = decision(Reason::Allowed, Some((Ending::Cut, Reason::RecordsCut)));
        insta::assert_snapshot!(told(&cut, Paint { on: false }), @r"
        01M7Q5CQKV0W3GE1R70W3GE1R7  allow, then records_cut
        GET /parcels/{id} from 192.0.2.1:4711

        decided: the request passed (allowed)

        ended: the response was cut because it passed the records limit (records_cut)
          to do      ask for smaller pages; an operator must restore the key
          who        our operators, on the vendor's request

          time         2026-11-18T10:13:20.123Z
          vendor       acme (00000000-0000-0000-0000-000000000001)
          client       acme-1 (00000000-0000-0000-0000-000000000003)
          scope        parcels.read
          key          k
          session      s
          binding      dpop
          protocol     h2
          gate         gate, by the ledger up to 12
          outcome      cut by the gate, status 200, after 12 ms
          body         0 bytes in, 123456 bytes and 500 records out
        ");
    }

    #[test]
    fn the_tunnel_is_told_also_when_it_is_gone() {
        let mut found = decision(Reason::TunnelForeign, None);
        assert!(!told(&found, Paint { on: false }).contains("tunnel  "));
        found.tunnel = Some(TunnelId(Uuid::from_u128(9)));
        let text = told(&found, Paint { on: false });
        let id = "00000000-0000-0000-0000-000000000009";
        for line in [&format!(" through tunnel {id}\n"), &format!("\n  tunnel       {id} (gone)\n")] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        found.names.tunnel = Some("acme-people/1a2b3c4d".to_owned());
        let text = told(&found, Paint { on: false });
        assert!(text.contains(" from 192.0.2.1:4711 through tunnel acme-people/1a2b3c4d\n"), "{text}");
        assert!(text.contains(&format!("\n  tunnel       acme-people/1a2b3c4d ({id})\n")), "{text}");
    }

    #[test]
    fn an_error_of_the_upstream_is_not_taken_for_a_refusal() {
        let own = "the upstream itself answered 404";
        let mut found = decision(Reason::Allowed, Some((Ending::Complete, Reason::Allowed)));
        assert!(!told(&found, Paint { on: false }).contains(own));
        if let Some(outcome) = &mut found.outcome {
            outcome.status = 404;
        }
        assert!(told(&found, Paint { on: false }).contains(own));
    }

    #[test]
    fn a_refusal_says_what_to_do_and_who() {
        let text = told(&decision(Reason::ProofTime, None), Paint { on: false });
        assert!(
            text.contains("set your clock") && text.contains("the developer of the vendor's machine"),
            "{text}"
        );
    }

    #[test]
    fn stops_are_told_with_fact_since_and_remedy() {
        let held = |stop, mode, access| Held {
            stop,
            subject: None,
            access,
            mode,
            fact: "a weakness is open 31 days".to_owned(),
            remedy: "mend it".to_owned(),
            since: Some("2026-06-15T12:00:00Z".parse().unwrap()),
            exception: None,
        };
        let mut found = decision(Reason::StopVulnerability, None);
        found.stops = vec![
            held(Stop::Vulnerability, StopMode::Enforce, Access::Blocked),
            held(Stop::Exit, StopMode::Observe, Access::Limited),
        ];
        let text = told(&found, Paint { on: false });
        for line in [
            "stop 4, `vulnerability`: blocked: a weakness is open 31 days\n  since      2026-06-15",
            "  remedy     mend it\n",
            "observed stop 11, `exit`: limited: ",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn what_observed_stops_would_have_done_is_told() {
        let mut found = observed();
        found.stops = vec![Held {
            stop: Stop::Admission,
            subject: None,
            access: Access::Blocked,
            mode: StopMode::Observe,
            fact: "the vendor isn't admitted".to_owned(),
            remedy: "admit it".to_owned(),
            since: None,
            exception: None,
        }];
        let text = told(&found, Paint { on: false });
        for line in [
            "allow, would deny\n",
            "\nwould have been refused by stop 13, `admission`: blocked: the vendor isn't admitted\n",
            "\nwould have been refused by stop 11, `exit`: what is known of the vendor now no longer says why\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_score_is_explained_part_by_part() {
        let mut found = decision(Reason::ProofNonce, None);
        found.risk = Some(RiskView::new(&example_record(), Some(&example_outcome())));
        let text = told(&found, Paint { on: false });
        for line in [
            "risk: it was asked for a fresh proof of its key, and forwarded nothing: 34.1 points",
            "      it would have passed with about 40 records instead of 12,000\n",
            "     13.3  ████████████████  the records of a response, for this endpoint",
            "12,000 records, usually 40\n",
            "      0.0                    1 other thing as usual",
            "     34.1                    points in all;  challenge from 20.0  deny from 50.0  sever from 75.0",
            "     12.0                    is what the next request here begins with",
            "  no data      address_listed, tor_exit: no database of this kind is installed",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        for line in text.lines().filter(|line| !line.starts_with("next: ")) {
            assert!(line.chars().count() <= 100, "too wide: {line}");
        }
        let next = "\nnext: portcullis decisions verdict 01M7Q5CQKV0W3GE1R70W3GE1R7 benign|malicious --reason REASON\n";
        assert!(text.ends_with(next), "{text}");
    }

    #[test]
    fn signals_without_data_are_told_within_the_terminals_width() {
        let mut risk = RiskView::new(&example_record(), None);
        let blind = risk.parts.iter().find(|part| part.no_data.is_some()).cloned().unwrap();
        risk.parts.extend((1..=9).map(|_| blind.clone()));
        let mut found = decision(Reason::ProofNonce, None);
        found.risk = Some(risk);
        let text = told(&found, Paint { on: false });
        let mut lines = text.lines().skip_while(|line| !line.starts_with("  no data "));
        let (first, second) = (lines.next().unwrap(), lines.next().unwrap());
        assert!((80..=100).contains(&first.len()) && second.len() <= 100, "{text}");
        assert!(second.starts_with(&format!("{:15}{}", "", blind.signal)), "{text}");
    }
}
