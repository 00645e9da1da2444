//! The page with its tables.

use std::fmt::Write as _;
use std::path::Path;

use crate::corpora::Corpus;
use crate::cost::{self, Cost};
use crate::curve::{self, Curve, Point};
use crate::drift::{self, Drift};
use crate::gates::{self, Gates, Spread};
use crate::generated::Changes;
use crate::kills::{self, Kills};
use crate::ladder::{self, Rung};
use crate::model::{self, Sight};
use crate::protocol::{self, Outcome};
use crate::statistics::Estimate;
use crate::stolen_key::{self, StolenKey};
use crate::{KINDS, figures, places};

pub const LIMITS: [f64; 2] = [0.0020, 0.0026];

/// Within how many requests, of which thieves, what is asked for, and the goal.
const TARGETS: [(&str, f64, f64); 3] = [
    ("≤ 5, any thief", 0.79, 0.85),
    ("≤ 20, any thief", 0.96, 0.98),
    ("≤ 20, on the victim's main endpoint", 0.72, 0.80),
];

pub struct Measured {
    pub is_short: bool,
    /// The product's first.
    pub curves: Vec<Curve>,
    pub ladder: Vec<Rung>,
    pub stolen: StolenKey,
    pub drift: Vec<Drift>,
    /// As the product comes, with what it may be told to do, and with machines that change their work.
    pub kills: [Kills; 3],
    /// By the client's address, by connections, and by requests.
    pub gates: [Gates; 3],
    pub cost: Cost,
}

impl Measured {
    pub fn of(corpora: &[Corpus], is_short: bool) -> Self {
        let seeds = if is_short { &protocol::SEEDS[..1] } else { &protocol::SEEDS[..] };
        let cases = protocol::cases(corpora, seeds, false);
        let curves: Vec<Curve> = KINDS
            .iter()
            .map(|kind| {
                eprintln!("{}", kind.name);
                curve::measure(kind, &cases)
            })
            .collect();
        let threshold = curves[0].frozen(LIMITS[0]).map_or(60.0, |point| point.threshold);
        eprintln!("ladder");
        let ladder = ladder::climb(&cases, |accounts| model::factory(accounts, Sight::Places), threshold);
        eprintln!("stolen keys");
        let stolen = stolen_key::measure(&cases);
        eprintln!("slow drift");
        let drift = drift::measure(if is_short { 20 } else { 200 });
        eprintln!("false kills");
        let days = if is_short { 20 } else { 150 };
        let kills = [(Changes::Place, false), (Changes::Place, true), (Changes::PlaceAndWork, true)]
            .map(|(changes, severs)| kills::measure(corpora, days, changes, severs));
        eprintln!("gates, cost");
        let gates = [Spread::Sources, Spread::Connections, Spread::Requests]
            .map(|spread| gates::measure(corpora, spread));
        let cost = cost::measure(corpora, if is_short { 3 } else { 30 });
        Self { is_short, curves, ladder, stolen, drift, kills, gates, cost }
    }
}

pub fn write(folder: &Path, corpora: &[Corpus], measured: &Measured) {
    std::fs::create_dir_all(folder).expect("the folder for the page");
    let put = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("the page is written");
    put("0007-risk.md", &page(corpora, measured));
    put("0007-curve.svg", &figures::curve(&measured.curves[0]));
    put("0007-rivals.svg", &figures::rivals(&measured.curves));
    let rungs: Vec<&Rung> = measured.ladder.iter().chain(&measured.stolen.rungs).collect();
    put("0007-ladder.svg", &figures::ladder(&rungs));
}

fn share(estimate: Estimate) -> String {
    if estimate.value.is_nan() {
        return "none".to_owned();
    }
    let two = |value: f64| format!("{value:.2}").trim_start_matches('0').to_owned();
    format!("{} ({}–{})", two(estimate.value), two(estimate.low), two(estimate.high))
}

fn rate(estimate: Estimate) -> String {
    let per_thousand = |value: f64| value * 1_000.0;
    format!(
        "{:.1} ({:.1}–{:.1})",
        per_thousand(estimate.value),
        per_thousand(estimate.low),
        per_thousand(estimate.high)
    )
}

