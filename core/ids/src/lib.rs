//! What things are called, and how texts about people are held: the ground that all of core stands on.
//!
//! Pure. Ids are types and are never given again; a text about a person belongs to a subject, and goes with its key.

pub mod ids;
pub mod personal;
