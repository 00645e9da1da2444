//! One request at a time, waiting for each answer: for tokens and for trying things.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// A connection to ask on.
pub struct Exchange {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// With names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

const PATIENCE: Duration = Duration::from_secs(20);

impl Exchange {
    pub fn open(target: SocketAddr, config: &Arc<ClientConfig>) -> Result<Self> {
        let tcp = TcpStream::connect(target).with_context(|| format!("can't reach `{target}`"))?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::IpAddress(target.ip().into());
        let tls = ClientConnection::new(Arc::clone(config), name)?;
        Ok(Self { stream: StreamOwned::new(tls, tcp) })
    }

    /// Sends `request` as it is, and reads the answer, whose length must be said.
    pub fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request)?;
        self.stream.flush()?;
        let mut bytes = Vec::new();
        let mut buffer = [0; 16 * 1024];
        let end = loop {
            if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
                break end;
            }
            self.more(&mut bytes, &mut buffer)?;
        };
        let head = String::from_utf8(bytes[..end].to_vec())?;
        let mut body = bytes.split_off(end + 4);
        let mut lines = head.split("\r\n");
        let status =
            lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).context("no status")?;
        let fields: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let answer = Answer { status, fields, body: Vec::new() };
        let length = answer.field("content-length").and_then(|length| length.parse::<usize>().ok());
        match length {
            Some(length) => {
                while body.len() < length {
                    self.more(&mut body, &mut buffer)?;
                }
            }
            None => {
                while !body.ends_with(b"0\r\n\r\n") {
                    self.more(&mut body, &mut buffer)?;
                }
            }
        }
        Ok(Answer { body, ..answer })
    }

    /// What the two have agreed on.
    pub fn cipher(&self) -> String {
        let tls = &self.stream.conn;
        let suite = tls.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
        let group = tls.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name()));
        format!("{} {}", suite.unwrap_or_default(), group.unwrap_or_default())
    }

    fn more(&mut self, into: &mut Vec<u8>, buffer: &mut [u8]) -> Result<()> {
        match self.stream.read(buffer)? {
            0 => bail!("the answer broke off"),
            count => into.extend_from_slice(&buffer[..count]),
        }
        Ok(())
    }
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the server asks nothing more of this connection.
    pub fn is_last(&self) -> bool {
        self.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
