use portcullis_records::{CountError, Counter, DEPTH_MAX, Format};

use crate::total;

#[test]
fn documents() {
    let check = |body: &str, expect: u64| {
        assert_eq!(total(&Counter::new(Format::Json), body.as_bytes()), Ok(expect), "{body}");
    };
    // Nothing, and scalars.
    check("", 0);
    check(" \r\n\t", 0);
    check("1", 1);
    check("-0.5e+10", 1);
    check("[0,-0,0e1,10E-2,1.5e3,0.0]", 6);
    check("\"text\"", 1);
    check(" null ", 1);
    check("NaN", 1);
    check("-Infinity", 1);
    // Arrays.
    check("[]", 0);
    check("[ ]", 0);
    check("[1]", 1);
    check("[1,2 , 3]", 3);
    check("[[1,2],[3]]", 2);
    check("[[],[]]", 2);
    check("[{\"a\":[1,2,3]},{}]", 2);
    // Objects.
    check("{}", 1);
    check("{\"a\":1,\"b\":{\"c\":2}}", 1);
    check("{\"data\":[1,2,3]}", 3);
    check("{\"data\":[1,2],\"meta\":{\"tags\":[\"x\"]}}", 3);
    check("{\"a\":{\"b\":{\"c\":[1,[2,3]]}},\"d\":[{}]}", 3);
    // Empty arrays bring no elements; the document stays one.
    check("{\"data\":[]}", 1);
    check("{\"data\":[],\"more\":[[]]}", 1);
    check("{\"data\":[],\"more\":[1,2]}", 2);
    // Documents that follow each other.
    check("{}{}", 2);
    check("[1,2][3]", 3);
    check("[]{}[]", 1);
    check("{\"a\":[]}{\"a\":[1,2]}\n{\"b\":0}", 4);
    check("1 2\n3", 3);
    check("1{}\"a\"[2]", 4);
    // A byte order mark.
    check("\u{feff}[1,2]", 2);
    check("\u{feff}", 0);
}

#[test]
fn strings() {
    let check = |body: &str, expect: u64| {
        assert_eq!(total(&Counter::new(Format::Json), body.as_bytes()), Ok(expect), "{body}");
    };
    check(r#"["],[","},{"]"#, 2);
    check(r#"["a\"],[\"b",2]"#, 2);
    check(r#"["\\",2,"\\\"",4]"#, 4);
    check(r#"["\u005b\u005B\uD83D\uDE00\/\b\f\n\r\t",2]"#, 2);
    check(r#"["é漢😀",2,"a long string without any escape, longer than one block of bytes"]"#, 3);
    check(r#"{"[":1,"a\"[":[1],"]":2}"#, 1);
    // Bytes that are not UTF-8 don't change a count.
    assert_eq!(total(&Counter::new(Format::Json), b"[\"\xff\xc3\",\"\x80\"]"), Ok(2));
}

#[test]
fn faults() {
    let check = |body: &[u8], expect: CountError| {
        let counted = total(&Counter::new(Format::Json), body);
        assert_eq!(counted, Err(expect), "{}", body.escape_ascii());
    };
    let unexpected = |offset, byte| CountError::Unexpected { offset, byte };
    let control = |offset, byte| CountError::ControlCharacter { offset, byte };
    check(b"[}", CountError::Mismatched { offset: 1 });
    check(b"[1}", CountError::Mismatched { offset: 2 });
    check(b"{\"a\":1]", CountError::Mismatched { offset: 6 });
    check(b"[1]]", CountError::Mismatched { offset: 3 });
    check(b"{]", CountError::Mismatched { offset: 1 });
    check(b"[1,]", unexpected(3, b']'));
    check(b"[,1]", unexpected(1, b','));
    check(b"[1 2]", unexpected(3, b'2'));
    check(b"[\"a\"\"b\"]", unexpected(4, b'"'));
    check(b"{\"a\" 1}", unexpected(5, b'1'));
    check(b"{\"a\":}", unexpected(5, b'}'));
    check(b"{\"a\":1,}", unexpected(7, b'}'));
    check(b"{a:1}", unexpected(1, b'a'));
    check(b"{1:1}", unexpected(1, b'1'));
    check(b"['a']", unexpected(1, b'\''));
    check(b"[1]//", unexpected(3, b'/'));
    check(b"1,2", unexpected(1, b','));
    check(b"[\"\\x41\"]", unexpected(3, b'x'));
    check(b"[\"\\u12g4\"]", unexpected(6, b'g'));
    // Each would be two documents to a lenient client.
    check(b"1-2", unexpected(1, b'-'));
    check(b"01", unexpected(1, b'1'));
    check(b"truefalse", unexpected(4, b'f'));
    check(b"[tru]", unexpected(4, b']'));
    check(b"[1.]", unexpected(3, b']'));
    check(b"[-]", unexpected(2, b']'));
    check(b"[+1]", unexpected(1, b'+'));
    check(b"[1e]", unexpected(3, b']'));
    check(b"[\"a\nb\"]", control(3, b'\n'));
    check(b"[\"a\\\nb\"]", control(4, b'\n'));
    check(b"\x1e{}", control(0, 0x1e));
    check(b"\0[\0", control(0, 0));
    check(b"\xff\xfe[\0", unexpected(0, 0xff));
    check(b"\xef\xbb[", unexpected(2, b'['));
    check(b"[1]\xef\xbb\xbf[1]", unexpected(3, 0xef));
    for body in
        [&b"["[..], b"{", b"[1", b"[1,", b"{\"a\"", b"\"abc", b"\"\\", b"\"\\u12", b"-", b"1.", b"tru"]
    {
        check(body, CountError::Truncated { offset: body.len() as u64 });
    }
    check(b"\xef\xbb", CountError::Truncated { offset: 2 });
}

#[test]
fn depth() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let count = |body: String| total(&Counter::new(Format::Json), body.as_bytes());
    assert_eq!(count(nested(DEPTH_MAX)), Ok(1));
    assert_eq!(count(nested(DEPTH_MAX + 1)), Err(CountError::TooDeep { offset: DEPTH_MAX as u64 }));
    let objects = |depth: usize| format!("{}[1,2]{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert_eq!(count(objects(DEPTH_MAX - 1)), Ok(2));
}

/// The gate copies the state for every chunk.
#[test]
fn size() {
    let size = size_of::<Counter>();
    assert!(size < 300, "`Counter` has {size} bytes");
}
