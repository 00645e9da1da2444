//! What the ledger is told of tunnels: that they went up or down, and what they carried.

use std::sync::PoisonError;

use jiff::Timestamp;
use portcullis_domain::command::Command;
use portcullis_domain::event::Event;
use portcullis_domain::tunnel::{SeenTunnel, TunnelCarried};
use portcullis_network::watch::Watched;

use crate::control::Control;

impl Control {
    /// Records what tunnels did since it was recorded last, where that is news. What can't be recorded is tried again with the next
    /// measures, and nothing of it is lost meanwhile.
    pub async fn record_tunnels(&self) {
        let watch = &self.network_seen().tunnels;
        let seen: Vec<SeenTunnel> = {
            let watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
            watch.all().filter_map(seen).collect()
        };
        if self.state().tunnels_due(&seen, self.clock().now()).next().is_none() {
            return;
        }
        match self.execute(Command::ObserveTunnels { seen }).await {
            Ok(executed) => {
                let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
                for event in &executed.events {
                    if let Event::TunnelObserved(observed) = event {
                        watch.told(observed.watched(), observed.up);
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "what tunnels did can't be recorded: it is tried again"),
        }
    }
}

/// Nothing where a clock says what no time is.
fn seen(watched: Watched) -> Option<SeenTunnel> {
    let carried = watched.carried.map(|carried| TunnelCarried {
        bytes_in: carried.bytes_in,
        bytes_out: carried.bytes_out,
        last_handshake: carried.last_handshake.and_then(|second| Timestamp::from_second(second).ok()),
    });
    let since = Timestamp::from_second(watched.since).ok()?;
    Some(SeenTunnel { tunnel: watched.tunnel, up: watched.up, since, changes: watched.changes, carried })
}
