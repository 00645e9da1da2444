//! How an exchange is scored, challenged, denied or severed.
//!
//! Pure: no I/O, no clock, no randomness, and on the path of a request no allocation. Whoever calls gives the facts of an
//! exchange ([`Before`], [`After`]), keeps one [`ClientRisk`] for each client, and does what an [`Assessment`] says. The
//! same calls in the same order give the same bits on any machine: a replay of the decision log is the gate's own
//! arithmetic.

mod action;
mod answer;
mod aside;
mod assess;
mod assessment;
mod baseline;
mod beta;
mod buckets;
mod calibration;
mod client;
mod codec;
mod constants;
mod contexts;
mod counterfactual;
mod day;
mod drift;
mod example;
mod exchange;
mod finish;
mod gossip;
mod grade;
mod graduation;
mod hash;
mod hyperloglog;
mod input;
mod judge;
mod learnt;
mod ln;
mod measured;
mod origin;
mod peers;
mod pending;
mod points;
mod progress;
mod record;
mod refused;
mod report;
mod rules;
mod score;
mod signal;
mod signals;
mod small;
mod stored;
mod unit;
mod verdicts;

pub use action::{Action, Mode, Standing};
pub use answer::AskedAhead;
pub use aside::Aside;
pub use assessment::{Assessment, Cause, Ended, PARTS_MAX, Part, Parts, Ticket};
pub use client::{Answer, ClientRisk, Judgement};
pub use constants::{Basis, CONSTANTS, Constant};
pub use counterfactual::{Change, Reached, changes};
pub use example::{example_outcome, example_record};
pub use gossip::{OpenWindows, Segment, TOLD_MAX, Told, ToldExchange};
pub use grade::Grade;
pub use input::{
    After, Answered, Before, Binding, Context, Endpoint, Identity, IssuedIn, Known, Missing, Outside,
    Posture, Stakes, Tls,
};
pub use origin::{Listed, Origin, OriginSource};
pub use peers::{PeerCounts, Peers};
pub use points::Points;
pub use progress::{Broken, Lacks, Progress};
pub use record::{OutcomeRisk, RiskDraft, RiskRecord};
pub use report::{ContextReport, Place};
pub use rules::Rules;
pub use signal::{Family, Signal};
pub use unit::{Unit, grouped};
