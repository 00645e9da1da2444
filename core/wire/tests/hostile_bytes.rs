//! Bytes that nobody honest sends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use portcullis_wire::WireError;
use portcullis_wire::client_hello::{Assembler, BYTES_MAX, ClientHello, Progress};
use portcullis_wire::ja4::{context_key, ja4};
use proptest::prelude::*;

#[test]
fn what_is_no_hello_is_told_at_once() {
    let check = |bytes: &[u8], expect| assert_eq!(Assembler::new().push(bytes), expect, "{bytes:x?}");
    check(b"", Ok(Progress::NeedMore));
    check(b"G", Err(WireError::NotTls));
    check(b"\x15\x03\x01\x00\x02\x02\x28", Err(WireError::NotTls));
    check(&[22, 2], Err(WireError::NotTls));
    check(&[0x80, 0x2e, 1], Err(WireError::NotTls));
    check(&[22, 3, 1, 0x40, 0x01], Err(WireError::NotTls));
    check(&[22, 3, 1, 0x40, 0x00], Ok(Progress::NeedMore));
    check(&[22, 3, 1, 0, 0], Err(WireError::Malformed { part: "record" }));
    check(&[22, 3, 1, 0, 1, 2], Err(WireError::NotClientHello { message_type: 2 }));
    check(&[22, 3, 1, 0, 1, 1, 23, 3, 1], Err(WireError::NotTls));
    check(&[22, 3, 1, 0, 4, 1, 1, 0, 0], Err(WireError::TooLarge { bytes_max: BYTES_MAX }));
}

#[test]
fn many_small_records_end_at_the_bound() {
    let mut assembler = Assembler::new();
    assembler.push(&[22, 3, 1, 0, 4, 1, 0, 0xff, 0xf0]).unwrap();
    let mut pushed_bytes = 9;
    let error = loop {
        match assembler.push(&[22, 3, 1, 0, 1, 0]) {
            Ok(progress) => assert_eq!(progress, Progress::NeedMore),
            Err(error) => break error,
        }
        pushed_bytes += 6;
        assert!(pushed_bytes <= BYTES_MAX);
    };
    assert_eq!(error, WireError::TooLarge { bytes_max: BYTES_MAX });
}

#[test]
fn what_was_pushed_comes_back_whole() {
    let hello = hello_with(&[]);
    let mut pushed = vec![22, 3, 1, 0, u8::try_from(hello.len()).unwrap()];
    pushed.extend_from_slice(&hello);
    pushed.extend_from_slice(b"more");
    let mut assembler = Assembler::new();
    assert_eq!(assembler.push(&pushed), Ok(Progress::Complete(hello)));
    assert_eq!(assembler.into_received(), pushed);
}

#[test]
fn parts_that_do_not_fit_are_named() {
    let check = |extensions: &[u8], expect| {
        assert_eq!(ClientHello::parse(&hello_with(extensions)).err(), expect, "{extensions:x?}");
    };
    let malformed = |part| Some(WireError::Malformed { part });
    check(&[], None);
    check(&[0, 0x17, 0, 0], None);
    check(&[0, 0x17, 0, 0, 0, 0x17, 0, 0], Some(WireError::DoubledExtension { extension: 0x17 }));
    check(&[0, 0x17, 0, 1], malformed("extensions"));
    check(&[0, 0], malformed("extensions"));
    check(&[0, 0, 0, 0], malformed("server_name"));
    check(&[0, 0, 0, 6, 0, 4, 0, 0, 1, b'a'], None);
    check(&[0, 0, 0, 6, 0, 4, 0, 0, 1, 0xff], malformed("server_name"));
    check(&[0, 0, 0, 10, 0, 8, 0, 0, 1, b'a', 0, 0, 1, b'b'], malformed("server_name"));
    check(&[0, 0x10, 0, 3, 0, 1, 5], malformed("application_layer_protocol_negotiation"));
    check(&[0, 0x2b, 0, 2, 1, 3], malformed("supported_versions"));
    check(&[0, 0x0d, 0, 3, 0, 1, 4], malformed("signature_algorithms"));
    check(&[0, 0x0a, 0, 5, 0, 2, 0, 29, 0], malformed("supported_groups"));
    check(&[0, 0x33, 0, 5, 0, 3, 0, 29, 0], malformed("key_share"));
}

#[test]
fn extensions_are_decoded() {
    let extensions = [
        &[0, 0, 0, 6, 0, 4, 0, 0, 1, b'a'][..],
        &[0, 0x10, 0, 5, 0, 3, 2, b'h', b'2'],
        &[0, 0x2b, 0, 3, 2, 3, 4],
        &[0, 0x0d, 0, 4, 0, 2, 8, 4],
        &[0, 0x0a, 0, 6, 0, 4, 0x0a, 0x0a, 0, 29],
        &[0, 0x33, 0, 7, 0, 5, 0, 29, 0, 1, 9],
    ]
    .concat();
    let expect = ClientHello {
        legacy_version: 0x0303,
        cipher_suites: vec![0x1301],
        extensions: vec![0, 0x10, 0x2b, 0x0d, 0x0a, 0x33],
        server_name: Some("a".to_owned()),
        alpn: vec![b"h2".to_vec()],
        supported_versions: vec![0x0304],
        signature_algorithms: vec![0x0804],
        supported_groups: vec![0x0a0a, 29],
        key_share_groups: vec![29],
    };
    assert_eq!(ClientHello::parse(&hello_with(&extensions)), Ok(expect));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Assembler::new().push(&bytes);
        let _ = ClientHello::parse(&bytes);
    }

    #[test]
    fn arbitrary_records_hold_to_the_bound(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..9_000), 0..20),
    ) {
        let mut assembler = Assembler::new();
        let mut first = true;
        for mut body in bodies {
            if std::mem::take(&mut first) {
                body[0] = 1;
            }
            let mut record = vec![22, 3, 3];
            record.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
            record.extend_from_slice(&body);
            match assembler.push(&record) {
                Ok(Progress::NeedMore) => {}
                Ok(Progress::Complete(message)) => {
                    prop_assert!(message.len() <= BYTES_MAX);
                    return Ok(());
                }
                Err(_) => return Ok(()),
            }
        }
    }

    #[test]
    fn arbitrary_extensions_never_panic(
        parts in prop::collection::vec((0_u16..0x40, prop::collection::vec(any::<u8>(), 0..24)), 0..12),
    ) {
        let mut extensions = Vec::new();
        for (kind, body) in parts {
            extensions.extend_from_slice(&kind.to_be_bytes());
            extensions.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
            extensions.extend_from_slice(&body);
        }
        if let Ok(hello) = ClientHello::parse(&hello_with(&extensions)) {
            prop_assert_eq!(ja4(&hello).to_string().len(), 36);
            prop_assert_eq!(context_key(&hello).to_string().len(), 36);
        }
    }
}

fn hello_with(extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[0, 0, 2, 0x13, 0x01, 1, 0]);
    body.extend_from_slice(&u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend_from_slice(extensions);
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1], &length[1..], &body].concat()
}
