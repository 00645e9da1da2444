//! What catalogues and lists say, and a vendor's exit, through the real gate by a clock in the test's hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use portcullis_api::sources::SourceKind;
use portcullis_assurance::change::Change;
use portcullis_assurance::evidence::{Content, Document, Evidence};
use portcullis_assurance::stops::{Stop, StopMode};
use portcullis_control::assurance::sources::SourceSettings;
use portcullis_documents::{Documents, Limits, RootKey};
use serde_json::json;

use super::facts;
use super::world::{Answer, World};
use super::{ALL, NOON};
use crate::support::PATIENCE;

const EXPLOITED: &str = "CVE-2026-1000";

impl World {
    /// As [`World::at`], but no paper has a document, so that those that have one can be kept.
    async fn without_documents(now: Timestamp) -> Self {
        let world = Self::founded(now, StopMode::Enforce).await;
        world.declare(json!({})).await;
        let bare = |change| match change {
            Change::EvidenceAdded { evidence } => {
                Change::EvidenceAdded { evidence: Box::new(Evidence { document: None, ..*evidence }) }
            }
            other => other,
        };
        world.order_all(facts::sound(world.clock.now()).into_iter().map(bare).collect()).await;
        world.enroll().await;
        world
    }

    fn keep_documents(&self) {
        let entropy = Arc::new(|bytes: &mut [u8]| aws_lc_rs::rand::fill(bytes).unwrap());
        let folder = self.folder.path().join("documents");
        let documents = Documents::open(&folder, RootKey::new([7; 32]), entropy, Limits::default()).unwrap();
        self.control
            .keep_documents(Arc::new(documents), portcullis_control::control::DocumentRetention::default());
    }

    fn keep_file(&self, name: &str, kind: SourceKind, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let settings = SourceSettings {
            name: name.to_owned(),
            kind,
            url: None,
            officers_url: None,
            file: Some(file.clone()),
            refresh_seconds: 86_400,
            ca: None,
            header_files: Default::default(),
            jurisdiction: None,
        };
        let fetch = Arc::new(|_| -> portcullis_control::feeds::FetchingFile { panic!("nothing is fetched") });
        self.control.keep_sources(vec![settings], self.folder.path().join("sources"), fetch).unwrap();
        file
    }

    /// Waits for what comes of a look that is taken every second.
    async fn soon(&self, what: &str, expected: impl Fn(&Answer) -> bool) {
        let began = Instant::now();
        loop {
            let answer = self.request().await;
            if expected(&answer) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{what}: still {answer:?}");
        }
    }
}

/// A bill of materials with one library in it.
fn bill(version: &str) -> String {
    json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6",
        "components": [{ "type": "library", "name": "logger", "purl": format!("pkg:maven/org.example/logger@{version}") }],
        "vulnerabilities": [{ "id": EXPLOITED, "analysis": { "state": "exploitable" } }],
    })
    .to_string()
}

fn catalogue(listed: &str) -> String {
    json!({
        "catalogVersion": "1", "dateReleased": "2026-06-14T00:00:00Z", "count": 1,
        "vulnerabilities": [{
            "cveID": EXPLOITED, "vendorProject": "Example", "product": "Logger",
            "vulnerabilityName": "Logger code execution", "dateAdded": listed,
        }],
    })
    .to_string()
}

/// The bill comes first, and the catalogue knows nothing of it; then it does, and nobody does anything for 31 days.
#[tokio::test]
async fn a_bill_of_materials_that_names_an_exploited_weakness_blocks_its_vendor_on_day_31() {
    let noon: Timestamp = NOON.parse().unwrap();
    let mut world = World::without_documents(noon).await;
    world.keep_documents();
    let kept =
        world.control.put_document("acme", "sbom".to_owned(), bill("2.14.1").into_bytes()).await.unwrap();
    let Change::EvidenceAdded { evidence } =
        facts::evidence(9, world.clock.now(), 1, Content::Sbom { components: 1, services: 0 })
    else {
        unreachable!("it is evidence")
    };
    let document = Document {
        name: "bill.json".to_owned(),
        media_type: "application/json".to_owned(),
        bytes: kept.bytes,
        sha256: kept.sha256,
    };
    let evidence = Box::new(Evidence { document: Some(document), ..*evidence });
    world.order(Change::EvidenceAdded { evidence }, world.ann).await;
    world.until("nothing is known of the bill", |answer| answer.records == ALL).await;
    world.keep_file("kev", SourceKind::Kev, &catalogue("2026-06-15"));
    world.soon("the catalogue names what is in the bill", |answer| answer.records == ALL / 10).await;
    // Day 31 begins at the first moment behind thirty days since the listing; until then the vendor has a tenth.
    let day_31 = "2026-07-15T00:00:00Z".parse::<Timestamp>().unwrap();
    world.clock.jump_to(day_31 - Duration::from_secs(5));
    world.renew().await;
    assert_eq!(world.request().await.records, ALL / 10);
    world.lose_control();
    world.clock.jump_to(day_31 + Duration::from_secs(1));
    let named = |answer: &Answer| {
        answer.status == 403
            && answer.reason == facts_reason(Stop::Vulnerability)
            && answer.detail.contains(EXPLOITED)
            && answer.detail.contains("`Paper 9`")
    };
    world.until("day 31", named).await;
}

fn facts_reason(stop: Stop) -> String {
    portcullis_domain::reason::Reason::of_stop(stop).code().to_owned()
}

/// The end of an exit acts at its moment, with control gone.
#[tokio::test]
async fn an_exit_ends_access_at_its_moment() {
    let noon: Timestamp = NOON.parse().unwrap();
    let mut world = World::at(noon).await;
    let ends = noon + Duration::from_secs(60);
    world.order(Change::OffboardingBegun { plan: "to another firm".to_owned(), ends }, world.ann).await;
    world.until("not yet", |answer| answer.records == ALL).await;
    world.lose_control();
    world.clock.jump_to(ends - Duration::from_secs(5));
    assert_eq!(world.request().await.status, 200);
    world.clock.jump_to(ends);
    world.until("the end", |answer| answer.status == 403).await;
}
