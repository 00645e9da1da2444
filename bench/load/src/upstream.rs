//! The server behind every proxy: kept connections, 1 KiB of JSON or 1 MB of it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustls::{ServerConfig, ServerConnection};
use socket2::Socket;

/// Paths that begin so get the large body.
pub const LARGE: &str = "/large";
const SMALL_RECORDS: usize = 8;
const LARGE_BYTES: usize = 1_000_000;
const SCRATCH_BYTES: usize = 64 * 1024;
const CONNECTIONS_MAX: usize = 16_384;
const LISTENER: u64 = u64::MAX;

/// Serves until the process ends.
pub fn serve(listen: SocketAddr, tls: Option<Arc<ServerConfig>>) -> Result<()> {
    let listener = TcpListener::bind(listen).with_context(|| format!("`{listen}` can't be listened on"))?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?);
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut server = Server {
        listener,
        epoll,
        tls,
        peers: Vec::new(),
        free: Vec::new(),
        small: response(body(SMALL_RECORDS)),
        large: response(body(LARGE_BYTES / RECORD_BYTES)),
        scratch: vec![0; SCRATCH_BYTES],
    };
    loop {
        server.turn()?;
    }
}

struct Server {
    listener: TcpListener,
    epoll: OwnedFd,
    tls: Option<Arc<ServerConfig>>,
    peers: Vec<Option<Peer>>,
    free: Vec<usize>,
    small: Arc<[u8]>,
    large: Arc<[u8]>,
    scratch: Vec<u8>,
}

struct Peer {
    socket: Socket,
    tls: Option<Box<ServerConnection>>,
    /// The beginning of a request, when it comes in pieces.
    head: Vec<u8>,
    /// An answer that the kernel didn't take whole, and how far it is.
    answer: Option<(Arc<[u8]>, usize)>,
    waits_for_room: bool,
}

const RECORD_BYTES: usize = 126;

/// An array of records, each of [`RECORD_BYTES`] with its comma.
fn body(records: usize) -> Vec<u8> {
    let mut body = String::from(r#"{"parcels":["#);
    for number in 0..records {
        if number > 0 {
            body.push(',');
        }
        let open = format!(
            r#"{{"id":"P{number:08}","state":"delivered","weight_grams":1250,"to":{{"city":"Hamburg","zip":"20095"}},"note":""#
        );
        body.push_str(&open);
        body.extend(std::iter::repeat_n('x', RECORD_BYTES - 3 - open.len()));
        body.push_str("\"}");
    }
    body.push_str("]}");
    body.into_bytes()
}

fn response(body: Vec<u8>) -> Arc<[u8]> {
    let mut response = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    response.extend_from_slice(&body);
    response.into()
}

impl Server {
    fn turn(&mut self) -> Result<()> {
        let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 128];
        let count = match epoll::wait(&self.epoll, &mut events[..], None) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for event in &events[..count] {
            let data = event.data;
            if data.u64() == LISTENER {
                self.accept()?;
                continue;
            }
            let place = data.u64() as usize;
            if self.peer_is_done(place) {
                self.peers[place] = None;
                self.free.push(place);
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("no connection can be taken"),
            };
            let place = self.free.pop().unwrap_or_else(|| {
                self.peers.push(None);
                self.peers.len() - 1
            });
            if place >= CONNECTIONS_MAX {
                self.free.push(place);
                return Ok(());
            }
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            let tls = match &self.tls {
                Some(config) => Some(Box::new(ServerConnection::new(Arc::clone(config))?)),
                None => None,
            };
            epoll::add(&self.epoll, &socket, EventData::new_u64(place as u64), EventFlags::IN)?;
            let socket = socket.into();
            self.peers[place] =
                Some(Peer { socket, tls, head: Vec::new(), answer: None, waits_for_room: false });
        }
    }

    /// Does what can be done for a peer; whether it is over.
    fn peer_is_done(&mut self, place: usize) -> bool {
        let Some(peer) = &mut self.peers[place] else { return false };
        let done = peer.turn(&mut self.scratch, &self.small, &self.large).is_err();
        let wants_room = peer.answer.is_some() || peer.tls.as_ref().is_some_and(|tls| tls.wants_write());
        if !done && wants_room != peer.waits_for_room {
            peer.waits_for_room = wants_room;
            let flags = if wants_room { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            let data = EventData::new_u64(place as u64);
            return epoll::modify(&self.epoll, &peer.socket, data, flags).is_err();
        }
        done
    }
}

impl Peer {
    /// An error: the connection is over.
    fn turn(&mut self, scratch: &mut [u8], small: &Arc<[u8]>, large: &Arc<[u8]>) -> Result<()> {
        if self.waits_for_room {
            return self.write();
        }
        let count = match (&self.socket).read(scratch) {
            Ok(0) => anyhow::bail!("closed"),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match &mut self.tls {
            Some(tls) => {
                let mut bytes = &scratch[..count];
                while !bytes.is_empty() {
                    tls.read_tls(&mut bytes)?;
                    tls.process_new_packets()?;
                    let mut plain = [0; 4096];
                    while let Ok(count) = tls.reader().read(&mut plain) {
                        if count == 0 {
                            anyhow::bail!("closed");
                        }
                        self.head.extend_from_slice(&plain[..count]);
                    }
                }
            }
            None => self.head.extend_from_slice(&scratch[..count]),
        }
        if self.head.ends_with(b"\r\n\r\n") {
            let is_large = self.head.get(4..).is_some_and(|rest| rest.starts_with(LARGE.as_bytes()));
            self.head.clear();
            self.answer = Some((Arc::clone(if is_large { large } else { small }), 0));
        }
        self.write()
    }

    fn write(&mut self) -> Result<()> {
        let written = match &mut self.tls {
            Some(tls) => {
                loop {
                    // The TLS layer takes 64 KiB at a time.
                    if let Some((answer, from)) = &mut self.answer {
                        *from += tls.writer().write(&answer[*from..])?;
                        if *from == answer.len() {
                            self.answer = None;
                        }
                    }
                    if !tls.wants_write() {
                        break Ok(());
                    }
                    if let Err(error) = tls.write_tls(&mut &self.socket) {
                        break Err(error);
                    }
                }
            }
            None => loop {
                let Some((answer, from)) = &mut self.answer else { break Ok(()) };
                match (&self.socket).write(&answer[*from..]) {
                    Ok(count) => *from += count,
                    Err(error) => break Err(error),
                }
                if *from == answer.len() {
                    self.answer = None;
                }
            },
        };
        match written {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error.into()),
            _ => Ok(()),
        }
    }
}
