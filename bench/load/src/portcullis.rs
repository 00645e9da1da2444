//! The gate that is measured: the real binary, with a thousand clients, of which some work.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::client::{self, Client, Requests};
use crate::http2::Ask;
use crate::keys::{Algorithm, Key};
use crate::oauth::Issuer;
use crate::proofs::Prover;
use crate::stand::{Cores, Folder, PATIENCE, Running, on_both_cores};
use crate::tls::{self, Group, Identity};

/// Vendors, each with a client of each kind: each has a share of the decision log and of the
/// replay tables, and only together do they load a core.
const VENDORS: usize = 16;
const CLIENTS: usize = 1_000;
const MANIFESTS_AT_ONCE: usize = 500;
const TOKEN_SECONDS: u64 = 600;
/// Tokens are got anew long before they expire.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(240);
/// More than is ever asked for.
const NO_LIMIT: u64 = 1 << 40;

/// How a client proves itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Binding {
    Certificate,
    Dpop(Algorithm),
}

pub struct Portcullis {
    pub running: Running,
    pub issuer: Issuer,
    directory: PathBuf,
    binary: PathBuf,
    cores: Cores,
    machines: Vec<Machine>,
    /// Shown where a connection needs some certificate.
    pub other: Identity,
}

pub struct Machine {
    pub name: String,
    binding: Binding,
    pub identity: Option<Identity>,
    pub key: Option<Key>,
    token: RefCell<Option<(String, Instant)>>,
}

/// What the clients of a load are made for.
#[derive(Clone, Copy)]
pub struct Want<'a> {
    pub binding: Binding,
    pub path: &'a str,
    pub group: Group,
    pub protocol: &'a str,
    /// Proofs to sign before, over all clients.
    pub ahead: usize,
}

impl Portcullis {
    /// Starts it, declares everything, and starts it anew: what is measured knows a thousand clients,
    /// and hasn't just read their manifests.
    pub fn start(folder: &Folder, binary: &Path, cores: Cores, upstream: &str) -> Result<Self> {
        Self::start_with(folder, binary, cores, upstream, TOKEN_SECONDS)
    }

    /// The same with tokens that live for so long.
    pub fn start_with(
        folder: &Folder,
        binary: &Path,
        cores: Cores,
        upstream: &str,
        token_seconds: u64,
    ) -> Result<Self> {
        let directory = folder.path().join("portcullis");
        let (running, issuer) = launch(folder, binary, cores, &directory)?;
        let mut portcullis = Self {
            running,
            issuer,
            directory,
            binary: binary.to_owned(),
            cores,
            machines: machines()?,
            other: Identity::generate("other")?,
        };
        for part in portcullis.manifests(upstream, token_seconds)?.chunks(MANIFESTS_AT_ONCE) {
            let text: String = part.iter().map(|manifest| format!("---\n{manifest}\n")).collect();
            portcullis.apply(&folder.write("manifests.yaml", &text)?)?;
        }
        portcullis.running.stop()?;
        (portcullis.running, portcullis.issuer) = launch(folder, binary, cores, &portcullis.directory)?;
        portcullis.wait_until_it_serves()?;
        Ok(portcullis)
    }

