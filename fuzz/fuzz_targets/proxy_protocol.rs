//! What a balancer, or whoever poses as one, sends first: it is read the same however much of it has
//! arrived, and what was read can be said again in both versions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_wire::proxy_protocol::{
    Progress, ProxyHeader, V1_BYTES_MAX, V2_BYTES_MAX, encode_v1, encode_v2, parse,
};

fuzz_target!(|data: &[u8]| {
    let outcome = parse(data);
    let bytes_max = if data.first() == Some(&b'P') { V1_BYTES_MAX } else { V2_BYTES_MAX };
    let judged_at = (0..=data.len()).find(|&length| parse(&data[..length]) != Ok(Progress::Partial));
    match outcome {
        Ok(Progress::Partial) => {
            assert!(data.len() < bytes_max, "more is waited for than a header can have");
            assert_eq!(judged_at, None, "a verdict was taken back");
        }
        Ok(Progress::Whole { header, consumed }) => {
            assert_eq!(judged_at, Some(consumed), "the end of a header must not depend on what follows");
            assert!(consumed <= bytes_max);
            said_again(header);
        }
        Err(_) => {
            // A line is judged whole once it has ended; a fault may become another, never a header.
            let at = judged_at.expect("a fault has a first byte that shows it");
            assert!(parse(&data[..at]).is_err(), "a header became a fault when more arrived");
        }
    }
});

fn said_again(header: ProxyHeader) {
    assert_eq!(header.source.is_some(), header.destination.is_some());
    let bytes = encode_v2(&header, &[(4, b"")], true).expect("addresses fit");
    assert_eq!(parse(&bytes), Ok(Progress::Whole { header, consumed: bytes.len() }));
    let line = encode_v1(&header);
    let known = ProxyHeader { local: false, ..header };
    assert_eq!(parse(&line), Ok(Progress::Whole { header: known, consumed: line.len() }));
}
