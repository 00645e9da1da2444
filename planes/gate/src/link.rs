//! The gate's end of its link to control: bounded channels in `portcullis up`, a stream elsewhere.

use portcullis_policy::link::{FromGate, ToGate};
use tokio::sync::mpsc;

/// What the gate reads from and writes to.
#[derive(Debug)]
pub struct ControlLink {
    pub from_control: mpsc::Receiver<ToGate>,
    pub to_control: mpsc::Sender<FromGate>,
}
