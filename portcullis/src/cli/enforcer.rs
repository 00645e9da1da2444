//! `enforcer`: the process that may change networks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow};
use portcullis_enforcement::NetworkArm;
use portcullis_enforcement::nftables::Packets;
use portcullis_enforcement::sockets::Sockets;
use portcullis_enforcement::vici::Vici;
use portcullis_enforcement::wireguard::WireguardTool;
use portcullis_enforcer::privileges::{self, User};
use portcullis_enforcer::server::{Enforcer, Options};

use super::Outcome;
use crate::clock::system_clock;
use crate::logging;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Socket that control gives its orders on; `up --enforcer` names it
    #[arg(long, value_name = "PATH", default_value = "/run/portcullis/enforcer.sock")]
    socket: PathBuf,
    /// Folder that holds what is cut over a restart
    #[arg(long, value_name = "DIR", default_value = "/var/lib/portcullis-enforcer")]
    state: PathBuf,
    /// Group, by name or number, that may open the socket; without it the own user alone
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// User, by name or number, to become once the right to change networks is kept
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Socket of charon's VICI
    #[arg(long, value_name = "PATH", default_value = "/run/charon.vici")]
    vici: PathBuf,
    /// The program `nft`
    #[arg(long, value_name = "PROGRAM", default_value = "nft")]
    nft: String,
    /// How to write the log, on standard error
    #[arg(long, value_enum, default_value_t, env = "PORTCULLIS_LOG_FORMAT", value_name = "FORMAT")]
    log: logging::Format,
}

pub(super) async fn enforcer(arguments: Arguments) -> Result<Outcome> {
    logging::start("info", arguments.log);
    let group = arguments.group.as_deref().map(group).transpose()?;
    let user = arguments.user.as_deref().map(user).transpose()?;
    privileges::check()?;
    let owner = user.as_ref().map(|user| (user.uid, user.gid));
    let options = Options { socket: arguments.socket, state: arguments.state, group, owner };
    // Folders and socket first: whoever the process becomes may not make them.
    let enforcer = Enforcer::open(&options, arms(&arguments.vici, arguments.nft), system_clock())?;
    // No other thread runs yet: those that come have no other right either.
    if let Err(error) = privileges::confine(user.as_ref()) {
        let _ = std::fs::remove_file(&options.socket);
        return Err(error.into());
    }
    tracing::info!(socket = %options.socket.display(), "the enforcer listens");
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        () = enforcer.run() => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    // What is cut stays cut in the kernel, and in the folder.
    let _ = std::fs::remove_file(&options.socket);
    tracing::info!("the enforcer has ended: what is cut stays cut");
    Ok(Outcome::Done)
}

fn user(name: &str) -> Result<User> {
    let passwd = std::fs::read_to_string("/etc/passwd").context("can't read the list of users")?;
    let group = std::fs::read_to_string("/etc/group").context("can't read the list of groups")?;
    privileges::find_user(name, &passwd, &group)
        .ok_or_else(|| anyhow!("there is no user `{name}`\nhint: `useradd --system {name}` makes one"))
}

fn group(name: &str) -> Result<u32> {
    let groups = std::fs::read_to_string("/etc/group").context("can't read the list of groups")?;
    privileges::find_group(name, &groups)
        .ok_or_else(|| anyhow!("there is no group `{name}`\nhint: `groupadd --system {name}` makes one"))
}

/// Every arm that there is; each says by itself whether it can act on this host.
fn arms(vici: &std::path::Path, nft: String) -> Vec<Arc<dyn NetworkArm>> {
    vec![
        Arc::new(Vici::new(vici.to_owned())),
        Arc::new(WireguardTool::new(now)),
        Arc::new(Packets::new(nft)),
        Arc::new(Sockets),
    ]
}

#[expect(clippy::disallowed_methods, reason = "handshakes are told in wall time")]
fn now() -> SystemTime {
    SystemTime::now()
}
