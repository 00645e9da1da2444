//! What nf_tables is told and asked over netlink, as far as cuts need it: elements of sets, and whether the chains
//! that look at them are hooked (`linux/netfilter/nf_tables.h`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use portcullis_network::ruleset::{ClosedNetwork, Count, quotable};
use rustix::io::Errno;
use rustix::net::netlink::NETFILTER;
use rustix::net::sockopt::{set_socket_send_buffer_size, set_socket_send_buffer_size_force};

use super::run::not_permitted;
use crate::ArmError;
use crate::netlink::{ACK, Attributes, CREATE, DUMP, REQUEST, Read, Socket, Writer, find, text};

/// `NFNL_SUBSYS_NFTABLES`, in the upper half of a message's type.
const SUBSYSTEM: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const GET_TABLE: u16 = SUBSYSTEM | 1;
const GET_CHAIN: u16 = SUBSYSTEM | 4;
const GET_RULE: u16 = SUBSYSTEM | 7;
const NEW_ELEMENTS: u16 = SUBSYSTEM | 12;
const GET_ELEMENTS: u16 = SUBSYSTEM | 13;
const DELETE_ELEMENTS: u16 = SUBSYSTEM | 14;
const GET_OBJECT: u16 = SUBSYSTEM | 19;
/// `NFPROTO_INET`
const INET: u8 = 1;
/// `NFT_SET_ELEM_INTERVAL_END`
const INTERVAL_END: u32 = 1;
/// `NFT_TABLE_F_DORMANT`: its chains see nothing.
const DORMANT: u32 = 1;
/// Networks in one message: a list of attributes holds 64 KiB.
const ELEMENTS_MAX: usize = 150;

pub(super) struct Kernel {
    socket: Socket,
}

/// An element of a set of networks, with what it has counted.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Element {
    pub network: IpNet,
    pub comment: String,
    pub count: Count,
}

/// A chain, and the comments of its rules in their order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Hooked {
    pub name: String,
    pub hooked: bool,
    pub rules: Vec<String>,
}

pub(super) fn probe() -> Result<(), ArmError> {
    Kernel::open()?.dump(GET_TABLE, |_| {}, |_| Some(())).map(|_| ())
}

impl Kernel {
    pub fn open() -> Result<Self, ArmError> {
        let socket = Socket::open(NETFILTER).map_err(|error| fault("opening a netlink socket", error))?;
        let bytes = 8 * 1024 * 1024;
        if set_socket_send_buffer_size_force(socket.descriptor(), bytes).is_err() {
            let _ = set_socket_send_buffer_size(socket.descriptor(), bytes);
        }
        Ok(Self { socket })
    }

    /// Takes networks from the sets of a table and adds others to them, in one transaction.
    pub fn change(&mut self, table: &str, gone: &[IpNet], added: &[ClosedNetwork]) -> Result<(), ArmError> {
        let mut writer = Writer::default();
        writer.message(BATCH_BEGIN, REQUEST, batch);
        let mut acks = 0_usize;
        for (four, sets) in [(true, ["from4", "to4"]), (false, ["from6", "to6"])] {
            let gone: Vec<&IpNet> = gone.iter().filter(|network| network.addr().is_ipv4() == four).collect();
            let added: Vec<&ClosedNetwork> =
                added.iter().filter(|closed| closed.network.addr().is_ipv4() == four).collect();
            for set in sets {
                for chunk in gone.chunks(ELEMENTS_MAX) {
                    let elements = chunk.iter().map(|network| (**network, ""));
                    writer.message(DELETE_ELEMENTS, REQUEST | ACK, |message| {
                        list(message, table, set, elements)
                    });
                    acks = acks.saturating_add(1);
                }
                for chunk in added.chunks(ELEMENTS_MAX) {
                    let elements = chunk.iter().map(|closed| (closed.network, &*closed.comment));
                    let flags = REQUEST | ACK | CREATE;
                    writer.message(NEW_ELEMENTS, flags, |message| list(message, table, set, elements));
                    acks = acks.saturating_add(1);
                }
            }
        }
        writer.message(BATCH_END, REQUEST, batch);
        self.socket
            .transact(writer.bytes(), acks)
            .map_err(|error| fault("changing the sets of what is closed", error))
    }

