//! Tunnels that carry though they are closed, credentials that two machines share, and those that end.

use jiff::Timestamp;
use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_domain::state::State;
use portcullis_domain::state::tunnels::TunnelStanding;
use portcullis_domain::tunnel::TunnelCredentials;
use portcullis_network::order::{Measures, TunnelMeasure};

use super::{ending, ends_in};
use crate::network::tunnels::{closed_by, short};

pub(super) fn find(state: &State, measures: &Measures, now: Timestamp, found: &mut Vec<Finding>) {
    for standing in state.tunnel_standings() {
        let closed = closed_by(state, &standing, now).is_some();
        let gateway =
            state.tunnels.credentials.get(&standing.id()).map(|issued| (standing.id(), None, issued));
        let people = state.people_of(standing.id()).filter_map(|person| {
            Some((person.added.id, Some(short(person.added.id)), person.credentials.as_ref()?))
        });
        for (id, person, issued) in gateway.into_iter().chain(people) {
            let about = match &person {
                None => format!("tunnel/{}", standing.name),
                Some(person) => format!("tunnel/{}/{person}", standing.name),
            };
            let holds = state.credentials_hold(issued, now);
            if !closed {
                found.extend(ends(&standing, &about, issued, now));
            }
            if let Some(measure) = measures.tunnels.iter().find(|measure| measure.tunnel == id) {
                found.extend(flows(&about, measure, closed || !holds));
            }
        }
    }
}

fn flows(about: &str, measure: &TunnelMeasure, closed: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    if measure.up && closed {
        let message = format!(
            "`{about}` is up though it is closed: {} bytes came in and {} went out; the enforcer cuts it",
            measure.bytes_in, measure.bytes_out
        );
        found.push(Finding {
            severity: Severity::Critical,
            code: FindingCode::TunnelWithoutContract,
            about: about.to_owned(),
            message,
            hint: "look at `portcullis tunnel show`, and sever the vendor if it stays up".to_owned(),
            due: None,
        });
    }
    if measure.associations > 1 {
        let message =
            format!("{} machines are connected to `{about}` with the same credentials", measure.associations);
        found.push(Finding {
            severity: Severity::High,
            code: FindingCode::TunnelIdentityShared,
            about: about.to_owned(),
            message,
            hint: "ask whose the second machine is; other credentials make the former void".to_owned(),
            due: None,
        });
    }
    found
}

fn ends(
    standing: &TunnelStanding<'_>,
    about: &str,
    issued: &TunnelCredentials,
    now: Timestamp,
) -> Option<Finding> {
    let end = issued.not_after?;
    // Certificates of thirty days would be told of all the time: in their last week only.
    let severity = ending(end, now).filter(|severity| *severity > Severity::Low)?;
    Some(Finding {
        severity,
        code: FindingCode::TunnelCredentialsEnd,
        about: about.to_owned(),
        message: format!("the credentials of `{about}` {}: the tunnel closes then", ends_in(end, now)),
        hint: format!("`portcullis tunnel credentials {}` issues others", standing.name),
        due: Some(end),
    })
}
