//! One connection without blocking: TCP, then TLS if wanted, then bytes.

use std::io::{BufRead as _, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use socket2::{Domain, Socket, Type};

use crate::reply::{Answered, Reply};

pub struct Connection {
    pub socket: Socket,
    tls: Option<Box<ClientConnection>>,
    reply: Reply,
    /// Bytes that the kernel didn't take yet, without TLS.
    unsent: Vec<u8>,
    is_connected: bool,
    pub stage: Stage,
    /// When the request under way was to be sent, in nanoseconds of the engine.
    pub intended_ns: u64,
    pub begun_ns: u64,
}

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// TCP and TLS.
    Opening,
    Idle,
    Answer,
    /// The peer's own end, after ours.
    End,
}

/// What an event has brought.
pub enum Step {
    Nothing,
    /// TCP and TLS stand.
    Open,
    Answered(Answered),
    /// The peer has closed.
    Ended,
}

impl Connection {
    pub fn open(
        target: SocketAddr,
        from: Option<Ipv4Addr>,
        tls: Option<&Arc<ClientConfig>>,
        now_ns: u64,
    ) -> Result<Self> {
        let socket = Socket::new(Domain::for_address(target), Type::STREAM.nonblocking().cloexec(), None)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(from) = from {
            // A port whose last connection is hardly over may be taken again.
            socket.set_reuse_address(true)?;
            socket.bind(&SocketAddrV4::new(from, 0).into()).context("no address to come from")?;
        }
        match socket.connect(&target.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(error).context("can't connect"),
        }
        let tls = match tls {
            Some(config) => {
                let name = ServerName::IpAddress(target.ip().into());
                Some(Box::new(ClientConnection::new(Arc::clone(config), name)?))
            }
            None => None,
        };
        Ok(Self {
            socket,
            tls,
            reply: Reply::default(),
            unsent: Vec::new(),
            is_connected: false,
            stage: Stage::Opening,
            intended_ns: now_ns,
            begun_ns: now_ns,
        })
    }

    /// Whether to wait for room to write, too.
    pub fn wants_write(&self) -> bool {
        !self.is_connected
            || !self.unsent.is_empty()
            || self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// What a connection that may be written to does first.
    pub fn writable(&mut self) -> Result<Step> {
        if !self.is_connected {
            if let Some(error) = self.socket.take_error()? {
                return Err(error).context("can't connect");
            }
            self.is_connected = true;
            if self.tls.is_none() {
                self.stage = Stage::Idle;
                return Ok(Step::Open);
            }
        }
        self.flush()?;
        Ok(Step::Nothing)
    }

    pub fn send(&mut self, request: &[u8]) -> Result<()> {
        self.stage = Stage::Answer;
        match &mut self.tls {
            Some(tls) => tls.writer().write_all(request)?,
            None => self.unsent.extend_from_slice(request),
        }
        self.flush()
    }

    /// Ends our half; the peer's end is waited for.
    pub fn finish(&mut self) -> Result<()> {
        self.stage = Stage::End;
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        self.flush()?;
        // It may have been faster.
        let _ = self.socket.shutdown(Shutdown::Write);
        Ok(())
    }

    /// Reads what is there, once: the wait is level-triggered.
    pub fn readable(&mut self, scratch: &mut [u8]) -> Result<Step> {
        let count = match (&self.socket).read(scratch) {
            Ok(0) => return Ok(Step::Ended),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Step::Nothing),
            Err(error) if self.stage == Stage::End && error.kind() == ErrorKind::ConnectionReset => {
                return Ok(Step::Ended);
            }
            Err(error) => return Err(error).context("the connection broke"),
        };
        if self.stage == Stage::End {
            return Ok(Step::Nothing);
        }
        let bytes = &scratch[..count];
        if self.tls.is_some() { self.decrypt(bytes) } else { self.feed_plain(bytes) }
    }

    fn feed_plain(&mut self, bytes: &[u8]) -> Result<Step> {
        match self.reply.feed(bytes)? {
            Some(answered) => Ok(self.answered(answered)),
            None => Ok(Step::Nothing),
        }
    }

    fn decrypt(&mut self, mut bytes: &[u8]) -> Result<Step> {
        let Some(tls) = &mut self.tls else { bail!("no TLS here") };
        let mut step = Step::Nothing;
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes)?;
            tls.process_new_packets().context("TLS")?;
            let mut reader = tls.reader();
            loop {
                let count = match reader.fill_buf() {
                    Ok([]) => return Ok(Step::Ended),
                    Ok(plain) => {
                        if let Some(answered) = self.reply.feed(plain)? {
                            step = Step::Answered(answered);
                        }
                        plain.len()
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                };
                reader.consume(count);
            }
        }
        if self.stage == Stage::Opening && !tls.is_handshaking() {
            self.stage = Stage::Idle;
            step = Step::Open;
        }
        self.flush()?;
        if let Step::Answered(answered) = step {
            return Ok(self.answered(answered));
        }
        Ok(step)
    }

    fn answered(&mut self, answered: Answered) -> Step {
        self.stage = Stage::Idle;
        Step::Answered(answered)
    }

    fn flush(&mut self) -> Result<()> {
        let result = match &mut self.tls {
            Some(tls) => {
                let mut result = Ok(0);
                while tls.wants_write() && result.is_ok() {
                    result = tls.write_tls(&mut &self.socket);
                }
                result
            }
            None if self.unsent.is_empty() => Ok(0),
            None => (&self.socket).write(&self.unsent).inspect(|count| {
                self.unsent.drain(..*count);
            }),
        };
        match result {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            // The end is seen by reading.
            Err(_) if self.stage == Stage::End => Ok(()),
            Err(error) => Err(error).context("can't write"),
        }
    }
}
