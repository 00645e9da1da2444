//! Signed receipts: what was closed, as a text that anybody can verify who has the ledger's key.
//!
//! A receipt is a C2SP signed note. Its first line can't be a checkpoint's: an origin is a host, and has no spaces.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_api::severing::Receipt;
use portcullis_domain::command::Command;
use portcullis_domain::ids::SeveranceId;
use portcullis_ledger::LedgerError;
use portcullis_ledger::note::NoteSigner;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::control::{Control, WeakControl};
use crate::error::ExecuteError;

/// The first line of the text, before the receipt's JSON.
pub const RECEIPT_HEADING: &str = "portcullis severance receipt v1";
/// Bytes of the JSON at the most: a note has 64 KiB.
const TEXT_BYTES_MAX: usize = 60 * 1_024;
/// How long an answer waits for the ledger to take its receipt.
const RECORD_WAIT: Duration = Duration::from_millis(500);
const AGAIN: Duration = Duration::from_secs(5);
/// Later words on one severance that wait for its first receipt.
const LATER_MAX: usize = 64;

/// Receipts on their way to the ledger, those of each severance in their order.
#[derive(Default)]
pub(crate) struct Filing(Mutex<BTreeMap<SeveranceId, Queue>>);

#[derive(Default)]
struct Queue {
    /// Severings whose receipt is still to come: what is said later waits for it.
    expected: usize,
    notes: VecDeque<Signed>,
    later: VecDeque<Signed>,
    /// Somebody takes them to the ledger.
    is_served: bool,
}

/// A note, and who waits to hear that the ledger has it, or at first not.
struct Signed {
    note: String,
    recorded: Option<oneshot::Sender<Result<u64, ExecuteError>>>,
}

impl Filing {
    fn queues(&self) -> MutexGuard<'_, BTreeMap<SeveranceId, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, severance: SeveranceId) -> Option<Signed> {
        let mut queues = self.queues();
        let queue = queues.get_mut(&severance)?;
        let waits = queue.expected > 0;
        let next = queue.notes.pop_front();
        let next = next.or_else(|| if waits { None } else { queue.later.pop_front() });
        if next.is_none() {
            queue.is_served = false;
            if queue.expected == 0 {
                queues.remove(&severance);
            }
        }
        next
    }
}

impl Control {
    /// The key that receipts are signed with: the ledger's own. Once: a second word changes nothing.
    pub fn sign_receipts_with(&self, signer: NoteSigner) {
        let _ = self.receipt_signer().set(signer);
    }

    /// A receipt will be filed: what is said of this severance meanwhile comes behind it.
    pub(crate) fn expect_receipt(&self, severance: SeveranceId) {
        self.filing().queues().entry(severance).or_default().expected += 1;
    }

    /// Signs a receipt that was expected and puts it into the ledger, and says there where it is. It waits a moment; a ledger
    /// that can't take it now takes it later.
    pub(crate) async fn file_receipt(&self, receipt: &mut Receipt) {
        let severance = receipt.severance;
        // Signed once: who takes it later takes this very note.
        let signed = self.receipt_signer().get().map(|signer| sign(signer, receipt));
        let (recorded, waiting) = oneshot::channel();
        {
            let mut queues = self.filing().queues();
            let queue = queues.entry(severance).or_default();
            queue.expected = queue.expected.saturating_sub(1);
            if let Some(Ok(note)) = &signed {
                queue.notes.push_back(Signed { note: note.clone(), recorded: Some(recorded) });
            }
        }
        self.serve_receipts(severance);
        match signed {
            None => return,
            Some(Err(error)) => {
                tracing::error!(%error, %severance, "a receipt can't be signed");
                receipt.notes.push("the receipt could not be signed".to_owned());
                return;
            }
            Some(Ok(_)) => {}
        }
        match timeout(RECORD_WAIT, waiting).await {
            // The size counts the event: it has the last number below.
            Ok(Ok(Ok(size))) => receipt.recorded.receipt_sequence = size.checked_sub(1),
            Ok(Ok(Err(error))) => {
                tracing::error!(%error, %severance, "the receipt is not in the ledger; it is tried on");
                receipt.notes.push("the signed receipt is not in the ledger yet; it is tried on".to_owned());
            }
            Ok(Err(_)) | Err(_) => {
                receipt.notes.push("the ledger is slow: the signed receipt is on its way there".to_owned());
            }
        }
    }

    /// The same for what was closed after the first receipt, once that is in the ledger. Where nobody was given one, nothing is filed.
    pub(crate) fn file_later_receipt(&self, receipt: &Receipt) {
        let severance = receipt.severance;
        let note = match self.receipt_signer().get().map(|signer| sign(signer, receipt)) {
            None => return,
            Some(Ok(note)) => note,
            Some(Err(error)) => {
                tracing::error!(%error, %severance, "a receipt can't be signed");
                return;
            }
        };
        {
            let mut queues = self.filing().queues();
            if !queues.contains_key(&severance) && !self.state().receipts.contains_key(&severance) {
                return;
            }
            let queue = queues.entry(severance).or_default();
            if queue.later.len() < LATER_MAX {
                queue.later.push_back(Signed { note, recorded: None });
            }
        }
        self.serve_receipts(severance);
    }

