//! Commented manifests to begin with where a vendor proves its machines itself.

use portcullis_domain::spec::is_name;

use super::{ENDING_MAX, TemplateError};

/// The templates of issuers that can be written.
pub const ISSUER_TEMPLATES: [&str; 4] = ["keycloak", "entra", "okta", "spiffe"];

/// Manifests of a client without a key of its own and of what vouches for it, beside those of the integration `name` and its
/// vendor of the same name. They can be applied once these are there; the addresses in it are examples.
///
/// # Errors
/// When there is no such template, none is named, or `name` can't be one.
pub fn issuer_template(which: Option<&str>, name: &str) -> Result<String, TemplateError> {
    let template = match which {
        None => return Err(TemplateError::IssuerNotNamed),
        Some("keycloak") => KEYCLOAK,
        Some("entra") => ENTRA,
        Some("okta") => OKTA,
        Some("spiffe") => SPIFFE,
        Some(other) => return Err(TemplateError::IssuerUnknown(other.chars().take(40).collect())),
    };
    if !is_name(name) || name.len() > 63 - ENDING_MAX {
        return Err(TemplateError::Name(name.chars().take(80).collect()));
    }
    Ok(template
        .replace("{HEAD}", HEAD)
        .replace("{KEYS}", KEYS)
        .replace("{UNBOUND}", UNBOUND)
        .replace("{NAME}", name))
}

const HEAD: &str = r"# Change what is yours, then:  portcullis apply -f THIS_FILE
# Vendor and integration are there already:  portcullis new integration {NAME}
# What each field means:        portcullis schema Issuer (TrustDomain, Client)

# The vendor's machine. It needs no key here: what vouches for it is below.
kind: Client
name: {NAME}-machine
spec:
  integration: {NAME}
---
";

const KEYS: &str = r"  # The only signature algorithms that are ever tried.
  algorithms: [RS256]
  # Its keys are found through discovery, at the issuer's own host. If they lie elsewhere:
  # jwks_uri: https://keys.{NAME}.example/jwks.json
  # If its server's certificate is of a private authority, the PEM of that:
  # certificate_authority: |
  #   -----BEGIN CERTIFICATE-----
";

const UNBOUND: &str = r"  # Tokens that are bound to no key or certificate are worth something to whoever steals them. Only on routes of low impact
  # that say `unbound: allow`:
  # allow_unbound: low_impact
";

const KEYCLOAK: &str = r"{HEAD}kind: Issuer
name: {NAME}-keycloak
spec:
  vendor: {NAME}
  # The `iss` of its tokens, exactly: the realm's address.
  issuer: https://sso.{NAME}.example/realms/machines
{KEYS}  # What `aud` must name; without it, the gate's public address. In Keycloak: an audience mapper in the client's scope.
  # audiences: [https://gate.example]
  # What its scopes are called here; those that aren't named count for nothing then. In Keycloak: a client scope for each.
  # scopes: { parcels-read: {NAME}.read }
  clients:
    # In Keycloak: a confidential client with service accounts; `azp` is its client id.
    - client: {NAME}-machine
      claims: { azp: exports }
  # In the Keycloak client switch on `OAuth 2.0 Mutual TLS Certificate Bound Access Tokens`, or `Require DPoP bound tokens`.
{UNBOUND}";

const ENTRA: &str = r#"{HEAD}kind: Issuer
name: {NAME}-entra
spec:
  vendor: {NAME}
  # With the vendor's tenant. The API's registration says `requestedAccessTokenVersion: 2`.
  issuer: https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0
{KEYS}  # The application id of the API's registration.
  audiences: ["11111111-1111-1111-1111-111111111111"]
  # Application roles, and what they are called here; the others count for nothing.
  scope_claim: roles
  scopes: { Parcels.Read.All: {NAME}.read }
  # Entra gives 60 to 90 minutes.
  lifetime_seconds_max: 5400
  clients:
    # The application id of the client's registration, and the tenant.
    - client: {NAME}-machine
      claims:
        azp: "22222222-2222-2222-2222-222222222222"
        tid: "00000000-0000-0000-0000-000000000000"
  # Tokens of the client-credentials grant are bound to nothing where Entra offers no binding for the tenant; the other way is
  # to let the client get its token here, by a certificate:  portcullis client enroll --help
{UNBOUND}"#;

