//! Two machines in network namespaces of their own, with a link between them: ours, and the vendor's. Everything goes
//! when the pair is dropped.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What must be installed, and that we are root: without it the tests say so and pass, unless CI asks for them.
pub fn ready() -> bool {
    let installed = [
        "/usr/sbin/swanctl",
        "/usr/lib/ipsec/charon",
        "/usr/bin/wireguard-go",
        "/usr/bin/wg",
        "/dev/net/tun",
    ];
    let missing: Vec<_> = installed.iter().filter(|path| !Path::new(path).exists()).collect();
    let is_root = rustix::process::geteuid().is_root();
    if missing.is_empty() && is_root {
        return true;
    }
    let why = format!("root: {is_root}, missing: {missing:?}");
    assert!(std::env::var_os("PORTCULLIS_LAB_REQUIRED").is_none(), "the tests of tunnels can't run: {why}");
    println!("skipped: tunnels need root, strongSwan and WireGuard; {why}");
    false
}

/// A machine: a namespace, and processes that go with it.
pub struct Host {
    pub name: String,
    pub folder: PathBuf,
    children: Vec<Child>,
}

/// Ours and the vendor's, linked: `10.77.0.1` and `10.77.0.2`, with `10.101.0.1` and `10.102.0.1` behind them.
pub struct Pair {
    pub ours: Host,
    pub theirs: Host,
    _folder: tempfile::TempDir,
}

impl Pair {
    pub fn new(test: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = |side: &str| {
            let name = format!("pct-{test}-{side}-{}", std::process::id());
            ip(&["netns", "add", &name]);
            let own = folder.path().join(side);
            fs::create_dir_all(&own).unwrap();
            Host { name, folder: own, children: Vec::new() }
        };
        let (ours, theirs) = (host("a"), host("b"));
        ip(&[
            "link",
            "add",
            "v1",
            "netns",
            &ours.name,
            "type",
            "veth",
            "peer",
            "name",
            "v2",
            "netns",
            &theirs.name,
        ]);
        for (host, device, number) in [(&ours, "v1", 1), (&theirs, "v2", 2)] {
            host.ip(&["addr", "add", &format!("10.77.0.{number}/24"), "dev", device]);
            host.ip(&["link", "set", device, "up"]);
            host.ip(&["link", "set", "lo", "up"]);
            host.ip(&["addr", "add", &format!("10.10{number}.0.1/32"), "dev", "lo"]);
        }
        Self { ours, theirs, _folder: folder }
    }
}

impl Host {
    pub fn ip(&self, arguments: &[&str]) {
        ip(&[&["-n", &self.name], arguments].concat());
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("vici")
    }

