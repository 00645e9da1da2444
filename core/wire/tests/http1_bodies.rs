//! Bodies of HTTP/1.1, the chunked coding above all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use portcullis_wire::http_rules::HeadFault;
use portcullis_wire::http1::BodyFault::{self, *};
use portcullis_wire::http1::{BodyDecoder, Framing, ResponseFraming, Step};

/// The payload, what was left over after the end, or the fault with the payload before it.
fn read(decoder: &mut BodyDecoder, input: &[u8]) -> (Vec<u8>, Result<Vec<u8>, BodyFault>) {
    let (mut at, mut payload) = (0, vec![]);
    loop {
        let step = match decoder.decode(&input[at..]) {
            Ok(step) => step,
            Err(fault) => return (payload, Err(fault)),
        };
        payload.extend_from_slice(&input[at..][step.data]);
        at += step.consumed;
        assert_eq!(step.ended, decoder.is_ended());
        if step.ended || at == input.len() {
            return (payload, Ok(input[at..].to_vec()));
        }
    }
}

#[test]
fn bodies_with_a_length() {
    let mut decoder = BodyDecoder::from(Framing::Length(5));
    assert_eq!(decoder.decode(b""), Ok(Step { consumed: 0, data: 0..0, ended: false }));
    assert_eq!(decoder.remaining_length(), Some(5));
    assert_eq!(decoder.decode(b"abc"), Ok(Step { consumed: 3, data: 0..3, ended: false }));
    assert!(!decoder.may_end_at_close());
    assert_eq!(decoder.decode(b"defg"), Ok(Step { consumed: 2, data: 0..2, ended: true }));
    assert_eq!(decoder.decode(b"fg"), Ok(Step { consumed: 0, data: 0..0, ended: true }));
    assert!(decoder.is_ended() && decoder.may_end_at_close());
    assert_eq!(decoder.remaining_length(), Some(0));

    for none in [
        BodyDecoder::empty(),
        BodyDecoder::from(Framing::Empty),
        BodyDecoder::from(Framing::Length(0)),
        BodyDecoder::from(ResponseFraming::Empty),
    ] {
        assert!(none.is_ended());
    }
}

#[test]
fn bodies_that_end_with_the_connection() {
    let mut decoder = BodyDecoder::from(ResponseFraming::UntilClose);
    assert_eq!(decoder.decode(b"abc"), Ok(Step { consumed: 3, data: 0..3, ended: false }));
    assert!(!decoder.is_ended() && decoder.may_end_at_close());
    assert_eq!(decoder.remaining_length(), None);
}