    /// `endpoints.json` comes before the gate has its first snapshot.
    fn wait_until_it_serves(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let machine = self.machines.first().context("there are machines")?;
        loop {
            match self.token(machine) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error.context("it gives no tokens")),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    pub fn version(&self) -> String {
        crate::stand::version_of(&self.binary.display().to_string(), &["version"])
    }

    pub fn machines(&self, binding: Binding) -> impl Iterator<Item = &Machine> {
        self.machines.iter().filter(move |machine| machine.binding == binding)
    }

    /// The certificates that clients show, as PEM.
    pub fn client_certificates(&self) -> String {
        self.machines
            .iter()
            .filter_map(|machine| machine.identity.as_ref())
            .map(|it| it.pem.as_str())
            .collect()
    }

    pub fn an_identity(&self) -> Option<&Identity> {
        self.machines.iter().find_map(|machine| machine.identity.as_ref())
    }

    /// Clients for a load, with tokens and, for DPoP, nonces and proofs.
    pub fn clients(&self, want: Want<'_>) -> Result<(Vec<Client>, Vec<Ask>)> {
        let machines: Vec<_> = self.machines(want.binding).collect();
        let (mut clients, mut asks) = (Vec::new(), Vec::new());
        for machine in &machines {
            let (client, ask) = self.client(machine, want)?;
            clients.push(client);
            asks.push(ask);
        }
        let each = want.ahead / machines.len().max(1);
        on_both_cores(self.cores, &mut clients, |client| match client.requests.prover() {
            Some(prover) => prover.sign_ahead(each),
            None => Ok(()),
        })?;
        Ok((clients, asks))
    }

    fn client(&self, machine: &Machine, want: Want<'_>) -> Result<(Client, Ask)> {
        let token = self.token(machine)?;
        let scheme = if machine.key.is_some() { "DPoP" } else { "Bearer" };
        let authorization = format!("{scheme} {token}");
        let mut head = client::head(self.issuer.host(), want.path, Some(&authorization));
        let requests = match &machine.key {
            Some(key) => {
                let url = format!("{}{}", self.issuer.url, want.path);
                let mut prover = Prover::new(key.again()?, "GET", url, Some(&token));
                let config = tls::client_config(Group::X25519, None, "http/1.1")?;
                prover.take_nonce(self.issuer.nonce(key, &config)?);
                Requests::Proved { head, rest: b"\r\n".to_vec(), prover: Box::new(prover) }
            }
            None => {
                head.extend_from_slice(b"\r\n");
                Requests::Same(head)
            }
        };
        let config = tls::client_config(want.group, machine.identity.as_ref(), want.protocol)?;
        let ask = Ask {
            authority: self.issuer.host().to_owned(),
            path: want.path.to_owned(),
            authorization: Some(authorization),
        };
        Ok((Client { tls: Some(config), requests }, ask))
    }

    fn token(&self, machine: &Machine) -> Result<String> {
        if let Some((token, since)) = &*machine.token.borrow()
            && since.elapsed() < TOKEN_AGE_MAX
        {
            return Ok(token.clone());
        }
        let config = tls::client_config(Group::X25519, machine.identity.as_ref(), "http/1.1")?;
        let token = match &machine.key {
            Some(key) => self.issuer.token_by_key(&machine.name, key, &config)?.0,
            None => self.issuer.token_by_certificate(&machine.name, &config)?,
        };
        *machine.token.borrow_mut() = Some((token.clone(), Instant::now()));
        Ok(token)
    }

    /// The data folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Runs the command line as an operator does.
    pub fn operate(&self, verb: &str, arguments: &[&OsStr]) -> Result<()> {
        let mut command = Command::new(&self.binary);
        let output = command.arg(verb).args(arguments).arg("--dir").arg(&self.directory).output()?;
        if !output.status.success() {
            bail!("`{verb}` failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    fn apply(&self, manifests: &Path) -> Result<()> {
        self.operate("apply", &["-f".as_ref(), manifests.as_os_str()])
    }

    fn manifests(&self, upstream: &str, token_seconds: u64) -> Result<Vec<Value>> {
        let mut all = vec![json!({ "kind": "Upstream", "name": "service", "spec": { "url": upstream } })];
        for (name, metered) in [
            ("json", true),
            ("json-unscored", true),
            ("json-unmetered", false),
            ("large", true),
            ("large-unmetered", false),
        ] {
            let spec = json!({
                "upstream": "service", "methods": ["GET"], "path": format!("/{name}"),
                "scope": "parcels.read", "metered": metered,
            });
            all.push(json!({ "kind": "Route", "name": name, "spec": spec }));
        }
        let spec = json!({ "routes": ["json-unscored"], "mode": "off" });
        all.push(json!({ "kind": "Policy", "name": "unscored", "spec": spec }));
        for number in 0..VENDORS {
            all.extend(vendor(number, token_seconds));
        }
        for (number, machine) in self.machines.iter().enumerate() {
            all.push(client_of(
                &machine.name,
                number % VENDORS,
                machine.identity.as_ref(),
                machine.key.as_ref(),
            ));
        }
        for number in self.machines.len()..CLIENTS {
            let key = Key::generate(Algorithm::Eddsa)?;
            all.push(client_of(&format!("waiting-{number}"), number % VENDORS, None, Some(&key)));
        }
        Ok(all)
    }
}

/// Starts the binary on `directory`, and waits until it is ready.
fn launch(folder: &Folder, binary: &Path, cores: Cores, directory: &Path) -> Result<(Running, Issuer)> {
    let mut command = Command::new(binary);
    command.args(["up", "--listen-gate", "127.0.0.1:0", "--listen-control", "127.0.0.1:0", "--stops", "observe", "--cores", "1"]);
    command.arg("--dir").arg(directory);
    let mut running = Running::start(command, cores.proxy, folder.path().join("portcullis.log"))?;
    let endpoints: Value = running.wait_for(|running| {
        let text = std::fs::read(directory.join("endpoints.json")).ok()?;
        let endpoints: Value = serde_json::from_slice(&text).ok()?;
        (endpoints["pid"] == running.pid()).then_some(endpoints)
    })?;
    let url = endpoints["issuer"].as_str().context("`endpoints.json` names no issuer")?;
    let issuer = Issuer::new(url)?;
    running.wait_until_listening(issuer.address)?;
    Ok((running, issuer))
}

fn machines() -> Result<Vec<Machine>> {
    let mut machines = Vec::new();
    for (kind, binding) in [
        ("certificate", Binding::Certificate),
        ("eddsa", Binding::Dpop(Algorithm::Eddsa)),
        ("es256", Binding::Dpop(Algorithm::Es256)),
    ] {
        for number in 0..VENDORS {
            let name = format!("{kind}-{number}");
            let (identity, key) = match binding {
                Binding::Certificate => (Some(Identity::generate(&name)?), None),
                Binding::Dpop(algorithm) => (None, Some(Key::generate(algorithm)?)),
            };
            machines.push(Machine { name, binding, identity, key, token: RefCell::default() });
        }
    }
    Ok(machines)
}

fn vendor(number: usize, token_seconds: u64) -> [Value; 3] {
    let rate = json!({ "per_second": NO_LIMIT, "burst": NO_LIMIT });
    let vendor = json!({ "legal_name": format!("Vendor {number} Ltd"), "records_max": NO_LIMIT });
    let contract = json!({
        "vendor": format!("vendor-{number}"), "starts": "2020-01-01", "ends": "2099-12-31", "time_zone": "Europe/Berlin",
    });
    let integration = json!({
        "contract": format!("contract-{number}"),
        "purpose": "is measured",
        "routes": ["json", "json-unscored", "json-unmetered", "large", "large-unmetered"],
        "scopes": ["parcels.read"],
        "token_seconds": token_seconds,
        "limits": {
            "requests": rate, "bytes": rate, "concurrency": 10_000,
            "records": { "per_client": NO_LIMIT, "per_integration": NO_LIMIT },
        },
    });
    [
        ("Vendor", "vendor", vendor),
        ("Contract", "contract", contract),
        ("Integration", "integration", integration),
    ]
    .map(|(kind, name, spec)| json!({ "kind": kind, "name": format!("{name}-{number}"), "spec": spec }))
}

fn client_of(name: &str, vendor: usize, identity: Option<&Identity>, key: Option<&Key>) -> Value {
    let mut spec = json!({ "integration": format!("integration-{vendor}") });
    if let Some(identity) = identity {
        spec["certificates"] = json!([identity.pem]);
    }
    if let Some(key) = key {
        spec["jwks"] = json!({ "keys": [key.jwk()] });
    }
    json!({ "kind": "Client", "name": name, "spec": spec })
}
