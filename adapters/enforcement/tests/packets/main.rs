//! The arms of packets and sockets against the kernel: what passes is seen from vendors' hosts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it has measured"
)]

mod cutting;
mod doors;
mod looking;
mod scan;
mod world;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use portcullis_enforcement::nftables::Packets;
use portcullis_enforcement::{ArmError, NetworkArm as _};
use portcullis_ids::ids::{IntegrationId, VendorId};
use portcullis_network::order::Measures;
use portcullis_network::plan::{NetworkPlan, OwnDoor, Owner, Segment, Standing};
use portcullis_network::ruleset::{CLOSED, SEGMENTS};
use uuid::Uuid;
use world::{Host, inside, run};

fn owner(vendor: u128) -> Owner {
    Owner {
        vendor: VendorId(Uuid::from_u128(vendor)),
        vendor_name: format!("vendor-{vendor}"),
        integration: IntegrationId(Uuid::from_u128(vendor + 1_000_000)),
        integration_name: format!("integration-{vendor}"),
    }
}

fn segment(vendor: u128, networks: &[&str]) -> Segment {
    let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
    Segment { owner: owner(vendor), networks, standing: Standing::Open }
}

fn plan(doors: &[&str], segments: Vec<Segment>) -> NetworkPlan {
    let doors = doors.iter().map(|door| door.parse().unwrap()).collect();
    NetworkPlan { version: 1, segmented: true, doors, segments, ..NetworkPlan::default() }
}

fn packets() -> Packets {
    Packets::new("nft".to_owned())
}

#[expect(clippy::disallowed_methods, reason = "a figure for people")]
fn clock() -> Instant {
    Instant::now()
}

fn dropped_of(measures: &Measures, vendor: u128) -> u64 {
    let of = measures.dropped.iter().find(|of| of.vendor == VendorId(Uuid::from_u128(vendor)));
    of.map_or(0, |of| of.packets)
}

/// How long something may take that must come: a machine that is busy with other tests is slow.
const COMES: Duration = Duration::from_secs(20);

/// Waits for a condition, with an end.
fn within<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = clock() + COMES;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(clock() < end, "{what} has not come");
        std::thread::yield_now();
    }
}

/// Whether bytes written at one end are read at the other within a moment.
fn carries(from: &mut TcpStream, to: &mut TcpStream) -> bool {
    carries_within(from, to, Duration::from_millis(400))
}

/// Where they must come.
fn still_carries(from: &mut TcpStream, to: &mut TcpStream) -> bool {
    carries_within(from, to, COMES)
}

fn carries_within(from: &mut TcpStream, to: &mut TcpStream, limit: Duration) -> bool {
    to.set_read_timeout(Some(limit)).unwrap();
    from.write_all(b"x").is_ok() && matches!(to.read(&mut [0; 8]), Ok(1..))
}

fn datagram_arrives(host: &Host, to: SocketAddr, at: &UdpSocket) -> bool {
    datagram_arrives_within(host, to, at, Duration::from_millis(300))
}

fn datagram_arrives_within(host: &Host, to: SocketAddr, at: &UdpSocket, limit: Duration) -> bool {
    at.set_read_timeout(Some(limit)).unwrap();
    let bind = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    host.there(move || UdpSocket::bind(bind).unwrap().send_to(b"x", to).unwrap());
    at.recv(&mut [0; 8]).is_ok()
}

