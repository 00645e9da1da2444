//! A commented policy to begin with.

use portcullis_domain::spec::is_name;

use super::{ENDING_MAX, TemplateError};

/// A policy that observes the integration `name`, beside the manifests of that.
///
/// # Errors
/// `name` can't be one.
pub fn policy_template(name: &str) -> Result<String, TemplateError> {
    if !is_name(name) || name.len() > 63 - ENDING_MAX {
        return Err(TemplateError::Name(name.chars().take(80).collect()));
    }
    Ok(POLICY.replace("{NAME}", name))
}

const POLICY: &str = r"# Change what is yours, then:  portcullis apply -f THIS_FILE
# What each field means:        portcullis schema Policy
# What is in force, and why:    portcullis describe integration {NAME}

kind: Policy
name: {NAME}-risk
spec:
  # Whom it is about: a list that isn't here means all of them. The more specific of two policies counts, setting by
  # setting: one that names routes before one that names integrations, that before one that names impacts, and that
  # before one that names vendors.
  integrations: [{NAME}]
  # vendors: [{NAME}]
  # routes: [{NAME}-read]
  # impacts: [high, critical]

  # `observe` records what enforcing would have done, `enforce` acts, `off` scores nothing. Without any policy it is
  # `enforce`. A new context is challenged in both `observe` and `enforce`.
  mode: observe

  # The same for families of signals: identity, behaviour, origin, tls, posture, vendor.
  # families:
  #   origin: observe

  # Evidence alone may sever a context; otherwise it narrows, challenges and denies. The integration should know.
  # sever_by_evidence: true

  # What could be lost before the next decision, in whole units of your currency; without it the route's impact says so.
  # money:
  #   per_record: 12
  #   reach: 1
  #   lateral: 5000
";

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::integration_template;
    use super::super::tests::applied;
    use super::*;

    const KINDS: [&str; 6] = ["Vendor", "Contract", "Upstream", "Route", "Integration", "Policy"];

    #[test]
    fn a_policy_can_be_applied_beside_its_integration() {
        for name in ["acme".to_owned(), "a".repeat(63 - ENDING_MAX)] {
            let integration = integration_template("read-api", &name, date(2028, 2, 29)).unwrap();
            assert_eq!(applied(&[&integration, &policy_template(&name).unwrap()]), KINDS);
        }
        assert!(policy_template("Acme").unwrap_err().to_string().contains("can't name"));
    }

    /// What stands behind `#` is meant to be taken: it must be right too.
    #[test]
    fn what_is_commented_out_is_right_as_well() {
        let integration = integration_template("read-api", "acme", date(2028, 2, 29)).unwrap();
        let text = policy_template("acme").unwrap();
        let wanted = [
            "vendors:",
            "routes:",
            "impacts:",
            "families:",
            "  origin:",
            "sever_",
            "money:",
            "  per",
            "  reach",
            "  lateral",
        ];
        let lines = text.lines().map(|line| match line.split_once("# ") {
            Some((indent, field)) if wanted.iter().any(|wanted| field.starts_with(wanted)) => {
                format!("{indent}{field}\n")
            }
            _ => format!("{line}\n"),
        });
        let text = lines.collect::<String>();
        assert_eq!(text.matches("lateral: 5000\n").count(), 1);
        assert_eq!(applied(&[&integration, &text]), KINDS);
    }
}
