//! Layer 0 and the contexts.

use portcullis_risk::{
    Action, Answer, Answered, Before, Cause, ClientRisk, IssuedIn, Known, Listed, Mode, Peers, Rules,
    Standing,
};

use super::world::{Client, DAY, SECOND, START, before, context};

fn ask(risk: &mut ClientRisk, request: &Before) -> (Action, Cause) {
    let assessed = risk.before(request, &Peers::default(), &Rules::default());
    (assessed.action, assessed.cause)
}

const ALLOWED: (Action, Cause) = (Action::Allow, Cause::Nothing);
const NEW: (Action, Cause) = (Action::Challenge, Cause::NewContext);

#[test]
fn the_first_context_is_challenged_at_request_one_and_admitted_where_the_token_was_issued() {
    for (issued_in, admitted) in
        [(IssuedIn::SameContext, 1), (IssuedIn::Unknown, 0), (IssuedIn::OtherNetwork, 0)]
    {
        let mut risk = ClientRisk::new();
        let request = Before { issued_in, ..before(START) };
        assert_eq!(ask(&mut risk, &request), NEW);
        assert_eq!(ask(&mut risk, &Before { answer: Answered::Valid, ..request }), ALLOWED);
        assert_eq!(risk.progress().contexts_admitted, admitted, "{issued_in:?}");
        assert_eq!(risk.progress().contexts_on_probation, 1 - admitted);
        assert_eq!(ask(&mut risk, &Before { at_us: START + SECOND, ..request }), ALLOWED);
    }
}

#[test]
fn another_network_or_tls_client_is_challenged_at_request_one_and_another_prefix_is_not() {
    for (other, expect) in [
        (context(1, 11, 100), NEW),
        (context(1, 10, 101), NEW),
        (portcullis_risk::Context { prefix: 5, ..context(1, 10, 100) }, ALLOWED),
        // A key that was registered for the client, in a place that is admitted.
        (context(2, 10, 100), ALLOWED),
    ] {
        let mut client = Client::new();
        client.exchange(&before(START), 1);
        let request = Before { context: other, ..before(START + SECOND) };
        assert_eq!(ask(&mut client.risk, &request), expect, "{other:?}");
    }
}

#[test]
fn a_context_that_passed_is_on_probation_for_a_day_without_another_at_work() {
    let mut client = Client::new();
    client.exchange(&before(START), 1);
    let other = |at_us: i64| Before { context: context(1, 11, 101), ..before(at_us) };
    client.exchange(&other(START + SECOND), 1);
    let assessed = client.risk.before(&other(START + 2 * SECOND), &client.peers, &client.rules);
    assert!(assessed.probation && assessed.action == Action::Allow);
    // The admitted one works in between: the day begins again.
    client.exchange(&before(START + DAY / 2), 1);
    client.exchange(&other(START + DAY / 2 + SECOND), 1);
    client.exchange(&other(START + DAY + SECOND), 1);
    assert_eq!(client.risk.progress().contexts_admitted, 1);
    client.exchange(&other(START + DAY * 3 / 2 + 2 * SECOND), 1);
    assert_eq!(client.risk.progress().contexts_admitted, 2);
    assert_eq!(client.challenges, 2);
}

#[test]
fn a_declared_context_needs_no_challenge() {
    let mut client = Client::new();
    client.exchange(&before(START), 1);
    client.risk.admit(&context(1, 11, 101), START);
    let request = Before { context: context(1, 11, 101), ..before(START + SECOND) };
    assert_eq!(ask(&mut client.risk, &request), ALLOWED);
}

