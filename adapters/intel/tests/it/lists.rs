//! Lists as they are published, whole.

use portcullis_domain::spec::FeedFormat;
use portcullis_intel::{FeedError, Limits, List, Report, read_list};

const JA4: &str = "t13d1516h2_8daaf6152771_b0da82dd1658";

fn read(text: &str) -> Result<(List, Report), FeedError> {
    read_list(text.as_bytes(), FeedFormat::Auto, Limits::default())
}

/// `format` and entries, and whether it has the first address and not the second one.
#[track_caller]
fn check(text: &str, format: &str, entries: u64, has: &str, has_not: &str) {
    let (list, report) = read(text).unwrap();
    assert_eq!((report.format.as_str(), report.entries, report.broken), (format, entries, 0), "{report:?}");
    assert!(list.has_address(has.parse().unwrap()), "{has} of {text}");
    assert!(!list.has_address(has_not.parse().unwrap()), "{has_not} of {text}");
}

#[track_caller]
fn refused(text: &str, expect: &str) {
    let error = read(text).unwrap_err().to_string();
    assert!(error.contains(expect), "{error}");
}

#[test]
fn lines() {
    let format = "addresses, one a line";
    check("#\n# blocklist.de\n#\n192.0.2.1\n2001:db8::1\n", format, 2, "2001:db8::1", "2001:db8::2");
    check(
        "; Spamhaus DROP List\n192.0.2.0/24 ; SBL1\n198.51.100.0/24 ; SBL2\n",
        format,
        2,
        "192.0.2.9",
        "192.0.3.0",
    );
    check(
        "# FireHOL\n0.0.0.0/8\n10.0.0.0/8\n127.0.0.0/8\n224.0.0.0/3\n192.0.2.7\n",
        format,
        1,
        "192.0.2.7",
        "10.0.0.1",
    );
    let tor = "ExitNode A\nPublished 2026-11-20 10:00:00\nLastStatus 2026-11-20 11:00:00\nExitAddress 192.0.2.7 2026-11-20 11:08:31\n";
    check(tor, format, 1, "192.0.2.7", "192.0.2.8");
    let abuse = "# abuse.ch\r\n\"first_seen_utc\",\"dst_ip\",\"dst_port\"\r\n\"2021-01-17 07:44:46\",\"192.0.2.7\",\"443\"\r\n# END 1 entries\r\n";
    check(abuse, format, 1, "192.0.2.7", "192.0.2.8");
    let dshield = "#\nStart\tEnd\tNetmask\tAttacks\n192.0.2.0\t192.0.2.255\t24\t4213\n198.51.100.0\t198.51.100.255\t24\t9\n";
    check(dshield, format, 2, "198.51.100.255", "198.51.101.0");
    check("192.0.2.1 - 192.0.2.7\n192.0.2.9-192.0.2.9", format, 2, "192.0.2.7", "192.0.2.8");
}

#[test]
fn documents() {
    let format = "addresses, JSON";
    let aws = r#"{"syncToken":"1","createDate":"2026-11-20","prefixes":[{"ip_prefix":"192.0.2.0/24","region":"x","service":"EC2"}],
        "ipv6_prefixes":[{"ipv6_prefix":"2001:db8::/32","region":"x"}]}"#;
    check(aws, format, 2, "2001:db8::9", "192.0.3.0");
    let google = r#"{"syncToken":"1","prefixes":[{"ipv4Prefix":"192.0.2.0/24","scope":"x"},{"ipv6Prefix":"2001:db8::/32"}]}"#;
    check(google, format, 2, "192.0.2.1", "192.0.3.0");
    let azure = r#"{"changeNumber":7,"values":[{"name":"A","properties":{"addressPrefixes":["192.0.2.0/24","2001:db8::/32"]}}]}"#;
    check(azure, format, 2, "192.0.2.1", "192.0.3.0");
    let abuse = r#"[{"ip_address":"192.0.2.7","port":443,"as_number":64500,"country":"US"}]"#;
    check(abuse, format, 1, "192.0.2.7", "192.0.2.8");
    let drop = "{\"cidr\":\"192.0.2.0/24\",\"sblid\":\"SBL1\",\"rir\":\"arin\"}\n{\"cidr\":\"198.51.100.0/24\",\"sblid\":\"SBL2\"}\n{\"type\":\"metadata\",\"timestamp\":1,\"size\":9,\"records\":2}\n";
    check(drop, format, 2, "198.51.100.1", "192.0.3.0");
    check(r#"["192.0.2.7","2001:db8::/32"]"#, format, 2, "192.0.2.7", "192.0.2.8");
}

