//! What needs no server: templates, schemas, reasons, completion, version.

use anyhow::Result;
use clap::CommandFactory as _;
use portcullis_api::decisions::ReasonView;
use portcullis_api::template::{TEMPLATES, integration_template, issuer_template, policy_template};
use portcullis_domain::reason::{Fixer, Reason};
use portcullis_domain::spec::Kind;
use serde_json::json;

use super::failure::Usage;
use super::output::{Format, Output};
use super::table::Table;
use super::{Cli, Outcome, examples, get};
use crate::clock::system_clock;

#[derive(clap::Subcommand)]
pub(super) enum New {
    /// Print manifests of a vendor, its contract, an upstream, a route and the integration
    #[command(after_help = examples::NEW)]
    Integration {
        /// What the integration is like: read-api or push
        #[arg(long, value_name = "TEMPLATE", default_value = TEMPLATES[0])]
        template: String,
        /// What everything in it is named after
        #[arg(default_value = "acme")]
        name: String,
    },
    /// Print manifests of a client and of the vendor's own issuer or trust domain that vouches for it
    #[command(after_help = examples::NEW_ISSUER)]
    Issuer {
        /// What the vendor has: keycloak, entra, okta or spiffe
        #[arg(long, value_name = "TEMPLATE")]
        template: Option<String>,
        /// Name of the vendor and of the integration that the client belongs to
        #[arg(default_value = "acme")]
        name: String,
    },
    /// Print a policy: what scores of risk may do, and what is at stake
    #[command(after_help = examples::NEW_POLICY)]
    Policy {
        /// Name of the integration that it is about
        #[arg(default_value = "acme")]
        name: String,
    },
    /// Print a scenario that comes with the program, to be changed and applied
    #[command(after_help = examples::NEW_EXERCISE)]
    Exercise {
        /// Which one, as `portcullis exercise list --shipped` lists them
        name: String,
    },
}

#[derive(clap::Args)]
pub(super) struct SchemaArguments {
    /// vendor, contract, upstream, route, integration, client, issuer, trustdomain, policy, feed or exercise
    #[arg(value_parser = get::kind)]
    kind: Kind,
}

#[derive(clap::Args)]
pub(super) struct ReasonsArguments {
    /// As the page of the reference
    #[arg(long)]
    markdown: bool,
}

#[derive(clap::Args)]
pub(super) struct CompletionArguments {
    /// Which shell
    shell: clap_complete::Shell,
}

pub(super) fn new(out: &Output, new: New) -> Result<Outcome> {
    let text = match new {
        New::Exercise { name } => {
            out.text(super::exercise::manifest(&name)?)?;
            return Ok(Outcome::Done);
        }
        New::Integration { template, name } => {
            let today = system_clock().now().to_zoned(jiff::tz::TimeZone::UTC).date();
            integration_template(&template, &name, today)
        }
        New::Issuer { template, name } => issuer_template(template.as_deref(), &name),
        New::Policy { name } => policy_template(&name),
    };
    out.text(&text.map_err(|error| Usage(error.to_string()))?)?;
    Ok(Outcome::Done)
}

pub(super) fn schema(out: &Output, arguments: &SchemaArguments) -> Result<Outcome> {
    let schema = portcullis_api::schema::schema(arguments.kind);
    // There is no table of a schema.
    match out.format {
        Format::Table | Format::Json => out.text(&super::output::json(&schema)?)?,
        Format::Yaml => out.text(&portcullis_api::render::yaml(&schema)?)?,
    }
    Ok(Outcome::Done)
}

pub(super) fn reasons(out: &Output, arguments: &ReasonsArguments) -> Result<Outcome> {
    if arguments.markdown {
        out.text(&markdown())?;
        return Ok(Outcome::Done);
    }
    let reasons: Vec<ReasonView> = Reason::ALL.iter().map(|reason| (*reason).into()).collect();
    out.show(&reasons, |paint| {
        let mut table = Table::new(["CODE", "STATUS", "WHO", "~MEANING"]);
        for reason in &reasons {
            let row = [
                reason.code.code().into(),
                reason.status.to_string().into(),
                fixer(reason.fixer).into(),
                reason.title.as_str().into(),
            ];
            table.row(row);
        }
        table.render(paint)
    })?;
    Ok(Outcome::Done)
}

fn fixer(fixer: Fixer) -> &'static str {
    match fixer {
        Fixer::VendorDeveloper => "vendor's developer",
        Fixer::Operator => "operator",
        Fixer::UpstreamTeam => "upstream's team",
        Fixer::Time => "time",
    }
}

fn markdown() -> String {
    let mut text =
        "| code | status | what it means | who can fix it | how |\n| --- | --- | --- | --- | --- |\n"
            .to_owned();
    for reason in Reason::ALL {
        text.push_str(&format!(
            "| `{}` | {} | {} | {} | {} |\n",
            reason.code(),
            reason.status(),
            reason.title(),
            fixer(reason.fixer()),
            reason.how()
        ));
    }
    text
}

pub(super) fn completion(out: &Output, arguments: &CompletionArguments) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "portcullis", &mut script);
    out.bytes(&script)?;
    Ok(Outcome::Done)
}

pub(super) fn version(out: &Output) -> Result<Outcome> {
    let version = env!("CARGO_PKG_VERSION");
    out.show(&json!({ "version": version }), |_| format!("portcullis {version}\n"))?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_in_the_page() {
        let page = markdown();
        assert_eq!(page.lines().count(), Reason::ALL.len() + 2);
        assert!(page.lines().all(|line| line.matches('|').count() == 6), "{page}");
    }
}
