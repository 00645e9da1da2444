//! Evidence with its documents by the real program: filed, asked for through the gate, changed on the disk, and found.

use std::path::{Path, PathBuf};

use super::support::{Installation, must, portcullis};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/proof/tests/signatures/fixtures");
const VENDOR: &str = "kind: Vendor\nname: acme\nspec: { legal_name: Acme Ltd }\n";
const POLICY: &str = "kind: Policy\nname: stops\nspec: { stops: { default: off, integrity: enforce, penetration_test_refused: enforce } }\n";

fn written(folder: &Path, name: &str, text: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn document(data: &Path, sha256: &str) -> PathBuf {
    let vendors = std::fs::read_dir(data.join("documents")).unwrap();
    let mut places = vendors.map(|entry| entry.unwrap().path().join(format!("{sha256}.doc")));
    places.find(|place| place.exists()).unwrap()
}

fn access(data: &Path) -> String {
    must(data, &["vendor", "show", "acme"])["access"].as_str().unwrap().to_owned()
}

#[test]
fn evidence_is_filed_asked_for_through_the_gate_and_found_changed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = Installation::start(&data);
    let manifests = written(folder.path(), "acme.yaml", format!("{VENDOR}---\n{POLICY}").as_bytes());
    must(&data, &["apply", "-f", &manifests]);
    let filed = written(
        folder.path(),
        "soc2.yaml",
        b"{ title: Penetration test, issued: 2026-01-31, kind: penetration_test, content: {} }",
    );
    let [text, jws, key] = ["summary.txt", "es256.jws", "es256.jwk"].map(|name| format!("{FIXTURES}/{name}"));
    must(&data, &["auditor", "add", "Redfern Labs", "--key", &key]);
    assert_eq!(must(&data, &["auditor", "list"])[0]["keys"][0]["form"], "jwk");
    let add = ["evidence", "add", "acme", "-f", &filed, "--document", &text, "--signature", &jws];
    let added = must(&data, &add);
    let proof = &added["proof"];
    assert_eq!((&proof["outcome"], &proof["auditor"]), (&"valid".into(), &"Redfern Labs".into()));
    let evidence = &added["answer"]["dossier"]["evidence"][0]["evidence"];
    assert_eq!((&evidence["channel"], &evidence["issuer"]), (&"signed".into(), &"Redfern Labs".into()));
    let (_, shown) = portcullis(&data, &["vendor", "show", "acme", "-o", "table"]);
    assert!(shown.contains("SIGNED BY") && shown.contains("Redfern Labs"), "{shown}");
    let sha256 = evidence["document"]["sha256"].as_str().unwrap().to_owned();
    let got = folder.path().join("got");
    let (code, told) =
        portcullis(&data, &["evidence", "get", "acme", &sha256, "--out", got.to_str().unwrap()]);
    assert_eq!((code, std::fs::read(&got).unwrap()), (Some(0), std::fs::read(&text).unwrap()), "{told}");
    assert!(running.log().contains("document_downloaded"), "{}", running.log());
    // The same link by the gate: longer than a request may be, once, and once only.
    let link = |kind: &str| {
        let (code, text) = portcullis(
            &data,
            &[
                "evidence",
                "request",
                "acme",
                "--kind",
                kind,
                "--contact",
                "a@acme.example",
                "--due",
                "2999-01-31",
            ],
        );
        assert_eq!(code, Some(0), "{text}");
        text.lines().find(|line| line.starts_with("https://")).unwrap().to_owned()
    };
    let long = written(
        folder.path(),
        "long.bin",
        &(0..200_000_u32).map(|at| at.to_le_bytes()[0]).collect::<Vec<u8>>(),
    );
    let first = link("recovery_test");
    let (code, text) = portcullis(&data, &["evidence", "answer", &first, &long]);
    assert!(code == Some(0) && text.contains("Somebody will read it"), "{text}");
    let (code, text) = portcullis(&data, &["evidence", "answer", &first, &long]);
    assert!(code == Some(1) && text.contains("used already"), "{text}");
    let shown = must(&data, &["vendor", "show", "acme"]);
    let sent = shown["requests"][0]["sent"][0].clone();
    let of = |filed: &&serde_json::Value| filed["evidence"]["id"] == sent;
    let came = shown["evidence"].as_array().unwrap().iter().find(of).unwrap();
    assert_eq!(
        (&came["evidence"]["document"]["bytes"], &came["evidence"]["kind"]),
        (&200_000.into(), &"other".into())
    );
    assert_eq!(access(&data), "clear");
    let (code, text) =
        portcullis(&data, &["evidence", "answer", &link("penetration_test"), "--refuse", "no"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(access(&data), "blocked");
    // One byte on the disk: found when somebody looks, and at the next start.
    let place = document(&data, &sha256);
    let mut bytes = std::fs::read(&place).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&place, &bytes).unwrap();
    let (code, text) = portcullis(&data, &["evidence", "check"]);
    assert!(code == Some(1) && text.contains("changed"), "{text}");
    let (_, text) = portcullis(&data, &["vendor", "show", "acme"]);
    assert!(text.contains("integrity: blocked"), "{text}");
    let (code, text) = portcullis(&data, &["evidence", "list", "acme"]);
    assert!(code == Some(0) && text.contains("altered") && text.contains(&sha256), "{text}");
}
