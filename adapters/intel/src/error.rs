//! Why a feed can't be used.

use std::io;

use crate::report::Broken;

/// Why a feed can't be used. The last good copy stays in use.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error("it can't be read: {0}")]
    Read(#[from] io::Error),
    #[error("it is longer than {0} bytes\nhint: take a smaller list, or split it into several feeds")]
    TooLong(u64),
    #[error("it has more than {0} entries\nhint: take a smaller list, or split it into several feeds")]
    TooMany(usize),
    #[error("it holds no entry\nhint: delete the feed if nothing is to be listed any more")]
    Empty,
    #[error(
        "{broken} of {lines} entries are broken; {first}\nhint: look at the file, or say what it is by `format`"
    )]
    Broken { broken: u64, lines: u64, first: Broken },
    #[error("it is {what}, and not a list\nhint: {hint}")]
    Foreign { what: &'static str, hint: &'static str },
    #[error("its JSON can't be read: {0}\nhint: it may be cut off; fetch it again")]
    Json(serde_json::Error),
    #[error("it says that it has {said} entries, and has {found}\nhint: it may be cut off; fetch it again")]
    Cut { said: u64, found: u64 },
    #[error(
        "it has {now} entries, and the copy in use has {before}\nhint: it may be cut off; if it is right: `portcullis feed refresh NAME --accept`"
    )]
    Shrunk { before: u64, now: u64 },
    #[error("the database is damaged: {0}\nhint: fetch it again")]
    Damaged(String),
    #[error("the database holds no {wanted} (it is of type `{kind}`)\nhint: say what it is for by `holds`")]
    Without { wanted: &'static str, kind: String },
    #[error("a list can't be `{0}`\nhint: leave `format` out, and it is found out")]
    WrongFormat(&'static str),
}
