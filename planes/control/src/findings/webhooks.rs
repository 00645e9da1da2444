//! Webhooks that don't take what they are told.

use portcullis_api::findings::{Finding, FindingCode, Severity};
use portcullis_api::notify::WebhookView;

/// Under which the process tells how calling goes, beside its webhooks.
pub const ON_CALL: &str = "on-call";

pub(super) fn find(webhooks: &[WebhookView], found: &mut Vec<Finding>) {
    for webhook in webhooks {
        let Some(error) = &webhook.error else { continue };
        let error = error.split('\n').next().unwrap_or_default();
        let name = &webhook.name;
        if name == ON_CALL {
            found.push(Finding {
                severity: Severity::Critical,
                code: FindingCode::OnCallFailing,
                about: "installation".to_owned(),
                message: format!("who is on call can't be reached by `{}`: {error}", webhook.to),
                hint: format!("call by hand; it is tried again and again: `portcullis notify test {ON_CALL}` says whether it works"),
                due: None,
            });
            continue;
        }
        found.push(Finding {
            severity: Severity::High,
            code: FindingCode::WebhookFailing,
            about: "installation".to_owned(),
            message: format!("webhook `{name}` at `{}` does not take what it is told: {error}", webhook.to),
            hint: format!("nothing is lost, and it is tried again and again: `portcullis notify test {name}` says whether it works"),
            due: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_webhook_that_fails_is_told() {
        let webhook = |error: Option<&str>| WebhookView {
            name: "desk".to_owned(),
            error: error.map(str::to_owned),
            ..WebhookView::default()
        };
        let mut found = Vec::new();
        find(&[webhook(None), webhook(Some("it answered 503\nhint: x"))], &mut found);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].message.ends_with("it answered 503") && found[0].hint.contains("notify test desk"),
            "{found:?}"
        );
    }
}
