//! Where a connection comes from, by whoever holds the databases.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::input::{Known, Missing};

/// What is known of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Origin {
    /// Two upper-case letters of ISO 3166-1.
    pub country: Known<[u8; 2]>,
    /// Autonomous system number.
    pub asn: Known<u32>,
    /// Lists of bad reputation that name it.
    pub listed: Known<Listed>,
    /// Degrees of latitude and longitude, in hundredths; of the country's middle where nothing better is known.
    pub place: Known<(i16, i16)>,
}

/// Kinds of lists, one bit each; three more say which kinds were asked, since what no list is installed for isn't
/// known to be absent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Listed(pub u8);

impl Listed {
    /// A feed of addresses or fingerprints of bad reputation.
    pub const REPUTATION: Self = Self(1);
    /// An exit of the Tor network.
    pub const TOR: Self = Self(2);
    /// A network of machines for rent.
    pub const HOSTING: Self = Self(4);

    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// With the mark that lists of these kinds were asked.
    #[must_use]
    pub fn asked_for(self, kinds: Self) -> Self {
        Self(self.0 | (kinds.0 & 7) << 3)
    }

    /// Whether a list of this kind names it, or that there is no such list.
    #[must_use]
    pub fn says(self, kind: Self) -> Known<bool> {
        if self.has(kind) || self.0 >> 3 & kind.0 != 0 {
            Known::Is(self.has(kind))
        } else {
            Known::NoData(Missing::NoDatabase)
        }
    }
}

/// The databases and feeds in use. Asked once for each connection; answers come from memory.
pub trait OriginSource: Send + Sync {
    fn origin(&self, address: IpAddr) -> Origin;

    /// Lists of fingerprints that name this JA4, as published.
    fn ja4(&self, ja4: &str) -> Known<Listed>;
}

impl Origin {
    /// Of an address about which nothing can be asked.
    pub const UNKNOWN: Self = Self {
        country: Known::NoData(Missing::NoDatabase),
        asn: Known::NoData(Missing::NoDatabase),
        listed: Known::NoData(Missing::NoDatabase),
        place: Known::NoData(Missing::NoDatabase),
    };
}

/// Knows nothing, and says so.
impl OriginSource for () {
    fn origin(&self, _: IpAddr) -> Origin {
        Origin::UNKNOWN
    }

    fn ja4(&self, _: &str) -> Known<Listed> {
        Known::NoData(Missing::NoDatabase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_list_was_asked_for_is_not_known() {
        let listed = Listed::TOR.and(Listed::default()).asked_for(Listed::TOR).asked_for(Listed::HOSTING);
        assert_eq!(listed.says(Listed::TOR), Known::Is(true));
        assert_eq!(listed.says(Listed::HOSTING), Known::Is(false));
        assert_eq!(listed.says(Listed::REPUTATION), Known::NoData(Missing::NoDatabase));
    }
}
