use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_archive::{Archive, FileName, Gathered, Hour, LateOutcome, Row};
use portcullis_domain::access::Access;
use portcullis_domain::archive::{Content, SealedFile, SealedFiles};
use portcullis_domain::decision::{
    DecisionId, DecisionRecord, Ending, OutcomeRecord, PAYLOAD_VERSION, Stop, Verdict, WouldStop,
};
use portcullis_domain::ids::{ClientId, TunnelId, VendorId};
use portcullis_domain::reason::Reason;
use uuid::Uuid;

/// 2026-11-18T09:00:00Z.
pub const NINE_MS: u64 = 1_794_992_400_000;

pub fn vendor(number: u8) -> VendorId {
    VendorId(Uuid::from_bytes([number; 16]))
}

pub fn client(number: u8) -> ClientId {
    ClientId(Uuid::from_u128(u128::from(number) << 64 | 7))
}

pub fn tunnel(number: u8) -> TunnelId {
    TunnelId(Uuid::from_u128(u128::from(number) << 64 | 9))
}

/// A decision of vendor and client `who` (none for 0) in the millisecond `at`; `number` tells it apart.
pub fn decision(at_ms: u64, number: u32, who: u8) -> DecisionRecord {
    let mut unique = [0; 10];
    unique[6..].copy_from_slice(&number.to_be_bytes());
    let denied = number % 7 == 3;
    DecisionRecord {
        id: DecisionId::new(at_ms, unique),
        time: Timestamp::from_millisecond(i64::try_from(at_ms).unwrap()).unwrap(),
        verdict: if denied { Verdict::Deny } else { Verdict::Allow },
        reason: if denied { Reason::RecordsLimit } else { Reason::Allowed },
        gate: "gate".into(),
        snapshot: 12,
        vendor: (who > 0).then(|| vendor(who)),
        integration: None,
        client: (who > 0).then(|| client(who)),
        route: None,
        method: "GET".into(),
        path: "/parcels/{id}".into(),
        session: Some(format!("session-{}", number % 5)),
        client_key: None,
        binding: Some("dpop".into()),
        peer: format!("192.0.2.1:{}", 1_024 + number % 60_000),
        ja4: None,
        ja4_context: None,
        protocol: "h2".into(),
        scope: vec!["parcels:read".into(), "parcels:write".into()],
        risk: None,
        would_stop: (number % 5 == 2 && !denied).then(|| WouldStop {
            access: if number.is_multiple_of(2) { Access::Blocked } else { Access::Limited },
            stops: [Stop::Admission, Stop::Exit].into_iter().collect(),
        }),
        tunnel: number.is_multiple_of(6).then(|| tunnel(who)),
    }
}

pub fn outcome(record: &DecisionRecord, reason: Reason) -> OutcomeRecord {
    OutcomeRecord {
        id: record.id,
        time: record.time,
        ending: if reason == Reason::Allowed { Ending::Complete } else { Ending::Cut },
        reason,
        status: 200,
        request_bytes: 1,
        response_bytes: 2_000,
        records: 20,
        duration_us: 300,
        risk: None,
    }
}

pub struct World {
    _folder: tempfile::TempDir,
    pub archive: Archive,
    pub files: SealedFiles,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { archive: Archive::new(folder.path().join("archive")), _folder: folder, files: BTreeMap::new() }
    }

    /// Seals decisions, those of each hour as one more part, with the outcomes that are there.
    pub fn seal(&mut self, decided: &[DecisionRecord], ended: &[OutcomeRecord]) -> Vec<SealedFile> {
        let mut gathered = Gathered::default();
        let key = |vendor: Option<VendorId>| vendor.map_or([0; 16], |vendor| *vendor.0.as_bytes());
        for record in decided {
            gathered.decision(record.id, key(record.vendor), PAYLOAD_VERSION, &record.to_bytes().unwrap());
        }
        for outcome in ended {
            let known = decided.iter().find(|record| record.id == outcome.id);
            let vendor = known.map_or(Some(vendor(1)), |record| record.vendor);
            gathered.outcome(outcome.id, key(vendor), PAYLOAD_VERSION, &outcome.to_bytes().unwrap());
        }
        let mut all = Vec::new();
        while let Some((hour, part)) = gathered.pop() {
            let (rows, late) = part.into_rows();
            let name = self.name(hour, Content::Decisions);
            all.extend(self.archive.write::<Row>(name, rows, &mut |_| ()).unwrap());
            let name = self.name(hour, Content::Outcomes);
            all.extend(self.archive.write::<LateOutcome>(name, late, &mut |_| ()).unwrap());
            self.record(&all);
        }
        all
    }

    pub fn record(&mut self, sealed: &[SealedFile]) {
        for sealed in sealed {
            self.files.insert((sealed.hour, sealed.file.clone()), sealed.clone());
        }
    }

    pub fn name(&self, hour: Hour, content: Content) -> FileName {
        self.archive.next_name(hour, content, &self.files)
    }

    /// As after a start: nothing is known to be good.
    pub fn forget(&mut self) {
        self.archive = Archive::new(self.archive.folder());
    }

    pub fn path(&self, sealed: &SealedFile) -> std::path::PathBuf {
        self.archive.folder().join(&sealed.file)
    }
}

/// Decisions of three vendors and of nobody, spread over some hours.
pub fn some(count: u32, hours: u64) -> Vec<DecisionRecord> {
    (0..count)
        .map(|number| {
            let at_ms = NINE_MS + u64::from(number) * hours * 3_600_000 / u64::from(count);
            decision(at_ms, number, (number % 4) as u8)
        })
        .collect()
}
