//! JSON inside of records, where whole blocks of 64 bytes are looked at: every body is tried with
//! spaces before it, so that each of its bytes comes to every place of a block.

use portcullis_records::{CountError, Counter, DEPTH_MAX, Format, JsonPointer};

use crate::total;

/// Counts `[{` spaces and the text; checks offsets as if there were no spaces.
fn check(text: &str, expect: Result<u64, fn(u64) -> CountError>, at: u64) {
    for spaces in 0..130 {
        let body = format!("[{{{}{text}", " ".repeat(spaces));
        let expect = expect.map_err(|fault| fault(2 + spaces as u64 + at));
        assert_eq!(total(&Counter::new(Format::Json), body.as_bytes()), expect, "{body}");
    }
}

#[test]
fn elements() {
    let check = |text: &str, expect: u64| check(text, Ok(expect), 0);
    check("}]", 1);
    check("},{}]", 2);
    check("} , {} \n,\r\t[[],[{}]],1,\"a\",{}]", 6);
    check("\"a\":[1,{\"b\":\"},{\"},2],\"c\":\"\\\"},{\"},{}]", 2);
    check("\"a\":\"\\\\\"},{\"\\\\\\\"},{\":1},{}]", 3);
    check("\"a\":\"\\u005d}\\u12aF},{\\\\u\\\"\"},3]", 2);
    check("\"a\":\"\u{e9}\u{6f22}\u{1f600}\u{7f}\"},{}][{}]", 3);
    check("\"a\":-1.5e+9,\"b\":[true,null,NaN,-Infinity]}]", 1);
    check("\"a\":1}]{\"b\":[{},{}]}", 3);
}

/// The order of tokens inside of a record changes no count.
#[test]
fn what_is_not_checked() {
    let check = |text: &str, expect: u64| check(text, Ok(expect), 0);
    check(",:,\"a\" \"b\",[,,1 2 : 01.2.3 tru]},{}]", 2);
    check("a:b,:},{\"a\" 1 {} []}]", 2);
}

#[test]
fn faults() {
    let mismatched: fn(u64) -> CountError = |offset| CountError::Mismatched { offset };
    let truncated: fn(u64) -> CountError = |offset| CountError::Truncated { offset };
    check("]", Err(mismatched), 0);
    check("\"a\":[}", Err(mismatched), 5);
    check("\"a\":{]}", Err(mismatched), 5);
    check("}}", Err(mismatched), 1);
    check("\"a\":[{}}]", Err(mismatched), 7);
    check("}", Err(truncated), 1);
    check("\"a\":\"}]", Err(truncated), 7);
    check("\"a\":\"\\\"}]", Err(truncated), 9);
    macro_rules! unexpected {
        ($text:expr, $at:expr, $byte:expr) => {
            check($text, Err(|offset| CountError::Unexpected { offset, byte: $byte }), $at);
        };
    }
    // Around the records the grammar holds.
    unexpected!("}{}]", 1, b'{');
    unexpected!("},,{}]", 2, b',');
    unexpected!("},]", 2, b']');
    unexpected!("},{},'']", 5, b'\'');
    // Other quotes and comments, in which brackets could hide.
    unexpected!("'\"':1},{}]", 0, b'\'');
    unexpected!("/*\"*/},{}]", 0, b'/');
    unexpected!("\"a\":1//\"\n},{}]", 5, b'/');
    unexpected!("`\"`},{}]", 0, b'`');
    unexpected!("#\"\n},{}]", 0, b'#');
    unexpected!("\\\"},{}]", 0, b'\\');
    unexpected!("\u{e9}}]", 0, 0xc3);
    unexpected!("$}]", 0, b'$');
    // Strings that don't stand alone.
    unexpected!("b\"},{\"}]", 1, b'"');
    unexpected!("1.\"},{\"}]", 2, b'"');
    unexpected!("\"a\"\"},{\"}]", 3, b'"');
    unexpected!("\"a\"b}]", 3, b'b');
    // Escapes that readers could guess at.
    unexpected!("\"\\x22\"}]", 2, b'x');
    unexpected!("\"\\'\"}]", 2, b'\'');
    unexpected!("\"\\u\"},{\"}]", 3, b'"');
    unexpected!("\"\\u12\\\"\"}]", 5, b'\\');
    unexpected!("\"\\u123\"}]", 6, b'"');
    unexpected!("\"\\u123g\"}]", 6, b'g');
    unexpected!("\"\\\\\\U1234\"}]", 4, b'U');
    macro_rules! control {
        ($text:expr, $at:expr, $byte:expr) => {
            check($text, Err(|offset| CountError::ControlCharacter { offset, byte: $byte }), $at);
        };
    }
    control!("\"a\n\"}]", 2, b'\n');
    control!("\"a\\\n\"}]", 3, b'\n');
    control!("\"\\u12\t\"}]", 5, b'\t');
    control!("\0}]", 0, 0);
    control!("\u{b}}]", 0, 0xb);
}

