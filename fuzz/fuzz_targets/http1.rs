//! HTTP/1.1 in any bytes, cut anywhere: never a panic, a good head has one meaning, and how the bytes were
//! cut into pieces makes no difference.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_wire::http_rules::{
    Target, Version, check_request_head, forwarded_or_hop_by_hop, is_head_only, named_by_connection,
};
use portcullis_wire::http1::{
    BodyDecoder, BodyFault, Field, Framing, HeadFinder, HeadLimits, ResponseFraming, TargetForm,
    parse_request, parse_response,
};

/// The first two bytes tell where to cut, the rest is what comes.
fuzz_target!(|data: &[u8]| {
    let [first, second, bytes @ ..] = data else { return };
    let mut ends = [usize::from(*first).min(bytes.len()), usize::from(*second).min(bytes.len()), bytes.len()];
    ends.sort_unstable();

    let limits = HeadLimits { head_bytes_max: 1_000, ..HeadLimits::default() };
    let found = HeadFinder::default().find(bytes, &limits);
    let mut finder = HeadFinder::default();
    let in_pieces =
        ends.iter().map(|&end| finder.find(&bytes[..end], &limits)).find(|found| *found != Ok(None));
    assert_eq!(in_pieces.unwrap_or(Ok(None)), found);

    for framing in [ResponseFraming::Chunked, ResponseFraming::Length(100), ResponseFraming::UntilClose] {
        let decoder = BodyDecoder::from(framing);
        assert_eq!(decode(decoder.clone(), bytes, &ends), decode(decoder, bytes, &[bytes.len()]));
    }

    let whole = parse_request(bytes, &limits, &mut Vec::new());
    let Ok(Some(length)) = found else {
        assert!(whole.is_err(), "a head without an end was read");
        return;
    };
    let (head, rest) = bytes.split_at(length);
    let mut fields = Vec::new();
    if let Ok(request) = parse_request(head, &limits, &mut fields) {
        let pairs = pairs(head, &fields);
        has_one_meaning(request.framing, &pairs);
        assert_eq!(count(&pairs, "host"), 1);
        let target = match request.form {
            TargetForm::Origin => Target::Origin,
            TargetForm::Asterisk => Target::Asterisk,
            TargetForm::Absolute { authority, .. } => Target::Absolute { authority: authority.of(head) },
        };
        assert_eq!(check_request_head(Version::Http11, target, pairs.iter().copied()), Ok(()));
        let _ = check_request_head(Version::Http2, target, pairs.iter().copied());
        let body = decode(BodyDecoder::from(request.framing), rest, &[rest.len()]);
        assert!(body.payload.len() <= rest.len());
        for (name, value) in pairs {
            let _ = (forwarded_or_hop_by_hop(name), is_head_only(name), named_by_connection(value, name));
        }
    }
    for to_head in [false, true] {
        if let Ok(response) = parse_response(head, to_head, &limits, &mut fields) {
            let pairs = pairs(head, &fields);
            match response.framing {
                ResponseFraming::Empty => {}
                ResponseFraming::UntilClose => has_one_meaning(Framing::Empty, &pairs),
                ResponseFraming::Length(bytes) => has_one_meaning(Framing::Length(bytes), &pairs),
                ResponseFraming::Chunked => has_one_meaning(Framing::Chunked, &pairs),
            }
            assert!(!response.keep_alive || response.framing != ResponseFraming::UntilClose);
        }
    }
});

fn has_one_meaning(framing: Framing, fields: &[(&str, &[u8])]) {
    let said = (count(fields, "content-length"), count(fields, "transfer-encoding"));
    let expected = match framing {
        Framing::Empty => (0, 0),
        Framing::Length(_) => (1, 0),
        Framing::Chunked => (0, 1),
    };
    assert_eq!(said, expected);
}

fn count(fields: &[(&str, &[u8])], name: &str) -> usize {
    fields.iter().filter(|(other, _)| other.replace('_', "-").eq_ignore_ascii_case(name)).count()
}

fn pairs<'a>(head: &'a [u8], fields: &[Field]) -> Vec<(&'a str, &'a [u8])> {
    fields
        .iter()
        .map(|field| {
            (std::str::from_utf8(field.name.of(head)).expect("a name is ASCII"), field.value.of(head))
        })
        .collect()
}

#[derive(Debug, PartialEq)]
struct Decoded {
    payload: Vec<u8>,
    trailers: Vec<(String, Vec<u8>)>,
    end: Result<usize, BodyFault>,
}

fn decode(mut decoder: BodyDecoder, bytes: &[u8], ends: &[usize]) -> Decoded {
    let (mut at, mut payload) = (0, Vec::new());
    for &end in ends {
        loop {
            let step = match decoder.decode(&bytes[at..end]) {
                Ok(step) => step,
                Err(fault) => return Decoded { payload, trailers: decoder.take_trailers(), end: Err(fault) },
            };
            payload.extend_from_slice(&bytes[at..end][step.data]);
            at += step.consumed;
            assert!(step.consumed > 0 || step.ended || at == end, "no progress");
            if step.ended || at == end {
                break;
            }
        }
    }
    Decoded { payload, trailers: decoder.take_trailers(), end: Ok(at) }
}
