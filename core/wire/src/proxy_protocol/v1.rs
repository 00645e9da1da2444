//! Version 1: one line of text (section 2.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{Progress, ProxyFault, ProxyHeader, V1_BYTES_MAX, canonical};

const SIGNATURE: &[u8] = b"PROXY ";

pub(super) fn parse(bytes: &[u8]) -> Result<Progress, ProxyFault> {
    if bytes.iter().zip(SIGNATURE).any(|(byte, expect)| byte != expect) {
        return Err(ProxyFault::Signature);
    }
    let Some(line) = line(bytes)? else { return Ok(Progress::Partial) };
    let fields = line.strip_prefix("PROXY ").ok_or(ProxyFault::Signature)?;
    let header = match fields.split_once(' ') {
        Some(("TCP4", rest)) => addresses::<Ipv4Addr>(rest)?,
        Some(("TCP6", rest)) => addresses::<Ipv6Addr>(rest)?,
        // The receiver must ignore what follows it.
        Some(("UNKNOWN", _)) => ProxyHeader::default(),
        None if fields == "UNKNOWN" => ProxyHeader::default(),
        _ => return Err(ProxyFault::LineProtocol),
    };
    Ok(Progress::Whole { header, consumed: line.len() + 2 })
}

/// The line without its CRLF, when that has arrived.
fn line(bytes: &[u8]) -> Result<Option<&str>, ProxyFault> {
    let window = bytes.get(..V1_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = window.iter().position(|byte| !(b' '..=b'~').contains(byte)) else {
        return if window.len() == V1_BYTES_MAX { Err(ProxyFault::LineTooLong) } else { Ok(None) };
    };
    match window.get(end..).unwrap_or_default() {
        [b'\r', b'\n', ..] => {}
        [b'\r'] if window.len() < V1_BYTES_MAX => return Ok(None),
        [b'\r'] => return Err(ProxyFault::LineTooLong),
        rest => return Err(ProxyFault::LineByte { byte: rest.first().copied().unwrap_or_default() }),
    }
    let line = window.get(..end).and_then(|line| str::from_utf8(line).ok());
    Ok(Some(line.unwrap_or_default()))
}

fn addresses<A: FromStr + Into<IpAddr>>(fields: &str) -> Result<ProxyHeader, ProxyFault> {
    let mut fields = fields.split(' ');
    let (Some(source), Some(destination), Some(source_port), Some(destination_port), None) =
        (fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(ProxyFault::LineFields);
    };
    let address = |text: &str| text.parse::<A>().map(Into::into).map_err(|_| ProxyFault::LineAddress);
    let (source, destination) = (address(source)?, address(destination)?);
    let source = SocketAddr::new(source, port(source_port)?);
    let destination = SocketAddr::new(destination, port(destination_port)?);
    Ok(ProxyHeader {
        source: Some(canonical(source)),
        destination: Some(canonical(destination)),
        local: false,
    })
}

fn port(text: &str) -> Result<u16, ProxyFault> {
    // The standard library takes `+1` and `01` as well.
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| canonical).ok_or(ProxyFault::LinePort)
}
