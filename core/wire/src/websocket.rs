//! WebSocket frames (RFC 6455, 5) on their way through: they pass unchanged, and messages are counted.
//!
//! Payloads are neither unmasked nor kept, so whether text is UTF-8 is left to the two ends.

use header::{Header, Opcode};

mod header;

/// A close frame has two bytes of code, and a control frame at most 125 of payload.
const CLOSE_REASON_BYTES_MAX: usize = 123;

/// Whose frames a meter reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Each frame must be masked (RFC 6455, 5.1).
    FromClient,
    /// No frame may be masked.
    FromServer,
}

/// What one side may do before it is a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Payload of one frame. A message may have many frames; its bytes are the byte limit's matter.
    pub frame_bytes_max: u64,
    /// Control frames with no data between: an empty continuation is none. A client that only listens
    /// answers pings for as long as its stream lives, so this must allow for some in each second of
    /// the longest.
    pub control_frames_max: u32,
    /// Continuation frames without payload in one message. Libraries end a message with one.
    pub empty_frames_max: u32,
}

impl Default for Limits {
    /// Four control frames in each second of an hour, about; 16 MiB in a frame.
    fn default() -> Self {
        Self { frame_bytes_max: 16 * 1024 * 1024, control_frames_max: 16_384, empty_frames_max: 16 }
    }
}

/// Why frames can't pass. Always the fault of the side that sent them: it is closed with
/// [`close_code`](Self::close_code).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebSocketFault {
    /// No extension is negotiated that would give these bits a meaning.
    #[error("a frame has a reserved bit set; hint: negotiate no extension")]
    ReservedBits,
    #[error("a frame has the unknown opcode `{opcode:#x}`")]
    Opcode { opcode: u8 },
    #[error("a client's frame is not masked")]
    Unmasked,
    #[error("a server's frame is masked")]
    Masked,
    #[error("a control frame is fragmented")]
    ControlFragmented,
    #[error("a control frame has more than `125` bytes")]
    ControlTooLong,
    #[error("a continuation frame continues no message")]
    ContinuationWithoutMessage,
    #[error("a message begins before the last one has ended")]
    MessageInsideMessage,
    /// RFC 6455, 5.2: the minimal number of bytes must be used.
    #[error("a frame's length is not encoded in the fewest bytes")]
    LengthNotMinimal,
    /// RFC 6455, 5.2: the most significant bit must be 0.
    #[error("a frame's length has its top bit set")]
    LengthTopBit,
    #[error("a frame has `{bytes}` bytes; at most `{bytes_max}` may pass")]
    FrameTooLong { bytes: u64, bytes_max: u64 },
    #[error("a close frame has one byte of payload")]
    CloseTooShort,
    /// Not one that may be sent (RFC 6455, 7.4, and its registry).
    #[error("a close frame has the code `{code}`, which must not be sent")]
    CloseCode { code: u16 },
    #[error("more than `{frames_max}` control frames came with no data between")]
    ControlFlood { frames_max: u32 },
    #[error("a message has more than `{frames_max}` empty continuation frames")]
    EmptyFlood { frames_max: u32 },
    /// A message did not fit before; the stream was to be cut there.
    #[error("the stream was cut where its messages no longer fit")]
    Cut,
}

impl WebSocketFault {
    /// The code to close with (RFC 6455, 7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            Self::FrameTooLong { .. } => 1009,
            Self::ControlFlood { .. } | Self::EmptyFlood { .. } | Self::Cut => 1008,
            _ => 1002,
        }
    }
}

/// What one call of [`FrameMeter::push`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Data messages that begin in the consumed part. A message is charged at its first byte.
    pub messages: u64,
    /// Bytes of the chunk that may go on.
    pub consumed: usize,
    /// A message begins after the consumed part that didn't fit: the stream is cut there. That is
    /// between two messages, so a close frame may be put there.
    pub full: bool,
    /// A close frame has passed whole; what follows it is dropped (RFC 6455, 1.4).
    pub closed: bool,
}

/// Reads the frames of one side, from the first byte after the handshake on.
///
/// Its size is fixed and a clone is a copy: count on a clone first, then on the meter with what was
/// granted.
#[derive(Clone, Copy, Debug)]
pub struct FrameMeter {
    side: Side,
    limits: Limits,
    phase: Phase,
    /// A fragmented message has begun and not ended.
    in_message: bool,
    /// Control frames since the last data.
    control_frames: u32,
    /// Empty continuation frames of this message.
    empty_frames: u32,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// In a header, or before it.
    Header(Header),
    Payload {
        left: u64,
    },
    /// In the payload of a close frame, with what is known of its code.
    Close {
        left: u64,
        mask: [u8; 4],
        code: u16,
        code_bytes: u8,
    },
    Closed,
    Ended(WebSocketFault),
}

impl FrameMeter {
    #[must_use]
    pub fn new(side: Side) -> Self {
        Self::with_limits(side, Limits::default())
    }

    #[must_use]
    pub fn with_limits(side: Side, limits: Limits) -> Self {
        let phase = Phase::Header(Header::default());
        Self { side, limits, phase, in_message: false, control_frames: 0, empty_frames: 0 }
    }

