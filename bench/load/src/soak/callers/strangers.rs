//! Strangers, who must be refused, and must leave nothing behind.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use portcullis_bench_load::client;
use portcullis_bench_load::exchange::Exchange;
use portcullis_bench_load::keys::unique;
use portcullis_bench_load::oauth::Issuer;
use portcullis_bench_load::tls::{self, Group, Identity};
use rustls::ClientConfig;
use socket2::{Domain, Socket, Type};

use super::Done;

const PATIENCE: Duration = Duration::from_secs(20);
const NETWORKS: usize = 1 << 14;

pub struct Stranger {
    issuer: Issuer,
    config: Arc<ClientConfig>,
    with_certificate: Arc<ClientConfig>,
}

impl Stranger {
    pub fn new(issuer: &Issuer) -> Result<Self> {
        let identity = Identity::generate("stranger")?;
        Ok(Self {
            issuer: issuer.clone(),
            config: tls::client_config(Group::X25519, None, "http/1.1")?,
            with_certificate: tls::client_config(Group::X25519, Some(&identity), "http/1.1")?,
        })
    }

    /// Something else each time; an error if it isn't refused.
    pub fn try_it(&self, turn: usize) -> Result<Done> {
        match turn % 7 {
            0 => self.ask(&self.config, None),
            1 => self.ask(&self.config, Some(&format!("DPoP {}", unique()))),
            2 => self.ask(&self.with_certificate, Some(&format!("Bearer {0}.{0}.{0}", unique()))),
            3 => self.ask_for_a_token(),
            4 => self.send(turn, b"GET / HTTP/1.1\r\nhost: gate\r\n\r\n"),
            // The beginning of a ClientHello, and then rubbish.
            5 => self.send(turn, &[&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3][..], &[0xff; 900]].concat()),
            _ => self.send(turn, b""),
        }
    }

    fn ask(&self, config: &Arc<ClientConfig>, authorization: Option<&str>) -> Result<Done> {
        let mut request = client::head(self.issuer.host(), "/json", authorization);
        request.extend_from_slice(b"\r\n");
        let answer = Exchange::open(self.issuer.address, config)?.ask(&request)?;
        ensure!(matches!(answer.status, 400 | 401 | 403), "{} {}", answer.status, answer.text());
        Ok(Done::Well)
    }

    fn ask_for_a_token(&self) -> Result<Done> {
        let body = format!("grant_type=client_credentials&client_id={}", unique());
        let request = format!("{}content-length: {}\r\n\r\n{body}", self.issuer.token_head(), body.len());
        let answer = Exchange::open(self.issuer.address, &self.with_certificate)?.ask(request.as_bytes())?;
        ensure!(matches!(answer.status, 400 | 401 | 403), "{} {}", answer.status, answer.text());
        Ok(Done::Well)
    }

    /// Sends bytes that are no handshake, from one of many networks, and waits for the end.
    fn send(&self, turn: usize, bytes: &[u8]) -> Result<Done> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let network = turn % NETWORKS;
        let from = Ipv4Addr::new(127, 64 + (network >> 8) as u8, network as u8, 1);
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        socket.connect(&self.issuer.address.into()).context("a stranger can't even connect")?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let _ = (&socket).write_all(bytes);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let mut answer = [0; 256];
        loop {
            match (&socket).read(&mut answer) {
                Ok(0) => return Ok(Done::Well),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(Done::Well),
                Err(error) => return Err(error).context("a stranger's connection isn't ended"),
            }
        }
    }
}
