//! Version 2: a binary header (section 2.2).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::crc32c::crc32c;
use super::{Progress, ProxyFault, ProxyHeader, canonical};
use crate::cursor::Cursor;

pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
pub(super) const PREFIX_BYTES: usize = 16;
/// Addresses and TLVs.
pub(super) const BLOCK_BYTES_MAX: usize = 2_048;

pub(super) const COMMAND_LOCAL: u8 = 0x0;
pub(super) const COMMAND_PROXY: u8 = 0x1;
pub(super) const FAMILY_UNSPECIFIED: u8 = 0x00;
pub(super) const FAMILY_TCP4: u8 = 0x11;
pub(super) const FAMILY_TCP6: u8 = 0x21;
/// `PP2_TYPE_CRC32C`
pub(super) const TYPE_CRC32C: u8 = 0x03;

pub(super) fn parse(bytes: &[u8]) -> Result<Progress, ProxyFault> {
    if bytes.iter().zip(SIGNATURE).any(|(byte, expect)| *byte != expect) {
        return Err(ProxyFault::Signature);
    }
    let mut cursor = Cursor(bytes);
    if cursor.bytes(SIGNATURE.len()).is_none() {
        return Ok(Progress::Partial);
    }
    // Each byte is judged as soon as it is there.
    let Some(command) = cursor.u8() else { return Ok(Progress::Partial) };
    let local = read_command(command)?;
    let Some(family) = cursor.u8() else { return Ok(Progress::Partial) };
    let addresses_bytes = addresses_bytes(family)?;
    let Some(length) = cursor.u16() else { return Ok(Progress::Partial) };
    if usize::from(length) > BLOCK_BYTES_MAX {
        return Err(ProxyFault::TooLong { length });
    }
    if usize::from(length) < addresses_bytes {
        return Err(ProxyFault::TooShort { length });
    }
    let Some(block) = cursor.bytes(usize::from(length)) else { return Ok(Progress::Partial) };
    let consumed = PREFIX_BYTES + block.len();

    let mut block = Cursor(block);
    let addresses = block.bytes(addresses_bytes).unwrap_or_default();
    check_extensions(bytes.get(..consumed).unwrap_or_default(), block)?;
    // `LOCAL` says nothing about addresses, whatever stands there.
    let (source, destination) = if local { None } else { read_addresses(addresses) }.unzip();
    Ok(Progress::Whole { header: ProxyHeader { source, destination, local }, consumed })
}

/// Whether the command is `LOCAL`.
fn read_command(byte: u8) -> Result<bool, ProxyFault> {
    match (byte >> 4, byte & 0x0f) {
        (2, COMMAND_LOCAL) => Ok(true),
        (2, COMMAND_PROXY) => Ok(false),
        (2, command) => Err(ProxyFault::Command { command }),
        (version, _) => Err(ProxyFault::Version { version }),
    }
}

/// How many bytes the addresses of a family take.
fn addresses_bytes(family: u8) -> Result<usize, ProxyFault> {
    match family {
        FAMILY_UNSPECIFIED => Ok(0),
        FAMILY_TCP4 => Ok(12),
        FAMILY_TCP6 => Ok(36),
        _ => Err(ProxyFault::Family { family }),
    }
}

fn read_addresses(bytes: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let mut cursor = Cursor(bytes);
    let (source, destination) = match bytes.len() {
        12 => {
            let mut address = || cursor.array().map(|octets: [u8; 4]| Ipv4Addr::from(octets).into());
            (address()?, address()?)
        }
        36 => {
            let mut address = || cursor.array().map(|octets: [u8; 16]| Ipv6Addr::from(octets).into());
            (address()?, address()?)
        }
        _ => return None,
    };
    let (source_port, destination_port) = (cursor.u16()?, cursor.u16()?);
    Some((
        canonical(SocketAddr::new(source, source_port)),
        canonical(SocketAddr::new(destination, destination_port)),
    ))
}

/// Type, length and value, up to the end (section 2.2.5 ff.); what they say isn't used, but a
/// checksum must be right.
fn check_extensions(header: &[u8], mut extensions: Cursor<'_>) -> Result<(), ProxyFault> {
    let mut checksum = None;
    while !extensions.is_empty() {
        let kind = extensions.u8().ok_or(ProxyFault::Extension)?;
        let value = extensions.vector_16().ok_or(ProxyFault::Extension)?;
        if kind != TYPE_CRC32C {
            continue;
        }
        let expect = value.0.try_into().map(u32::from_be_bytes).map_err(|_| ProxyFault::Extension)?;
        // It stands this far from the end; itself it counts as zeros.
        let after = extensions.0;
        if checksum.replace((expect, after)).is_some() {
            return Err(ProxyFault::ChecksumDoubled);
        }
    }
    let Some((expect, after)) = checksum else { return Ok(()) };
    let before_bytes = header.len().saturating_sub(after.len() + 4);
    let before = header.get(..before_bytes).unwrap_or_default();
    if crc32c([before, &[0; 4], after]) == expect { Ok(()) } else { Err(ProxyFault::Checksum) }
}
