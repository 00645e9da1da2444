//! The scenarios that come with the program, as manifests: to be read, changed and applied.

/// Name and manifest of each.
pub const SCENARIOS: [(&str, &str); 6] = [
    ("malicious-update", include_str!("../scenarios/malicious-update.yaml")),
    ("stolen-token", include_str!("../scenarios/stolen-token.yaml")),
    ("sunday-notice", include_str!("../scenarios/sunday-notice.yaml")),
    ("fourth-party", include_str!("../scenarios/fourth-party.yaml")),
    ("control-lost", include_str!("../scenarios/control-lost.yaml")),
    ("wrong-command", include_str!("../scenarios/wrong-command.yaml")),
];

/// The manifest of one.
#[must_use]
pub fn scenario(name: &str) -> Option<&'static str> {
    SCENARIOS.into_iter().find(|(known, _)| *known == name).map(|(_, manifest)| manifest)
}