#[test]
fn vendors_reach_the_doors_and_nothing_else() {
    inside("vendors_reach_the_doors_and_nothing_else", async || {
        let (one, other) = (Host::linked(1), Host::linked(2));
        run(
            "sh",
            &[
                "-c",
                "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding",
            ],
        );
        run(
            "nft",
            &[
                "add table inet others; add chain inet others c { type filter hook input priority 0; }; add rule inet others c accept; add table ip dock; add chain ip dock n { type nat hook prerouting priority -100; }; add rule ip dock n tcp dport 9443 redirect to :8443",
            ],
        );
        let others = || {
            (run("nft", &["list", "table", "inet", "others"]), run("nft", &["list", "table", "ip", "dock"]))
        };
        let before = others();
        let door = TcpListener::bind("[::]:8443").unwrap();
        let aside = TcpListener::bind("[::]:9000").unwrap();
        let datagrams = UdpSocket::bind("[::]:9001").unwrap();
        let theirs = other.there(|| TcpListener::bind("[::]:7000").unwrap());
        let (mut live, mut accepted) = (one.must_connect(one.gate(9000)), aside.accept().unwrap().0);
        let (mut live_six, mut accepted_six) =
            (one.must_connect(one.gate_six(9000)), aside.accept().unwrap().0);
        let forwarded = (one.must_connect(other.address(7000)), theirs.accept().unwrap());
        assert!(datagram_arrives_within(&one, one.gate(9001), &datagrams, COMES));
        assert!(still_carries(&mut live, &mut accepted) && still_carries(&mut live_six, &mut accepted_six));

        let arm = packets();
        arm.probe().await.unwrap();
        let plan = plan(
            &["[::]:8443"],
            vec![
                segment(1, &[&one.network(), &one.network_six()]),
                segment(2, &[&other.network(), &other.network_six()]),
            ],
        );
        arm.enforce(&plan).await.unwrap();
        assert_eq!(arm.differences(&plan).await.unwrap(), Vec::<String>::new());

        for host in [&one, &other] {
            let _doors = [host.must_connect(host.gate(8443)), host.must_connect(host.gate_six(8443))];
            // What leads to a door is the door.
            let _led = host.must_connect(host.gate(9443));
            assert!(host.connects(host.gate(9000)).is_none() && host.connects(host.gate_six(9000)).is_none());
            assert!(!datagram_arrives(host, host.gate(9001), &datagrams));
            assert!(!datagram_arrives(host, host.gate_six(9001), &datagrams));
        }
        assert!(one.connects(other.address(7000)).is_none(), "a vendor reaches another");
        assert!(!carries(&mut live, &mut accepted), "a connection from before goes on");
        assert!(!carries(&mut live_six, &mut accepted_six), "a connection from before goes on");
        // What was begun here is answered, and what is said first on a connection from before is not.
        let (mut ours, mut there) =
            (TcpStream::connect(other.address(7000)).unwrap(), theirs.accept().unwrap().0);
        assert!(still_carries(&mut ours, &mut there) && still_carries(&mut there, &mut ours));
        let _ = accepted.write_all(b"x");
        assert!(!carries(&mut live, &mut accepted), "a reply made a connection from before pass");

        let measures = arm.measure(&plan).await.unwrap();
        assert!(dropped_of(&measures, 1) > 5 && dropped_of(&measures, 2) > 3, "{measures:?}");
        // A plan again, and nothing is counted anew.
        arm.enforce(&plan).await.unwrap();
        let again = arm.measure(&plan).await.unwrap();
        assert!(dropped_of(&again, 1) >= dropped_of(&measures, 1), "{again:?}");
        assert_eq!(others(), before, "tables of others were touched");
        arm.enforce(&NetworkPlan { segmented: false, ..plan }).await.unwrap();
        let _open = one.must_connect(one.gate(9000));
        drop((door, forwarded));
    });
}

#[test]
fn a_scan_of_every_port_finds_the_door_only() {
    inside("a_scan_of_every_port_finds_the_door_only", async || {
        let vendor = Host::linked(1);
        let doors: Vec<TcpListener> = ["0.0.0.0:22", "0.0.0.0:8443", "10.50.1.1:9443", "0.0.0.0:65535"]
            .map(|at| TcpListener::bind(at).unwrap())
            .into();
        let target = vendor.gate(0).ip();
        let open = vendor.there(move || scan::open_ports(target));
        assert_eq!(open, [22, 8443, 9443, 65_535], "the scan sees what is open");
        let plan = plan(&["0.0.0.0:8443", "10.50.1.1:9443"], vec![segment(1, &[&vendor.network()])]);
        let arm = packets();
        arm.enforce(&plan).await.unwrap();
        let began = clock();
        assert_eq!(vendor.there(move || scan::open_ports(target)), [8443, 9443]);
        println!("65,535 ports scanned in {:?}", began.elapsed());
        assert!(dropped_of(&arm.measure(&plan).await.unwrap(), 1) >= 65_533);
        drop(doors);
    });
}

#[test]
fn what_somebody_changes_is_told_and_put_right() {
    inside("what_somebody_changes_is_told_and_put_right", async || {
        let arm = packets();
        let plan =
            plan(&["10.50.1.1:8443"], vec![segment(1, &["10.50.1.0/24"]), segment(2, &["10.50.2.0/24"])]);
        for (change, wanted) in [
            (format!("flush chain inet {SEGMENTS} entering"), "chain `entering` has 0 rules"),
            (format!("delete element inet {SEGMENTS} vendors4 {{ 10.50.1.0-10.50.2.255 }}"), "is missing"),
            (
                format!("add element inet {SEGMENTS} doors4 {{ 10.50.1.1 . 22 }}"),
                "`10.50.1.1 . 22` is not in the plan",
            ),
            (format!("insert rule inet {SEGMENTS} entering accept"), "rule 1 is the first that differs"),
            (format!("add chain inet {SEGMENTS} more"), "chain `more`"),
            (format!("delete table inet {SEGMENTS}"), "table `portcullis` is not there"),
            (format!("delete table inet {CLOSED}"), "table `portcullis_closed` is not there"),
            (format!("flush chain inet {CLOSED} arriving"), "chain `arriving` has 0 rules"),
            ("flush ruleset".to_owned(), "is not there"),
        ] {
            arm.enforce(&plan).await.unwrap();
            assert!(arm.differences(&plan).await.unwrap().is_empty(), "before: {change}");
            if std::process::Command::new("nft").arg(&change).output().unwrap().status.success() {
                let differences = arm.differences(&plan).await.unwrap().join("; ");
                assert!(differences.contains(wanted), "{change}: {differences}");
            } else {
                // Elements that were merged have other bounds.
                assert!(change.contains("delete element"), "{change}");
            }
        }
        arm.enforce(&plan).await.unwrap();
        assert!(arm.differences(&plan).await.unwrap().is_empty());
    });
}

