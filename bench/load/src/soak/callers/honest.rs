//! Clients that are in the right: whatever they don't get is an error.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use h2::client::SendRequest;
use portcullis_bench_load::client;
use portcullis_bench_load::exchange::Exchange;
use portcullis_bench_load::http2::{self, Ask};
use portcullis_bench_load::keys::Key;
use portcullis_bench_load::oauth::Issuer;
use portcullis_bench_load::portcullis::{Machine, Portcullis};
use portcullis_bench_load::proofs::Prover;
use portcullis_bench_load::tls::{self, Group};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::Done;

const SMALL: &str = "/json";
const LARGE: &str = "/large";
const PATIENCE: Duration = Duration::from_secs(20);
/// Of so many requests, one is for the large body.
const LARGE_EVERY: usize = 100;

/// A client's machine, with its newest token.
pub struct Caller {
    issuer: Issuer,
    name: String,
    config: Arc<ClientConfig>,
    config_http2: Arc<ClientConfig>,
    key: Option<Key>,
    token: Option<(String, Instant)>,
    token_age_max: Duration,
    nonce: Option<String>,
    prover: Option<(&'static str, RefCell<Prover>)>,
}

impl Caller {
    pub fn new(portcullis: &Portcullis, machine: &Machine, token_age_max: Duration) -> Result<Self> {
        let group = if machine.key.is_some() { Group::X25519mlkem768 } else { Group::X25519 };
        let config = |protocol| tls::client_config(group, machine.identity.as_ref(), protocol);
        Ok(Self {
            issuer: portcullis.issuer.clone(),
            name: machine.name.clone(),
            config: config("http/1.1")?,
            config_http2: config("h2")?,
            key: machine.key.as_ref().map(Key::again).transpose()?,
            token: None,
            token_age_max,
            nonce: None,
            prover: None,
        })
    }

    /// A token, and the nonce that came with it if there are proofs.
    pub fn new_token(&self) -> Result<(String, Option<String>)> {
        match &self.key {
            Some(key) => {
                let (token, nonce) = self.issuer.token_by_key(&self.name, key, &self.config)?;
                Ok((token, Some(nonce).filter(|nonce| !nonce.is_empty())))
            }
            None => Ok((self.issuer.token_by_certificate(&self.name, &self.config)?, None)),
        }
    }

    /// One request on a connection of its own.
    pub fn ask_anew(&mut self) -> Result<Done> {
        let mut exchange = Exchange::open(self.issuer.address, &self.config)?;
        self.ask_on(&mut exchange, SMALL).map(|_| Done::Well)
    }

    /// Asks, once more if a fresher nonce is wanted; whether the connection goes on.
    fn ask_on(&mut self, exchange: &mut Exchange, path: &'static str) -> Result<bool> {
        for _ in 0..2 {
            let authorization = self.authorization()?;
            let mut request = client::head(self.issuer.host(), path, Some(&authorization));
            if let Some(proof) = self.proof(path)? {
                request.extend_from_slice(format!("dpop: {proof}\r\n").as_bytes());
            }
            request.extend_from_slice(b"\r\n");
            let answer = exchange.ask(&request).context(path)?;
            let nonce = answer.field("dpop-nonce").map(str::to_owned);
            let is_about_nonce = answer.status == 401 && nonce.is_some();
            if let Some(nonce) = nonce {
                self.take_nonce(nonce);
            }
            if answer.status == 200 {
                return Ok(!answer.is_last());
            }
            if !is_about_nonce || answer.is_last() {
                bail!("{} {}", answer.status, answer.text());
            }
        }
        bail!("one nonce after the other is refused")
    }

    fn authorization(&mut self) -> Result<String> {
        let is_fresh = self.token.as_ref().is_some_and(|(_, since)| since.elapsed() < self.token_age_max);
        if !is_fresh {
            let (token, nonce) = self.new_token().context("token")?;
            self.token = Some((token, Instant::now()));
            self.nonce = nonce.or(self.nonce.take());
            self.prover = None;
        }
        let scheme = if self.key.is_some() { "DPoP" } else { "Bearer" };
        Ok(format!("{scheme} {}", self.token.as_ref().context("there is a token")?.0))
    }

    fn take_nonce(&mut self, nonce: String) {
        if let Some((_, prover)) = &self.prover {
            prover.borrow_mut().take_nonce(nonce.clone());
        }
        self.nonce = Some(nonce);
    }

    fn proof(&mut self, path: &'static str) -> Result<Option<String>> {
        self.prover_for(path)?.map(|prover| prover.borrow_mut().sign()).transpose()
    }

