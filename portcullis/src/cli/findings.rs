//! `findings`: what is wrong, or about to be.

use anyhow::Result;
use portcullis_api::findings::{Finding, Severity};

use super::output::{Output, Paint, Style, Watch};
use super::server::Server;
use super::{Outcome, Place, time};

pub(super) async fn findings(place: &Place, out: &Output, watch: Watch) -> Result<Outcome> {
    let server = Server::find(place)?;
    let mut pressing = false;
    out.watch(watch.watch, async || {
        let found: Vec<Finding> = server.get(&["v1", "findings"]).await?;
        pressing = found.iter().any(|finding| finding.severity >= Severity::High);
        out.rendered(&found, |paint| told(&found, paint))
    })
    .await?;
    Ok(if pressing { Outcome::Refused } else { Outcome::Done })
}

/// Two lines for each: what it is, and what to do.
fn told(found: &[Finding], paint: Paint) -> String {
    if found.is_empty() {
        return format!("{}\n", paint.paint("nothing to look at", Style::Good));
    }
    let about = found.iter().map(|finding| finding.about.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in found {
        let style = match finding.severity {
            Severity::Critical | Severity::High => Style::Bad,
            Severity::Medium => Style::Warning,
            Severity::Low | Severity::Info => Style::Dim,
        };
        let word = paint.paint(&format!("{:<8}", finding.severity.as_str()), style);
        let due = finding.due.map(|due| format!(" ({})", time::instant(due))).unwrap_or_default();
        text.push_str(&format!("{word}  {:<about$}  {}{due}\n", finding.about, finding.message));
        let code = paint.paint(finding.code.as_str(), Style::Dim);
        text.push_str(&format!("{:<10}{:<about$}  hint: {}  {code}\n", "", "", finding.hint));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_api::findings::FindingCode;

    #[test]
    fn what_to_do_stands_below_what_is_wrong() {
        let found = [Finding {
            severity: Severity::Medium,
            code: FindingCode::ContractEnds,
            about: "contract/acme".into(),
            message: "the contract `acme` with `acme` ends in 3 days".into(),
            hint: "renew it".into(),
            due: Some("2026-12-31T00:00:00Z".parse().unwrap()),
        }];
        insta::assert_snapshot!(told(&found, Paint { on: false }), @r"
        medium    contract/acme  the contract `acme` with `acme` ends in 3 days (2026-12-31T00:00:00Z)
                                 hint: renew it  contract_ends
        ");
        assert_eq!(told(&[], Paint { on: false }), "nothing to look at\n");
    }
}
