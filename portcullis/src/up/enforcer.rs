//! The link to the enforcer, which is a process of its own: it may change networks, and this one may not.

use std::path::PathBuf;

use portcullis_control::arms::{PlanOf, WORD_WAIT};
use portcullis_control::{Control, EnforcerLink};
use tokio::sync::mpsc;

/// Messages that may wait on the link, each way.
const MESSAGES_MAX: usize = 256;

/// Links control to the enforcer behind a socket, now and whenever it comes back.
pub(super) fn link(control: &Control, socket: PathBuf, plan: PlanOf) {
    let (to_enforcer, orders) = mpsc::channel(MESSAGES_MAX);
    let (heard, from_enforcer) = mpsc::channel(MESSAGES_MAX);
    tokio::spawn(portcullis_enforcer::client::run(socket, orders, heard));
    control.attach_enforcer(EnforcerLink { to_enforcer, from_enforcer, plan, word_wait: WORD_WAIT });
    control.protect_what_is_seen();
}
