//! Sixty vendors from a spreadsheet as people leave it, by the program as people use it.

use std::path::Path;

use serde_json::Value;

use crate::support::{Installation, must, portcullis};

const WORKBOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sheets/vendors.xlsx");

fn import(installation: &Installation, file: &str, more: &[&str]) -> (Option<i32>, Value) {
    let words = [&["import", "vendors", file, "-o", "json"], more].concat();
    let (code, text) = portcullis(&installation.directory, &words);
    let answer = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    (code, answer)
}

fn count(answer: &Value, verdict: &str) -> usize {
    answer["rows"].as_array().unwrap().iter().filter(|row| row["verdict"] == verdict).count()
}

fn counts(answer: &Value) -> [usize; 6] {
    ["new", "there", "repeated", "perhaps", "wrong", "skipped"].map(|verdict| count(answer, verdict))
}

fn vendors(installation: &Installation) -> Vec<Value> {
    must(&installation.directory, &["get", "vendors"])["items"].as_array().unwrap().clone()
}

/// As somebody mends what was left: each cell by what its reason says.
fn mended(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let header = reader.headers().unwrap().clone();
    let mut writer = csv::WriterBuilder::new().delimiter(b';').from_writer(Vec::new());
    writer.write_record(&header).unwrap();
    let place = |name: &str| header.iter().position(|own| own == name).unwrap();
    for (at, row) in reader.records().enumerate() {
        let mut cells: Vec<String> = row.unwrap().iter().map(str::to_owned).collect();
        let why = cells[place("portcullis_reasons")].clone();
        let mut set = |name: &str, text: &str| cells[place(name)] = text.to_owned();
        if why.contains("check digits") {
            set("LEI code", "");
        } else if why.contains("31.02.2027") || why.contains("ends on") {
            set("Contract end", "2028-02-29");
        } else if why.contains("name is missing") || why.contains("formula") {
            set("Vendor Name *", &format!("Mended{} Façade GmbH", ["Quux", "Plugh"][usize::from(at > 4)]));
        } else if why.contains("no country") || why.contains("could not reckon") {
            set("Country", "Deutschland");
        } else if why.contains("address for mail") {
            set("Contact e-mail", "security@nowhere.example");
        } else if why.contains("it may be") {
            set("portcullis_decision", "new");
        } else {
            set("portcullis_decision", "skip");
        }
        writer.write_record(&cells).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

#[test]
fn sixty_vendors_come_in_from_a_dirty_spreadsheet() {
    let folder = tempfile::tempdir().unwrap();
    let installation = Installation::start(&folder.path().join("data"));
    let rejects = folder.path().join("left.csv");
    let left = rejects.to_str().unwrap();

    // Dates that may be two days are asked about first; nothing is changed by looking.
    let (code, looked) = import(&installation, WORKBOOK, &[]);
    assert_eq!(code, Some(0));
    let asked = looked["rows"].to_string().matches("may be two days").count();
    assert!(asked >= 4, "{asked} dates are asked about");
    let (_, looked) = import(&installation, WORKBOOK, &["--dates", "dmy"]);
    let expect = [51, 0, 1, 1, 8, 5];
    assert_eq!(counts(&looked), expect, "{looked:#}");
    assert_eq!(vendors(&installation).len(), 0);

    let started = std::time::Instant::now();
    let (code, taken) =
        import(&installation, WORKBOOK, &["--dates", "dmy", "--apply", "--rejects", left, "--owner", "pat"]);
    let took = started.elapsed();
    assert_eq!(code, Some(0), "{taken:#}");
    assert_eq!((&taken["admitted"], counts(&taken)), (&Value::from(51), expect));
    let dossier = must(&installation.directory, &["vendor", "show", "alderan-logistics"]);
    assert_eq!(dossier["admission"]["admission"], "provisional", "{dossier:#}");
    let steps = dossier["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["owner"] == "jo" && step["state"] == "open"), "{steps:?}");

    // The same file again takes nothing, and says who is there.
    let head = must(&installation.directory, &["ledger", "head"])["size"].clone();
    let (_, again) = import(&installation, WORKBOOK, &["--dates", "dmy", "--apply", "--rejects", left]);
    assert_eq!(counts(&again)[0], 0);
    assert!(counts(&again)[1] >= 51, "{again:#}");
    assert_eq!(must(&installation.directory, &["ledger", "head"])["size"], head);

    // What was left is mended, in another encoding and with another separator, and comes in as well.
    let text = mended(&rejects);
    let windows: Vec<u8> =
        text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?')).collect();
    let second = folder.path().join("mended.csv");
    std::fs::write(&second, windows).unwrap();
    let (code, rest) = import(&installation, second.to_str().unwrap(), &["--apply", "--rejects", left]);
    assert_eq!(code, Some(0), "{rest:#}");
    assert!(rest["notes"].to_string().contains("Windows-1252"), "{}", rest["notes"]);
    assert_eq!(count(&rest, "new"), 9, "{rest:#}");
    let all = vendors(&installation);
    assert_eq!(all.len(), 60);
    let facade =
        all.iter().filter(|vendor| vendor["spec"]["legal_name"].to_string().contains("Façade")).count();
    assert_eq!(facade, 2, "letters have come through");
    assert!(
        all.iter().all(|vendor| vendor["spec"]["business_unit"].is_string()),
        "merged cells count for each row"
    );
    let contracts = must(&installation.directory, &["get", "contracts"]);
    eprintln!(
        "61 rows of 60 vendors: 51 good at once in {took:?}, 9 after mending; {} contracts",
        contracts["items"].as_array().unwrap().len()
    );
}

/// Whoever was let in once and isn't any more isn't let in again by a file.
#[test]
fn importing_again_opens_nothing_that_was_closed() {
    let folder = tempfile::tempdir().unwrap();
    let installation = Installation::start(&folder.path().join("data"));
    let file = folder.path().join("two.csv");
    std::fs::write(&file, "Vendor,Country\nAcme Widgets Ltd,GB\nBolt Freight SA,FR\n").unwrap();
    let file = file.to_str().unwrap();
    let (_, taken) = import(&installation, file, &["--apply"]);
    assert_eq!(taken["admitted"], 2, "{taken:#}");
    let change = folder.path().join("end.yaml");
    std::fs::write(&change, "- change: admission_ended\n  reason: they left\n").unwrap();
    must(&installation.directory, &["vendor", "record", "acme-widgets", "-f", change.to_str().unwrap()]);
    let (_, again) = import(&installation, file, &["--apply"]);
    assert_eq!((count(&again, "there"), &again["admitted"]), (2, &Value::from(0)), "{again:#}");
    let dossier = must(&installation.directory, &["vendor", "show", "acme-widgets"]);
    assert_eq!(dossier["admission"]["admission"], "no");

    // An import that broke off after declaring goes on where it was.
    let declared = folder.path().join("third.yaml");
    let manifest = "kind: Vendor\nname: cube-data\nlabels: { imported-from: two.csv }\nspec: { legal_name: Cube Data BV, jurisdiction: NL }\n";
    std::fs::write(&declared, manifest).unwrap();
    must(&installation.directory, &["apply", "-f", declared.to_str().unwrap()]);
    let third = folder.path().join("three.csv");
    std::fs::write(&third, "Vendor,Country\nCube Data B.V.,NL\n").unwrap();
    let (_, finished) = import(&installation, third.to_str().unwrap(), &["--apply"]);
    assert_eq!(
        (&finished["admitted"], &finished["finished"][0]),
        (&Value::from(1), &Value::from("cube-data"))
    );
}

#[test]
fn answers_of_a_vendor_are_evidence_and_what_is_missing_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let installation = Installation::start(&folder.path().join("data"));
    let file = folder.path().join("one.csv");
    std::fs::write(&file, "Vendor,Country,Owner,Business Unit\nAcme Widgets Ltd,GB,jo,Logistics\n").unwrap();
    import(&installation, file.to_str().unwrap(), &["--apply"]);
    let (_, listed) = portcullis(&installation.directory, &["get", "vendors"]);
    assert!(listed.contains("jo, Logistics"), "{listed}");
    let (code, sheet) = portcullis(&installation.directory, &["questionnaire", "new", "--sheet"]);
    assert_eq!((code, sheet.lines().count()), (Some(0), 46), "{sheet}");
    let filled: String = sheet
        .lines()
        .map(|line| {
            let answer = match line.split(',').next().unwrap() {
                "ENC-2" => "\"Yes, with AES-256\",,",
                "DAT-5" => "no,,",
                "IAM-1" => "N/A,,",
                "IAM-2" => "N/A,we have no people,",
                "END-1" => "we take security seriously,,",
                "VUL-1" => "7 days,,",
                _ => ",,",
            };
            format!("{}\n", line.strip_suffix(",,").map_or(line.to_owned(), |head| format!("{head}{answer}")))
        })
        .collect();
    let answers = folder.path().join("answers.csv");
    // The header ends otherwise, and stays.
    std::fs::write(&answers, filled).unwrap();
    let answers = answers.to_str().unwrap();
    let checked = must(&installation.directory, &["questionnaire", "check", answers]);
    let counted =
        |of: &Value| ["answered", "not_applicable", "unanswered"].map(|name| of[name].as_u64().unwrap());
    assert_eq!(counted(&checked), [3, 1, 41], "{checked:#}");
    let recorded = must(&installation.directory, &["questionnaire", "answer", "acme-widgets", answers]);
    let id = recorded["evidence"].as_str().unwrap_or_else(|| panic!("{recorded:#}")).to_owned();
    // Another set of answers may rest on it.
    let link = format!("VUL-1={id}");
    let words = ["questionnaire", "answer", "acme-widgets", answers, "--evidence", &link];
    must(&installation.directory, &words);
    let nobody = "VUL-1=0190b5e2-0000-7000-8000-000000000001";
    let words = ["questionnaire", "answer", "acme-widgets", answers, "--evidence", nobody];
    let (code, refused) = portcullis(&installation.directory, &words);
    assert_eq!(code, Some(1), "{refused}");
    let dossier = must(&installation.directory, &["vendor", "show", "acme-widgets"]);
    let evidence = dossier["evidence"].as_array().unwrap();
    assert_eq!(evidence.len(), 2, "{evidence:#?}");
    let rows = evidence
        .iter()
        .map(|one| one["evidence"]["content"]["rows"].as_array().unwrap_or_else(|| panic!("{one:#}")).len());
    assert!(rows.eq([45, 45]), "{evidence:#?}");
}

/// A spreadsheet knows no clauses of contracts: what it brings is open until the end that it says, and told so.
#[test]
fn an_imported_contract_opens_for_a_while_and_the_end_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let installation = Installation::start(&folder.path().join("data"));
    let file = folder.path().join("one.csv");
    let row = "Vendor,Country,Contract start,Contract end\nAcme Widgets Ltd,GB,2026-01-01,2039-12-31\n";
    std::fs::write(&file, row).unwrap();
    let words = ["import", "vendors", file.to_str().unwrap(), "--apply"];
    let (code, text) = portcullis(&installation.directory, &words);
    assert!(code == Some(0) && text.contains("(stops 13 and 6)") && text.contains("is blocked"), "{text}");
    let dossier = must(&installation.directory, &["vendor", "show", "acme-widgets"]);
    assert_eq!(dossier["access"], "clear", "{dossier:#}");
    let clauses = dossier["stops"].as_array().unwrap().iter().filter(|held| held["stop"] == "clause");
    assert!(clauses.clone().count() == 8 && clauses.into_iter().all(|held| held["access"] == "clear"));
}
