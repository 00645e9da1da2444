//! Starting the binary, an upstream for it, and a vendor's machine with a certificate.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use reqwest::Client;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};

pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running `portcullis up`; killed when dropped.
pub struct Installation {
    pub directory: PathBuf,
    child: Child,
    pub endpoints: Value,
}

/// An installation in a folder of its own, with an upstream behind a route, and a vendor `acme` that may have it.
pub async fn serving() -> (tempfile::TempDir, Installation) {
    let folder = tempfile::tempdir().unwrap();
    let installation = Installation::start(&folder.path().join("data"));
    let address = upstream().await;
    installation.operator().must_apply(&(route(address) + &vendor("acme", "2099-01-01"))).await;
    (folder, installation)
}

/// Runs the program on a data directory: its exit status, and what it wrote.
pub fn portcullis(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .arg("--dir")
        .arg(directory)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout) + &text(output.stderr))
}

/// The same where it must succeed: its answer as JSON.
pub fn must(directory: &Path, words: &[&str]) -> Value {
    let (code, text) = portcullis(directory, &[words, &["-o", "json"]].concat());
    assert_eq!(code, Some(0), "{words:?}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

impl Installation {
    pub fn start(directory: &Path) -> Self {
        Self::try_start(directory, &[]).unwrap_or_else(|error| panic!("it did not start: {error}"))
    }

    /// Starts it and waits until it is ready, or says what it wrote when it ended.
    pub fn try_start(directory: &Path, more: &[&str]) -> Result<Self, String> {
        Self::start_in(directory, more, &[])
    }

    /// With variables in its environment.
    pub fn start_in(directory: &Path, more: &[&str], environment: &[(&str, &str)]) -> Result<Self, String> {
        let endpoints = directory.join("endpoints.json");
        let log = directory.with_extension("log");
        let before = std::fs::read(&endpoints).ok();
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args([
                "up",
                "--listen-gate",
                "127.0.0.1:0",
                "--listen-control",
                "127.0.0.1:0",
                "--stops",
                "observe",
                "--dir",
            ])
            .arg(directory)
            .args(more)
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return Err(format!("{status}: {}", std::fs::read_to_string(&log).unwrap_or_default()));
            }
            let now = std::fs::read(&endpoints).ok();
            if let Some(bytes) = now
                && before.as_ref() != Some(&bytes)
                && let Ok(endpoints) = serde_json::from_slice::<Value>(&bytes)
                && endpoints["pid"] == child.id()
            {
                return Ok(Self { directory: directory.to_owned(), child, endpoints });
            }
            assert!(Instant::now() < deadline, "not ready: {}", std::fs::read_to_string(&log).unwrap());
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Kills it so long after its start, ready or not.
    pub fn kill_while_it_starts(directory: &Path, after: Duration) {
        let log = std::fs::File::create(directory.with_extension("log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args([
                "up",
                "--listen-gate",
                "127.0.0.1:0",
                "--listen-control",
                "127.0.0.1:0",
                "--stops",
                "observe",
                "--dir",
            ])
            .arg(directory)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let end = Instant::now() + after;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            std::thread::park_timeout(left);
        }
        assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.with_extension("log")).unwrap()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has ended by itself.
    pub fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it goes on: {}", self.log());
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// As a power cut would end the process.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn gate(&self) -> String {
        self.endpoints["gate"].as_str().unwrap().to_owned()
    }

    pub fn gate_address(&self) -> SocketAddr {
        self.gate().trim_start_matches("https://").parse().unwrap()
    }

    pub fn operator(&self) -> Operator {
        let token = std::fs::read_to_string(self.directory.join("admin.token")).unwrap();
        Operator {
            control: self.endpoints["control"].as_str().unwrap().to_owned(),
            token: token.trim().to_owned(),
            client: client(&self.directory, None),
        }
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Someone with the administrator's token.
#[derive(Clone)]
pub struct Operator {
    control: String,
    pub token: String,
    client: Client,
}

impl Operator {
    pub async fn post(&self, path: &str, body: Value) -> Result<(u16, Value), reqwest::Error> {
        let request = self.client.post(format!("{}{path}", self.control)).bearer_auth(&self.token);
        let response = request.json(&body).send().await?;
        let status = response.status().as_u16();
        Ok((status, response.json().await.unwrap_or_default()))
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        let request = self.client.get(format!("{}{path}", self.control)).bearer_auth(&self.token);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    pub async fn apply(&self, text: &str) -> Result<(u16, Value), reqwest::Error> {
        self.post("/v1/apply", json!({ "manifests": [{ "file": "test.yaml", "text": text }] })).await
    }

    /// Applies what must be taken.
    pub async fn must_apply(&self, text: &str) {
        let (status, answer) = self.apply(text).await.unwrap();
        assert_eq!(status, 200, "{answer}");
    }
}

/// A vendor's machine with a self-signed certificate.
pub struct Machine {
    pub name: String,
    pub certificate_pem: String,
    gate: String,
    client: Client,
    /// The chain, leaf first, and its key.
    identity: (Vec<Vec<u8>>, Vec<u8>),
}

impl Machine {
    pub fn new(installation: &Installation, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![format!("{name}.example")]).unwrap().self_signed(&key).unwrap();
        let identity = (vec![certificate.der().to_vec()], key.serialize_der());
        Self {
            name: name.to_owned(),
            certificate_pem: certificate.pem(),
            gate: installation.gate(),
            client: client(&installation.directory, Some(identity.clone())),
            identity,
        }
    }

    /// A machine whose certificate somebody has issued.
    pub fn of(installation: &Installation, name: &str, chain_pem: &str, key_pem: &str) -> Self {
        let chain = CertificateDer::pem_slice_iter(chain_pem.as_bytes());
        let chain = chain.map(|certificate| certificate.unwrap().to_vec()).collect();
        let identity = (chain, KeyPair::from_pem(key_pem).unwrap().serialize_der());
        Self {
            name: name.to_owned(),
            certificate_pem: chain_pem.to_owned(),
            gate: installation.gate(),
            client: client(&installation.directory, Some(identity.clone())),
            identity,
        }
    }

    /// The same machine, which trusts what the installation's folder says now.
    pub fn again(self, installation: &Installation) -> Self {
        let client = client(&installation.directory, Some(self.identity.clone()));
        Self { gate: installation.gate(), client, ..self }
    }

    /// The manifest of this client under `integration`.
    pub fn manifest(&self, integration: &str) -> String {
        json!({
            "kind": "Client",
            "name": self.name,
            "spec": { "integration": integration, "certificates": [self.certificate_pem] },
        })
        .to_string()
    }

    pub async fn token(&self) -> Result<(u16, Value), reqwest::Error> {
        let form = [("grant_type", "client_credentials"), ("client_id", &self.name)];
        let ask = || self.client.post(format!("{}/oauth/token", self.gate)).form(&form).send();
        // A connection kept from before a restart is found dead only when it is used.
        let response = match ask().await {
            Ok(response) => response,
            Err(_) => ask().await?,
        };
        let status = response.status().as_u16();
        Ok((status, response.json().await.unwrap_or_default()))
    }

    pub async fn must_token(&self) -> String {
        let (status, answer) = self.token().await.unwrap();
        assert_eq!(status, 200, "{answer}");
        answer["access_token"].as_str().unwrap().to_owned()
    }

    pub async fn get(&self, path: &str, token: &str) -> Result<reqwest::Response, reqwest::Error> {
        self.client.get(format!("{}{path}", self.gate)).bearer_auth(token).send().await
    }
}

fn client(directory: &Path, identity: Option<(Vec<Vec<u8>>, Vec<u8>)>) -> Client {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(directory.join("keys/ca.crt")).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                certificate.into_iter().map(CertificateDer::from).collect(),
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key)),
            )
            .unwrap(),
        None => builder.with_no_client_auth(),
    };
    Client::builder().tls_backend_preconfigured(config).timeout(PATIENCE).http1_only().build().unwrap()
}