    /// One task for each severance: its receipts are in the ledger as they were signed, one behind the other.
    fn serve_receipts(&self, severance: SeveranceId) {
        {
            let mut queues = self.filing().queues();
            match queues.get_mut(&severance) {
                Some(queue) if !queue.is_served => queue.is_served = true,
                _ => return,
            }
        }
        let (control, filing) = (self.weak(), std::sync::Arc::clone(self.filing()));
        self.runtime_handle().spawn(async move {
            while let Some(signed) = filing.next(severance) {
                record(&control, severance, signed).await;
            }
        });
    }
}

/// Tries on until the ledger has it, or control is gone.
async fn record(control: &WeakControl, severance: SeveranceId, signed: Signed) {
    let Signed { note, mut recorded } = signed;
    let mut again = interval(AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        again.tick().await;
        let Some(control) = control.upgrade() else { return };
        let command = Command::RecordReceipt { severance, note: note.clone() };
        let done = control.execute(command).await.map(|executed| executed.size);
        let is_done = done.is_ok();
        if let Some(recorded) = recorded.take() {
            // Whoever waits may have gone on.
            let _ = recorded.send(done);
        }
        if is_done {
            return;
        }
    }
}

/// The receipt as a note. What doesn't fit is counted, and not listed.
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
    let paths = receipt.arms.iter().map(|arm| arm.paths.len()).max().unwrap_or(0);
    let shared = receipt.shared_addresses.len();
    if [most, keys, paths, shared] == [0; 4] {
        return Err(LedgerError::Note { what: "the receipt is too long" });
    }
    // Fewer each time, since it was too long.
    let fitting = |length: usize| length.saturating_mul(TEXT_BYTES_MAX) / bytes.max(1);
    for gate in &mut receipt.gates {
        gate.connections.truncate(fitting(most));
    }
    receipt.keys_refused.truncate(fitting(keys));
    for arm in &mut receipt.arms {
        let all = arm.paths.len();
        arm.paths.sort_by_key(|path| (path.verified_us.is_some(), !path.was_open));
        arm.paths.truncate(fitting(paths));
        if arm.paths.len() < all {
            arm.paths_total.get_or_insert(all as u64);
        }
    }
    receipt.shared_addresses.truncate(fitting(shared));
    if receipt.shared_addresses.len() < shared {
        receipt.shared_addresses_total.get_or_insert(shared as u64);
    }
    receipt.notes.retain(|note| note != SHORTENED);
    receipt.notes.push(SHORTENED.to_owned());
    Ok(())
}

fn written(receipt: &Receipt) -> Result<String, LedgerError> {
    serde_json::to_string_pretty(receipt)
        .map_err(|_| LedgerError::Note { what: "the receipt can't be written" })
}

const SHORTENED: &str =
    "not all connections, keys, paths and shared addresses are listed here: the totals count all of them";

/// The receipt of a note from our own ledger, which nobody need verify.
pub(crate) fn unverified(note: &str) -> Option<Receipt> {
    // Behind an empty line come the signatures; there is none in the JSON.
    read(note.split_once("\n\n")?.0).ok()
}

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
    use portcullis_api::severing::{
        ArmReceipt, ArmVerdict, CutConnectionView, GateReceipt, PathReceipt, SeverAnswer, SharedAddress,
    };
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
            shared_addresses_total: None,
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
        assert_eq!(unverified(&note), Some(receipt(2)));
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

    #[test]
    fn a_receipt_of_many_networks_is_shortened_and_what_may_be_open_comes_first() {
        let signer = NoteSigner::from_seed("gate.example/ledger", &[7; 32]).unwrap();
        let path = |number: usize| PathReceipt {
            path: format!("network/2001:db8:{number:x}:4000::/64"),
            was_open: number % 7 == 3,
            closed_us: Some(900),
            verified_us: (number != 499).then_some(1_100),
            how: "the kernel's set holds the network".into(),
        };
        let arm = |name: &str| ArmReceipt {
            arm: name.into(),
            outcome: ArmVerdict::Failed,
            why: Some("not all of it".into()),
            paths: (0..500).map(path).collect(),
            paths_total: None,
            attempts: 2,
            took_us: 1_200,
        };
        let shared = |number: usize| SharedAddress {
            network: format!("198.51.{}.{}/32", number / 256, number % 256),
            with: "vendor/another-one".into(),
        };
        let whole = Receipt {
            arms: vec![arm("packets"), arm("sockets")],
            shared_addresses: (0..500).map(shared).collect(),
            ..receipt(500)
        };
        let note = sign(&signer, &whole).unwrap();
        let short = read(signer.verifier().open(&note).unwrap()).unwrap();
        for arm in &short.arms {
            assert_eq!(arm.paths_total, Some(500));
            assert!((10..500).contains(&arm.paths.len()), "{}", arm.paths.len());
            assert_eq!(arm.paths[0], path(499), "not verified");
            assert_eq!(arm.paths[1], path(3), "was open");
        }
        assert_eq!(short.shared_addresses_total, Some(500));
        assert!((10..500).contains(&short.shared_addresses.len()));
        assert_eq!((short.connections_total, short.notes), (500, vec![SHORTENED.to_owned()]));
    }
}
