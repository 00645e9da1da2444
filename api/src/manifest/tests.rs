use proptest::prelude::*;

use super::*;

/// Errors as `LINE:COLUMN: MESSAGE | HINT`, or `read N`.
fn check(text: &str, expect: &[&str]) {
    let found: Vec<String> = match parse("f.yaml", text) {
        Ok(documents) => vec![format!("read {}", documents.len())],
        Err(errors) => errors
            .iter()
            .map(|error| {
                let hint = error.hint.as_ref().map(|hint| format!(" | {hint}")).unwrap_or_default();
                format!("{}:{}: {}{hint}", error.line, error.column, error.message)
            })
            .collect(),
    };
    assert_eq!(found, expect, "{text}");
}

const KINDS: &str = "known kinds: Vendor, Contract, Upstream, Route, Integration, Client, Issuer, TrustDomain, Policy, Feed, Tunnel, Exercise";
const SECRET: &str = "secrets and API keys can't be registered | register a public key (`jwks`) or a certificate (`certificates`); `portcullis client enroll NAME --generate DIR` makes one";

#[test]
fn a_misspelt_field_is_pointed_at_with_the_nearest_one() {
    check(
        "kind: Vendor\nname: a\nspec:\n  legalName: Acme\n",
        &["4:3: unknown field `legalName` | did you mean `legal_name`?"],
    );
    check(
        "kind: Vendor\nname: a\nspec:\n  legal_name: x\n  contacts:\n  - name: Jo\n    mail: x\n",
        &["7:5: unknown field `mail` | did you mean `email`?"],
    );
    check(
        "kind: Vendor\nname: ä\nspec: {legal_name: äöü, fo: 1}\n",
        &[
            "3:25: unknown field `fo` | known fields: `legal_name`, `jurisdiction`, `registry_number`, `lei`, `purpose`, `records_max`, `decisions_days`, `business_unit`, `owner`, `domains`, `tier_raised`, `aliases`, `risk`, `canary`, `contacts`",
        ],
    );
    check(
        "kind: Integration\nname: a\nspec:\n  contract: c\n  purpose: x\n  routes: []\n  scopes: []\n  limits:\n    records:\n      perClient: 3\n",
        &["10:7: unknown field `perClient` | did you mean `per_client`?"],
    );
    check(
        "apiVersion: v1\nkind: Vendor\nmetadata: {name: x}\nspec: {legal_name: x}\n",
        &[
            "1:1: unknown field `apiVersion` | known fields: `kind`, `name`, `labels`, `spec`",
            "3:1: unknown field `metadata` | write `name` and `labels` at the top",
            "1:1: field `name` is missing",
        ],
    );
    check(
        "{\"kind\": \"Upstream\", \"name\": \"a\",\n \"spec\": {\"url\": \"http://a\",\n  \"conect_seconds\": 3}}",
        &["3:3: unknown field `conect_seconds` | did you mean `connect_seconds`?"],
    );
}

#[test]
fn a_kind_that_is_not_there_is_pointed_at() {
    check("kind: Vendro\nname: a\nspec: {}\n", &["1:7: `Vendro` is not a kind | did you mean `Vendor`?"]);
    check("kind: route\nname: a\nspec: {}\n", &["1:7: `route` is not a kind | did you mean `Route`?"]);
    for kind in KINDS_TO_COME {
        let expect = format!("2:7: this version does not know the kind `{kind}` yet | {KINDS}");
        check(&format!("name: a\nkind: {kind}\nspec: {{}}\n"), &[&expect]);
    }
    check("name: a\nspec: {}\n", &["1:1: field `kind` is missing"]);
}

