//! Sockets of any process of this host, by `sock_diag` and `SOCK_DESTROY` (`linux/inet_diag.h`): the kernel
//! resets a connection that this process doesn't own.
//!
//! Dropping packets only stalls a socket: its process waits on, and what was received is still read. Destroying it
//! tells the peer by a reset, and the process by an error.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ipnet::IpNet;
use portcullis_network::cut::Cut;
use portcullis_network::order::{Arm, PathReport};
use portcullis_network::plan::NetworkPlan;
use rustix::io::Errno;
use rustix::net::netlink::SOCK_DIAG;

use crate::netlink::{ACK, DUMP, REQUEST, Socket, Writer};
use crate::{Answer, ArmError, NetworkArm};

/// `SOCK_DIAG_BY_FAMILY`
const LIST: u16 = 20;
/// `SOCK_DESTROY`
const DESTROY: u16 = 21;
const FAMILY_FOUR: u8 = 2;
const FAMILY_SIX: u8 = 10;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// States of a TCP socket, and `ESTABLISHED` for a UDP socket that has a peer.
const ESTABLISHED: u8 = 1;
const TIME_WAIT: u8 = 6;
const CLOSE: u8 = 7;
const LISTEN: u8 = 10;
/// Every state up to `NEW_SYN_RECV`, but `LISTEN`: a listener has no peer.
const WITH_PEER: u32 = 0x1ffe & !(1 << LISTEN);
/// Networks in one question: a program of the kernel's filter holds 64 KiB.
const NETWORKS_MAX: usize = 1_000;
/// How often is looked for sockets that came while others were destroyed.
const ROUNDS: usize = 4;
const PROBING: &str = "asking whether sockets can be destroyed";
/// Sockets that a report names.
const NAMED_MAX: usize = 100;

/// The arm of sockets.
#[derive(Clone, Copy, Default, Debug)]
pub struct Sockets;

impl NetworkArm for Sockets {
    fn arm(&self) -> Arm {
        Arm::Sockets
    }

    fn probe(&self) -> Answer<'_, ()> {
        Box::pin(waiting(probe))
    }

    /// Sockets are no state that is kept: what a plan closes, packets and the gate keep away.
    fn enforce<'a>(&'a self, _: &'a NetworkPlan) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn sever<'a>(&'a self, cut: &'a Cut) -> Answer<'a, Vec<PathReport>> {
        let networks = cut.networks.clone();
        Box::pin(waiting(move || destroy(&networks)))
    }

    fn verify<'a>(&'a self, cut: &'a Cut) -> Answer<'a, Vec<PathReport>> {
        let networks = cut.networks.clone();
        Box::pin(waiting(move || {
            let open = alive(&networks)?;
            match open.first() {
                None => Ok(Vec::new()),
                Some(first) => {
                    Err(ArmError::Open(format!("{} sockets, such as {}", open.len(), first.name())))
                }
            }
        }))
    }
}

/// A socket that listens, or takes datagrams from anybody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Listener {
    pub tcp: bool,
    pub address: SocketAddr,
}

/// What listens on this host.
pub(crate) async fn listeners() -> Result<Vec<Listener>, ArmError> {
    waiting(|| {
        let mut found = BTreeSet::new();
        for (protocol, state) in [(TCP, LISTEN), (UDP, CLOSE)] {
            for family in [FAMILY_FOUR, FAMILY_SIX] {
                let listed = list(family, protocol, 1 << state, None)?;
                found.extend(listed.iter().map(|of| Listener { tcp: protocol == TCP, address: of.local }));
            }
        }
        Ok(found.into_iter().collect())
    })
    .await
}

/// On a thread that may wait for the kernel.
async fn waiting<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArmError> + Send + 'static,
) -> Result<T, ArmError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ArmError::Failed {
        doing: "asking the kernel for sockets",
        why: error.to_string(),
    })?
}

/// One socket, as the kernel tells it.
#[derive(Clone, Debug)]
struct Found {
    family: u8,
    protocol: u8,
    state: u8,
    local: SocketAddr,
    peer: SocketAddr,
    /// `struct inet_diag_sockid`, by which it is destroyed.
    id: [u8; 48],
}

