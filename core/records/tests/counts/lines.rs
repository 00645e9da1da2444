use portcullis_records::{Counter, Format};

use crate::total;

#[test]
fn lines() {
    let check = |body: &str, expect: u64| {
        assert_eq!(total(&Counter::new(Format::NdJson), body.as_bytes()), Ok(expect), "{body:?}");
    };
    check("", 0);
    check("\n\r\n\r \t\n", 0);
    check("{}", 1);
    check("{}\n", 1);
    check("{}\n{}\n", 2);
    check("{}\r\n{}\r{}\n\n\n[1,2]", 4);
    check(" \n  {} \n\t{}\t", 2);
    check("not json\n\u{0}\n", 2);
    check("\u{feff}{}\n{}", 2);
    check("\u{feff}\n\n", 0);
}