#[test]
fn a_wrong_value_is_pointed_at() {
    check("kind: Vendor\nname: a\nspec:\n", &["3:1: expected fields with values, found nothing"]);
    check("kind: Vendor\nname: a\nspec: [x]\n", &["3:1: expected fields with values, found a list"]);
    check("kind: Vendor\nname: a\nspec: {}\n", &["3:1: field `legal_name` is missing"]);
    check(
        "kind: Vendor\nname: ~\nspec:\n  legal_name: [x]\n",
        &["2:1: expected a text, found nothing", "4:3: expected a text, found a list"],
    );
    check(
        "kind: Vendor\nname: a\nspec:\n  legal_name: x\n  records_max: -1\n",
        &["5:16: expected a whole number from 0 up, found the number `-1`"],
    );
    check(
        "kind: Upstream\nname: a\nspec:\n  url: x\n  connect_seconds: 5000000000\n",
        &["5:20: expected a whole number from 0 to 4294967295, found the number `5000000000`"],
    );
    check(
        "kind: Vendor\nname: a\nspec:\n  legal_name: x\n  contacts:\n  - {name: Jo, phone: 4930123}\n",
        &["6:23: expected a text | put it in quotes"],
    );
    check(
        "kind: Route\nname: a\nspec:\n  upstream: u\n  methods: GET\n  path: /x\n  scope: s\n",
        &["5:12: expected a list, found the text `GET`"],
    );
    check(
        "kind: Route\nname: a\nspec: {upstream: u, methods: [], path: /x, scope: s, impact: hihg}\n",
        &["3:62: `hihg` is not known here | did you mean `high`?"],
    );
    check(
        "kind: Route\nname: a\nspec: {upstream: u, methods: [], path: /x, scope: s, metered: yes}\n",
        &["3:63: expected `true` or `false`, found the text `yes`"],
    );
    check(
        "kind: Contract\nname: a\nspec: {vendor: a, starts: 2026-01-01, ends: tomorrow, time_zone: UTC}\n",
        &[
            "3:45: `tomorrow` is neither a date nor a moment | write `2026-12-31`, `2026-12-31T18:00:00` or `2026-12-31T18:00:00Z`",
        ],
    );
    check(
        "kind: Integration\nname: a\nspec:\n  contract: u\n  purpose: x\n  routes: [a]\n  scopes: [s]\n  limits:\n    requests: [1, 2]\n",
        &["9:5: expected fields with values, found a list"],
    );
}

#[test]
fn a_secret_is_refused_with_what_to_register_instead() {
    for (place, field) in
        ["client_secret", "clientSecret", "secret", "api_key", "API-Key", "password", "token"]
            .iter()
            .enumerate()
    {
        let expect = format!("4:{}: {SECRET}", place + 3);
        let space = " ".repeat(place + 2);
        check(
            &format!("kind: Client\nname: a\nspec:\n{space}{field}: x\n{space}integration: i\n"),
            &[&expect],
        );
    }
    // Elsewhere it is a field that doesn't exist.
    assert!(parse("f", "kind: Vendor\nname: a\nspec: {legal_name: a, token: x}\n").is_err());
    check(
        "kind: Vendor\nname: a\nspec:\n  legal_name: x\n  contacts:\n  - name: {$personal: {subject: x}}\n",
        &["6:12: `$personal` can't be written in a manifest | write the text itself"],
    );
}

#[test]
fn what_is_no_manifest_is_refused() {
    check("", &["read 0"]);
    check("---\n---\n# nothing\n", &["read 0"]);
    check("- a\n", &["1:1: a manifest has `kind`, `name` and `spec`"]);
    check("a: [\n", &["1:4: not readable as YAML or JSON: unclosed bracket '['"]);
    check("kind: Vendor\nkind: Vendor\n", &["2:1: field `kind` is there twice"]);
    check(
        "kind: Vendor\nname: a\nspec:\n\tlegal_name: x\n",
        &["4:2: not readable as YAML or JSON: tabs disallowed within this context (block indentation)"],
    );
    check("kind: !Foo x\n", &["1:12: not readable as YAML or JSON: unsupported tag `!Foo`"]);
}

#[test]
fn bombs_are_refused() {
    let more = "the file holds, nests or repeats more than a manifest may | part it into several files, and write anchors and aliases out";
    let ten = |what: &str| format!("[{}]", [what; 10].join(","));
    let laughs = format!(
        "a: &a {}\nb: &b {}\nc: &c {}\nd: &d {}\ne: &e {}\nf: {}\n",
        ten("x"),
        ten("*a"),
        ten("*b"),
        ten("*c"),
        ten("*d"),
        ten("*e")
    );
    check(&laughs, &[&format!("4:29: {more}")]);
    check(&"---\na\n".repeat(DOCUMENTS_MAX + 1), &[&format!("20001:1: {more}")]);
    check(
        &" ".repeat(FILE_BYTES_MAX + 1),
        &["1:1: the file is larger than 1048576 bytes | part it into several files"],
    );
    for deep in ["[", "{a: ", "- ", "? "] {
        assert!(parse("f", &deep.repeat(50_000)).is_err(), "{deep}");
    }
}

#[test]
fn every_document_with_a_fault_is_told() {
    check(
        "kind: Vendor\nname: a\nspec: {legal_name: x}\n---\n\n---\nkind: Vendor\nname: b\nspec: {legal_name: x, lie: 1}\n---\nkind: Vendor\nname: c\nspec: {lgal_name: x}\n",
        &[
            "9:23: unknown field `lie` | did you mean `lei`?",
            "13:8: unknown field `lgal_name` | did you mean `legal_name`?",
        ],
    );
    assert_eq!(
        parse("a/b.yaml", "kind: Vendro\nname: a\nspec: {}\n").unwrap_err()[0].to_string(),
        "a/b.yaml:1:7: `Vendro` is not a kind\nhint: did you mean `Vendor`?"
    );
}

