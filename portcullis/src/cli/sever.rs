//! `sever`: the receipt as a person at two in the morning wants to read it.

use anyhow::Result;
use portcullis_api::severing::{
    ArmVerdict, Receipt, SeverAnswer, SeverOutcome, SeverPreview, SeverRequest, SharedAddress,
};
use portcullis_domain::target::TargetName;

use super::output::{Output, Paint, Style};
use super::server::Server;
use super::{Outcome, Place, restore, telling, time};

/// Connections that are listed; of more, their number says enough.
const CONNECTIONS_SHOWN: usize = 20;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// `vendor/NAME`, `integration/NAME`, `client/NAME`, `key/THUMBPRINT` or `session/ID`
    #[arg(value_parser = target)]
    target: String,
    /// Why, for those who read it later
    #[arg(long, required_unless_present = "dry_run")]
    reason: Option<String>,
    /// What the vendor's contacts are told of it; nothing of the reason is
    #[arg(long, value_name = "TEXT")]
    tell: Option<String>,
    /// Say what would stop, and stop nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn target(text: &str) -> Result<String, String> {
    match text.parse::<TargetName>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => {
            Err("write `vendor/NAME`, `integration/NAME`, `client/NAME`, `key/THUMBPRINT` or `session/ID`"
                .to_owned())
        }
    }
}

pub(super) async fn sever(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let Arguments { target, reason, tell, dry_run } = arguments;
    let request = SeverRequest { target, reason: reason.unwrap_or_default(), tell, dry_run };
    let (_, outcome): (_, SeverOutcome) = Server::find(place)?.post(&["v1", "sever"], &request).await?;
    match outcome {
        SeverOutcome::Preview(preview) => {
            out.show(&preview, |paint| preview_told(&preview, paint))?;
            Ok(Outcome::Done)
        }
        SeverOutcome::Severed(receipt) => {
            out.show(&receipt, |paint| receipt_told(&receipt, paint))?;
            Ok(match receipt.answer {
                SeverAnswer::Severed | SeverAnswer::SeveredReserved | SeverAnswer::ArmClosed => Outcome::Done,
                SeverAnswer::CutNotRecorded
                | SeverAnswer::RecordedNotConfirmed
                | SeverAnswer::NotEverywhere => Outcome::Refused,
            })
        }
    }
}

pub(super) fn receipt_told(receipt: &Receipt, paint: Paint) -> String {
    let (verdict, style, meaning) = match receipt.answer {
        SeverAnswer::Severed => ("SEVERED", Style::Good, "closed at every gate, and in the ledger"),
        SeverAnswer::SeveredReserved => (
            "SEVERED, RESERVED",
            Style::Warning,
            "closed at every gate; the reserve file holds it until the ledger can be written",
        ),
        SeverAnswer::CutNotRecorded => (
            "CUT, NOT RECORDED",
            Style::Bad,
            "closed now, but A RESTART WOULD OPEN IT: neither ledger nor reserve could be written; it is tried again",
        ),
        SeverAnswer::RecordedNotConfirmed => (
            "RECORDED, NOT CONFIRMED",
            Style::Bad,
            "recorded, but a gate has not confirmed: PATHS MAY BE OPEN THERE",
        ),
        SeverAnswer::NotEverywhere => (
            "SEVERED, NOT EVERYWHERE",
            Style::Bad,
            "closed at every gate, but A TUNNEL OR A NETWORK MAY BE OPEN; it is tried on",
        ),
        SeverAnswer::ArmClosed => return later_told(receipt, paint),
    };
    let took = time::milliseconds(receipt.took_us);
    let mut text = format!("{} {} in {took}\n{meaning}\n\n", paint.paint(verdict, style), receipt.target);
    gates_told(&mut text, receipt, paint);
    arms_told(&mut text, receipt, paint);
    text.push_str(&format!("\n  reason     {}\n", receipt.reason));
    text.push_str(&format!("  by         {} at {}\n", receipt.by, time::instant(receipt.requested_at)));
    let place = receipt.recorded.ledger_sequence.map(|place| format!(", ledger event {place}"));
    text.push_str(&format!("  severance  {}{}\n", receipt.severance, place.unwrap_or_default()));
    let keys = receipt.keys_refused.len();
    text.push_str(&format!("  keys       {keys} refused from now on, wherever they turn up\n"));
    absent(&mut text, receipt.absent_arms.iter().map(|arm| (arm.arm.as_str(), arm.why.as_str())), paint);
    if let Some(told) = &receipt.told {
        telling::told(&mut text, told, false, paint);
    }
    notes(&mut text, &receipt.notes);
    text.push_str("\nnext\n");
    if receipt.answer == SeverAnswer::CutNotRecorded {
        text.push_str("  make room for the ledger, and do not restart; then look: portcullis severances\n");
    }
    if receipt.answer == SeverAnswer::NotEverywhere {
        text.push_str("  close by hand what is not verified, then look: portcullis findings\n");
    }
    if receipt.answer == SeverAnswer::RecordedNotConfirmed {
        text.push_str("  stop the silent gates, or take them off the network\n");
    }
    text.push_str(&format!(
        "  portcullis decisions --since 1h --verdict deny{}\n",
        vendor_filter(&receipt.target)
    ));
    text.push_str(&format!("  portcullis restore {}\n", receipt.target));
    text
}

