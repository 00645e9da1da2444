//! The PROXY protocol, versions 1 and 2 (HAProxy, `doc/proxy-protocol.txt`, sections 2.1 and 2.2):
//! what a balancer says before the ClientHello about the connection that it took.
//!
//! The header decides which network a client is said to come from, so it is read strictly: whatever
//! the text doesn't define is a fault, and the connection is closed.

pub use encode::{encode_v1, encode_v2};

use std::net::SocketAddr;

mod crc32c;
mod encode;
mod v1;
mod v2;

/// The longest line of version 1, with its CRLF (section 2.1).
pub const V1_BYTES_MAX: usize = 107;
/// The longest header of version 2 that is taken. The length field could say 65,535, but senders
/// must keep to what fits the first segment; addresses and the TLVs of today's balancers need a
/// few hundred bytes.
pub const V2_BYTES_MAX: usize = v2::PREFIX_BYTES + v2::BLOCK_BYTES_MAX;

/// What a balancer says about a connection.
///
/// Both addresses are there, or neither. An IPv4-mapped IPv6 address, as balancers with dual-stack
/// sockets send them, is given as the IPv4 address that it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProxyHeader {
    /// Who opened the connection to the balancer.
    pub source: Option<SocketAddr>,
    /// What the client connected to.
    pub destination: Option<SocketAddr>,
    /// The balancer made the connection itself (`LOCAL`), as for a health check.
    pub local: bool,
}

/// What there is so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The beginning of a header: fewer than [`V1_BYTES_MAX`] or [`V2_BYTES_MAX`] bytes.
    Partial,
    /// A header; the next protocol starts after `consumed` bytes.
    Whole { header: ProxyHeader, consumed: usize },
}

/// Why bytes are no header of the PROXY protocol. Always the balancer's fault, or there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyFault {
    #[error("the connection does not start with a PROXY header; hint: have the balancer send version 1 or 2")]
    Signature,
    #[error("the PROXY line does not end within `107` bytes")]
    LineTooLong,
    /// Another byte than printable ASCII, a lone CR or a lone LF.
    #[error("the PROXY line has the byte `{byte:#04x}`")]
    LineByte { byte: u8 },
    /// Neither `TCP4`, `TCP6` nor `UNKNOWN`.
    #[error("the PROXY line names another protocol than `TCP4`, `TCP6` or `UNKNOWN`")]
    LineProtocol,
    /// Not four fields with single spaces between them.
    #[error("the PROXY line does not have two addresses and two ports with single spaces between")]
    LineFields,
    #[error("an address of the PROXY line is not one of its protocol")]
    LineAddress,
    #[error("a port of the PROXY line is not a number from `0` to `65535` without leading zeros")]
    LinePort,
    #[error("the PROXY header has version `{version}`, not `2`")]
    Version { version: u8 },
    /// Neither `LOCAL` (0) nor `PROXY` (1).
    #[error("the PROXY header has command `{command}`, not `0` (local) or `1` (proxy)")]
    Command { command: u8 },
    /// Anything but TCP over IPv4 or IPv6, or unspecified: no other reaches a TCP listener.
    #[error("the PROXY header has family and transport `{family:#04x}`; hint: only TCP is taken here")]
    Family { family: u8 },
    #[error("the PROXY header says `{length}` bytes; at most `2048` are taken")]
    TooLong { length: u16 },
    #[error("the PROXY header says `{length}` bytes, fewer than its addresses take")]
    TooShort { length: u16 },
    #[error("an extension of the PROXY header does not fit its length")]
    Extension,
    #[error("the PROXY header has two checksums")]
    ChecksumDoubled,
    #[error("the checksum of the PROXY header is wrong")]
    Checksum,
}

/// Reads the header at the start of a connection. `bytes` are all that arrived so far; what follows
/// the header isn't looked at.
///
/// # Errors
/// [`ProxyFault`]: the bytes can't become a header any more. Where the fault lies in the signature,
/// the version, the command, the family or the length, that is known before the header is whole.
pub fn parse(bytes: &[u8]) -> Result<Progress, ProxyFault> {
    match bytes.first() {
        None => Ok(Progress::Partial),
        Some(b'P') => v1::parse(bytes),
        Some(_) => v2::parse(bytes),
    }
}

/// An address as the rest of the gate compares it: IPv4 is never dressed as IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
