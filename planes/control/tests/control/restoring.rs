use portcullis_api::severing::RestoreAnswer;
use portcullis_control::ExecuteError;
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::ids::{OperatorId, RestoreId};

use crate::world::{Process, World, client, until};

async fn propose(process: &Process, target: &str, by: OperatorId) -> RestoreAnswer {
    process.control.propose_restore(target.parse().unwrap(), by).await.unwrap()
}

async fn confirm(process: &Process, id: RestoreId, by: OperatorId) -> Result<RestoreAnswer, ExecuteError> {
    process.control.confirm_restore(id, "vendor/acme".parse().unwrap(), by).await
}

#[tokio::test]
async fn a_vendor_takes_two_people_and_new_keys() {
    let world = World::new();
    let process = world.start().await;
    let (ann, bob) = (process.operator("ann").await, process.operator("bob").await);
    process.acme().await;
    let gate = process.gate("gate");
    process.control.sever("vendor/acme".parse().unwrap(), ann, "theft".into()).await.unwrap();
    let RestoreAnswer::Proposed { id, needs, single_operator, .. } =
        propose(&process, "vendor/acme", ann).await
    else {
        panic!("it takes two")
    };
    assert!(needs.contains(&id.to_string()) && !single_operator);
    assert_eq!(process.control.state().severances.len(), 1);
    let alone = confirm(&process, id, ann).await;
    assert!(matches!(alone, Err(ExecuteError::Refused(Refusal::SamePerson(_)))), "{alone:?}");
    let RestoreAnswer::Restored { epoch, proposed_by, confirmed_by, keys_accepted, .. } =
        confirm(&process, id, bob).await.unwrap()
    else {
        panic!("two said so")
    };
    assert_eq!((epoch, proposed_by.as_str(), confirmed_by.as_deref()), (3, "ann", Some("bob")));
    assert!(keys_accepted.is_empty());
    assert!(process.control.state().severances.is_empty());
    until("the gate knows", || gate.newest().severed.is_empty()).await;
    assert_eq!(gate.newest().refused_keys, ["key-1", "key-2"]);
    // The old key stays refused, for whoever it is declared.
    let apply = |key: &str| process.control.apply(vec![client("robot", key)], false);
    let old = process.control.apply(vec![client("third", "key-1")], false).await;
    assert!(matches!(old, Err(ExecuteError::Refused(Refusal::Invalid(_)))), "{old:?}");
    apply("key-3").await.unwrap();
    assert!(matches!(apply("key-1").await, Err(ExecuteError::Refused(Refusal::Invalid(_)))));
}

#[tokio::test]
async fn a_refused_proposal_is_over_and_everything_stays_closed() {
    let world = World::new();
    let process = world.start().await;
    let (ann, bob) = (process.operator("ann").await, process.operator("bob").await);
    process.acme().await;
    process.control.sever("vendor/acme".parse().unwrap(), ann, "theft".into()).await.unwrap();
    let RestoreAnswer::Proposed { id, .. } = propose(&process, "vendor/acme", ann).await else {
        panic!("it takes two")
    };
    let refuse =
        |reason: &str| process.control.refuse_restore(id, "vendor/acme".parse().unwrap(), bob, reason.into());
    let silent = refuse(" ").await;
    assert!(matches!(silent, Err(ExecuteError::Refused(Refusal::ReasonMissing))), "{silent:?}");
    let refused = refuse("still looking").await.unwrap();
    let expected = RestoreAnswer::Refused {
        id,
        target: "vendor/acme".into(),
        by: "bob".into(),
        reason: "still looking".into(),
    };
    assert_eq!(refused, expected);
    for late in [confirm(&process, id, bob).await, refuse("again").await] {
        assert!(matches!(late, Err(ExecuteError::Refused(Refusal::ProposalNotOpen(_)))), "{late:?}");
    }
    let state = process.control.state();
    assert!(state.proposals.is_empty() && state.severances.len() == 1);
}

#[tokio::test]
async fn a_client_takes_one_and_gets_its_keys_back() {
    let world = World::new();
    let process = world.start().await;
    let (ann, _bob) = (process.operator("ann").await, process.operator("bob").await);
    process.acme().await;
    let gate = process.gate("gate");
    process.control.sever("client/robot".parse().unwrap(), ann, "theft".into()).await.unwrap();
    let RestoreAnswer::Restored { keys_accepted, confirmed_by, .. } =
        propose(&process, "client/robot", ann).await
    else {
        panic!("one is enough")
    };
    assert_eq!((keys_accepted, confirmed_by), (vec!["key-1".to_owned()], None));
    until("the gate knows", || gate.newest().refused_keys.is_empty() && gate.newest().severed.is_empty())
        .await;
    assert_eq!(gate.newest().lifted, [("key-1".to_owned(), process.control.state().size)]);
}

#[tokio::test]
async fn one_operator_alone_may_and_is_told() {
    let world = World::new();
    let process = world.start().await;
    let ann = process.operator("ann").await;
    process.acme().await;
    process.control.sever("vendor/acme".parse().unwrap(), ann, "theft".into()).await.unwrap();
    let RestoreAnswer::Proposed { id, single_operator, needs, .. } =
        propose(&process, "vendor/acme", ann).await
    else {
        panic!("still in two steps")
    };
    assert!(single_operator && needs.contains("one operator only"));
    assert!(matches!(confirm(&process, id, ann).await, Ok(RestoreAnswer::Restored { .. })));
}

#[tokio::test]
async fn a_newer_severance_overtakes_a_proposal() {
    let world = World::new();
    let process = world.start().await;
    let (ann, bob) = (process.operator("ann").await, process.operator("bob").await);
    process.acme().await;
    process.control.sever("vendor/acme".parse().unwrap(), ann, "theft".into()).await.unwrap();
    let RestoreAnswer::Proposed { id, .. } = propose(&process, "vendor/acme", ann).await else { panic!() };
    world.pass(std::time::Duration::from_secs(24 * 3_600));
    let stale = confirm(&process, id, bob).await;
    assert!(matches!(stale, Err(ExecuteError::Refused(Refusal::ProposalNotOpen(_)))), "{stale:?}");
    let none = process.control.execute(Command::ConfirmRestore {
        proposal: RestoreId(uuid::Uuid::from_u128(1)),
        target: "vendor/acme".parse().unwrap(),
        by: bob,
    });
    assert!(matches!(none.await, Err(ExecuteError::Refused(Refusal::ProposalNotOpen(_)))));
}
