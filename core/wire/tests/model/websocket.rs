// A reader of WebSocket frames that has everything before it and reads by index. Both the property
// tests and the fuzz target compare the meter with it.

use portcullis_wire::websocket::{Limits, Side, WebSocketFault};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// There is no more.
    Open,
    Full,
    Closed,
    Fault(WebSocketFault),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Where each message begins that fitted.
    pub messages: Vec<usize>,
    /// The first byte that doesn't pass: of the message that doesn't fit, after the close frame, or
    /// the one that shows the fault.
    pub end_at: usize,
    pub end: End,
}

pub fn read(side: Side, limits: Limits, bytes: &[u8], messages_max: u64) -> Outcome {
    let mut messages = Vec::new();
    let (end_at, end) = read_frames(side, limits, bytes, messages_max, &mut messages);
    Outcome { messages, end_at, end }
}

fn read_frames(
    side: Side,
    limits: Limits,
    bytes: &[u8],
    messages_max: u64,
    messages: &mut Vec<usize>,
) -> (usize, End) {
    let fault = |at: usize, fault| (at, End::Fault(fault));
    let open = (bytes.len(), End::Open);
    let (mut at, mut in_message, mut controls, mut empties) = (0, false, 0, 0);
    loop {
        let Some(&first) = bytes.get(at) else { return open };
        let (last, opcode) = (first >= 0x80, first % 16);
        let control = opcode >= 8;
        if first % 128 >= 16 {
            return fault(at, WebSocketFault::ReservedBits);
        }
        if ![0, 1, 2, 8, 9, 10].contains(&opcode) {
            return fault(at, WebSocketFault::Opcode { opcode });
        }
        if control && !last {
            return fault(at, WebSocketFault::ControlFragmented);
        }
        if opcode == 0 && !in_message {
            return fault(at, WebSocketFault::ContinuationWithoutMessage);
        }
        if opcode == 1 || opcode == 2 {
            if in_message {
                return fault(at, WebSocketFault::MessageInsideMessage);
            }
            if messages.len() as u64 == messages_max {
                return (at, End::Full);
            }
            messages.push(at);
        }

        let Some(&second) = bytes.get(at + 1) else { return open };
        let masked = second >= 128;
        let short = u64::from(second % 128);
        match side {
            Side::FromClient if !masked => return fault(at + 1, WebSocketFault::Unmasked),
            Side::FromServer if masked => return fault(at + 1, WebSocketFault::Masked),
            _ => {}
        }
        if control && short > 125 {
            return fault(at + 1, WebSocketFault::ControlTooLong);
        }
        if opcode == 8 && short == 1 {
            return fault(at + 1, WebSocketFault::CloseTooShort);
        }
        let (length_bytes, minimum) = match short {
            126 => (2, 126),
            127 => (8, 65_536),
            _ => (0, 0),
        };
        if length_bytes == 8 && bytes.get(at + 2).is_some_and(|&top| top >= 128) {
            return fault(at + 2, WebSocketFault::LengthTopBit);
        }
        let Some(extended) = bytes.get(at + 2..at + 2 + length_bytes) else { return open };
        let length_end = at + 1 + length_bytes;
        let length = if length_bytes == 0 {
            short
        } else {
            extended.iter().fold(0, |all, &byte| all * 256 + u64::from(byte))
        };
        if length < minimum {
            return fault(length_end, WebSocketFault::LengthNotMinimal);
        }
        let bytes_max = limits.frame_bytes_max;
        if length > bytes_max {
            return fault(length_end, WebSocketFault::FrameTooLong { bytes: length, bytes_max });
        }
        if control {
            controls += 1;
        } else if opcode == 0 && length == 0 {
            empties += 1;
        } else {
            controls = 0;
        }
        if controls > limits.control_frames_max {
            return fault(length_end, WebSocketFault::ControlFlood { frames_max: limits.control_frames_max });
        }
        if empties > limits.empty_frames_max {
            return fault(length_end, WebSocketFault::EmptyFlood { frames_max: limits.empty_frames_max });
        }

        let header_end = at + 2 + length_bytes + if masked { 4 } else { 0 };
        if bytes.len() < header_end {
            return open;
        }
        let mask = if masked { bytes[header_end - 4..header_end].to_vec() } else { vec![0; 4] };
        let payload = &bytes[header_end..bytes.len().min(header_end + length as usize)];
        if opcode == 8 && payload.len() >= 2 {
            let code = u16::from(payload[0] ^ mask[0]) * 256 + u16::from(payload[1] ^ mask[1]);
            if code < 1000
                || [1004, 1005, 1006].contains(&code)
                || (1015..3000).contains(&code)
                || code > 4999
            {
                return fault(header_end + 1, WebSocketFault::CloseCode { code });
            }
        }
        if (payload.len() as u64) < length {
            return open;
        }
        at = header_end + payload.len();
        if opcode == 8 {
            return (at, End::Closed);
        }
        if !control {
            in_message = !last;
            if opcode != 0 {
                empties = 0;
            }
        }
    }
}
