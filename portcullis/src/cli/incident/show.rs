//! Incidents as people read them: times in UTC, with what is left.

use portcullis_api::incidents::{ClockStanding, ClockView, IncidentLine, IncidentView, ReadingView};
use portcullis_incident::Severity;
use portcullis_incident::notice::Acknowledgement;

use super::super::output::{Output, Paint, Style};
use super::super::table::{Cell, Table};
use super::super::telling;
use super::super::time::{instant, short, span};

/// Of eight heights.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Lines of the timeline that a change shows.
const NEWEST: usize = 5;

pub(super) fn list(lines: &[IncidentLine]) -> Table {
    let mut table = Table::new([
        "NO",
        "OPENED (UTC)",
        "SEVERITY",
        "VENDOR",
        "COMMANDER",
        "NEXT CLOCK",
        "LEFT",
        "MISSED",
        "~TITLE",
    ]);
    for line in lines {
        let next = line.next_clock.as_ref();
        let title = match (&line.exercise, line.open) {
            (Some(exercise), _) => format!("(exercise {exercise}) {}", line.title),
            (None, true) => line.title.clone(),
            (None, false) => format!("(closed) {}", line.title),
        };
        table.row([
            line.number.to_string().into(),
            short(line.opened_at).into(),
            severity(line.severity),
            line.vendor.as_deref().unwrap_or("-").into(),
            match (&line.commander, line.open) {
                (Some(name), _) => name.as_str().into(),
                (None, true) => Cell::styled("nobody", Style::Bad),
                (None, false) => "-".into(),
            },
            next.map_or("-".to_owned(), |clock| clock.clock.to_string()).into(),
            next.map_or_else(|| "-".into(), left),
            match line.missed {
                0 => "-".into(),
                missed => Cell::styled(missed.to_string(), Style::Bad),
            },
            title.into(),
        ]);
    }
    table
}

/// What a change came to, in short.
pub(super) fn after(out: &Output, view: &IncidentView) -> String {
    let mut text = head(out.paint, view);
    text.push_str(&out.table(&clocks(view), "no clock runs"));
    let first = view.timeline.len().saturating_sub(NEWEST);
    let mut newest: Vec<_> = view.timeline.iter().collect();
    newest.sort_by_key(|line| line.recorded);
    let mut table = Table::new(["NEWEST (UTC)", "BY", "~WHAT"]);
    for line in newest.into_iter().skip(first) {
        table.row([
            instant(line.at).into(),
            line.by.as_deref().unwrap_or("-").into(),
            line.text.as_str().into(),
        ]);
    }
    text.push('\n');
    text.push_str(&out.table(&table, ""));
    text
}

pub(super) fn whole(out: &Output, view: &IncidentView) -> String {
    let mut text = head(out.paint, view);
    text.push_str(&out.table(&clocks(view), "no clock runs"));
    if let Some(reading) = &view.reading {
        text.push('\n');
        text.push_str(&read(out.paint, reading));
    }
    let mut part = |heading: &str, table: Table| {
        if !table.is_empty() {
            text.push_str(&format!("\n{}\n", out.paint.paint(heading, Style::Strong)));
            text.push_str(&out.table(&table, ""));
        }
    };
    part("Notices", notices(view));
    part("Severances", severances(view));
    let mut table = Table::new(["ROLE", "PERSON", "SINCE (UTC)"]);
    for role in &view.roles {
        table.row([role.role.name().into(), role.person.as_str().into(), short(role.at).into()]);
    }
    part("Roles", table);
    part("Tasks", tasks(view));
    let mut table = Table::new(["WHEN (UTC)", "BY", "DECISION", "~WHY"]);
    for decision in &view.decisions {
        let by = decision.by.as_deref().unwrap_or("-");
        table.row([
            short(decision.at).into(),
            by.into(),
            decision.what.as_str().into(),
            decision.why.as_str().into(),
        ]);
    }
    part("Decisions", table);
    let mut table = Table::new(["WHEN (UTC)", "RECORDED", "BY", "~WHAT"]);
    for line in &view.timeline {
        let recorded = if line.recorded == line.at { "-".to_owned() } else { short(line.recorded) };
        let by = line.by.as_deref().unwrap_or("-");
        table.row([short(line.at).into(), recorded.into(), by.into(), line.text.as_str().into()]);
    }
    part("Timeline", table);
    text
}

pub(super) fn acknowledged(paint: Paint, answer: &Acknowledgement) -> String {
    let word = if answer.doubtful {
        paint.paint("by a key that had ended: call the vendor, and take down what it says", Style::Warning)
    } else if answer.in_time {
        paint.paint("in time", Style::Good)
    } else {
        paint.paint("late: a breach of contract, recorded in the vendor's dossier", Style::Bad)
    };
    format!(
        "notice {} of incident {}, received {}, {} hours agreed: {word}\nsha256 {}\n",
        answer.notice,
        answer.incident,
        instant(answer.received),
        answer.window_hours,
        answer.sha256
    )
}

