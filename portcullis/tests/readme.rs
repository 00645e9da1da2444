//! The first walk of README, command by command as it stands there: what it tells a newcomer works.
//! No shell runs: what the commands around `portcullis` do is done here, and another is a failure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits for real processes"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const README: &str = include_str!("../../README.md");
const HEADING: &str = "## From nothing to an admitted vendor\n";
/// The whole walk, without the time that its reader takes.
const WALK_MAX: Duration = Duration::from_secs(180);
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn the_first_walk_of_the_readme_works() {
    let mut walk = Walk::default();
    let begun = Instant::now();
    for line in commands() {
        walk.step(&line);
    }
    assert!(begun.elapsed() < WALK_MAX, "the walk takes {:?}", begun.elapsed());
    for verb in ["up", "new", "apply", "vendor", "client", "call", "decisions", "explain", "sever", "ledger"]
    {
        assert!(walk.verbs.iter().any(|walked| walked == verb), "the walk does not show `{verb}`");
    }
}

/// The lines of the section's shell blocks, in their order.
fn commands() -> Vec<String> {
    let (_, section) = README.split_once(HEADING).expect("the section is there");
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    without_loops(blocks.flat_map(str::lines))
}

/// `for NAME in WORD…; do`, its lines, `done`: each of the lines for each of the words.
fn without_loops<'a>(mut lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut plain = Vec::new();
    while let Some(line) = lines.next() {
        let Some(head) = line.strip_prefix("for ") else {
            plain.push(line.to_owned());
            continue;
        };
        let (name, words) =
            head.strip_suffix("; do").and_then(|head| head.split_once(" in ")).expect("a loop");
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "done").collect();
        for word in words.split_whitespace() {
            plain.extend(body.iter().map(|line| line.trim_start().replace(&format!("${name}"), word)));
        }
    }
    plain
}

/// Words of a line as a shell would part them, and what stands in its comment.
fn parted(line: &str) -> (Vec<String>, String) {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for (at, character) in line.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(character),
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '#') if word.is_none() => return (words, line[at..].to_owned()),
            (None, _) => word.get_or_insert_default().push(character),
        }
    }
    assert!(quote.is_none(), "a quote stays open: {line}");
    words.extend(word);
    (words, String::new())
}

struct Walk {
    folder: TempDir,
    variables: BTreeMap<String, String>,
    installation: Option<Child>,
    /// The address that the README names for its upstream, and the one that it has here.
    upstream: Option<(String, SocketAddr)>,
    verbs: Vec<String>,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            variables: BTreeMap::new(),
            installation: None,
            upstream: None,
            verbs: Vec::new(),
        }
    }
}

impl Walk {
    fn step(&mut self, line: &str) {
        let (words, comment) = parted(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["mkdir", "-p", folder] => std::fs::create_dir_all(self.path(folder)).unwrap(),
            ["echo", text, ">", file] => std::fs::write(self.path(file), format!("{text}\n")).unwrap(),
            ["export", variable] => {
                let (name, value) = variable.split_once('=').unwrap();
                self.variables.insert(name.to_owned(), value.to_owned());
            }
            ["python3", "-m", "http.server", port, "--bind", host, "--directory", folder, "&"] => {
                self.upstream = Some((format!("http://{host}:{port}"), files_of(self.path(folder))));
            }
            ["portcullis", "up", arguments @ ..] => self.start(arguments),
            ["portcullis", arguments @ .., ">", file] => {
                let text = self.run(line, arguments, 0);
                let (named, here) = self.upstream.as_ref().expect("an upstream runs");
                assert!(text.contains(named), "the template's upstream is not the README's: {text}");
                std::fs::write(self.path(file), text.replace(named, &format!("http://{here}"))).unwrap();
            }
            ["portcullis", "call", arguments @ ..] => {
                let refused = comment.contains("refused");
                let arguments = [&["call"], arguments].concat();
                let text = self.run(line, &arguments, i32::from(refused));
                assert_eq!(text.contains("\"parcel\": 2"), !refused, "{line}: {text}");
            }
            ["portcullis", "explain", "ID"] => {
                let listed = self.run(line, &["decisions", "-o", "json"], 0);
                let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
                let id = listed["items"][0]["id"].as_str().expect("a decision is listed");
                assert!(self.run(line, &["explain", id], 0).contains("the request passed"));
            }
            ["portcullis", arguments @ ..] => drop(self.run(line, arguments, 0)),
            _ => panic!("this walk can't do: {line}"),
        }
        if let ["portcullis", verb, ..] = words.as_slice() {
            self.verbs.push((*verb).to_owned());
        }
    }

    /// As it stands there, but on ports that are free here.
    fn start(&mut self, arguments: &[&str]) {
        let mut command = self.portcullis(&["up"]);
        command.args(arguments).args(["--cores", "1"]);
        command.args(["--listen-gate", "127.0.0.1:0", "--listen-control", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        self.installation = Some(child);
        let deadline = Instant::now() + PATIENCE;
        while !lines.next().expect("it ended before it was ready").unwrap().starts_with("ready") {
            assert!(Instant::now() < deadline, "it is not ready");
        }
    }

    #[track_caller]
    fn run(&self, line: &str, arguments: &[&str], code: i32) -> String {
        let mut command = self.portcullis(arguments);
        let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
        let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(status.code(), Some(code), "{line}\nout: {out}\nerr: {err}");
        out
    }

    fn portcullis(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(arguments).current_dir(self.folder.path());
        for variable in ["PORTCULLIS_DIR", "PORTCULLIS_SERVER", "PORTCULLIS_CA", "PORTCULLIS_TOKEN"] {
            command.env_remove(variable);
        }
        command.envs(&self.variables);
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        if let Some(child) = &mut self.installation {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Gives the files of a folder, as Python's server would.
fn files_of(folder: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().for_each(|stream| answer(&stream.unwrap(), &folder)));
    address
}

fn answer(mut stream: &TcpStream, folder: &std::path::Path) {
    let mut lines = BufReader::new(stream).lines();
    let Some(Ok(first)) = lines.next() else { return };
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let path = first.split(' ').nth(1).unwrap().trim_start_matches('/');
    let (status, body) = match std::fs::read(folder.join(path)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let head = format!(
        "HTTP/1.0 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}
