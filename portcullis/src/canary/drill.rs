//! The kill drill at its time, each day.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use portcullis_control::control::Control;
use portcullis_control::exercises::WhatToRun;
use portcullis_exercise::run::DRILL;
use portcullis_exercise::spec::CANARY;
use serde::{Deserialize, Serialize};

use super::Canary;

/// How often it is looked whether it is time.
const LOOK: Duration = Duration::from_secs(5);

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

/// Runs the drill when it is due, until control is gone.
pub fn keep_drilling(canary: Canary, control: &Control, settings: DrillSettings) {
    if !settings.enabled {
        return;
    }
    let clock = control.clock().clone();
    let weak = control.weak();
    tokio::spawn(async move {
        let mut look = tokio::time::interval(LOOK);
        // Once for each time of the day, whatever comes of it. One that was slept through is made up for.
        let mut tried = Timestamp::MIN;
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
            let last = state.exercise_runs.get(DRILL).and_then(|runs| runs.back());
            // A new canary is drilled at once: nobody knows yet whether it can be cut.
            let wanted = last.map_or(now, |_| due);
            let ran = last.is_some_and(|last| last.run.started_at >= due);
            if ran || tried >= wanted || state.canary(CANARY).is_none() {
                continue;
            }
            drop((state, control));
            tried = now;
            match canary.clone().run_drill().await {
                Ok(true) => tracing::info!("the kill drill has passed"),
                Ok(false) => {
                    tracing::error!("the kill drill has failed: see `portcullis exercise report kill-drill`")
                }
                Err(error) => tracing::error!(error, "the kill drill could not be run"),
            }
        }
    });
}

impl Canary {
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

    #[test]
    fn a_time_or_zone_that_is_none_is_refused_when_settings_are_read() {
        for wrong in [r#"{ "at": "25:00" }"#, r#"{ "at": "" }"#, r#"{ "zone": "Europe/Berlen" }"#] {
            assert!(serde_json::from_str::<DrillSettings>(wrong).is_err(), "{wrong}");
        }
        let written = serde_json::to_string(&DrillSettings::default()).unwrap();
        assert_eq!(serde_json::from_str::<DrillSettings>(&written).unwrap(), DrillSettings::default());
    }
}
