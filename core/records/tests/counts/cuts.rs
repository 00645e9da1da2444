use portcullis_records::{CountError, Counter, Format, JsonPointer, Progress};

/// What leaves of a body in one chunk when only `records_max` records may.
fn released(counter: &Counter, body: &'static str, records_max: u64) -> (&'static str, u64) {
    let mut counter = counter.clone();
    let progress = counter.push(body.as_bytes(), records_max).unwrap();
    let closed = counter.push(b"x", u64::MAX);
    assert!(progress.consumed == body.len() || matches!(closed, Err(CountError::Closed { .. })));
    (&body[..progress.consumed], progress.records)
}

#[test]
fn json() {
    let check = |body: &'static str, records_max: u64, expect: &str| {
        let (text, records) = released(&Counter::new(Format::Json), body, records_max);
        assert_eq!(text, expect, "{records_max} of {body}");
        assert!(text == body || records == records_max, "{records} records, {records_max} of {body}");
    };
    check("[1,2,3]", 0, "");
    check("[1,2,3]", 1, "[1");
    check("[1,2,3]", 2, "[1,2");
    check("[1,2,3]", 3, "[1,2,3]");
    check("[ \"a\" , {\"b\":[1,2]} , 3]", 2, "[ \"a\" , {\"b\":[1,2]}");
    check("[]", 0, "[]");
    check("[][][]1", 0, "");
    check("{}", 0, "");
    check("{\"a\":1}{\"b\":2}", 1, "{\"a\":1}");
    check("{\"total\":9,\"data\":[11,12]}", 0, "");
    check("{\"total\":9,\"data\":[11,12]}", 1, "{\"total\":9,\"data\":[11");
    check("{\"a\":[1,2],\"meta\":\"x\",\"b\":[3]}", 2, "{\"a\":[1,2");
    check("{\"a\":[]}{\"b\":2}", 1, "{\"a\":[]}");
    check("{\"a\":[1]} 22", 1, "{\"a\":[1");
    check("1 2", 1, "1");
    check("\u{feff}[1]", 0, "\u{feff}");
    // The record that doesn't fit is malformed, but the cut comes first.
    check("[1,2!", 1, "[1");
}

#[test]
fn json_at_a_pointer() {
    let counter = Counter::at_pointer(Format::Json, JsonPointer::parse("/data").unwrap());
    let body = "{\"meta\":[7,8,9],\"data\":[1,2,3]}";
    assert_eq!(released(&counter, body, 0), ("", 0));
    assert_eq!(released(&counter, body, 1), ("{\"meta\":[7,8,9],\"data\":[1", 1));
    assert_eq!(released(&counter, body, 3), (body, 3));
}

#[test]
fn lines_and_events() {
    let check = |format: Format, body: &'static str, records_max: u64, expect: &str| {
        let (text, _) = released(&Counter::new(format), body, records_max);
        assert_eq!(text, expect, "{records_max} of {body:?}");
    };
    check(Format::NdJson, "\n{}\n", 0, "");
    check(Format::NdJson, "1\n2\n3", 2, "1\n2\n");
    check(Format::NdJson, "1\r\n\r\n 2\r\n", 1, "1\r\n");
    check(Format::NdJson, "1\r\r\n2", 1, "1\r");
    check(Format::NdJson, "1\n\n\n", 1, "1\n\n\n");
    check(Format::Sse, "data: 1\n\ndata: 2\n\n", 0, "");
    check(Format::Sse, "data: 1\n\ndata: 2\n\n", 1, "data: 1\n\n");
    check(Format::Sse, "data: 1\r\n\r\n: c\r\n\r\ndata: 2", 1, "data: 1\r\n\r\n");
    check(Format::Sse, "data: 1\r\r\ndata: 2", 1, "data: 1\r\r\n");
    check(Format::Sse, ": c\n\n", 0, ": c\n\n");
    let csv = Format::Csv { has_header: true };
    check(csv, "h\n1\n2", 0, "h\n");
    check(csv, "h\r\n\"1\r\n\"\r\n2\r\n", 1, "h\r\n\"1\r\n\"\r\n");
    check(csv, "h\n\n\n", 0, "h\n\n\n");
    check(Format::Csv { has_header: false }, "1\n2", 0, "");
}

/// A record that began in an earlier chunk is let out to its end, and no further.
#[test]
fn over_chunks() {
    let check = |format: Format, first: &str, second: &str, expect: Progress| {
        let mut counter = Counter::new(format);
        assert_eq!(counter.push(first.as_bytes(), 1).unwrap().records, 1);
        assert_eq!(counter.push(second.as_bytes(), 0), Ok(expect), "{first} | {second}");
    };
    let cut = |consumed| Progress { records: 0, consumed };
    check(Format::Json, "[12", "34,5]", cut(2));
    check(Format::Json, "[12", ",5]", cut(0));
    check(Format::Json, "[\"a\\", "\"b\" , 2]", cut(3));
    check(Format::Json, "[{\"a\":", "[1,2]},2]", cut(6));
    check(Format::Json, "[1,", "2]", cut(0));
    check(Format::Json, "[1", "]", cut(1));
    check(Format::NdJson, "1", "2\n3", cut(2));
    check(Format::NdJson, "1\r", "\n3", cut(1));
    check(Format::Sse, "data: 1\r\n\r", "\ndata: 2", cut(1));
    check(Format::Sse, "data: 1\r", "\ndata: 2", cut(8));
}

#[test]
fn closed_counters_stay_closed() {
    let mut failed = Counter::new(Format::Json);
    let fault = CountError::Mismatched { offset: 1 };
    assert_eq!(failed.push(b"[}", u64::MAX), Err(fault));
    assert_eq!(failed.push(b"[1]", u64::MAX), Err(fault));
    assert_eq!(failed.finish(), Err(fault));

    let mut stopped = Counter::new(Format::Json);
    assert_eq!(stopped.push(b"[1,2]", 1), Ok(Progress { records: 1, consumed: 2 }));
    assert_eq!(stopped.finish(), Err(CountError::Closed { offset: 2 }));

    let mut finished = Counter::new(Format::Json);
    assert_eq!(finished.push(b"[1]", 1), Ok(Progress { records: 1, consumed: 3 }));
    assert_eq!(finished.finish(), Ok(0));
    assert_eq!(finished.push(b"", 1), Err(CountError::Closed { offset: 3 }));
}
