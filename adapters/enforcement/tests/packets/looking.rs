//! What is found on a host that would pass by the gate, and what open tunnels may say.

use std::net::{TcpListener, UdpSocket};

use portcullis_enforcement::NetworkArm as _;
use portcullis_ids::ids::TunnelId;
use portcullis_network::plan::{ClosedBy, Ipsec, Link, NetworkPlan, OwnDoor, Standing, Tunnel, Wireguard};
use uuid::Uuid;

use super::world::{Host, inside, run};
use super::{datagram_arrives, owner, packets, plan, segment, within};

async fn found(plan: &NetworkPlan) -> Vec<String> {
    let seen = packets().inspect(plan).await.unwrap();
    assert!(seen.unseen.is_empty(), "{seen:?}");
    seen.found.iter().map(|of| format!("{}: {}", of.kind, of.what)).collect()
}

fn holds(found: &[String], part: &str) -> bool {
    found.iter().any(|of| of.contains(part))
}

#[test]
fn what_passes_by_the_gate_is_told() {
    inside("looking::what_passes_by_the_gate_is_told", async || {
        let vendor = Host::linked(1);
        let listeners = (
            TcpListener::bind("0.0.0.0:8443").unwrap(),
            TcpListener::bind("0.0.0.0:8451").unwrap(),
            TcpListener::bind("0.0.0.0:9000").unwrap(),
            TcpListener::bind("127.0.0.1:9001").unwrap(),
            UdpSocket::bind("[::]:9002").unwrap(),
        );
        run(
            "sh",
            &[
                "-c",
                "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables || true",
            ],
        );
        run(
            "nft",
            &[
                "add table ip others; add chain ip others c { type nat hook prerouting priority -100; }; add rule ip others c tcp dport 81 redirect to :9000",
            ],
        );
        run("ip", &["link", "add", "br7", "type", "bridge"]);
        // An interface of tunnels with a route into it; some kernels have none.
        let tunnel = std::process::Command::new("ip")
            .args(["tunnel", "add", "t7", "mode", "gre", "remote", "10.50.1.2", "local", "10.50.1.1"])
            .output()
            .is_ok_and(|output| output.status.success());
        if tunnel {
            run("ip", &["link", "set", "t7", "up"]);
            run("ip", &["route", "add", "10.99.0.0/24", "dev", "t7"]);
        }
        let open = NetworkPlan {
            segmented: false,
            own_doors: vec![OwnDoor { port: 8_451, owner: owner(1), from_anywhere: false }],
            ..plan(&["0.0.0.0:8443"], vec![segment(1, &[&vendor.network(), "10.99.0.0/16"])])
        };
        packets().enforce(&open).await.unwrap();
        let before = found(&open).await;
        for part in [
            "listener: tcp 0.0.0.0:9000",
            "listener: udp [::]:9002",
            "IPv4 packets are forwarded",
            "table ip others",
            "bridge br7",
        ] {
            assert!(holds(&before, part), "{part}: {before:#?}");
        }
        assert_eq!(holds(&before, "route to 10.99.0.0/24 into t7"), tunnel, "{before:#?}");
        assert!(!holds(&before, "8443") && !holds(&before, "8451") && !holds(&before, "9001"), "{before:#?}");
        let segmented = NetworkPlan { segmented: true, ..open };
        packets().enforce(&segmented).await.unwrap();
        let after = found(&segmented).await;
        assert!(
            !holds(&after, "listener") && !holds(&after, "others") && !holds(&after, "forwarded"),
            "{after:#?}"
        );
        assert!(holds(&after, "bridge br7"), "{after:#?}");
        run("nft", &["flush chain inet portcullis entering"]);
        assert!(holds(&found(&segmented).await, "difference: chain `entering`"));
        drop(listeners);
    });
}

#[test]
fn handshakes_pass_while_their_tunnel_is_open() {
    inside("looking::handshakes_pass_while_their_tunnel_is_open", async || {
        let (one, other) = (Host::linked(1), Host::linked(2));
        let tunnel = |id: u128, link| Tunnel {
            id: TunnelId(Uuid::from_u128(id)),
            name: format!("tunnel-{id}"),
            owner: owner(id),
            link,
            local_networks: vec!["10.0.0.1/32".parse().unwrap()],
            remote_networks: vec![format!("10.10{id}.0.0/24").parse().unwrap()],
            standing: Standing::Open,
        };
        let ipsec = Ipsec {
            connection: "portcullis-one".to_owned(),
            local_address: None,
            peer_address: Some(one.address(0).ip()),
            virtual_address: None,
            local_identity: "gate".to_owned(),
            peer_identity: "one".to_owned(),
            ike_proposals: Vec::new(),
            esp_proposals: Vec::new(),
            encapsulate: true,
            authentication: None,
        };
        let wireguard = Wireguard {
            interface: "wg0".to_owned(),
            peer_public_key: None,
            preshared_key: None,
            private_key: None,
            listen_port: Some(51_820),
            endpoint: Some(other.address(1_234)),
            keepalive_seconds: None,
        };
        let mut plan = plan(&["0.0.0.0:8443"], vec![segment(1, &[&one.network()])]);
        plan.tunnels =
            vec![tunnel(1, Link::Ipsec(Box::new(ipsec))), tunnel(2, Link::Wireguard(Box::new(wireguard)))];
        let arm = packets();
        let ports = [500, 4_500, 51_820, 53].map(|port| UdpSocket::bind(("0.0.0.0", port)).unwrap());
        let reached = |host: &Host| {
            let reached = ports.iter().filter(|socket| {
                let port = socket.local_addr().unwrap().port();
                datagram_arrives(host, host.gate(port), socket)
            });
            reached.map(|socket| socket.local_addr().unwrap().port()).collect::<Vec<_>>()
        };
        arm.enforce(&plan).await.unwrap();
        assert_eq!(arm.differences(&plan).await.unwrap(), Vec::<String>::new());
        within("what is open is reached", || (reached(&one) == [500, 4_500]).then_some(()));
        within("what is open is reached", || (reached(&other) == [51_820]).then_some(()));
        for tunnel in &mut plan.tunnels {
            tunnel.standing = Standing::Closed { why: ClosedBy::Contract };
        }
        arm.enforce(&plan).await.unwrap();
        assert_eq!((reached(&one), reached(&other)), (Vec::new(), Vec::new()));
    });
}
