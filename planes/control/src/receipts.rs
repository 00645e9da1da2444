//! Signed receipts: what was closed, as a text that anybody can verify who has the ledger's key.
//!
//! A receipt is a C2SP signed note. Its first line can't be a checkpoint's: an origin is a host, and has no spaces.

use std::borrow::Cow;
use std::time::Duration;

use portcullis_api::severing::Receipt;
use portcullis_domain::command::Command;
use portcullis_domain::ids::SeveranceId;
use portcullis_ledger::LedgerError;
use portcullis_ledger::note::NoteSigner;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::control::Control;

/// The first line of the text, before the receipt's JSON.
pub const RECEIPT_HEADING: &str = "portcullis severance receipt v1";
/// Bytes of the JSON at the most: a note has 64 KiB.
const TEXT_BYTES_MAX: usize = 60 * 1_024;
/// How long an answer waits for the ledger to take its receipt.
const RECORD_WAIT: Duration = Duration::from_millis(500);
const AGAIN: Duration = Duration::from_secs(5);

impl Control {
    /// The key that receipts are signed with: the ledger's own. Once: a second word changes nothing.
    pub fn sign_receipts_with(&self, signer: NoteSigner) {
        let _ = self.receipt_signer().set(signer);
    }

    /// Signs a receipt and puts it into the ledger, and says there where it is. It waits a moment; a ledger that can't take
    /// it now takes it later.
    pub(crate) async fn file_receipt(&self, receipt: &mut Receipt) {
        // Signed once: who takes it later takes this very note.
        let note = match self.receipt_signer().get().map(|signer| sign(signer, receipt)) {
            None => return,
            Some(Ok(note)) => note,
            Some(Err(error)) => {
                tracing::error!(%error, severance = %receipt.severance, "a receipt can't be signed");
                receipt.notes.push("the receipt could not be signed".to_owned());
                return;
            }
        };
        let severance = receipt.severance;
        let command = Command::RecordReceipt { severance, note: note.clone() };
        match timeout(RECORD_WAIT, self.execute(command)).await {
            // The size counts the event: it has the last number below.
            Ok(Ok(executed)) => receipt.recorded.receipt_sequence = executed.size.checked_sub(1),
            Ok(Err(error)) => {
                tracing::error!(%error, %severance, "the receipt is not in the ledger; it is tried on");
                receipt.notes.push("the signed receipt is not in the ledger yet; it is tried on".to_owned());
                self.file_later(severance, note);
            }
            Err(_) => {
                receipt.notes.push("the ledger is slow: the signed receipt is on its way there".to_owned());
            }
        }
    }

    fn file_later(&self, severance: SeveranceId, note: String) {
        let control = self.weak();
        self.runtime_handle().spawn(async move {
            let mut again = interval(AGAIN);
            again.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                again.tick().await;
                let Some(control) = control.upgrade() else { return };
                let command = Command::RecordReceipt { severance, note: note.clone() };
                if control.execute(command).await.is_ok() {
                    return;
                }
            }
        });
    }
}

/// The receipt as a note. Connections that don't fit are counted, and not listed.
fn sign(signer: &NoteSigner, receipt: &Receipt) -> Result<String, LedgerError> {
    let mut json = written(receipt)?;
    let mut short = Cow::Borrowed(receipt);
    while json.len() > TEXT_BYTES_MAX {
        shorten(short.to_mut(), json.len())?;
        json = written(&short)?;
    }
    signer.sign_statement(&format!("{RECEIPT_HEADING}\n{json}\n"))
}

/// Leaves out as much of what was written with `bytes` as is too much, roughly.
fn shorten(receipt: &mut Receipt, bytes: usize) -> Result<(), LedgerError> {
    let most = receipt.gates.iter().map(|gate| gate.connections.len()).max().unwrap_or(0);
    let keys = receipt.keys_refused.len();
    if most == 0 && keys == 0 {
        return Err(LedgerError::Note { what: "the receipt is too long" });
    }
    // Fewer each time, since it was too long.
    let fitting = |length: usize| length.saturating_mul(TEXT_BYTES_MAX) / bytes.max(1);
    for gate in &mut receipt.gates {
        gate.connections.truncate(fitting(most));
    }
    receipt.keys_refused.truncate(fitting(keys));
    receipt.notes.retain(|note| note != SHORTENED);
    receipt.notes.push(SHORTENED.to_owned());
    Ok(())
}

