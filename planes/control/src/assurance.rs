//! What control does about vendors by itself, and whom it tells of what happens.

pub mod calendar;
pub(crate) mod leaving;
pub(crate) mod looking;
pub mod notice;
mod reminding;
mod screening;
pub mod sources;
mod weaknesses;
pub mod webhook;
mod work;

pub(crate) use work::{WorkFilter, work};
