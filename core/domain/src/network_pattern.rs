//! Networks as manifests name them: a prefix (RFC 4632) or the number of an autonomous system.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// `192.0.2.0/24`, `2001:db8::/32` or `AS64500`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NetworkPattern {
    Prefix { first: IpAddr, bits: u8 },
    System(u32),
}

/// Why a text names no network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NetworkPatternError {
    #[error("it is neither a prefix nor the number of an autonomous system")]
    Form,
    #[error("a prefix of such addresses has at most {most} bits")]
    Bits { most: u8 },
    #[error("bits behind the prefix are set: the network is `{0}`")]
    HostBits(NetworkPattern),
}

impl NetworkPattern {
    /// Whether an address, of an autonomous system if that is known, lies in it.
    #[must_use]
    pub fn holds(self, address: IpAddr, system: Option<u32>) -> bool {
        match self {
            Self::System(number) => system == Some(number),
            Self::Prefix { first, bits } => {
                let address = address.to_canonical();
                address.is_ipv4() == first.is_ipv4() && masked(address, bits) == first
            }
        }
    }

    /// Whether it takes a database to know.
    #[must_use]
    pub fn is_system(self) -> bool {
        matches!(self, Self::System(_))
    }
}

impl FromStr for NetworkPattern {
    type Err = NetworkPatternError;

    fn from_str(text: &str) -> Result<Self, NetworkPatternError> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(number) = text.strip_prefix("AS") {
            let number = Some(number).filter(|number| digits(number) && !number.starts_with('0'));
            let number = number.and_then(|number| number.parse().ok());
            return number.map(Self::System).ok_or(NetworkPatternError::Form);
        }
        let (address, bits) = text.split_once('/').ok_or(NetworkPatternError::Form)?;
        let address: IpAddr = address.parse().map_err(|_| NetworkPatternError::Form)?;
        if !digits(bits) {
            return Err(NetworkPatternError::Form);
        }
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse().ok().filter(|bits| *bits <= most);
        let bits = bits.ok_or(NetworkPatternError::Bits { most })?;
        // Addresses are compared in their own family: this one would hold none.
        if address.to_canonical() != address {
            return Err(NetworkPatternError::Form);
        }
        let first = masked(address, bits);
        let pattern = Self::Prefix { first, bits };
        if first == address { Ok(pattern) } else { Err(NetworkPatternError::HostBits(pattern)) }
    }
}

impl fmt::Display for NetworkPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix { first, bits } => write!(f, "{first}/{bits}"),
            Self::System(number) => write!(f, "AS{number}"),
        }
    }
}

/// The first `bits` of an address; more than it has are all of it.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits.into())).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits.into())).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_a_network() {
        for text in ["192.0.2.0/24", "0.0.0.0/0", "192.0.2.7/32", "2001:db8::/32", "::/0", "AS64500", "AS1"] {
            assert_eq!(
                text.parse::<NetworkPattern>().map(|network| network.to_string()),
                Ok(text.to_owned())
            );
        }
        let form = NetworkPatternError::Form;
        let table = [
            ("", form),
            ("AS", form),
            ("AS01", form),
            ("as64500", form),
            ("AS4294967296", form),
            ("64500", form),
            ("192.0.2.0", form),
            ("192.0.2/24", form),
            ("192.0.2.0/", form),
            ("192.0.2.0/+4", form),
            ("::ffff:192.0.2.0/120", form),
            ("192.0.2.0/33", NetworkPatternError::Bits { most: 32 }),
            ("2001:db8::/129", NetworkPatternError::Bits { most: 128 }),
            ("192.0.2.1/24", NetworkPatternError::HostBits("192.0.2.0/24".parse().unwrap())),
        ];
        for (text, expect) in table {
            assert_eq!(text.parse::<NetworkPattern>(), Err(expect), "{text}");
        }
    }

    #[test]
    fn an_address_lies_in_a_network_or_not() {
        let check = |network: &str, address: &str, system: Option<u32>, expect: bool| {
            let network: NetworkPattern = network.parse().unwrap();
            assert_eq!(network.holds(address.parse().unwrap(), system), expect, "{network} {address}");
        };
        check("192.0.2.0/24", "192.0.2.255", None, true);
        check("192.0.2.0/24", "192.0.3.0", None, false);
        check("192.0.2.0/24", "::ffff:192.0.2.9", None, true);
        check("0.0.0.0/0", "::1", None, false);
        check("::/0", "192.0.2.1", None, false);
        check("2001:db8::/32", "2001:db8:1::1", None, true);
        check("AS64500", "192.0.2.1", Some(64_500), true);
        check("AS64500", "192.0.2.1", Some(64_501), false);
        check("AS64500", "192.0.2.1", None, false);
    }

    proptest! {
        /// Bit by bit, as RFC 4632 says it.
        #[test]
        fn a_prefix_holds_what_begins_with_it(first: u32, other: u32, bits in 0_u8..=32) {
            let address = IpAddr::from(Ipv4Addr::from_bits(first));
            let network = NetworkPattern::Prefix { first: masked(address, bits), bits };
            let other_address = Ipv4Addr::from_bits(other).into();
            let same = (0..bits).all(|bit| (first ^ other) >> (31 - bit) & 1 == 0);
            prop_assert_eq!(network.holds(other_address, None), same);
            prop_assert!(network.holds(address, None));
            prop_assert_eq!(network.to_string().parse(), Ok(network));
        }
    }
}
