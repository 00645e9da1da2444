use portcullis_domain::event::Event;
use serde_json::json;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn define(state: &mut State, id: u128, name: &str, spec: &serde_json::Value) {
    let declaration = serde_json::from_value(json!({ "name": name, "kind": "Feed", "spec": spec })).unwrap();
    state.apply(&Event::ResourceDefined {
        id: Uuid::from_u128(id),
        declaration,
        keys: Vec::new(),
        time: None,
    });
}

fn world() -> (tempfile::TempDir, Folder, State, Feeds) {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::new(home.path().to_owned(), None);
    let mut state = State::default();
    define(
        &mut state,
        1,
        "exits",
        &json!({ "holds": "tor", "url": "https://lists.example/exits", "refresh_seconds": 3600 }),
    );
    define(&mut state, 2, "own", &json!({ "holds": "reputation", "file": "/lists/own" }));
    (home, folder, state, Feeds::default())
}

fn names(due: &[Place]) -> Vec<&str> {
    due.iter().map(|place| place.name.as_str()).collect()
}

#[test]
fn what_is_fetched_is_read_where_it_is_laid_down_and_files_where_they_are() {
    let (_home, folder, state, feeds) = world();
    let paths: Vec<_> =
        feeds.sources(&state, &folder).into_iter().map(|source| (source.name, source.path)).collect();
    assert_eq!(
        paths,
        [("exits".to_owned(), folder.fetched("exits")), ("own".to_owned(), "/lists/own".into())]
    );
}

#[test]
fn a_failure_is_tried_again_with_growing_pauses_and_success_waits_for_its_turn() {
    let (_home, folder, state, feeds) = world();
    let mut now = at("2030-01-01T00:00:00Z");
    let due = feeds.due(&state, &folder, now);
    assert_eq!(names(&due), ["exits"]);
    assert_eq!(feeds.due(&state, &folder, now), [], "it is under way");
    let mut pauses = Vec::new();
    for _ in 0..9 {
        feeds.tried(&due[0], Err("it answered 503".to_owned()), now, 0);
        let next = feeds.status_of(due[0].id).schedule.next.unwrap();
        pauses.push(next.duration_since(now).as_secs());
        assert_eq!(feeds.due(&state, &folder, next - 1.seconds()), []);
        now = next;
        assert_eq!(names(&feeds.due(&state, &folder, now)), ["exits"]);
    }
    assert_eq!(pauses, [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
    assert_eq!(feeds.status_of(due[0].id).fetch_errors(), (Some("it answered 503"), 9));
    let remembered = Remembered { url: due[0].url.clone(), validator: None, checked: Some(now) };
    feeds.tried(&due[0], Ok(remembered), now, 255);
    let next = feeds.status_of(due[0].id).schedule.next.unwrap();
    assert!((2_880..=2_885).contains(&next.duration_since(now).as_secs()), "up to a fifth sooner");
    assert_eq!(feeds.status_of(due[0].id).fetch_errors(), (None, 0));
}

#[test]
fn a_restart_fetches_only_what_is_due_and_another_address_begins_anew() {
    let (_home, folder, mut state, _) = world();
    let path = folder.fetched("exits");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "192.0.2.1\n").unwrap();
    let remembered = Remembered {
        url: "https://lists.example/exits".to_owned(),
        validator: Some(Validator::Etag("\"a\"".to_owned())),
        checked: Some(at("2030-01-01T00:00:00Z")),
    };
    std::fs::write(path.with_extension("json"), serde_json::to_vec(&remembered).unwrap()).unwrap();
    let feeds = Feeds::default();
    assert_eq!(feeds.due(&state, &folder, at("2030-01-01T00:59:59Z")), []);
    let due = feeds.due(&state, &folder, at("2030-01-01T01:00:00Z"));
    assert_eq!(feeds.remembered(&due[0]), remembered);
    feeds.tried(&due[0], Ok(remembered), at("2030-01-01T01:00:00Z"), 0);
    define(&mut state, 1, "exits", &json!({ "holds": "tor", "url": "https://other.example/exits" }));
    let due = feeds.due(&state, &folder, at("2030-01-01T01:00:01Z"));
    assert_eq!(names(&due), ["exits"]);
    assert_eq!(feeds.remembered(&due[0]), Remembered::default());
    std::fs::remove_file(path).unwrap();
    let feeds = Feeds::default();
    assert_eq!(
        names(&feeds.due(&state, &folder, at("2030-01-01T00:00:01Z"))),
        ["exits"],
        "its content is gone"
    );
}

impl Status {
    fn fetch_errors(&self) -> (Option<&str>, u32) {
        (self.schedule.error.as_deref(), self.schedule.failures)
    }
}