pub fn curve_row(point: &Point) -> String {
    format!(
        "| {:.1} | {:.2} | {} | {} | {} | {:.1} |",
        point.threshold,
        point.validation * 1_000.0,
        rate(point.test),
        point.any.map(share).join(" | "),
        point.same.map(share).join(" | "),
        point.leaked.value,
    )
}

pub fn victim_row(victim: &Outcome) -> String {
    let rates = |caught: &protocol::Caught| {
        [0, 1, 2]
            .map(|which| caught.rate(which).map_or("-".to_owned(), |rate| format!("{rate:.2}")))
            .join(" ")
    };
    format!(
        "{} {}: validation {}/{}, test {}/{}, any {}, same {} of {}",
        victim.corpus,
        victim.victim,
        victim.validation.hits,
        victim.validation.size,
        victim.test.hits,
        victim.test.size,
        rates(&victim.any),
        rates(&victim.same),
        victim.same.thieves,
    )
}

/// Some of it, quickly, for whoever works on it.
pub fn part(corpora: &[Corpus], which: &str) {
    match which {
        "gates" => {
            for spread in [Spread::Sources, Spread::Connections, Spread::Requests] {
                println!("{spread:?}: {}", gates::measure(corpora, spread).sentence());
            }
        }
        "drift" => {
            for row in drift::measure(200) {
                println!("{row:?}");
            }
        }
        "stolen" => {
            let cases = protocol::cases(corpora, &protocol::SEEDS[..1], false);
            let stolen = stolen_key::measure(&cases);
            stolen.rungs.iter().for_each(|rung| println!("{}", rung_row(rung)));
        }
        "kills" => {
            for (changes, severs) in
                [(Changes::Place, false), (Changes::Place, true), (Changes::PlaceAndWork, true)]
            {
                let kills = kills::measure(corpora, 150, changes, severs);
                println!("{} {kills:?}", kills.statement());
            }
        }
        other => println!("`{other}` is none of gates, drift, stolen, kills"),
    }
}

/// Everything, as Markdown.
pub fn page(corpora: &[Corpus], measured: &Measured) -> String {
    let mut page = String::new();
    head(&mut page, corpora, measured);
    targets(&mut page, measured);
    all_detectors(&mut page, measured);
    whole_curve(&mut page, measured);
    rungs(&mut page, measured);
    slow_drift(&mut page, measured);
    false_kills(&mut page, measured);
    the_rest(&mut page, measured);
    page
}

macro_rules! say {
    ($page:expr) => { let _ = writeln!($page); };
    ($page:expr, $($words:tt)+) => { let _ = writeln!($page, $($words)+); };
}

fn head(page: &mut String, corpora: &[Corpus], measured: &Measured) {
    say!(page, "# Risk: how soon a thief is caught\n");
    let today = today();
    say!(
        page,
        "{today}, a shared machine with 2 cores (AMD EPYC), Debian 12, Linux, {}, release build.{} Written by the benchmark itself; \
         why it is done this way: docs/decisions/0041.\n",
        rustc(),
        if measured.is_short { " **Short form: one seed, fewer days.**" } else { "" },
    );
    say!(page, "    make bench-risk            # writes this page and its plots");
    say!(page, "    make bench-risk SHORT=1    # one seed, printed only\n");
    say!(
        page,
        "A thief is another real client of the same corpus, whose requests follow the victim's in the victim's own context, with no \
         sign in address or TLS: what is measured is behaviour alone. Three folds of clients (victims, thieves, peers; thieves never \
         train peers) are rotated, with {} seeds. A victim's time is split 50 % training, 20 % validation, 30 % test. Thresholds \
         are fixed on validation. An honest client passes a challenge at once, which costs one; a thief without the key fails it and \
         is caught. Intervals are 95 % by bootstrap over victims; no client weighs more than 10 % in a rate of challenges, and each \
         victim weighs the same in a share of thieves.\n",
        if measured.is_short { 1 } else { protocol::SEEDS.len() },
    );
    for corpus in corpora {
        say!(page, "- {}", corpus.filter);
    }
    say!(page);
}

