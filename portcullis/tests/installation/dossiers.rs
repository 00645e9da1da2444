//! The six dossiers of `examples/dossiers`, loaded by their own script, and what comes out of each.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Installation, must, portcullis};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/dossiers");

#[test]
fn six_dossiers_come_to_what_was_planted_in_them() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let _running = Installation::start(&data);
    let policy = folder.path().join("stops.yaml");
    std::fs::write(&policy, "kind: Policy\nname: stops\nspec: { stops: { default: enforce } }\n").unwrap();
    must(&data, &["apply", "-f", policy.to_str().unwrap()]);
    load(&data, &[]);
    for (vendor, access, tier, stops, told) in [
        ("northgale", "clear", "one", &[][..], "in force"),
        ("harrowfield", "blocked", "one", &[("vulnerability", "blocked")], "open 47 days"),
        ("quillmere", "clear", "two", &[], "bridge letter"),
        ("bluewick", "clear", "two", &[], "PCI DSS"),
        (
            "tarn",
            "blocked",
            "one",
            &[("vulnerability_evidence", "blocked"), ("sanctions", "held"), ("signer", "held")],
            "Tarn Ashby Trading LLC",
        ),
        ("oakspire", "held", "one", &[("breach_notice", "held")], "31 hours"),
    ] {
        let shown = must(&data, &["vendor", "show", vendor]);
        assert_eq!((shown["access"].as_str(), stops_of(&shown)), (Some(access), stops.to_vec()), "{shown:#}");
        assert_eq!(shown["tier"], tier, "{vendor}");
        assert_eq!(shown["admission"]["admission"], "yes", "{vendor}");
        assert_eq!(shown["steps"].as_array().unwrap().len(), 8, "{vendor}");
        let (code, text) = portcullis(&data, &["vendor", "show", vendor]);
        assert!(code == Some(0) && text.contains(told), "`{told}` is not in:\n{text}");
    }
    // Northgale's contract is all that ends its access; Quillmere's report lapses on its 456th day. Midnight may have come
    // since they were loaded.
    for (vendor, access, stop, days) in
        [("northgale", "blocked", "contract", 40), ("quillmere", "limited", "vulnerability_evidence", 26)]
    {
        let (found, stops, ahead) = next(&data, vendor);
        assert_eq!((found.as_str(), stops), (access, vec![stop.to_owned()]), "{vendor}");
        assert!((days - 1..=days).contains(&ahead), "{vendor}: {ahead}");
    }
    for (file, access) in [("harrowfield.vex.yaml", "limited"), ("harrowfield.closed.yaml", "clear")] {
        let open = load(&data, &["--print", &format!("{FOLDER}/{file}")]);
        let dated = folder.path().join(file);
        std::fs::write(&dated, open).unwrap();
        must(&data, &["vendor", "record", "harrowfield", "-f", dated.to_str().unwrap()]);
        assert_eq!(must(&data, &["vendor", "show", "harrowfield"])["access"], access, "{file}");
    }
    // Loaded again, nothing opens: manifests are as they were, and whoever was admitted stays.
    load(&data, &["tarn", "oakspire"]);
    assert_eq!(must(&data, &["vendor", "show", "tarn"])["access"], "blocked");
    assert_eq!(must(&data, &["vendor", "show", "oakspire"])["access"], "held");
}

fn stops_of(shown: &Value) -> Vec<(&str, &str)> {
    let held = shown["stops"].as_array().unwrap().iter();
    held.map(|held| (held["stop"].as_str().unwrap(), held["access"].as_str().unwrap())).collect()
}

/// What becomes of a vendor's access next, by which stops, and on which day from today.
fn next(data: &Path, vendor: &str) -> (String, Vec<String>, i32) {
    let outlook = must(data, &["vendor", "outlook", vendor]);
    let stretches = outlook["stretches"].as_array().unwrap();
    let day = |stretch: &Value| {
        let from: jiff::Timestamp = stretch["from"].as_str().unwrap().parse().unwrap();
        from.to_zoned(jiff::tz::TimeZone::UTC).date()
    };
    let next = stretches.iter().find(|stretch| stretch["access"] != "clear").unwrap();
    let held = serde_json::json!({ "stops": next["held"] });
    let stops = stops_of(&held).into_iter().map(|(stop, _)| stop.to_owned()).collect();
    let ahead = (day(next) - day(&stretches[0])).get_days();
    (next["access"].as_str().unwrap().to_owned(), stops, ahead)
}

/// What the script writes; it must succeed.
fn load(data: &Path, arguments: &[&str]) -> String {
    let folder = Path::new(env!("CARGO_BIN_EXE_portcullis")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let output = Command::new(format!("{FOLDER}/load"))
        .args(arguments)
        .env("PATH", path)
        .env("PORTCULLIS_DIR", data)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    assert!(output.status.success(), "{}{}", text(output.stdout), text(output.stderr));
    text(output.stdout)
}
