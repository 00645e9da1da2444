//! The load of HTTP/2: connections with so many streams each, closed loop.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use h2::client::SendRequest;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;

use crate::client::Client;
use crate::engine::{Plan, watch};
use crate::proofs::Prover;
use crate::report::{Report, Tally};

const WINDOW_BYTES: u32 = 8 << 20;

/// What is asked for, as HTTP/2 has it.
#[derive(Clone)]
pub struct Ask {
    pub authority: String,
    pub path: String,
    pub authorization: Option<String>,
}

/// Runs `plan` with `streams` on each connection; `asks` and `clients` belong together.
pub fn run(plan: &Plan, clients: &mut [Client], asks: &[Ask], streams: usize) -> Result<Report> {
    let epoch = Instant::now();
    let watching = std::thread::spawn({
        let plan = plan.clone();
        move || watch(&plan, epoch)
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tally = LocalSet::new().block_on(&runtime, load(plan, clients, asks, streams, epoch))?;
    let (window, watched, own) = watching.join().map_err(|_| anyhow::anyhow!("the watch failed"))??;
    Ok(Report::new(&tally, window, watched, own))
}

struct Shared {
    tally: RefCell<Tally>,
    epoch: Instant,
    warm_up: Duration,
    end: Duration,
    is_over: Cell<bool>,
}

async fn load(
    plan: &Plan,
    clients: &mut [Client],
    asks: &[Ask],
    streams: usize,
    epoch: Instant,
) -> Result<Tally> {
    let end = plan.warm_up + plan.window;
    let shared = Rc::new(Shared {
        tally: RefCell::default(),
        epoch,
        warm_up: plan.warm_up,
        end,
        is_over: Cell::new(false),
    });
    let provers: Vec<Option<Rc<RefCell<Prover>>>> = clients.iter_mut().map(take_prover).collect();
    let mut tasks = Vec::new();
    for place in 0..plan.connections {
        let client = place % clients.len();
        let send = connect(plan, place, &clients[client]).await?;
        for _ in 0..streams {
            let (send, ask, prover) = (send.clone(), asks[client].clone(), provers[client].clone());
            tasks.push(tokio::task::spawn_local(stream(Rc::clone(&shared), send, ask, prover)));
        }
    }
    tokio::time::sleep(end.saturating_sub(epoch.elapsed())).await;
    shared.is_over.set(true);
    for task in tasks {
        task.abort();
    }
    Ok(shared.tally.take())
}

fn take_prover(client: &mut Client) -> Option<Rc<RefCell<Prover>>> {
    use crate::client::Requests;
    match std::mem::replace(&mut client.requests, Requests::Same(Vec::new())) {
        Requests::Proved { prover, .. } => Some(Rc::new(RefCell::new(*prover))),
        _ => None,
    }
}

async fn connect(plan: &Plan, place: usize, client: &Client) -> Result<SendRequest<Bytes>> {
    let socket = TcpSocket::new_v4()?;
    if plan.networks > 0 {
        let network = place % plan.networks;
        socket.bind(std::net::SocketAddr::from(([127, 64, network as u8, 1], 0)))?;
    }
    let tcp = socket.connect(plan.target).await?;
    tcp.set_nodelay(true)?;
    let config = client.tls.clone().context("HTTP/2 goes over TLS here")?;
    let (send, driving) = open(tcp, plan.target, config).await?;
    tokio::task::spawn_local(driving);
    Ok(send)
}

/// A connection to `target` over `tcp`, and what drives it.
pub async fn open(
    tcp: TcpStream,
    target: SocketAddr,
    config: Arc<ClientConfig>,
) -> Result<(SendRequest<Bytes>, impl Future<Output = ()> + Send + 'static)> {
    let name = ServerName::IpAddress(target.ip().into());
    let tls = TlsConnector::from(config).connect(name, tcp).await?;
    let (send, connection) = h2::client::Builder::new()
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .handshake(tls)
        .await?;
    let driving = async move {
        let _ = connection.await;
    };
    Ok((send, driving))
}

async fn stream(shared: Rc<Shared>, send: SendRequest<Bytes>, ask: Ask, prover: Option<Rc<RefCell<Prover>>>) {
    while !shared.is_over.get() {
        let begun = shared.epoch.elapsed();
        match once(send.clone(), &ask, prover.as_deref()).await {
            Ok((status, bytes)) => shared.count(begun, status, bytes),
            Err(error) => {
                shared.tally.borrow_mut().fault(&error);
                return;
            }
        }
    }
}

impl Shared {
    fn count(&self, begun: Duration, status: u16, bytes: u64) {
        let now = self.epoch.elapsed();
        let mut tally = self.tally.borrow_mut();
        if !(200..300).contains(&status) {
            *tally.refused.entry(status).or_default() += 1;
        }
        if now >= self.warm_up && now < self.end {
            tally.answers += 1;
            tally.bytes += bytes;
            tally.record((now - begun).as_nanos() as u64);
        }
    }
}

/// One request: the answer's status and the length of its body.
pub async fn once(
    send: SendRequest<Bytes>,
    ask: &Ask,
    prover: Option<&RefCell<Prover>>,
) -> Result<(u16, u64)> {
    let mut send = send.ready().await?;
    let mut request =
        http::Request::get(format!("https://{}{}", ask.authority, ask.path)).version(http::Version::HTTP_2);
    if let Some(authorization) = &ask.authorization {
        request = request.header("authorization", authorization);
    }
    if let Some(prover) = prover {
        request = request.header("dpop", prover.borrow_mut().next()?);
    }
    let (response, _) = send.send_request(request.body(())?, true)?;
    let response = response.await?;
    if let (Some(prover), Some(nonce)) = (prover, response.headers().get("dpop-nonce")) {
        prover.borrow_mut().take_nonce(nonce.to_str()?.to_owned());
    }
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut bytes = 0;
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        bytes += chunk.len() as u64;
        body.flow_control().release_capacity(chunk.len())?;
    }
    Ok((status, bytes))
}
