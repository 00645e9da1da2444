//! What larkhill's machine does, hour by hour: the same habit makes its past and its work before your eyes.

use std::time::Duration;

use http::Method;

use crate::machine::Call;

/// Employees that it ever asks for.
const EMPLOYEES: u64 = 240;

/// What it asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    Plans,
    Absences { records: u64 },
    Employee { number: u64 },
}

impl Ask {
    pub const KINDS: usize = 3;

    pub fn kind(self) -> usize {
        match self {
            Self::Plans => 0,
            Self::Absences { .. } => 1,
            Self::Employee { .. } => 2,
        }
    }

    pub fn records(self) -> u64 {
        match self {
            Self::Plans => 20,
            Self::Absences { records } => records,
            Self::Employee { .. } => 1,
        }
    }

    pub fn call(self) -> Call {
        let target = match self {
            Self::Plans => "/plans?records=20".to_owned(),
            Self::Absences { records } => format!("/absences?records={records}"),
            Self::Employee { number } => format!("/employees/{number}?records=1"),
        };
        Call::new(Method::GET, target)
    }
}

/// A request, and how long it is until the next one.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub ask: Ask,
    pub pause: Duration,
}

/// Round by round: the plans, who is absent, then one employee after the other; then it rests for about an hour.
pub struct Habit {
    random: u64,
    /// Requests that this round has made, and will make.
    done: u64,
    round: u64,
}

impl Habit {
    pub fn new(seed: u64) -> Self {
        let mut habit = Self { random: seed, done: 0, round: 0 };
        habit.round = habit.between(30, 60);
        habit
    }

    pub fn next(&mut self) -> Step {
        let ask = match self.done {
            0 => Ask::Plans,
            1 => Ask::Absences { records: self.between(5, 25) },
            _ => Ask::Employee { number: self.between(1, EMPLOYEES) },
        };
        self.done += 1;
        let pause = if self.done < self.round {
            Duration::from_millis(self.between(200, 450))
        } else {
            self.done = 0;
            self.round = self.between(30, 60);
            Duration::from_secs(self.between(50 * 60, 70 * 60))
        };
        Step { ask, pause }
    }

    /// 16 bits that decide what of a busy day is learnt.
    pub fn sample(&mut self) -> u16 {
        (self.draw() >> 48) as u16
    }

    fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.draw() % (to - from + 1)
    }

    /// SplitMix64: the same past on any machine.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}
