//! Plain TCP between two hosts, both ways at once: past the gate, or through a tunnel.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{MissedTickBehavior, interval};

use crate::host::Host;
use crate::meter::{Meter, Metered};
use crate::traffic::{End, Kind, Stream};

const PACE: Duration = Duration::from_millis(4);
const PIECE: [u8; 512] = [b'x'; 512];

/// A connection from an address of `vendor` to one of `ours`, busy in both directions.
#[must_use]
pub fn between(ours: &Host, vendor: &Host, kind: Kind, from: Ipv4Addr, to: Ipv4Addr) -> [Stream; 2] {
    let streams = [Stream::new(kind, End::Vendor), Stream::new(kind, End::Ours)];
    let [theirs, our] = streams.each_ref().map(|stream| Arc::clone(&stream.meter));
    let address = ours.wait_for(async move {
        let listener = TcpListener::bind((to, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            if let Ok((tcp, _)) = listener.accept().await {
                exchange(tcp, &our).await;
            }
        });
        address
    });
    vendor.tasks().spawn(async move {
        match connect(from, address).await {
            Ok(tcp) => exchange(tcp, &theirs).await,
            Err(error) => theirs.ended(&error.to_string()),
        }
    });
    streams
}

/// # Errors
/// When there is no way, or nobody.
pub async fn connect(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

/// Sends and reads until the connection breaks.
async fn exchange(tcp: TcpStream, meter: &Arc<Meter>) {
    let _ = tcp.set_nodelay(true);
    let (mut reader, mut writer) = tokio::io::split(Metered::new(tcp, meter));
    let sending = async {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            pace.tick().await;
            if writer.write_all(&PIECE).await.is_err() {
                return;
            }
        }
    };
    let reading = async {
        let mut buffer = vec![0; 16 * 1_024];
        while reader.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    };
    tokio::join!(sending, reading);
}
