//! A real mail server, which takes mail after STARTTLS and a password only.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::PATIENCE;

/// Debian's, where `aiosmtpd` is.
const PYTHON: &str = "/usr/bin/python3";
/// Takes mail after STARTTLS and a password only, and lays each message down as a file.
const SERVER: &str = r#"
import os, ssl, sys, threading
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
port, cert, key, box = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
class Box:
    async def handle_DATA(self, server, session, envelope):
        name = os.path.join(box, "%03d" % len(os.listdir(box)))
        with open(name + ".new", "wb") as f:
            f.write(("RCPT %s\r\n" % ",".join(envelope.rcpt_tos)).encode() + envelope.content)
        os.rename(name + ".new", name)
        return "250 taken"
def auth(server, session, envelope, mechanism, data):
    good = (data.login, data.password) == (b"portcullis", b"a long password")
    return AuthResult(success=good, handled=good)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(cert, key)
Controller(Box(), hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True,
    auth_required=True, authenticator=auth).start()
print("ready", flush=True)
threading.Event().wait()
"#;

pub struct MailServer(Child);

impl MailServer {
    pub fn start(folder: &Path, port: u16) -> Self {
        let path = |name: &str| folder.join(name);
        let mut child = Command::new(PYTHON)
            .args(["-c", SERVER, &port.to_string()])
            .args([path("mail.crt"), path("mail.key"), path("box")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn letters(folder: &Path) -> Vec<String> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder.join("box")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_none());
    files.sort();
    files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

pub fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(begun.elapsed() < 3 * PATIENCE, "{what}");
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

/// A folder where a mail server can be, and its port.
pub struct Place {
    pub folder: tempfile::TempDir,
    pub port: u16,
}

/// None where there is no mail server, which is said.
pub fn with_mail() -> Option<Place> {
    let known = Command::new(PYTHON).args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status();
    if !known.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no `aiosmtpd` (Debian's python3-aiosmtpd)");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(path.join("mail.crt"), made.cert.pem()).unwrap();
    std::fs::write(path.join("mail.key"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(path.join("password"), "a long password\n").unwrap();
    std::fs::create_dir(path.join("box")).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Some(Place { folder, port })
}

impl Place {
    /// `smtp` of the settings.
    pub fn smtp(&self) -> Value {
        let folder = self.folder.path();
        json!({
            "host": "localhost", "port": self.port, "from": "portcullis@us.example",
            "user": "portcullis", "password_file": folder.join("password"), "ca": folder.join("mail.crt"),
        })
    }
}

/// A letter with its quoted-printable text read.
pub fn quoted(letter: &str) -> String {
    let joined = letter.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'=') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}
