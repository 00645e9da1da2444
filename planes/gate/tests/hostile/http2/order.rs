//! Frames out of order, of another length, on another stream.

use super::case::{Expect, case, check_all, data, post};
use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, WITH_PRIORITY, block, frame,
};
use super::{fields, good};
use crate::line::seen;

/// Frames that no stream can have: what comes is an error, and what came before isn't half done.
#[tokio::test]
async fn frames_out_of_order_end_the_connection() {
    use Expect::{Broken, Passes, Refused};
    let alone = |name: &str, bytes: Vec<u8>| case(name, Refused, move |_, _| bytes.clone());
    // A body that is open, and then this.
    let amid = |name: &str, bytes: Vec<u8>| post(name, Broken, None, move || bytes.clone());
    let on_stream = |name: &str, stream: u32| {
        case(name, Refused, move |stage, path| {
            frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(&good(stage, path)))
        })
    };
    let cases = vec![
        alone("DATA on stream 0", frame(DATA, END_STREAM, 0, b"x")),
        alone("DATA on an idle stream", frame(DATA, END_STREAM, 1, b"x")),
        alone("RST_STREAM of an idle stream", frame(RST_STREAM, 0, 1, &[0; 4])),
        alone("RST_STREAM of stream 0", frame(RST_STREAM, 0, 0, &[0; 4])),
        alone("WINDOW_UPDATE of nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        alone("a window too large", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])),
        alone("WINDOW_UPDATE of an idle stream", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])),
        alone("a window of another length", frame(WINDOW_UPDATE, 0, 0, &[0; 3])),
        alone("CONTINUATION of nothing", frame(CONTINUATION, END_HEADERS, 1, &[])),
        alone("PUSH_PROMISE", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])),
        alone("a frame larger than allowed", frame(DATA, 0, 1, &vec![0; 16_385])),
        alone("unknown frame larger than allowed", frame(0xbe, 0, 1, &vec![0; 20_000])),
        alone("SETTINGS on a stream", frame(SETTINGS, 0, 1, &[])),
        alone("SETTINGS of another length", frame(SETTINGS, 0, 0, &[0; 5])),
        alone("an acknowledgement that says something", frame(SETTINGS, 1, 0, &[0; 6])),
        alone("ENABLE_PUSH of 2", frame(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2])),
        alone("a first window too large", frame(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0])),
        alone("a frame size too small", frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1])),
        alone("PING on a stream", frame(PING, 0, 1, &[0; 8])),
        alone("PING of another length", frame(PING, 0, 0, &[0; 7])),
        alone("a block that is no block", frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0x80])),
        alone(
            "a block with an index far away",
            frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ),
        alone(
            "a block whose string ends early",
            frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0, 0x7f, 0x80]),
        ),
        alone(
            "a table size too large",
            frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0x3f, 0xff, 0xff, 0xff, 0x07]),
        ),
        alone("bytes of HTTP/1.1", b"GET /free/x HTTP/1.1\r\nHost: gate.test\r\n\r\n".to_vec()),
        on_stream("HEADERS on stream 0", 0),
        on_stream("HEADERS on stream 2", 2),
        case("a stream that depends on itself", Refused, |stage, path| {
            let block = [vec![0, 0, 0, 1, 0], block(&good(stage, path))].concat();
            frame(HEADERS, END_STREAM | END_HEADERS | WITH_PRIORITY, 1, &block)
        }),
        case("another frame between HEADERS and CONTINUATION", Refused, |stage, path| {
            let block = block(&good(stage, path));
            let (first, rest) = block.split_at(20);
            [
                frame(HEADERS, END_STREAM, 1, first),
                frame(PING, 0, 0, &[0; 8]),
                frame(CONTINUATION, END_HEADERS, 1, rest),
            ]
            .concat()
        }),
        case("CONTINUATION of another stream", Refused, |stage, path| {
            let block = block(&good(stage, path));
            let (first, rest) = block.split_at(20);
            [frame(HEADERS, END_STREAM, 1, first), frame(CONTINUATION, END_HEADERS, 3, rest)].concat()
        }),
        case("a stream behind a later one", Refused, |stage, _| {
            let fields = block(&fields(stage, "POST", "/nowhere"));
            [frame(HEADERS, END_HEADERS, 5, &fields), frame(HEADERS, END_HEADERS, 1, &fields)].concat()
        }),
        amid("a window too large, of a stream", frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff])),
        amid("a window of nothing, of a stream", frame(WINDOW_UPDATE, 0, 1, &[0; 4])),
        amid("RST_STREAM of another length", frame(RST_STREAM, 0, 1, &[0; 3])),
        amid("CONTINUATION amid a body", frame(CONTINUATION, END_HEADERS, 1, &[])),
        post(
            "a frame of an unknown kind",
            Passes(seen("POST", &["transfer-encoding: chunked"], "x")),
            None,
            || [frame(0xbe, 0xff, 1, b"grease"), data(END_STREAM, b"x")].concat(),
        ),
        post(
            "PRIORITY of a circle",
            Passes(seen("POST", &["transfer-encoding: chunked"], "x")),
            None,
            || {
                let mut bytes = Vec::new();
                for _ in 0..100 {
                    bytes.extend(frame(PRIORITY, 0, 3, &[0, 0, 0, 5, 0]));
                    bytes.extend(frame(PRIORITY, 0, 5, &[0, 0, 0, 3, 0]));
                }
                [bytes, data(END_STREAM, b"x")].concat()
            },
        ),
    ];
    check_all(cases).await;
}