#[test]
fn without_nft_or_the_right_it_says_so() {
    inside("without_nft_or_the_right_it_says_so", async || {
        let missing = Packets::new("/nonexistent/nft".to_owned());
        let plan = plan(&[], Vec::new());
        for error in [missing.probe().await.unwrap_err(), missing.enforce(&plan).await.unwrap_err()] {
            let ArmError::Absent(why) = &error else { panic!("{error}") };
            assert!(why.contains("`/nonexistent/nft`") && why.contains("hint: install the package"), "{why}");
        }
        let nothing = NetworkPlan { segmented: false, ..plan.clone() };
        missing.enforce(&nothing).await.unwrap();
        // Of this thread, and of what it starts.
        rustix::thread::set_no_new_privs(true).unwrap();
        let none = rustix::thread::CapabilitySet::empty();
        let sets = rustix::thread::CapabilitySets { effective: none, permitted: none, inheritable: none };
        rustix::thread::set_capabilities(None, sets).unwrap();
        // Threads that wait for the kernel are begun by one with these rights.
        let bare = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let thread = std::thread::spawn(move || {
            bare.block_on(async {
                let sockets = portcullis_enforcement::sockets::Sockets;
                let arm = packets();
                for error in [
                    arm.probe().await.unwrap_err(),
                    arm.enforce(&plan).await.unwrap_err(),
                    sockets.probe().await.unwrap_err(),
                ] {
                    let ArmError::Absent(why) = &error else { panic!("{error}") };
                    assert!(why.contains("CAP_NET_ADMIN"), "{why}");
                }
            });
        });
        thread.join().unwrap();
    });
}

#[test]
fn ten_thousand_vendors_are_loaded_within_seconds() {
    inside("ten_thousand_vendors_are_loaded_within_seconds", async || {
        let segments = (0..10_000_u128).map(|vendor| {
            let (high, low) = (vendor / 250, vendor % 250);
            let four = format!("10.{}.{}.0/28", 100 + high, low);
            let four_more = format!("10.{}.{}.64/26", 100 + high, low);
            segment(vendor + 1, &[&four, &four_more, &format!("2001:db8:{vendor:x}::/48")])
        });
        // As many as there may be have a door of their own.
        let own_doors = (0..1_000_u16).map(|door| OwnDoor {
            port: 10_000 + door,
            owner: owner(u128::from(door) * 10 + 1),
            from_anywhere: false,
        });
        let plan =
            NetworkPlan { own_doors: own_doors.collect(), ..plan(&["0.0.0.0:8443"], segments.collect()) };
        let arm = packets();
        let began = clock();
        match arm.enforce(&plan).await {
            Ok(()) => {}
            // A namespace of users has no right to bigger messages than the host allows.
            Err(error) if !rustix::process::geteuid().is_root() || error.to_string().contains("wmem_max") => {
                println!("not loaded: {error}");
                return;
            }
            Err(error) => panic!("{error}"),
        }
        let loaded = began.elapsed();
        let again = clock();
        arm.enforce(&plan).await.unwrap();
        let severance = portcullis_ids::ids::SeveranceId(Uuid::from_u128(7));
        let scope = portcullis_network::cut::Scope::Vendor { id: VendorId(Uuid::from_u128(5_000)) };
        let cut = plan.cut(scope, severance);
        let replaced = again.elapsed();
        let began = clock();
        arm.sever(&cut).await.unwrap();
        let severed = began.elapsed();
        let began = clock();
        arm.verify(&cut).await.unwrap();
        println!(
            "10,000 vendors, 30,000 networks: loaded and read back in {loaded:?}, again in {replaced:?}; a cut took {severed:?}, looking {:?}",
            began.elapsed()
        );
        assert!(loaded < Duration::from_secs(60) && severed < Duration::from_secs(2));
    });
}
