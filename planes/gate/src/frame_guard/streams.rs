//! Which streams of a connection are open, by the headers of its frames.

use portcullis_wire::http2_frames::FrameHeader;

/// The library refuses more of them long before.
const OPEN_MAX: usize = 4_096;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const END_STREAM: u8 = 0x1;

/// Streams that the client has begun, and whose answers haven't ended.
#[derive(Clone, Default, Debug)]
pub struct Streams {
    open: Vec<u32>,
    last: u32,
    lost_count: bool,
}

impl Streams {
    /// The last one that the library was given.
    pub fn last(&self) -> u32 {
        self.last
    }

    /// Whether nobody waits for an answer.
    pub fn are_answered(&self) -> bool {
        self.open.is_empty() && !self.lost_count
    }

    /// The client sent it.
    pub fn came(&mut self, frame: FrameHeader) {
        match frame.kind {
            // What comes again on a stream are trailers.
            HEADERS if frame.stream > self.last => {
                self.last = frame.stream;
                self.lost_count |= self.open.len() >= OPEN_MAX;
                if !self.lost_count {
                    self.open.push(frame.stream);
                }
            }
            RST_STREAM => self.ended(frame.stream),
            _ => {}
        }
    }

    /// The library sent it.
    pub fn left(&mut self, frame: FrameHeader) {
        match frame.kind {
            DATA | HEADERS if frame.flags & END_STREAM != 0 => self.ended(frame.stream),
            RST_STREAM => self.ended(frame.stream),
            _ => {}
        }
    }

    fn ended(&mut self, stream: u32) {
        if let Some(place) = self.open.iter().position(|open| *open == stream) {
            self.open.swap_remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32) -> FrameHeader {
        FrameHeader { kind, flags, stream }
    }

    #[test]
    fn a_stream_is_open_from_its_head_to_the_end_of_its_answer() {
        let mut streams = Streams::default();
        assert!(streams.are_answered());
        streams.came(frame(HEADERS, END_STREAM, 1));
        streams.came(frame(HEADERS, 0, 3));
        streams.came(frame(DATA, 0, 3));
        // Trailers.
        streams.came(frame(HEADERS, END_STREAM, 3));
        assert!(!streams.are_answered());
        streams.left(frame(HEADERS, 0, 1));
        streams.left(frame(DATA, 0, 1));
        streams.left(frame(DATA, END_STREAM, 1));
        // Told off after its answer.
        streams.left(frame(RST_STREAM, 0, 1));
        assert!(!streams.are_answered());
        streams.came(frame(RST_STREAM, 0, 3));
        assert!(streams.are_answered());
        assert_eq!(streams.last(), 3);
        streams.came(frame(HEADERS, END_STREAM, 5));
        streams.left(frame(HEADERS, END_STREAM, 5));
        assert!(streams.are_answered());
    }

    #[test]
    fn what_cannot_be_counted_is_never_answered() {
        let mut streams = Streams::default();
        for stream in (1..).step_by(2).take(OPEN_MAX + 1) {
            streams.came(frame(HEADERS, END_STREAM, stream));
        }
        for stream in (1..).step_by(2).take(OPEN_MAX + 1) {
            streams.left(frame(HEADERS, END_STREAM, stream));
        }
        assert!(!streams.are_answered());
    }
}
