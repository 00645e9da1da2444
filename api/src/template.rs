//! Commented manifests to begin an integration with.

mod issuer;
mod policy;

use jiff::ToSpan;
use jiff::civil::Date;
use portcullis_domain::spec::is_name;

pub use issuer::{ISSUER_TEMPLATES, issuer_template};
pub use policy::policy_template;

/// The templates of integrations that can be written.
pub const TEMPLATES: [&str; 3] = ["read-api", "push", "tunnel"];

/// The longest ending that a template gives to a name.
const ENDING_MAX: usize = "-upstream".len();

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("`{0}` is not a template\nhint: choose `read-api`, `push` or `tunnel`")]
    Unknown(String),
    #[error(
        "it isn't said what the vendor's issuer is\nhint: `--template` takes `keycloak`, `entra`, `okta` or `spiffe`"
    )]
    IssuerNotNamed,
    #[error("`{0}` is not a template\nhint: choose `keycloak`, `entra`, `okta` or `spiffe`")]
    IssuerUnknown(String),
    #[error(
        "`{0}` can't name an integration\nhint: use at most {max} lower-case letters, digits and hyphens, with a letter or digit at both ends", max = 63 - ENDING_MAX
    )]
    Name(String),
}

/// Manifests of a vendor, its contract, an upstream, a route and the integration, named after
/// `name`; the contract runs a year from `today`. They can be applied as they are, the client is
/// enrolled by command.
///
/// # Errors
/// When there is no such template, or `name` can't be one.
pub fn integration_template(which: &str, name: &str, today: Date) -> Result<String, TemplateError> {
    let with_tunnel = READ_API.replace("{FOOT}", TUNNEL);
    let template = match which {
        "read-api" => READ_API,
        "push" => PUSH,
        "tunnel" => &*with_tunnel,
        other => return Err(TemplateError::Unknown(other.chars().take(40).collect())),
    };
    if !is_name(name) || name.len() > 63 - ENDING_MAX {
        return Err(TemplateError::Name(name.chars().take(80).collect()));
    }
    // As much of it as the name of an interface holds.
    let short: String = name.chars().take(12).collect();
    let ends = today.checked_add(1.year()).and_then(|next| next.checked_sub(1.day())).unwrap_or(today);
    Ok(template
        .replace("{HEAD}", HEAD)
        .replace("{FOOT}", FOOT)
        .replace("{SHORT}", &short)
        .replace("{NAME}", name)
        .replace("{STARTS}", &today.to_string())
        .replace("{ENDS}", &ends.to_string()))
}

const HEAD: &str = r"# Change what is yours, then:  portcullis apply -f THIS_FILE
# What each field means:        portcullis schema Vendor (Contract, Upstream, Route, Integration)

kind: Vendor
name: {NAME}
spec:
  # The name in the register, with its legal form.
  legal_name: {NAME}
  # jurisdiction: DE
  # registry_number: HRB 12345
  # lei: 5299000000000000000X
  # purpose: what the vendor does for us
  # What it was assessed as, A to F; without it it counts as nothing known.
  # risk: B
  # People to call. Their names can be erased later; the ledger's proofs still hold.
  # contacts:
  #   - name: Jo Example
  #     role: security
  #     email: security@vendor.example
---
kind: Contract
name: {NAME}-contract
spec:
  vendor: {NAME}
  # Both days count, in this time zone. When the contract ends, its grants end.
  starts: {STARTS}
  ends: {ENDS}
  time_zone: UTC
  # reference: number of the paper
  # Who signed for the vendor: officers, or authorised by a paper. Anybody else holds the vendor.
  # signed_by:
  #   - { name: Jo Example, role: director }
  # What the paper says; a mandatory clause that it lacks holds the vendor. Strike what isn't in it.
  clauses:
    - { kind: encryption, tls_min: '1.2' }
    - { kind: incident_reporting, report_hours: 24 }
    - { kind: data_handling }
    - { kind: audit_right }
    - { kind: subprocessor_notice, days: 30 }
    - { kind: deletion, days: 30 }
    - { kind: liability_cap, amount: 1000000 }
    - { kind: insurance, amount: 1000000, expires: {ENDS} }
  # What we have promised about our side; `portcullis describe vendor` shows what is left of it.
  # service_levels: { availability_percent: 99.9, latency_p99_ms: 500 }
