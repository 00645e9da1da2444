//! Control's API over TLS.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::body::Body;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use portcullis_api::apply::{ApplyReport, ApplyRequest, ManifestText};
use portcullis_api::problem::Problem;
use portcullis_gate::TlsMaterial;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// Operators' connections at the same time.
const CONNECTIONS_MAX: usize = 1_024;

/// The listener of operators.
pub struct Serving {
    listener: Mutex<Option<std::net::TcpListener>>,
    address: SocketAddr,
    tls: watch::Sender<Arc<ServerConfig>>,
    stop: watch::Sender<bool>,
}

impl Serving {
    pub fn bind(address: SocketAddr, material: &TlsMaterial) -> Result<Self> {
        let listener = std::net::TcpListener::bind(address).with_context(|| {
            format!("can't listen on `{address}`\nhint: another process may use the port; stop it, or choose another with --listen-control")
        })?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let tls = watch::Sender::new(server_config(material)?);
        Ok(Self { listener: Mutex::new(Some(listener)), address, tls, stop: watch::Sender::new(false) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// By which the certificate is replaced, for connections from then on.
    pub fn tls(&self) -> watch::Sender<Arc<ServerConfig>> {
        self.tls.clone()
    }

    /// Serves `router` from now on.
    pub fn start(&self, router: Router) {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(listener) = listener else { return };
        let (tls, stop) = (self.tls.subscribe(), self.stop.subscribe());
        tokio::spawn(async move {
            match TcpListener::from_std(listener) {
                Ok(listener) => accept(listener, router, tls, stop).await,
                Err(error) => tracing::error!(%error, "control can't listen"),
            }
        });
    }

    pub async fn stop(self) {
        self.stop.send_replace(true);
        // The tasks that serve hold receivers: when the last is gone, every connection has ended.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.stop.closed()).await;
    }
}

pub fn server_config(material: &TlsMaterial) -> Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_slice_iter(&material.chain_pem).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(&material.key_pem)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

async fn accept(
    listener: TcpListener,
    router: Router,
    tls: watch::Receiver<Arc<ServerConfig>>,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((tcp, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let _ = tcp.set_nodelay(true);
        let acceptor = TlsAcceptor::from(Arc::clone(&tls.borrow()));
        let (router, mut stop) = (router.clone(), stop.clone());
        tokio::spawn(async move {
            let _place = place;
            let handshake = tokio::time::timeout(Duration::from_secs(10), acceptor.accept(tcp));
            let Ok(Ok(stream)) = handshake.await else { return };
            let builder = auto::Builder::new(TokioExecutor::new());
            let service = TowerToHyperService::new(router);
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                served = connection => {
                    if let Err(error) = served {
                        tracing::debug!(%error, "an operator's connection ended");
                    }
                }
                // Streams of decisions never end by themselves.
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
    }
}

/// Applies manifests through the same door as everybody, without the network.
pub async fn apply_in_process(
    router: Router,
    manifests: Vec<ManifestText>,
    token: &str,
) -> Result<ApplyReport> {
    let body = serde_json::to_vec(&ApplyRequest { manifests, dry_run: false })?;
    let request = http::Request::post("/v1/apply")
        .header(http::header::AUTHORIZATION, format!("Bearer {token}"))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))?;
    let response = router.oneshot(request).await?;
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 16 * 1024 * 1024).await?;
    if !status.is_success() {
        let problem: Problem = serde_json::from_slice(&body)?;
        let faults: Vec<String> = problem.faults.iter().map(ToString::to_string).collect();
        let what = if faults.is_empty() { problem.detail } else { faults.join("\n") };
        bail!("the manifests can't be applied: {what}");
    }
    Ok(serde_json::from_slice(&body)?)
}
