//! The page.

use std::path::Path;
use std::process::Command;

use portcullis_lab::bystander::quantile;
use portcullis_lab::severance::{Last, Run};

const RECEIPT_MS_MAX: f64 = 250.0;
const API_MS_MAX: f64 = 10.0;
const P99_RATIO_MAX: f64 = 2.0;

pub struct Report {
    answering: Vec<Run>,
    blackholed: Vec<Run>,
    heading: String,
}

/// A bar, what came out, and whether it holds.
struct Bar(&'static str, &'static str, String, bool);

impl Report {
    pub fn new(binary: &Path, answering: Vec<Run>, blackholed: Vec<Run>, circumstances: &str) -> Self {
        let versions = [
            said(&binary.display().to_string(), &["version"]),
            said("uname", &["-sr"]),
            said("/usr/lib/ipsec/charon", &["--version"]).replace("Linux ", ""),
            said("wireguard-go", &["--version"]),
            said("nft", &["--version"]),
            said("ss", &["-V"]),
        ];
        let heading = format!(
            "{}, 2 cores. {}.\n{} runs with a vendor's host that answers, {} with one that is silent; everything is built \
             anew for each. {circumstances}",
            said("date", &["-u", "+%Y-%m-%d"]),
            versions.join("; "),
            answering.len(),
            blackholed.len()
        );
        Self { answering, blackholed, heading }
    }

    pub fn holds(&self) -> bool {
        self.bars().iter().all(|Bar(_, _, _, holds)| *holds)
    }

    pub fn page(&self) -> String {
        let mut page = format!(
            "# Severing a vendor\n\n{}\n\n    make bench-sever           # as root; installs what is missing, builds, about 5 minutes; SHORT=1 for a look\n\n\
             The vendor's host is a network namespace beside the gate's, with everything busy at once: streams through the\n\
             gate, a TCP connection past it, one in an IPsec tunnel (strongSwan on both sides, ESP in user space) and one in a\n\
             WireGuard tunnel (wireguard-go). The command is `portcullis sever vendor/acme`, from its start as a process to\n\
             its end with the receipt printed; bytes count below TLS, when the vendor's program reads them. Another vendor\n\
             sends some 500 requests a second through the same gate meanwhile.\n\n## What was asked for\n\n\
             | what | bar | figure | |\n| --- | --- | --- | --- |\n",
            self.heading
        );
        for Bar(what, bar, figure, holds) in self.bars() {
            page.push_str(&format!(
                "| {what} | {bar} | {figure} | {} |\n",
                if holds { "pass" } else { "MISS" }
            ));
        }
        page.push_str("\n## From the command to the last byte\n\nMilliseconds: median (least–most). Before the receipt: the least over all runs.\n\n");
        page.push_str(&table(&self.answering));
        page.push_str("\n## The same with a silent peer\n\nThe vendor's host drops every packet, both ways, from just before the command on.\n\n");
        page.push_str(&table(&self.blackholed));
        page.push_str("\n## Where the time goes\n\n| | vendor answers, ms | vendor is silent, ms |\n| --- | --- | --- |\n");
        let rows: [(&str, fn(&Run) -> f64); 8] = [
            ("command to receipt, as a process", Run::receipt_ms),
            ("request to receipt", Run::control_ms),
            ("the gate: each core's word", Run::gates_ms),
            ("the ledger: on the disk", Run::recorded_ms),
            ("IPsec: unloaded, terminated, looked for", |run| run.arm_ms("ipsec")),
            ("WireGuard: removed, looked for", |run| run.arm_ms("wireguard")),
            ("packets: dropped, read back", |run| run.arm_ms("packets")),
            ("sockets: destroyed, looked for", |run| run.arm_ms("sockets")),
        ];
        for (name, of) in rows {
            let figures =
                [&self.answering, &self.blackholed].map(|runs| spread(runs.iter().map(of).collect()));
            page.push_str(&format!("| {name} | {} | {} |\n", figures[0], figures[1]));
        }
        page.push_str("\n## The bystander\n\n| while | requests | errors | p50 ms | p99 ms |\n| --- | --- | --- | --- | --- |\n");
        for (name, of) in self.bystander() {
            let errors: usize = self.all().map(|run| run.errors.len()).sum();
            let [p50, p99] = [50, 99].map(|percent| quantile(&of, percent) as f64 / 1e6);
            page.push_str(&format!("| {name} | {} | {errors} | {p50:.2} | {p99:.2} |\n", of.len()));
        }
        page
    }

