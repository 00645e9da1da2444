//! The keys that tokens are signed with.

use anyhow::Result;
use portcullis_api::keys::{
    KeysView, RotateAnswer, RotateRequest, SigningKeyStage, SigningKeyView, WithdrawAnswer, WithdrawRequest,
    Withdrawn,
};

use super::output::{Output, Paint, Style};
use super::server::Server;
use super::table::Table;
use super::{Outcome, Place, examples, time};

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List the keys that tokens are signed with, and those that were
    #[command(after_help = examples::KEYS_LIST)]
    List,
    /// Publish a new signing key, which signs when everybody has had time to learn of it
    #[command(after_help = examples::KEYS_ROTATE)]
    Rotate {
        /// Let it sign as soon as every gate knows it
        #[arg(long)]
        now: bool,
    },
    /// Refuse a signing key at once, and every token under it
    #[command(after_help = examples::KEYS_WITHDRAW)]
    Withdraw {
        /// The key, as `keys list` names it
        kid: String,
        /// Why, for those who read it later
        #[arg(long)]
        reason: String,
    },
}

pub(super) async fn keys(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    let server = Server::find(place)?;
    match verb {
        Verb::List => {
            let keys: KeysView = server.get(&["v1", "keys"]).await?;
            out.show(&keys, |_| listed(out, &keys))?;
        }
        Verb::Rotate { now } => {
            let (_, answer): (_, RotateAnswer) =
                server.post(&["v1", "keys", "rotate"], &RotateRequest { now }).await?;
            out.show(&answer, |paint| rotated(&answer, paint))?;
            if now && answer.key.stage != SigningKeyStage::Active {
                return Ok(Outcome::Refused);
            }
        }
        Verb::Withdraw { kid, reason } => {
            let request = WithdrawRequest { kid, reason };
            let (_, answer): (_, WithdrawAnswer) = server.post(&["v1", "keys", "withdraw"], &request).await?;
            out.show(&answer, |paint| withdrawn(&answer, paint))?;
            if answer.answer != Withdrawn::Withdrawn {
                return Ok(Outcome::Refused);
            }
        }
    }
    Ok(Outcome::Done)
}

fn listed(out: &Output, keys: &KeysView) -> String {
    let mut text = out.table(&table(&keys.signing), "no keys");
    if let Some(next) = keys.next_published_at {
        text.push_str(&format!("\nthe next key is published {}\n", time::instant(next)));
    }
    text
}

fn table(keys: &[SigningKeyView]) -> Table {
    let mut table = Table::new(["KID", "STAGE", "ALGORITHM", "SINCE", "SIGNS FROM", "REFUSED FROM"]);
    let shown = |at: Option<jiff::Timestamp>| at.map(time::instant).unwrap_or_default();
    for key in keys {
        table.row([
            key.kid.clone().into(),
            key.stage.as_str().into(),
            key.algorithm.clone().into(),
            shown(key.since).into(),
            shown(key.signs_from).into(),
            shown(key.refused_from).into(),
        ]);
    }
    table
}

fn rotated(answer: &RotateAnswer, paint: Paint) -> String {
    let key = &answer.key;
    let (verdict, style) = match key.stage {
        SigningKeyStage::Active => ("ACTIVE", Style::Good),
        _ => ("PUBLISHED", Style::Warning),
    };
    let mut text = format!("{} {}\n\n", paint.paint(verdict, style), key.kid);
    if let Some(signs_from) = key.signs_from {
        text.push_str(&format!("  signs from    {}\n", time::instant(signs_from)));
    }
    if let Some(replaces) = &answer.replaces {
        text.push_str(&format!("  replaces      {replaces}\n"));
    }
    if let Some(refused_from) = answer.refused_from {
        text.push_str(&format!("  which is refused from {} on\n", time::instant(refused_from)));
    }
    for gate in &answer.gates_behind {
        text.push_str(&format!("  gate `{gate}` does not know the new key yet\n"));
    }
    noted(&mut text, &answer.notes);
    text
}

fn withdrawn(answer: &WithdrawAnswer, paint: Paint) -> String {
    let (verdict, style) = match answer.answer {
        Withdrawn::Withdrawn => ("WITHDRAWN", Style::Good),
        Withdrawn::CutNotRecorded => ("CUT, NOT RECORDED", Style::Bad),
        Withdrawn::RecordedNotConfirmed => ("RECORDED, NOT CONFIRMED", Style::Bad),
    };
    let took = time::milliseconds(answer.took_us);
    let mut text = format!("{} {} in {took}\n\n", paint.paint(verdict, style), answer.kid);
    for gate in &answer.gates {
        text.push_str(&format!(
            "  at `{}`: refused after {}, {} connections reset\n",
            gate.gate,
            time::milliseconds(gate.took_us),
            gate.connections.len()
        ));
    }
    for gate in &answer.gates_silent {
        text.push_str(&format!(
            "  {}\n",
            paint.paint(&format!("gate `{gate}` has not confirmed"), Style::Bad)
        ));
    }
    text.push_str(&format!("  at         {}\n", time::instant(answer.withdrawn_at)));
    if let Some(successor) = &answer.successor {
        text.push_str(&format!("  signs now  {successor}\n"));
    }
    noted(&mut text, &answer.notes);
    text
}

fn noted(text: &mut String, notes: &[String]) {
    for note in notes {
        text.push_str(&format!("\nnote: {note}\n"));
    }
}