/// Of what was closed after the first receipt, which alone speaks of gates and the ledger.
fn later_told(receipt: &Receipt, paint: Paint) -> String {
    let mut text = format!(
        "{} {}\nan arm that had failed has closed its paths; the first receipt says how gates and ledger stand\n\n",
        paint.paint("ARM CLOSED", Style::Good),
        receipt.target
    );
    arms_told(&mut text, receipt, paint);
    text.push_str(&format!("\n  reason     {}\n", receipt.reason));
    text.push_str(&format!("  by         {} at {}\n", receipt.by, time::instant(receipt.requested_at)));
    text.push_str(&format!("  closed at  {}\n", time::instant(receipt.finished_at)));
    text.push_str(&format!("  severance  {}\n", receipt.severance));
    absent(&mut text, receipt.absent_arms.iter().map(|arm| (arm.arm.as_str(), arm.why.as_str())), paint);
    notes(&mut text, &receipt.notes);
    text
}

/// Of `client revoke`: a severance that nothing lifts, in its own words.
pub(super) fn revoked_told(receipt: &Receipt, client: &str, paint: Paint) -> String {
    let (verdict, style) = match receipt.answer {
        SeverAnswer::Severed => ("REVOKED", Style::Good),
        SeverAnswer::SeveredReserved => ("REVOKED, RESERVED", Style::Warning),
        SeverAnswer::CutNotRecorded => ("REVOKED, NOT RECORDED", Style::Bad),
        SeverAnswer::RecordedNotConfirmed => ("RECORDED, NOT CONFIRMED", Style::Bad),
        SeverAnswer::NotEverywhere => ("REVOKED, NOT EVERYWHERE", Style::Bad),
        SeverAnswer::ArmClosed => ("ARM CLOSED", Style::Good),
    };
    let took = time::milliseconds(receipt.took_us);
    let keys = counted(receipt.keys_refused.len(), "key");
    let verdict = paint.paint(verdict, style);
    let mut text =
        format!("{verdict} {keys} of client {client} in {took}\nrefused for good, wherever they turn up\n\n");
    gates_told(&mut text, receipt, paint);
    for key in &receipt.keys_refused {
        text.push_str(&format!("  key        {key}\n"));
    }
    text.push_str(&format!("  reason     {}\n", receipt.reason));
    text.push_str(&format!("  by         {} at {}\n", receipt.by, time::instant(receipt.requested_at)));
    let place = receipt.recorded.ledger_sequence.map(|place| format!(", ledger event {place}"));
    text.push_str(&format!("  severance  {}{}\n", receipt.severance, place.unwrap_or_default()));
    if let Some(told) = &receipt.told {
        telling::told(&mut text, told, false, paint);
    }
    notes(&mut text, &receipt.notes);
    text.push_str(&format!(
        "\nnext\n  portcullis client keys {client}\n  portcullis client enroll {client} --recover\n"
    ));
    text
}

fn gates_told(text: &mut String, receipt: &Receipt, paint: Paint) {
    for gate in &receipt.gates {
        let took = time::milliseconds(gate.took_us);
        let closed = counted(gate.connections.len(), "connection");
        let cores = counted(gate.cores as usize, "core");
        text.push_str(&format!("  at `{}`: {closed} reset, {cores} confirmed in {took}\n", gate.gate));
        for connection in gate.connections.iter().take(CONNECTIONS_SHOWN) {
            let exchanges = counted(connection.exchanges.len(), "exchange");
            text.push_str(&format!(
                "    {}  {}  {}  {exchanges} cut  after {}\n",
                connection.peer,
                connection.client_name,
                connection.protocol,
                time::milliseconds(connection.after_us)
            ));
        }
        if let Some(more) = gate.connections.len().checked_sub(CONNECTIONS_SHOWN).filter(|more| *more > 0) {
            text.push_str(&format!("    and {more} more (all of them with `-o json`)\n"));
        }
    }
    for gate in &receipt.gates_silent {
        let silent = paint.paint(&format!("gate {gate}: NO ANSWER"), Style::Bad);
        text.push_str(&format!("  {silent}, what is open there may not be closed\n"));
    }
    if receipt.gates.is_empty() && receipt.gates_silent.is_empty() {
        text.push_str("  no gate is connected: nothing was open\n");
    }
}

