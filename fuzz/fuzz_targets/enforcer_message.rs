//! What control and the enforcer say to each other, from whoever reached the socket: refused or read, and the rules that
//! follow from a plan never hold a text that ends what it stands in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_network::order::{FromEnforcer, ToEnforcer};
use portcullis_network::ruleset;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = serde_json::from_slice::<FromEnforcer>(bytes) {
        let again = serde_json::to_vec(&message).unwrap();
        assert_eq!(serde_json::from_slice::<FromEnforcer>(&again).unwrap(), message);
    }
    let Ok(message) = serde_json::from_slice::<ToEnforcer>(bytes) else { return };
    let again = serde_json::to_vec(&message).unwrap();
    assert_eq!(serde_json::from_slice::<ToEnforcer>(&again).unwrap(), message);
    let ToEnforcer::Enforce { plan } = message else { return };
    let closed = plan.closed_networks();
    for table in ruleset::tables(&plan) {
        let text = table.replacing();
        // Comments are the only texts of others in there: what they hold ends no quote and no line.
        let quotes = text.lines().map(|line| line.matches('"').count());
        assert!(quotes.clone().all(|quotes| quotes % 2 == 0), "{text}");
        assert!(!text.contains('\0') && !text.contains('\r'), "{text}");
    }
    let _ = ruleset::closed_networks(&plan);
    let again = plan.with_cuts([]);
    assert_eq!(again.closed_networks(), closed);
});
