//! What the client's machine says about itself.

use super::Subject;
use crate::constants::{POINTS_POSTURE_ABSENT, POINTS_POSTURE_FAILING, POINTS_POSTURE_STALE};
use crate::input::{Known, Missing, Posture};
use crate::score::Score;
use crate::signal::Signal;

pub(super) fn before(subject: &Subject<'_>, score: &mut Score<'_>) {
    match subject.before.posture {
        Known::Is(Posture::Good | Posture::Attested) => {}
        Known::Is(Posture::Stale) => score.fixed(Signal::Posture, POINTS_POSTURE_STALE, 1, 0),
        Known::Is(Posture::Failing) => score.fixed(Signal::Posture, POINTS_POSTURE_FAILING, 2, 0),
        Known::Is(Posture::Absent) => score.fixed(Signal::Posture, POINTS_POSTURE_ABSENT, 3, 0),
        Known::NoData(Missing::NeverSent) => {
            score.unknown(Signal::Posture, POINTS_POSTURE_ABSENT, Missing::NeverSent);
        }
        Known::NoData(why) => score.missing(Signal::Posture, why),
    }
}
