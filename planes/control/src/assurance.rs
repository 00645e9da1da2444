//! What control does about vendors by itself, and whom it tells of what happens.

pub mod calendar;
pub mod notice;
mod reminding;
pub mod webhook;
mod work;

pub(crate) use work::{WorkFilter, work};
