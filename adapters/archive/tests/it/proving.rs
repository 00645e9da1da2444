use portcullis_ledger::from_hex;
use portcullis_ledger::tree::{leaf_hash, verify_inclusion};

use crate::common::{NINE_MS, World, decision, some};

#[test]
fn each_decision_can_be_proven_from_its_files_event() {
    let mut world = World::new();
    let decided = some(333, 1);
    world.seal(&decided, &[]);
    for record in decided.iter().step_by(17) {
        let proof = world.archive.prove(&world.files, record.id).unwrap().unwrap();
        let root = from_hex(&proof.file.rows_root).unwrap();
        let hash = leaf_hash(&proof.leaf);
        verify_inclusion(&hash, proof.index, proof.file.rows, &proof.path, &root).unwrap();
        let leaf: serde_json::Value = serde_json::from_slice(&proof.leaf).unwrap();
        assert_eq!(leaf["decision"]["id"], record.id.to_string());
        // Another row's leaf has another proof.
        let other = leaf_hash(b"{}");
        assert!(verify_inclusion(&other, proof.index, proof.file.rows, &proof.path, &root).is_err());
    }
    let unknown = decision(NINE_MS, 9_999, 1);
    assert_eq!(world.archive.prove(&world.files, unknown.id).unwrap(), None);
}
