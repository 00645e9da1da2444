//! Decisions as control hears of them: what an operator sees in `decisions --follow`.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use portcullis_api::decisions::DecisionView;
use portcullis_control::control::Control;
use portcullis_domain::decision::DecisionId;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

const PATIENCE: Duration = Duration::from_secs(5);
/// What was decided is told within some milliseconds.
const QUIET: Duration = Duration::from_millis(150);

/// Waits until it is known how a request has ended.
pub async fn ended(control: &Control, id: DecisionId) -> Result<DecisionView> {
    let mut look = tokio::time::interval(Duration::from_millis(5));
    let found = async {
        loop {
            look.tick().await;
            // It is among the recent ones: no file is read.
            if let Some(view) = control.explain(id)?.filter(|view| view.outcome.is_some()) {
                return anyhow::Ok(view);
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.with_context(|| format!("nothing is heard of `{id}`"))?
}

/// The decisions about whoever calls from one address.
pub struct Watch {
    decisions: Receiver<Arc<DecisionView>>,
    from: IpAddr,
    /// What was told, and whether its end was.
    told: HashSet<(DecisionId, bool)>,
}

impl Watch {
    pub fn begin(control: &Control, from: IpAddr) -> Self {
        Self { decisions: control.follow(), from, told: HashSet::new() }
    }

    /// The next decision, or end of one; none if nothing comes.
    pub async fn next(&mut self) -> Option<Arc<DecisionView>> {
        tokio::time::timeout(QUIET, self.wait()).await.ok().flatten()
    }

    async fn wait(&mut self) -> Option<Arc<DecisionView>> {
        loop {
            match self.decisions.recv().await {
                Ok(view) if self.is_new(&view) => return Some(view),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn is_new(&mut self, view: &DecisionView) -> bool {
        let peer = &view.record.peer;
        let from = peer.parse::<SocketAddr>().map(|peer| peer.ip()).or_else(|_| peer.parse());
        from == Ok(self.from) && self.told.insert((view.record.id, view.outcome.is_some()))
    }
}