#[test]
fn chunked_bodies() {
    let check = |input: &str, expect_payload: &str, expect: Result<&str, BodyFault>| {
        let mut decoder = BodyDecoder::from(Framing::Chunked);
        let (payload, rest) = read(&mut decoder, input.as_bytes());
        assert_eq!(String::from_utf8(payload).unwrap(), expect_payload, "{input:?}");
        assert_eq!(rest, expect.map(|rest| rest.as_bytes().to_vec()), "{input:?}");
        if let Err(fault) = rest {
            assert_eq!(decoder.decode(b"0\r\n\r\n"), Err(fault), "a fault stays");
            assert!(!decoder.may_end_at_close());
        }
    };
    check("0\r\n\r\n", "", Ok(""));
    check("0\r\n\r\nGET /", "", Ok("GET /"));
    check("5\r\nabcde\r\n0\r\n\r\nx", "abcde", Ok("x"));
    check("1\r\na\r\n00B\r\n0123456789a\r\n000\r\n\r\n", "a0123456789a", Ok(""));
    check("b\r\n0123456789", "0123456789", Ok(""));
    check("0000000000000001\r\na\r\n0\r\n\r\n", "a", Ok(""));
    check("00000000000000001\r\n", "", Err(ChunkSizeTooLarge { digits_max: 16 }));
    check("8000000000000000\r\na", "a", Ok(""));
    check("8000000000000001\r\n", "", Err(ChunkSizeTooLarge { digits_max: 16 }));
    check("ffffffffffffffff\r\n", "", Err(ChunkSizeTooLarge { digits_max: 16 }));
    for bad in [
        "\r\n", ";a\r\n", "g\r\n", "+1\r\n", "-1\r\n", "0x1\r\n", " 1\r\n", "1 \r\n", "1 ;a\r\n", "1\t\r\n",
        "\n", "1_0\r\n", "٥\r\n",
    ] {
        check(bad, "", Err(ChunkSizeMalformed));
    }
    check("1\na\r\n", "", Err(BareLineFeed));
    check("1\ra\r\n", "", Err(BareCarriageReturn));
    check("1\r\na\n0\r\n\r\n", "a", Err(ChunkEndMissing));
    check("1\r\na0\r\n\r\n", "a", Err(ChunkEndMissing));
    check("1\r\nab\r\n", "a", Err(ChunkEndMissing));
    check("1\r\na\r0\r\n\r\n", "a", Err(ChunkEndMissing));

    check("1;a=b;c=\"d e\"\r\na\r\n0;last\r\n\r\n", "a", Ok(""));
    check("1;a\nb\r\na", "", Err(BareLineFeed));
    check("1;a\rb\r\na", "", Err(BareCarriageReturn));
    for byte in ["\0", "\t", "\x0b", "\x7f"] {
        check(&format!("1;a{byte}\r\na"), "", Err(ExtensionMalformed));
    }
    check(&format!("1;{}\r\na", "a".repeat(255)), "a", Ok(""));
    check(&format!("1;{}\r\na", "a".repeat(256)), "", Err(ExtensionTooLong { bytes_max: 256 }));

    check("0\r\n\n", "", Err(BareLineFeed));
    check("0\r\nA: b\n\r\n", "", Err(BareLineFeed));
    check("0\r\n\ra\r\n", "", Err(TrailerMalformed(HeadFault::BareCarriageReturn)));
    check("0\r\n a: b\r\n\r\n", "", Err(TrailerMalformed(HeadFault::Folded)));
    check("0\r\na : b\r\n\r\n", "", Err(TrailerMalformed(HeadFault::SpaceBeforeColon)));
    check("0\r\na\r\n\r\n", "", Err(TrailerMalformed(HeadFault::ColonMissing)));
    check("0\r\na: \x01\r\n\r\n", "", Err(TrailerMalformed(HeadFault::FieldValueMalformed)));
    check("0\r\nContent_Length: 1\r\n\r\n", "", Err(TrailerMalformed(HeadFault::NameAmbiguous)));
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Trailer",
        "Authorization",
        "DPoP",
        "Portcullis-Client",
        "Connection",
        "X-Forwarded-For",
        "Content-Encoding",
        "Set-Cookie",
    ] {
        check(&format!("1\r\na\r\n0\r\n{name}: b\r\n\r\n"), "a", Err(TrailerForbidden));
    }
    check(&format!("0\r\n{}\r\nx", "a: b\r\n".repeat(32)), "", Ok("x"));
    check(&format!("0\r\n{}\r\n", "a: b\r\n".repeat(33)), "", Err(TrailersTooMany { fields_max: 32 }));
    check(&format!("0\r\na: {}\r\n\r\nx", "b".repeat(8192 - 7)), "", Ok("x"));
    check(
        &format!("0\r\na: {}\r\n\r\n", "b".repeat(8192 - 6)),
        "",
        Err(TrailersTooLarge { bytes_max: 8192 }),
    );
}

#[test]
fn trailers_are_given_once_at_the_end() {
    let mut decoder = BodyDecoder::from(ResponseFraming::Chunked);
    let (payload, rest) = read(&mut decoder, b"1\r\na\r\n0\r\nGrpc-Status:  0 \r\nX-A:\r\n");
    assert_eq!((payload.as_slice(), rest), (&b"a"[..], Ok(vec![])));
    assert_eq!(decoder.take_trailers(), []);
    assert_eq!(decoder.remaining_length(), None);
    assert_eq!(read(&mut decoder, b"\r\n"), (vec![], Ok(vec![])));
    assert_eq!(decoder.remaining_length(), Some(0));
    let expected = [("Grpc-Status".to_owned(), b"0".to_vec()), ("X-A".to_owned(), vec![])];
    assert_eq!(decoder.take_trailers(), expected);
    assert_eq!(decoder.take_trailers(), []);
}

#[test]
fn the_coding_must_be_worth_it() {
    let check = |chunk: &str, expect_chunks: Option<usize>| {
        let mut decoder = BodyDecoder::from(Framing::Chunked);
        let good = (0..20_000).find(|_| read(&mut decoder, chunk.as_bytes()).1.is_err());
        assert_eq!(good, expect_chunks, "{chunk:?}");
        if let Some(chunks) = good {
            assert_eq!(decoder.decode(b"1"), Err(TooMuchOverhead));
            assert!(decoder.overhead_bytes() <= 16 * 1024 + 2 * (chunks as u64 + 1) + 1);
        }
    };
    // Five bytes of coding for one of payload, of which two are paid for: 16384 / 3.
    check("1\r\na\r\n", Some(5_461));
    check("3\r\nabc\r\n", None);
    // And 257 more for the extension.
    check(&format!("1;{}\r\na\r\n", "a".repeat(255)), Some(63));
}
