//! What others say of clients' machines, and what is held of them.

use portcullis_api::posture::{
    PostureAnswer, PostureView, ProgramView, PushedState, PushedView, StatementView,
};
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::posture::{Held, Pushed, PushedWord};
use portcullis_domain::state::{Standing, State};
use portcullis_policy::link::ToGate;

use super::{APPLY_WAIT, Control};
use crate::error::ExecuteError;
use crate::posture::Kept;
use crate::severing::operator_name;

impl Control {
    /// What is held of the machine of the client called `name`, if there is one.
    #[must_use]
    pub fn posture(&self, name: &str) -> Option<PostureView> {
        let state = self.state();
        state.standing(name).map(|standing| self.posture_view(&state, &standing))
    }

    /// Records what somebody says of a client's machine. Gates know it when this returns, but for those that are named.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub async fn push_posture(&self, command: Command, name: &str) -> Result<PostureAnswer, ExecuteError> {
        let executed = self.execute(command).await?;
        let unknown = || Refusal::Unknown { kind: "client", name: name.to_owned() };
        let state = self.state();
        let standing = state.standing(name).ok_or_else(unknown)?;
        let facts = self.0.postures.facts(&state, &standing);
        // Ahead of the next snapshot, which takes longer to compile.
        self.tell_gates(ToGate::Posture { client: standing.client_id(), facts, attested: None }).await;
        let gates_behind = self.0.gates.wait_for(executed.size, APPLY_WAIT).await;
        let posture = self.posture_view(&state, &standing);
        Ok(PostureAnswer { posture, ledger_size: executed.size, gates_behind })
    }

    fn posture_view(&self, state: &State, standing: &Standing<'_>) -> PostureView {
        let client = standing.client_id();
        let (word, failing, good_until) = match self.0.postures.held(state, standing) {
            Held::NotAsked => ("not_asked", Vec::new(), None),
            Held::NeverSent => ("never_sent", Vec::new(), None),
            Held::Absent => ("absent", Vec::new(), None),
            Held::Good { until } if until <= self.clock().now() => ("stale", Vec::new(), Some(until)),
            Held::Good { until } => ("good", Vec::new(), Some(until)),
            Held::Failing { what } => ("failing", what, None),
        };
        let pushed = state.postures.get(&client).and_then(|known| known.pushed.as_ref());
        PostureView {
            client: standing.client.declaration.name.clone(),
            state: word.to_owned(),
            failing,
            good_until,
            statement: self.0.postures.newest(client).map(|kept| statement(&kept)),
            pushed: pushed.map(|pushed| shown(state, pushed)),
        }
    }
}

fn statement(kept: &Kept) -> StatementView {
    let said = &kept.statement;
    let programs = said.software.iter().map(|program| ProgramView {
        name: program.name.clone(),
        version: program.version.clone(),
        sha256: program.sha256.clone(),
    });
    let word = |known: Option<bool>| known.map_or_else(|| "unknown".to_owned(), |known| known.to_string());
    StatementView {
        issued_at: kept.issued_at,
        received_at: kept.received_at,
        address: kept.address.clone(),
        signed_by: kept.signed_by.clone(),
        sha256: kept.sha256.clone(),
        software: programs.collect(),
        hardening: said.hardening.iter().map(|(name, known)| (name.clone(), word(*known))).collect(),
        patched_days: said.patched_days,
        key_exportable: said.key.as_ref().map(|key| key.exportable),
        key_kept: said.key.as_ref().and_then(|key| key.how.clone()),
    }
}

fn shown(state: &State, pushed: &Pushed) -> PushedView {
    let (word, good_until) = match pushed.word {
        PushedWord::Failing => (PushedState::Failing, None),
        PushedWord::Good { until } => (PushedState::Good, Some(until)),
        PushedWord::Withdrawn => (PushedState::None, None),
    };
    PushedView {
        state: word,
        reason: pushed.reason.clone(),
        by: operator_name(state, pushed.operator),
        time: pushed.time,
        good_until,
    }
}
