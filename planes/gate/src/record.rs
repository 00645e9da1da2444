//! Recording: a decision is in the decision log before it takes effect, and goes to control after.

use std::collections::HashMap;

use portcullis_decision_log::{AppendError, SegmentWriter};
use portcullis_domain::decision::{
    DECISION_KIND, DecisionDraft, DecisionId, OUTCOME_KIND, OutcomeRecord, PAYLOAD_VERSION, PayloadError,
    Verdict,
};
use portcullis_domain::ids::VendorId;
use portcullis_domain::reason::Reason;
use portcullis_policy::link::{FromGate, LogBatch};
use tokio::sync::mpsc;

use crate::connection::Connection;
use crate::core::Core;

/// A batch for control is sent when it has this many entries, or at the next beat.
const BATCH: usize = 512;
/// What control doesn't take in time is dropped from the link, never from the log.
const WAITING_MAX: usize = 16_384;
/// Samples of refused strangers that one core records in a second.
const STRANGERS_A_SECOND: u32 = 50;

pub struct Recorder {
    log: SegmentWriter,
    batch: LogBatch,
    /// Where payloads are written, one after the other.
    payload: Vec<u8>,
    strangers_second: i64,
    strangers: u32,
    /// Refusals of strangers since the start, by reason.
    refused: HashMap<Reason, u64>,
}

impl Recorder {
    pub fn new(log: SegmentWriter) -> Self {
        Self {
            log,
            batch: LogBatch::default(),
            payload: Vec::new(),
            strangers_second: 0,
            strangers: 0,
            refused: HashMap::new(),
        }
    }

    /// Records a decision about an identified client. Unless this succeeds, nothing passes.
    pub fn decided(&mut self, record: &DecisionDraft<'_>) -> Result<(), AppendError> {
        self.payload.clear();
        record.write(&mut self.payload).map_err(unwritable)?;
        self.append(DECISION_KIND, record.id, record.vendor, record.time.as_millisecond())?;
        self.batch.push_decision(record.id, record.verdict, &self.payload);
        Ok(())
    }

    /// Counts a refused stranger, and records a sample: a flood must not fill the disk.
    pub fn stranger(&mut self, record: &DecisionDraft<'_>) {
        *self.refused.entry(record.reason).or_default() += 1;
        let second = record.time.as_second();
        if second != self.strangers_second {
            self.strangers_second = second;
            self.strangers = 0;
        }
        if self.strangers < STRANGERS_A_SECOND {
            self.strangers += 1;
            // A sample that can't be written is only a sample.
            let _ = self.decided(record);
        }
    }

    pub fn ended(&mut self, vendor: VendorId, record: &OutcomeRecord) {
        // The decision itself is recorded; if its outcome can't be, the next decision will not pass.
        self.payload.clear();
        if record.write(&mut self.payload).is_ok() {
            let _ = self.append(OUTCOME_KIND, record.id, Some(vendor), record.time.as_millisecond());
            self.batch.push_outcome(record.id, &self.payload);
        }
    }

    fn append(
        &mut self,
        kind: u8,
        id: DecisionId,
        vendor: Option<VendorId>,
        now_ms: i64,
    ) -> Result<(), AppendError> {
        let vendor = vendor.map_or([0; 16], |vendor| *vendor.0.as_bytes());
        let now_ms = u64::try_from(now_ms).unwrap_or(0);
        self.log.append(kind, PAYLOAD_VERSION, id.0, vendor, &self.payload, now_ms)
    }

    pub fn batch_is_full(&self) -> bool {
        self.batch.len() >= BATCH
    }

    /// Sends what has gathered; keeps it for the next beat when control is behind.
    pub fn flush(&mut self, to_control: &mpsc::Sender<FromGate>) {
        if self.batch.is_empty() {
            return;
        }
        match to_control.try_reserve() {
            Ok(permit) => permit.send(FromGate::Decisions(std::mem::take(&mut self.batch))),
            Err(_) if self.batch.len() > WAITING_MAX => self.batch = LogBatch::default(),
            Err(_) => {}
        }
    }
}

fn unwritable(error: PayloadError) -> AppendError {
    AppendError::Io(std::io::Error::other(error))
}

/// A decision of which only the connection and the outcome are known; the caller adds what it has learnt.
pub fn decision<'a>(
    core: &'a Core,
    connection: &'a Connection,
    id: DecisionId,
    snapshot: u64,
    verdict: Verdict,
    reason: Reason,
) -> DecisionDraft<'a> {
    let greeting = connection.greeting();
    DecisionDraft {
        id,
        time: core.now(),
        verdict,
        reason,
        gate: &core.shared.name,
        snapshot,
        vendor: None,
        integration: None,
        client: None,
        route: None,
        method: "",
        path: "",
        session: None,
        client_key: None,
        binding: None,
        peer: connection.peer_text(),
        ja4: greeting.and_then(|greeting| greeting.ja4.as_deref()),
        ja4_context: greeting.and_then(|greeting| greeting.ja4_context.as_deref()),
        protocol: connection.protocol(),
        scope: &[],
        risk: None,
        would_stop: None,
        tunnel: connection.tunnel(),
    }
}

/// A method as it is kept: a stranger's may be of any length.
pub fn method_kept(method: &str) -> &str {
    let end = method.char_indices().nth(16).map_or(method.len(), |(at, _)| at);
    method.get(..end).unwrap_or_default()
}
