//! One measurement of one of those that are compared.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::client::{self, Client, Requests};
use crate::engine::{self, Plan, Shape};
use crate::http2::{self, Ask};
use crate::keys::Algorithm;
use crate::others::{Haproxy, Nginx};
use crate::portcullis::{Binding, Portcullis, Want};
use crate::process::{self, Memory};
use crate::report::Report;
use crate::stand::{Cores, Folder, Running, Upstream, keep_awake, write_server_certificate};
use crate::tls::{self, Group};

/// All that are compared, running.
pub struct Stand {
    pub portcullis: Portcullis,
    pub haproxy: Haproxy,
    pub nginx: Nginx,
    direct: Upstream,
    _awake: Vec<Running>,
    _upstream: Upstream,
    /// How fast each was the last time: so many proofs are signed ahead.
    rates: RefCell<HashMap<String, f64>>,
    /// Of the gate, before it had anything to do.
    pub memory_at_start: Memory,
    // Last: it goes when all the others have ended.
    _folder: Folder,
}

/// Whom the requests go to, and with what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// A TLS server without a proxy.
    Direct,
    Gate(Binding),
    Haproxy,
    HaproxyJwt,
    /// HAProxy, asking for a certificate and getting one.
    HaproxyAsking,
    Nginx,
}

pub const BY_CERTIFICATE: Subject = Subject::Gate(Binding::Certificate);
pub const BY_EDDSA: Subject = Subject::Gate(Binding::Dpop(Algorithm::Eddsa));
pub const BY_ES256: Subject = Subject::Gate(Binding::Dpop(Algorithm::Es256));

/// What is done.
#[derive(Clone, Debug)]
pub struct Job {
    pub label: String,
    pub subject: Subject,
    pub path: &'static str,
    pub shape: Shape,
    pub group: Group,
    pub connections: usize,
    /// HTTP/2 with so many streams on each connection.
    pub streams: Option<usize>,
    /// As in [`Plan`].
    pub networks: usize,
}

impl Job {
    /// 1 KiB over 64 kept connections, closed loop.
    pub fn new(label: &str, subject: Subject) -> Self {
        Self {
            label: label.to_owned(),
            subject,
            path: "/json",
            shape: Shape::Closed,
            group: Group::X25519,
            connections: 64,
            streams: None,
            networks: NETWORKS,
        }
    }
}

/// How long, how often.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub rounds: usize,
    pub window: Duration,
    pub warm_up: Duration,
}

const NETWORKS: usize = 64;
/// Requests a second that no one is expected to reach, until it is known better.
const RATE_GUESS: f64 = 30_000.0;

impl Stand {
    pub fn start(binary: &Path, cores: Cores, keeps_awake: bool) -> Result<Self> {
        let folder = Folder::new()?;
        write_server_certificate(&folder)?;
        let upstream = Upstream::start(&folder, cores.load, false)?;
        let direct = Upstream::start(&folder, cores.proxy, true)?;
        let url = format!("http://{}", upstream.address);
        let portcullis = Portcullis::start(&folder, binary, cores, &url).context("portcullis")?;
        let certificates = portcullis.client_certificates();
        let haproxy =
            Haproxy::start(&folder, cores.proxy, upstream.address, &certificates).context("haproxy")?;
        let nginx = Nginx::start(&folder, cores.proxy, upstream.address).context("nginx")?;
        let rates = RefCell::default();
        let both = [cores.proxy, cores.load];
        let awake = if keeps_awake {
            both.iter().map(|core| keep_awake(&folder, *core)).collect::<Result<_>>()?
        } else {
            Vec::new()
        };
        let memory_at_start = process::memory(portcullis.running.pid())?;
        Ok(Self {
            portcullis,
            haproxy,
            nginx,
            direct,
            _awake: awake,
            _upstream: upstream,
            rates,
            memory_at_start,
            _folder: folder,
        })
    }

    pub fn target(&self, subject: Subject) -> (SocketAddr, u32) {
        match subject {
            Subject::Direct => (self.direct.address, self.direct.running.pid()),
            Subject::Gate(_) => (self.portcullis.issuer.address, self.portcullis.running.pid()),
            Subject::Haproxy => (self.haproxy.plain, self.haproxy.running.pid()),
            Subject::HaproxyJwt => (self.haproxy.jwt, self.haproxy.running.pid()),
            Subject::HaproxyAsking => (self.haproxy.asking, self.haproxy.running.pid()),
            Subject::Nginx => (self.nginx.address, self.nginx.running.pid()),
        }
    }

    pub fn plan(&self, job: &Job, effort: Effort) -> Plan {
        let (target, pid) = self.target(job.subject);
        Plan {
            target,
            connections: job.connections,
            warm_up: effort.warm_up,
            window: effort.window,
            shape: job.shape,
            networks: job.networks,
            watched: Some(pid),
        }
    }

    /// Does `job` once.
    pub fn run(&self, job: &Job, effort: Effort) -> Result<Report> {
        let plan = self.plan(job, effort);
        let ahead = self.proofs_ahead(job, effort);
        let (mut clients, asks) = self.clients(job, ahead)?;
        let report = match job.streams {
            Some(streams) => http2::run(&plan, &mut clients, &asks, streams),
            None => engine::run(&plan, vec![&mut clients]),
        };
        let report = report.with_context(|| job.label.clone())?;
        self.rates.borrow_mut().insert(job.label.clone(), report.per_second);
        Ok(report)
    }

    pub fn clients(&self, job: &Job, ahead: usize) -> Result<(Vec<Client>, Vec<Ask>)> {
        let protocol = if job.streams.is_some() { "h2" } else { "http/1.1" };
        if let Subject::Gate(binding) = job.subject {
            let want = Want { binding, path: job.path, group: job.group, protocol, ahead };
            return self.portcullis.clients(want);
        }
        let identity =
            if job.subject == Subject::HaproxyAsking { self.portcullis.an_identity() } else { None };
        let authorization =
            (job.subject == Subject::HaproxyJwt).then(|| format!("Bearer {}", self.haproxy.token));
        let host = self.target(job.subject).0.to_string();
        let mut head = client::head(&host, job.path, authorization.as_deref());
        head.extend_from_slice(b"\r\n");
        let tls = Some(tls::client_config(job.group, identity, protocol)?);
        let ask = Ask { authority: host, path: job.path.to_owned(), authorization };
        Ok((vec![Client { tls, requests: Requests::Same(head) }], vec![ask]))
    }

    fn proofs_ahead(&self, job: &Job, effort: Effort) -> usize {
        let Subject::Gate(Binding::Dpop(_)) = job.subject else { return 0 };
        let seconds = (effort.window + effort.warm_up).as_secs_f64();
        let rate = match job.shape {
            Shape::Open { per_second } => per_second * 1.2,
            Shape::Handshakes { with_request: false } => 0.0,
            _ => self.rates.borrow().get(&job.label).copied().map_or(RATE_GUESS, |rate| rate * 1.5),
        };
        (rate * seconds) as usize + 500
    }
}
