//! Headers as a balancer sends them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::ProxyHeader;
use super::crc32c::crc32c;
use super::v2::{
    BLOCK_BYTES_MAX, COMMAND_LOCAL, COMMAND_PROXY, FAMILY_TCP4, FAMILY_TCP6, FAMILY_UNSPECIFIED,
    PREFIX_BYTES, SIGNATURE, TYPE_CRC32C,
};

const COMMAND_VERSION: u8 = 0x20;
const CHECKSUM_BYTES: usize = 4;

/// A line of version 1. It has no `LOCAL`: that becomes `UNKNOWN`, as does a header with one address.
pub fn encode_v1(header: &ProxyHeader) -> Vec<u8> {
    let line = match pair(header) {
        None => "PROXY UNKNOWN\r\n".to_owned(),
        Some((source, destination)) => {
            let protocol = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            let (from, to) = (source.ip(), destination.ip());
            format!("PROXY {protocol} {from} {to} {} {}\r\n", source.port(), destination.port())
        }
    };
    line.into_bytes()
}

/// A header of version 2 with `extensions` (type and value), and with a checksum as the last of them
/// if `checksum` is set. `None` if that is longer than [`parse`](super::parse) takes.
pub fn encode_v2(header: &ProxyHeader, extensions: &[(u8, &[u8])], checksum: bool) -> Option<Vec<u8>> {
    let mut block = Vec::new();
    let family = match pair(header) {
        None => FAMILY_UNSPECIFIED,
        Some((source, destination)) => {
            for address in [source.ip(), destination.ip()] {
                match address {
                    IpAddr::V4(address) => block.extend(address.octets()),
                    IpAddr::V6(address) => block.extend(address.octets()),
                }
            }
            block.extend(source.port().to_be_bytes());
            block.extend(destination.port().to_be_bytes());
            if source.is_ipv4() { FAMILY_TCP4 } else { FAMILY_TCP6 }
        }
    };
    let zeros = [0; CHECKSUM_BYTES];
    for (kind, value) in extensions.iter().copied().chain(checksum.then_some((TYPE_CRC32C, &zeros[..]))) {
        block.push(kind);
        block.extend(u16::try_from(value.len()).ok()?.to_be_bytes());
        block.extend(value);
    }
    if block.len() > BLOCK_BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::with_capacity(PREFIX_BYTES + block.len());
    bytes.extend(SIGNATURE);
    bytes.push(COMMAND_VERSION | if header.local { COMMAND_LOCAL } else { COMMAND_PROXY });
    bytes.push(family);
    bytes.extend(u16::try_from(block.len()).ok()?.to_be_bytes());
    bytes.extend(block);
    if checksum {
        let sum = crc32c([bytes.as_slice()]);
        bytes.truncate(bytes.len() - CHECKSUM_BYTES);
        bytes.extend(sum.to_be_bytes());
    }
    Some(bytes)
}

/// Both addresses in one family: of two different ones, IPv4 goes as IPv4-mapped IPv6.
fn pair(header: &ProxyHeader) -> Option<(SocketAddr, SocketAddr)> {
    let (source, destination) = header.source.zip(header.destination).filter(|_| !header.local)?;
    if source.is_ipv4() == destination.is_ipv4() {
        return Some((source, destination));
    }
    Some((mapped(source), mapped(destination)))
}

fn mapped(address: SocketAddr) -> SocketAddr {
    let ip: Ipv6Addr = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    SocketAddr::new(ip.into(), address.port())
}
