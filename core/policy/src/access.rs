//! What vendors may have, as it changes by the clock: a gate needs nobody to be told that a paper has ended.

use portcullis_domain::access::Access;
use portcullis_domain::decision::{StopSet, WouldStop};
use portcullis_domain::reason::Reason;
use serde::{Deserialize, Deserializer, Serialize};

/// What a vendor may have from a moment on, until the next one of its line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AccessFrom {
    /// Microseconds since the Unix epoch.
    pub from_us: i64,
    pub level: Access,
    /// Why, where it is less than everything. It is not told to the vendor as it is: see [`Self::told`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The fact with its evidence and age, and what ends it, for the vendor; none where it isn't told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What the stops that are only observed would leave, where that is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
}

/// What enforcing would come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Observed {
    pub level: Access,
    /// Of the worst one.
    pub reason: Reason,
    /// All that leave less than those that are enforced; facts of earlier versions name only the worst.
    #[serde(default)]
    pub stops: StopSet,
}

impl Observed {
    /// As it is recorded with decisions.
    #[must_use]
    pub fn would_stop(self) -> WouldStop {
        let stops = if self.stops.is_empty() { self.reason.stop().into_iter().collect() } else { self.stops };
        WouldStop { access: self.level, stops }
    }
}

impl AccessFrom {
    /// Somebody's word, from ever on.
    #[must_use]
    pub fn always(level: Access) -> Self {
        Self { from_us: i64::MIN, level, reason: None, detail: None, observed: None }
    }

    /// The code that the vendor is told: not which list or which other firm it was compared with.
    #[must_use]
    pub fn told(&self) -> Reason {
        let told = self.reason.filter(|reason| reason.stop().is_none_or(|stop| stop.is_told_to_vendor()));
        told.unwrap_or_else(|| Reason::of_access(self.level))
    }

    /// The code for our own people.
    #[must_use]
    pub fn recorded(&self) -> Reason {
        self.reason.unwrap_or_else(|| Reason::of_access(self.level))
    }
}

/// The whole of it, in the order of time. Nothing of it is looked up anywhere, so the clock alone moves it on.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct AccessLine(Box<[AccessFrom]>);

impl AccessLine {
    #[must_use]
    pub fn of(facts: &[AccessFrom]) -> Self {
        let mut line = facts.to_vec();
        line.sort_by_key(|from| from.from_us);
        Self(line.into())
    }

    /// What holds at `now_us`. In front of the first moment that is the first one: a clock may be a little behind control's.
    #[must_use]
    pub fn at(&self, now_us: i64) -> Option<&AccessFrom> {
        let begun = self.0.partition_point(|from| from.from_us <= now_us);
        self.0.get(begun.saturating_sub(1))
    }

    #[must_use]
    pub fn level(&self, now_us: i64) -> Access {
        self.at(now_us).map_or(Access::Clear, |from| from.level)
    }
}

/// As it is now, and as earlier versions say it: a level alone, which holds for ever.
pub(crate) fn line_or_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<AccessFrom>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Line(Vec<AccessFrom>),
        Level(Access),
    }
    Ok(match Form::deserialize(deserializer)? {
        Form::Line(line) => line,
        Form::Level(Access::Clear) => Vec::new(),
        Form::Level(level) => vec![AccessFrom::always(level)],
    })
}

#[cfg(test)]
mod tests {
    use portcullis_domain::decision::Stop;
    use portcullis_domain::ids::VendorId;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::facts::VendorFacts;

    #[test]
    fn the_clock_alone_moves_it_on() {
        let from = |from_us, level| AccessFrom { from_us, ..AccessFrom::always(level) };
        let line = AccessLine::of(&[
            from(300, Access::Clear),
            from(100, Access::Limited),
            from(200, Access::Blocked),
        ]);
        for (now_us, expect) in [
            (i64::MIN, Access::Limited),
            (100, Access::Limited),
            (199, Access::Limited),
            (200, Access::Blocked),
            (299, Access::Blocked),
            (300, Access::Clear),
            (i64::MAX, Access::Clear),
        ] {
            assert_eq!(line.level(now_us), expect, "{now_us}");
        }
        assert_eq!(AccessLine::default().level(0), Access::Clear);
    }

    #[test]
    fn which_list_a_vendor_was_compared_with_stays_with_us() {
        let of = |reason, level| AccessFrom { reason, ..AccessFrom::always(level) };
        for (from, told, recorded) in [
            (of(None, Access::Held), Reason::VendorHeld, Reason::VendorHeld),
            (of(Some(Reason::StopSanctions), Access::Blocked), Reason::VendorBlocked, Reason::StopSanctions),
            (of(Some(Reason::StopRelation), Access::Held), Reason::VendorHeld, Reason::StopRelation),
            (of(Some(Reason::StopEntity), Access::Limited), Reason::StopEntity, Reason::StopEntity),
        ] {
            assert_eq!((from.told(), from.recorded()), (told, recorded), "{from:?}");
        }
    }

    #[test]
    fn facts_of_earlier_versions_stay_readable() {
        let read = |access: serde_json::Value| {
            let mut facts = json!({
                "id": Uuid::nil(), "name": "acme", "epoch": 1, "records_max": 5
            });
            if !access.is_null() {
                facts["access"] = access;
            }
            serde_json::from_value::<VendorFacts>(facts).unwrap()
        };
        assert_eq!(read(json!(null)).access, []);
        assert_eq!(read(json!(null)).outside, crate::outside::OutsideFacts::default());
        assert_eq!(read(json!("clear")).access, []);
        assert_eq!(read(json!("held")).access, [AccessFrom::always(Access::Held)]);
        let now = VendorFacts {
            access: vec![AccessFrom {
                from_us: 7,
                level: Access::Blocked,
                reason: Some(Reason::StopVulnerability),
                detail: Some("open 31 days".to_owned()),
                observed: Some(Observed {
                    level: Access::Blocked,
                    reason: Reason::StopExit,
                    stops: [Stop::Exit, Stop::Admission].into_iter().collect(),
                }),
            }],
            outside: crate::outside::OutsideFacts { counted: true, last_us: Some(9), told_us: 10 },
            ..read(json!(null))
        };
        assert_eq!(serde_json::from_value::<VendorFacts>(json!(now)).unwrap(), now);
        // Which stops they are, older ones don't say.
        let old = json!({ "level": "blocked", "reason": "stop_exit" });
        let old = serde_json::from_value::<Observed>(old).unwrap().would_stop();
        assert_eq!((old.access, old.stops.iter().collect::<Vec<_>>()), (Access::Blocked, vec![Stop::Exit]));
        assert_eq!(now.id, VendorId(Uuid::nil()));
    }
}
