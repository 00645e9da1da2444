//! What the servers log, for those who run them: to stderr, bounded in words, never a secret.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Starts logging. `PORTCULLIS_LOG` chooses how much, in the words of `tracing`; `usual` without it.
pub fn start(usual: &str) {
    let filter = EnvFilter::try_from_env("PORTCULLIS_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        // A line that can't be written is lost, and nothing else: a full disk under the log must
        // not stop the gate.
        .log_internal_errors(false)
        .init();
}
