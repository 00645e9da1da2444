//! What is known of addresses and TLS clients: feeds in the common list formats, MaxMind-format databases.
//!
//! A [`Library`] holds what was read last and answers from memory ([`OriginSource`](portcullis_risk::OriginSource)).
//! [`Library::look`] reads what was replaced; what can't be used changes nothing, and the last good copy, which is
//! kept on disk, stays in use. How a list may look: `docs/reference/feeds.md`.

mod address;
mod centroids;
mod database;
mod error;
mod folder;
mod gathered;
mod json;
mod library;
mod lines;
mod list;
mod networks;
mod pieces;
mod report;
mod spans;
mod text;

pub use database::Database;
pub use error::FeedError;
pub use folder::Folder;
pub use library::{About, FeedStatus, Library, Source, Told, Use};
pub use list::{Limits, List, read_list, read_list_file};
pub use networks::{Networks, Range};
pub use report::{Broken, Report};