/// An upstream that gives `?records=N` lines of NDJSON, `?pace=MS` milliseconds apart.
pub async fn upstream() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let service = service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                    Ok::<_, Infallible>(records(request.uri().query().unwrap_or_default()))
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(tcp), service)
                    .await;
            });
        }
    });
    address
}

type Frames = std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;

fn records(query: &str) -> http::Response<StreamBody<Frames>> {
    let number = |name: &str| {
        query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('=')?.parse::<u64>().ok())
    };
    let (count, pace) = (number("records").unwrap_or(3), number("pace").unwrap_or(0));
    let frames = stream::unfold(
        (0, None),
        move |(next, mut timer): (u64, Option<tokio::time::Interval>)| async move {
            if next >= count {
                return None;
            }
            if pace > 0 {
                timer.get_or_insert_with(|| tokio::time::interval(Duration::from_millis(pace))).tick().await;
            }
            let line = Bytes::from(format!("{{\"number\":{next}}}\n"));
            Some((Ok(Frame::data(line)), (next + 1, timer)))
        },
    );
    http::Response::builder()
        .header("content-type", "application/x-ndjson")
        .body(StreamBody::new(Box::pin(frames) as Frames))
        .unwrap()
}

/// Manifests of one vendor with everything under it but the client; `ends` is the contract's.
pub fn vendor(name: &str, ends: &str) -> String {
    format!(
        "---\nkind: Vendor\nname: {name}\nspec: {{ legal_name: {name} Ltd }}\n\
         ---\nkind: Contract\nname: {name}-contract\nspec: {{ vendor: {name}, starts: 2020-01-01, ends: \"{ends}\", time_zone: Europe/Berlin }}\n\
         ---\nkind: Integration\nname: {name}-read\nspec: {{ contract: {name}-contract, purpose: test, routes: [records], scopes: [records.read] }}\n"
    )
}

/// The upstream and the one route to it.
pub fn route(upstream: SocketAddr) -> String {
    format!(
        "---\nkind: Upstream\nname: service\nspec: {{ url: \"http://{upstream}\" }}\n\
         ---\nkind: Route\nname: records\nspec: {{ upstream: service, methods: [GET], path: /records, scope: records.read }}\n"
    )
}

/// A private file of an installation with a master key of its own, opened as `docs/reference/keys.md` says.
pub fn unsealed(directory: &Path, name: &str) -> Vec<u8> {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
    use base64::Engine as _;
    let decode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text.trim()).unwrap();
    let open = |key: &[u8], sealed: &[u8]| {
        let (nonce, data) = sealed.split_at(12);
        let mut data = data.to_vec();
        let name = Aad::from(format!("portcullis sealed file 1\n{name}"));
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).unwrap();
        let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
        key.open_in_place(nonce, name, &mut data).unwrap().to_vec()
    };
    let keys = directory.join("keys");
    let master = decode(&std::fs::read_to_string(keys.join("master.key")).unwrap());
    let sealed: Value = serde_json::from_slice(&std::fs::read(keys.join(name)).unwrap()).unwrap();
    let data_key = open(&master, &decode(sealed["wraps"][0]["key"].as_str().unwrap()));
    open(&data_key, &decode(sealed["data"].as_str().unwrap()))
}
