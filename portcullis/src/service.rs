//! Telling the service manager how it goes: sd_notify(3), a datagram to the socket that it names, and nothing
//! where there is none.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager, if one has started us.
pub struct Manager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// By `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` of the environment.
    pub fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let mine = variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = variable("WATCHDOG_USEC").and_then(|us| us.parse().ok()).filter(|us| mine && *us > 0);
        Self {
            socket: variable("NOTIFY_SOCKET").and_then(|name| connect(&name)),
            // Twice as often as it has to be.
            watchdog: watchdog.map(|us: u64| Duration::from_micros((us / 2).max(1_000))),
        }
    }

    /// How often [`Self::alive`] must be said, if at all.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.socket.is_some())
    }

    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now_us = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000);
        self.tell(&format!(
            "RELOADING=1\nMONOTONIC_USEC={now_us}\nSTATUS=reading settings and certificates anew"
        ));
    }

    pub fn stopping(&self, status: &str) {
        self.tell(&format!("STOPPING=1\nSTATUS={status}"));
    }

    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, state: &str) {
        let Some((socket, to)) = &self.socket else { return };
        if let Err(error) = socket.send_to_addr(state.as_bytes(), to) {
            tracing::warn!(%error, "the service manager can't be told");
        }
    }
}

/// A path, or a name in the abstract namespace where it begins with `@`.
fn connect(name: &str) -> Option<(UnixDatagram, SocketAddr)> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    };
    let socket = UnixDatagram::unbound().and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
    Some((socket.ok()?, address.ok()?))
}
