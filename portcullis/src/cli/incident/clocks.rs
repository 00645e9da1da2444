//! The texts whose clocks run, with what they rest on.

use portcullis_api::incidents::RegimesView;
use portcullis_incident::regime::{Regime, Stage};

use super::super::output::{Output, Style};
use super::super::table::{Cell, Table};

pub(super) fn told(out: &Output, view: &RegimesView) -> String {
    let mut table = Table::new(["CLOCK", "COUNTS FROM", "GIVES", "~TO", "~BASIS", "IN FORCE", "RUNS"]);
    for used in &view.regimes {
        for stage in &used.regime.stages {
            table.row([
                format!("{}/{}", used.regime.id, stage.id).into(),
                counts_from(&used.regime, stage).into(),
                gives(stage).into(),
                stage.recipient.as_str().into(),
                used.regime.basis.citation.as_str().into(),
                used.regime.in_force.to_string().into(),
                if used.chosen { "always".into() } else { Cell::styled("when added", Style::Dim) },
            ]);
        }
    }
    let mut text = out.table(&table, "no clock runs");
    text.push_str(&format!("\nDays are counted in {} where no text names a zone.\n", view.zone));
    for fault in &view.faults {
        let fault = fault.replace('\n', "\n  ");
        text.push_str(&format!("{} {fault}\n", out.paint.paint("not used:", Style::Bad)));
    }
    text
}

fn counts_from(regime: &Regime, stage: &Stage) -> String {
    let follows = stage.follows.as_ref().map(|follows| format!("{}/{follows}", regime.id));
    let starts = stage.starts.as_ref().map(ToString::to_string);
    starts.or(follows).unwrap_or_default()
}

fn gives(stage: &Stage) -> String {
    let mut text = stage.within.in_words();
    if let Some(by) = stage.by {
        text.push_str(&format!(", by {}", by.strftime("%H:%M")));
    }
    if let Some(most) = &stage.at_most {
        text.push_str(&format!(", at most {} after {}", most.within.in_words(), most.after));
    }
    if stage.contract_shortens {
        text.push_str(", or the contract's fewer");
    }
    text
}
