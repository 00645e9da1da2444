use jiff::Timestamp;
use portcullis_domain::state::KeysOrigin;
use portcullis_tokens::external_keys::Form;
use uuid::Uuid;

use super::fetching::jwks_uri;
use super::{From, Issuers, Place, Status};

fn place() -> Place {
    Place {
        id: Uuid::from_u128(1),
        origin: KeysOrigin {
            from: "https://idp.example/jwks".to_owned(),
            discovered: false,
            certificate_authority: None,
            whose: "https://idp.example".to_owned(),
        },
        from: From::At("https://idp.example/jwks".to_owned()),
        certificate_authority: None,
        form: Form::KeySet,
        refresh_seconds: 300,
        stale_seconds: 3_600,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn issuers() -> Issuers {
    let issuers = Issuers::default();
    issuers.status().insert(place().id, Status { place: Some(place()), ..Status::default() });
    issuers
}

fn next(issuers: &Issuers) -> i64 {
    issuers.status_of(place().id).unwrap().schedule.next.unwrap().as_second() - 1_800_000_000
}

#[test]
fn failures_back_off_and_are_spread() {
    let issuers = issuers();
    let mut now = 0;
    let mut waits = Vec::new();
    for _ in 0..9 {
        issuers.tried(&place(), Err("gone".into()), at(now), 0);
        waits.push(next(&issuers) - now);
        now = next(&issuers);
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    issuers.tried(&place(), Err("gone".into()), at(0), 255);
    assert_eq!(next(&issuers), 241, "a fifth sooner at most");
    issuers.tried(&place(), Ok(Vec::new()), at(1_000), 0);
    assert_eq!(next(&issuers), 1_300);
    issuers.tried(&place(), Err("x".repeat(10_000)), at(1_300), 0);
    assert_eq!(next(&issuers), 1_305, "it begins anew");
    assert_eq!(issuers.status_of(place().id).unwrap().schedule.error.unwrap().len(), 400);
}

#[test]
fn a_fetch_that_is_under_way_while_the_times_change_ends() {
    let issuers = issuers();
    let mut declared = place();
    declared.stale_seconds = 7_200;
    let under_way = Status { place: Some(declared), under_way: true, ..Status::default() };
    issuers.status().insert(place().id, under_way);
    issuers.tried(&place(), Ok(Vec::new()), at(0), 0);
    assert!(!issuers.status_of(place().id).unwrap().under_way, "it would never be fetched again");
    assert_eq!(next(&issuers), 300);
}

#[test]
fn an_unknown_key_is_looked_for_once_a_minute_and_never_hurries_a_failure() {
    let issuers = issuers();
    issuers.tried(&place(), Ok(Vec::new()), at(0), 0);
    for _ in 0..1_000 {
        issuers.wanted(place().id);
    }
    assert_eq!(next(&issuers), 60);
    issuers.tried(&place(), Ok(Vec::new()), at(60), 0);
    issuers.wanted(place().id);
    assert_eq!(next(&issuers), 120);
    for _ in 0..5 {
        issuers.tried(&place(), Err("gone".into()), at(120), 0);
    }
    issuers.wanted(place().id);
    assert_eq!(next(&issuers), 200);
    issuers.wanted(Uuid::from_u128(2));
    assert!(issuers.status_of(Uuid::from_u128(2)).is_none(), "a gate makes nothing grow");
}

#[test]
fn a_discovery_document_speaks_for_its_own_issuer_and_host() {
    let issuer = "https://idp.example/realms/a";
    let check =
        |document: &str, expect: Result<&str, &str>| match (jwks_uri(document.as_bytes(), issuer), expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found, expect),
            (Err(found), Err(expect)) => assert!(found.contains(expect), "{found}"),
            (found, _) => panic!("{found:?}"),
        };
    let said = |issuer: &str, uri: &str| format!(r#"{{"issuer":"{issuer}","jwks_uri":"{uri}"}}"#);
    check(&said(issuer, "https://idp.example/keys"), Ok("https://idp.example/keys"));
    check(&said("https://evil.example", "https://idp.example/keys"), Err("is of issuer `https://evil"));
    check(&said(issuer, "https://other.example/keys"), Err("another host"));
    check(&said(issuer, "http://idp.example/keys"), Err("another host"));
    check(&said(issuer, "https://idp.example@evil.example/keys"), Err("another host"));
    check(&said(issuer, "https://169.254.169.254/latest"), Err("another host"));
    check("{}", Err("is of issuer ``"));
    check("<html>", Err("isn't JSON"));
}
