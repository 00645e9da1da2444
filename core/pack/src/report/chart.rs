//! Records by time, as bars, with severances and restorations marked.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use portcullis_replay::page::markup::Markup;

use crate::evidence::{Evidence, SeveranceLine, minute_of, minute_start};
use crate::tally::Series;

const WIDTH: f64 = 1_000.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 26.0;
const PLOT: f64 = 180.0;
const BOTTOM: f64 = 24.0;
/// Bars of one chart.
const BARS_MAX: i64 = 180;
/// Minutes that one bar may stand for.
const STEPS: [i64; 13] = [1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720, 1_440, 4_320];
/// Marks of one chart: more would hide each other.
const MARKS_MAX: usize = 12;

/// Bars of equal width over some minutes.
struct Plot {
    first_minute: i64,
    /// Of one bar.
    minutes: i64,
    bars: Vec<u64>,
}

struct Mark {
    time: Timestamp,
    word: String,
    cut: bool,
}

/// The part of the window in which anything was, with a margin.
pub(super) fn overview(to: &mut Markup, evidence: &Evidence, series: &Series, severances: &[SeveranceLine]) {
    let marks = marks(severances);
    let busy = series.0.iter().filter(|(_, amount)| amount.records > 0 || amount.requests > 0);
    let minutes = busy.map(|(minute, _)| *minute).chain(marks.iter().map(|mark| minute_of(mark.time)));
    let (first, last) =
        minutes.fold((i64::MAX, i64::MIN), |(first, last), minute| (first.min(minute), last.max(minute)));
    if first > last {
        to.raw("<p>Nothing was delivered in this window.</p>");
        return;
    }
    let margin = ((last - first) / 20).max(5);
    let from = (first - margin).max(minute_of(evidence.window.from));
    let until = (last + margin).min(minute_of(evidence.window.to)).max(last) + 1;
    let minutes = STEPS.into_iter().find(|step| (until - from) / step < BARS_MAX).unwrap_or(10_080);
    let from = from.div_euclid(minutes) * minutes;
    let count = usize::try_from((until - from) / minutes + 1).unwrap_or(1).min(1_000);
    let mut bars = vec![0_u64; count];
    for (minute, amount) in &series.0 {
        let bar = usize::try_from((minute - from).div_euclid(minutes)).ok();
        if let Some(bar) = bar.and_then(|bar| bars.get_mut(bar)) {
            *bar = bar.saturating_add(amount.records);
        }
    }
    plot(to, &Plot { first_minute: from, minutes, bars }, &marks);
}

/// Minute by minute: the hour before a severance, and a few minutes after it.
pub(super) fn hour_before(to: &mut Markup, line: &SeveranceLine, series: &Series) {
    let minute = minute_of(line.time);
    let bars = (minute - 60..=minute + 10).map(|minute| series.records_at(minute)).collect();
    let mark = Mark { time: line.time, word: "severed".to_owned(), cut: true };
    plot(to, &Plot { first_minute: minute - 60, minutes: 1, bars }, &[mark]);
}

fn marks(severances: &[SeveranceLine]) -> Vec<Mark> {
    let mut marks = Vec::new();
    for line in severances {
        marks.push(Mark { time: line.time, word: format!("{} severed", line.target), cut: true });
        if let Some(restored) = &line.restored {
            marks.push(Mark { time: restored.time, word: "restored".to_owned(), cut: false });
        }
    }
    marks.truncate(MARKS_MAX);
    marks
}

fn plot(to: &mut Markup, plot: &Plot, marks: &[Mark]) {
    let width = (WIDTH - LEFT - RIGHT) / plot.bars.len().max(1) as f64;
    let most = plot.bars.iter().copied().max().unwrap_or(0);
    let top = ceiling(most);
    let bottom = TOP + PLOT;
    let unit = match plot.minutes {
        1 => "records per minute".to_owned(),
        minutes if minutes % 1_440 == 0 => format!("records in {} days", minutes / 1_440),
        minutes if minutes % 60 == 0 => format!("records in {} hours", minutes / 60),
        minutes => format!("records in {minutes} minutes"),
    };
    let total: u64 = plot.bars.iter().fold(0, |sum, bar| sum.saturating_add(*bar));
    to.raw("<svg role=\"img\"").attribute("viewBox", &format!("0 0 {WIDTH} {}", bottom + BOTTOM));
    let label = format!("{unit}: {total} in all, at most {most} in one bar");
    to.attribute("aria-label", &label).raw(">");
    to.raw("<text x=\"0\" y=\"11\">").text(&unit).raw("</text>");
    for quarter in 0..=2_u32 {
        let y = bottom - PLOT * f64::from(quarter) / 2.0;
        to.raw("<path class=\"axis\"").attribute("d", &format!("M{LEFT} {y:.1}H{}", WIDTH - RIGHT)).raw("/>");
        to.raw("<text text-anchor=\"end\"").number("x", LEFT - 6.0).number("y", y + 4.0).raw(">");
        to.text(&short(top / 2 * u64::from(quarter))).raw("</text>");
    }
    for (number, records) in plot.bars.iter().enumerate().filter(|(_, records)| **records > 0) {
        // A bar of one record among millions is still there.
        let height = (PLOT * *records as f64 / top.max(1) as f64).max(1.0);
        let x = LEFT + width * number as f64;
        to.raw("<rect class=\"bars\"").number("x", x).number("y", bottom - height);
        to.number("width", (width - 0.6).max(0.6)).number("height", height).raw("><title>");
        let from = minute_start(plot.first_minute + plot.minutes * i64::try_from(number).unwrap_or(0));
        to.text(&format!("{from}: ")).count(*records).raw(" records</title></rect>");
    }
    ticks(to, plot, width, bottom);
    draw_marks(to, plot, width, bottom, marks);
    to.raw("</svg>");
}