/// Backslashes in runs of every length, over the edges of blocks.
#[test]
fn runs_of_backslashes() {
    for length in 0..140 {
        let run = "\\".repeat(length);
        if length % 2 == 0 {
            check(&format!("\"{run}\"}},1]"), Ok(2), 0);
        } else {
            check(&format!("\"{run}\"}},1]\"}},2]"), Ok(2), 0);
        }
    }
}

/// Elements of every length, one after the other, in chunks of every length.
#[test]
fn lengths_and_chunks() {
    let elements: Vec<String> =
        (0..150).map(|length| format!("{{\"a\":\"{}\"}}", "x".repeat(length))).collect();
    let body = format!("[{}]", elements.join(","));
    for chunk_bytes in 1..200 {
        let mut counter = Counter::new(Format::Json);
        let records: u64 = body
            .as_bytes()
            .chunks(chunk_bytes)
            .map(|chunk| counter.push(chunk, u64::MAX).unwrap().records)
            .sum();
        assert_eq!((records, counter.finish()), (150, Ok(0)), "chunks of {chunk_bytes}");
    }
}

#[test]
fn depth() {
    let nested = |depth: usize| format!("[{}{}]", "{\"a\":[".repeat(depth), "]}".repeat(depth));
    let count = |body: String| total(&Counter::new(Format::Json), body.as_bytes());
    let most = (DEPTH_MAX - 1) / 2;
    assert_eq!(count(nested(most)), Ok(1));
    assert_eq!(count(nested(most).replace("[]", "[[]]")), Ok(1));
    let offset = nested(most).find("[]").unwrap() as u64 + 2;
    assert_eq!(count(nested(most).replace("[]", "[[[]]]")), Err(CountError::TooDeep { offset }));
}

/// What lies off the way of a pointer is passed the same way.
#[test]
fn off_the_way() {
    let check = |body: &str, expect: u64| {
        let counter = Counter::at_pointer(Format::Json, JsonPointer::parse("/a/1/b").unwrap());
        for spaces in 0..70 {
            let body = body.replace(' ', &" ".repeat(spaces));
            assert_eq!(total(&counter, body.as_bytes()), Ok(expect), "{body}");
        }
    };
    check(
        "{ \"x\":{\"a\":[0,{\"b\":[1,2]}]}, \"a\":[ [{\"b\":[1,2]}], {\"b\":[{} ,[], 3]}, {\"b\":[4,5]} ]}",
        3,
    );
    check(
        "{\"a\":[[] , {\"b\":[[ ] ,[]]}, {} ,{\"b\":[1,2,3,4]}],\"b\":[1,2,3]}{\"a\":[ {}, {\"b\":[1]}]}",
        3,
    );
    check("[ {\"a\":[0,{\"b\":[1,2]}]}, {} ]", 1);
}
