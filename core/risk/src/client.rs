//! The state of one client. What each call does to it is in files of its own: `assess` (before a request is forwarded),
//! `finish` (its end), `answer` (challenges), `judge` (analysts), `day` (the turn of a day), `gossip` (other gates),
//! `stored` (bytes and merging).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::Standing;
use crate::baseline::Baseline;
use crate::baseline::rates::Windows;
use crate::calibration::Calibration;
use crate::codec::fields;
use crate::contexts::evidence::ACTING;
use crate::contexts::{Contexts, Id};
use crate::drift::Drift;
use crate::gossip::Untold;
use crate::graduation::Graduation;
use crate::hyperloglog::Objects;
use crate::input::Context;
use crate::pending::Pending;
use crate::points::Points;
use crate::progress::Progress;
use crate::score::lane_of;
use crate::verdicts::{Done, Shares, Thieves, UNDOABLE};

/// Everything that is known of how a client behaves. At most 8 KiB, without pointers.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct ClientRisk {
    pub(crate) baseline: Baseline,
    pub(crate) contexts: Contexts,
    /// Of the admitted contexts together, and of all others.
    pub(crate) windows: [Windows; 2],
    pub(crate) objects: [Objects; 2],
    pub(crate) pending: Pending,
    pub(crate) calibration: Calibration,
    pub(crate) graduation: Graduation,
    pub(crate) drift: Drift,
    pub(crate) thieves: Thieves,
    pub(crate) verdicts: [Done; UNDOABLE],
    pub(crate) shares: Shares,
    pub(crate) step: u64,
    /// Makes the fading of one client's counts another than that of the next; of its first key.
    pub(crate) seed: u64,
    /// Time never goes back in here.
    pub(crate) now_us: i64,
    pub(crate) day: u32,
    /// The ledger's number of the last verdict.
    pub(crate) sequence: u64,
    pub(crate) usual_objects: u32,
    pub(crate) last_place: LastPlace,
    pub(crate) object_days: u8,
    /// The oldest token ever used, as a bucket of seconds; 0 for none.
    pub(crate) token_age: u8,
    /// Days on which it moved as nothing moves.
    pub(crate) moved_days: u8,
    pub(crate) moved_today: bool,
    /// The reference is sealed anew at the turn of the day: a verdict has asked for it.
    pub(crate) reseal: bool,
    /// The reference of slow drift was made of four whole weeks.
    pub(crate) drift_whole: bool,
    pub(crate) untold: Untold,
}

const _: () = assert!(size_of::<ClientRisk>() <= 8_192, "the state of a client is at most 8 KiB");

fields!(ClientRisk {
    baseline,
    contexts,
    windows,
    objects,
    pending,
    calibration,
    graduation,
    drift,
    thieves,
    verdicts,
    shares,
    step,
    seed,
    now_us,
    day,
    sequence,
    usual_objects,
    last_place,
    object_days,
    token_age,
    moved_days,
    moved_today,
    reseal,
    drift_whole,
    untold
});

/// Of the last exchange of an admitted context.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct LastPlace {
    pub(crate) at_us: i64,
    latitude: i16,
    longitude: i16,
    known: bool,
}

fields!(LastPlace { at_us, latitude, longitude, known });

impl LastPlace {
    pub(crate) fn order(&self) -> (i64, bool, i16, i16) {
        (self.at_us, self.known, self.latitude, self.longitude)
    }
}

/// A place, and when somebody was there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) at_us: i64,
    pub(crate) place: (i16, i16),
}

/// How a challenge was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The key signed the nonce of this very question; or a full handshake, or a new assertion, came after it.
    Valid,
    /// Another key, or a bad signature, over the nonce of the open question.
    Wrong,
}

/// An analyst's word on a decision.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    Benign,
    Malicious,
}

impl ClientRisk {
    /// Of a client that was never seen.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// When the question that is open in this context was asked, if one is.
    #[must_use]
    pub fn question(&self, context: &Context) -> Option<i64> {
        let owner = self.contexts.find(&Id::of(context))?;
        self.contexts.question(owner).open().map(|(asked_us, _)| asked_us)
    }

    /// Since when it is open at least: what was made after this moment answers it, although it was asked again meanwhile.
    #[must_use]
    pub fn question_since(&self, context: &Context) -> Option<i64> {
        self.contexts.question(self.contexts.find(&Id::of(context))?).since_us()
    }

    /// Number of the last call that changed this state.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.step
    }

    #[must_use]
    pub fn standing(&self) -> Standing {
        self.graduation.standing
    }

    /// Where the client stands, and what is missing for the next step.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let most = |slot: &crate::contexts::Slot| {
            lane_of(&slot.evidence.w, ACTING).max(lane_of(&slot.evidence.v, ACTING))
        };
        let evidence = self.contexts.slots.iter().map(most).max().unwrap_or_default();
        let count = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
        Progress {
            drift_milli: self.drift.milli(),
            drift_alarm: self.drift.alarm,
            anchored_on: self.drift.sealed_on(),
            contexts_admitted: count(self.contexts.admitted().count()),
            contexts_on_probation: count(
                self.contexts.pairs.iter().filter(|pair| self.contexts.is_on_probation(pair)).count(),
            ),
            evidence: Points(evidence.into()),
            ..self.graduation.progress(self.day, self.calibration.sealed())
        }
    }

    pub(crate) fn baseline(&self) -> &Baseline {
        &self.baseline
    }

    pub(crate) fn objects(&self, admitted: bool) -> &Objects {
        let [of_admitted, of_others] = &self.objects;
        if admitted { of_admitted } else { of_others }
    }

    /// Different objects on a usual day, once as many days were seen.
    pub(crate) fn usual_objects(&self, days: u8) -> Option<u32> {
        (self.object_days >= days).then_some(self.usual_objects)
    }

    pub(crate) fn place(&self) -> Option<Seen> {
        let last = self.last_place;
        last.known.then_some(Seen { at_us: last.at_us, place: (last.latitude, last.longitude) })
    }

    pub(crate) fn been(&mut self, place: (i16, i16), at_us: i64) {
        self.last_place = LastPlace { at_us, latitude: place.0, longitude: place.1, known: true };
    }

    /// It did so on as many days: that is how it works.
    pub(crate) fn moves(&self, days: u8) -> bool {
        self.moved_days >= days
    }
}