fn targets(page: &mut String, measured: &Measured) {
    let model = &measured.curves[0];
    say!(page, "## What it comes to\n");
    say!(page, "![The curve](0007-curve.svg)\n");
    say!(
        page,
        "| allowed on validation, per 1,000 | threshold, points | challenges on test, per 1,000 | ≤ 5 | ≤ 20 | ≤ 60 | same endpoint ≤ 5 | ≤ 20 | ≤ 60 | requests that got through |"
    );
    say!(page, "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for limit in LIMITS {
        let Some(point) = model.frozen(limit) else { continue };
        say!(
            page,
            "| {:.1} (reached: {:.2}) | {:.0} | {} | {} | {} | {:.1} of 60 |",
            limit * 1_000.0,
            point.validation * 1_000.0,
            point.threshold,
            rate(point.test),
            point.any.map(share).join(" | "),
            point.same.map(share).join(" | "),
            point.leaked.value,
        );
    }
    if let Some(point) = model.seen(LIMITS[1]) {
        say!(
            page,
            "| read off the test part at 2.6, as figures are often given | {:.0} | {} | {} | {} | {:.1} of 60 |",
            point.threshold,
            rate(point.test),
            point.any.map(share).join(" | "),
            point.same.map(share).join(" | "),
            point.leaked.value,
        );
    }
    say!(
        page,
        "\nA request that got through is an edit, or a call about one object: neither log counts records. A thief is followed for sixty.\n"
    );
    let Some(point) = model.frozen(LIMITS[1]) else { return };
    say!(
        page,
        "At the threshold that validation allows at 2.6 (a target is missed only where the upper end of the interval lies below it):\n"
    );
    say!(page, "| | target | goal | measured | |");
    say!(page, "| --- | --- | --- | --- | --- |");
    for ((what, target, goal), got) in TARGETS.into_iter().zip([point.any[0], point.any[1], point.same[1]]) {
        let verdict = if got.value >= goal {
            "goal reached"
        } else if got.value >= target {
            "target reached"
        } else if got.high >= target {
            "below the target, which lies within the interval"
        } else {
            "**missed**"
        };
        say!(page, "| {what} | {target:.2} | {goal:.2} | {} | {verdict} |", share(got));
    }
    say!(page);
    notes(page, measured);
}

fn notes(page: &mut String, measured: &Measured) {
    let Some(point) = measured.curves[0].frozen(LIMITS[1]) else { return };
    let mut worst: Vec<&Outcome> = point.victims.iter().filter(|victim| victim.test.hits > 0.0).collect();
    worst.sort_by(|left, right| {
        (right.test.hits / right.test.size).total_cmp(&(left.test.hits / left.test.size))
    });
    let list: Vec<String> = worst
        .iter()
        .take(5)
        .map(|victim| format!("{} {:.0} of {:.0}", victim.victim, victim.test.hits, victim.test.size))
        .collect();
    say!(
        page,
        "Where the test part costs more challenges than validation promised: {} of {} victims are challenged at all there, most of all {} \
         (requests of all seeds).\n",
        worst.len(),
        point.victims.len(),
        list.join(", "),
    );
}

fn all_detectors(page: &mut String, measured: &Measured) {
    say!(page, "## Beside what others would do\n");
    say!(page, "![All detectors](0007-rivals.svg)\n");
    for limit in LIMITS {
        say!(page, "Thresholds fixed at {:.1} per 1,000 on validation:\n", limit * 1_000.0);
        say!(
            page,
            "| | challenges on test, per 1,000 | ≤ 5 | ≤ 20 | ≤ 60 | same endpoint ≤ 20 | got through, of 60 |"
        );
        say!(page, "| --- | --- | --- | --- | --- | --- | --- |");
        for curve in &measured.curves {
            let Some(point) = curve.frozen(limit) else {
                say!(page, "| {} | never below the limit | | | | | |", curve.name);
                continue;
            };
            say!(
                page,
                "| {} | {} | {} | {} | {:.1} |",
                curve.name,
                rate(point.test),
                point.any.map(share).join(" | "),
                share(point.same[1]),
                point.leaked.value,
            );
        }
        say!(page);
    }
    say!(
        page,
        "The first is the product's code; the second computes its formulas a second time in floating point, without limits of memory. \
         *Learn everything* and *fixed CUSUM* are those formulas with another rule of learning; *one-shot likelihood ratio* (Freeman \
         2016) judges each request by itself. The last four get five numbers of each request and are treated leniently: after a \
         passed challenge they ask nothing again until a request has been below the threshold.\n"
    );
}

