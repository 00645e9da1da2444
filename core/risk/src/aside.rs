//! Calls that change a client's state and belong to no recorded decision: whoever keeps them can make all calls again, in
//! their order.

use serde::{Deserialize, Serialize};

use crate::client::{ClientRisk, Judgement};
use crate::input::{Context, IssuedIn};

/// Such a call, with everything that it was made with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aside {
    /// [`ClientRisk::ask_ahead`].
    Asked { context: Context, issued_in: IssuedIn, at_us: i64 },
    /// [`ClientRisk::judge`].
    Judged { sequence: u64, context: Context, judgement: Judgement, undo: bool, at_us: i64 },
    /// What is known of it comes from elsewhere: [`ClientRisk::to_bytes`].
    Replaced { state: Vec<u8> },
}

impl ClientRisk {
    /// Makes such a call again. A state that can't be read changes nothing.
    pub fn repeat(&mut self, aside: &Aside) {
        match aside {
            Aside::Asked { context, issued_in, at_us } => {
                self.ask_ahead(context, *issued_in, *at_us);
            }
            Aside::Judged { sequence, context, judgement, undo, at_us } => {
                self.judge(*sequence, context, *judgement, *undo, *at_us);
            }
            Aside::Replaced { state } => {
                if let Ok(known) = Self::from_bytes(state) {
                    *self = known;
                }
            }
        }
    }
}