const OKTA: &str = r#"{HEAD}kind: Issuer
name: {NAME}-okta
spec:
  vendor: {NAME}
  # A custom authorization server: tokens of the org server are for Okta itself.
  issuer: https://{NAME}.okta.com/oauth2/default
{KEYS}  # The authorization server's audience.
  audiences: ["api://default"]
  scope_claim: scp
  # What its scopes are called here; those that aren't named count for nothing then.
  # scopes: { parcels_read: {NAME}.read }
  clients:
    # The client id of an API services app.
    - client: {NAME}-machine
      claims: { cid: 0oa0000000000000000 }
  # In the app switch on `Require DPoP header in token requests`.
{UNBOUND}"#;

const SPIFFE: &str = r"{HEAD}kind: TrustDomain
name: {NAME}-spiffe
spec:
  vendor: {NAME}
  # Without `spiffe://`.
  trust_domain: prod.{NAME}.example
  # The server's bundle endpoint, by the `https_web` profile. If it can't be reached, put what
  # `spire-server bundle show -format spiffe` prints into `bundle` instead; then it changes by `apply` only.
  bundle_uri: https://spire.{NAME}.example/bundle
  # If that server's certificate is of a private authority, the PEM of that:
  # certificate_authority: |
  #   -----BEGIN CERTIFICATE-----
  clients:
    - client: {NAME}-machine
      # Exactly; the workload connects with its X.509-SVID and needs no Authorization header.
      spiffe_id: spiffe://prod.{NAME}.example/exports
      # Those of its integration without this.
      # scopes: [{NAME}.read]
  # What `aud` of a JWT-SVID must name; without it, the gate's public address.
  # audiences: [https://gate.example]
  # JWT-SVIDs count on a connection with the X.509-SVID of the same SPIFFE ID. Without that, only on routes of low impact that
  # say `unbound: allow`:
  # allow_unbound: low_impact
";

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::integration_template;
    use super::super::tests::applied;
    use super::*;

    #[test]
    fn a_template_of_an_issuer_can_be_applied_beside_that_of_its_integration() {
        for which in ISSUER_TEMPLATES {
            for name in ["acme".to_owned(), "a".repeat(63 - ENDING_MAX)] {
                let integration = integration_template("read-api", &name, date(2028, 2, 29)).unwrap();
                let text = issuer_template(Some(which), &name).unwrap();
                assert!(
                    !text.contains("{NAME}") && !text.contains("{HEAD}") && !text.contains("{KEYS}"),
                    "{text}"
                );
                let expect = if which == "spiffe" { "TrustDomain" } else { "Issuer" };
                let kinds = ["Vendor", "Contract", "Upstream", "Route", "Integration", "Client", expect];
                assert_eq!(applied(&[&integration, &text]), kinds);
            }
        }
    }

    /// What stands behind `#` is meant to be taken: it must be right too.
    #[test]
    fn what_is_commented_out_is_right_as_well() {
        let integration = integration_template("read-api", "acme", date(2028, 2, 29)).unwrap();
        for which in ISSUER_TEMPLATES {
            let text = issuer_template(Some(which), "acme").unwrap();
            let lines = text.lines().map(|line| {
                let wanted = ["audiences:", "scopes:", "jwks_uri:"];
                match line.split_once("# ") {
                    Some((indent, field)) if wanted.iter().any(|wanted| field.starts_with(wanted)) => {
                        format!("{indent}{field}\n")
                    }
                    _ => format!("{line}\n"),
                }
            });
            applied(&[&integration, &lines.collect::<String>()]);
        }
    }

    #[test]
    fn without_a_template_it_is_said_which_there_are() {
        let all = "`keycloak`, `entra`, `okta` or `spiffe`";
        for (which, name, expect) in [
            (None, "acme", all),
            (Some("auth0"), "acme", all),
            (Some("okta"), "Acme", "`Acme` can't name an integration"),
        ] {
            let error = issuer_template(which, name).unwrap_err().to_string();
            assert!(error.contains(expect) && error.contains("\nhint: "), "{error}");
        }
    }
}