    /// The networks of a set. One that is none, but a range, is an error: it isn't ours.
    pub fn elements(&mut self, table: &str, set: &str) -> Result<Vec<Element>, ArmError> {
        let names = |message: &mut Attributes| {
            message.text(1, table);
            message.text(2, set);
        };
        let lists = self.dump(GET_ELEMENTS, names, |attributes| {
            let list = find(attributes, 3)?;
            Some(Read(list).filter_map(|(_, element)| Bound::read(element)).collect::<Vec<_>>())
        });
        let lists = match lists {
            // No such table: it has no element.
            Err(ArmError::Failed { why, .. }) if why == Errno::NOENT.to_string() => return Ok(Vec::new()),
            lists => lists?,
        };
        let mut bounds: Vec<Bound> = lists.into_iter().flatten().collect();
        // At one address, what ends there comes before what begins.
        bounds.sort_by(|one, other| one.key.cmp(&other.key).then(other.end.cmp(&one.end)));
        let mut networks = Vec::with_capacity(bounds.len() / 2);
        let mut bounds = bounds.into_iter().peekable();
        while let Some(bound) = bounds.next() {
            if bound.end {
                continue;
            }
            let end = bounds.peek().filter(|next| next.end).map(|next| &*next.key);
            let network = network(&bound.key, end).ok_or_else(|| ArmError::Failed {
                doing: "reading the packet filter back",
                why: format!("set `{set}` holds a range that is no network"),
            })?;
            networks.push(Element { network, comment: bound.comment, count: bound.count });
        }
        Ok(networks)
    }

    /// The chains of a table, none where it is dormant.
    pub fn chains(&mut self, table: &str) -> Result<Vec<Hooked>, ArmError> {
        let awake = self.dump(
            GET_TABLE,
            |_| {},
            |attributes| {
                let ours = text(find(attributes, 1)?) == table;
                Some(ours && find(attributes, 2).and_then(number).unwrap_or(0) & DORMANT == 0)
            },
        )?;
        if !awake.contains(&true) {
            return Ok(Vec::new());
        }
        let mut chains = self.dump(
            GET_CHAIN,
            |_| {},
            |attributes| {
                if text(find(attributes, 1)?) != table {
                    return None;
                }
                let hooked = find(attributes, 4).is_some();
                Some(Hooked { name: text(find(attributes, 3)?), hooked, rules: Vec::new() })
            },
        )?;
        let rules = self.dump(
            GET_RULE,
            |message| message.text(1, table),
            |attributes| {
                let ours = text(find(attributes, 1)?) == table;
                ours.then_some((
                    text(find(attributes, 2)?),
                    find(attributes, 7).map(comment).unwrap_or_default(),
                ))
            },
        )?;
        for (chain, rule) in rules {
            if let Some(chain) = chains.iter_mut().find(|known| known.name == chain) {
                chain.rules.push(rule);
            }
        }
        Ok(chains)
    }

    /// The named counters of a table; none where there is no table.
    pub fn counters(&mut self, table: &str) -> Result<Vec<(String, Count)>, ArmError> {
        let only = |message: &mut Attributes| {
            message.text(1, table);
            message.attribute(3, &1_u32.to_be_bytes());
        };
        self.dump(GET_OBJECT, only, |attributes| {
            let ours = text(find(attributes, 1)?) == table;
            ours.then_some((text(find(attributes, 2)?), counted(find(attributes, 4)?)))
        })
    }

