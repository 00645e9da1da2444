//! Clients whose risk somebody should look at.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_domain::ids::ClientId;
use portcullis_domain::state::State;
use portcullis_policy::link::{Page, RiskStanding};

use super::DAY_SECONDS;

/// Passed score challenges in a thousand exchanges, more than which a client goes back to being observed.
const PASSED_MAX: u32 = 10;

/// What gates have told.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct RiskTold {
    pub standings: Vec<RiskStanding>,
    /// The oldest first.
    pub pages: Vec<Page>,
}

pub(super) fn find(state: &State, told: &RiskTold, now: Timestamp, found: &mut Vec<Finding>) {
    find_pages(state, &told.pages, now, found);
    for standing in &told.standings {
        let Some((_, name, _)) = state.by_id(standing.client.0) else { continue };
        let progress = &standing.progress;
        if progress.drift_alarm {
            let drift = f64::from(progress.drift_milli.unwrap_or_default()) / 1_000.0;
            found.push(Finding {
                severity: Severity::Medium,
                code: FindingCode::RiskSlowDrift,
                about: format!("client/{name}"),
                message: format!(
                    "client `{name}` takes more and more records, day by day: its drift is {drift:.1}, and the alarm is at 5"
                ),
                hint: format!(
                    "`portcullis describe client {name}`; if the growth is meant, say so with `portcullis decisions verdict ID benign`"
                ),
                due: Some(at(standing.at_us)),
            });
        }
        if progress.passed_lately > PASSED_MAX {
            found.push(Finding {
                severity: Severity::Low,
                code: FindingCode::RiskFalseChallenges,
                about: format!("client/{name}"),
                message: format!(
                    "client `{name}` has passed {} challenges for its score among its last thousand exchanges, and is only observed again",
                    progress.passed_lately
                ),
                hint: format!("`portcullis decisions --client {name} --verdict challenge` shows what was unusual"),
                due: None,
            });
        }
    }
}

/// One for each client: the newest of a day that nobody has judged.
fn find_pages(state: &State, pages: &[Page], now: Timestamp, found: &mut Vec<Finding>) {
    let mut newest: BTreeMap<ClientId, (&Page, usize)> = BTreeMap::new();
    let fresh = |page: &&Page| {
        now.as_second().saturating_sub(at(page.at_us).as_second()) < DAY_SECONDS
            && state.judgement(page.decision).is_none()
    };
    for page in pages.iter().filter(fresh) {
        let count = newest.get(&page.client).map_or(0, |(_, count)| *count);
        newest.insert(page.client, (page, count + 1));
    }
    for (client, (page, count)) in newest {
        let Some((_, name, _)) = state.by_id(client.0) else { continue };
        let times = if count == 1 { String::new() } else { format!(", as {} others did", count - 1) };
        found.push(Finding {
            severity: Severity::High,
            code: FindingCode::RiskPaged,
            about: format!("client/{name}"),
            message: format!(
                "a request of client `{name}` came to {} points{times}: whoever sent it may hold the client's key",
                page.score
            ),
            hint: format!(
                "`portcullis explain {0}`, then `portcullis decisions verdict {0} benign|malicious --reason R`",
                page.decision
            ),
            due: Some(at(page.at_us)),
        });
    }
}

fn at(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
