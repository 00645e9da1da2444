//! The kill drill at its time, each day.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use portcullis_control::control::Control;
use portcullis_control::exercises::WhatToRun;
use portcullis_exercise::drive::{Drive, Told};
use portcullis_exercise::run::{DRILL, Mode};
use portcullis_exercise::spec::CANARY;
use serde::{Deserialize, Serialize};

use super::{Canary, drill_targets};

/// How often it is looked whether it is time.
const LOOK: Duration = Duration::from_secs(5);
/// A drill that could not begin is tried again after so long; no exercise holds the canary for longer.
const AGAIN: SignedDuration = SignedDuration::from_mins(5);
/// And has failed after so long.
const GIVEN_UP: SignedDuration = SignedDuration::from_hours(1);

/// When the kill drill runs. It doesn't before there is a canary.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DrillSettings {
    pub enabled: bool,
    /// Time of the day, such as `03:30`.
    pub at: Time,
    /// IANA name of the zone.
    #[serde(with = "jiff::fmt::serde::tz::required")]
    pub zone: TimeZone,
}

impl Default for DrillSettings {
    fn default() -> Self {
        Self { enabled: true, at: Time::constant(3, 30, 0, 0), zone: TimeZone::UTC }
    }
}

impl DrillSettings {
    /// The newest moment at which it should have begun.
    ///
    /// # Errors
    /// It lies beyond the calendar.
    pub fn due_before(&self, now: Timestamp) -> Result<Timestamp, jiff::Error> {
        let local = now.to_zoned(self.zone.clone());
        let today = local.date().to_datetime(self.at).to_zoned(self.zone.clone())?;
        if today.timestamp() <= now {
            return Ok(today.timestamp());
        }
        let yesterday = local.date().checked_sub(1.day())?;
        Ok(yesterday.to_datetime(self.at).to_zoned(self.zone.clone())?.timestamp())
    }
}

/// A drill that is due and could not begin, as when an exercise holds the canary.
struct PutOff {
    /// When it was tried first, and last.
    since: Timestamp,
    at: Timestamp,
    why: String,
}

/// What is to be done about the drill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    /// It has run since it was due.
    Done,
    /// It could not begin a moment ago.
    Wait,
    Run,
    /// It could not begin for so long that it has failed.
    GiveUp,
}

/// Of a drill that was due at `due` and began last at `last`. One that was slept through is made up for; and a new canary is
/// drilled at once: nobody knows yet whether it can be cut.
fn next(due: Timestamp, last: Option<Timestamp>, put_off: Option<&PutOff>, now: Timestamp) -> Next {
    if last.is_some_and(|last| last >= due) {
        return Next::Done;
    }
    let Some(put_off) = put_off else { return Next::Run };
    // A clock that was set back keeps nothing waiting.
    if now >= put_off.at && now.duration_since(put_off.at) < AGAIN {
        return Next::Wait;
    }
    if now.duration_since(put_off.since) < GIVEN_UP { Next::Run } else { Next::GiveUp }
}

/// Runs the drill when it is due, until control is gone.
pub fn keep_drilling(canary: Canary, control: &Control, settings: DrillSettings) {
    if !settings.enabled {
        return;
    }
    let clock = control.clock().clone();
    let weak = control.weak();
    tokio::spawn(async move {
        let mut look = tokio::time::interval(LOOK);
        let mut put_off: Option<PutOff> = None;
        loop {
            look.tick().await;
            let Some(control) = weak.upgrade() else { return };
            let now = clock.now();
            let due = match settings.due_before(now) {
                Ok(due) => due,
                Err(error) => {
                    tracing::error!(%error, "the time of the kill drill can't be told");
                    return;
                }
            };
            let state = control.state();
            if state.canary(CANARY).is_none() {
                continue;
            }
            let last = state.exercise_runs.get(DRILL).and_then(|runs| runs.back());
            let next = next(due, last.map(|last| last.run.started_at), put_off.as_ref(), now);
            drop((state, control));
            put_off = match next {
                Next::Done => None,
                Next::Wait => put_off,
                Next::Run => canary.try_drill(put_off, now).await,
                Next::GiveUp => canary.give_up_drill(put_off, now).await,
            };
        }
    });
}

impl Canary {
    async fn try_drill(&self, put_off: Option<PutOff>, now: Timestamp) -> Option<PutOff> {
        match self.clone().run_drill().await {
            Ok(true) => tracing::info!("the kill drill has passed"),
            Ok(false) => {
                tracing::error!("the kill drill has failed: see `portcullis exercise report kill-drill`");
            }
            Err(why) => {
                tracing::error!(why, "the kill drill could not be run, and is tried again in some minutes");
                return Some(PutOff { since: put_off.map_or(now, |known| known.since), at: now, why });
            }
        }
        None
    }