    fn prover_for(&mut self, path: &'static str) -> Result<Option<&RefCell<Prover>>> {
        let Some(key) = &self.key else { return Ok(None) };
        if self.prover.as_ref().is_none_or(|(known, _)| *known != path) {
            let url = format!("{}{path}", self.issuer.url);
            let token = self.token.as_ref().map(|(token, _)| token.as_str());
            let mut prover = Prover::new(key.again()?, "GET", url, token);
            if let Some(nonce) = &self.nonce {
                prover.take_nonce(nonce.clone());
            }
            self.prover = Some((path, RefCell::new(prover)));
        }
        Ok(self.prover.as_ref().map(|(_, prover)| prover))
    }
}

/// A caller on one connection, as long as the gate lets it.
pub struct Kept {
    caller: Caller,
    exchange: Option<Exchange>,
    turns: usize,
    asks_for_large: bool,
}

impl Kept {
    pub fn new(caller: Caller, asks_for_large: bool) -> Self {
        Self { caller, exchange: None, turns: 0, asks_for_large }
    }

    pub fn ask(&mut self) -> Result<Done> {
        let is_anew = self.exchange.is_none() && self.turns > 0;
        let mut exchange = match self.exchange.take() {
            Some(exchange) => exchange,
            None => Exchange::open(self.caller.issuer.address, &self.caller.config)?,
        };
        self.turns += 1;
        let is_large = self.asks_for_large && self.turns.is_multiple_of(LARGE_EVERY);
        if self.caller.ask_on(&mut exchange, if is_large { LARGE } else { SMALL })? {
            self.exchange = Some(exchange);
        }
        Ok(if is_anew { Done::Reopened } else { Done::Well })
    }
}

/// Gets tokens by assertions on one connection, and uses none of them.
pub struct Filler {
    caller: Caller,
    exchange: Option<Exchange>,
}

impl Filler {
    pub fn new(caller: Caller) -> Self {
        Self { caller, exchange: None }
    }

    pub fn ask(&mut self) -> Result<Done> {
        let mut exchange = match self.exchange.take() {
            Some(exchange) => exchange,
            None => Exchange::open(self.caller.issuer.address, &self.caller.config)?,
        };
        let nonce = self.caller.nonce.take();
        let key = self.caller.key.as_ref().context("it has a key")?;
        let (_, nonce) = self.caller.issuer.token_on(&mut exchange, &self.caller.name, key, nonce)?;
        self.caller.nonce = Some(nonce).filter(|nonce| !nonce.is_empty());
        self.exchange = Some(exchange);
        Ok(Done::Well)
    }
}

/// A caller on one HTTP/2 connection, two requests at a time.
pub struct Streams {
    caller: Caller,
    send: Option<SendRequest<Bytes>>,
    runtime: Runtime,
    turns: usize,
}

impl Streams {
    pub fn new(caller: Caller) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { caller, send: None, runtime, turns: 0 })
    }

    pub fn ask_twice(&mut self) -> Result<Done> {
        let before = self.send.take();
        let had_one = self.turns > 0;
        self.turns += 1;
        // Whether the gate has ended the connection in order shows before anything is sent.
        let ready = before.and_then(|send| self.runtime.block_on(send.ready()).ok());
        let (send, done) = match ready {
            Some(send) => (send, Done::Twice),
            None => (self.open()?, if had_one { Done::Reopened } else { Done::Twice }),
        };
        let ask = Ask {
            authority: self.caller.issuer.host().to_owned(),
            path: SMALL.to_owned(),
            authorization: Some(self.caller.authorization()?),
        };
        for is_last_try in [false, true] {
            let prover = self.caller.prover_for(SMALL)?;
            let both = async {
                let (one, two) =
                    (http2::once(send.clone(), &ask, prover), http2::once(send.clone(), &ask, prover));
                tokio::time::timeout(PATIENCE, both_of(one, two)).await
            };
            let (one, two) = self.runtime.block_on(both).context("no answer in time")?;
            match (one?.0, two?.0) {
                (200, 200) => break,
                // A fresher nonce came with that.
                (401, _) | (_, 401) if !is_last_try && self.caller.key.is_some() => {}
                statuses => bail!("{statuses:?}"),
            }
        }
        self.send = Some(send);
        Ok(done)
    }

    fn open(&self) -> Result<SendRequest<Bytes>> {
        let (target, config) = (self.caller.issuer.address, Arc::clone(&self.caller.config_http2));
        let (send, driving) = self.runtime.block_on(async {
            let tcp = TcpStream::connect(target).await?;
            tcp.set_nodelay(true)?;
            http2::open(tcp, target, config).await
        })?;
        self.runtime.spawn(driving);
        Ok(send)
    }
}

/// Waits for two at the same time.
async fn both_of<T>(one: impl Future<Output = T>, two: impl Future<Output = T>) -> (T, T) {
    let (mut one, mut two) = (pin!(one), pin!(two));
    let (mut first, mut second) = (None, None);
    std::future::poll_fn(|context| {
        if first.is_none() {
            first = ready(one.as_mut().poll(context));
        }
        if second.is_none() {
            second = ready(two.as_mut().poll(context));
        }
        match (first.take(), second.take()) {
            (Some(one), Some(two)) => Poll::Ready((one, two)),
            some => {
                (first, second) = some;
                Poll::Pending
            }
        }
    })
    .await
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