    /// Starts charon with a socket of its own, and user-space ESP.
    pub fn charon(&mut self) -> u32 {
        let socket = self.socket();
        let conf = format!(
            "charon {{\n  load = random nonce openssl aes sha1 sha2 hmac gmp pem pkcs1 x509 revocation constraints pubkey kdf gcm kernel-libipsec kernel-netlink socket-default vici updown\n  retransmit_tries = 2\n  retransmit_timeout = 1\n  plugins {{\n    vici {{ socket = unix://{} }}\n    kernel-libipsec {{ allow_peer_ts = yes }}\n    kernel-netlink {{ fwmark = !0x42 }}\n    socket-default {{ fwmark = 0x42 }}\n  }}\n}}\n",
            socket.display()
        );
        let file = self.folder.join("strongswan.conf");
        fs::write(&file, conf).unwrap();
        let log = fs::File::create(self.folder.join("log")).unwrap();
        let mut command = self.inside("exec /usr/lib/ipsec/charon");
        command.env("STRONGSWAN_CONF", file).stdout(log.try_clone().unwrap()).stderr(log);
        let id = self.keep(command);
        until("charon listens", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
        id
    }

    /// Makes an interface of user-space WireGuard; answers a program that speaks to it as `wg` does.
    pub fn wireguard(&mut self, interface: &str, address: &str) -> String {
        let id =
            self.keep(self.inside(&format!(
                "mkdir -p /run/wireguard; LOG_LEVEL=error exec wireguard-go -f {interface}"
            )));
        let tool = self.folder.join("wg");
        fs::write(&tool, format!("#!/bin/sh\nexec nsenter -t {id} -m -n wg \"$@\"\n")).unwrap();
        Command::new("chmod").arg("755").arg(&tool).status().unwrap();
        let tool = tool.display().to_string();
        until("WireGuard listens", || {
            Command::new(&tool)
                .args(["show", interface, "dump"])
                .stderr(Stdio::null())
                .stdout(Stdio::null())
                .status()
                .unwrap()
                .success()
        });
        self.ip(&["addr", "add", address, "dev", interface]);
        self.ip(&["link", "set", interface, "up"]);
        tool
    }

    /// `swanctl` towards this machine's charon, with its files in `folder`.
    pub fn swanctl(&self, arguments: &[&str]) -> (bool, String) {
        let uri = format!("unix://{}", self.socket().display());
        let output = Command::new("swanctl")
            .args(arguments)
            .args(["--uri", &uri])
            .env("SWANCTL_DIR", self.folder.join("swanctl"))
            .output()
            .unwrap();
        let text =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        let text: Vec<_> = text.lines().filter(|line| !line.starts_with("plugin '")).collect();
        (output.status.success(), text.join("\n"))
    }

    /// Puts files where `swanctl` looks, and loads all of them.
    pub fn load(&self, files: &[portcullis_network::rendering::File]) -> String {
        let folder = self.folder.join("swanctl");
        for file in files {
            let path = folder.join(&file.path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &file.text).unwrap();
        }
        fs::write(folder.join("swanctl.conf"), "include conf.d/*.conf\n").unwrap();
        let (good, text) = self.swanctl(&["--load-all", "--noprompt"]);
        assert!(good, "{text}");
        text
    }

    /// A listener that keeps what it gets, on `address`, port 9000.
    pub fn listen(&mut self, address: &str) -> PathBuf {
        let file = self.folder.join(format!("got-{address}"));
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, "nc", "-lk", address, "9000"]);
        command.stdout(fs::File::create(&file).unwrap()).stdin(Stdio::null());
        self.keep(command);
        file
    }

    /// Sends a line from `from` to `to`, port 9000; whether somebody took it.
    pub fn send(&self, from: &str, to: &str, line: &str) -> bool {
        let script = format!("echo {line} | nc -N -w 2 -s {from} {to} 9000");
        Command::new("ip")
            .args(["netns", "exec", &self.name, "sh", "-c", &script])
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }

    /// A command in this machine's namespace, with a `/run` of its own.
    fn inside(&self, script: &str) -> Command {
        let script = format!("mount -t tmpfs tmpfs /run; {script}");
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name, "unshare", "-m", "sh", "-c", &script])
            .stdin(Stdio::null());
        command
    }

    fn keep(&mut self, mut command: Command) -> u32 {
        command.process_group(0);
        let child = command.spawn().unwrap();
        let id = child.id();
        self.children.push(child);
        id
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = Command::new("ip").args(["netns", "del", &self.name]).stderr(Stdio::null()).status();
    }
}

/// Waits for a condition, thirty seconds at most: a busy machine is slow.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "a test waits for other processes, with an end")]
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(30), "never: {what}");
        // A condition outside of this process, asked for again by the kernel's timer.
        let (_kept, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(Duration::from_millis(20));
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Another machine on the same link, at `10.77.0.3`.
pub fn beside(first: &Host, side: &str) -> Host {
    let name = first.name.replace("-b-", &format!("-{side}-"));
    ip(&["netns", "add", &name]);
    let folder = first.folder.with_file_name(side);
    fs::create_dir_all(&folder).unwrap();
    let host = Host { name, folder, children: Vec::new() };
    // Bridged by the first one's namespace: it passes on what comes from the new link.
    ip(&[
        "link",
        "add",
        "v3",
        "netns",
        &first.name,
        "type",
        "veth",
        "peer",
        "name",
        "v4",
        "netns",
        &host.name,
    ]);
    let within = |script: &str| {
        let status =
            Command::new("ip").args(["netns", "exec", &first.name, "sh", "-c", script]).status().unwrap();
        assert!(status.success(), "{script}");
    };
    within(
        "ip link add br0 type bridge && ip addr del 10.77.0.2/24 dev v2 && ip link set v2 master br0 && ip link set v3 master br0 && ip link set v3 up && ip addr add 10.77.0.2/24 dev br0 && ip link set br0 up",
    );
    host.ip(&["addr", "add", "10.77.0.3/24", "dev", "v4"]);
    host.ip(&["link", "set", "v4", "up"]);
    host.ip(&["link", "set", "lo", "up"]);
    host
}
