//! Token and key: age, binding, where the token was issued, keys not seen before, two contexts at once.

use super::Subject;
use crate::constants::{
    KEY_OLD_SECONDS, KEY_YOUNG_SECONDS, POINTS_ISSUED_ELSEWHERE, POINTS_ISSUED_ELSEWHERE_BOTH,
    POINTS_KEY_AGE, POINTS_KEY_NEW, POINTS_OVERDUE, POINTS_SPLIT, POINTS_TOKEN_AGE, POINTS_UNBOUND, SPLIT_US,
};
use crate::contexts::{Id, Owner};
use crate::input::{Binding, IssuedIn, Known, Missing};
use crate::score::Score;
use crate::signal::Signal;

pub(super) fn before(subject: &Subject<'_>, score: &mut Score<'_>) {
    let identity = &subject.before.identity;
    if identity.binding == Binding::None {
        score.fixed(Signal::TokenUnbound, POINTS_UNBOUND, 1, 0);
    }
    match subject.before.issued_in {
        IssuedIn::SameContext => {}
        IssuedIn::OtherNetwork | IssuedIn::OtherTls => {
            score.fixed(Signal::IssuedElsewhere, POINTS_ISSUED_ELSEWHERE, 1, 0);
        }
        IssuedIn::OtherBoth => score.fixed(Signal::IssuedElsewhere, POINTS_ISSUED_ELSEWHERE_BOTH, 2, 0),
        IssuedIn::Unknown => score.missing(Signal::IssuedElsewhere, Missing::NeverSent),
    }
    token_age(subject, score);
    match identity.key_age_seconds {
        Known::Is(age) if age < KEY_YOUNG_SECONDS => {
            score.fixed(Signal::KeyAge, POINTS_KEY_AGE, age, KEY_YOUNG_SECONDS);
        }
        Known::Is(age) if age > KEY_OLD_SECONDS => {
            score.fixed(Signal::KeyAge, POINTS_KEY_AGE, age, KEY_OLD_SECONDS);
        }
        Known::Is(_) => {}
        Known::NoData(why) => score.missing(Signal::KeyAge, why),
    }
    let contexts = &subject.client.contexts;
    // The first key of a client is not a new one.
    if contexts.admitted().next().is_some() && !contexts.knows_key(subject.before.context.key) {
        score.fixed(Signal::KeyNew, POINTS_KEY_NEW, 1, 0);
    }
    if identity.rotation_overdue {
        score.fixed(Signal::RotationOverdue, POINTS_OVERDUE, 1, 0);
    }
    if let Owner::Other(_) = subject.owner {
        let elsewhere_us = contexts.elsewhere_us(&Id::of(&subject.before.context));
        let apart_us = subject.at_us.saturating_sub(elsewhere_us);
        if elsewhere_us > 0 && apart_us < SPLIT_US {
            let seconds = u32::try_from(apart_us / 1_000_000).unwrap_or_default();
            score.fixed(Signal::Split, POINTS_SPLIT, seconds, (SPLIT_US / 1_000_000) as u32);
        }
    }
}

fn token_age(subject: &Subject<'_>, score: &mut Score<'_>) {
    let most = subject.client.token_age;
    match subject.before.identity.token_age_seconds {
        Known::NoData(why) => score.missing(Signal::TokenAge, why),
        Known::Is(_) if most == 0 => score.missing(Signal::TokenAge, Missing::TooEarly),
        Known::Is(age) if age_bucket(age) > most.saturating_add(1) => {
            score.fixed(Signal::TokenAge, POINTS_TOKEN_AGE, age, crate::buckets::top(most));
        }
        Known::Is(_) => {}
    }
}

/// Never 0.
pub(crate) fn age_bucket(seconds: u32) -> u8 {
    crate::buckets::size(u64::from(seconds)).max(1)
}
