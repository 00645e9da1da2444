//! What control and the enforcer say to each other: JSON, one message in each frame, over a local socket.

use std::fmt;

use portcullis_ids::ids::{SeveranceId, TunnelId, VendorId};
use serde::{Deserialize, Serialize};

use crate::cut::{Cut, Scope};
use crate::plan::NetworkPlan;

/// Both sides say it first; another one is refused.
pub const PROTOCOL: u32 = 1;
/// Bytes of a message at the most: a plan of ten thousand vendors is some 10 MB.
pub const MESSAGE_BYTES_MAX: u32 = 64 * 1024 * 1024;

/// One way of closing paths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// Connections and security associations of charon, over VICI.
    Ipsec,
    /// Peers of WireGuard interfaces.
    Wireguard,
    /// Packets from and to the networks, by nftables: what comes in, and what ours would send out.
    Packets,
    /// Sockets of any process with one of the networks, by `SOCK_DESTROY`.
    Sockets,
}

impl Arm {
    pub const ALL: [Self; 4] = [Self::Ipsec, Self::Wireguard, Self::Packets, Self::Sockets];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ipsec => "ipsec",
            Self::Wireguard => "wireguard",
            Self::Packets => "packets",
            Self::Sockets => "sockets",
        }
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum ToEnforcer {
    Hello {
        protocol: u32,
    },
    /// Put this into force, whatever was before, with the cuts that are held laid over it. One that is older than what is in
    /// force is refused.
    Enforce {
        plan: Box<NetworkPlan>,
    },
    /// Close this now, by every arm at the same time, and look whether it is closed. With what is held of this severance
    /// already, less what is shared by now. It stays so until a plan says that the severance was lifted.
    Sever {
        order: u64,
        cut: Box<Cut>,
    },
    /// Look whether it is closed, and close nothing.
    Verify {
        order: u64,
        cut: Box<Cut>,
    },
    Measure {
        order: u64,
    },
    /// What on this host would let packets pass by the gate.
    Inspect {
        order: u64,
    },
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum FromEnforcer {
    Hello {
        protocol: u32,
        /// Of the program.
        version: String,
        arms: Vec<ArmStanding>,
        /// Cuts that it keeps closed, from before this connection too.
        held: Vec<SeveranceId>,
        /// The same, with what each is about: for a control that knows nothing of one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        cuts: Vec<HeldCut>,
    },
    /// The plan of this version is in force, as far as no arm failed.
    Enforced {
        version: u64,
        failed: Vec<ArmFault>,
    },
    /// Said once in time for the receipt, and again when an arm that failed then has closed its paths.
    Severed {
        order: u64,
        report: CutReport,
    },
    Verified {
        order: u64,
        report: CutReport,
    },
    Measured {
        order: u64,
        measures: Measures,
    },
    Inspected {
        order: u64,
        bypasses: Vec<Bypass>,
        failed: Vec<ArmFault>,
    },
    /// A message could not be carried out.
    Refused {
        why: String,
    },
}

/// A cut that the enforcer holds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct HeldCut {
    pub severance: SeveranceId,
    pub scope: Scope,
}

/// Whether an arm can act on this host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ArmStanding {
    pub arm: Arm,
    /// Why it can't; none where it can.
    pub absent: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ArmFault {
    pub arm: Arm,
    pub why: String,
}

/// What came of a cut, arm by arm.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct CutReport {
    pub arms: Vec<ArmReport>,
    /// From the order's arrival to the last arm's word.
    pub took_us: u64,
    /// Why the enforcer doesn't hold it over a restart yet, though it is closed: it is tried on. None where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_kept: Option<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ArmReport {
    pub arm: Arm,
    pub outcome: ArmOutcome,
    pub paths: Vec<PathReport>,
    /// How often it was tried.
    pub attempts: u32,
    pub took_us: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ArmOutcome {
    /// Every path was looked at, and is closed.
    Closed,
    /// The target has no path of this kind.
    Nothing,
    /// It is tried on until it is verified.
    Failed { why: String },
    /// The arm can't act on this host.
    Absent { why: String },
}

/// One path that an arm has closed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PathReport {
    /// `tunnel/NAME`, `network/PREFIX` or `socket/ADDRESS`.
    pub path: String,
    /// Whether there was something to close.
    pub was_open: bool,
    /// Microseconds after the order's arrival; none where it is not closed.
    pub closed_us: Option<u64>,
    pub verified_us: Option<u64>,
    /// What was looked at, in a few words: `list-sas shows none`.
    pub how: String,
}

/// What flows, as it was counted since the counters began.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct Measures {
    pub tunnels: Vec<TunnelMeasure>,
    /// Packets outside the plan, by vendor.
    pub dropped: Vec<DropMeasure>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TunnelMeasure {
    pub tunnel: TunnelId,
    pub up: bool,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub packets_in: u64,
    pub packets_out: u64,
    /// Seconds since the last handshake, or since the security association was made.
    pub handshake_age_seconds: Option<u64>,
    /// Address and port that the peer speaks from.
    pub peer: Option<String>,
    /// Peers that are connected at the same time: more than one shares its credentials with somebody.
    #[serde(default)]
    pub associations: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DropMeasure {
    pub vendor: VendorId,
    pub packets: u64,
    pub bytes: u64,
}

/// A rule or a listener of this host by which packets would pass the gate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bypass {
    /// `listener`, `rule`, `forwarding`, `tunnel`; `difference` where the kernel has something else than the plan.
    pub kind: String,
    pub what: String,
    pub why: String,
    pub hint: String,
}

/// What control hears of its enforcer.
#[derive(Clone, PartialEq, Debug)]
pub enum Heard {
    /// A connection stands, after its greeting: it may be another process than before.
    Linked {
        version: String,
        arms: Vec<ArmStanding>,
        held: Vec<SeveranceId>,
        cuts: Vec<HeldCut>,
    },
    /// There is none; what is cut stays cut, and nothing more can be.
    Lost {
        why: String,
    },
    Said(FromEnforcer),
}