#[test]
fn fingerprints_and_networks() {
    let fingerprints = |text: &str, format: &str| {
        let (list, report) = read(text).unwrap();
        assert_eq!((report.format.as_str(), report.entries), (format, 1), "{text}");
        assert!(
            list.has_ja4(JA4) && !list.has_ja4("t13d1516h2_8daaf6152771_b0da82dd1659") && !list.has_ja4("")
        );
    };
    fingerprints(&format!("# bad\n{JA4}\n"), "JA4 fingerprints, one a line");
    fingerprints(&format!("application,ja4_fingerprint\nSliver,{JA4}\n"), "JA4 fingerprints, one a line");
    let database = format!(
        r#"[{{"application":"Sliver","ja4_fingerprint":"{JA4}","ja4s_fingerprint":"t130200_1301_234ea6891581"}},{{"application":"x","ja4_fingerprint":null}},{{"ja4_fingerprint":""}}]"#
    );
    fingerprints(&database, "JA4 fingerprints, JSON");
    let networks = |text: &str| {
        let (list, report) = read(text).unwrap();
        assert_eq!((report.entries, report.broken), (2, 0), "{text}");
        assert!(list.has_asn(64_500) && list.has_asn(64_501) && !list.has_asn(1), "{text}");
    };
    networks("AS64500 # A\nAS64501\n");
    networks("64500\n64501\n");
    networks("ASN,Entity\n64500,\"A, Inc.\"\n64501,B\n");
    networks("{\"asn\":64500,\"cc\":\"US\",\"asname\":\"A\"}\n{\"asn\":64501}\n");
    let (list, _) = read_list("64500\n".as_bytes(), FeedFormat::Asns, Limits::default()).unwrap();
    assert!(list.has_asn(64_500));
}

#[test]
fn what_is_broken_is_counted_and_named_and_too_much_of_it_is_refused() {
    let good: String = (0..20).map(|last| format!("192.0.2.{last}\n")).collect();
    let (_, report) = read(&format!("{good}oops\n1.2.3\n")).unwrap();
    assert_eq!((report.entries, report.broken), (20, 2));
    let named: Vec<String> = report.first_broken.iter().map(ToString::to_string).collect();
    assert_eq!(
        named,
        [
            "line 21: `oops` is not an address, a prefix or a range",
            "line 22: `1.2.3` is not an address, a prefix or a range",
        ]
    );
    refused(&format!("{good}a\nb\nc\n"), "3 of 23 entries are broken; line 21: `a`");
    refused("1.2.3.4/0\n", "1 of 1 entries are broken; line 1: `1.2.3.4/0` is wider");
    refused("one\ntwo two\nthree three\n", "2 of 2 entries are broken; line 2");
    refused("", "it holds no entry");
    refused("# nothing\n\n", "it holds no entry");
    refused("[]", "it holds no entry");
    refused("{\"prefixes\":[{\"ip_prefix\":\"x\"}]}", "1 of 1 entries are broken");
    let (_, report) = read(&format!("{good}{}\n", "x".repeat(100_000))).unwrap();
    assert_eq!(report.first_broken[0].why, "is longer than 16 KiB");
}

#[test]
fn what_is_no_list_is_called_what_it_is() {
    refused("<!doctype html><p>192.0.2.1", "a web page");
    refused("\n <html>", "a web page");
    refused("PK\u{3}\u{4}xxx", "packed by zip");
    refused("\0\u{1}\u{2}", "binary");
    let error = read_list(&[0x1f, 0x8b, 8, 0][..], FeedFormat::Auto, Limits::default()).unwrap_err();
    assert!(error.to_string().contains("gzip"), "{error}");
}

#[test]
fn what_was_cut_off_is_refused_where_that_shows() {
    refused(r#"{"prefixes":[{"ip_prefix":"192.0.2.0/24"},{"ip_pre"#, "its JSON can't be read");
    refused(r#"["192.0.2.7","192."#, "its JSON can't be read");
    refused("{\"cidr\":\"192.0.2.0/24\"}\n{\"cidr\":\"198.5", "its JSON can't be read");
    refused(
        "{\"cidr\":\"192.0.2.0/24\"}\n{\"type\":\"metadata\",\"records\":1437}\n",
        "says that it has 1437 entries, and has 1",
    );
    let (_, report) = read("192.0.2.1\n192.0.2.2").unwrap();
    assert!(report.unended);
}

#[test]
fn limits_hold() {
    let limits = Limits { bytes_max: 1_000, entries_max: 10 };
    let endless = std::io::Read::take(std::io::repeat(b'#'), u64::MAX);
    let error = read_list(endless, FeedFormat::Auto, limits).unwrap_err();
    assert!(matches!(error, FeedError::TooLong(1_000)), "{error}");
    let many: String = (0..11).map(|last| format!("192.0.2.{last}\n")).collect();
    let error = read_list(many.as_bytes(), FeedFormat::Auto, limits).unwrap_err();
    assert!(matches!(error, FeedError::TooMany(10)), "{error}");
    let many: Vec<String> = (0..11).map(|last| format!("192.0.2.{last}")).collect();
    let many = serde_json::to_string(&many).unwrap();
    let error = read_list(many.as_bytes(), FeedFormat::Auto, limits).unwrap_err();
    assert!(matches!(error, FeedError::TooMany(10)), "{error}");
    let deep = "[".repeat(900);
    let error = read_list(deep.as_bytes(), FeedFormat::Auto, limits).unwrap_err();
    assert!(matches!(error, FeedError::Json(_)), "{error}");
}
