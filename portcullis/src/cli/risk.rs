//! `risk`: what scores are made of.

use anyhow::Result;
use portcullis_risk::{CONSTANTS, Constant};
use serde::Serialize;

use super::output::Output;
use super::table::Table;
use super::{Outcome, examples};

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Print every constant of the risk model, with its unit, where it comes from and why
    #[command(after_help = examples::RISK_CONSTANTS)]
    Constants,
}

/// A constant as JSON and YAML show it.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    value: f64,
    unit: &'static str,
    basis: &'static str,
    why: &'static str,
}

pub(super) fn risk(out: &Output, verb: &Verb) -> Result<Outcome> {
    match verb {
        Verb::Constants => constants(out),
    }
}

fn constants(out: &Output) -> Result<Outcome> {
    let rows: Vec<Row> = CONSTANTS.iter().map(row).collect();
    out.show(&rows, |paint| {
        let mut table = Table::new(["NAME", "VALUE", "~UNIT", "BASIS", "~WHY"]);
        for row in &rows {
            table.row([
                row.name.into(),
                row.value.to_string().into(),
                row.unit.into(),
                row.basis.into(),
                row.why.into(),
            ]);
        }
        table.render(paint)
    })?;
    Ok(Outcome::Done)
}

fn row(constant: &Constant) -> Row {
    Row {
        name: constant.name,
        value: constant.value,
        unit: constant.unit,
        basis: constant.basis.as_str(),
        why: constant.why,
    }
}
