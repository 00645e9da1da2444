//! Clocks of an incident: what they say follows from moments alone.

use jiff::Timestamp;
use portcullis_ids::ids::OperatorId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Incident;
use crate::change::ClockName;
use crate::due::{Calendar, Within, due};
use crate::regime::{Regime, Stage};

/// A clock that runs or ran. Nothing of it makes it stop, and its due moment is never later than it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Clock {
    pub from: Timestamp,
    /// The last second in which it is met.
    pub due: Timestamp,
    pub zone: String,
    pub within: Within,
    pub started_at: Timestamp,
    pub met: Option<Met>,
    /// When the program recorded that it was missed.
    pub missed_at: Option<Timestamp>,
    /// Why it doesn't bind us, where somebody has decided so.
    pub set_aside: Option<(String, Option<OperatorId>, Timestamp)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Met {
    pub at: Timestamp,
    pub reference: String,
    pub by: Option<OperatorId>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockState {
    Running,
    Met,
    /// Nobody has met it in time, though perhaps later.
    Missed,
    /// It doesn't bind us here, somebody has decided. Its due moment stays.
    SetAside,
}

/// A stage whose clock hasn't started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    pub clock: ClockName,
    /// The moment, or the stage, that it waits for.
    pub on: String,
}

/// The vendor told us later than its contract allows, or hasn't.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Late {
    pub aware: Timestamp,
    /// None where it hasn't told yet.
    pub noticed: Option<Timestamp>,
    pub window_hours: u32,
    /// That it hasn't told in time was recorded.
    pub recorded: bool,
}

/// What starting a clock comes to.
pub(crate) struct Start {
    pub clock: ClockName,
    pub from: Timestamp,
    pub due: Timestamp,
    pub zone: String,
    pub within: Within,
}

impl Clock {
    #[must_use]
    pub fn state(&self, now: Timestamp) -> ClockState {
        if self.set_aside.is_some() {
            return ClockState::SetAside;
        }
        match &self.met {
            Some(met) if met.at <= self.due => ClockState::Met,
            None if now <= self.due => ClockState::Running,
            _ => ClockState::Missed,
        }
    }

    /// That it was missed, and nothing says so yet.
    #[must_use]
    pub fn is_missed_in_silence(&self, now: Timestamp) -> bool {
        self.state(now) == ClockState::Missed && self.missed_at.is_none()
    }

    /// The last quarter of its time, and still to be met.
    #[must_use]
    pub fn is_nearly_over(&self, now: Timestamp) -> bool {
        let (whole, left) = (self.due.duration_since(self.from), self.due.duration_since(now));
        self.state(now) == ClockState::Running && left.as_secs().saturating_mul(4) <= whole.as_secs()
    }
}

impl Incident {
    /// Stages whose clocks haven't started, in the order of their files.
    pub fn waiting(&self) -> impl Iterator<Item = Waiting> {
        self.stages().filter_map(|(regime, stage)| {
            let clock = ClockName::of(&regime.id, &stage.id);
            let on = match (&stage.starts, &stage.follows) {
                (Some(moment), _) => moment.to_string(),
                (None, Some(follows)) => ClockName::of(&regime.id, follows).to_string(),
                (None, None) => String::new(),
            };
            (!self.clocks.contains_key(&clock)).then_some(Waiting { clock, on })
        })
    }

    /// Clocks that are to be met, of `now`.
    pub fn running(&self, now: Timestamp) -> impl Iterator<Item = (&ClockName, &Clock)> {
        self.clocks.iter().filter(move |(_, clock)| clock.state(now) == ClockState::Running)
    }

    pub(crate) fn stages(&self) -> impl Iterator<Item = (&Regime, &Stage)> {
        let regimes = self.regimes.values().map(|taken| &taken.regime);
        regimes.flat_map(|regime| regime.stages.iter().map(move |stage| (regime, stage)))
    }

    /// When the stage begins and is over, as far as that is known; `here` is the installation's zone.
    pub(crate) fn start_of(
        &self,
        regime: &Regime,
        stage: &Stage,
        here: &str,
        window_hours: Option<u32>,
    ) -> Option<Start> {
        let from = match (&stage.starts, &stage.follows) {
            (Some(moment), _) => self.moments.get(moment).copied(),
            (None, Some(follows)) => {
                let before = self.clocks.get(&ClockName::of(&regime.id, follows))?;
                before.met.as_ref().map(|met| met.at)
            }
            (None, None) => None,
        }?;
        let clock = ClockName::of(&regime.id, &stage.id);
        let agreed = match (stage.within, window_hours.filter(|_| stage.contract_shortens)) {
            (Within::Hours(hours), Some(window)) => Within::Hours(hours.min(window)),
            (within, _) => within,
        };
        // What was agreed when it started binds: a contract that is changed afterwards makes nobody late.
        let within = self.clocks.get(&clock).map_or(agreed, |known| known.within);
        let (name, zone) = regime.zone(here);
        let calendar = Calendar { zone, holidays: regime.holidays(), by: stage.by };
        let own = due(from, within, &calendar);
        let bound = stage.at_most.as_ref().and_then(|most| {
            let after = self.moments.get(&most.after)?;
            Some(due(*after, most.within, &calendar)).filter(|bound| from <= *bound)
        });
        Some(Start {
            clock,
            from,
            due: bound.map_or(own, |bound| bound.min(own)),
            zone: name.to_owned(),
            within,
        })
    }

    /// Whether the vendor broke its contract by when it told us, as of `now`.
    #[must_use]
    pub fn late_notice(&self, now: Timestamp) -> Option<Late> {
        let (regime, stage) = self.stages().find(|(regime, stage)| stage.is_agreed_notice(regime))?;
        let clock = self.clocks.get(&ClockName::of(&regime.id, &stage.id))?;
        let Within::Hours(window_hours) = clock.within else { return None };
        let noticed = clock.met.as_ref().map(|met| met.at);
        // Whether it is set aside is no matter: two people except a vendor from a hard stop, in its dossier.
        if noticed.unwrap_or(now) <= clock.due {
            return None;
        }
        Some(Late { aware: clock.from, noticed, window_hours, recorded: clock.missed_at.is_some() })
    }
}
