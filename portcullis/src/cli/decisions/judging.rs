//! `decisions verdict`: an analyst's word on a decision.

use anyhow::Result;
use portcullis_api::risk::{JudgeRequest, JudgementView};
use portcullis_domain::decision::DecisionId;
use portcullis_risk::Judgement;

use super::super::Outcome;
use super::super::failure::Usage;
use super::super::output::Output;
use super::super::server::Server;

#[derive(clap::Args)]
pub(in super::super) struct Arguments {
    /// Id of the decision
    #[arg(value_parser = id)]
    decision: DecisionId,
    /// benign: the client's own work, to be learnt; malicious: somebody else's
    #[arg(value_parser = judgement, required_unless_present = "undo", conflicts_with = "undo")]
    judgement: Option<Judgement>,
    /// Take back what was said
    #[arg(long)]
    undo: bool,
    /// Why, for those who read it later
    #[arg(long)]
    reason: String,
}

fn id(text: &str) -> Result<DecisionId, String> {
    text.parse().map_err(|_| "a decision id has 26 letters and digits".to_owned())
}

fn judgement(word: &str) -> Result<Judgement, String> {
    let all = [Judgement::Benign, Judgement::Malicious];
    let found = all.into_iter().find(|judgement| self::word(*judgement) == word);
    found.ok_or_else(|| "it is benign or malicious".to_owned())
}

pub(super) fn word(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Benign => "benign",
        Judgement::Malicious => "malicious",
    }
}

pub(super) async fn judge(server: &Server, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let Arguments { decision, judgement, undo, reason } = arguments;
    if reason.trim().is_empty() {
        let message = "`--reason` says nothing\nhint: say in a few words why, for those who read it later";
        return Err(Usage(message.to_owned()).into());
    }
    let request = JudgeRequest { judgement: judgement.filter(|_| !undo), reason };
    let id = decision.to_string();
    let (_, view): (_, JudgementView) = server.post(&["v1", "decisions", &id, "judgement"], &request).await?;
    out.show(&view, |_| match (view.undone, view.judgement) {
        (true, judgement) => {
            format!("decision {id} is judged no more; it was `{}`\n", word(judgement))
        }
        (false, Judgement::Benign) => format!(
            "decision {id} is judged benign: what it did is learnt, its context admitted, and its evidence zero\n"
        ),
        (false, Judgement::Malicious) => format!(
            "decision {id} is judged malicious: what wasn't confirmed there is dropped, and its signals weigh more\nhint: the way in is open until it is closed: `portcullis sever client/NAME --reason REASON`\n"
        ),
    })?;
    Ok(Outcome::Done)
}