fn ticks(to: &mut Markup, plot: &Plot, width: f64, bottom: f64) {
    // All of a few, else some that lie as far from each other as whole bars allow.
    let shown = if plot.bars.len() <= 10 { plot.bars.len().max(1) } else { 7 };
    let days = plot.minutes * i64::try_from(plot.bars.len()).unwrap_or(1) > 1_440;
    for tick in 0..shown {
        let bar = (plot.bars.len() - 1) * tick / (shown - 1).max(1);
        let minute = plot.first_minute + plot.minutes * i64::try_from(bar).unwrap_or(0);
        let time = minute_start(minute).to_zoned(TimeZone::UTC);
        let word = if days {
            format!(
                "{}-{:02}-{:02} {:02}:{:02}",
                time.year(),
                time.month(),
                time.day(),
                time.hour(),
                time.minute()
            )
        } else {
            format!("{:02}:{:02}", time.hour(), time.minute())
        };
        let x = LEFT + width * bar as f64;
        let anchor = if tick + 1 == shown && shown > 1 {
            "end"
        } else if tick == 0 {
            "start"
        } else {
            "middle"
        };
        to.raw("<text").attribute("text-anchor", anchor).number("x", x).number("y", bottom + 16.0).raw(">");
        to.text(&word).raw("</text>");
    }
}

fn draw_marks(to: &mut Markup, plot: &Plot, width: f64, bottom: f64, marks: &[Mark]) {
    let span = (plot.minutes * 60) as f64;
    let begin = minute_start(plot.first_minute).as_second() as f64;
    let mut last_word = f64::MIN;
    for mark in marks {
        let x = LEFT + (mark.time.as_millisecond() as f64 / 1_000.0 - begin) / span * width;
        if !(LEFT..=WIDTH - RIGHT).contains(&x) {
            continue;
        }
        let (line, word) = if mark.cut { ("cut", "cutword") } else { ("restored", "restoredword") };
        to.raw("<path")
            .attribute("class", line)
            .attribute("d", &format!("M{x:.1} {:.1}V{bottom:.1}", TOP - 8.0));
        to.raw("><title>").text(&format!("{}: {}", mark.time, mark.word)).raw("</title></path>");
        // Words that would lie over each other are told by the titles alone.
        if (x - last_word).abs() < 150.0 {
            continue;
        }
        last_word = x;
        let (anchor, x) = if x > WIDTH / 2.0 { ("end", x - 5.0) } else { ("start", x + 5.0) };
        let shown: String = mark.word.chars().take(60).collect();
        to.raw("<text").attribute("class", word).attribute("text-anchor", anchor).number("x", x);
        to.number("y", TOP - 2.0).raw(">").text(&shown).raw("</text>");
    }
}

/// The next number that has one digit and zeros, and is even in halves.
fn ceiling(most: u64) -> u64 {
    let mut step = 1_u64;
    while step <= u64::MAX / 200 && step.saturating_mul(20) < most {
        step *= 10;
    }
    let steps = [2, 4, 6, 8, 10, 12, 16, 20];
    steps.into_iter().map(|times| step.saturating_mul(times)).find(|ceiling| *ceiling >= most).unwrap_or(most)
}

/// Such as `1.2 M`.
fn short(number: u64) -> String {
    let scaled = |unit: f64, word: &str| {
        let value = number as f64 / unit;
        if value < 10.0 && (value * 10.0).round() % 10.0 != 0.0 {
            format!("{value:.1} {word}")
        } else {
            format!("{value:.0} {word}")
        }
    };
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => scaled(1e3, "k"),
        1_000_000..1_000_000_000 => scaled(1e6, "M"),
        _ => scaled(1e9, "G"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_of_round_numbers() {
        for (most, expect) in
            [(0, 2), (1, 2), (3, 4), (10, 10), (11, 12), (130, 160), (999, 1_000), (1_001, 1_200)]
        {
            assert_eq!(ceiling(most), expect, "{most}");
        }
        assert_eq!(ceiling(u64::MAX), u64::MAX);
        for (number, expect) in [(999, "999"), (25_000, "25 k"), (1_200_000, "1.2 M"), (3_000_000_000, "3 G")]
        {
            assert_eq!(short(number), expect);
        }
    }
}
