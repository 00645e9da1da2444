//! What to do about a vendor next, as commands that can be copied.

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis_assurance::Dossier;
use portcullis_assurance::assessment::{Admission, Step, StepState};
use portcullis_assurance::stops::{Held, OwnedKnown, Stop, StopMode};

/// More than a person does in a sitting.
const COMMANDS_MAX: usize = 8;

/// The most pressing first: what waits for a word, what a stop asks for, what the admission lacks.
pub fn commands(vendor: &str, known: &OwnedKnown, held: &[Held], now: Timestamp) -> Vec<String> {
    let dossier = &*known.dossier;
    let waiting = dossier
        .exceptions
        .iter()
        .filter(|(_, exception)| exception.is_open(now) && exception.confirmed_at.is_none());
    let waiting = waiting.map(|(id, _)| format!("portcullis vendor except {vendor} --confirm {id}"));
    let mut commands: Vec<String> = waiting.collect();
    let (enforced, observed): (Vec<&Held>, Vec<&Held>) =
        held.iter().partition(|held| held.mode == StopMode::Enforce);
    commands.extend(enforced.into_iter().filter_map(|held| about(vendor, dossier, held)));
    commands.extend(admitting(vendor, known));
    commands.extend(observed.into_iter().filter_map(|held| about(vendor, dossier, held)));
    let mut seen = BTreeSet::new();
    commands.retain(|command| seen.insert(command.clone()));
    commands.truncate(COMMANDS_MAX);
    commands
}

/// What ends a stop, where a command does.
fn about(vendor: &str, dossier: &Dossier, held: &Held) -> Option<String> {
    let subject = held.subject.as_deref().unwrap_or_default();
    let request =
        |kind: &str| format!("portcullis evidence request {vendor} --kind {kind} --contact MAIL --due DATE");
    Some(match held.stop {
        Stop::Sanctions | Stop::Relation => {
            let (list, entry) = subject.split_once('/')?;
            let (list, entry) = (quoted(list), quoted(entry));
            format!("portcullis vendor match {vendor} {list} {entry} --clear --reason 'WHY'")
        }
        Stop::Vulnerability => {
            let id = quoted(subject);
            format!("portcullis vendor vulnerability {vendor} {id} --close --proof EVIDENCE --reason 'WHY'")
        }
        Stop::Contract | Stop::Clause => "portcullis apply -f CONTRACT.yaml".to_owned(),
        Stop::Opinion => request("soc2_type_two"),
        Stop::BreachNotice => {
            let (id, _) = dossier.breaches.iter().find(|(_, breach)| breach.closed.is_none())?;
            format!("portcullis vendor breach {vendor} --close {id} --reason 'WHY'")
        }
        Stop::Integrity => format!("portcullis evidence check {vendor}"),
        Stop::Exit => request("recovery_test"),
        Stop::VulnerabilityEvidence | Stop::PenetrationTestRefused => request("penetration_test"),
        Stop::Entity | Stop::Signer | Stop::UndeclaredData | Stop::Admission => return None,
    })
}

fn admitting(vendor: &str, known: &OwnedKnown) -> Vec<String> {
    let dossier = &*known.dossier;
    if matches!(dossier.admission, Admission::Yes { .. }) {
        return Vec::new();
    }
    let mut commands = Vec::new();
    if dossier.entity.is_empty() {
        let lacking = [
            (" --jurisdiction COUNTRY", known.jurisdiction.is_none()),
            (" --registry-number NUMBER", known.registry_number.is_none()),
        ];
        let lacking: String =
            lacking.into_iter().filter(|(_, lacks)| *lacks).map(|(option, _)| option).collect();
        commands.push(format!(
            "portcullis vendor vouch {vendor}{lacking} --standing active --officer 'NAME, ROLE'"
        ));
    }
    if known.contracts.is_empty() {
        commands.push("portcullis apply -f CONTRACT.yaml".to_owned());
    }
    let missing = dossier.missing_steps();
    if missing.is_empty() {
        commands.push(format!("portcullis vendor admit {vendor}"));
    }
    let ready = missing.iter().filter(|step| match step {
        Step::EntityCheck => !dossier.entity.is_empty(),
        Step::Contract => !known.contracts.is_empty(),
        _ => true,
    });
    let ready = ready.filter(|step| dossier.step(**step) != StepState::Rejected);
    let ready: Vec<&str> = ready.map(|step| step.name()).collect();
    if !ready.is_empty() {
        let steps = if ready.len() == Step::ALL.len() { "all".to_owned() } else { ready.join(" ") };
        commands.push(format!("portcullis vendor assess {vendor} {steps} --approve --reason 'WHY'"));
    }
    commands
}

/// What people look for before they approve a step; none of it is forced.
pub fn needs(dossier: &Dossier, step: Step) -> Vec<String> {
    let has =
        |kinds: &[&str]| dossier.good_evidence().any(|evidence| kinds.contains(&evidence.content.kind()));
    let lacking = |kinds: &[&str], what: &str| (!has(kinds)).then(|| what.to_owned());
    let found: Vec<Option<String>> = match step {
        Step::EntityCheck => vec![
            dossier
                .entity
                .is_empty()
                .then(|| "a record of the legal entity: a register, or somebody who vouches".to_owned()),
            dossier.screenings.is_empty().then(|| "a screening against lists of sanctions".to_owned()),
        ],
        Step::Contract => vec![Some("a contract that isn't over, with its clauses".to_owned())],
        Step::SecurityPractices => vec![
            lacking(
                &["policy", "questionnaire", "soc2_type_two", "iso27001"],
                "a policy, a questionnaire, SOC 2 or ISO 27001",
            ),
            lacking(
                &["penetration_test", "scan", "soc2_type_two"],
                "a penetration test, a scan or SOC 2 of type II",
            ),
        ],
        Step::ComplianceEvidence => vec![lacking(
            &["soc2_type_one", "soc2_type_two", "iso27001", "pci_roc", "hipaa", "privacy_records"],
            "an audit's report, a certificate, or records of processing",
        )],
        Step::Resilience => vec![lacking(&["recovery_test"], "a recovery test")],
        Step::ServiceLevels => {
            vec![lacking(&["observed_by_gate", "questionnaire"], "service levels, as promised or as seen")]
        }
        Step::Dependencies => vec![lacking(
            &["sbom", "questionnaire"],
            "a bill of materials, or what the vendor says of its suppliers",
        )],
        Step::Integration => vec![lacking(
            &["observed_by_gate", "questionnaire", "sbom"],
            "a word on how it is to be connected",
        )],
    };
    found.into_iter().flatten().collect()
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@+".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_one_word() {
        for (text, expect) in
            [("a-1", "a-1"), ("", "''"), ("Tarn & Ashby", "'Tarn & Ashby'"), ("it's", "'it'\\''s'")]
        {
            assert_eq!(quoted(text), expect);
        }
    }
}
