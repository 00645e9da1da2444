//! Signatures that others' libraries have made over documents of invented firms.

mod common;
mod jws;
mod pdf;