fn whole_curve(page: &mut String, measured: &Measured) {
    say!(page, "## The whole curve\n");
    say!(
        page,
        "| threshold, points | validation, per 1,000 | test, per 1,000 | ≤ 5 | ≤ 20 | ≤ 60 | same endpoint ≤ 5 | ≤ 20 | ≤ 60 | got through, of 60 |"
    );
    say!(page, "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for point in &measured.curves[0].points {
        say!(page, "{}", curve_row(point));
    }
    say!(page);
}

fn rungs(page: &mut String, measured: &Measured) {
    let threshold = measured.curves[0].frozen(LIMITS[0]).map_or(60.0, |point| point.threshold);
    say!(page, "## The ladder\n");
    say!(page, "![The ladder](0007-ladder.svg)\n");
    say!(
        page,
        "At {threshold:.0} points. From T3 on the victim goes on working in the same context while the thief does. Networks and TLS stacks \
         are **synthetic**: the logs hold none, so both sides draw from the table below, which has collisions.\n"
    );
    say!(page, "| | ≤ 5 | ≤ 20 | ≤ 60 | got through, of 60 | thieves |");
    say!(page, "| --- | --- | --- | --- | --- | --- |");
    for rung in measured.ladder.iter().chain(&measured.stolen.rungs) {
        say!(page, "{}", rung_row(rung));
    }
    say!(
        page,
        "\nT8 passes every challenge. Caught is there the first narrowing or call of an analyst, at the product's own thresholds for \
         moderate impact ({} at stake), of victims with 20 generated days behind them ({} of {} had graduated). Honest clients come to \
         that at {} of 1,000 requests of the second ten days.\n",
        stolen_key::MONEY,
        measured.stolen.graduated,
        measured.stolen.victims,
        rate(measured.stolen.pages),
    );
    let table = |rows: &[(&str, u32)]| {
        rows.iter().map(|(name, share)| format!("{name} {share}")).collect::<Vec<_>>().join(" · ")
    };
    say!(
        page,
        "TLS stacks, of 100: {}. Networks, of 100: {}; each with 200 /24s.\n",
        table(&places::STACKS),
        table(&places::NETWORKS)
    );
}

fn rung_row(rung: &Rung) -> String {
    let caught = rung.caught.map(share).join(" | ");
    format!("| {} | {caught} | {:.1} | {} |", rung.name, rung.leaked.value, rung.thieves)
}

fn slow_drift(page: &mut String, measured: &Measured) {
    say!(
        page,
        "T7, a poisoner that takes 1 % more records a day for 60 days, after 30 honest days; σ is that of ln(records of a day). The \
         formula is the specification's simulation, which knows mean and σ; the product estimates both from at most 28 days of logs:\n"
    );
    say!(
        page,
        "| σ | alarm within 60 days | median day | false alarms in 60 days | by the formula alone: alarm | false alarms |"
    );
    say!(page, "| --- | --- | --- | --- | --- | --- |");
    for row in &measured.drift {
        let day = row.median_day.map_or("none".to_owned(), |day| day.to_string());
        let [found, false_alarms] = row.ideal;
        say!(
            page,
            "| {:.1} | {:.2} | {day} | {:.3} | {found:.2} | {false_alarms:.3} |",
            row.sigma,
            row.found,
            row.false_alarms
        );
    }
    say!(page);
}

