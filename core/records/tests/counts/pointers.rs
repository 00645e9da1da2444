use portcullis_records::{Counter, Format, JsonPointer};

use crate::total;

#[test]
fn elements_at_a_pointer() {
    let check = |pointer: &str, body: &str, expect: u64| {
        let counter = Counter::at_pointer(Format::Json, JsonPointer::parse(pointer).unwrap());
        assert_eq!(total(&counter, body.as_bytes()), Ok(expect), "`{pointer}` in {body}");
    };
    check("", "[1,[2,3]]", 2);
    check("", "[]", 0);
    check("", "{\"a\":[1,2]}", 1);
    check("", "7", 1);
    check("/data", "{\"data\":[1,2,3]}", 3);
    check("/data", "{\"meta\":[1,2],\"data\":[1,2,3],\"more\":[4]}", 3);
    check("/data", "{\"a\":{\"data\":[1,2]},\"data\":[[1,2],{\"data\":[3]}]}", 2);
    check("/a/b", "{\"b\":[1,2],\"a\":{\"a\":[1,2],\"b\":[1,2,3]},\"c\":{\"b\":[1,2]}}", 3);
    check("/", "{\"\":[1,2],\" \":[1,2,3]}", 2);
    // Twice the same member: a client may read either, so both count.
    check("/data", "{\"data\":[1],\"data\":[2,3]}", 3);
    check("/a/b", "{\"a\":{\"b\":[1,2]},\"a\":{\"b\":[3]}}", 3);
    // Nothing there: the document is one record.
    check("/data", "{\"rows\":[1,2,3]}", 1);
    check("/data", "{\"data\":[]}", 1);
    check("/data", "{\"data\":{\"x\":[1,2]}}", 1);
    check("/data", "{\"data\":\"[1,2]\"}", 1);
    check("/data", "{\"data1\":[1,2]}", 1);
    check("/data", "{\"dat\":[1,2]}", 1);
    check("/data", "[{\"data\":[1,2]}]", 1);
    check("/data", "[]", 1);
    // Through arrays.
    check("/0", "[[1,2],[3]]", 2);
    check("/1", "[[1,2],[3,4,5]]", 3);
    check("/2", "[[1,2],[3,4,5]]", 1);
    check("/0", "{\"0\":[1,2]}", 2);
    check("/01", "[[1,2],[3,4]]", 1);
    check("/-", "[[1,2],[3,4]]", 1);
    check("/1/a", "[{\"a\":[1,2]},{\"a\":[1,2,3]},{\"a\":[1,2]}]", 3);
    check("/0/1", "[[[1,2,3,4],[5,6]],[[7],[8,9,10]]]", 2);
    // After the way back out, a later element must not pass for the step's index.
    check("/3", "[0,[1,[2]],[3],[4,5]]", 2);
    check("/2/1", "[0,1,[2,[3,4]],[5,[6,7,8]],[8,[9]]]", 2);
    check("/1/2/0", "[0,[1,2,[[3,4]],[[5]]],[0,0,[[6,7]]]]", 2);
    // Documents that follow each other.
    check("/data", "{\"data\":[1,2]}{\"rows\":[1,2]}{\"data\":[3]}", 4);
}

#[test]
fn keys_with_escapes() {
    let check = |pointer: &str, body: &str, expect: u64| {
        let counter = Counter::at_pointer(Format::Json, JsonPointer::parse(pointer).unwrap());
        assert_eq!(total(&counter, body.as_bytes()), Ok(expect), "`{pointer}` in {body}");
    };
    check("/data", r#"{"d\u0061ta":[1,2]}"#, 2);
    check("/data", r#"{"\u0064\u0061\u0074\u0061":[1,2]}"#, 2);
    check("/data", r#"{"d\u0062ta":[1,2]}"#, 1);
    check("/a~1b", r#"{"a\/b":[1,2]}"#, 2);
    check("/a\"b", r#"{"a\"b":[1,2]}"#, 2);
    check("/a\nb", r#"{"a\nb":[1,2]}"#, 2);
    check("/é", r#"{"\u00e9":[1,2]}"#, 2);
    check("/é", "{\"é\":[1,2]}", 2);
    check("/😀x", r#"{"\ud83d\uDE00x":[1,2]}"#, 2);
    check("/😀", r#"{"\ud83d":[1,2]}"#, 1);
    check("/😀", r#"{"\ud83d\ud83d\ude00":[1,2]}"#, 1);
    check("/x", r#"{"\ud83dx":[1,2]}"#, 1);
    check("/x", r#"{"\ude00x":[1,2]}"#, 1);
    check("/x", r#"{"x\ud83d":[1,2]}"#, 1);
    check("/", r#"{"\ud83d":[1,2]}"#, 1);
}

#[test]
fn other_formats_ignore_the_pointer() {
    let pointer = JsonPointer::parse("/data").unwrap();
    assert_eq!(total(&Counter::at_pointer(Format::NdJson, pointer.clone()), b"{}\n{}"), Ok(2));
    assert_eq!(total(&Counter::at_pointer(Format::Sse, pointer), b"data: 1\n\ndata: 2\n\n"), Ok(2));
}