/// Tunnels, packets and sockets: each path, when it was closed, and what was looked at to know.
fn arms_told(text: &mut String, receipt: &Receipt, paint: Paint) {
    for arm in receipt.arms.iter().filter(|arm| arm.outcome != ArmVerdict::Nothing) {
        let took = time::milliseconds(arm.took_us);
        match &arm.why {
            Some(why) => {
                let failed = paint.paint(&format!("{}: NOT VERIFIED", arm.arm), Style::Bad);
                text.push_str(&format!("  {failed} after {took}: {}\n", why.lines().next().unwrap_or(why)));
            }
            None => {
                let paths = counted(total(arm.paths_total, arm.paths.len()), "path");
                text.push_str(&format!("  by {}: {paths} closed and verified in {took}\n", arm.arm));
            }
        }
        for path in arm.paths.iter().take(CONNECTIONS_SHOWN) {
            let after = path.verified_us.map_or_else(|| "not verified".to_owned(), time::milliseconds);
            let was = if path.was_open { "was open" } else { "was closed" };
            text.push_str(&format!("    {}  {was}  {after}  {}\n", path.path, path.how));
        }
        let more =
            total(arm.paths_total, arm.paths.len()).saturating_sub(arm.paths.len().min(CONNECTIONS_SHOWN));
        if more > 0 {
            let where_to = if arm.paths_total.is_none() { " (all of them with `-o json`)" } else { "" };
            text.push_str(&format!("    and {more} more{where_to}\n"));
        }
    }
    shared_told(text, &receipt.shared_addresses, paint);
    let listed = receipt.shared_addresses.len();
    let more = total(receipt.shared_addresses_total, listed).saturating_sub(listed);
    if more > 0 {
        text.push_str(&format!("  and {more} more shared addresses\n"));
    }
}

/// All of them, where not all are listed.
fn total(total: Option<u64>, listed: usize) -> usize {
    total.and_then(|total| usize::try_from(total).ok()).unwrap_or(listed)
}

fn shared_told(text: &mut String, shared: &[SharedAddress], paint: Paint) {
    for address in shared {
        let only = paint.paint("shared address: gate only", Style::Warning);
        text.push_str(&format!("  {only}  {}, which {} has, too\n", address.network, address.with));
    }
}

fn preview_told(preview: &SeverPreview, paint: Paint) -> String {
    let mut text = format!(
        "{} {} would be closed; nothing was closed now\n\n",
        paint.paint("DRY RUN", Style::Warning),
        preview.target
    );
    let mut list = |name: &str, items: &[String]| {
        let shown = if items.is_empty() { "none".to_owned() } else { items.join(", ") };
        text.push_str(&format!("  {name:<21}  {shown}\n"));
    };
    list("clients that stop", &preview.clients);
    list("routes without them", &preview.routes);
    if !preview.paths.is_empty() {
        list("tunnels and networks", &preview.paths);
    }
    if !preview.services.is_empty() {
        text.push_str("\nservices that stop\n");
    }
    for service in &preview.services {
        let whose = [&service.business_unit, &service.owner].into_iter().flatten();
        let whose: Vec<&str> = whose.map(String::as_str).collect();
        let whose = if whose.is_empty() { String::new() } else { format!("  ({})", whose.join(", ")) };
        text.push_str(&format!("  {}  {}{whose}\n", service.integration, service.purpose));
    }
    shared_told(&mut text, &preview.shared_addresses, paint);
    if !preview.open.is_empty() {
        text.push_str("\nclosed already by\n");
        for severance in &preview.open {
            let cause = restore::cause(&severance.cause);
            text.push_str(&format!("  {}  {}  {cause}\n", severance.target, time::instant(severance.time)));
        }
    }
    absent(&mut text, preview.absent_arms.iter().map(|arm| (arm.arm.as_str(), arm.why.as_str())), paint);
    if let Some(told) = &preview.told {
        telling::told(&mut text, told, true, paint);
    }
    let people = if preview.restore_needs_two { "two people, and new client keys" } else { "one person" };
    text.push_str(&format!("\nto restore it takes {people}\n"));
    notes(&mut text, &preview.notes);
    text.push_str(&format!("\nnext\n  portcullis sever {} --reason REASON\n", preview.target));
    text
}