fn head(paint: Paint, view: &IncidentView) -> String {
    let number = paint.paint(&format!("Incident {}", view.number), Style::Strong);
    let vendor = view.vendor.as_deref().map(|vendor| format!(", vendor {vendor}")).unwrap_or_default();
    let standing = match &view.closed {
        Some(closed) => format!("closed {}: {}", instant(closed.at), closed.summary),
        None => "open".to_owned(),
    };
    let exercise = view.exercise.as_ref().map(|name| format!(" (exercise {name})")).unwrap_or_default();
    format!(
        "{number}{exercise}: {}\n{}{vendor}, opened {}, {standing}\n\n",
        view.title,
        view.severity.name(),
        instant(view.opened_at)
    )
}

fn severity(severity: Severity) -> Cell {
    let style = match severity {
        Severity::Critical => Style::Bad,
        Severity::High => Style::Warning,
        Severity::Medium | Severity::Low => Style::Plain,
    };
    Cell::styled(severity.name(), style)
}

fn clocks(view: &IncidentView) -> Table {
    let mut table = Table::new(["CLOCK", "STANDING", "DUE (UTC)", "LEFT", "GIVES", "~TO", "~BASIS"]);
    for clock in &view.clocks {
        let style = match clock.standing {
            ClockStanding::Missed => Style::Bad,
            ClockStanding::Met => Style::Good,
            ClockStanding::Waiting | ClockStanding::SetAside => Style::Dim,
            ClockStanding::Running => Style::Plain,
        };
        let due = match (&clock.waits_for, clock.due) {
            (Some(on), _) => format!("after {on}"),
            (None, due) => due.map(instant).unwrap_or_default(),
        };
        table.row([
            clock.clock.to_string().into(),
            Cell::styled(clock.standing.as_str(), style),
            due.into(),
            left(clock),
            clock.within.as_str().into(),
            clock.recipient.as_str().into(),
            clock.citation.as_str().into(),
        ]);
    }
    table
}

/// What is left of a clock, or for how long it has been over.
fn left(clock: &ClockView) -> Cell {
    match (clock.standing, clock.seconds_left, clock.met_at) {
        (_, _, Some(met)) => format!("met {}", short(met)).into(),
        (_, Some(seconds), None) if seconds < 0 => {
            Cell::styled(format!("over for {}", span(seconds)), Style::Bad)
        }
        (_, Some(seconds), None) if seconds < 6 * 3_600 => Cell::styled(span(seconds), Style::Warning),
        (_, Some(seconds), None) => span(seconds).into(),
        (_, None, None) => "-".into(),
    }
}

/// A bar for each minute, the highest as high as the most.
fn read(paint: Paint, reading: &ReadingView) -> String {
    let until = if reading.cut { "until the cut" } else { "until now" };
    let heading = paint.paint("Records read per minute", Style::Strong);
    let (from, to) = (instant(reading.from), instant(reading.to));
    let partial = if reading.partial { "; the log held more than was read for this" } else { "" };
    if reading.exchanges == 0 {
        return format!("{heading}, {from} to {to}, {until}: none{partial}\n");
    }
    let most = reading.minutes.iter().copied().max().unwrap_or(0);
    let bar = |records: &u64| {
        let height = if *records == 0 { 0 } else { 1 + (records.saturating_mul(7) / most.max(1)) };
        BARS.get(usize::try_from(height).unwrap_or(0)).copied().unwrap_or('█')
    };
    let bars: String = reading.minutes.iter().map(bar).collect();
    format!(
        "{heading}, {from} to {to}, {until}\n  {bars}|\n  {} records in {} exchanges, {} bytes; {most} in the minute with the most{partial}\n",
        reading.records, reading.exchanges, reading.bytes
    )
}

fn notices(view: &IncidentView) -> Table {
    let mut table = Table::new(["REFERENCE", "VENDOR KNEW (UTC)", "CAME (UTC)", "BY", "~CONTACT", "~WHAT"]);
    for notice in &view.notices {
        let client = notice.client.as_deref().map(|client| format!(" of {client}")).unwrap_or_default();
        let way = format!("{}{client}", notice.way);
        table.row([
            notice.reference.as_str().into(),
            instant(notice.aware).into(),
            instant(notice.received).into(),
            if notice.doubtful {
                Cell::styled(format!("{way}, doubtful"), Style::Warning)
            } else {
                way.into()
            },
            notice.contact.as_deref().unwrap_or("-").into(),
            notice.what.as_str().into(),
        ]);
    }
    table
}

fn severances(view: &IncidentView) -> Table {
    let mut table = Table::new(["SEVERANCE", "TARGET", "SINCE (UTC)", "TOLD"]);
    for severance in &view.severances {
        table.row([
            severance.severance.to_string().into(),
            severance.target.as_deref().unwrap_or("restored").into(),
            severance.time.map(instant).unwrap_or_default().into(),
            severance.told.map(telling::count).unwrap_or_default().into(),
        ]);
    }
    table
}

fn tasks(view: &IncidentView) -> Table {
    let mut table = Table::new(["TASK", "OWNER", "DUE (UTC)", "DONE (UTC)", "~WHAT"]);
    for task in &view.tasks {
        let at = |at: Option<jiff::Timestamp>| at.map_or_else(|| "-".to_owned(), short);
        table.row([
            task.id.to_string().into(),
            task.owner.as_deref().unwrap_or("-").into(),
            at(task.due).into(),
            at(task.done_at).into(),
            task.title.as_str().into(),
        ]);
    }
    table
}
