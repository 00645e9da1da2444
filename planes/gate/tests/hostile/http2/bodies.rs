//! Bodies that are not as long as they say, and trailers.

use super::case::{Case, Expect, check_all, data, post};
use super::fields;
use super::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, block, frame};
use crate::line::seen;

#[tokio::test]
async fn a_body_is_as_long_as_it_says() {
    use Expect::{AtMost, Broken, Passes};
    let length = |value| Some(("content-length", value));
    let hello = || Passes(seen("POST", &["content-length: 5"], "hello"));
    let chunked = || Passes(seen("POST", &["transfer-encoding: chunked"], "hello"));
    let at_most = || AtMost(seen("POST", &["transfer-encoding: chunked"], "hello"));
    let trailers = |fields: &[(&str, &str)]| {
        let block = block(fields);
        move || [data(0, b"hello"), frame(HEADERS, END_STREAM | END_HEADERS, 1, &block)].concat()
    };
    let cases = vec![
        post("as long as it says", hello(), length("5"), || data(END_STREAM, b"hello")),
        post("in two frames", hello(), length("5"), || [data(0, b"hel"), data(END_STREAM, b"lo")].concat()),
        post("with an empty frame at its end", hello(), length("5"), || {
            [data(0, b"hello"), data(END_STREAM, b"")].concat()
        }),
        post("padded", hello(), length("5"), || frame(DATA, END_STREAM | PADDED, 1, b"\x03hello\0\0\0")),
        post("without a length", chunked(), None, || data(END_STREAM, b"hello")),
        post("shorter", Broken, length("10"), || data(END_STREAM, b"hello")),
        post("nothing instead", Broken, length("10"), || data(END_STREAM, b"")),
        post("longer", Broken, length("3"), || data(END_STREAM, b"hello")),
        post(
            "longer, in two frames",
            AtMost(seen("POST", &["content-length: 3"], "hel")),
            length("3"),
            || [data(0, b"hel"), data(END_STREAM, b"lo")].concat(),
        ),
        post("something instead of nothing", AtMost(seen("POST", &[], "")), length("0"), || {
            data(END_STREAM, b"GET /free/inner HTTP/1.1\r\nhost: gate.test\r\n\r\n")
        }),
        post("a list", Broken, length("5, 5"), || data(END_STREAM, b"hello")),
        post("a plus", Broken, length("+5"), || data(END_STREAM, b"hello")),
        post("two lengths", Broken, None, Vec::new).twice(&["5", "5"], b"hello"),
        post("two different lengths", Broken, None, Vec::new).twice(&["0", "5"], b"hello"),
        post("chunked", Broken, Some(("transfer-encoding", "chunked")), || {
            data(END_STREAM, b"5\r\nhello\r\n0\r\n\r\n")
        }),
        post("padding longer than the frame", Broken, length("5"), || {
            frame(DATA, END_STREAM | PADDED, 1, b"\xffhello")
        }),
        post("data behind the end", Broken, length("5"), || {
            [data(0, b"hel"), data(END_STREAM, b""), data(END_STREAM, b"lo")].concat()
        }),
        post(
            "trailers",
            Passes(seen("POST", &["trailer x-a: b", "transfer-encoding: chunked"], "hello")),
            None,
            trailers(&[("x-a", "b")]),
        ),
        post(
            "trailers that speak for the gate",
            at_most(),
            None,
            trailers(&[("portcullis-client", "vendor-2-machine-1")]),
        ),
        post("trailers that speak of the way", at_most(), None, trailers(&[("x-forwarded-for", "10.0.0.1")])),
        post("trailers with credentials", at_most(), None, trailers(&[("authorization", "Bearer x")])),
        post("trailers with a length", at_most(), None, trailers(&[("content-length", "5")])),
        post("trailers with an encoding", at_most(), None, trailers(&[("transfer-encoding", "chunked")])),
        post("trailers with a host", at_most(), None, trailers(&[("host", "other.test")])),
        post("trailers with a pseudo-header", at_most(), None, trailers(&[(":path", "/free/inner")])),
        post("trailers with :status", at_most(), None, trailers(&[(":status", "200")])),
        post("trailers that split", Broken, None, trailers(&[("x-a", "b\r\nx-c: d")])),
        post("trailers with a capital", Broken, None, trailers(&[("X-A", "b")])),
        post("trailers without an end", Broken, None, || {
            let more = block(&[("x-a", "b")]);
            [data(0, b"hello"), frame(HEADERS, END_HEADERS, 1, &more), data(END_STREAM, b"")].concat()
        }),
    ];
    check_all(cases).await;
}

impl Case {
    /// With several lengths.
    fn twice(self, lengths: &'static [&'static str], body: &'static [u8]) -> Self {
        Self {
            make: Box::new(move |stage, path| {
                let mut fields = fields(stage, "POST", path);
                fields.extend(
                    lengths.iter().map(|length| ("content-length".to_owned(), length.as_bytes().to_vec())),
                );
                [frame(HEADERS, END_HEADERS, 1, &block(&fields)), data(END_STREAM, body)].concat()
            }),
            ..self
        }
    }
}
