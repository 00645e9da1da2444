//! Operators, and forgetting people.

use anyhow::Result;
use portcullis_api::operators::{
    EraseAnswer, EraseRequest, OperatorAdded, OperatorRemoved, OperatorRequest, OperatorView,
};
use portcullis_domain::ids::SubjectId;

use super::output::{Format, Output};
use super::server::Server;
use super::table::Table;
use super::{Outcome, Place};

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Add an operator; the token is printed once
    Add {
        /// Who it is; one token is one person
        name: String,
    },
    /// List the operators, and whose token this is
    List,
    /// Remove an operator; the token is dead at once
    Remove {
        /// Who it is
        name: String,
    },
}

#[derive(clap::Args)]
pub(super) struct EraseArguments {
    /// Id of the person's texts, as `describe` and `operator list` show it
    #[arg(value_parser = subject)]
    subject: SubjectId,
}

fn subject(text: &str) -> Result<SubjectId, String> {
    text.parse().map_err(|_| "it is an id, as `portcullis describe` shows it under `about people`".to_owned())
}

pub(super) async fn operator(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    let server = Server::find(place)?;
    match verb {
        Verb::Add { name } => {
            let request = OperatorRequest { name };
            let (_, added): (_, OperatorAdded) = server.post(&["v1", "operators"], &request).await?;
            // Alone on standard output, so that a script can take it.
            out.show(&added, |_| format!("{}\n", added.token.0))?;
            if out.format == Format::Table {
                out.note(&format!(
                    "operator `{}` was added; this token is printed once, and the ledger keeps its digest only\nhint: the person sets it as `PORTCULLIS_TOKEN`",
                    added.name
                ));
            }
        }
        Verb::List => {
            let operators: Vec<OperatorView> = server.get(&["v1", "operators"]).await?;
            out.show(&operators, |_| out.table(&table(&operators), "no operators"))?;
            if operators.len() == 1 {
                out.note(
                    "note: there is one operator only: a restoration has no second person who looks at it",
                );
            }
        }
        Verb::Remove { name } => {
            let removed: OperatorRemoved = server.delete(&["v1", "operators", &name], &[]).await?;
            out.show(&removed, |_| format!("operator `{}` was removed, the token is dead\n", removed.name))?;
            if removed.single_operator {
                out.note(
                    "note: there is one operator only now: a restoration has no second person who looks at it",
                );
            }
        }
    }
    Ok(Outcome::Done)
}

fn table(operators: &[OperatorView]) -> Table {
    let mut table = Table::new(["NAME", "", "SUBJECT"]);
    for operator in operators {
        let subject = operator.subject.map(|subject| subject.to_string()).unwrap_or_default();
        let you = if operator.you { "(you)" } else { "" };
        table.row([operator.name.as_str().into(), you.into(), subject.into()]);
    }
    table
}

pub(super) async fn erase(place: &Place, out: &Output, arguments: EraseArguments) -> Result<Outcome> {
    let request = EraseRequest { subject: arguments.subject };
    let (_, answer): (_, EraseAnswer) = Server::find(place)?.post(&["v1", "erase"], &request).await?;
    out.show(&answer, |_| {
        format!(
            "erased {}: the key of these texts is destroyed, the ledger's proofs still verify (size {})\n",
            answer.subject, answer.ledger_size
        )
    })?;
    Ok(Outcome::Done)
}
