//! What is known of a vendor, and what follows for its access.
//!
//! A [`Dossier`] is an aggregate: an [`Order`](order::Order) is judged and becomes [`Change`](change::Change)s, and
//! folding those gives the dossier again. [`stops`] looks at a dossier and at what the registry declares, and gives
//! the vendor's [`Access`] from now on, with the moments at which it changes by itself: most things on paper end
//! without anybody doing anything.
//!
//! Pure: time, ids and digests come in as arguments; nothing here reads a clock, a file or a network.

pub mod access;
pub mod assessment;
pub mod change;
pub mod contract;
pub mod days;
pub mod dossier;
pub mod entity;
pub mod evidence;
pub mod exposure;
pub mod intake;
pub mod lei;
pub mod names;
pub mod order;
pub mod questionnaire;
pub mod request;
pub mod sbom;
pub mod screening;
pub mod sheet;
pub mod shell;
pub mod sources;
pub mod stops;
pub mod vulnerability;
pub mod work;

pub use access::Access;
pub use dossier::Dossier;