impl Found {
    fn name(&self) -> String {
        format!("{}/{}", if self.protocol == TCP { "tcp" } else { "udp" }, self.peer)
    }
}

/// Destroys a socket of its own: whether there is the right to do so is only asked where there is a socket.
fn probe() -> Result<(), ArmError> {
    let io = |error: std::io::Error| ArmError::Failed {
        doing: "making a socket to destroy",
        why: error.to_string(),
    };
    let own = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(io)?;
    let local = own.local_addr().map_err(io)?;
    // Its own peer: nothing is sent anywhere.
    own.connect(local).map_err(io)?;
    let port = local.port().to_be_bytes();
    let address = Ipv4Addr::LOCALHOST.octets();
    let mut id = [0; 48];
    // Ports of both, address of each in sixteen bytes, interface, and a cookie that means any.
    for (from, bytes) in [(0, &port[..]), (2, &port), (4, &address), (20, &address), (40, &[0xff; 8])] {
        for (place, byte) in id.iter_mut().skip(from).zip(bytes) {
            *place = *byte;
        }
    }
    let found = Found { family: FAMILY_FOUR, protocol: UDP, state: ESTABLISHED, local, peer: local, id };
    open()?.transact(&destroying(&found), 1).map_err(|error| fault(PROBING, error))
}

fn destroy(networks: &[IpNet]) -> Result<Vec<PathReport>, ArmError> {
    let mut socket = open()?;
    destroy_by(|| alive(networks), |of| socket.transact(&destroying(of), 1), probe)
}

/// One socket that can't be destroyed keeps no other, and says nothing about the kernel: that is for `probe` to say.
fn destroy_by(
    mut alive: impl FnMut() -> Result<Vec<Found>, ArmError>,
    mut destroy: impl FnMut(&Found) -> Result<(), Errno>,
    probe: impl FnOnce() -> Result<(), ArmError>,
) -> Result<Vec<PathReport>, ArmError> {
    let mut destroyed: Vec<String> = Vec::new();
    let mut refused = None;
    for _ in 0..ROUNDS {
        let found = alive()?;
        // Of the last round alone: what a round before could not do, another one may have done.
        refused = None;
        if found.is_empty() {
            break;
        }
        for of in &found {
            match destroy(of) {
                Ok(()) => destroyed.push(of.name()),
                // It went by itself meanwhile, or began to wait for its name to be free again, and is no socket any more
                // that could be destroyed. `verify` looks.
                Err(Errno::NOENT) => {}
                Err(error) => refused = Some(error),
            }
        }
    }
    if let Some(error) = refused {
        probe()?;
        if !matches!(error, Errno::OPNOTSUPP | Errno::INVAL) {
            return Err(ArmError::Failed { doing: "destroying a socket", why: error.to_string() });
        }
    }
    Ok(reports(&destroyed))
}

fn reports(destroyed: &[String]) -> Vec<PathReport> {
    let report = |path: String| PathReport {
        path: format!("socket/{path}"),
        was_open: true,
        closed_us: None,
        verified_us: None,
        how: "destroyed, and no longer among the sockets that the kernel lists".to_owned(),
    };
    let more = destroyed.len().saturating_sub(NAMED_MAX);
    let more = (more > 0).then(|| report(format!("{more} more")));
    destroyed.iter().take(NAMED_MAX).cloned().map(report).chain(more).collect()
}

/// Sockets with one of the networks as peer that can still carry something.
fn alive(networks: &[IpNet]) -> Result<Vec<Found>, ArmError> {
    let mut found = Vec::new();
    for networks in networks.chunks(NETWORKS_MAX) {
        let filter = filter(networks);
        for (protocol, states) in [(TCP, WITH_PEER), (UDP, 1 << ESTABLISHED)] {
            for family in [FAMILY_FOUR, FAMILY_SIX] {
                found.extend(list(family, protocol, states, Some(&filter))?);
            }
        }
    }
    // What waits for its name to be free again, and what is closed, is no path.
    found.retain(|of| of.state != TIME_WAIT && of.state != CLOSE);
    // The kernel's filter is one belt, this the other.
    found.retain(|of| {
        let peer = of.peer.ip().to_canonical();
        networks.iter().any(|network| network.contains(&peer))
    });
    Ok(found)
}

