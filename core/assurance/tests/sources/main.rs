//! Readers of what registers, lists and catalogues say: on real files where they are at hand, on files of our own, and
//! on what must not be read.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

mod bad_input;
mod bills;
mod registers;
mod shared;
