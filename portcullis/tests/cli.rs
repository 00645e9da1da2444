//! The command line against a running installation, as an operator and a vendor's developer use it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits for real processes"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

/// An installation with the manifests of a template applied, in a folder of its own.
struct World {
    folder: TempDir,
    child: Child,
}

/// What a command has printed, and how it ended.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl World {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["up", "--dir", "portcullis-data", "--cores", "1", "--stops", "observe"])
            .args(["--listen-gate", "127.0.0.1:0", "--listen-control", "127.0.0.1:0"])
            .current_dir(folder.path())
            .env_remove("PORTCULLIS_DIR")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut world = Self { folder, child };
        let endpoints = world.path("portcullis-data/endpoints.json");
        let deadline = Instant::now() + PATIENCE;
        while !endpoints.exists() {
            assert!(world.child.try_wait().unwrap().is_none(), "it ended");
            assert!(Instant::now() < deadline, "it is not ready");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        world
    }

    /// With the template's vendor `acme`, before an upstream that answers.
    fn with_acme() -> Self {
        let world = Self::start();
        let template = world.run(&["new", "integration", "--template", "read-api", "acme"]).good();
        let upstream = format!("http://{}", upstream());
        world.write("acme.yaml", &template.replace("http://127.0.0.1:9000", &upstream));
        world.run(&["apply", "-f", "acme.yaml"]).good();
        world
    }

    /// In the folder where `portcullis-data` lies, so that no option is needed.
    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_as(None, arguments)
    }

    fn run_as(&self, token: Option<&str>, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        for variable in ["PORTCULLIS_DIR", "PORTCULLIS_SERVER", "PORTCULLIS_CA", "PORTCULLIS_TOKEN"] {
            command.env_remove(variable);
        }
        command.envs(token.map(|token| ("PORTCULLIS_TOKEN", token)));
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    fn call(&self, client: &str, path: &str) -> Ran {
        let key = format!("keys/{client}.pem");
        self.run(&["call", "GET", path, "--client", client, "--key", &key])
    }

    fn enroll(&self, client: &str) {
        let integration = ["--integration", "acme", "--generate", "keys"];
        self.run(&[&["client", "enroll", client][..], &integration].concat()).good();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ran {
    #[track_caller]
    fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "out: {}\nerr: {}", self.out, self.err);
        self
    }

    #[track_caller]
    fn good(self) -> String {
        self.ended(0).out
    }

    /// It failed, said so in its first line, and said these things.
    #[track_caller]
    fn refused(self, parts: &[&str]) -> String {
        let ran = self.ended(1);
        assert!(ran.err.starts_with("error: "), "{}", ran.err);
        for part in parts {
            assert!(ran.err.contains(part), "`{part}` is not in: {}", ran.err);
        }
        ran.err
    }

    #[track_caller]
    fn json(self) -> Value {
        serde_json::from_str(&self.good()).unwrap()
    }
}

/// Answers each GET with as many records as `?n=` says.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || serve(&stream.unwrap()));
        }
    });
    address
}

fn serve(mut stream: &TcpStream) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while let Some(Ok(first)) = lines.next() {
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        let count = first.split("n=").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        let records: Vec<String> = (0..count.unwrap_or(3)).map(|id| format!("{{\"id\":{id}}}")).collect();
        let body = format!("[{}]", records.join(","));
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_err() {
            return;
        }
    }
}