fn written(receipt: &Receipt) -> Result<String, LedgerError> {
    serde_json::to_string_pretty(receipt)
        .map_err(|_| LedgerError::Note { what: "the receipt can't be written" })
}

const SHORTENED: &str = "not all connections and keys are listed here: the totals count all of them";

/// The receipt in a note's text, of whoever has verified the note.
///
/// # Errors
/// It is no receipt.
pub fn read(text: &str) -> Result<Receipt, String> {
    let json = text.strip_prefix(RECEIPT_HEADING).ok_or("the note is no receipt of a severance")?;
    serde_json::from_str(json).map_err(|error| format!("the receipt can't be read: {error}"))
}

#[cfg(test)]
mod tests {
    use portcullis_api::severing::{CutConnectionView, GateReceipt, SeverAnswer};
    use portcullis_domain::ids::{ClientId, VendorId};
    use portcullis_domain::target::Target;
    use uuid::Uuid;

    use super::*;

    fn receipt(connections: usize) -> Receipt {
        let connection = |number: usize| CutConnectionView {
            client: ClientId(Uuid::from_u128(3)),
            client_name: format!("robot-{number}"),
            peer: "192.0.2.1:4711".into(),
            protocol: "h2".into(),
            exchanges: Vec::new(),
            after_us: 310,
        };
        let gate = GateReceipt {
            gate: "gate".into(),
            cores: 2,
            took_us: 5,
            connections: (0..connections).map(connection).collect(),
        };
        let time = "2026-11-22T02:00:00Z".parse().unwrap();
        Receipt {
            severance: SeveranceId(Uuid::from_u128(7)),
            target: "vendor/acme".into(),
            target_id: Target::Vendor { id: VendorId(Uuid::from_u128(1)) },
            answer: SeverAnswer::Severed,
            reason: "a key on a paste site\nand more".into(),
            by: "jo".into(),
            requested_at: time,
            finished_at: time,
            took_us: 9,
            gates_took_us: 8,
            recorded_took_us: 8,
            recorded: portcullis_api::severing::Recorded::default(),
            connections_total: connections as u64,
            exchanges_total: 0,
            gates: vec![gate],
            gates_silent: Vec::new(),
            keys_refused: Vec::new(),
            arms: Vec::new(),
            shared_addresses: Vec::new(),
            absent_arms: Vec::new(),
            single_operator: false,
            told: None,
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_receipt_is_a_note_that_is_no_checkpoint_and_a_forged_one_is_found() {
        let signer = NoteSigner::from_seed("gate.example/ledger", &[7; 32]).unwrap();
        let note = sign(&signer, &receipt(2)).unwrap();
        let verifier = signer.verifier();
        assert_eq!(read(verifier.open(&note).unwrap()).unwrap(), receipt(2));
        assert!(verifier.verify(&note).is_err(), "it must not pass for a checkpoint");
        let forged = note.replace("vendor/acme", "vendor/acne");
        assert!(verifier.open(&forged).is_err());
        assert!(read("gate.example/ledger\n3\nAAAA\n").is_err());
    }

    #[test]
    fn a_receipt_of_many_connections_is_shortened_and_says_so() {
        let signer = NoteSigner::from_seed("gate.example/ledger", &[7; 32]).unwrap();
        let note = sign(&signer, &receipt(10_000)).unwrap();
        let short = read(signer.verifier().open(&note).unwrap()).unwrap();
        assert_eq!(short.connections_total, 10_000);
        assert!((1..10_000).contains(&short.gates[0].connections.len()));
        assert_eq!(short.notes, [SHORTENED]);
    }
}
