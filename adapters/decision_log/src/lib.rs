//! The decision log: write-ahead segments of decisions, in memory-mapped files.
//!
//! An append is a copy into a shared mapping: the record is then in the kernel, without a system call, and
//! survives the death of the process. A thread of the [`Syncer`] brings it to the disk at most 50 ms later;
//! **a power loss may cost these 50 ms**. Payloads are opaque: the gate encodes them.
//!
//! # A segment
//! `core-CCCCC-SSSSSSSSSSSSSSSSSSSS.segment`: core and sequence in decimal. Fixed size, preallocated, so that a
//! full disk is an error when the segment is made and never a fault when it is written. All numbers are
//! little-endian.
//!
//! | offset | bytes | header |
//! | --- | --- | --- |
//! | 0 | 8 | magic `PCDLSEG` and a zero byte |
//! | 8 | 2 | format version, 1 |
//! | 10 | 2 | core |
//! | 12 | 4 | zero |
//! | 16 | 8 | sequence, counted for each core |
//! | 24 | 8 | creation, milliseconds since the Unix epoch |
//! | 32 | 8 | size of the segment in bytes, when it was made; closed, it may be cut to what it holds |
//! | 40 | 4 | CRC-32 (IEEE) of the bytes 0 to 39 |
//! | 44 | 4 | state: 0 prepared, 1 active, 2 closed, 3 sealed |
//! | 48 | 8 | earliest time of an id in the segment, in milliseconds; all ones when there is none |
//! | 56 | 8 | latest time of an id in the segment |
//!
//! Frames follow from byte 64 on, each at a multiple of 8, up to a length of zero or the end.
//!
//! | offset | bytes | frame |
//! | --- | --- | --- |
//! | 0 | 4 | length: the bytes from offset 8 to the end of the payload; never zero |
//! | 4 | 4 | CRC-32 (IEEE) of the length and of everything from offset 8 to the end of the payload |
//! | 8 | 1 | kind |
//! | 9 | 1 | version of the kind |
//! | 10 | 16 | id; its first 48 bits are milliseconds since the Unix epoch, big-endian (as in ULID, UUIDv7) |
//! | 26 | 16 | vendor; zero when unknown |
//! | 42 | … | payload, then zeros up to a multiple of 8 |
//!
//! The first eight bytes are stored last, at once and with release ordering: whoever sees a length sees the
//! frame. A crash leaves at most a torn tail, which [`recover`] cuts.
//!
//! # Sealed segments
//! Whoever has written all frames of a closed segment into sealed files says so in its header
//! ([`Unsealed::mark_sealed`]). From then on readers pass it over and the log deletes it: **a segment that isn't sealed is
//! never deleted**, and when nothing else is left, nothing more is recorded.
//!
//! # Missing segments
//! `core-CCCCC.journal`, beside the segments, names those that must be there. One that vanishes without having been sealed
//! is told at the next opening, and stays told ([`missing`]) until somebody says that it is known
//! ([`acknowledge_missing`]).
//!
//! # After a failed sync
//! The kernel takes pages that it could not write for clean, and a second sync succeeds without them (LWN,
//! "PostgreSQL's fsync() surprise", 2018). So a segment whose sync failed is never synced again and never
//! closed: its writer records nothing more, and the next opening writes all of its whole frames anew.
//!
//! # What is not held
//! Another program that truncates a segment while it is mapped brings the process down (SIGBUS). On a
//! copy-on-write file system a page may need a new block each time it is synced, which no preallocation
//! promises: the log belongs on another one.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use disk::{Disk, Fault, Faults, Operation};
pub use frame::{Frame, Place};
pub use journal::{Missing, acknowledge_missing, missing};
pub use reader::{Damage, Reader};
pub use recovery::{Cut, Outcome, Recovered, recover};
pub use sealing::{FrameRef, SegmentKey, Unsealed, Visited, unsealed};
pub use survey::{Survey, survey};
pub use syncer::Syncer;
pub use writer::SegmentWriter;

mod disk;
mod frame;
mod journal;
mod map;
mod reader;
mod recovery;
mod retention;
mod sealing;
mod segment;
mod survey;
mod syncer;
mod vendor_shares;
mod writer;

/// Limits of a directory of segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Size of each segment: a multiple of 4,096, at most 256 MiB.
    pub segment_bytes: usize,
    /// Of all segments in the directory. Sealed ones are deleted; above this, nothing more is recorded. Needs room for
    /// two segments of each core, the active and the prepared one.
    pub bytes_max: u64,
    /// Of one vendor's frames, **in the segments of one core**. Frames without a vendor aren't counted.
    pub vendor_bytes_max: u64,
    /// Between two syncs; leaves time for the sync itself within the 50 ms that are promised.
    pub sync_interval: Duration,
    /// The disk as it is, except in tests.
    pub disk: Disk,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 16 << 20,
            bytes_max: 4 << 30,
            vendor_bytes_max: 512 << 20,
            sync_interval: Duration::from_millis(25),
            disk: Disk::default(),
        }
    }
}

/// Why a log can't be opened, recovered or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A fault of configuration.
    #[error(
        "segments of `{segment_bytes}` bytes within `{bytes_max}` don't work; \
         hint: a multiple of 4096 up to 256 MiB, and room for two segments of each core"
    )]
    Options { segment_bytes: usize, bytes_max: u64 },
    #[error(
        "`{}` has format version `{version}`, this program reads `1`; \
         hint: read it with the version that wrote it, then move it away",
        path.display()
    )]
    ForeignVersion { path: PathBuf, version: u16 },
    #[error("core `{core}` of `{}` is being written by somebody else; hint: stop the other process", directory.display())]
    CoreInUse { directory: PathBuf, core: u16 },
    #[error("no room for a segment in `{}`; hint: free disk space, or raise the log's limit", directory.display())]
    NoSpace { directory: PathBuf },
    #[error("can't {doing} `{}`", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Why a decision was not recorded. The decision must then not take effect.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The caller's fault.
    #[error("a payload of `{payload_bytes}` bytes is larger than `{payload_bytes_max}`")]
    TooLarge { payload_bytes: usize, payload_bytes_max: usize },
    /// This vendor is closed until older segments are retired; others are not.
    #[error("the vendor's share of the decision log, `{bytes_max}` bytes, is spent")]
    VendorShareSpent { bytes_max: u64 },
    #[error("no room for another segment; hint: free disk space, or raise the log's limit")]
    NoSpace,
    /// The [`Syncer`] was dropped: nothing would reach the disk in time.
    #[error("the decision log has been stopped")]
    Stopped,
    /// A segment can't be made, or one couldn't be brought to the disk. After a failed sync the kernel no
    /// longer knows what was lost, so the writer stays closed until it is opened again.
    #[error("the decision log can't be written")]
    Io(#[source] io::Error),
}
