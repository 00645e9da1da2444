//! How long a milestone took, run by run, as SVG: on a scale of powers, since a span may be milliseconds or hours.

use crate::trend::MilestoneTrend;

use super::html::escaped;
use super::took;

const WIDTH: u64 = 640;
const HEIGHT: u64 = 150;
/// Left for the numbers, and above and below.
const LEFT: u64 = 78;
const EDGE: u64 = 16;
/// More points would lie on each other.
const POINTS_MAX: usize = 120;

/// A chart of one milestone. `passed` says of each run whether it went as it should.
pub fn chart(trend: &MilestoneTrend, passed: &[bool]) -> String {
    let skip = trend.took_us.len().saturating_sub(POINTS_MAX);
    let points: Vec<(usize, u64)> =
        trend.took_us.iter().skip(skip).enumerate().filter_map(|(x, took)| Some((x, (*took)?))).collect();
    if points.is_empty() {
        // A target alone is no picture.
        return "<p class=\"bad\">never reached</p>\n".to_owned();
    }
    let runs = trend.took_us.len() - skip;
    let target = trend.target.map(|target| target.micros().max(1));
    let all = || points.iter().map(|(_, took)| (*took).max(1)).chain(target);
    let (Some(least), Some(most)) = (all().min(), all().max()) else {
        return "<p class=\"quiet\">never reached</p>".to_owned();
    };
    let scale = Scale { low: log2(least).saturating_sub(500), high: log2(most) + 500 };
    let x_of = |place: usize| {
        let room = WIDTH - LEFT - EDGE;
        let of = u64::try_from(runs.saturating_sub(1)).unwrap_or(0);
        let place = u64::try_from(place).unwrap_or(0);
        LEFT + (room * place).checked_div(of).unwrap_or(room / 2)
    };
    let title = escaped(trend.milestone.as_str());
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"time to {title}, run by run\">\n"
    );
    for value in [least, most] {
        let y = scale.y(value);
        svg.push_str(&format!(
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/><text class=\"axis\" x=\"{}\" y=\"{}\">{}</text>\n",
            WIDTH - EDGE,
            LEFT - 8,
            y + 4,
            took(value)
        ));
    }
    if let Some(target) = target {
        let y = scale.y(target);
        svg.push_str(&format!(
            "<line class=\"target\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/><text class=\"targetword\" x=\"{}\" y=\"{}\">target {}</text>\n",
            WIDTH - EDGE,
            WIDTH - EDGE,
            y.saturating_sub(5).max(10),
            took(target)
        ));
    }
    let line: Vec<String> =
        points.iter().map(|(place, took)| format!("{},{}", x_of(*place), scale.y(*took))).collect();
    svg.push_str(&format!("<polyline class=\"line\" points=\"{}\"/>\n", line.join(" ")));
    for (place, value) in &points {
        let late = target.is_some_and(|target| *value > target);
        let good = passed.get(skip + place).copied().unwrap_or(false);
        let class = if !good {
            "bad"
        } else if late {
            "late"
        } else {
            "good"
        };
        svg.push_str(&format!(
            "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"4\"><title>{}</title></circle>\n",
            x_of(*place),
            scale.y(*value),
            took(*value)
        ));
    }
    svg.push_str("</svg>\n");
    svg
}

/// Between two logarithms, in thousandths.
struct Scale {
    low: u64,
    high: u64,
}

impl Scale {
    fn y(&self, value: u64) -> u64 {
        let at = log2(value.max(1)).clamp(self.low, self.high) - self.low;
        let room = HEIGHT - 2 * EDGE;
        HEIGHT - EDGE - room * at / (self.high - self.low).max(1)
    }
}

/// Thousandths of the binary logarithm, straight between powers: exact enough to draw.
fn log2(value: u64) -> u64 {
    let whole = value.max(1).ilog2();
    let power = 1_u64 << whole;
    u64::from(whole) * 1_000 + (value.max(1) - power).saturating_mul(1_000) / power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_rise() {
        assert_eq!((log2(0), log2(1), log2(2), log2(3), log2(1 << 20)), (0, 0, 1_000, 1_500, 20_000));
        let mut last = 0;
        for value in (1..5_000).chain([u64::MAX / 2_000]) {
            assert!(log2(value) >= last, "{value}");
            last = log2(value);
        }
    }
}
