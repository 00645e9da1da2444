//! A WireGuard peer within this process, with TCP of its own: the far end of the canary's tunnel. It begins every
//! handshake, speaks to one other side, and needs no interface and no right: packets leave by an ordinary UDP socket.

mod noise;
mod peer;
mod session;
mod stack;
mod stream;

use std::time::Duration;

pub use noise::{Credentials, KEY_BYTES, public_key};
pub use peer::{Peer, Settings};
pub use stream::TcpStream;

/// Why something can't be done.
#[derive(Debug, thiserror::Error)]
pub enum WireguardError {
    #[error("a key can't be used")]
    Key,
    #[error("no socket: {0}")]
    Socket(#[from] std::io::Error),
    #[error("no handshake within {patience:?}")]
    NoHandshake { patience: Duration },
    #[error("no connection within {patience:?}")]
    NoConnection { patience: Duration },
    #[error("the connection was refused")]
    Refused,
    #[error("{0} connections are open already")]
    Many(usize),
}