/// Ways that this version does not close: a person must know of them now, and not later.
fn absent<'a>(text: &mut String, arms: impl Iterator<Item = (&'a str, &'a str)>, paint: Paint) {
    let mut heading =
        Some(paint.paint("\nnot closed by this, close it elsewhere if you have it\n", Style::Warning));
    for (arm, why) in arms {
        text.push_str(&heading.take().unwrap_or_default());
        text.push_str(&format!("  {arm:<9}  {why}\n"));
    }
}

fn notes(text: &mut String, notes: &[String]) {
    for note in notes {
        text.push_str(&format!("\nnote: {note}\n"));
    }
}

fn vendor_filter(target: &str) -> String {
    match target.split_once('/') {
        Some(("vendor", name)) => format!(" --vendor {name}"),
        Some(("client", name)) => format!(" --client {name}"),
        _ => String::new(),
    }
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_api::severing::{
        AbsentArm, ArmReceipt, CutConnectionView, GateReceipt, PathReceipt, Recorded, StoppedService,
    };
    use portcullis_domain::decision::DecisionId;
    use portcullis_domain::ids::{ClientId, SeveranceId, VendorId};
    use portcullis_domain::target::Target;
    use uuid::Uuid;

    fn receipt(answer: SeverAnswer) -> Receipt {
        let connection = CutConnectionView {
            client: ClientId(Uuid::from_u128(3)),
            client_name: "acme-1".into(),
            peer: "192.0.2.1:4711".into(),
            protocol: "h2".into(),
            exchanges: vec![DecisionId([1; 16]), DecisionId([2; 16])],
            after_us: 310,
        };
        Receipt {
            severance: SeveranceId(Uuid::from_u128(7)),
            target: "vendor/acme".into(),
            target_id: Target::Vendor { id: VendorId(Uuid::from_u128(1)) },
            answer,
            reason: "key found on a paste site".into(),
            by: "jo".into(),
            requested_at: "2026-11-21T02:00:00.5Z".parse().unwrap(),
            finished_at: "2026-11-21T02:00:00.6Z".parse().unwrap(),
            took_us: 7_420,
            gates_took_us: 5_000,
            recorded_took_us: 6_000,
            recorded: Recorded { ledger_sequence: Some(41), receipt_sequence: Some(42) },
            gates: vec![GateReceipt {
                gate: "gate".into(),
                cores: 2,
                took_us: 520,
                connections: vec![connection],
            }],
            gates_silent: Vec::new(),
            connections_total: 1,
            exchanges_total: 2,
            keys_refused: vec!["k".into()],
            arms: Vec::new(),
            shared_addresses: Vec::new(),
            shared_addresses_total: None,
            absent_arms: vec![AbsentArm { arm: "tunnels".into(), why: "not built yet".into() }],
            single_operator: true,
            told: None,
            notes: vec!["there is one operator only".into()],
        }
    }

    #[test]
    fn a_receipt_begins_with_the_verdict() {
        insta::assert_snapshot!(receipt_told(&receipt(SeverAnswer::Severed), Paint { on: false }), @r"
        SEVERED vendor/acme in 7.42 ms
        closed at every gate, and in the ledger

          at `gate`: 1 connection reset, 2 cores confirmed in 0.52 ms
            192.0.2.1:4711  acme-1  h2  2 exchanges cut  after 0.31 ms

          reason     key found on a paste site
          by         jo at 2026-11-21T02:00:00Z
          severance  00000000-0000-0000-0000-000000000007, ledger event 41
          keys       1 refused from now on, wherever they turn up

        not closed by this, close it elsewhere if you have it
          tunnels    not built yet

        note: there is one operator only

        next
          portcullis decisions --since 1h --verdict deny --vendor acme
          portcullis restore vendor/acme
        ");
    }

    #[test]
    fn each_path_is_told_with_how_it_was_verified_and_what_failed_is_shouted() {
        let path = |path: &str, verified_us| PathReceipt {
            path: path.into(),
            was_open: true,
            closed_us: Some(2_000),
            verified_us,
            how: "list-sas shows none".into(),
        };
        let arm = |arm: &str, outcome, why: Option<&str>, paths| ArmReceipt {
            arm: arm.into(),
            outcome,
            why: why.map(str::to_owned),
            paths,
            paths_total: None,
            attempts: 1,
            took_us: 4_000,
        };
        let receipt = Receipt {
            arms: vec![
                arm("ipsec", ArmVerdict::Closed, None, vec![path("tunnel/acme", Some(3_000))]),
                arm("wireguard", ArmVerdict::Nothing, None, Vec::new()),
                arm("packets", ArmVerdict::Failed, Some("no nft\nhint: install it"), Vec::new()),
            ],
            ..receipt(SeverAnswer::NotEverywhere)
        };
        let text = receipt_told(&receipt, Paint { on: false });
        assert!(text.starts_with("SEVERED, NOT EVERYWHERE vendor/acme"), "{text}");
        let told = "  by ipsec: 1 path closed and verified in 4.00 ms\n    tunnel/acme  was open  3.00 ms  list-sas shows none\n  packets: NOT VERIFIED after 4.00 ms: no nft\n";
        assert!(text.contains(told) && !text.contains("wireguard"), "{text}");
        assert!(text.contains("close by hand what is not verified"), "{text}");
    }

    #[test]
    fn what_an_arm_has_closed_later_says_nothing_of_gates() {
        let path = PathReceipt {
            path: "network/192.0.2.0/28".into(),
            was_open: true,
            closed_us: Some(2_000),
            verified_us: Some(3_000),
            how: "the set holds it".into(),
        };
        let arm = ArmReceipt {
            arm: "packets".into(),
            outcome: ArmVerdict::Closed,
            why: None,
            paths: vec![path],
            paths_total: Some(500),
            attempts: 3,
            took_us: 4_000,
        };
        let receipt = Receipt {
            arms: vec![arm],
            gates: Vec::new(),
            shared_addresses: vec![SharedAddress { network: "10.0.0.0/8".into(), with: "vendor/b".into() }],
            shared_addresses_total: Some(7),
            absent_arms: Vec::new(),
            ..receipt(SeverAnswer::ArmClosed)
        };
        let text = receipt_told(&receipt, Paint { on: false });
        assert!(text.starts_with("ARM CLOSED vendor/acme\n"), "{text}");
        assert!(!text.contains("every gate") && !text.contains("no gate"), "{text}");
        assert!(text.contains("500 paths closed") && text.contains("and 499 more"), "{text}");
        assert!(text.contains("and 6 more shared addresses"), "{text}");
    }

    #[test]
    fn what_may_be_open_is_shouted() {
        let mut silent = receipt(SeverAnswer::RecordedNotConfirmed);
        silent.gates_silent.push("east".into());
        let text = receipt_told(&silent, Paint { on: false });
        assert!(text.starts_with("RECORDED, NOT CONFIRMED vendor/acme in 7.42 ms\n"), "{text}");
        assert!(text.contains("gate east: NO ANSWER") && text.contains("stop the silent gates"), "{text}");
        let text = receipt_told(&receipt(SeverAnswer::CutNotRecorded), Paint { on: false });
        assert!(text.starts_with("CUT, NOT RECORDED vendor/acme"), "{text}");
        assert!(text.contains("do not restart"), "{text}");
    }

    #[test]
    fn a_dry_run_says_what_would_stop() {
        let preview = SeverPreview {
            target: "vendor/acme".into(),
            target_id: Target::Vendor { id: VendorId(Uuid::from_u128(1)) },
            clients: vec!["acme-1".into(), "acme-2".into()],
            routes: Vec::new(),
            services: vec![StoppedService {
                integration: "acme-feed".into(),
                purpose: "tracking pages".into(),
                business_unit: Some("Logistics".into()),
                owner: None,
            }],
            paths: vec!["tunnel/acme".into(), "network/192.0.2.0/28".into()],
            shared_addresses: vec![SharedAddress {
                network: "198.51.100.7/32".into(),
                with: "vendor/b".into(),
            }],
            open: Vec::new(),
            absent_arms: Vec::new(),
            restore_needs_two: true,
            single_operator: false,
            told: None,
            notes: vec!["sessions stay".into()],
        };
        insta::assert_snapshot!(preview_told(&preview, Paint { on: false }), @r"
        DRY RUN vendor/acme would be closed; nothing was closed now

          clients that stop      acme-1, acme-2
          routes without them    none
          tunnels and networks   tunnel/acme, network/192.0.2.0/28

        services that stop
          acme-feed  tracking pages  (Logistics)
          shared address: gate only  198.51.100.7/32, which vendor/b has, too

        to restore it takes two people, and new client keys

        note: sessions stay

        next
          portcullis sever vendor/acme --reason REASON
        ");
    }
}