fn false_kills(page: &mut String, measured: &Measured) {
    say!(page, "## False kills\n");
    let titles = [
        "**As it comes**: graduation, thresholds, narrowing and denying by evidence; machines change TLS stack (every 30 days) and network \
         (every 90)",
        "**Severing by evidence too**, to which integrations must opt in",
        "**And every 60 days a machine gets the work of another source, all at once**",
    ];
    for (title, kills) in titles.iter().zip(&measured.kills) {
        say!(
            page,
            "- {title}: {}. Of the statistical ones {} denied a request, the others closed a context.",
            kills.statement(),
            kills.denied
        );
    }
    say!(
        page,
        "\nEach challenge meets 50 requests in flight, and one answer in a hundred is lost; an honest machine never signs wrongly, so that \
         *failed* could only be a fault of the model. After each kill, and an hour after each call, an analyst finds nothing wrong. A \
         statistic that denies or severs does so to machines that took up other work as to thieves: that is why neither is done to a \
         client before it has graduated twice, and severing only where somebody asked for it. Machines: {}, the busiest with {} requests.\n",
        measured.kills[0].machines,
        measured.kills[0].most_of_one,
    );
    let per_thousand = |count: u64, of: u64| count as f64 / of.max(1) as f64 * 1_000.0;
    let mut row = |name: &str, cell: &dyn Fn(&Kills) -> String| {
        let cells: Vec<String> = measured.kills.iter().map(cell).collect();
        say!(page, "| {name} | {} |", cells.join(" | "));
    };
    row("", &|_| String::new());
    row("---", &|_| "---".to_owned());
    row("challenges of new contexts, a client-year", &|kills| {
        format!("{:.1}", kills.new_context as f64 / kills.years())
    });
    row("score challenges per 1,000 requests of graduated clients", &|kills| {
        format!("{:.2}", per_thousand(kills.score, kills.graduated_requests))
    });
    row("requests in flight at a challenge", &|kills| kills.in_flight.to_string());
    row("answers lost", &|kills| kills.answers_lost.to_string());
    row("narrowed, and an analyst called, a client-year", &|kills| {
        format!("{:.1}", kills.pages as f64 / kills.years())
    });
    row("share of requests while the client stood at challenge or deny", &|kills| {
        format!("{:.2}", kills.graduated_requests as f64 / kills.requests as f64)
    });
    row("at deny", &|kills| format!("{:.2}", kills.deny_requests as f64 / kills.requests as f64));
    say!(page);
}

fn the_rest(page: &mut String, measured: &Measured) {
    let cost = &measured.cost;
    say!(page, "## What else is promised\n");
    say!(page, "| | |");
    say!(page, "| --- | --- |");
    say!(
        page,
        "| a decision, before and after forwarding together, warm, mean of the core's own time | {:.0} ns |",
        cost.decision_ns
    );
    say!(page, "| state of a client | {} bytes; exported at most {} |", cost.bytes, cost.exported_bytes);
    say!(
        page,
        "| parts that don't sum to the score | {} of {} decisions and ends |",
        cost.unequal + measured.kills.iter().map(|kills| kills.unequal).sum::<u64>(),
        2 * cost.requests
            + measured.kills.iter().map(|kills| 2 * kills.requests + kills.in_flight).sum::<u64>(),
    );
    let spreads = [
        "four gates against one: a balancer that deals by the client's address; its gate fails every 500 requests on average",
        "the same, each connection of about 100 requests at any gate",
        "the same, each request at any gate",
    ];
    for (spread, gates) in spreads.iter().zip(&measured.gates) {
        say!(page, "| {spread} | {} |", gates.sentence());
    }
    say!(page, "\np99, cache-cold and the gate's throughput with scoring on and off: 0008-risk-cost.md.");
}

fn today() -> String {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    jiff::Timestamp::from_second(now.tv_sec)
        .map_or_else(|_| String::new(), |now| now.to_string().chars().take(10).collect())
}

fn rustc() -> String {
    let output = std::process::Command::new("rustc").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.split(" (").next().unwrap_or_default().trim().to_owned()
}
