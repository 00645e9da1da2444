use super::Rate;

/// What a client may send. The defaults let every client through that was looked at — curl and h2load
/// (nghttp2), Go, gRPC, Node, the JDK, Netty, browsers — at speeds that one connection doesn't reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What we let clients send (`SETTINGS_MAX_FRAME_SIZE`; RFC 9113, 6.5.2): 16,384 unless the
    /// library was told to announce more.
    pub frame_bytes_max: u32,
    /// For one header block. Frames of 16 KiB need three for 64 KiB; the others are for clients that
    /// send smaller ones.
    pub continuation_frames_max: u32,
    /// HEADERS and its CONTINUATIONs together, as compressed: 64 KiB.
    pub header_block_bytes_max: u32,
    /// In one frame: 32, as in nghttp2. Seven settings are defined for clients.
    pub settings_entries_max: u32,
    /// RST_STREAM. A client that gives up everything at once resets as many streams as it may have
    /// open; Envoy closes after 500 early resets. The attacks come with 100,000 a second and more.
    pub reset: Rate,
    /// SETTINGS, acknowledgements too. Clients send one; gRPC in Go sends more while it finds out the
    /// bandwidth, each at least a third above the last and none beyond 16 MiB.
    pub settings: Rate,
    /// gRPC sends one whenever data comes and none is under way: on a local network, thousands a
    /// second. An answer costs well under a microsecond, and the library queues one at a time.
    pub ping: Rate,
    /// PRIORITY, deprecated (RFC 9113, 5.3.2). Old browsers send some with each page; nothing is
    /// done for it here.
    pub priority: Rate,
    /// WINDOW_UPDATE. Most clients send one for each half or quarter of a window; Go sends two for
    /// each 4 KiB, and Mint (Elixir) two for each DATA frame. That grows with what they receive, so
    /// [`FrameGuard::sent`](super::FrameGuard::sent) adds to it.
    pub window_update: Rate,
    /// Another WINDOW_UPDATE is granted for each so many bytes sent to the client, while the bucket has
    /// room: a quarter of what Go needs.
    pub sent_bytes_per_window_update: u32,
    /// DATA without a byte that doesn't end its stream. Nobody needs it, but some libraries send one
    /// for an empty write.
    pub empty_data: Rate,
    /// DATA of at most `tiny_data_bytes_max` bytes that doesn't end its stream: the smallest messages
    /// of a gRPC stream are so.
    pub tiny_data: Rate,
    pub tiny_data_bytes_max: u32,
    /// GOAWAY: one, or two for a graceful end.
    pub go_away: Rate,
    /// Frames of other types, PRIORITY_UPDATE (RFC 9218) and those that grease (RFC 8701) among them.
    pub unknown: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        let rate = |per_second, burst| Rate { per_second, burst };
        Self {
            frame_bytes_max: 16_384,
            continuation_frames_max: 8,
            header_block_bytes_max: 64 * 1024,
            settings_entries_max: 32,
            reset: rate(200, 1_000),
            settings: rate(10, 100),
            ping: rate(10_000, 10_000),
            priority: rate(200, 1_000),
            window_update: rate(10_000, 20_000),
            sent_bytes_per_window_update: 512,
            empty_data: rate(100, 200),
            tiny_data: rate(5_000, 10_000),
            tiny_data_bytes_max: 15,
            go_away: rate(1, 8),
            unknown: rate(200, 1_000),
        }
    }
}

/// Why a connection is to be closed. Always the client's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flood {
    #[error("the connection does not start with the preface of HTTP/2")]
    Preface,
    #[error("a frame has `{bytes}` bytes; at most `{bytes_max}` are taken")]
    FrameTooLong { bytes: u32, bytes_max: u32 },
    #[error("a `CONTINUATION` frame continues no header block")]
    StrayContinuation,
    #[error("a header block has more than `{frames_max}` `CONTINUATION` frames")]
    Continuation { frames_max: u32 },
    #[error("a header block has more than `{bytes_max}` bytes")]
    HeaderBlockTooLong { bytes_max: u32 },
    #[error("a `SETTINGS` frame has more than `{entries_max}` entries")]
    SettingsTooLong { entries_max: u32 },
    #[error("`RST_STREAM` frames come too fast; hint: cancel fewer requests")]
    Reset,
    #[error("`SETTINGS` frames come too fast")]
    Settings,
    #[error("`PING` frames come too fast")]
    Ping,
    #[error("`PRIORITY` frames come too fast")]
    Priority,
    #[error("`WINDOW_UPDATE` frames come too fast; hint: open windows in larger steps")]
    WindowUpdate,
    #[error("`DATA` frames without data come too fast")]
    EmptyData,
    #[error("`DATA` frames with hardly any data come too fast; hint: put more into each")]
    TinyData,
    #[error("`GOAWAY` frames come too fast")]
    GoAway,
    #[error("frames of unknown types come too fast")]
    Unknown,
}

impl Flood {
    /// The error code for GOAWAY (RFC 9113, 7).
    pub fn error_code(self) -> u32 {
        const PROTOCOL_ERROR: u32 = 0x1;
        const FRAME_SIZE_ERROR: u32 = 0x6;
        const ENHANCE_YOUR_CALM: u32 = 0xb;
        match self {
            Self::Preface | Self::StrayContinuation => PROTOCOL_ERROR,
            Self::FrameTooLong { .. } => FRAME_SIZE_ERROR,
            _ => ENHANCE_YOUR_CALM,
        }
    }
}
