use crate::WireError;
use crate::cursor::Cursor;

/// No honest hello comes near: the largest ones, with post-quantum key shares, have about 2 KiB.
pub const BYTES_MAX: usize = 64 * 1024;

const RECORD_TYPE_HANDSHAKE: u8 = 22;
const MESSAGE_TYPE_CLIENT_HELLO: u8 = 1;
/// RFC 8446, 5.1: a plaintext record has at most 2^14 bytes.
const RECORD_BODY_BYTES_MAX: usize = 1 << 14;
const MESSAGE_HEADER_BYTES: usize = 4;

/// What there is after a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So far it is the beginning of a ClientHello.
    NeedMore,
    /// The whole handshake message, with its header of four bytes: what
    /// [`ClientHello::parse`](super::ClientHello::parse) takes.
    Complete(Vec<u8>),
}

/// Puts the first ClientHello of a connection together from the bytes of the socket, however they are
/// cut into pushes and into TLS records (RFC 8446, 5.1).
///
/// Holds at most [`BYTES_MAX`] bytes plus what one push brought beyond the hello.
#[derive(Debug, Default)]
pub struct Assembler {
    received: Vec<u8>,
    /// Where in `received` the next record starts.
    record_start: usize,
    message: Vec<u8>,
}

impl Assembler {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the socket, from the very first on.
    ///
    /// # Errors
    /// [`WireError`] when the bytes can't become a ClientHello any more: as early as that is known.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Progress, WireError> {
        self.received.extend_from_slice(bytes);
        while let Some(record_body_bytes) = self.take_record()? {
            if record_body_bytes == 0 {
                // RFC 8446, 5.1 forbids empty handshake fragments: they only cost time.
                return Err(WireError::Malformed { part: "record" });
            }
            if let Some(message) = self.take_message()? {
                return Ok(Progress::Complete(message));
            }
        }
        if self.received.len() >= BYTES_MAX {
            return Err(WireError::TooLarge { bytes_max: BYTES_MAX });
        }
        Ok(Progress::NeedMore)
    }

    /// Everything that was pushed, to be handed to the TLS library as if nobody had looked.
    pub fn into_received(self) -> Vec<u8> {
        self.received
    }

    /// Moves the body of the next whole record to the message, and says how long it was.
    fn take_record(&mut self) -> Result<Option<usize>, WireError> {
        let mut cursor = Cursor(self.received.get(self.record_start..).unwrap_or_default());
        // Judge each header byte as soon as it is there: a peer that speaks something else
        // would otherwise be waited for.
        let Some(record_type) = cursor.u8() else { return Ok(None) };
        if record_type != RECORD_TYPE_HANDSHAKE {
            return Err(WireError::NotTls);
        }
        let Some(version_major) = cursor.u8() else { return Ok(None) };
        if version_major != 3 {
            return Err(WireError::NotTls);
        }
        let Some((_version_minor, length)) = cursor.u8().zip(cursor.u16()) else { return Ok(None) };
        let length = usize::from(length);
        if length > RECORD_BODY_BYTES_MAX {
            return Err(WireError::NotTls);
        }
        let Some(body) = cursor.bytes(length) else { return Ok(None) };
        self.message.extend_from_slice(body);
        self.record_start = self.received.len() - cursor.0.len();
        if self.record_start > BYTES_MAX {
            return Err(WireError::TooLarge { bytes_max: BYTES_MAX });
        }
        Ok(Some(length))
    }

    fn take_message(&mut self) -> Result<Option<Vec<u8>>, WireError> {
        let mut cursor = Cursor(&self.message);
        let Some(message_type) = cursor.u8() else { return Ok(None) };
        if message_type != MESSAGE_TYPE_CLIENT_HELLO {
            return Err(WireError::NotClientHello { message_type });
        }
        let Some(body_bytes) = cursor.u24() else { return Ok(None) };
        let message_bytes = MESSAGE_HEADER_BYTES + body_bytes;
        if message_bytes > BYTES_MAX {
            return Err(WireError::TooLarge { bytes_max: BYTES_MAX });
        }
        if self.message.len() < message_bytes {
            return Ok(None);
        }
        let mut message = std::mem::take(&mut self.message);
        message.truncate(message_bytes);
        Ok(Some(message))
    }
}