#[test]
fn a_list_is_asked_about_once() {
    let mut client = Client::new();
    client.exchange(&before(START), 1);
    client.risk.admit(&context(1, 11, 101), START);
    let mut request = Before { context: context(1, 11, 101), ..before(START + SECOND) };
    request.origin.listed = Known::Is(Listed::REPUTATION);
    assert_eq!(ask(&mut client.risk, &request), (Action::Challenge, Cause::Listed));
    request.answer = Answered::Valid;
    assert_eq!(ask(&mut client.risk, &request), ALLOWED);
    request.answer = Answered::No;
    assert_eq!(ask(&mut client.risk, &request), ALLOWED);
}

#[test]
fn fifty_requests_in_flight_are_one_question_and_the_third_unanswered_severs() {
    let mut risk = ClientRisk::new();
    for at in 0..50 {
        assert_eq!(ask(&mut risk, &before(START + at * 1_000)).0, Action::Challenge);
    }
    assert_eq!(risk.question(&before(0).context), Some(START));
    let pending = (Action::Challenge, Cause::Pending);
    assert_eq!(ask(&mut risk, &before(START + 11 * SECOND)), pending);
    assert_eq!(ask(&mut risk, &before(START + 22 * SECOND)), pending);
    assert_eq!(ask(&mut risk, &before(START + 31 * SECOND)), pending);
    assert_eq!(ask(&mut risk, &before(START + 33 * SECOND)), (Action::Sever, Cause::ChallengeFailed));
}

#[test]
fn a_wrong_answer_severs_and_an_answer_to_nothing_does_nothing() {
    let mut risk = ClientRisk::new();
    ask(&mut risk, &before(START));
    assert_eq!(risk.answered(&context(1, 99, 100), Answer::Wrong, START), Action::Allow);
    assert_eq!(risk.answered(&before(0).context, Answer::Wrong, START), Action::Sever);
    assert_eq!(risk.answered(&before(0).context, Answer::Wrong, START), Action::Allow);
}

#[test]
fn a_thief_cannot_block_another_context() {
    let mut client = Client::new();
    client.exchange(&before(START), 1);
    for other in 0..100 {
        let request =
            Before { context: context(1, 1_000 + other, 101), ..before(START + SECOND + other as i64) };
        assert_eq!(ask(&mut client.risk, &request), NEW);
    }
    assert_eq!(ask(&mut client.risk, &before(START + 2 * SECOND)), ALLOWED);
}

#[test]
fn what_was_proved_ahead_is_not_asked_for() {
    let mut risk = ClientRisk::new();
    let request = Before { answer: Answered::Ahead, ..before(START) };
    assert_eq!(ask(&mut risk, &request), ALLOWED);
    assert_eq!(risk.progress().contexts_admitted, 1);
    assert!(risk.progress().rehearsed);
}

#[test]
fn modes_say_what_is_asked() {
    for (mode, expect) in
        [(Mode::Off, Action::Allow), (Mode::Observe, Action::Challenge), (Mode::Enforce, Action::Challenge)]
    {
        let mut risk = ClientRisk::new();
        let rules = Rules { mode, ..Rules::default() };
        let assessed = risk.before(&before(START), &Peers::default(), &rules);
        assert_eq!((assessed.action, assessed.standing), (expect, Standing::Observe), "{mode:?}");
        assert_eq!(assessed.parts.as_slice().is_empty(), mode == Mode::Off);
        assert_eq!(assessed.step, 1);
    }
}

#[test]
fn critical_routes_want_a_fresh_nonce_on_every_request() {
    let mut client = Client::new();
    client.exchange(&before(START), 1);
    for (fresh_nonce, mode, expect) in [
        (false, Mode::Enforce, (Action::Challenge, Cause::NotFresh)),
        (true, Mode::Enforce, ALLOWED),
        (false, Mode::Observe, ALLOWED),
    ] {
        let mut request = Before { fresh_nonce, ..before(START + SECOND) };
        request.stakes.critical = true;
        let assessed = client.risk.before(&request, &client.peers, &Rules { mode, ..Rules::default() });
        assert_eq!((assessed.action, assessed.cause), expect);
        assert_eq!(client.risk.question(&request.context), None);
    }
}
