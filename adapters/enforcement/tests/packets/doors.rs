//! Doors of integrations' own, as vendors' hosts find them.

use std::net::TcpListener;

use portcullis_enforcement::NetworkArm as _;
use portcullis_network::plan::{NetworkPlan, OwnDoor};
use portcullis_network::ruleset::SEGMENTS;

use crate::world::{Host, inside, run};
use crate::{dropped_of, owner, packets, plan, scan, segment};

fn own(vendor: u128, port: u16, from_anywhere: bool) -> OwnDoor {
    OwnDoor { port, owner: owner(vendor), from_anywhere }
}

#[test]
fn a_scan_of_each_vendor_finds_its_own_door_only() {
    inside("doors::a_scan_of_each_vendor_finds_its_own_door_only", async || {
        let [one, two, three] = [1, 2, 3].map(Host::linked);
        let listeners: Vec<TcpListener> = ["[::]:22", "[::]:8443", "[::]:8451", "[::]:8452"]
            .map(|at| TcpListener::bind(at).unwrap())
            .into();
        let segments = [&one, &two, &three].into_iter().zip(1..);
        let segments =
            segments.map(|(host, vendor)| segment(vendor, &[&host.network(), &host.network_six()]));
        let common = plan(&["[::]:8443"], segments.collect());
        let own_doors = vec![own(1, 8451, false), own(2, 8452, false)];
        let plan = NetworkPlan { own_doors, ..common.clone() };
        let arm = packets();
        let ports = [22, 8443, 8451, 8452];
        let answering = |host: &Host| {
            let four = ports.into_iter().filter(|port| host.connects(host.gate(*port)).is_some());
            let six = ports.into_iter().filter(|port| host.connects(host.gate_six(*port)).is_some());
            let (four, six): (Vec<u16>, Vec<u16>) = (four.collect(), six.collect());
            assert_eq!(four, six);
            four
        };
        for (plan, expect) in [
            (&common, [[8443], [8443], [8443]]),
            (&plan, [[8451], [8452], [8443]]),
            // And back again.
            (&common, [[8443], [8443], [8443]]),
        ] {
            arm.enforce(plan).await.unwrap();
            assert_eq!(arm.differences(plan).await.unwrap(), Vec::<String>::new());
            assert_eq!([&one, &two, &three].map(answering), expect);
        }
        arm.enforce(&plan).await.unwrap();
        for (host, expect) in [(&one, [8451]), (&two, [8452])] {
            let target = host.gate(0).ip();
            assert_eq!(host.there(move || scan::open_ports(target)), expect);
        }
        assert!(dropped_of(&arm.measure(&plan).await.unwrap(), 1) >= 65_533);
        // Both doors of a vendor whose other integration may come from anywhere, and of an address that two have.
        let own_doors = vec![own(1, 8451, false), own(2, 8452, true)];
        let mut shared = NetworkPlan { own_doors, ..common.clone() };
        shared.segments.push(segment(2, &[&one.network(), &one.network_six()]));
        shared.common_from_anywhere = vec![owner(2).vendor];
        arm.enforce(&shared).await.unwrap();
        assert_eq!(answering(&one), [8443, 8451, 8452]);
        assert_eq!(answering(&two), [8443, 8452]);
        drop(listeners);
    });
}

#[test]
fn a_door_is_at_the_gates_address_and_no_other() {
    inside("doors::a_door_is_at_the_gates_address_and_no_other", async || {
        let vendor = Host::linked(1);
        run("ip", &["address", "add", "10.60.0.1/32", "dev", "lo"]);
        let listeners: Vec<TcpListener> =
            ["0.0.0.0:8443", "0.0.0.0:8451"].map(|at| TcpListener::bind(at).unwrap()).into();
        let gate = vendor.gate(8443).to_string();
        let own_doors = vec![own(1, 8451, false)];
        let plan = NetworkPlan { own_doors, ..plan(&[&gate], vec![segment(1, &[&vendor.network()])]) };
        let arm = packets();
        arm.enforce(&plan).await.unwrap();
        assert!(vendor.connects(vendor.gate(8451)).is_some() && vendor.connects(vendor.gate(8443)).is_none());
        let beside = "10.60.0.1:8451".parse().unwrap();
        vendor.there(|| run("ip", &["route", "add", "10.60.0.1/32", "via", "10.50.1.1"]));
        assert!(vendor.connects(beside).is_none(), "another address of the host");
        arm.enforce(&NetworkPlan { segmented: false, ..plan.clone() }).await.unwrap();
        assert!(vendor.connects(beside).is_some(), "the way there is none of the plan's");
        // What somebody adds is told, and gone with the next plan.
        arm.enforce(&plan).await.unwrap();
        let element = format!("{{ {} . 8443 }}", vendor.address(0).ip());
        run("nft", &["add", "element", "inet", SEGMENTS, "own4", &element]);
        let told = arm.differences(&plan).await.unwrap().join("; ");
        assert!(told.contains("set `own4`") && told.contains("is not in the plan"), "{told}");
        arm.enforce(&plan).await.unwrap();
        assert_eq!(arm.differences(&plan).await.unwrap(), Vec::<String>::new());
        drop(listeners);
    });
}
