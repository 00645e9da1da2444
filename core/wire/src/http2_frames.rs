//! An accountant of the frames that a client sends on an HTTP/2 connection (RFC 9113, 4 to 6), ahead of
//! the library that handles them.
//!
//! It refuses what costs us much and the client little, before the library spends anything on it:
//!
//! | Known as | Here |
//! | --- | --- |
//! | Rapid reset, CVE-2023-44487 | [`Limits::reset`] |
//! | CONTINUATION flood, CVE-2024-27316 and the others of VU#421644 | [`Limits::continuation_frames_max`], [`Limits::header_block_bytes_max`] |
//! | Data dribble, CVE-2019-9511; 0-length windows, CVE-2019-9517 | [`Limits::window_update`] |
//! | Ping flood, CVE-2019-9512 | [`Limits::ping`] |
//! | Resource loop, CVE-2019-9513 | [`Limits::priority`] |
//! | Reset flood, CVE-2019-9514 | [`Limits::reset`], and the library's own limit of streams that it resets itself |
//! | Settings flood, CVE-2019-9515; large SETTINGS, CVE-2020-11080 | [`Limits::settings`], [`Limits::settings_entries_max`] |
//! | Empty frames, CVE-2019-9518 | [`Limits::empty_data`], [`Limits::tiny_data`], [`Limits::continuation_frames_max`] |
//!
//! Only frame headers are read. What a frame means, and in which state of its stream it may come, is
//! left to the library; so are streams that it has to reset for a client's faults (CVE-2025-8671).
//! HEADERS aren't limited: those are requests, which have limits of their own.

pub use bucket::Rate;
pub use limits::{Flood, Limits};

use bucket::Bucket;

mod bucket;
mod limits;

/// What a client sends first (RFC 9113, 3.4).
const PREFACE: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADER_BYTES: usize = 9;
/// RFC 9113, 6.5.1
const SETTING_BYTES: u32 = 6;
/// The most that padding and its length take of a DATA frame (RFC 9113, 6.1).
const PADDING_BYTES_MAX: u32 = 256;

const FLAG_END_STREAM: u8 = 0x1;
const FLAG_END_HEADERS: u8 = 0x4;
const FLAG_PADDED: u8 = 0x8;

/// Watches the inbound bytes of one connection, from the first on.
///
/// Costs some nanoseconds for a frame and nothing for a payload's bytes; its size is fixed.
#[derive(Clone, Debug)]
pub struct FrameGuard {
    limits: Limits,
    preface_bytes: usize,
    /// The beginning of a header that came in pieces.
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    payload_left: usize,
    block: Option<HeaderBlock>,
    buckets: Buckets,
    ended: Option<Flood>,
}

/// What stands before a frame's payload, but for its length (RFC 9113, 4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameHeader {
    pub kind: u8,
    pub flags: u8,
    /// 0 of the connection.
    pub stream: u32,
}

impl FrameHeader {
    #[must_use]
    pub fn of(header: [u8; 9]) -> Self {
        let [_, _, _, kind, flags, stream @ ..] = header;
        // The first bit means nothing.
        Self { kind, flags, stream: u32::from_be_bytes(stream) & 0x7fff_ffff }
    }
}

/// A header block whose end hasn't come.
#[derive(Clone, Copy, Debug)]
struct HeaderBlock {
    bytes: u32,
    continuation_frames: u32,
}

#[derive(Clone, Debug)]
struct Buckets {
    reset: Bucket,
    settings: Bucket,
    ping: Bucket,
    priority: Bucket,
    window_update: Bucket,
    empty_data: Bucket,
    tiny_data: Bucket,
    go_away: Bucket,
    unknown: Bucket,
}