    fn all(&self) -> impl Iterator<Item = &Run> {
        self.answering.iter().chain(&self.blackholed)
    }

    fn bystander(&self) -> [(&'static str, Vec<u64>); 3] {
        let of = |part: fn(&Run) -> &Vec<u64>| {
            let mut all: Vec<u64> = self.all().flat_map(|run| part(run).iter().copied()).collect();
            all.sort_unstable();
            all
        };
        [
            ("before", of(|run| &run.before)),
            ("from command to receipt", of(|run| &run.during)),
            ("in the 1.5 s after", of(|run| &run.after)),
        ]
    }

    fn bars(&self) -> Vec<Bar> {
        let most = |of: fn(&Run) -> f64| self.all().map(of).fold(0.0, f64::max);
        let (receipt, gate) = (most(Run::receipt_ms), most(Run::gates_ms));
        let late: Vec<String> = self.all().flat_map(Run::late).collect();
        let absent = self.all().flat_map(|run| &run.streams).filter(|last| last.absent).count();
        let errors: usize = self.all().map(|run| run.errors.len()).sum();
        let [before, during, after] = self.bystander().map(|(_, of)| quantile(&of, 99) as f64);
        let ratio = during.max(after) / before;
        vec![
            Bar("the receipt, at most", "≤ 250 ms", format!("{receipt:.1} ms"), receipt <= RECEIPT_MS_MAX),
            Bar(
                "the API's part of it (from the request to the word of each of the gate's cores), at most",
                "≤ 10 ms",
                format!("{gate:.1} ms"),
                gate <= API_MS_MAX,
            ),
            Bar(
                "bytes after the receipt",
                "none",
                if late.is_empty() { "none".into() } else { late.join(", ") },
                late.is_empty(),
            ),
            Bar("kinds of connection that nothing closes", "none", absent.to_string(), absent == 0),
            Bar("errors of another vendor", "0", errors.to_string(), errors == 0),
            Bar(
                "its p99 while and after, of before",
                "≤ 2 ×",
                format!("{ratio:.2} ×"),
                ratio <= P99_RATIO_MAX,
            ),
        ]
    }
}

fn table(runs: &[Run]) -> String {
    let mut text = "| connection | last byte after the command, ms | before the receipt, ms | how it ended for who reads |\n| --- | --- | --- | --- |\n".to_owned();
    let labels = runs.first().into_iter().flat_map(|run| &run.streams).map(|last| &last.label);
    for label in labels {
        let lasts: Vec<&Last> =
            runs.iter().flat_map(|run| &run.streams).filter(|last| last.label == *label).collect();
        let before = lasts.iter().map(|last| -last.after_receipt_ms).fold(f64::INFINITY, f64::min);
        // Of a refusal the status says enough.
        let mut ends: Vec<&str> = lasts.iter().filter_map(|last| last.how.split(':').next()).collect();
        ends.sort_unstable();
        ends.dedup();
        let after = spread(lasts.iter().map(|last| last.after_ms).collect());
        text.push_str(&format!("| {label} | {after} | {before:.1} | {} |\n", ends.join(", ")));
    }
    text
}

fn spread(mut figures: Vec<f64>) -> String {
    figures.sort_by(f64::total_cmp);
    let at = |place: usize| figures.get(place).copied().unwrap_or(f64::NAN);
    format!("{:.1} ({:.1}–{:.1})", at(figures.len() / 2), at(0), at(figures.len().saturating_sub(1)))
}

/// The first line that a program says of itself.
fn said(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        return format!("{program}: not there");
    };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
}
