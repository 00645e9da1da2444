//! Cuts: packets dropped both ways, sockets reset, and nothing of others touched.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_enforcement::NetworkArm as _;
use portcullis_enforcement::sockets::Sockets;
use portcullis_ids::ids::{SeveranceId, VendorId};
use portcullis_network::cut::{Cut, Scope};
use portcullis_network::plan::NetworkPlan;
use uuid::Uuid;

use super::world::{Host, inside, run};
use super::{carries, clock, dropped_of, packets, plan, segment, still_carries, within};

fn cut(plan: &NetworkPlan, vendor: u128) -> Cut {
    let severance = SeveranceId(Uuid::from_u128(vendor + 77));
    plan.cut(Scope::Vendor { id: VendorId(Uuid::from_u128(vendor)) }, severance)
}

fn reset(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    matches!(stream.read(&mut [0; 8]), Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted))
}

#[test]
fn a_cut_drops_resets_and_leaves_others_alone() {
    inside("cutting::a_cut_drops_resets_and_leaves_others_alone", async || {
        let (one, other) = (Host::linked(1), Host::linked(2));
        run("sh", &["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
        run(
            "nft",
            &[
                "add table inet others; add set inet others s { type ipv4_addr; flags interval; elements = { 10.50.1.0/25 } }",
            ],
        );
        let before = run("nft", &["list", "table", "inet", "others"]);
        let plan = NetworkPlan {
            segmented: false,
            ..plan(
                &["[::]:8443"],
                vec![segment(1, &[&one.network(), &one.network_six()]), segment(2, &[&other.network()])],
            )
        };
        let (arm, sockets) = (packets(), Sockets);
        sockets.probe().await.unwrap();
        arm.enforce(&plan).await.unwrap();
        // One listener for IPv4, and one for both, which has addresses of IPv4 as mapped ones.
        let (four, both) =
            (TcpListener::bind("0.0.0.0:8443").unwrap(), TcpListener::bind("[::]:9443").unwrap());
        let mut streams = Vec::new();
        for (to, listener) in [(one.gate(8443), &four), (one.gate(9443), &both), (one.gate_six(9443), &both)]
        {
            streams.push((one.must_connect(to), listener.accept().unwrap().0));
        }
        let (mut bystander, mut of_bystander) =
            (other.must_connect(other.gate(8443)), four.accept().unwrap().0);
        let theirs = one.there(|| TcpListener::bind("0.0.0.0:7000").unwrap());
        let mut ours = TcpStream::connect(one.address(7000)).unwrap();
        let mut there = theirs.accept().unwrap().0;
        let forwarded = other.must_connect(one.address(7000));
        let mut of_forwarded = theirs.accept().unwrap().0;
        let datagrams = UdpSocket::bind("0.0.0.0:0").unwrap();
        datagrams.connect(one.address(7001)).unwrap();
        for (from, to) in &mut streams {
            assert!(still_carries(from, to) && still_carries(to, from));
        }

        let cut = cut(&plan, 1);
        assert!(arm.verify(&cut).await.is_err() && sockets.verify(&cut).await.is_err(), "it is open");
        let began = clock();
        let (paths, destroyed) = (arm.sever(&cut).await.unwrap(), sockets.sever(&cut).await.unwrap());
        let took = began.elapsed();
        assert!(paths.iter().all(|path| path.was_open), "{paths:?}");
        assert_eq!(destroyed.len(), 5, "{destroyed:?}");
        assert_eq!(arm.verify(&cut).await.unwrap().len(), 2);
        sockets.verify(&cut).await.unwrap();
        println!("packets and sockets one after the other: {took:?}");
        // Twice is as once.
        assert!(arm.sever(&cut).await.unwrap().iter().all(|path| !path.was_open));
        assert!(sockets.sever(&cut).await.unwrap().is_empty());

        for (from, to) in &mut streams {
            assert!(reset(from), "the peer sees a reset");
            assert!(reset(to) || to.write_all(b"x").is_err(), "the process sees an error");
        }
        assert!(reset(&mut there) && ours.write_all(b"x").is_err());
        assert!(datagrams.send(b"x").is_err(), "a datagram socket with a peer has it no more");
        for to in [one.gate(8443), one.gate_six(9443)] {
            assert!(one.connects(to).is_none(), "{to} is reached");
        }
        assert!(TcpStream::connect_timeout(&one.address(7000), Duration::from_millis(300)).is_err());
        assert!(UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"x", one.address(7001)).is_err());
        let mut forwarded = forwarded;
        assert!(!carries(&mut forwarded, &mut of_forwarded), "forwarded packets pass");
        assert!(still_carries(&mut bystander, &mut of_bystander));
        let _beside = other.must_connect(other.gate(8443));
        assert!(dropped_of(&arm.measure(&plan).await.unwrap(), 1) > 0);
        assert_eq!(dropped_of(&arm.measure(&plan).await.unwrap(), 2), 0);
        assert_eq!(run("nft", &["list", "table", "inet", "others"]), before);

        // The plan with the cut keeps it; the plan without it opens again.
        let held = plan.clone().with_cuts([&cut]);
        arm.enforce(&held).await.unwrap();
        assert!(one.connects(one.gate(8443)).is_none());
        arm.verify(&cut).await.unwrap();
        arm.enforce(&plan).await.unwrap();
        let _open = one.must_connect(one.gate(8443));
        assert!(arm.verify(&cut).await.is_err());
    });
}

#[test]
fn a_cut_needs_no_table_that_is_there_before() {
    inside("cutting::a_cut_needs_no_table_that_is_there_before", async || {
        let vendor = Host::linked(1);
        let listener = TcpListener::bind("0.0.0.0:8443").unwrap();
        let plan = plan(&[], vec![segment(1, &[&vendor.network()]), segment(2, &["198.51.100.0/24"])]);
        let arm = packets();
        for vendor in [2, 1] {
            arm.sever(&cut(&plan, vendor)).await.unwrap();
        }
        assert!(vendor.connects(vendor.gate(8443)).is_none());
        // Another arm, as after a restart, finds it as it is.
        packets().verify(&cut(&plan, 1)).await.unwrap();
        // Somebody clears everything: the look says so, and the next cut brings the one before back as well.
        run("nft", &["flush", "ruleset"]);
        assert!(arm.verify(&cut(&plan, 1)).await.is_err());
        arm.sever(&cut(&plan, 1)).await.unwrap();
        arm.verify(&cut(&plan, 2)).await.unwrap();
        for spoilt in [
            "flush set inet portcullis_closed to4",
            "delete table inet portcullis_closed",
            "flush chain inet portcullis_closed leaving",
            "add table inet portcullis_closed { flags dormant; }",
        ] {
            run("nft", &[spoilt]);
            assert!(arm.verify(&cut(&plan, 1)).await.is_err(), "{spoilt}");
            arm.sever(&cut(&plan, 1)).await.unwrap();
            arm.verify(&cut(&plan, 1)).await.unwrap();
            assert!(vendor.connects(vendor.gate(8443)).is_none(), "{spoilt}");
        }
        drop(listener);
    });
}

#[test]
fn two_cuts_at_once_are_both_closed_though_there_was_no_table() {
    inside("cutting::two_cuts_at_once_are_both_closed_though_there_was_no_table", async || {
        let segments = (1..=8).map(|vendor| segment(vendor, &[&format!("198.51.100.{vendor}/32")]));
        let plan = plan(&[], segments.collect());
        for _ in 0..4 {
            // As when the machine was started anew: nothing is known, and nothing is there.
            run("nft", &["flush ruleset"]);
            let arm = packets();
            let mut cutting = tokio::task::JoinSet::new();
            for vendor in 1..=8 {
                let (arm, cut) = (arm.clone(), cut(&plan, vendor));
                cutting.spawn(async move {
                    arm.sever(&cut).await.unwrap();
                    arm.verify(&cut).await.unwrap();
                });
            }
            while let Some(done) = cutting.join_next().await {
                done.unwrap();
            }
            for vendor in 1..=8 {
                packets().verify(&cut(&plan, vendor)).await.unwrap();
            }
        }
    });
}

#[test]
fn nothing_of_a_cut_passes_while_plans_are_replaced() {
    inside("cutting::nothing_of_a_cut_passes_while_plans_are_replaced", async || {
        let vendor = Host::linked(1);
        let at = UdpSocket::bind("0.0.0.0:9001").unwrap();
        let (arm, open) = (
            packets(),
            plan(&["0.0.0.0:8443"], vec![segment(1, &[&vendor.network()]), segment(2, &["198.51.100.0/24"])]),
        );
        let cut = cut(&open, 1);
        arm.sever(&cut).await.unwrap();
        let (stop, to) = (Arc::new(AtomicBool::new(false)), vendor.gate(9001));
        let stopped = Arc::clone(&stop);
        let flood = std::thread::scope(|scope| {
            let flood = scope.spawn(|| {
                vendor.there(move || {
                    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
                    let mut sent = 0_u64;
                    while !stopped.load(Ordering::Relaxed) {
                        sent += u64::from(socket.send_to(b"x", to).is_ok());
                    }
                    sent
                })
            });
            let handle = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let arm = &arm;
            scope.spawn(move || {
                handle.block_on(async {
                    for version in 0..12 {
                        let closed = open.clone().with_cuts([&cut]);
                        arm.enforce(&NetworkPlan { version, segmented: version % 3 != 0, ..closed })
                            .await
                            .unwrap();
                        arm.sever(&cut).await.unwrap();
                    }
                });
                stop.store(true, Ordering::Relaxed);
            });
            flood.join().unwrap()
        });
        at.set_nonblocking(true).unwrap();
        let arrived = at.recv(&mut [0; 8]);
        println!("{flood} datagrams, none arrived");
        assert!(flood > 100 && arrived.is_err(), "{flood} datagrams, of which one arrived");
    });
}

#[test]
fn networks_within_networks_come_and_go() {
    inside("cutting::networks_within_networks_come_and_go", async || {
        let arm = packets();
        let networks = [
            "10.0.0.0/28",
            "10.0.0.16/28",
            "10.0.0.0/24",
            "10.0.0.0/8",
            "0.0.0.0/1",
            "128.0.0.0/1",
            "255.255.255.255/32",
            "2001:db8::/48",
            "2001:db8::/32",
            "8000::/1",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
        ];
        // Each one added to each of those before it, then each taken away again while the others stay.
        let mut closed = Vec::new();
        for (place, network) in networks.iter().enumerate() {
            closed.push(segment(place as u128 + 1, &[network]));
            let plan = plan(&[], vec![closed.last().unwrap().clone()]);
            let cut = cut(&plan, place as u128 + 1);
            arm.sever(&cut).await.unwrap();
            arm.verify(&cut).await.unwrap();
        }
        let standing =
            portcullis_network::plan::Standing::Closed { why: portcullis_network::plan::ClosedBy::Contract };
        for segment in &mut closed {
            segment.standing = standing;
        }
        while !closed.is_empty() {
            let plan = NetworkPlan { segmented: false, ..plan(&[], closed.clone()) };
            arm.enforce(&plan).await.unwrap();
            assert_eq!(arm.differences(&plan).await.unwrap(), Vec::<String>::new());
            closed.swap_remove(closed.len() / 2);
        }
    });
}

#[test]
fn many_sockets_are_reset() {
    inside("cutting::many_sockets_are_reset", async || {
        let vendor = Host::linked(1);
        let listener = TcpListener::bind("[::]:8443").unwrap();
        let to = vendor.gate(8443);
        let accepting =
            std::thread::spawn(move || (0..300).map(|_| listener.accept().unwrap().0).collect::<Vec<_>>());
        let theirs =
            vendor.there(move || (0..300).map(|_| TcpStream::connect(to).unwrap()).collect::<Vec<_>>());
        let streams: Vec<_> = theirs.into_iter().zip(accepting.join().unwrap()).collect();
        // One that has said goodbye and waits for the other's.
        streams[0].1.shutdown(std::net::Shutdown::Write).unwrap();
        let plan = plan(&[], vec![segment(1, &["10.50.1.2/32", &vendor.network_six()])]);
        let cut = cut(&plan, 1);
        let began = clock();
        let paths = Sockets.sever(&cut).await.unwrap();
        println!("300 sockets in {:?}", began.elapsed());
        assert_eq!(paths.len(), 101, "named up to a limit");
        Sockets.verify(&cut).await.unwrap();
        for (mut theirs, _) in streams.into_iter().skip(1) {
            within("a reset", || reset(&mut theirs).then_some(()));
        }
    });
}
