//! Doors of integrations' own, through the real program: each vendor's host finds its own and nothing else.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use http::Method;
use portcullis_lab::available::{Need, available};
use portcullis_lab::clock::until;
use portcullis_lab::kernel;
use portcullis_lab::machine::Machine;
use portcullis_lab::meter::Meter;
use portcullis_lab::operator::Operator;
use portcullis_lab::world::{Beside, GATE, Vendor, World};
use serde_json::{Value, json};

/// Gives each vendor's integration a door, or takes it away, and waits until that is in force.
fn serve_at(world: &World, operator: &Operator, doors: [Option<u16>; 3]) {
    let mut manifests = Vec::new();
    for (vendor, door) in world.vendors.iter().zip(doors) {
        manifests.extend(vendor.manifests().into_iter().filter(|of| of["kind"] == "Integration").map(
            |mut of| {
                if let Some(door) = door {
                    of["spec"]["door"] = door.into();
                }
                of
            },
        ));
    }
    world.installation.apply(&world.gate, &manifests);
    until("the plan in force", || {
        let view = network(world, operator);
        (view["enforced"].as_u64()? >= view["version"].as_u64()?).then_some(())
    });
}

fn network(world: &World, operator: &Operator) -> Value {
    let (status, view) = operator.get(&world.gate, "/v1/network").unwrap();
    assert_eq!(status, 200, "{view}");
    view
}

/// A token and an answer, by this door.
fn is_served(vendor: &Vendor, port: u16) {
    let door = SocketAddr::new(GATE.ip(), port);
    let machine = Arc::new(Machine { door, public: door, ..Machine::clone(&vendor.machine) });
    let status = vendor.host.wait_for(async move {
        let token = machine.token().await.map_err(|error| error.to_string())?;
        let mut connection = machine.http1(&Meter::new()).await.map_err(|error| error.to_string())?;
        let answer = machine.get(&mut connection, "/records", &token).await;
        answer.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
    });
    assert_eq!(status, Ok(200), "`{}` at {port}", vendor.name);
}

#[test]
fn a_scan_from_each_vendor_finds_its_own_door_only() {
    if !available(Need::Packets) {
        return;
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_portcullis"));
    let world = World::new(binary, &["acme", "other", "plain"], Beside::Enforcer);
    let operator = Operator::of(&world.installation, &world.gate);
    let on = json!({ "on": true });
    let segmented =
        operator.begin(&world.gate, Method::POST, "/v1/network/segmentation", &on).recv().unwrap();
    assert_eq!(segmented.unwrap().0, 200);
    // The gate is at every address of its host.
    let found = |vendor: &Vendor| -> Vec<u16> {
        let ports = [GATE.port(), 8_451, 8_452];
        let at = |address: IpAddr| {
            let doors = ports.map(|port| SocketAddr::new(address, port));
            kernel::answering(&vendor.host, vendor.address, &doors)
        };
        let (there, near) = (at(GATE.ip()), at(vendor.ours.into()));
        let found = ports.into_iter().filter(|port| there.contains(&format!("{}:{port} accepts", GATE.ip())));
        let found: Vec<u16> = found.collect();
        assert_eq!((there.len(), near.len()), (found.len(), found.len()), "{there:?} {near:?}");
        found
    };
    let found = || -> Vec<Vec<u16>> { world.vendors.iter().map(found).collect() };
    serve_at(&world, &operator, [Some(8_451), Some(8_452), None]);
    assert_eq!(found(), [[8_451], [8_452], [GATE.port()]]);
    for (vendor, expect) in world.vendors.iter().zip([8_451, 8_452]) {
        assert_eq!(kernel::open_ports(&vendor.host, vendor.address, GATE.ip()), [expect], "{}", vendor.name);
    }
    for (vendor, port) in world.vendors.iter().zip([8_451, 8_452, GATE.port()]) {
        is_served(vendor, port);
    }
    let view = network(&world, &operator);
    let own: Vec<_> =
        view["own_doors"].as_array().unwrap().iter().map(|of| (&of["port"], &of["integration"])).collect();
    assert_eq!(own, [(&json!(8_451), &json!("acme-read")), (&json!(8_452), &json!("other-read"))]);
    let (status, differences) = operator.get(&world.gate, "/v1/network/differences").unwrap();
    assert_eq!((status, &differences["differences"]), (200, &json!([])), "{differences}");

    // One is taken away, and one goes over to another vendor.
    serve_at(&world, &operator, [None, None, Some(8_452)]);
    assert_eq!(found(), [[GATE.port()], [GATE.port()], [8_452]]);
    for (vendor, port) in world.vendors.iter().zip([GATE.port(), GATE.port(), 8_452]) {
        is_served(vendor, port);
    }
}
