//! Through which tunnel a request came, by real tunnels; and whose machine may not come through them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use portcullis_lab::available::{Need, available};
use portcullis_lab::clock::until;
use portcullis_lab::host::Host;
use portcullis_lab::machine::Machine;
use portcullis_lab::meter::Meter;
use portcullis_lab::stage::{IPSEC_OURS, Tunnels, WIREGUARD_OURS};
use portcullis_lab::world::{Beside, GATE, World};
use serde_json::Value;

/// Asks once from `host`, at this door; the answer's status.
fn ask(host: &Host, machine: &Arc<Machine>, door: SocketAddr, token: &str) -> u16 {
    let machine = Machine { door, ..Machine::clone(machine) };
    let token = token.to_owned();
    host.wait_for(async move {
        let mut connection = machine.http1(&Meter::new()).await.unwrap();
        machine.get(&mut connection, "/records", &token).await.unwrap().status().as_u16()
    })
}

#[test]
fn what_comes_through_a_tunnel_is_recorded_with_it_and_another_vendors_machine_is_refused() {
    if !available(Need::Tunnels) {
        return;
    }
    let world = World::new(Path::new(env!("CARGO_BIN_EXE_portcullis")), &["acme", "other"], Beside::Tunnels);
    let (acme, other) = (world.vendor("acme"), world.vendor("other"));
    let _tunnels = Tunnels::raise(&world, acme);
    let said = |words: &[&str]| world.installation.must(&world.gate, words);
    let decisions = |filter: &[&str]| -> Vec<Value> {
        let found = said(&[["decisions"].as_slice(), filter].concat());
        found["items"].as_array().unwrap().clone()
    };
    let token = acme.token();
    for (name, door) in [("acme-ipsec", IPSEC_OURS), ("acme-wireguard", WIREGUARD_OURS)] {
        assert!(decisions(&["--tunnel", name]).is_empty());
        let door = SocketAddr::from((door, GATE.port()));
        assert_eq!(ask(&acme.host, &acme.machine, door, &token), 200);
        // Stolen, and used from this vendor's network.
        let stolen = other.token();
        assert_eq!(ask(&acme.host, &other.machine, door, &stolen), 403);
        let found =
            until("decisions", || Some(decisions(&["--tunnel", name])).filter(|found| found.len() == 2));
        let told = |at: usize| {
            let (names, reason) = (&found[at]["names"], found[at]["reason"].as_str().unwrap());
            (names["vendor"].as_str().unwrap(), names["tunnel"].as_str().unwrap(), reason)
        };
        assert_eq!(told(0), ("other", name, "tunnel_foreign"));
        assert_eq!(told(1), ("acme", name, "allowed"));
    }
    // From outside, by the same machine.
    assert_eq!(ask(&acme.host, &acme.machine, GATE, &token), 200);
    until("a decision without a tunnel", || {
        let newest = decisions(&["--vendor", "acme", "--limit", "1"]);
        (newest[0].get("tunnel").is_none() && newest[0]["reason"] == "allowed").then_some(())
    });
}