    /// A drill that can't begin shows nothing: it is kept as one that has failed, which calls whoever is on call.
    async fn give_up_drill(&self, put_off: Option<PutOff>, now: Timestamp) -> Option<PutOff> {
        let known = put_off?;
        let Ok(control) = self.control() else { return None };
        let mut drive = Drive::drill(drill_targets());
        let note = format!("it could not begin since {}: {}", known.since, known.why);
        drive.tell(Told::Failed { note }, Duration::ZERO, Duration::ZERO);
        let run = drive.finish(control.new_id(), DRILL, Mode::Drill, (known.since, now));
        match control.record_run(run, None).await {
            Ok(_) => None,
            Err(error) => {
                tracing::error!(%error, "a kill drill that could not begin can't be recorded");
                Some(PutOff { at: now, ..known })
            }
        }
    }

    async fn run_drill(self) -> Result<bool, String> {
        let done = portcullis_control::exercises::Rehearsing::run(&self, WhatToRun::Drill, None, false).await;
        match done {
            Ok(portcullis_api::exercises::LiveOutcome::Run(view)) => Ok(view.run.passed),
            Ok(_) => Ok(false),
            Err(problem) => Err(problem.detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_once_a_day_at_its_local_time() {
        let settings: DrillSettings =
            serde_json::from_str(r#"{ "at": "03:30", "zone": "Europe/Berlin" }"#).unwrap();
        let due = |now: &str| settings.due_before(now.parse().unwrap()).unwrap().to_string();
        assert_eq!(due("2026-11-22T02:29:59Z"), "2026-11-21T02:30:00Z");
        assert_eq!(due("2026-11-22T02:30:00Z"), "2026-11-22T02:30:00Z");
        // Summer time, and the night in which it ends.
        assert_eq!(due("2026-07-01T12:00:00Z"), "2026-07-01T01:30:00Z");
        assert_eq!(due("2026-10-25T12:00:00Z"), "2026-10-25T02:30:00Z");
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn it_runs_once_it_is_due_and_when_there_was_none() {
        let due = at("2026-11-22T03:30:00Z");
        let check = |last: Option<&str>, now: &str, expect: Next| {
            assert_eq!(next(due, last.map(at), None, at(now)), expect, "{last:?} {now}");
        };
        check(Some("2026-11-21T03:30:00Z"), "2026-11-22T03:30:00Z", Next::Run);
        check(Some("2026-11-22T03:30:00Z"), "2026-11-22T03:30:05Z", Next::Done);
        check(Some("2026-11-22T03:30:00Z"), "2026-11-23T03:29:59Z", Next::Done);
        // It was slept through, or never was.
        check(Some("2026-11-15T03:30:00Z"), "2026-11-22T23:00:00Z", Next::Run);
        check(None, "2026-11-22T12:00:00Z", Next::Run);
    }

    /// Looks every five seconds, as the task does, until it is done or given up: when it was tried, and when it was given up.
    fn tried(begins_at: Option<&str>, last: Option<&str>) -> (Vec<String>, Option<String>) {
        let (due, begins_at) = (at("2026-11-22T03:30:00Z"), begins_at.map(at));
        let (mut last, mut put_off, mut now) = (last.map(at), None, due);
        let mut tries = Vec::new();
        loop {
            match next(due, last, put_off.as_ref(), now) {
                Next::Done => return (tries, None),
                Next::Wait => {}
                Next::GiveUp => return (tries, Some(now.to_string())),
                Next::Run => {
                    tries.push(now.strftime("%H:%M:%S").to_string());
                    let since = put_off.map_or(now, |known: PutOff| known.since);
                    put_off = Some(PutOff { since, at: now, why: "an exercise is under way".into() });
                    if begins_at.is_some_and(|begins| begins <= now) {
                        last = Some(now);
                    }
                }
            }
            now += SignedDuration::from_secs(5);
        }
    }

    #[test]
    fn one_that_can_not_begin_is_tried_again_and_fails_after_an_hour() {
        let yesterday = Some("2026-11-21T03:30:00Z");
        let (tries, given_up) = tried(Some("2026-11-22T03:34:00Z"), yesterday);
        assert_eq!((tries.join(" ").as_str(), given_up), ("03:30:00 03:35:00", None));
        for last in [yesterday, None] {
            let (tries, given_up) = tried(None, last);
            assert_eq!((tries.len(), tries[11].as_str()), (12, "04:25:00"));
            assert_eq!(given_up.as_deref(), Some("2026-11-22T04:30:00Z"));
        }
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_no_drill_waiting() {
        let put_off =
            PutOff { since: at("2026-11-23T03:30:00Z"), at: at("2026-11-23T03:30:00Z"), why: String::new() };
        let due = at("2026-11-22T03:30:00Z");
        assert_eq!(next(due, None, Some(&put_off), at("2026-11-22T12:00:00Z")), Next::Run);
    }

    #[test]
    fn a_time_or_zone_that_is_none_is_refused_when_settings_are_read() {
        for wrong in [r#"{ "at": "25:00" }"#, r#"{ "at": "" }"#, r#"{ "zone": "Europe/Berlen" }"#] {
            assert!(serde_json::from_str::<DrillSettings>(wrong).is_err(), "{wrong}");
        }
        let written = serde_json::to_string(&DrillSettings::default()).unwrap();
        assert_eq!(serde_json::from_str::<DrillSettings>(&written).unwrap(), DrillSettings::default());
    }
}
