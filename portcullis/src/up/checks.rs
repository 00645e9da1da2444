//! What this process sees of its surroundings, for `doctor`: the upstreams, from where the gate stands.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::StreamExt as _;
use portcullis_api::checks::{Check, Health};
use portcullis_control::process::Checking;
use portcullis_gate::probe::{Reached, probe};
use portcullis_policy::clock::Clock;
use portcullis_policy::facts::{SnapshotFacts, UpstreamFacts};

/// Upstreams that are tried at the same time.
const AT_ONCE: usize = 16;

pub struct Surroundings {
    pub authority_pem: Vec<u8>,
    pub identities: PathBuf,
    pub clock: Clock,
}

/// What control asks.
pub fn checks(surroundings: Surroundings) -> Box<dyn Fn(SnapshotFacts) -> Checking + Send + Sync> {
    let surroundings = Arc::new(surroundings);
    Box::new(move |facts| {
        let surroundings = Arc::clone(&surroundings);
        Box::pin(async move {
            let tried = facts.upstreams.into_iter().map(|facts| {
                let surroundings = Arc::clone(&surroundings);
                async move { surroundings.upstream(&facts).await }
            });
            futures_util::stream::iter(tried).buffered(AT_ONCE).collect().await
        })
    })
}

impl Surroundings {
    async fn upstream(&self, facts: &UpstreamFacts) -> Check {
        let reached = probe(facts, &self.authority_pem, &self.identities, &self.clock).await;
        let name = format!("upstream {}", facts.name);
        match reached {
            Ok(reached) => Check::new(name, Health::Good, format!("`{}` {}", facts.url, told(reached))),
            Err(error) => {
                let (detail, hint) = crate::cli::failure::chain(&anyhow::Error::new(error));
                let hint = hint.unwrap_or_else(|| {
                    "ask the upstream's team; until then its routes answer 502".to_owned()
                });
                Check::new(name, Health::Bad, format!("`{}`: {detail}", facts.url)).hint(hint)
            }
        }
    }
}

fn told(reached: Reached) -> String {
    let ms = |time: std::time::Duration| format!("{:.1} ms", time.as_secs_f64() * 1_000.0);
    let mut text = format!("takes a connection in {}", ms(reached.connect));
    if let Some(handshake) = reached.handshake {
        text.push_str(&format!(", TLS in {}", ms(handshake)));
    }
    if reached.identity {
        text.push_str(", with our identity");
    }
    text
}
