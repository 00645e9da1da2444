//! `restore` and `severances`.

use anyhow::Result;
use portcullis_api::severing::{CauseView, RestoreAnswer, RestoreRequest, SeverancesView};
use portcullis_domain::ids::RestoreId;

use super::output::{Output, Paint, Style, Watch};
use super::server::Server;
use super::table::Table;
use super::{Outcome, Place, sever, telling, time};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// `vendor/NAME`, `integration/NAME`, `client/NAME`, `key/THUMBPRINT` or `session/ID`
    #[arg(value_parser = sever::target)]
    target: String,
    /// Confirm this proposal, as another operator than its proposer
    #[arg(long, value_name = "ID", value_parser = proposal)]
    confirm: Option<RestoreId>,
    /// Say no to this proposal: it is over, and everything stays closed
    #[arg(long, value_name = "ID", value_parser = proposal, conflicts_with = "confirm", requires = "reason")]
    refuse: Option<RestoreId>,
    /// Why it is refused
    #[arg(long, requires = "refuse")]
    reason: Option<String>,
}

fn proposal(text: &str) -> Result<RestoreId, String> {
    text.parse().map_err(|_| "it is the id that `portcullis restore TARGET` has printed".to_owned())
}

pub(super) async fn restore(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let Arguments { target, confirm, refuse, reason } = arguments;
    let request = RestoreRequest { target, confirm, refuse, reason: reason.unwrap_or_default() };
    let (_, answer): (_, RestoreAnswer) = Server::find(place)?.post(&["v1", "restore"], &request).await?;
    out.show(&answer, |paint| told(&answer, paint))?;
    Ok(Outcome::Done)
}

fn told(answer: &RestoreAnswer, paint: Paint) -> String {
    match answer {
        RestoreAnswer::Proposed { id, target, severances, expires_at, needs, single_operator } => {
            let mut text = format!(
                "{} restore {target}; nothing is open yet\n\n",
                paint.paint("PROPOSED", Style::Warning)
            );
            text.push_str(&format!("  proposal   {id}\n  expires    {}\n", time::instant(*expires_at)));
            text.push_str(&format!("  lifts      {}\n", counted(severances.len())));
            // The command in it stands below, where it can be copied.
            let needs = needs.split_once(" with `").map_or(needs.as_str(), |(needs, _)| needs);
            text.push_str(&format!("  needs      {needs}\n\n"));
            let (who, token) = if *single_operator {
                ("", "")
            } else {
                (", as another operator", "PORTCULLIS_TOKEN=TOKEN ")
            };
            text.push_str(&format!("next{who}\n  {token}portcullis restore {target} --confirm {id}\n"));
            text
        }
        RestoreAnswer::Refused { id, target, by, reason } => format!(
            "{} proposal {id}; {target} stays closed\n\n  by         {by}\n  reason     {reason}\n",
            paint.paint("REFUSED", Style::Warning)
        ),
        RestoreAnswer::Restored {
            id,
            target,
            severances,
            epoch,
            proposed_by,
            confirmed_by,
            keys_accepted,
            single_operator,
            next_steps,
        } => {
            let mut text = format!("{} {target}\n\n", paint.paint("RESTORED", Style::Good));
            let second =
                confirmed_by.as_ref().map(|name| format!(", confirmed by {name}")).unwrap_or_default();
            text.push_str(&format!("  restoration {id}\n  proposed by {proposed_by}{second}\n"));
            text.push_str(&format!("  lifted      {}, epoch is {epoch} now\n", counted(severances.len())));
            if !keys_accepted.is_empty() {
                text.push_str(&format!("  keys        accepted again: {}\n", keys_accepted.join(", ")));
            }
            if *single_operator {
                text.push_str("\nnote: there is one operator only\n");
            }
            if !next_steps.is_empty() {
                text.push_str("\nnext\n");
                next_steps.iter().for_each(|step| text.push_str(&format!("  {step}\n")));
            }
            text
        }
    }
}

fn counted(severances: usize) -> String {
    if severances == 1 { "1 severance".to_owned() } else { format!("{severances} severances") }
}

