//! Documents of evidence, on disk, each encrypted under the key of its vendor and known by its digest.
//!
//! ```text
//! documents/CHECK                  sealed under the installation's key: another key is found at the start
//! documents/VENDOR/vendor.key      the vendor's key, sealed under the installation's
//! documents/VENDOR/SHA256.doc      a line of JSON, then the document in sealed pieces
//! documents/shredded/VENDOR        the key is to be destroyed, or was
//! ```
//!
//! Nothing here decides: what a changed document means is for the caller, who is told of it by a typed error.
//! Time, randomness and the key come in as arguments.

mod check;
mod error;
mod seal;
mod shred;
mod store;

pub use check::{Found, What};
pub use error::Error;
pub use seal::RootKey;
pub use store::{Documents, Entropy, Limits, Listed, Stored};
