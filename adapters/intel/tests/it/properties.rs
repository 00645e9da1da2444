//! Lookup agrees with a naive model, whatever the list.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portcullis_domain::spec::FeedFormat;
use portcullis_intel::{Limits, read_list};
use proptest::prelude::*;

/// First and last address, as the model holds them, and the line that says so.
#[derive(Clone, Debug)]
struct Entry {
    is_v6: bool,
    first: u128,
    last: u128,
    line: String,
}

/// Addresses stand close together, so that ranges touch, overlap and hold each other.
fn v4() -> impl Strategy<Value = Entry> {
    (0_u32..600, 0_u32..40, 22_u32..=32, 0..4).prop_map(|(offset, length, bits, form)| {
        let address = 0xc000_0100 + offset;
        let (first, last, line) = match form {
            0 => (address, address, Ipv4Addr::from(address).to_string()),
            1 => {
                let host = u32::MAX.checked_shr(bits).unwrap_or(0);
                (address & !host, address | host, format!("{}/{bits}", Ipv4Addr::from(address)))
            }
            2 => {
                let (first, last) = (Ipv4Addr::from(address), Ipv4Addr::from(address + length));
                (address, address + length, format!("{first} - {last}"))
            }
            _ => (address, address, format!("::ffff:{}", Ipv4Addr::from(address))),
        };
        Entry { is_v6: false, first: first.into(), last: last.into(), line }
    })
}

fn v6() -> impl Strategy<Value = Entry> {
    let base = u128::from("2001:db8::".parse::<Ipv6Addr>().unwrap());
    let near = (0_u128..8, prop_oneof![0_u128..20, Just(u128::from(u64::MAX))]);
    (near, 0_u128..30, 60_u32..=128, 0..3).prop_map(move |((network, host), length, bits, form)| {
        let address = base + (network << 64) + host;
        let (first, last, line) = match form {
            0 => (address, address, Ipv6Addr::from(address).to_string()),
            1 => {
                let host = u128::MAX.checked_shr(bits).unwrap_or(0);
                (address & !host, address | host, format!("{}/{bits}", Ipv6Addr::from(address)))
            }
            _ => {
                let (first, last) = (Ipv6Addr::from(address), Ipv6Addr::from(address + length));
                (address, address + length, format!("{first}-{last}"))
            }
        };
        Entry { is_v6: true, first, last, line }
    })
}

fn address(is_v6: bool, number: u128) -> Option<IpAddr> {
    if is_v6 {
        Some(Ipv6Addr::from(number).into())
    } else {
        Some(Ipv4Addr::from(u32::try_from(number).ok()?).into())
    }
}

proptest! {
    #[test]
    fn a_lookup_finds_what_a_walk_over_all_entries_finds(
        entries in proptest::collection::vec(prop_oneof![v4(), v6()], 1..60)
    ) {
        let text: String = entries.iter().map(|entry| format!("{}\n", entry.line)).collect();
        let (list, report) = read_list(text.as_bytes(), FeedFormat::Auto, Limits::default()).unwrap();
        prop_assert_eq!(report.broken, 0);
        prop_assert_eq!(report.entries, entries.len() as u64);
        for entry in &entries {
            let ends = [entry.first, entry.last];
            let around = ends.iter().flat_map(|end| [end.saturating_sub(1), *end, end.saturating_add(1)]);
            for number in around.chain([entry.first / 2 + entry.last / 2]) {
                let Some(address) = address(entry.is_v6, number) else { continue };
                let model = entries.iter().any(|other| {
                    other.is_v6 == entry.is_v6 && other.first <= number && number <= other.last
                });
                prop_assert_eq!(list.has_address(address), model, "{} of {}", address, text);
            }
        }
    }

    #[test]
    fn no_bytes_are_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        for format in [FeedFormat::Auto, FeedFormat::Addresses, FeedFormat::Ja4, FeedFormat::Asns] {
            let _ = read_list(&bytes[..], format, Limits::default());
        }
    }
}