fn decision_in(text: &str) -> String {
    let (_, rest) = text.split_once("portcullis explain ").expect(text);
    rest.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn from_nothing_to_a_request_and_to_its_explanation() {
    let world = World::with_acme();
    let again = world.run(&["apply", "-f", "acme.yaml"]).good();
    assert!(again.ends_with("created 0, changed 0, unchanged 5\n"), "{again}");
    world.enroll("acme-1");
    let token = world.run(&["token", "acme-1", "--key", "keys/acme-1.pem", "-o", "json"]).json();
    assert_eq!(token["token_type"], "DPoP");
    assert_eq!(token["claims"]["client_id"], "acme-1");
    assert!(token["claims"]["cnf"]["jkt"].is_string());
    let none = world.run(&["token", "acme-1", "--key", "keys/acme-1.pem", "--scope", "acme.write"]);
    none.refused(&["invalid_scope", "hint: "]);

    assert_eq!(world.call("acme-1", "/acme/x").good(), r#"[{"id":0},{"id":1},{"id":2}]"#);
    let head = world.run(&["call", "GET", "/acme/x", "-i", "--client", "acme-1", "--key", "keys/acme-1.pem"]);
    assert!(head.ended(0).err.to_lowercase().contains("portcullis-decision: "));
    let refused = world.call("acme-1", "/elsewhere").refused_body();
    let id = decision_in(&refused);
    let explained = world.run(&["explain", &id]).good();
    assert!(explained.contains("route_unknown") && explained.contains("to do"), "{explained}");
    world
        .run(&[
            "call",
            "GET",
            "https://gate.example/acme/x",
            "--client",
            "acme-1",
            "--key",
            "keys/acme-1.pem",
        ])
        .refused(&["is not at the gate"]);

    let listed = world.run(&["decisions", "--client", "acme-1", "-o", "json"]).json();
    let verdicts: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|item| item["verdict"].as_str().unwrap()).collect();
    assert!(verdicts.contains(&"allow"), "{listed}");
    let shown = world.run(&["describe", "vendor", "acme"]).good();
    assert!(shown.contains("acme-contract") && shown.contains("acme-1"), "{shown}");
    let manifest = world.run(&["get", "integration", "acme", "-o", "yaml"]).good();
    world.write("again.yaml", &manifest);
    assert!(world.run(&["apply", "-f", "again.yaml"]).good().ends_with("unchanged 1\n"));
}

#[test]
fn an_incomplete_answer_is_told_and_explained() {
    let world = World::with_acme();
    world.enroll("acme-1");
    let cut = world.call("acme-1", "/acme/x?n=9000").ended(1);
    assert!(cut.out.len() > 1_000 && !cut.out.ends_with(']'), "{}", cut.out.len());
    assert!(cut.err.contains("error: the answer is incomplete: it broke off after "), "{}", cut.err);
    assert!(cut.err.contains(&format!("{} bytes with ", cut.out.len())), "{}", cut.err);
    let explained = world.run(&["explain", &decision_in(&cut.err)]).good();
    assert!(explained.contains("records_cut"), "{explained}");
    let clients = world.run(&["get", "clients"]).good();
    assert!(clients.contains("keys refused"), "{clients}");
}

#[test]
fn severed_restored_by_two_and_new_keys() {
    let world = World::with_acme();
    world.enroll("acme-1");
    world.call("acme-1", "/acme/x").good();
    let preview = world.run(&["sever", "vendor/acme", "--dry-run"]).good();
    assert!(preview.starts_with("DRY RUN vendor/acme") && preview.contains("acme-1"), "{preview}");
    world.call("acme-1", "/acme/x").good();
    let receipt = world.run(&["sever", "vendor/acme", "--reason", "key seen elsewhere"]).good();
    assert!(receipt.starts_with("SEVERED vendor/acme in "), "{receipt}");
    assert!(receipt.contains("key seen elsewhere") && receipt.contains("restore vendor/acme"), "{receipt}");
    world.call("acme-1", "/acme/x").refused(&["vendor_severed"]);
    assert!(world.run(&["get", "vendors"]).good().contains("severed"));

    let second = world.run(&["operator", "add", "jo"]).good();
    let second = Some(second.trim());
    let proposed = world.run(&["restore", "vendor/acme", "-o", "json"]).json();
    let id = proposed["id"].as_str().unwrap();
    world.run(&["restore", "vendor/acme", "--confirm", id]).refused(&["the person who proposed", "hint: "]);
    let restored = world.run_as(second, &["restore", "vendor/acme", "--confirm", id]).good();
    assert!(restored.starts_with("RESTORED vendor/acme"), "{restored}");

    world.call("acme-1", "/acme/x").refused(&["key_severed"]);
    let old = ["client", "enroll", "acme-2", "--integration", "acme", "--jwks", "keys/acme-1.jwks.json"];
    world.run(&old).refused(&["was closed by severance", "hint: register a new key"]);
    world.enroll("acme-3");
    world.call("acme-3", "/acme/x").good();
    assert!(world.run(&["ledger", "verify"]).good().starts_with("GOOD"));
    world.run(&["operator", "remove", "jo"]).good();
    world.run_as(second, &["get", "vendors"]).refused(&["PORTCULLIS_TOKEN"]);
}

#[test]
fn what_is_wrong_has_its_place_and_its_code() {
    let world = World::with_acme();
    let text = std::fs::read_to_string(world.path("acme.yaml")).unwrap();
    let line = text.lines().position(|line| line.contains("legal_name:")).unwrap() + 1;
    world.write("wrong.yaml", &text.replace("legal_name:", "legal_nmae:"));
    let place = format!("error: wrong.yaml:{line}:3: unknown field `legal_nmae`");
    world.run(&["apply", "-f", "wrong.yaml"]).refused(&[&place, "hint: did you mean `legal_name`?"]);
    let faulty = text.replace("contract: acme-contract", "contract: other");
    world.write("faulty.yaml", &faulty);
    world.run(&["diff", "-f", "faulty.yaml"]).refused(&["faulty.yaml:", "`other`"]);
    world.run(&["apply", "-f", "no-such-file.yaml"]).refused(&["can't read `no-such-file.yaml`"]);
    world.run(&["get", "vendor", "nobody"]).refused(&["there is no Vendor `nobody`"]);
    world.run(&["delete", "vendor", "acme"]).refused(&["is still used by", "hint: "]);
    world.run(&["get", "lamps"]).ended(2);
    world.run(&["sever", "acme", "--reason", "x"]).ended(2);
    world.run(&["new", "integration", "--template", "pigeon"]).ended(2);
    for (template, by) in [("keycloak", "issuer/acme-keycloak"), ("spiffe", "trustdomain/acme-spiffe")] {
        let manifests = world.run(&["new", "issuer", "acme", "--template", template]).good();
        world.write("issuer.yaml", &manifests);
        world.run(&["apply", "-f", "issuer.yaml"]).good();
        let clients = world.run(&["get", "clients"]).good();
        assert!(clients.contains(by), "{clients}");
    }
    world.run(&["delete", "issuer", "acme-keycloak"]).good();
    world.run(&["delete", "trustdomain", "acme-spiffe"]).good();
    world.run(&["delete", "client", "acme-machine"]).good();
    let unsaid = world.run(&["new", "issuer", "acme"]);
    assert!(unsaid.err.contains("`keycloak`, `entra`, `okta` or `spiffe`"), "{}", unsaid.err);
    unsaid.ended(2);
    world.run(&["get", "clients"]).ended(0);
    let empty = world.run(&["get", "clients"]);
    assert_eq!((empty.out.as_str(), empty.err.as_str()), ("", "no clients yet\n"));
}

#[test]
fn a_secret_leaves_no_trace() {
    let world = World::with_acme();
    world.write("secret.json", r#"{"kty":"oct","k":"c2VjcmV0"}"#);
    let enroll = ["client", "enroll", "acme-1", "--integration", "acme", "--jwks", "secret.json"];
    world.run(&enroll).refused(&["holds a shared secret", "hint: "]);
    let wrong = ["client", "enroll", "acme-1", "--integration", "nothing", "--generate", "keys"];
    world.run(&wrong).refused(&["`nothing`"]);
    assert_eq!(std::fs::read_dir(world.path("keys")).unwrap().count(), 0, "a key without a client stays");
}

#[test]
fn a_certificate_alone_gets_a_token_and_passes() {
    let world = World::with_acme();
    let own = rcgen::generate_simple_self_signed(vec!["machine.acme.example".to_owned()]).unwrap();
    world.write("machine.crt", &own.cert.pem());
    world.write("machine.key", &own.signing_key.serialize_pem());
    let enroll = ["client", "enroll", "acme-1", "--integration", "acme", "--cert", "machine.crt"];
    let enrolled = world.run(&enroll).good();
    assert!(enrolled.contains("self_signed_tls_client_auth"), "{enrolled}");
    let proof = ["--cert", "machine.crt", "--key", "machine.key"];
    let token = world.run(&[&["token", "acme-1", "-o", "json"][..], &proof].concat()).json();
    assert_eq!(token["token_type"], "Bearer");
    assert!(token["claims"]["cnf"]["x5t#S256"].is_string(), "{token}");
    let call = [&["call", "GET", "/acme/x", "--client", "acme-1"][..], &proof].concat();
    assert_eq!(world.run(&call).good(), r#"[{"id":0},{"id":1},{"id":2}]"#);
}

#[test]
fn a_key_and_a_certificate_of_an_authority_bind_together() {
    let world = World::with_acme();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Acme machines");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["machine.acme.example".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    world.write("machine.crt", &params.signed_by(&key, &authority).unwrap().pem());
    world.write("machine.key", &key.serialize_pem());
    world.write("ca.crt", &authority.pem());
    let enroll = ["client", "enroll", "acme-1", "--integration", "acme", "--generate", "keys"];
    let alone = ["--cert", "machine.crt"];
    world
        .run(&[&enroll[..], &alone].concat())
        .refused(&["whose certificate is not there", "--cert-authority"]);
    let whole = ["--cert", "machine.crt", "--cert-authority", "ca.crt"];
    let enrolled = world.run(&[&enroll[..], &whole].concat()).good();
    assert!(enrolled.contains("private_key_jwt, tls_client_auth"), "{enrolled}");
    let both = ["--key", "keys/acme-1.pem", "--cert", "machine.crt", "--cert-key", "machine.key"];
    let certificate = ["--cert", "machine.crt", "--cert-key", "machine.key"];
    for (proof, jkt) in [(&both[..], true), (&certificate[..], false)] {
        let token = world.run(&[&["token", "acme-1", "-o", "json"][..], proof].concat()).json();
        assert_eq!(token["claims"]["cnf"]["jkt"].is_string(), jkt, "{token}");
        assert!(token["claims"]["cnf"]["x5t#S256"].is_string(), "{token}");
        world.run(&[&["call", "GET", "/acme/x", "--client", "acme-1"][..], proof].concat()).good();
    }
}

#[test]
fn another_server_gets_no_token_that_lies_here() {
    let world = World::start();
    let endpoints = std::fs::read(world.path("portcullis-data/endpoints.json")).unwrap();
    let endpoints: Value = serde_json::from_slice(&endpoints).unwrap();
    let server = endpoints["control"].as_str().unwrap();
    world.run(&["get", "vendors", "--server", server]).refused(&["no operator's token is known"]);
    world
        .run_as(Some("pcl_x"), &["get", "vendors", "--server", server])
        .refused(&["certificate", "--ca FILE"]);
    let ca = ["get", "vendors", "--server", server, "--ca", "portcullis-data/keys/ca.crt"];
    world.run_as(Some("pcl_x"), &ca).refused(&["the operator token is not known"]);
    let token = std::fs::read_to_string(world.path("portcullis-data/admin.token")).unwrap();
    world.run_as(Some(&token), &ca).good();
}

#[test]
fn a_doctor_says_what_is_there_and_what_is_not() {
    let world = World::start();
    let well = world.run(&["doctor"]).good();
    for part in [
        "data folder",
        "disk space",
        "reserve",
        "permissions",
        "its key is sealed",
        "gate link",
        "gate port",
        "server",
        "clock",
        "ledger",
        "one operator only",
    ] {
        assert!(well.contains(part), "{part} is not in: {well}");
    }
    let away = ["doctor", "--server", "https://127.0.0.1:1", "--dir", "portcullis-data"];
    let away = world.run(&away).ended(1).out;
    let server = away.lines().find(|line| line.starts_with("bad      server ")).unwrap_or_default();
    assert!(server.contains("can't reach `https://127.0.0.1:1`"), "{away}");
    world.run(&["doctor", "--ready"]).good();
    world.run(&["doctor", "--ready", "--server", "https://127.0.0.1:1", "--dir", "portcullis-data"]).ended(1);
    let nowhere = world.run(&["get", "vendors", "--dir", "elsewhere"]);
    nowhere.refused(&["elsewhere", "hint: "]);
}

#[test]
fn decisions_are_followed_as_they_are_made() {
    let world = World::with_acme();
    world.enroll("acme-1");
    let mut following = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["decisions", "--follow", "--since", "1h", "-o", "json", "--dir"])
        .arg(world.path("portcullis-data"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    world.call("acme-1", "/acme/x").good();
    let lines = BufReader::new(following.stdout.take().unwrap().take(1_000_000)).lines();
    let told: Vec<(String, String)> = lines
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap())
        .filter(|decision| decision["names"]["client"] == "acme-1")
        .map(|decision| (decision["method"].to_string(), decision["path"].to_string()))
        .take(2)
        .collect();
    following.kill().unwrap();
    following.wait().unwrap();
    // The token is a decision like the request that it was asked for.
    assert_eq!(told[0], ("\"POST\"".into(), "\"/oauth/token\"".into()));
    assert!(told.iter().all(|(_, path)| path.contains("/oauth/token")) || told[1].0 == "\"GET\"", "{told:?}");
}

#[test]
fn what_needs_no_server_works_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| run_in(folder.path(), arguments).good();
    assert!(run(&["schema", "vendor"]).contains("legal_name"));
    assert!(run(&["reasons", "--markdown"]).contains("| `vendor_severed` | 403 |"));
    assert!(run(&["completion", "bash"]).contains("_portcullis"));
    assert!(run(&["version"]).starts_with("portcullis "));
    run_in(folder.path(), &["get", "vendors"]).refused(&["no server is known", "hint: "]);
}

#[test]
fn a_reader_that_has_gone_away_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["completion", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn an_empty_list_and_an_empty_filter_are_told_apart() {
    let world = World::start();
    for (arguments, expect) in [
        (&["decisions"][..], "no decisions yet\n"),
        (&["decisions", "--vendor", "nobody"], "no decision is like that\n"),
        (&["severances"], "nothing is severed\n"),
    ] {
        let ran = world.run(arguments).ended(0);
        assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", expect), "{arguments:?}");
    }
}

fn run_in(folder: &Path, arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("PORTCULLIS_DIR")
        .env_remove("PORTCULLIS_SERVER")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

impl Ran {
    /// It was refused with a body, which is printed as it came; what is said stands beside it.
    #[track_caller]
    fn refused_body(self) -> String {
        let ran = self.ended(1);
        let problem: Value = serde_json::from_str(&ran.out).expect(&ran.out);
        assert!(problem["reasons"].is_array(), "{problem}");
        assert!(ran.err.contains("error: the gate answered "), "{}", ran.err);
        ran.err
    }
}
