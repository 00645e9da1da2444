//! The peer: shakes hands, carries the stack's packets in UDP, and renews its keys.

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use smoltcp::socket::tcp::State;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::WireguardError;
use crate::noise::{Credentials, Initiation};
use crate::session::Session;
use crate::stack::{CONNECTIONS_MAX, Stack};
use crate::stream::TcpStream;

/// Between two tries of a handshake.
const AGAIN: Duration = Duration::from_millis(250);
/// Of TAI64N: seconds that 1970 has in it, leap seconds as they were then.
const TAI_EPOCH: u64 = (1 << 62) + 10;
/// More than any message has.
const MESSAGE_BYTES_MAX: usize = 2_048;

/// Where a peer is, and whom it speaks to.
#[derive(Clone)]
pub struct Settings {
    /// The other side's UDP port.
    pub endpoint: SocketAddr,
    /// Our address inside of the tunnel.
    pub address: Ipv4Addr,
    /// How old keys may become before there are others; two minutes everywhere.
    pub renew: Duration,
    /// Stamps handshakes.
    pub clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

/// A running peer. It ends, with its connections, when this is dropped.
pub struct Peer {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

pub struct Shared {
    stack: Mutex<Stack>,
    due: Notify,
    /// Whether a handshake is wanted now.
    wanted: watch::Sender<bool>,
    /// Handshakes that were answered.
    shaken: watch::Sender<u64>,
    received: AtomicU64,
}

impl Shared {
    pub fn stack(&self) -> MutexGuard<'_, Stack> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is to be done for the stack.
    pub fn poll_soon(&self) {
        self.due.notify_one();
    }
}

impl Peer {
    /// Nothing is sent before [`Self::shake`].
    ///
    /// # Errors
    /// There is no socket or no randomness.
    pub async fn start(settings: Settings, credentials: Credentials) -> Result<Self, WireguardError> {
        let any: SocketAddr = match settings.endpoint {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        // From now on nothing of anybody else's comes.
        socket.connect(settings.endpoint).await?;
        let shared = Arc::new(Shared {
            stack: Mutex::new(Stack::new(settings.address, random()?)),
            due: Notify::new(),
            wanted: watch::Sender::new(false),
            shaken: watch::Sender::new(0),
            received: AtomicU64::new(0),
        });
        let link = Link {
            settings,
            credentials,
            session: None,
            former: None,
            begun: None,
            stamp: Duration::ZERO,
            shared: Arc::clone(&shared),
        };
        Ok(Self { shared, task: tokio::spawn(link.drive(socket)) })
    }

    /// Shakes hands anew, trying until the other side answers.
    ///
    /// # Errors
    /// It doesn't in time.
    pub async fn shake(&self, patience: Duration) -> Result<(), WireguardError> {
        let mut shaken = self.shared.shaken.subscribe();
        let before = *shaken.borrow_and_update();
        self.shared.wanted.send_replace(true);
        self.shared.poll_soon();
        let done = tokio::time::timeout(patience, shaken.wait_for(|count| *count > before)).await;
        self.shared.wanted.send_replace(false);
        match done {
            Ok(Ok(_)) => Ok(()),
            _ => Err(WireguardError::NoHandshake { patience }),
        }
    }

    /// Messages so far that could only come from the other side.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.shared.received.load(Ordering::SeqCst)
    }