    /// Counts the data messages that begin in `chunk`, up to `messages_max` of them.
    ///
    /// If they all fit, `consumed` is the length of the chunk. Otherwise it is where the one begins
    /// that doesn't fit, `full` is set, and the meter has ended. Once a close frame has passed,
    /// nothing is consumed any more.
    ///
    /// # Errors
    /// [`WebSocketFault`]: nothing of the chunk may go on, and every later call is an error too.
    pub fn push(&mut self, chunk: &[u8], messages_max: u64) -> Result<Progress, WebSocketFault> {
        let mut rest = chunk;
        let mut messages = 0;
        let mut full = false;
        while let Some((&byte, after)) = rest.split_first() {
            match &mut self.phase {
                Phase::Header(header) => {
                    let first = header.is_empty();
                    let after = header.fill(rest);
                    let begins = first && header.opcode() == Some(Opcode::Data);
                    self.judge_header().map_err(|fault| self.end(fault))?;
                    if begins && messages == messages_max {
                        full = true;
                        self.phase = Phase::Ended(WebSocketFault::Cut);
                        break;
                    }
                    rest = after;
                    messages += u64::from(begins);
                }
                Phase::Payload { left } => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= taken as u64;
                    if *left == 0 {
                        self.phase = Phase::Header(Header::default());
                    }
                    rest = rest.get(taken..).unwrap_or_default();
                }
                Phase::Close { .. } => {
                    rest = after;
                    self.read_close(byte).map_err(|fault| self.end(fault))?;
                }
                Phase::Closed => break,
                Phase::Ended(fault) => return Err(*fault),
            }
        }
        // An empty chunk brings nothing, but an end stays an end.
        if let (Phase::Ended(fault), false) = (self.phase, full) {
            return Err(fault);
        }
        let closed = matches!(self.phase, Phase::Closed);
        Ok(Progress { messages, consumed: chunk.len() - rest.len(), full, closed })
    }

    /// Whether all that passed are whole frames: a frame of the gate's own, as one that closes, may be
    /// put only there.
    pub fn between_frames(&self) -> bool {
        match self.phase {
            Phase::Header(header) => header.is_empty(),
            Phase::Ended(fault) => fault == WebSocketFault::Cut,
            Phase::Payload { .. } | Phase::Close { .. } | Phase::Closed => false,
        }
    }

    fn end(&mut self, fault: WebSocketFault) -> WebSocketFault {
        self.phase = Phase::Ended(fault);
        fault
    }

    /// Looks at what the last bytes added to the header; goes on to the payload after its end.
    fn judge_header(&mut self) -> Result<(), WebSocketFault> {
        let Phase::Header(header) = self.phase else { return Ok(()) };
        header.check(self.side, self.limits.frame_bytes_max)?;
        if header.bytes() == 1 {
            self.check_order(&header)?;
        }
        let Some(payload_bytes) = header.payload_bytes() else { return Ok(()) };
        if header.is_length_end() {
            self.check_flood(&header, payload_bytes)?;
        }
        if header.is_whole() {
            self.begin_payload(&header, payload_bytes);
        }
        Ok(())
    }

    /// RFC 6455, 5.4: fragments of one message follow each other.
    fn check_order(&self, header: &Header) -> Result<(), WebSocketFault> {
        match (header.opcode(), self.in_message) {
            (Some(Opcode::Continuation), false) => Err(WebSocketFault::ContinuationWithoutMessage),
            (Some(Opcode::Data), true) => Err(WebSocketFault::MessageInsideMessage),
            _ => Ok(()),
        }
    }

    fn check_flood(&mut self, header: &Header, payload_bytes: u64) -> Result<(), WebSocketFault> {
        let Limits { control_frames_max, empty_frames_max, .. } = self.limits;
        match header.opcode() {
            Some(Opcode::Close | Opcode::PingPong) => {
                self.control_frames += 1;
                if self.control_frames > control_frames_max {
                    return Err(WebSocketFault::ControlFlood { frames_max: control_frames_max });
                }
            }
            Some(Opcode::Continuation) if payload_bytes == 0 => {
                self.empty_frames += 1;
                if self.empty_frames > empty_frames_max {
                    return Err(WebSocketFault::EmptyFlood { frames_max: empty_frames_max });
                }
            }
            _ => self.control_frames = 0,
        }
        Ok(())
    }

    fn begin_payload(&mut self, header: &Header, payload_bytes: u64) {
        match header.opcode() {
            Some(Opcode::Close) => {
                self.phase = match payload_bytes {
                    0 => Phase::Closed,
                    left => Phase::Close { left, mask: header.mask(), code: 0, code_bytes: 0 },
                };
                return;
            }
            Some(Opcode::Data) => {
                self.in_message = !header.is_final();
                self.empty_frames = 0;
            }
            Some(Opcode::Continuation) => self.in_message = !header.is_final(),
            Some(Opcode::PingPong) | None => {}
        }
        self.phase = match payload_bytes {
            0 => Phase::Header(Header::default()),
            left => Phase::Payload { left },
        };
    }

    fn read_close(&mut self, byte: u8) -> Result<(), WebSocketFault> {
        let Phase::Close { left, mask, code, code_bytes } = &mut self.phase else { return Ok(()) };
        if *code_bytes < 2 {
            let mask = mask.get(usize::from(*code_bytes)).copied().unwrap_or_default();
            *code = (*code << 8) | u16::from(byte ^ mask);
            *code_bytes += 1;
            if *code_bytes == 2 && !may_be_sent(*code) {
                return Err(WebSocketFault::CloseCode { code: *code });
            }
        }
        *left -= 1;
        if *left == 0 {
            self.phase = Phase::Closed;
        }
        Ok(())
    }
}

/// A close frame of the gate's own, as a server sends it: unmasked. A reason that is too long is
/// shortened at the end of a character.
#[must_use]
pub fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    let reason = reason.get(..reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX)).unwrap_or_default();
    let mut frame = Vec::with_capacity(4 + reason.len());
    frame.push(0x88);
    // At most 125.
    frame.push(u8::try_from(2 + reason.len()).unwrap_or_default());
    frame.extend(code.to_be_bytes());
    frame.extend(reason.as_bytes());
    frame
}

/// RFC 6455, 7.4: 1004 has no meaning; 1005, 1006 and 1015 are never sent. 1012 to 1014 were
/// registered since.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
