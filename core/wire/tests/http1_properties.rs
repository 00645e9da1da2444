//! What holds for all heads and bodies, good or broken.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use portcullis_wire::http_rules::{HeadFault, Target, Version, check_request_head};
use portcullis_wire::http1::{
    BodyDecoder, BodyFault, Field, Framing, HeadFinder, HeadLimits, ResponseFraming, TargetForm,
    parse_request, parse_response,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A request that is good, and what it says.
#[derive(Clone, Debug)]
struct Sample {
    method: String,
    target: String,
    /// Names, white space, values, white space.
    fields: Vec<(String, String, Vec<u8>, String)>,
    framing: Framing,
}

impl Sample {
    fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, before, value, after) in &self.fields {
            head.extend_from_slice(format!("{name}:{before}").as_bytes());
            head.extend_from_slice(value);
            head.extend_from_slice(format!("{after}\r\n").as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

fn samples() -> impl Strategy<Value = Sample> {
    let field = ("x-[a-z!#$%&'*+.^`|~0-9-]{1,12}", "[ \t]{0,3}", values(), "[ \t]{0,3}");
    let framing = prop_oneof![
        Just(Framing::Empty),
        (0..=1_u64 << 63).prop_map(Framing::Length),
        Just(Framing::Chunked)
    ];
    let target = prop_oneof![
        Just("/".to_owned()),
        "/[a-zA-Z0-9!$&'()*+,./:;=?@^_{|}~%\\[\\]-]{0,30}",
        "https?://host\\.example(/[a-z?]{0,9})?",
    ];
    ("[A-Z!#-]{1,32}", target, vec(field, 0..8), framing, any::<[Index; 2]>())
        .prop_filter("is refused", |(method, ..)| method != "CONNECT" && method != "PRI")
        .prop_map(|(method, target, mut fields, framing, places)| {
            let one = |name: &str, value: String| {
                (name.to_owned(), " ".to_owned(), value.into_bytes(), String::new())
            };
            fields.insert(places[0].index(fields.len() + 1), one("hOst", "host.example".to_owned()));
            let place = places[1].index(fields.len() + 1);
            match framing {
                Framing::Empty => {}
                Framing::Length(bytes) => fields.insert(place, one("Content-length", bytes.to_string())),
                Framing::Chunked => fields.insert(place, one("transfer-Encoding", "Chunked".to_owned())),
            }
            Sample { method, target, fields, framing }
        })
}

/// Visible at both ends, or empty.
fn values() -> impl Strategy<Value = Vec<u8>> {
    let visible = || prop_oneof![0x21..=0x7e_u8, 0x80..=0xff_u8];
    let inner = prop_oneof![8 => visible(), 1 => Just(b' '), 1 => Just(b'\t')];
    prop_oneof![
        Just(vec![]),
        visible().prop_map(|byte| vec![byte]),
        (visible(), vec(inner, 0..40), visible()).prop_map(|(first, inner, last)| [
            vec![first],
            inner,
            vec![last]
        ]
        .concat()),
    ]
}

/// Bytes of good heads, bent in a few places, and others that go near the rules.
fn bent_heads() -> impl Strategy<Value = Vec<u8>> {
    let line = select(vec![
        "Host: host.example",
        "Host: other",
        "Content-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content_Length: 5",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding : chunked",
        "Expect: 100-continue",
        "Connection: close, upgrade",
        "Upgrade: websocket",
        " folded",
        "A: b\rc",
        "A: b\nc: d",
        "",
    ]);
    let cut = vec((any::<Index>(), 0..3_usize, prop_oneof![Just(vec![]), vec(hostile_bytes(), 1..3)]), 0..4);
    (samples(), vec(line, 0..3), cut).prop_map(|(sample, lines, cuts)| {
        let mut head = sample.head();
        head.truncate(head.len() - 2);
        for line in lines {
            head.extend_from_slice(line.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        bend(&mut head, cuts);
        head
    })
}

fn hostile_bytes() -> impl Strategy<Value = u8> {
    prop_oneof![3 => select(b"\r\n \t:;,_-/*#@0\0\x0b\x7f\x80".to_vec()), 1 => any::<u8>()]
}

fn bend(bytes: &mut Vec<u8>, cuts: Vec<(Index, usize, Vec<u8>)>) {
    for (place, removed, put) in cuts {
        let place = place.index(bytes.len() + 1);
        let end = (place + removed).min(bytes.len());
        bytes.splice(place..end, put);
    }
}

/// Where to cut: the pieces are what is between.
fn pieces(cuts: &[Index], length: usize) -> Vec<usize> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(length + 1)).collect();
    ends.push(length);
    ends.sort_unstable();
    ends
}

/// Chunked bodies that are nearly good, whole or in part.
fn bent_bodies() -> impl Strategy<Value = Vec<u8>> {
    let extension = select(vec!["", "", ";a=b", ";\"q\""]);
    let chunk = (vec(any::<u8>(), 1..40), extension).prop_map(|(data, extension)| {
        [format!("{:x}{extension}\r\n", data.len()).as_bytes(), &data, b"\r\n"].concat()
    });
    let trailer = select(vec!["A: b\r\n", "grpc-status: 0\r\n", "Host: a\r\n", "A b\r\n"]);
    let cut = vec((any::<Index>(), 0..3_usize, vec(hostile_bytes(), 0..3)), 0..2);
    (vec(chunk, 0..5), vec(trailer, 0..3), cut, "(GET /)?").prop_map(|(chunks, trailers, cuts, next)| {
        let mut body = chunks.concat();
        body.extend_from_slice(format!("0\r\n{}\r\n{next}", trailers.concat()).as_bytes());
        bend(&mut body, cuts);
        body
    })
}

/// Payload, trailers, and either how many bytes the body took or its fault.
type Outcome = (Vec<u8>, Vec<(String, Vec<u8>)>, Result<usize, BodyFault>);

fn decode_in_pieces(mut decoder: BodyDecoder, body: &[u8], ends: &[usize]) -> Outcome {
    let (mut at, mut payload) = (0, vec![]);
    for &end in ends {
        loop {
            let step = match decoder.decode(&body[at..end]) {
                Ok(step) => step,
                Err(fault) => return (payload, decoder.take_trailers(), Err(fault)),
            };
            assert!(step.data.start <= step.data.end && step.data.end <= step.consumed);
            assert!(step.consumed <= end - at);
            payload.extend_from_slice(&body[at..end][step.data.clone()]);
            at += step.consumed;
            assert!(step.consumed > 0 || step.ended || at == end, "no progress");
            if step.ended || at == end {
                break;
            }
        }
    }
    assert!(decoder.is_ended() || at == body.len());
    (payload, decoder.take_trailers(), Ok(at))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_written_is_read_back(sample in samples()) {
        let head = sample.head();
        let mut fields = vec![];
        let read = parse_request(&head, &HeadLimits::default(), &mut fields).unwrap();
        prop_assert_eq!(read.method.of(&head), sample.method.as_bytes());
        prop_assert_eq!(read.target.of(&head), sample.target.as_bytes());
        prop_assert_eq!(read.framing, sample.framing);
        let read: Vec<_> = fields.iter().map(|field| (field.name.of(&head), field.value.of(&head))).collect();
        let written: Vec<_> =
            sample.fields.iter().map(|(name, _, value, _)| (name.as_bytes(), value.as_slice())).collect();
        prop_assert_eq!(read, written);
        prop_assert_eq!(HeadFinder::default().find(&head, &HeadLimits::default()), Ok(Some(head.len())));
    }

    #[test]
    fn pieces_make_no_difference_for_a_head(head in bent_heads(), cuts in vec(any::<Index>(), 0..6), bytes_max in 1..400_usize) {
        let limits = HeadLimits { head_bytes_max: bytes_max, ..HeadLimits::default() };
        let whole = HeadFinder::default().find(&head, &limits);
        let mut finder = HeadFinder::default();
        let mut found = Ok(None);
        for end in pieces(&cuts, head.len()) {
            found = finder.find(&head[..end], &limits);
            if found != Ok(None) {
                break;
            }
        }
        prop_assert_eq!(found, whole);
    }

    #[test]
    fn pieces_make_no_difference_for_a_body(body in bent_bodies(), cuts in vec(any::<Index>(), 0..6), length in 0..100_u64) {
        for decoder in [
            BodyDecoder::from(Framing::Chunked),
            BodyDecoder::from(Framing::Length(length)),
            BodyDecoder::from(ResponseFraming::UntilClose),
        ] {
            let whole = decode_in_pieces(decoder.clone(), &body, &[body.len()]);
            prop_assert_eq!(decode_in_pieces(decoder, &body, &pieces(&cuts, body.len())), whole);
        }
    }

    /// Whatever we take for good, another reader reads the same; and it has one meaning.
    #[test]
    fn what_is_accepted_others_read_the_same(head in bent_heads()) {
        let mut fields = vec![];
        let Ok(read) = parse_request(&head, &HeadLimits::default(), &mut fields) else { return Ok(()) };
        let mut theirs = [httparse::EMPTY_HEADER; 100];
        let mut request = httparse::Request::new(&mut theirs);
        prop_assert_eq!(request.parse(&head), Ok(httparse::Status::Complete(head.len())));
        prop_assert_eq!(request.version, Some(1));
        prop_assert_eq!(request.method.map(str::as_bytes), Some(read.method.of(&head)));
        prop_assert_eq!(request.path.map(str::as_bytes), Some(read.target.of(&head)));
        let ours = pairs(&head, &fields);
        let theirs: Vec<_> = request.headers.iter().map(|header| (header.name, header.value)).collect();
        prop_assert_eq!(&ours, &theirs);

        let target = match read.form {
            TargetForm::Origin => Target::Origin,
            TargetForm::Asterisk => Target::Asterisk,
            TargetForm::Absolute { authority, .. } => Target::Absolute { authority: authority.of(&head) },
        };
        prop_assert_eq!(check_request_head(Version::Http11, target, ours.iter().copied()), Ok(()));
        let count = |name: &str| ours.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).count();
        prop_assert_eq!(count("host"), 1);
        let expected = match read.framing {
            Framing::Empty => (0, 0),
            Framing::Length(_) => (1, 0),
            Framing::Chunked => (0, 1),
        };
        prop_assert_eq!((count("content-length"), count("transfer-encoding")), expected);
    }

    #[test]
    fn what_is_accepted_from_upstreams_others_read_the_same(
        head in bent_heads(),
        line in prop_oneof![8 => "HTTP/1\\.[01] [1-6][0-9]{2}( [a-z\t ]{0,9})?", 1 => "[HTP/1. 0-9]{1,16}"],
        to_head in any::<bool>(),
    ) {
        let end = head.iter().position(|&byte| byte == b'\n').map_or(head.len(), |end| end + 1);
        let head = [line.as_bytes(), b"\r\n", &head[end..]].concat();
        let mut fields = vec![];
        let Ok(read) = parse_response(&head, to_head, &HeadLimits::default(), &mut fields) else { return Ok(()) };
        let mut theirs = [httparse::EMPTY_HEADER; 100];
        let mut response = httparse::Response::new(&mut theirs);
        prop_assert_eq!(response.parse(&head), Ok(httparse::Status::Complete(head.len())));
        prop_assert_eq!(response.code, Some(read.status));
        prop_assert!(response.version == Some(1) || !read.keep_alive);
        let theirs: Vec<_> = response.headers.iter().map(|header| (header.name, header.value)).collect();
        prop_assert_eq!(pairs(&head, &fields), theirs);
        prop_assert!(!read.keep_alive || read.framing != ResponseFraming::UntilClose);
    }

    #[test]
    fn noise_is_no_panic(noise in vec(any::<u8>(), 0..200), bent in bent_heads()) {
        for bytes in [noise, bent] {
            let found = HeadFinder::default().find(&bytes, &HeadLimits::default());
            let parsed = parse_request(&bytes, &HeadLimits::default(), &mut vec![]);
            // The finder's faults are the parser's too, of whichever kind.
            if found.is_err_and(|fault| fault != HeadFault::Http2Preface) {
                prop_assert!(parsed.is_err());
            }
            let _ = parse_response(&bytes, false, &HeadLimits::default(), &mut vec![]);
            let _ = decode_in_pieces(BodyDecoder::from(Framing::Chunked), &bytes, &[bytes.len()]);
        }
    }
}

fn pairs<'a>(head: &'a [u8], fields: &[Field]) -> Vec<(&'a str, &'a [u8])> {
    fields.iter().map(|field| (str::from_utf8(field.name.of(head)).unwrap(), field.value.of(head))).collect()
}