fn list(family: u8, protocol: u8, states: u32, filter: Option<&[u8]>) -> Result<Vec<Found>, ArmError> {
    let mut writer = Writer::default();
    writer.message(LIST, REQUEST | DUMP, |message| {
        message.raw(&request(family, protocol, states, &[0; 48]));
        if let Some(filter) = filter {
            message.attribute(1, filter);
        }
    });
    let list = open()?
        .dump(writer.bytes(), |kind, payload| if kind == LIST { read(protocol, payload) } else { None });
    match list {
        // Without IPv6 there is no socket of it.
        Err(Errno::NOENT | Errno::AFNOSUPPORT) => Ok(Vec::new()),
        list => list.map_err(|error| fault("listing sockets", error)),
    }
}

fn open() -> Result<Socket, ArmError> {
    Socket::open(SOCK_DIAG).map_err(|error| fault("opening a netlink socket", error))
}

fn fault(doing: &'static str, error: Errno) -> ArmError {
    match error {
        Errno::PERM | Errno::ACCESS => ArmError::Absent(
            "this process may not destroy sockets\nhint: the enforcer needs CAP_NET_ADMIN in the network namespace of the gate"
                .to_owned(),
        ),
        Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::INVAL if doing == PROBING => ArmError::Absent(
            "this kernel can't destroy sockets\nhint: it has to be built with CONFIG_INET_DIAG_DESTROY".to_owned(),
        ),
        _ => ArmError::Failed { doing, why: error.to_string() },
    }
}

fn destroying(found: &Found) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.message(DESTROY, REQUEST | ACK, |message| {
        message.raw(&request(found.family, found.protocol, u32::MAX, &found.id));
    });
    writer.bytes().to_vec()
}

/// `struct inet_diag_req_v2`
fn request(family: u8, protocol: u8, states: u32, id: &[u8; 48]) -> Vec<u8> {
    let mut request = vec![family, protocol, 0, 0];
    request.extend(states.to_ne_bytes());
    request.extend(id);
    request
}

/// `struct inet_diag_msg`: family, state, timer, retransmissions, and the id.
fn read(protocol: u8, payload: &[u8]) -> Option<Found> {
    let [family, state, _, _, rest @ ..] = payload else { return None };
    let id: &[u8; 48] = rest.first_chunk()?;
    let port = |at: usize| Some(u16::from_be_bytes(*id.get(at..)?.first_chunk()?));
    let address = |at: usize| match *family {
        FAMILY_FOUR => Some(IpAddr::V4(Ipv4Addr::from(*id.get(at..)?.first_chunk::<4>()?))),
        _ => Some(IpAddr::V6(Ipv6Addr::from(*id.get(at..)?.first_chunk::<16>()?))),
    };
    let local = SocketAddr::new(address(4)?, port(0)?);
    let peer = SocketAddr::new(address(20)?, port(2)?);
    Some(Found { family: *family, protocol, state: *state, local, peer, id: *id })
}