---
kind: Upstream
name: {NAME}-upstream
spec:
  # Our server behind the gate.
  url: http://127.0.0.1:9000
  # For https, and for mutual TLS with identities/NAME.crt and NAME.key in the gate's folder:
  # tls:
  #   identity: NAME
---
";

const READ_API: &str = r"{HEAD}kind: Route
name: {NAME}-read
spec:
  upstream: {NAME}-upstream
  methods: [GET]
  # {id} stands for one segment; {*rest} for all that are left, at least one. The upstream gets the
  # path as it comes.
  path: /{NAME}/{*rest}
  scope: {NAME}.read
  # What a misuse would cost: low, moderate, high, critical.
  impact: moderate
  # Records in answers are counted, and limited below. Without a pointer every outermost array counts.
  # records: /items
  # With the largest page that the upstream gives, honest pagers see 429 and never a cut:
  # page_max: 500
---
kind: Integration
name: {NAME}
spec:
  contract: {NAME}-contract
  purpose: reads our data
  routes: [{NAME}-read]
  scopes: [{NAME}.read]
  # What is at stake; from it follows the vendor's tier, and what evidence it needs.
  exposure:
    data: [{ class: confidential, records: 1000 }]
    reach: scoped_read
  # Seconds that a token lives, at most 600.
  token_seconds: 300
  limits:
    requests: { per_second: 50, burst: 100 }
    concurrency: 16
    # In any ten seconds.
    records: { per_client: 5000, per_integration: 10000 }
  # What the contract allows at the most, in every mode of risk; countries and AS numbers need `make geo`.
  # ceilings:
  #   records_per_day: 100000
  #   countries: [DE, AT]
  #   networks: [192.0.2.0/24, AS64500]
{FOOT}#   portcullis call GET /{NAME}/PATH --client {NAME}-1 --key KEY_FOLDER/{NAME}-1.pem
";

const PUSH: &str = r"{HEAD}kind: Route
name: {NAME}-push
spec:
  upstream: {NAME}-upstream
  methods: [POST, PUT]
  # {id} stands for one segment; {*rest} for all that are left, at least one. The upstream gets the
  # path as it comes.
  path: /{NAME}/{*rest}
  scope: {NAME}.write
  # What a misuse would cost: low, moderate, high, critical.
  impact: high
  # What comes in is data, what goes out is an acknowledgement: no records to count.
  metered: false
  request_bytes_max: 10485760
---
kind: Integration
name: {NAME}
spec:
  contract: {NAME}-contract
  purpose: delivers data to us
  routes: [{NAME}-push]
  scopes: [{NAME}.write]
  # What is at stake; from it follows the vendor's tier, and what evidence it needs.
  exposure:
    data: [{ class: confidential, records: 1000 }]
    reach: push_only
  # Seconds that a token lives, at most 600.
  token_seconds: 300
  limits:
    requests: { per_second: 50, burst: 100 }
    # Answers are small here.
    bytes: { per_second: 1000000, burst: 2000000 }
    concurrency: 16
  # What the contract allows at the most, in every mode of risk; countries and AS numbers need `make geo`.
  # ceilings:
  #   countries: [DE, AT]
  #   networks: [192.0.2.0/24, AS64500]
{FOOT}#   portcullis call POST /{NAME}/PATH --client {NAME}-1 --key KEY_FOLDER/{NAME}-1.pem -d @FILE
";

