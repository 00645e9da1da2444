//! Logs of others read, scored with the gate's own arithmetic, and told in a report; decisions of the gate decided again.
//!
//! Pure: bytes come in through readers, and reports go out as values and text. What a log can't say is `no data` with
//! the reason, as it is at the gate.

mod agent;
mod call;
mod facts;
mod format;
mod formats;
mod hash;
mod lines;
mod log;
mod mapping;
mod objects;
pub mod page;
pub mod redecide;
pub mod report;
mod score;
mod tar;
mod template;

pub use call::{Broken, Call, Parsed, Passed, Source, TlsClient};
pub use format::{ClientBy, Format, HEAD_BYTES, Reading, UnknownFormat};
pub use lines::LINE_BYTES_MAX;
pub use log::{Limits, Log, LogError, Seen};
pub use mapping::{FIELDS, Mapping, MappingError};
pub use score::{Assume, Scored, Settings, score};
pub use tar::{Tar, TarError, is_tar};