/// A program for the kernel's filter: the peer is in one of the networks. A condition for IPv4 matches addresses
/// that are mapped into IPv6 too.
fn filter(networks: &[IpNet]) -> Vec<u8> {
    /// `INET_DIAG_BC_JMP` and `INET_DIAG_BC_D_COND`
    const JUMP: u8 = 1;
    const PEER: u8 = 8;
    const JUMP_BYTES: u16 = 4;
    let mut program: Vec<u8> = Vec::new();
    // From the last backwards, since each jumps over all behind it when it matches.
    for network in networks.iter().rev() {
        let (family, mut address) = match network.network() {
            IpAddr::V4(four) => (FAMILY_FOUR, four.octets().to_vec()),
            IpAddr::V6(six) => (FAMILY_SIX, six.octets().to_vec()),
        };
        let mut condition = vec![PEER];
        // Operation, family and length, port: 12 bytes before the address.
        let length = u8::try_from(address.len()).unwrap_or(16).saturating_add(12);
        let behind = u16::try_from(program.len()).unwrap_or(u16::MAX);
        // Where it doesn't match: to the next condition, behind the jump; behind the last, out of the program.
        let otherwise = u16::from(length).saturating_add(JUMP_BYTES);
        condition.push(length);
        condition.extend(otherwise.to_ne_bytes());
        condition.extend([family, network.prefix_len(), 0, 0]);
        // Any port.
        condition.extend((-1_i32).to_ne_bytes());
        condition.append(&mut address);
        if !program.is_empty() {
            condition.extend([JUMP, 4]);
            condition.extend(behind.saturating_add(JUMP_BYTES).to_ne_bytes());
        }
        condition.append(&mut program);
        program = condition;
    }
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel does (`inet_diag_bc_run`).
    fn matches(program: &[u8], peer: IpAddr) -> bool {
        let (mut at, end) = (0, program.len());
        while at < end {
            let op = &program[at..];
            let no = usize::from(u16::from_ne_bytes([op[2], op[3]]));
            let yes = match op[0] {
                1 => false,
                8 => {
                    let network = match op[4] {
                        FAMILY_FOUR => IpAddr::from(*op[12..].first_chunk::<4>().unwrap()),
                        _ => IpAddr::from(*op[12..].first_chunk::<16>().unwrap()),
                    };
                    IpNet::new(network, op[5]).unwrap().contains(&peer)
                }
                other => panic!("operation {other}"),
            };
            at += if yes { usize::from(op[1]) } else { no };
        }
        at == end
    }

    fn found(port: u16) -> Found {
        let at = |port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        let (local, peer) = (at(1), at(port));
        Found { family: FAMILY_FOUR, protocol: TCP, state: ESTABLISHED, local, peer, id: [0; 48] }
    }

    #[test]
    fn one_socket_that_can_not_be_destroyed_keeps_no_other_and_only_the_probe_says_that_none_can() {
        let absent = || Err(ArmError::Absent("no kernel for it".to_owned()));
        let tried = |of_first: Errno, probe: &dyn Fn() -> Result<(), ArmError>| {
            let alive = std::cell::RefCell::new(vec![found(1), found(2), found(3)]);
            let ended = destroy_by(
                || Ok(alive.borrow().clone()),
                |of| {
                    if of.peer.port() == 1 {
                        return Err(of_first);
                    }
                    alive.borrow_mut().retain(|known| known.peer != of.peer);
                    Ok(())
                },
                probe,
            );
            let left: Vec<u16> = alive.borrow().iter().map(|of| of.peer.port()).collect();
            assert_eq!(left, [1], "{of_first}");
            ended.map(|reports| reports.len()).map_err(|error| error.to_string())
        };
        // In TIME_WAIT meanwhile, gone, or in a state that isn't destroyed: `verify` decides.
        for errno in [Errno::OPNOTSUPP, Errno::INVAL, Errno::NOENT] {
            assert_eq!(tried(errno, &|| Ok(())), Ok(2), "{errno}");
        }
        assert_eq!(tried(Errno::OPNOTSUPP, &absent), Err("no kernel for it".to_owned()));
        assert_eq!(tried(Errno::NOENT, &absent), Ok(2), "nobody asks");
        assert!(tried(Errno::NOBUFS, &|| Ok(())).unwrap_err().starts_with("destroying a socket"));
    }

    #[test]
    fn the_filter_takes_the_networks_and_nothing_else() {
        let networks: Vec<IpNet> = ["192.0.2.0/28", "2001:db8::/32", "198.51.100.7/32", "10.0.0.0/8"]
            .map(|network| network.parse().unwrap())
            .into();
        let program = filter(&networks);
        for (peer, wanted) in [
            ("192.0.2.15", true),
            ("192.0.2.16", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("198.51.100.7", true),
            ("198.51.100.8", false),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
        ] {
            assert_eq!(matches(&program, peer.parse().unwrap()), wanted, "{peer}");
        }
        let single = filter(&networks[..1]);
        assert!(matches(&single, "192.0.2.1".parse().unwrap()));
        assert!(!matches(&single, "192.0.3.1".parse().unwrap()));
        assert!(filter(&vec![networks[1]; NETWORKS_MAX]).len() < usize::from(u16::MAX) - 8);
    }
}
