use jiff::SignedDuration;
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::event::Event;
use portcullis_domain::ids::SeveranceId;

use crate::case::{apply, client, empty, given, operator, proposal, restoration};

#[test]
fn vendor_and_integration_take_two_people_and_keep_their_keys_refused() {
    for target in ["vendor/acme", "integration/feed"] {
        let case = given().severed(target);
        let open = proposal(case.when(case.propose(target, "ann")));
        assert_eq!(open.severances, case.state.severances.keys().copied().collect::<Vec<_>>());
        let case = case.proposed(target, "ann");
        assert_eq!(case.state.severances.len(), 1, "a proposal opens nothing");
        assert!(matches!(case.when(case.confirm(target, "ann")), Err(Refusal::SamePerson(_))));
        let restored = restoration(case.when(case.confirm(target, "bob")));
        assert_eq!((restored.epoch, restored.keys), (3, vec![]));
        assert_eq!(restored.proposed_by, case.operator("ann"));
        assert_eq!(restored.confirmed_by, Some(case.operator("bob")));
        let case = case.confirmed(target, "bob");
        assert!(case.state.severances.is_empty() && case.state.proposals.is_empty());
        assert_eq!(case.refused_keys(), ["key-1", "key-2"]);
        assert!(case.when(apply(&[client("robot", &["key-3"])])).is_ok(), "it takes new keys");
    }
}

#[test]
fn client_and_key_take_one_and_get_their_keys_back() {
    for target in ["client/robot", "key/key-1"] {
        let case = given().severed(target);
        let restored = restoration(case.when(case.propose(target, "ann")));
        assert_eq!((restored.keys, restored.confirmed_by), (vec!["key-1".to_owned()], None));
        let case = case.proposed(target, "ann");
        assert!(case.state.severances.is_empty() && case.state.refused_keys.is_empty());
        assert_eq!(case.state.lifted["key-1"], case.state.size);
        let case = case.severed(target);
        assert!(case.state.lifted.is_empty(), "closed again");
    }
}

#[test]
fn a_key_that_a_vendors_severance_closed_is_never_lifted_by_one_person() {
    // Whatever came first, and whether or not the vendor was restored meanwhile.
    let before = given().severed("client/robot").severed("vendor/acme");
    let after = given().severed("vendor/acme").severed("client/robot");
    let restored =
        given().severed("vendor/acme").proposed("vendor/acme", "ann").confirmed("vendor/acme", "bob");
    let restored = restored.severed("client/robot");
    for case in [before, after, restored] {
        let case = case.proposed("client/robot", "ann");
        assert_eq!(case.refused_keys(), ["key-1", "key-2"]);
        assert!(case.state.lifted.is_empty());
    }
}

#[test]
fn a_key_that_two_severances_closed_is_lifted_with_the_second() {
    let case = given().severed("key/key-1").severed("client/robot").proposed("key/key-1", "ann");
    assert_eq!(case.refused_keys(), ["key-1"]);
    let case = case.proposed("client/robot", "ann");
    assert!(case.refused_keys().is_empty());
    // A client's restoration lifts its keys' severances too.
    let case = given().severed("key/key-1").severed("client/robot").proposed("client/robot", "ann");
    assert!(case.refused_keys().is_empty() && case.state.severances.is_empty());
}

#[test]
fn a_proposal_goes_stale() {
    let proposed = || given().severed("vendor/acme").proposed("vendor/acme", "ann");
    let stale = |case: &crate::case::Case| {
        let refused = case.when(case.confirm("vendor/acme", "bob"));
        assert!(matches!(refused, Err(Refusal::ProposalNotOpen(_))), "{refused:?}");
    };
    let case = proposed().later(SignedDuration::from_hours(24) - SignedDuration::from_nanos(1));
    assert!(case.when(case.confirm("vendor/acme", "bob")).is_ok());
    stale(&case.later(SignedDuration::from_nanos(1)));
    // Restored by way of another proposal, and severed again since.
    let twice = proposed().confirmed("vendor/acme", "bob");
    stale(&twice);
    stale(&twice.severed("vendor/acme"));
    // A second severance of it, which the proposer can't have looked at, came out of the reserve.
    let mut case = proposed();
    let mut second = case.state.severances.values().next().unwrap().clone();
    second.id = SeveranceId(uuid::Uuid::from_u128(1 << 100));
    case.state.apply(&Event::Severed(second));
    stale(&case);
    // For another target.
    let case = proposed().severed("integration/feed");
    let other = case.when(case.confirm("integration/feed", "bob"));
    assert!(matches!(other, Err(Refusal::ProposalOfOther { .. })), "{other:?}");
    // What isn't severed can't be proposed.
    let case = given();
    assert!(matches!(case.when(case.propose("vendor/acme", "ann")), Err(Refusal::NotSevered(_))));
    assert!(matches!(case.when(case.propose("client/robot", "ann")), Err(Refusal::NotSevered(_))));
}

#[test]
fn a_restoration_overtakes_the_other_proposals_for_its_target() {
    let case = given().severed("vendor/acme").proposed("vendor/acme", "ann").proposed("vendor/acme", "bob");
    assert_eq!(case.state.proposals.len(), 2);
    assert!(case.confirmed("vendor/acme", "ann").state.proposals.is_empty());
}

#[test]
fn the_only_operator_may_confirm_alone() {
    let case = given().after(Command::RemoveOperator { name: "bob".into() });
    let case = case.severed("vendor/acme").proposed("vendor/acme", "ann");
    let restored = restoration(case.when(case.confirm("vendor/acme", "ann")));
    assert_eq!(restored.confirmed_by, Some(restored.proposed_by));
    // With a second one, no longer.
    let case = case.after(operator("eve"));
    assert!(matches!(case.when(case.confirm("vendor/acme", "ann")), Err(Refusal::SamePerson(_))));
    assert_eq!(empty().state.operators.len(), 0);
}