/// Behind what the integration needs anyway: the gate decides about each request that comes out of it.
const TUNNEL: &str = r"---
kind: Tunnel
name: {NAME}-tunnel
spec:
  integration: {NAME}
  # At our side: the gate's address inside, and nothing else.
  local_networks: [10.20.0.5/32]
  # At the vendor's side: what may come through it. No part of it is another tunnel's.
  remote_networks: [10.30.0.0/28]
  ipsec:
    # The vendor's address outside, no other vendor's.
    peer_address: 192.0.2.7
    local_identity: gate.example.com
    peer_identity: vpn.{NAME}.example
    # certificate, of our authority, or psk, a key of 256 random bits.
    authentication: certificate
  # Or by WireGuard, with an interface of its own:
  # wireguard:
  #   interface: pc-{SHORT}
  #   listen_port: 51820
  #   peer_public_key: what `wg pubkey` printed at the vendor
{FOOT}# The tunnel opens when it has credentials:
#   portcullis tunnel credentials {NAME}-tunnel
#   portcullis tunnel render {NAME}-tunnel --with-secrets --out FOLDER
";

const FOOT: &str = r"
# The vendor gets nothing until it is admitted: `portcullis vendor show {NAME}` says what is missing.
# The vendor's machine comes by command, with its public key; secrets can't be registered:
#   portcullis client enroll {NAME}-1 --integration {NAME} --jwks KEYS.json
# To try it with a key of your own:
#   portcullis client enroll {NAME}-1 --integration {NAME} --generate KEY_FOLDER
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::parse;
    use jiff::civil::date;
    use portcullis_domain::command::{Command, Context, Prepared};
    use portcullis_domain::state::State;
    use uuid::Uuid;

    #[test]
    fn a_template_can_be_applied_as_it_is() {
        for which in TEMPLATES {
            for name in ["acme".to_owned(), "a".repeat(63 - ENDING_MAX)] {
                let text = integration_template(which, &name, date(2028, 2, 29)).unwrap();
                assert!(!text.contains("{NAME}") && !text.contains("{HEAD}"), "{text}");
                let mut kinds = vec!["Vendor", "Contract", "Upstream", "Route", "Integration"];
                kinds.extend((which == "tunnel").then_some("Tunnel"));
                assert_eq!(applied(&[&text]), kinds);
            }
        }
    }

    /// The kinds of what these manifests declare, which an empty installation takes.
    pub(super) fn applied(texts: &[&str]) -> Vec<&'static str> {
        let documents: Vec<_> = texts
            .iter()
            .flat_map(|text| parse("new.yaml", text).unwrap_or_else(|error| panic!("{error:?}\n{text}")))
            .collect();
        let kinds: Vec<_> = documents.iter().map(|found| found.declaration.spec.kind().as_str()).collect();
        let resources = documents
            .into_iter()
            .map(|found| Prepared { declaration: found.declaration, keys: Vec::new() })
            .collect();
        let mut ids = 0_u128;
        let mut new_id = || {
            ids += 1;
            Uuid::from_u128(ids)
        };
        let mut context = Context { now: jiff::Timestamp::UNIX_EPOCH, new_id: &mut new_id };
        let events = State::default().decide(Command::Apply { resources }, &mut context);
        assert_eq!(events.map_err(|refusal| refusal.to_string()).map(|events| events.len()), Ok(kinds.len()));
        kinds
    }

    #[test]
    fn a_year_ends_a_day_before_it_begins_again() {
        let text = integration_template("push", "a", date(2026, 11, 21)).unwrap();
        assert!(text.contains("starts: 2026-11-21\n  ends: 2027-11-20\n"), "{text}");
    }

    #[test]
    fn what_is_no_template_says_what_is() {
        for (which, name, expect) in [
            ("pull", "a", "`pull` is not a template\nhint: choose `read-api`, `push` or `tunnel`"),
            ("push", "A", "`A` can't name an integration\nhint: use at most 54 "),
            ("push", &"a".repeat(55), "can't name an integration"),
        ] {
            let error = integration_template(which, name, date(2026, 1, 1)).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        }
    }
}
