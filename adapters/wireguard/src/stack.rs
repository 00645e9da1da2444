//! TCP of the peer's own, over packets that somebody else carries. All that waits is bounded: a reader that stands
//! still closes its window, and what comes with no room is dropped, as by any network.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::socket::tcp::{ConnectError, Socket, SocketBuffer, State};
use smoltcp::time::Instant as StackInstant;
use smoltcp::wire::{HardwareAddress, IpCidr, Ipv4Cidr};
use tokio::time::Instant;

/// What fits into an encrypted packet on any ordinary network, as WireGuard's own interfaces have it.
pub const PACKET_BYTES_MAX: usize = 1_420;
/// Of each connection and direction.
const BUFFER_BYTES: usize = 32 * 1_024;
pub const CONNECTIONS_MAX: usize = 16;
/// Packets that wait to leave, or to be looked at.
const QUEUE_MAX: usize = 64;
/// How long the other side may leave unanswered what a connection has sent.
const UNANSWERED: smoltcp::time::Duration = smoltcp::time::Duration::from_secs(30);
const PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;

pub struct Stack {
    interface: Interface,
    sockets: SocketSet<'static>,
    line: Line,
    began: Instant,
    port: u16,
    /// Nobody reads or writes them any more.
    left: Vec<SocketHandle>,
}

impl Stack {
    pub fn new(address: Ipv4Addr, seed: u64) -> Self {
        let mut line = Line::default();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut line, StackInstant::ZERO);
        interface.update_ip_addrs(|addresses| {
            // There is room for the first one.
            let _ = addresses.push(IpCidr::Ipv4(Ipv4Cidr::new(address, 32)));
        });
        let _ = interface.routes_mut().add_default_ipv4_route(address);
        // Another port each time, so that nobody waits for the end of what was before.
        let port = PORTS.start().saturating_add(u16::try_from(seed % 16_000).unwrap_or(0));
        let sockets = SocketSet::new(Vec::new());
        Self { interface, sockets, line, began: Instant::now(), port, left: Vec::new() }
    }

    /// Takes a packet of the other side's; without room it is dropped.
    pub fn take(&mut self, packet: Vec<u8>) {
        if self.line.coming.len() < QUEUE_MAX && packet.len() <= PACKET_BYTES_MAX + 15 {
            self.line.coming.push_back(packet);
        }
    }

    /// Does what is due; the packets that leave, and how long nothing is due if nothing comes.
    pub fn poll(&mut self, now: Instant) -> (VecDeque<Vec<u8>>, Option<Duration>) {
        let now = self.at(now);
        self.interface.poll(now, &mut self.line, &mut self.sockets);
        let delay = self.interface.poll_delay(now, &self.sockets);
        let sockets = &mut self.sockets;
        self.left.retain(|handle| {
            let over = matches!(sockets.get::<Socket<'_>>(*handle).state(), State::Closed | State::TimeWait);
            if over {
                sockets.remove(*handle);
            }
            !over
        });
        let leaving = std::mem::take(&mut self.line.leaving);
        (leaving, delay.map(|delay| Duration::from_micros(delay.total_micros())))
    }

    fn at(&self, now: Instant) -> StackInstant {
        let since = now.saturating_duration_since(self.began).as_micros();
        StackInstant::from_micros(i64::try_from(since).unwrap_or(i64::MAX))
    }

    /// Begins a connection; none if there are too many.
    pub fn connect(&mut self, to: SocketAddrV4) -> Option<Result<SocketHandle, ConnectError>> {
        if self.sockets.iter().count() >= CONNECTIONS_MAX {
            return None;
        }
        let buffer = || SocketBuffer::new(vec![0; BUFFER_BYTES]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        socket.set_timeout(Some(UNANSWERED));
        let from = self.port;
        self.port = from.checked_add(1).unwrap_or(*PORTS.start());
        let begun = socket.connect(self.interface.context(), (*to.ip(), to.port()), from);
        Some(begun.map(|()| self.sockets.add(socket)))
    }

    pub fn socket(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Nobody has it any more: what was closed in order ends by itself, and anything else is reset.
    pub fn leave(&mut self, handle: SocketHandle) {
        let socket = self.sockets.get_mut::<Socket<'_>>(handle);
        if matches!(
            socket.state(),
            State::SynSent | State::SynReceived | State::Established | State::CloseWait
        ) {
            socket.abort();
        }
        self.left.push(handle);
    }

    /// All connections end.
    pub fn abort(&mut self) {
        for (_, socket) in self.sockets.iter_mut() {
            let smoltcp::socket::Socket::Tcp(socket) = socket;
            socket.abort();
        }
    }
}

/// Packets on their way between the stack and whoever carries them.
#[derive(Default)]
struct Line {
    coming: VecDeque<Vec<u8>>,
    leaving: VecDeque<Vec<u8>>,
}

struct Came(Vec<u8>);

struct Leaves<'a>(&'a mut VecDeque<Vec<u8>>);

impl phy::RxToken for Came {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(&self.0)
    }
}

impl phy::TxToken for Leaves<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let mut packet = vec![0; length];
        let filled = fill(&mut packet);
        self.0.push_back(packet);
        filled
    }
}

impl phy::Device for Line {
    type RxToken<'a> = Came;
    type TxToken<'a> = Leaves<'a>;

    fn receive(&mut self, _: StackInstant) -> Option<(Came, Leaves<'_>)> {
        if self.leaving.len() >= QUEUE_MAX {
            return None;
        }
        let came = self.coming.pop_front()?;
        Some((Came(came), Leaves(&mut self.leaving)))
    }

    fn transmit(&mut self, _: StackInstant) -> Option<Leaves<'_>> {
        (self.leaving.len() < QUEUE_MAX).then_some(Leaves(&mut self.leaving))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = PACKET_BYTES_MAX;
        capabilities
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);

    #[test]
    fn packets_that_nobody_looks_at_are_dropped() {
        let mut stack = Stack::new(HERE, 1);
        for _ in 0..10 * QUEUE_MAX {
            stack.take(vec![0x45; 100]);
        }
        assert_eq!(stack.line.coming.len(), QUEUE_MAX);
        stack.take(vec![0; 60_000]);
        let (leaving, _) = stack.poll(Instant::now());
        assert!(stack.line.coming.is_empty() && leaving.is_empty());
    }

    #[test]
    fn connections_are_counted_and_their_place_comes_back() {
        let mut stack = Stack::new(HERE, 1);
        let to = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 1), 443);
        let open: Vec<_> = (0..CONNECTIONS_MAX).map(|_| stack.connect(to).unwrap().unwrap()).collect();
        assert!(stack.connect(to).is_none());
        let (leaving, _) = stack.poll(Instant::now());
        assert_eq!(leaving.len(), CONNECTIONS_MAX, "each begins");
        open.into_iter().for_each(|handle| stack.leave(handle));
        stack.poll(Instant::now());
        assert_eq!(stack.sockets.iter().count(), 0);
        assert!(stack.connect(to).is_some());
    }
}
