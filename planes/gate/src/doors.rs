//! Doors: the common one, and those that are one integration's alone, which come and go with snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU16;

use portcullis_domain::spec::integration::DOORS_MAX;
use portcullis_policy::link::DoorFault;
use tokio::sync::{mpsc, oneshot};

use crate::core::CoreMessage;

/// The doors that are open beside the common one, and those that should be.
pub struct Doors {
    /// Of the common one.
    address: SocketAddr,
    cores: Vec<mpsc::UnboundedSender<CoreMessage>>,
    /// What the descriptors of this process are enough for.
    most: usize,
    open: BTreeSet<NonZeroU16>,
    /// Why others could not be opened when it was tried last.
    faults: BTreeMap<NonZeroU16, String>,
}

impl Doors {
    pub fn new(address: SocketAddr, cores: Vec<mpsc::UnboundedSender<CoreMessage>>, most: usize) -> Self {
        Self { address, cores, most, open: BTreeSet::new(), faults: BTreeMap::new() }
    }

    /// Whether some could not be opened: it is to be tried again.
    pub fn lacks(&self) -> bool {
        !self.faults.is_empty()
    }

    /// Closes what is not `wanted`, and opens the rest. What can't be opened is named and stands in nobody's way; nothing where
    /// that is as it was. **Blocks** until every core has closed its listeners.
    pub fn settle(&mut self, wanted: &BTreeSet<NonZeroU16>) -> Option<Vec<DoorFault>> {
        self.close(wanted);
        let mut faults = BTreeMap::new();
        let missing: Vec<NonZeroU16> = wanted.difference(&self.open).copied().collect();
        for port in missing {
            match self.open(port) {
                Ok(()) => {
                    self.open.insert(port);
                    tracing::info!(port, "a door was opened");
                }
                Err(why) => {
                    if self.faults.get(&port) != Some(&why) {
                        tracing::error!(port, why, "a door can't be opened: it is tried again");
                    }
                    faults.insert(port, why);
                }
            }
        }
        let before = std::mem::replace(&mut self.faults, faults);
        let told = || self.faults.iter().map(|(port, why)| DoorFault { port: *port, why: why.clone() });
        (before != self.faults).then(|| told().collect())
    }

    fn open(&self, port: NonZeroU16) -> Result<(), String> {
        if self.open.len() >= self.most {
            return Err(format!(
                "{} doors are open, and this process has descriptors for no more",
                self.open.len()
            ));
        }
        let address = SocketAddr::new(self.address.ip(), port.get());
        let cores = u16::try_from(self.cores.len()).unwrap_or(u16::MAX);
        let listeners =
            listen(address, cores).map_err(|error| format!("can't listen on `{address}`: {error}"))?;
        for (core, listener) in self.cores.iter().zip(listeners) {
            // A core that is gone takes no connections; the others take them all.
            let _ = core.send(CoreMessage::OpenDoor { port, listener });
        }
        Ok(())
    }

    fn close(&mut self, wanted: &BTreeSet<NonZeroU16>) {
        let mut closing = Vec::new();
        for port in self.open.difference(wanted).copied() {
            for core in &self.cores {
                let (closed, confirmed) = oneshot::channel();
                if core.send(CoreMessage::CloseDoor { port, closed }).is_ok() {
                    closing.push(confirmed);
                }
            }
            tracing::info!(port, "a door is closed");
        }
        // The port is free only then, and may be wanted again by the next snapshot.
        for confirmed in closing {
            // A core that has ended has closed its listeners.
            let _ = confirmed.blocking_recv();
        }
        self.open.retain(|port| wanted.contains(port));
    }
}

/// One listener for each core on the same address.
pub fn listen(address: SocketAddr, cores: u16) -> io::Result<Vec<TcpListener>> {
    // Ports that are shared by SO_REUSEPORT would let a second gate take half of the connections:
    // a plain bind first tells whether somebody is there.
    let probe = bind(address, false)?;
    let address = probe.local_addr()?;
    drop(probe);
    (0..cores.max(1)).map(|_| bind(address, true)).collect()
}

fn bind(address: SocketAddr, share: bool) -> io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1_024)?;
    Ok(socket.into())
}

/// How many doors each core may listen at: no more than a sixteenth of the descriptors goes into them.
pub fn doors_max(descriptors: Option<u64>, cores: usize) -> usize {
    let Some(descriptors) = descriptors else { return DOORS_MAX };
    let each = descriptors / 16 / (cores.max(1) as u64);
    usize::try_from(each).unwrap_or(DOORS_MAX).min(DOORS_MAX)
}