    fn dump<T>(
        &mut self,
        kind: u16,
        attributes: impl FnOnce(&mut Attributes),
        mut read: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, ArmError> {
        let mut writer = Writer::default();
        writer.message(kind, REQUEST | DUMP, |message| {
            message.raw(&[INET, 0, 0, 0]);
            attributes(message);
        });
        // Behind the family, version and resource comes what it says.
        let list = self.socket.dump(writer.bytes(), |_, payload| read(payload.get(4..)?));
        list.map_err(|error| fault("asking the packet filter", error))
    }
}

fn fault(doing: &'static str, error: Errno) -> ArmError {
    match error {
        Errno::PERM | Errno::ACCESS => ArmError::Absent(not_permitted()),
        Errno::PROTONOSUPPORT | Errno::OPNOTSUPP => {
            ArmError::Absent(format!("this kernel has no nf_tables: {error}"))
        }
        _ => ArmError::Failed { doing, why: error.to_string() },
    }
}

/// A batch names the subsystem that it is for, in network byte order.
fn batch(message: &mut Attributes) {
    message.raw(&[0, 0, 0, 10]);
}

fn list<'a>(
    message: &mut Attributes,
    table: &str,
    set: &str,
    elements: impl Iterator<Item = (IpNet, &'a str)>,
) {
    message.raw(&[INET, 0, 0, 0]);
    message.text(1, table);
    message.text(2, set);
    message.nested(3, |list| {
        for (network, comment) in elements {
            let (first, behind) = bounds(network);
            list.nested(1, |element| {
                element.nested(1, |key| key.attribute(1, &first));
                if !comment.is_empty() {
                    element.attribute(6, &commented(&quotable(comment)));
                }
            });
            if let Some(behind) = behind {
                list.nested(1, |element| {
                    element.nested(1, |key| key.attribute(1, &behind));
                    element.attribute(3, &INTERVAL_END.to_be_bytes());
                });
            }
        }
    });
}

/// The first address of a network, and the one behind its last; none behind the last of all.
fn bounds(network: IpNet) -> (Vec<u8>, Option<Vec<u8>>) {
    match network {
        IpNet::V4(four) => {
            let behind = four.broadcast().to_bits().checked_add(1);
            (four.network().octets().to_vec(), behind.map(|bits| bits.to_be_bytes().to_vec()))
        }
        IpNet::V6(six) => {
            let behind = six.broadcast().to_bits().checked_add(1);
            (six.network().octets().to_vec(), behind.map(|bits| bits.to_be_bytes().to_vec()))
        }
    }
}

fn network(first: &[u8], behind: Option<&[u8]>) -> Option<IpNet> {
    let address = |bytes: &[u8]| match bytes.len() {
        4 => Some(IpAddr::V4(Ipv4Addr::from_bits(u32::from_be_bytes(bytes.try_into().ok()?)))),
        16 => Some(IpAddr::V6(Ipv6Addr::from_bits(u128::from_be_bytes(bytes.try_into().ok()?)))),
        _ => None,
    };
    let (first, behind) = (address(first)?, behind.map(address));
    match (first, behind) {
        (IpAddr::V4(first), behind) => {
            let behind = match behind {
                Some(Some(IpAddr::V4(behind))) => u64::from(behind.to_bits()),
                Some(_) => return None,
                None => 1 << 32,
            };
            let width = behind.checked_sub(u64::from(first.to_bits()))?;
            let host_bits = u8::try_from(width.trailing_zeros()).ok()?;
            let network = Ipv4Net::new(first, 32_u8.checked_sub(host_bits)?).ok()?;
            (width.is_power_of_two() && network.network() == first).then_some(IpNet::V4(network))
        }
        (IpAddr::V6(first), behind) => {
            // Zero stands for one behind the last of all, as it wraps.
            let behind = match behind {
                Some(Some(IpAddr::V6(behind))) => behind.to_bits(),
                Some(_) => return None,
                None => 0,
            };
            let width = behind.wrapping_sub(first.to_bits());
            let host_bits = u8::try_from(width.trailing_zeros()).ok()?;
            let network = Ipv6Net::new(first, 128_u8.checked_sub(host_bits)?).ok()?;
            let whole = width.is_power_of_two() || width == 0;
            (whole && network.network() == first).then_some(IpNet::V6(network))
        }
    }
}

/// Where a range begins, or what lies behind it.
struct Bound {
    key: Vec<u8>,
    end: bool,
    comment: String,
    count: Count,
}

impl Bound {
    fn read(element: &[u8]) -> Option<Self> {
        let key = find(find(element, 1)?, 1)?.to_vec();
        let end = find(element, 3).and_then(number).unwrap_or(0) & INTERVAL_END != 0;
        // One expression is told alone, several in a list.
        let expression = find(element, 7).or_else(|| find(find(element, 11)?, 1));
        let count = expression.and_then(|expression| find(expression, 2)).map(counted).unwrap_or_default();
        Some(Self { key, end, comment: find(element, 6).map(comment).unwrap_or_default(), count })
    }
}

fn counted(data: &[u8]) -> Count {
    let wide =
        |kind| find(data, kind).and_then(|value| value.first_chunk()).map(|bytes| u64::from_be_bytes(*bytes));
    Count { bytes: wide(1).unwrap_or(0), packets: wide(2).unwrap_or(0) }
}

fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// User data is kind, length and value; kind 0 is a comment, of elements and of rules.
fn comment(data: &[u8]) -> String {
    match data {
        [0, length, rest @ ..] => rest.get(..usize::from(*length)).map(text).unwrap_or_default(),
        _ => String::new(),
    }
}

fn commented(comment: &str) -> Vec<u8> {
    // Quotable texts are shorter than 128 bytes.
    let length = u8::try_from(comment.len().saturating_add(1)).unwrap_or(u8::MAX);
    let mut data = vec![0, length];
    data.extend(comment.as_bytes());
    data.push(0);
    data
}
