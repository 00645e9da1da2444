//! `vendor vouch`: who a vendor is, in the words of somebody who has seen a paper.

use anyhow::Result;
use jiff::civil::Date;
use portcullis_api::resource::ResourceView;
use serde_json::{Map, Value, json};

use super::{bare, say, when};
use crate::cli::Outcome;
use crate::cli::output::Output;
use crate::cli::server::Server;

#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Name of the vendor
    name: String,
    /// As the paper has it, with its legal form; without it, and for the next three, what is declared of the vendor
    #[arg(long, value_name = "TEXT")]
    legal_name: Option<String>,
    /// Country or subdivision (ISO 3166), such as `DE` or `US-DE`
    #[arg(long, value_name = "CODE")]
    jurisdiction: Option<String>,
    /// Number in the register of companies
    #[arg(long, value_name = "TEXT")]
    registry_number: Option<String>,
    /// Legal entity identifier (ISO 17442); its check digits are verified
    #[arg(long)]
    lei: Option<String>,
    /// What the LEI's registration is
    #[arg(long, value_enum, requires = "lei")]
    lei_status: Option<LeiStatus>,
    /// How the entity stands in its register
    #[arg(long, value_enum, default_value_t)]
    standing: Standing,
    /// Day of formation
    #[arg(long, value_name = "DATE", value_parser = when::day)]
    formed: Option<Date>,
    /// As the register has it
    #[arg(long, value_name = "TEXT")]
    legal_form: Option<String>,
    /// A line of the registered office's address; may be given more than once
    #[arg(long, value_name = "LINE")]
    address: Vec<String>,
    /// The registered office is a registered agent's
    #[arg(long, requires = "address")]
    registered_agent: bool,
    /// A line of the address that it is led from; may be given more than once
    #[arg(long, value_name = "LINE")]
    head_office: Vec<String>,
    /// Country (ISO 3166-1 alpha-2) of the addresses
    #[arg(long, value_name = "CODE")]
    country: Option<String>,
    /// An officer, as `NAME` or `NAME, ROLE`; may be given more than once
    #[arg(long, value_name = "NAME")]
    officer: Vec<String>,
    /// LEI or name of whoever owns it
    #[arg(long, value_name = "TEXT")]
    parent: Option<String>,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum Standing {
    Active,
    Inactive,
    Dissolved,
    Merged,
    #[default]
    Unknown,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum LeiStatus {
    Issued,
    Lapsed,
    Retired,
    Merged,
    Annulled,
    Duplicate,
    Pending,
}

pub(super) async fn vouch(server: &Server, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let name = arguments.name.clone();
    let declared: ResourceView = server.get(&["v1", "resources", "vendor", bare(&name)]).await?;
    let (arguments, taken) = with_declared(arguments, &declared.spec);
    if !taken.is_empty() {
        out.note(&format!("note: as it is declared, you vouch for: {}", taken.join(", ")));
    }
    say(server, out, &name, json!({ "change": "entity_checked", "record": record(arguments) })).await
}

/// What the paper isn't said to have otherwise is as it was declared; what was taken from there is told.
fn with_declared(mut arguments: Arguments, spec: &Value) -> (Arguments, Vec<String>) {
    let mut taken = Vec::new();
    let mut fill = |name: &str, value: &mut Option<String>| {
        let declared = spec.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let (None, Some(declared)) = (&value, declared) {
            taken.push(format!("{} `{declared}`", name.replace('_', " ")));
            *value = Some(declared.to_owned());
        }
    };
    fill("legal_name", &mut arguments.legal_name);
    fill("jurisdiction", &mut arguments.jurisdiction);
    fill("registry_number", &mut arguments.registry_number);
    fill("lei", &mut arguments.lei);
    (arguments, taken)
}

fn record(arguments: Arguments) -> Value {
    let mut record = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            record.insert(name.to_owned(), value);
        }
    };
    let standing = match arguments.standing {
        Standing::Active => "active",
        Standing::Inactive => "inactive",
        Standing::Dissolved => "dissolved",
        Standing::Merged => "merged",
        Standing::Unknown => "unknown",
    };
    let lei_status = arguments.lei_status.map(|status| match status {
        LeiStatus::Issued => "issued",
        LeiStatus::Lapsed => "lapsed",
        LeiStatus::Retired => "retired",
        LeiStatus::Merged => "merged",
        LeiStatus::Annulled => "annulled",
        LeiStatus::Duplicate => "duplicate",
        LeiStatus::Pending => "pending",
    });
    put("legal_name", arguments.legal_name.map(Value::from));
    put("jurisdiction", arguments.jurisdiction.map(Value::from));
    put("registry_number", arguments.registry_number.map(Value::from));
    put("lei", arguments.lei.map(Value::from));
    put("lei_status", lei_status.map(Value::from));
    put("standing", Some(json!(standing)));
    put("formed", arguments.formed.map(|day| json!(day)));
    put("legal_form", arguments.legal_form.map(Value::from));
    let country = arguments.country;
    put("registered_address", address(arguments.address, country.as_ref(), arguments.registered_agent));
    put("head_office", address(arguments.head_office, country.as_ref(), false));
    let officers: Vec<Value> = arguments.officer.iter().map(|text| officer(text)).collect();
    put("officers", (!officers.is_empty()).then(|| json!(officers)));
    put("parent", arguments.parent.map(Value::from));
    Value::Object(record)
}

fn address(lines: Vec<String>, country: Option<&String>, registered_agent: bool) -> Option<Value> {
    if lines.is_empty() {
        return None;
    }
    Some(json!({ "lines": lines, "country": country, "registered_agent": registered_agent }))
}

fn officer(text: &str) -> Value {
    match text.split_once(',') {
        Some((name, role)) => json!({ "name": name.trim(), "role": role.trim() }),
        None => json!({ "name": text.trim() }),
    }
}