    /// Connects inside of the tunnel.
    ///
    /// # Errors
    /// It isn't taken, not in time, or there are too many.
    pub async fn connect(&self, to: SocketAddrV4, patience: Duration) -> Result<TcpStream, WireguardError> {
        let begun = self.shared.stack().connect(to);
        let handle = match begun {
            None => return Err(WireguardError::Many(CONNECTIONS_MAX)),
            Some(Err(_)) => return Err(WireguardError::Refused),
            Some(Ok(handle)) => handle,
        };
        // Given back whatever comes of it.
        let stream = TcpStream::new(Arc::clone(&self.shared), handle);
        self.shared.poll_soon();
        let taken = poll_fn(|context| {
            let mut stack = self.shared.stack();
            let socket = stack.socket(handle);
            match socket.state() {
                State::SynSent | State::SynReceived => {
                    socket.register_recv_waker(context.waker());
                    socket.register_send_waker(context.waker());
                    Poll::Pending
                }
                State::Closed => Poll::Ready(Err(WireguardError::Refused)),
                _ => Poll::Ready(Ok(())),
            }
        });
        match tokio::time::timeout(patience, taken).await {
            Ok(taken) => taken.map(|()| stream),
            Err(_) => Err(WireguardError::NoConnection { patience }),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
        // Whoever reads is told.
        self.shared.stack().abort();
    }
}

/// What one task alone has.
struct Link {
    settings: Settings,
    credentials: Credentials,
    session: Option<(Session, Instant)>,
    /// What the other side had sent under it may still be on its way.
    former: Option<Session>,
    begun: Option<(Initiation, Instant)>,
    /// Of the newest handshake, since 1970.
    stamp: Duration,
    shared: Arc<Shared>,
}

impl Link {
    async fn drive(mut self, socket: UdpSocket) {
        let mut message = [0; MESSAGE_BYTES_MAX];
        let shared = Arc::clone(&self.shared);
        loop {
            let (leaving, due) = shared.stack().poll(Instant::now());
            for packet in leaving {
                // Before there are keys, and where nobody takes it, it is lost, as on any network.
                if let Some((session, _)) = &mut self.session
                    && let Some(message) = session.seal(&packet)
                {
                    let _ = socket.send(&message).await;
                }
            }
            let again = self.keep_shaking(&socket).await;
            let wait = due.into_iter().chain(again).min();
            let rest = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                came = socket.recv(&mut message) => {
                    // An error is the network's word about something that was sent.
                    if let Ok(length) = came {
                        self.take(message.get(..length).unwrap_or_default(), &socket).await;
                    }
                }
                () = shared.due.notified() => {}
                () = rest => {}
            }
        }
    }

    /// Begins a handshake where one is wanted; how long until the next is due.
    async fn keep_shaking(&mut self, socket: &UdpSocket) -> Option<Duration> {
        let now = Instant::now();
        let renewed = self.session.as_ref().map(|(_, since)| *since + self.settings.renew);
        let wanted = *self.shared.wanted.borrow() || renewed.is_some_and(|due| due <= now);
        if !wanted {
            return renewed.map(|due| due - now);
        }
        let last = self.begun.as_ref().map(|(_, at)| *at + AGAIN).filter(|next| *next > now);
        if let Some(next) = last {
            return Some(next - now);
        }
        match self.begin() {
            Ok((begun, message)) => {
                self.begun = Some((begun, now));
                let _ = socket.send(&message).await;
            }
            Err(error) => tracing::warn!(%error, "a handshake can't begin"),
        }
        Some(AGAIN)
    }

    fn begin(&mut self) -> Result<(Initiation, Vec<u8>), WireguardError> {
        // Later than the one before, even where the clock was set back.
        let now = (self.settings.clock)().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.stamp = now.max(self.stamp + Duration::from_nanos(1));
        let seconds = TAI_EPOCH.saturating_add(self.stamp.as_secs()).to_be_bytes();
        let nanoseconds = self.stamp.subsec_nanos().to_be_bytes();
        let mut stamp = [0; 12];
        stamp.iter_mut().zip(seconds.into_iter().chain(nanoseconds)).for_each(|(to, from)| *to = from);
        Initiation::new(&self.credentials, random()? as u32, &stamp)
    }

    async fn take(&mut self, message: &[u8], socket: &UdpSocket) {
        if let Some((begun, _)) = &self.begun
            && let Some(mut session) = begun.finish(&self.credentials, message)
        {
            // The other side uses the new keys only once it has seen that we have them.
            if let Some(message) = session.seal(&[]) {
                let _ = socket.send(&message).await;
            }
            let former = self.session.replace((session, Instant::now()));
            self.former = former.map(|(former, _)| former);
            self.begun = None;
            self.shared.wanted.send_replace(false);
            self.shared.shaken.send_modify(|count| *count += 1);
            return;
        }
        let newest = self.session.as_mut().map(|(session, _)| session);
        let packet = newest.into_iter().chain(&mut self.former).find_map(|session| session.open(message));
        if let Some(packet) = packet {
            self.shared.received.fetch_add(1, Ordering::SeqCst);
            if !packet.is_empty() {
                self.shared.stack().take(packet);
            }
        }
    }
}

fn random() -> Result<u64, WireguardError> {
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).map_err(|_| WireguardError::Key)?;
    Ok(u64::from_le_bytes(bytes))
}
