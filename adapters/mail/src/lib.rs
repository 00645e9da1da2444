//! Short plain messages, by SMTP (RFC 5321): to be read at night, and to arrive or be known not to have.
//!
//! A message is written here, byte by byte, so that no text can become a header; the protocol is lettre's. Nothing goes in the clear
//! unless the settings say the dangerous word.

mod letter;
mod server;

pub use letter::{Letter, LetterError};
pub use server::{MailError, PATIENCE, Security, Server};
