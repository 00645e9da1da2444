use portcullis_records::{CountError, Counter, Format};

use crate::total;

#[test]
fn rows() {
    let check = |body: &str, expect: u64| {
        let counter = Counter::new(Format::Csv { has_header: false });
        assert_eq!(total(&counter, body.as_bytes()), Ok(expect), "{body:?}");
        // The header is the first of them.
        let counter = Counter::new(Format::Csv { has_header: true });
        assert_eq!(total(&counter, body.as_bytes()), Ok(expect.saturating_sub(1)), "{body:?}");
    };
    check("", 0);
    check("\n\r\n\r\r\n", 0);
    check("a", 1);
    check("a,b\n", 1);
    check("a,b\r\n1,2\r\n3,4", 3);
    check("a\rb\rc\r", 3);
    check("a\n\n\r\n\nb", 2);
    check(" \n\t\n,\n", 3);
    check("\u{feff}a\nb", 2);
    check("\u{feff}\"a\nb\"\nc", 2);
    // Line ends between quotes belong to the field.
    check("\"a\nb\",c\nd", 2);
    check("a,\"b\r\n\r\nc\"\r\nd", 2);
    check("\"\",\"\"\n\"\"", 2);
    check("\"a\"\"\n\"\"b\"\nc", 2);
    check("\"\"\"\n\"\"\"\nc", 2);
    check("\"a,\n\",\"\n\"\r\"b\"", 2);
    check("a\n\"b\"", 2);
}

/// A quote where none may be: every line counts from there on, whatever the quotes after it say.
#[test]
fn quotes_that_mean_nothing() {
    let check = |body: &str, expect: u64| {
        let counter = Counter::new(Format::Csv { has_header: false });
        assert_eq!(total(&counter, body.as_bytes()), Ok(expect), "{body:?}");
    };
    check("a\"b,\"c\nd\ne\"\nf", 4);
    check("1;\"a\nb\"\n", 2);
    check("\"a\"b,\"c\nd\"\n", 2);
    check("\"a\";\"b\nc\"\n\"d\ne\"", 4);
    check("a, \"b\nc\"\nd", 3);
    // What was between quotes before it stays one record.
    check("\"a\nb\"\nc\"d\n\"e\nf\"", 4);
}

#[test]
fn open_quotes() {
    let counter = Counter::new(Format::Csv { has_header: true });
    assert_eq!(total(&counter, b"a\n\"b\nc"), Err(CountError::Truncated { offset: 6 }));
    assert_eq!(total(&counter, b"\""), Err(CountError::Truncated { offset: 1 }));
    assert_eq!(total(&counter, b"a\n\"b\""), Ok(1));
}
