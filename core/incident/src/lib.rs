//! Incidents, and the clocks that run with them: what law and contracts ask to be told, and by when.
//!
//! A [`Regime`](regime::Regime) is one text with its stages, read from a dated data file. An
//! [`Incident`] is an aggregate like a vendor's dossier: an [`Order`](order::Order) is judged and becomes
//! [`Change`](change::Change)s, and folding those gives the incident again. A clock starts when the moment becomes known
//! that it counts from, keeps the definition that it was started with, and has no operation that would stop it or move it
//! to later.
//!
//! Pure: time, zones, ids and digests come in as arguments.

pub mod change;
pub mod due;
pub mod incident;
pub mod moment;
pub mod notice;
pub mod order;
pub mod page;
pub mod regime;
pub mod severity;
pub mod telling;

pub use incident::Incident;
pub use severity::Severity;