pub(super) async fn severances(place: &Place, out: &Output, watch: Watch) -> Result<Outcome> {
    let server = Server::find(place)?;
    out.watch(watch.watch, async || {
        let view: SeverancesView = server.get(&["v1", "severances"]).await?;
        out.rendered(&view, |_| listed(out, &view))
    })
    .await?;
    Ok(Outcome::Done)
}

fn listed(out: &Output, view: &SeverancesView) -> String {
    let mut table = Table::new(["TARGET", "SINCE (UTC)", "TOLD", "~CAUSE"]);
    for severance in &view.open {
        table.row([
            severance.target.as_str().into(),
            time::short(severance.time).into(),
            severance.told.map(telling::count).unwrap_or_default().into(),
            cause(&severance.cause).into(),
        ]);
    }
    let mut text = out.table(&table, "nothing is severed");
    if !view.proposals.is_empty() {
        let mut table = Table::new(["PROPOSAL TO RESTORE", "~TARGET", "~BY", "EXPIRES"]);
        for proposal in &view.proposals {
            table.row([
                proposal.id.to_string().into(),
                proposal.target.as_str().into(),
                proposal.proposed_by.as_str().into(),
                time::instant(proposal.expires_at).into(),
            ]);
        }
        text.push('\n');
        text.push_str(&table.render(out.paint));
    }
    text
}

/// Who or what severed, in so few words that a decision's id is not cut in a table.
pub(super) fn cause(cause: &CauseView) -> String {
    match cause {
        CauseView::Operator { operator, reason } => format!("{operator}: {reason}"),
        CauseView::RecordLimit { decision } => format!("records {decision}"),
        CauseView::Risk { decision, reason } => format!("{reason} {decision}"),
        CauseView::Revoked { operator, reason } => format!("{operator}, for good: {reason}"),
        CauseView::GateMemory { gate, .. } => format!("remembered by gate `{gate}`, unknown to the ledger"),
        CauseView::Exercise { run, operator, reason } => match operator {
            Some(operator) => format!("{operator}, exercise {run}: {reason}"),
            None => format!("exercise {run}: {reason}"),
        },
        CauseView::KeyTheft { .. } => "theft of a key suspected".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_domain::ids::SeveranceId;
    use uuid::Uuid;

    fn proposed(needs: &str, single_operator: bool) -> String {
        let answer = RestoreAnswer::Proposed {
            id: RestoreId(Uuid::from_u128(5)),
            target: "vendor/acme".into(),
            severances: vec![SeveranceId(Uuid::from_u128(7))],
            expires_at: "2026-11-22T02:00:00Z".parse().unwrap(),
            needs: needs.into(),
            single_operator,
        };
        told(&answer, Paint { on: false })
    }

    #[test]
    fn a_proposal_ends_with_the_very_command() {
        insta::assert_snapshot!(proposed("another operator must confirm it with `portcullis …`", false), @r"
        PROPOSED restore vendor/acme; nothing is open yet

          proposal   00000000-0000-0000-0000-000000000005
          expires    2026-11-22T02:00:00Z
          lifts      1 severance
          needs      another operator must confirm it

        next, as another operator
          PORTCULLIS_TOKEN=TOKEN portcullis restore vendor/acme --confirm 00000000-0000-0000-0000-000000000005
        ");
        let alone = proposed("you may confirm it yourself", true);
        assert!(
            alone.ends_with(
                "\nnext\n  portcullis restore vendor/acme --confirm 00000000-0000-0000-0000-000000000005\n"
            ),
            "{alone}"
        );
    }

    #[test]
    fn a_restoration_says_what_is_left_to_do() {
        let answer = RestoreAnswer::Restored {
            id: RestoreId(Uuid::from_u128(5)),
            target: "vendor/acme".into(),
            severances: vec![SeveranceId(Uuid::from_u128(7)), SeveranceId(Uuid::from_u128(8))],
            epoch: 3,
            proposed_by: "admin".into(),
            confirmed_by: Some("jo".into()),
            keys_accepted: Vec::new(),
            single_operator: false,
            next_steps: vec!["enroll new keys".into()],
        };
        insta::assert_snapshot!(told(&answer, Paint { on: false }), @r"
        RESTORED vendor/acme

          restoration 00000000-0000-0000-0000-000000000005
          proposed by admin, confirmed by jo
          lifted      2 severances, epoch is 3 now

        next
          enroll new keys
        ");
    }
}
