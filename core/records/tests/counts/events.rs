use portcullis_records::{Counter, Format};

use crate::total;

#[test]
fn events() {
    let check = |body: &str, expect: u64| {
        assert_eq!(total(&Counter::new(Format::Sse), body.as_bytes()), Ok(expect), "{body:?}");
    };
    check("", 0);
    check("\n\n\r\r\n", 0);
    check("data: 1\n\n", 1);
    check("data: 1", 1);
    check("data: 1\ndata: 2\n\n", 1);
    check("data: 1\n\ndata: 2\n\n", 2);
    check("data: 1\r\n\r\ndata: 2\r\n\r\n", 2);
    check("data: 1\r\rdata: 2\r\r", 2);
    check("data: 1\r\ndata: 2\r\n\r\n", 1);
    check("data: 1\n\r\ndata: 2\r\n\rdata: 3\r\r\ndata: 4", 4);
    check(":\n\n: keep alive\n\n", 0);
    check(": comment\ndata: 1\n: comment\n\n: comment\n\ndata: 2", 2);
    check("data: 1\n:\ndata: 2\n\n", 1);
    check("retry: 1\n\nid: 1\n\n", 2);
    check(" : not a comment\n\n", 1);
    check("\u{feff}data: 1\n\n", 1);
    check("\u{feff}: comment\n\n", 0);
}
