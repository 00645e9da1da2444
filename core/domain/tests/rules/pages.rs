//! Who is called for what: once for each cause, until somebody answers.

use jiff::Timestamp;
use portcullis_domain::command::{Command, Refusal};
use portcullis_domain::event::Event;
use portcullis_domain::ids::{PageId, SeveranceId};
use portcullis_domain::state::State;
use portcullis_incident::page::{Page, PageCause, Raising};
use uuid::Uuid;

use crate::case::{Case, given};

fn raise(minute: i64) -> Command {
    let at = Timestamp::from_second(1_795_000_000 + minute * 60).unwrap();
    let (title, text) = (format!("try {minute}"), "nothing has happened".to_owned());
    let raising = Raising { cause: PageCause::Tried { at }, vendor: None, title, text };
    page(u128::try_from(minute).unwrap() + 1, raising)
}

/// All at the same time, in the order of their ids.
fn page(id: u128, raising: Raising) -> Command {
    let at = Timestamp::from_second(1_795_000_000).unwrap();
    Command::RaisePage(Box::new(Page::new(PageId(Uuid::from_u128(id)), raising, at)))
}

/// An arm fails at the severance of this number.
fn arm(number: u128) -> Command {
    let severance = SeveranceId(Uuid::from_u128(number));
    let cause = PageCause::ArmFailed { severance, arm: "packets".to_owned() };
    let (title, text) = ("it is not verified closed".to_owned(), String::new());
    page(10_000 + number, Raising { cause, vendor: None, title, text })
}

fn acknowledge(case: &Case, page: &str) -> Command {
    Command::AcknowledgePage { page: page.to_owned(), by: case.operator("ann") }
}

#[test]
fn one_cause_calls_once_and_one_answer_is_enough() {
    let case = given().after(raise(0));
    assert_eq!(case.when(raise(0)).unwrap(), [], "told again it is no news");
    let case = case.after(raise(1));
    let open = case.state.open_pages();
    assert_eq!(open.len(), 2);
    let (first, code) = (open[0].page.id, open[1].page.code.to_lowercase());
    // By its id, or by its code as people write it.
    let case = case.clone().after(acknowledge(&case, &first.to_string()));
    assert_eq!(case.when(acknowledge(&case, &first.to_string())).unwrap(), []);
    let case = case.clone().after(acknowledge(&case, &code));
    assert!(case.state.open_pages().is_empty());
    assert!(matches!(case.when(acknowledge(&case, "ZZZZ-ZZZZ")), Err(Refusal::Unknown { .. })));
    assert_eq!(case.when(raise(0)).unwrap(), [], "an answer ends it for good");
    let mut folded = State::default();
    case.events.iter().for_each(|event| folded.apply(event));
    assert_eq!(folded, case.state);
}

#[test]
fn pages_are_so_many() {
    let mut case = given();
    for minute in 0..500 {
        case = case.after(raise(minute));
    }
    assert!(matches!(case.when(raise(500)), Err(Refusal::PagesMany { most: 500 })));
    // A dead enforcer has room of its own, which it can't leave.
    for number in 0..50 {
        case = case.after(arm(number));
    }
    assert!(matches!(case.when(arm(50)), Err(Refusal::PagesMany { most: 50 })));
    let mut dead = given();
    for number in 0..50 {
        dead = dead.after(arm(number));
    }
    assert_eq!(dead.when(raise(0)).unwrap().len(), 1, "it takes nobody else's place");
    let answered: Vec<_> = case.state.open_pages().iter().rev().take(50).map(|known| known.page.id).collect();
    for page in answered {
        case = case.clone().after(acknowledge(&case, &page.to_string()));
    }
    for minute in 500..1_100 {
        let oldest = case.state.open_pages()[0].page.id;
        case = case.clone().after(acknowledge(&case, &oldest.to_string())).after(raise(minute));
    }
    assert_eq!(case.state.pages.len(), 1_000);
    assert_eq!(case.state.open_pages().len(), 500);
    assert!(matches!(case.events.last(), Some(Event::PageRaised(_))));
}
