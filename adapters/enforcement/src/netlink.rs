//! Messages to the kernel over netlink (RFC 3549): requests, dumps and attributes, in native byte order but where
//! a subsystem says otherwise.
//!
//! Written here since a cut can't wait for a program to start and to read the whole packet filter first, as nft
//! does: a quarter of a second beside ten thousand vendors, where this takes one.

use std::time::Duration;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

/// `NLM_F_REQUEST`
pub(crate) const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`
pub(crate) const ACK: u16 = 0x4;
/// `NLM_F_ROOT | NLM_F_MATCH`
pub(crate) const DUMP: u16 = 0x300;
/// `NLM_F_CREATE`
pub(crate) const CREATE: u16 = 0x400;
/// `NLM_F_DUMP_INTR`: something changed while it was listed.
const INTERRUPTED: u16 = 0x10;
const TYPE_ERROR: u16 = 2;
const TYPE_DONE: u16 = 3;
/// Of a message.
const HEADER: usize = 16;
/// `NLA_F_NESTED`
const NESTED: u16 = 0x8000;
/// What of an attribute's type is its number.
const TYPE_MASK: u16 = 0x3fff;
/// The kernel answers from memory: longer means that it hangs.
const ANSWER_WAIT: Duration = Duration::from_millis(1_500);
const BUFFER_BYTES: usize = 128 * 1024;
/// Tries of a list that changes while it is read.
const TRIES: usize = 8;

pub(crate) type Answer<T> = Result<T, Errno>;

/// A socket for one conversation.
pub(crate) struct Socket {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

impl Socket {
    pub fn open(protocol: Protocol) -> Answer<Self> {
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(protocol))?;
        set_socket_timeout(&fd, Timeout::Recv, Some(ANSWER_WAIT))?;
        // A bigger one loses less; a smaller one does as well.
        let _ = set_socket_recv_buffer_size(&fd, 1024 * 1024);
        Ok(Self { fd, buffer: vec![0; BUFFER_BYTES] })
    }

    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Sends messages that the kernel acknowledges one by one, and waits for all of `acks`; the first error ends it.
    pub fn transact(&mut self, messages: &[u8], acks: usize) -> Answer<()> {
        self.send(messages)?;
        let mut left = acks;
        while left > 0 {
            let read = self.receive()?;
            for message in Messages(self.buffer.get(..read).unwrap_or_default()) {
                if message.kind == TYPE_ERROR {
                    acknowledged(message.payload)?;
                    left = left.saturating_sub(1);
                }
            }
        }
        Ok(())
    }

    /// Every message of a list, its type and payload. Once more from the beginning where the list changed meanwhile.
    pub fn dump<T>(
        &mut self,
        request: &[u8],
        mut read: impl FnMut(u16, &[u8]) -> Option<T>,
    ) -> Answer<Vec<T>> {
        for _ in 0..TRIES {
            if let Some(list) = self.dump_once(request, &mut read)? {
                return Ok(list);
            }
        }
        Err(Errno::INTR)
    }

    fn dump_once<T>(
        &mut self,
        request: &[u8],
        read: &mut impl FnMut(u16, &[u8]) -> Option<T>,
    ) -> Answer<Option<Vec<T>>> {
        self.send(request)?;
        let (mut list, mut whole) = (Vec::new(), true);
        loop {
            let length = self.receive()?;
            for message in Messages(self.buffer.get(..length).unwrap_or_default()) {
                whole &= message.flags & INTERRUPTED == 0;
                match message.kind {
                    TYPE_DONE => return Ok(whole.then_some(list)),
                    TYPE_ERROR => match acknowledged(message.payload) {
                        Err(Errno::INTR) => return Ok(None),
                        Err(error) => return Err(error),
                        Ok(()) => {}
                    },
                    kind => list.extend(read(kind, message.payload)),
                }
            }
        }
    }

    fn send(&self, bytes: &[u8]) -> Answer<()> {
        let kernel = SocketAddrNetlink::new(0, 0);
        sendto(&self.fd, bytes, SendFlags::empty(), &kernel).map(|_| ())
    }

    fn receive(&mut self) -> Answer<usize> {
        let (_, length) = recv(&self.fd, &mut *self.buffer, RecvFlags::TRUNC)?;
        // Cut off: an answer that isn't read to its end is none.
        if length > self.buffer.len() { Err(Errno::MSGSIZE) } else { Ok(length) }
    }
}

/// An error's number is negative, and zero is none.
fn acknowledged(payload: &[u8]) -> Answer<()> {
    let code = payload.first_chunk().map_or(-5, |bytes| i32::from_ne_bytes(*bytes));
    if code == 0 { Ok(()) } else { Err(Errno::from_raw_os_error(code.saturating_neg())) }
}

/// Messages one after another, as they are sent.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    sequence: u32,
}

impl Writer {
    pub fn message(&mut self, kind: u16, flags: u16, payload: impl FnOnce(&mut Attributes)) {
        let start = self.bytes.len();
        self.sequence = self.sequence.wrapping_add(1);
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(self.sequence.to_ne_bytes());
        self.bytes.extend([0; 4]);
        let mut attributes = Attributes(std::mem::take(&mut self.bytes));
        payload(&mut attributes);
        self.bytes = attributes.0;
        let length = u32::try_from(self.bytes.len().saturating_sub(start)).unwrap_or(u32::MAX);
        if let Some(place) = self.bytes.get_mut(start..start.saturating_add(4)) {
            place.copy_from_slice(&length.to_ne_bytes());
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A message's payload, as it grows. Everything in it begins at a multiple of four.
pub(crate) struct Attributes(Vec<u8>);

impl Attributes {
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        self.pad();
    }

    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.with_header(kind, |attributes| attributes.0.extend(value));
    }

    /// With the closing zero that the kernel wants.
    pub fn text(&mut self, kind: u16, value: &str) {
        self.with_header(kind, |attributes| {
            attributes.0.extend(value.as_bytes());
            attributes.0.push(0);
        });
    }

    pub fn nested(&mut self, kind: u16, inner: impl FnOnce(&mut Self)) {
        self.with_header(kind | NESTED, inner);
    }

    fn with_header(&mut self, kind: u16, inner: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.0.extend([0; 2]);
        self.0.extend(kind.to_ne_bytes());
        inner(self);
        // Callers keep lists short enough: see `ELEMENTS_MAX`.
        let length = u16::try_from(self.0.len().saturating_sub(start)).unwrap_or(u16::MAX);
        if let Some(place) = self.0.get_mut(start..start.saturating_add(2)) {
            place.copy_from_slice(&length.to_ne_bytes());
        }
        self.pad();
    }

    fn pad(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

/// Attributes of a payload: number and value. What is malformed ends the list.
pub(crate) struct Read<'a>(pub &'a [u8]);

impl<'a> Iterator for Read<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first_chunk::<2>()?;
        let (kind, _) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_ne_bytes(*length));
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes(*kind) & TYPE_MASK, value))
    }
}

/// The value of the first attribute of a kind.
pub(crate) fn find(payload: &[u8], kind: u16) -> Option<&[u8]> {
    Read(payload).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// Up to the closing zero.
pub(crate) fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

struct Message<'a> {
    kind: u16,
    flags: u16,
    payload: &'a [u8],
}

struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let header: &[u8; HEADER] = self.0.first_chunk()?;
        let [l0, l1, l2, l3, k0, k1, f0, f1, ..] = *header;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let payload = self.0.get(HEADER..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind: u16::from_ne_bytes([k0, k1]), flags: u16::from_ne_bytes([f0, f1]), payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        writer.message(7, REQUEST, |message| {
            message.raw(&[1, 2, 3, 4]);
            message.text(1, "abc");
            message.nested(2, |inner| inner.attribute(3, &[9]));
        });
        let messages: Vec<_> = Messages(writer.bytes()).collect();
        let [Message { kind: 7, flags: REQUEST, payload }] = &*messages else { panic!("one message") };
        let attributes = &payload[4..];
        assert_eq!(find(attributes, 1).map(text).as_deref(), Some("abc"));
        assert_eq!(find(attributes, 2).and_then(|inner| find(inner, 3)), Some(&[9_u8][..]));
        assert_eq!(find(attributes, 4), None);
    }

    #[test]
    fn what_is_cut_off_ends_the_list() {
        let mut writer = Writer::default();
        writer.message(7, REQUEST, |message| message.text(1, "abcdefgh"));
        for length in 0..writer.bytes().len() {
            assert_eq!(Messages(&writer.bytes()[..length]).count(), 0, "{length} bytes");
        }
        for length in 0..12 {
            assert_eq!(Read(&writer.bytes()[16..16 + length]).count(), 0, "{length} bytes");
        }
        // A length of zero must not be read for ever.
        assert_eq!(Read(&[0; 64]).count(), 0);
        assert_eq!(Messages(&[0; 64]).count(), 0);
    }
}
