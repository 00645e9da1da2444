//! The whole server, with real keys and certificates, in a world with a clock that is set by hand.

mod binding;
mod certificates;
mod doors;
mod endpoints;
mod hostile;
mod incident;
mod issuing;
mod key_terms;
mod liveness;
mod posture;
mod private_key_jwt;
mod registering;
mod world;