#[test]
fn texts_are_taken_as_they_were_written() {
    let text = "kind: Vendor\nname: 0123\nlabels: {tier: 1, beta: true, v: 1.10, n: 1_000}\nspec:\n  legal_name: 'No'\n  lei: 00123\n  registry_number: 12345678901234567890123\n  jurisdiction: NO\n";
    let documents = parse("f", text).unwrap();
    let declaration = &documents[0].declaration;
    assert_eq!(declaration.name, "0123");
    let labels: Vec<&str> = declaration.labels.values().map(String::as_str).collect();
    assert_eq!(labels, ["true", "1_000", "1", "1.10"]);
    let Spec::Vendor(spec) = &declaration.spec else { panic!("not a vendor") };
    assert_eq!(spec.lei.as_deref(), Some("00123"));
    assert_eq!(spec.registry_number.as_deref(), Some("12345678901234567890123"));
    assert_eq!(spec.jurisdiction.as_deref(), Some("NO"));
}

#[test]
fn a_pointer_finds_its_line() {
    let text = "# first\nkind: Integration\nname: a\nspec:\n  contract: c\n  purpose: x\n  routes:\n  - one\n  - two\n  scopes: [s, t]\n  limits:\n    concurrency: 1\n---\nkind: Vendor\nname: v\nspec: {legal_name: ''}\n";
    let documents = parse("f", text).unwrap();
    let found = |pointer: &str| documents[0].locate(pointer);
    assert_eq!(found("/spec/routes/1"), Some((9, 5)));
    assert_eq!(found("/spec/scopes/1"), Some((10, 15)));
    assert_eq!(found("/spec/contract"), Some((5, 13)));
    assert_eq!(found("/name"), Some((3, 7)));
    assert_eq!(found("/spec"), Some((4, 1)));
    assert_eq!(found("/spec/limits/concurrency"), Some((12, 18)));
    // What the manifest is silent about is the nearest part above it.
    assert_eq!(found("/spec/limits/bytes/burst"), Some((11, 3)));
    assert_eq!(found("/spec/token_seconds"), Some((4, 1)));
    assert_eq!(found("/spec/routes/9"), Some((7, 3)));
    assert_eq!(found(""), Some((2, 1)));
    assert_eq!(found("spec"), None);
    assert_eq!(documents[1].locate("/spec/legal_name"), Some((16, 20)));
    let fault = Fault {
        kind: Kind::Integration,
        name: "a".into(),
        pointer: "/spec/routes/0".into(),
        message: "there is no Route `one`".into(),
        hint: None,
    };
    assert_eq!(documents[0].fault(&fault).to_string(), "f:8:5: Integration `a`: there is no Route `one`");
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = parse("f", &text);
    }

    #[test]
    fn no_broken_manifest_panics(lines in proptest::collection::vec(
        proptest::sample::select(vec![
            "kind: Vendor", "kind: Client", "name: a", "spec:", "  legal_name: x", "  - x", "---", "...",
            "  contacts: [{name: &a x}, {name: *a}]", "<<: *a", "spec: {", "}", "&b", "*b", "? a", ": b",
            "  jwks: {keys: [1, .nan, 1e999, ~]}", "  integration: |", "labels: {a: 1}", "\t", "%YAML 1.2", "'",
        ]), 0..24)) {
        for error in parse("f", &lines.join("\n")).err().unwrap_or_default() {
            prop_assert!(error.line >= 1 && error.column >= 1, "{error}");
            prop_assert!(error.line as usize <= lines.len() + 1, "{error}");
        }
    }

    /// Whatever is written of a vendor is read back from JSON and from YAML alike.
    #[test]
    fn any_text_is_read_back(legal_name in "\\PC{1,40}", purpose in proptest::option::of("\\PC{0,40}")) {
        let whole = serde_json::json!({
            "kind": "Vendor", "name": "a", "spec": { "legal_name": legal_name, "purpose": purpose },
        });
        for text in [serde_json::to_string(&whole).unwrap(), serde_saphyr::to_string(&whole).unwrap()] {
            let documents = parse("f", &text).map_err(|errors| TestCaseError::fail(format!("{errors:?}\n{text}")))?;
            let Spec::Vendor(spec) = &documents[0].declaration.spec else { panic!("not a vendor") };
            prop_assert_eq!(&spec.legal_name, &legal_name, "{}", text);
            prop_assert_eq!(&spec.purpose, &purpose, "{}", text);
        }
    }
}
