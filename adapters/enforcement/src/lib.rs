//! The arms that cut networks. Each closes one kind of path of a [`Cut`], says what it has closed and how that
//! was verified, and keeps a whole [`NetworkPlan`] in force. Closing what is closed changes nothing.

pub mod nftables;
pub mod sockets;
pub mod vici;
pub mod wireguard;

mod bypasses;
mod netlink;
mod program;
mod turn;

use std::future::Future;
use std::pin::Pin;

use portcullis_network::cut::Cut;
use portcullis_network::order::{Arm, Bypass, Measures, PathReport};
use portcullis_network::plan::NetworkPlan;

pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ArmError>> + Send + 'a>>;

/// One way of closing paths. Every call ends within the time that the caller gives it: it is dropped then.
pub trait NetworkArm: Send + Sync {
    fn arm(&self) -> Arm;

    /// Whether it can act on this host.
    fn probe(&self) -> Answer<'_, ()>;

    /// Puts the whole plan into force: opens what is open in it, closes everything else that is ours.
    fn enforce<'a>(&'a self, plan: &'a NetworkPlan) -> Answer<'a, ()>;

    /// Closes every path of this kind, and says which.
    fn sever<'a>(&'a self, cut: &'a Cut) -> Answer<'a, Vec<PathReport>>;

    /// Looks whether each path is closed, by other means than having asked for it. An error where one is open.
    fn verify<'a>(&'a self, cut: &'a Cut) -> Answer<'a, Vec<PathReport>>;

    /// What flows.
    fn measure<'a>(&'a self, plan: &'a NetworkPlan) -> Answer<'a, Measures> {
        let _ = plan;
        Box::pin(async { Ok(Measures::default()) })
    }

    /// What on this host would let packets pass by the gate.
    fn inspect<'a>(&'a self, plan: &'a NetworkPlan) -> Answer<'a, Inspection> {
        let _ = plan;
        Box::pin(async { Ok(Inspection::default()) })
    }
}

/// What an arm has seen on its host.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Inspection {
    pub found: Vec<Bypass>,
    /// What could not be looked at, and why: nothing found there is no word that there is nothing.
    pub unseen: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ArmError {
    /// The arm can't act on this host at all.
    #[error("{0}")]
    Absent(String),
    /// It was asked to, and failed.
    #[error("{doing}: {why}")]
    Failed { doing: &'static str, why: String },
    /// It is still open, though closing it didn't fail.
    #[error("still open: {0}")]
    Open(String),
}
