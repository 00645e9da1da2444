//! gRPC messages, and bodies that are counted by their bytes.

use std::num::NonZeroU64;

use portcullis_records::{CountError, Counter, Format, MESSAGE_BYTES_MAX, Progress};

use crate::total;

fn message(flag: u8, bytes: &[u8]) -> Vec<u8> {
    [&[flag][..], &u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

#[test]
fn messages() {
    let check = |messages: &[Vec<u8>]| {
        let counter = Counter::new(Format::Grpc);
        assert_eq!(total(&counter, &messages.concat()), Ok(messages.len() as u64));
    };
    check(&[]);
    check(&[message(0, b"")]);
    check(&[message(1, b"compressed"), message(0, b""), message(0, b""), message(0, &[1; 300])]);
    // What looks like a mark or a prefix is neither inside of a message.
    check(&[message(0, b"\xef\xbb\xbf"), message(0, &message(0, b"x"))]);
}

#[test]
fn faults_of_messages() {
    let check = |body: &[u8], expect: CountError| {
        assert_eq!(total(&Counter::new(Format::Grpc), body), Err(expect), "{}", body.escape_ascii());
    };
    let truncated = |offset| CountError::Truncated { offset };
    check(&[2, 0, 0, 0, 0], CountError::Unexpected { offset: 0, byte: 2 });
    check(b"\xef\xbb\xbf", CountError::Unexpected { offset: 0, byte: 0xef });
    check(&[message(0, b"ab"), vec![0x80]].concat(), CountError::Unexpected { offset: 7, byte: 0x80 });
    check(&[0], truncated(1));
    check(&[0, 0, 0, 0], truncated(4));
    check(&[0, 0, 0, 0, 1], truncated(5));
    check(&[0, 0, 0, 0, 2, 7], truncated(6));
    check(&[0, 1, 0, 0, 1], CountError::MessageTooLong { offset: 5, bytes: MESSAGE_BYTES_MAX + 1 });
    check(&[0, 1, 0, 0, 0], truncated(5));
    check(&[0, 0xff, 0xff, 0xff, 0xff], CountError::MessageTooLong { offset: 5, bytes: u32::MAX });
}

#[test]
fn messages_that_dont_fit() {
    let body = [message(0, b"one"), message(0, b""), message(0, b"two")].concat();
    let check = |records_max: u64, expect: usize| {
        let progress = Counter::new(Format::Grpc).push(&body, records_max);
        let records = records_max.min(3);
        assert_eq!(progress, Ok(Progress { records, consumed: expect }), "{records_max}");
    };
    check(0, 0);
    check(1, 8);
    check(2, 13);
    check(3, 21);
}

#[test]
fn pieces() {
    let counter = |record_bytes: u64| Counter::by_bytes(NonZeroU64::new(record_bytes).unwrap());
    let check = |record_bytes: u64, bytes: usize, expect: u64| {
        let body = b"\xef\xbb\xbf[".repeat(bytes).split_off(bytes * 3);
        assert_eq!(total(&counter(record_bytes), &body), Ok(expect), "{bytes} by {record_bytes}");
    };
    check(10, 0, 0);
    check(10, 1, 1);
    check(10, 10, 1);
    check(10, 11, 2);
    check(1, 7, 7);
    check(u64::MAX, 7, 1);

    let cut = |record_bytes: u64, before: usize, bytes: usize, records_max: u64, expect: Progress| {
        let mut counter = counter(record_bytes);
        counter.push(&vec![0; before], u64::MAX).unwrap();
        assert_eq!(counter.push(&vec![0; bytes], records_max), Ok(expect));
        let is_closed = matches!(counter.push(b"", 0), Err(CountError::Closed { .. }));
        assert_eq!(is_closed, expect.consumed < bytes);
    };
    cut(10, 0, 25, 0, Progress { records: 0, consumed: 0 });
    cut(10, 0, 25, 2, Progress { records: 2, consumed: 20 });
    cut(10, 0, 25, 3, Progress { records: 3, consumed: 25 });
    cut(10, 3, 25, 0, Progress { records: 0, consumed: 7 });
    cut(10, 3, 25, 1, Progress { records: 1, consumed: 17 });
    cut(10, 3, 7, 0, Progress { records: 0, consumed: 7 });
    cut(10, 10, 5, 0, Progress { records: 0, consumed: 0 });
    cut(u64::MAX, 3, 25, 0, Progress { records: 0, consumed: 25 });
}
