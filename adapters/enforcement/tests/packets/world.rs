//! A gate's host and hosts of vendors, each in a network namespace of its own, linked one by one. Everything goes
//! with the test's process: namespaces have no names, and their holders end when their input does.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const INSIDE: &str = "PORTCULLIS_TEST_INSIDE";

/// Runs the test's body in namespaces of its own: the test starts itself once more in them.
pub fn inside(test: &str, body: impl AsyncFnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        run("ip", &["link", "set", "lo", "up"]);
        return tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(body());
    }
    let root = rustix::process::geteuid().is_root();
    // Without root, a namespace of users makes one of it, where the host allows that.
    let namespaces = if root { "-nm" } else { "-Urnm" };
    let possible =
        Command::new("unshare").args([namespaces, "nft", "list", "ruleset"]).stderr(Stdio::null()).status();
    if !possible.is_ok_and(|status| status.success()) {
        let required = std::env::var_os("PORTCULLIS_LAB_REQUIRED").is_some();
        assert!(!required, "no network namespaces with nf_tables here, or no `nft`");
        println!("skipped: no network namespaces with nf_tables here, or no `nft`");
        return;
    }
    let own = std::env::current_exe().unwrap();
    let script = "mount -t sysfs sysfs /sys 2>/dev/null; exec \"$@\"";
    let output = Command::new("unshare")
        .args([namespaces, "sh", "-c", script, "sh"])
        .arg(own)
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    print!("{said}");
    assert!(output.status.success(), "the test failed in its namespace: {complaints}");
    // A name that doesn't fit runs nothing, and nothing never fails.
    assert!(said.contains("1 passed"), "`{test}` has not run");
}

pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

/// Another host, linked with ours: `10.50.N.2` and `fd50:N::2`, where ours is `.1` and `::1`.
pub struct Host {
    holder: Child,
    number: u8,
}

impl Host {
    pub fn linked(number: u8) -> Self {
        let mut holder = Command::new("unshare")
            .args(["-n", "sh", "-c", "ip link set lo up; echo ready; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let host = Self { holder, number };
        let (ours, id) = (format!("to{number}"), host.holder.id().to_string());
        run("ip", &["link", "add", &ours, "type", "veth", "peer", "name", "eth0", "netns", &id]);
        for family in ["10.50.N.1/24", "fd50:N::1/64"] {
            let address = family.replace('N', &number.to_string());
            run("ip", &["address", "add", &address, "dev", &ours, "nodad"]);
            host.ip(&[
                "address",
                "add",
                &address.replace(".1/", ".2/").replace("::1/", "::2/"),
                "dev",
                "eth0",
                "nodad",
            ]);
        }
        run("ip", &["link", "set", &ours, "up"]);
        host.ip(&["link", "set", "eth0", "up"]);
        host.ip(&["route", "add", "default", "via", &format!("10.50.{number}.1")]);
        host.ip(&["-6", "route", "add", "default", "via", &format!("fd50:{number}::1")]);
        host
    }

    pub fn address(&self, port: u16) -> SocketAddr {
        format!("10.50.{}.2:{port}", self.number).parse().unwrap()
    }

    pub fn network(&self) -> String {
        format!("10.50.{}.0/24", self.number)
    }

    pub fn network_six(&self) -> String {
        format!("fd50:{}::/64", self.number)
    }

    /// Ours, as it is seen from there.
    pub fn gate(&self, port: u16) -> SocketAddr {
        format!("10.50.{}.1:{port}", self.number).parse().unwrap()
    }

    pub fn gate_six(&self, port: u16) -> SocketAddr {
        format!("[fd50:{}::1]:{port}", self.number).parse().unwrap()
    }

    /// Does something there, on a thread of its own.
    pub fn there<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let namespace = File::open(format!("/proc/{}/ns/net", self.holder.id())).unwrap();
        let thread = std::thread::spawn(move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        });
        thread.join().unwrap()
    }

    /// A connection from there, if there is one within a moment.
    pub fn connects(&self, to: SocketAddr) -> Option<TcpStream> {
        self.there(move || TcpStream::connect_timeout(&to, Duration::from_millis(300)).ok())
    }

    /// A connection from there, where there must be one.
    pub fn must_connect(&self, to: SocketAddr) -> TcpStream {
        self.there(move || TcpStream::connect_timeout(&to, super::COMES).unwrap())
    }

    fn ip(&self, arguments: &[&str]) {
        let id = self.holder.id().to_string();
        run("nsenter", &[&["-t", &id, "-n", "ip"], arguments].concat());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
