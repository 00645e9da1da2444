//! What a vendor was assessed as, and what that is worth in points.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::constants::{
    VENDOR_GRADE_A, VENDOR_GRADE_B, VENDOR_GRADE_C, VENDOR_GRADE_D, VENDOR_GRADE_F, VENDOR_UNKNOWN,
};
use crate::input::{Known, Missing};
use crate::points::Points;

/// The grade of a vendor; the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
pub enum Grade {
    A,
    B,
    C,
    D,
    F,
}

impl Grade {
    pub const ALL: [Self; 5] = [Self::A, Self::B, Self::C, Self::D, Self::F];

    /// What it adds to the score of each request.
    #[must_use]
    pub fn points(self) -> Points {
        Points(i64::from(match self {
            Self::A => VENDOR_GRADE_A,
            Self::B => VENDOR_GRADE_B,
            Self::C => VENDOR_GRADE_C,
            Self::D => VENDOR_GRADE_D,
            Self::F => VENDOR_GRADE_F,
        }))
    }

    /// The grade that is worth so many points, if one is.
    #[must_use]
    pub fn of(points: Points) -> Option<Self> {
        Self::ALL.into_iter().find(|grade| grade.points() == points)
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::F => "F",
        }
    }

    /// Its number beside a part, from 1 on.
    #[must_use]
    pub(crate) fn number(self) -> u32 {
        self as u32 + 1
    }

    #[must_use]
    pub(crate) fn numbered(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|grade| grade.number() == number)
    }

    /// What a request is scored with: nothing is known of a vendor without a grade.
    #[must_use]
    pub fn prior(grade: Option<Self>) -> Known<Points> {
        grade.map_or(Known::NoData(Missing::NotAssessed), |grade| Known::Is(grade.points()))
    }

    /// What counts where there is none.
    #[must_use]
    pub fn points_unknown() -> Points {
        Points(i64::from(VENDOR_UNKNOWN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grade_is_worth_its_points_and_nothing_known_as_much_as_the_worst() {
        let points = Grade::ALL.map(|grade| grade.points().milli());
        assert_eq!(points, [0, 4_600, 7_300, 9_600, 11_400]);
        assert_eq!(Grade::points_unknown(), Grade::F.points());
        assert_eq!(Grade::prior(None), Known::NoData(Missing::NotAssessed));
        for grade in Grade::ALL {
            assert_eq!(Grade::of(grade.points()), Some(grade));
            assert_eq!(Grade::numbered(grade.number()), Some(grade));
        }
        assert_eq!((Grade::of(Points(1)), Grade::numbered(0), Grade::numbered(6)), (None, None, None));
    }
}