impl FrameGuard {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let buckets = Buckets {
            reset: Bucket::full(limits.reset),
            settings: Bucket::full(limits.settings),
            ping: Bucket::full(limits.ping),
            priority: Bucket::full(limits.priority),
            window_update: Bucket::full(limits.window_update),
            empty_data: Bucket::full(limits.empty_data),
            tiny_data: Bucket::full(limits.tiny_data),
            go_away: Bucket::full(limits.go_away),
            unknown: Bucket::full(limits.unknown),
        };
        Self {
            limits,
            preface_bytes: 0,
            header: [0; HEADER_BYTES],
            header_bytes: 0,
            payload_left: 0,
            block: None,
            buckets,
            ended: None,
        }
    }

    /// Takes the next bytes that the client sent, before the library gets them. `now_ms` is
    /// monotonic, from any start; how the bytes are cut into pushes doesn't matter otherwise.
    ///
    /// # Errors
    /// [`Flood`]: the connection is to be closed without handing these bytes on. Every later call is
    /// the same error.
    pub fn push(&mut self, bytes: &[u8], now_ms: u64) -> Result<(), Flood> {
        self.push_each(bytes, now_ms, |_| {})
    }

    /// The same, and shows each header that ends in these bytes to `seen` before it is judged.
    ///
    /// # Errors
    /// As of [`Self::push`].
    pub fn push_each(
        &mut self,
        bytes: &[u8],
        now_ms: u64,
        mut seen: impl FnMut(FrameHeader),
    ) -> Result<(), Flood> {
        if let Some(flood) = self.ended {
            return Err(flood);
        }
        let result = self.read(bytes, now_ms, &mut seen);
        self.ended = result.err();
        result
    }

    /// Counts bytes that were sent to the client. Who receives much has to open many windows: see
    /// [`Limits::sent_bytes_per_window_update`].
    pub fn sent(&mut self, bytes: u64) {
        self.buckets.window_update.earn(
            self.limits.window_update,
            bytes,
            self.limits.sent_bytes_per_window_update,
        );
    }

    fn read(&mut self, bytes: &[u8], now_ms: u64, seen: &mut impl FnMut(FrameHeader)) -> Result<(), Flood> {
        let mut rest = self.skip_preface(bytes)?;
        loop {
            let skipped = self.payload_left.min(rest.len());
            self.payload_left -= skipped;
            rest = rest.get(skipped..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
            if self.header_bytes == 0
                && let Some((header, after)) = rest.split_first_chunk()
            {
                rest = after;
                seen(FrameHeader::of(*header));
                self.judge(*header, now_ms)?;
                continue;
            }
            let Some((byte, after)) = rest.split_first() else { return Ok(()) };
            rest = after;
            if let Some(place) = self.header.get_mut(self.header_bytes) {
                *place = *byte;
            }
            self.header_bytes += 1;
            if self.header_bytes == HEADER_BYTES {
                self.header_bytes = 0;
                seen(FrameHeader::of(self.header));
                self.judge(self.header, now_ms)?;
            }
        }
    }

    fn skip_preface<'bytes>(&mut self, bytes: &'bytes [u8]) -> Result<&'bytes [u8], Flood> {
        let expect = PREFACE.get(self.preface_bytes..).unwrap_or_default();
        let (head, rest) = bytes.split_at_checked(expect.len()).unwrap_or((bytes, &[]));
        if !expect.starts_with(head) {
            return Err(Flood::Preface);
        }
        self.preface_bytes += head.len();
        Ok(rest)
    }

    fn judge(&mut self, header: [u8; HEADER_BYTES], now_ms: u64) -> Result<(), Flood> {
        let [high, middle, low, kind, flags, ..] = header;
        let bytes = u32::from_be_bytes([0, high, middle, low]);
        let Limits { frame_bytes_max, .. } = self.limits;
        if bytes > frame_bytes_max {
            return Err(Flood::FrameTooLong { bytes, bytes_max: frame_bytes_max });
        }
        self.payload_left = bytes as usize;
        let (limits, buckets) = (&self.limits, &mut self.buckets);
        let (granted, flood) = match kind {
            0x0 => return self.judge_data(bytes, flags, now_ms),
            0x1 => return self.begin_block(bytes, flags),
            0x9 => return self.continue_block(bytes, flags),
            0x2 => (buckets.priority.take(limits.priority, now_ms), Flood::Priority),
            0x3 => (buckets.reset.take(limits.reset, now_ms), Flood::Reset),
            0x4 => {
                let entries_max = limits.settings_entries_max;
                if bytes / SETTING_BYTES > entries_max {
                    return Err(Flood::SettingsTooLong { entries_max });
                }
                (buckets.settings.take(limits.settings, now_ms), Flood::Settings)
            }
            0x6 => (buckets.ping.take(limits.ping, now_ms), Flood::Ping),
            0x7 => (buckets.go_away.take(limits.go_away, now_ms), Flood::GoAway),
            0x8 => (buckets.window_update.take(limits.window_update, now_ms), Flood::WindowUpdate),
            // PUSH_PROMISE too, which no client may send.
            _ => (buckets.unknown.take(limits.unknown, now_ms), Flood::Unknown),
        };
        if granted { Ok(()) } else { Err(flood) }
    }

    fn judge_data(&mut self, bytes: u32, flags: u8, now_ms: u64) -> Result<(), Flood> {
        // The end of a stream is one for each request at most, or a fault that the library sees.
        if flags & FLAG_END_STREAM != 0 {
            return Ok(());
        }
        let (limits, buckets) = (&self.limits, &mut self.buckets);
        let padding_bytes = if flags & FLAG_PADDED != 0 { PADDING_BYTES_MAX } else { 0 };
        if bytes == 0 {
            let granted = buckets.empty_data.take(limits.empty_data, now_ms);
            return if granted { Ok(()) } else { Err(Flood::EmptyData) };
        }
        // With padding the least that there can be counts: its length isn't read.
        if bytes.saturating_sub(padding_bytes) <= limits.tiny_data_bytes_max {
            let granted = buckets.tiny_data.take(limits.tiny_data, now_ms);
            return if granted { Ok(()) } else { Err(Flood::TinyData) };
        }
        Ok(())
    }

    fn begin_block(&mut self, bytes: u32, flags: u8) -> Result<(), Flood> {
        self.go_on_block(HeaderBlock { bytes, continuation_frames: 0 }, flags)
    }

    fn continue_block(&mut self, bytes: u32, flags: u8) -> Result<(), Flood> {
        let block = self.block.ok_or(Flood::StrayContinuation)?;
        let continuation_frames = block.continuation_frames + 1;
        self.go_on_block(HeaderBlock { bytes: block.bytes.saturating_add(bytes), continuation_frames }, flags)
    }

    fn go_on_block(&mut self, block: HeaderBlock, flags: u8) -> Result<(), Flood> {
        let Limits { continuation_frames_max, header_block_bytes_max, .. } = self.limits;
        if block.continuation_frames > continuation_frames_max {
            return Err(Flood::Continuation { frames_max: continuation_frames_max });
        }
        if block.bytes > header_block_bytes_max {
            return Err(Flood::HeaderBlockTooLong { bytes_max: header_block_bytes_max });
        }
        self.block = (flags & FLAG_END_HEADERS == 0).then_some(block);
        Ok(())
    }
}
