//! Every signal, with its family, its public code and one sentence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a signal is about; each can be switched by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    Identity,
    Behaviour,
    Origin,
    Tls,
    Posture,
    Vendor,
}

impl Family {
    pub const ALL: &'static [Self] =
        &[Self::Identity, Self::Behaviour, Self::Origin, Self::Tls, Self::Posture, Self::Vendor];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Behaviour => "behaviour",
            Self::Origin => "origin",
            Self::Tls => "tls",
            Self::Posture => "posture",
            Self::Vendor => "vendor",
        }
    }
}

macro_rules! signals {
    ($($variant:ident $code:literal $family:ident $sentence:literal;)+) => {
        /// What a part of a score is about. New ones go at the end: records name them by their place.
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Signal { $(#[doc = $sentence] $variant,)+ }

        impl Signal {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The public, stable code; vendors see this and no more.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            #[must_use]
            pub fn family(self) -> Family {
                match self { $(Self::$variant => Family::$family,)+ }
            }

            /// What it says, without full stop.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }
        }
    };
}

signals! {
    VendorPrior "vendor_risk" Vendor "what the vendor's own assessment says";
    Carried "evidence_carried" Behaviour "evidence that earlier exchanges of this context left";
    Cap "evidence_cap" Behaviour "one exchange counts no more than this";
    Floor "evidence_floor" Behaviour "evidence never falls below zero";
    TokenAge "token_age" Identity "the token is unusually old for this client";
    KeyAge "key_age" Identity "the client's key was registered only lately, or long ago";
    TokenUnbound "token_unbound" Identity "whoever holds the token may use it";
    IssuedElsewhere "token_issued_elsewhere" Identity "the token was issued in another context than it is used in";
    KeyNew "key_new" Identity "the client has not used this key before";
    RotationOverdue "key_rotation_overdue" Identity "the client's key should have been replaced by now";
    Endpoint "unusual_endpoint" Behaviour "this endpoint, after the one before";
    RequestSize "unusual_request_size" Behaviour "the size of the request, for this endpoint";
    Gap "unusual_gap" Behaviour "the time since the request before";
    Hour "unusual_hour" Behaviour "the hour of the week";
    RequestsSecond "unusual_request_rate_second" Behaviour "requests in a second";
    RequestsMinute "unusual_request_rate_minute" Behaviour "requests in a minute";
    RequestsHour "unusual_request_rate_hour" Behaviour "requests in an hour";
    Status "unusual_status" Behaviour "the status of the response, for this endpoint";
    RecordSize "unusual_record_size" Behaviour "the bytes of a record, for this endpoint";
    Records "unusual_records" Behaviour "the records of a response, for this endpoint";
    RecordsSecond "unusual_record_rate_second" Behaviour "records in a second";
    RecordsMinute "unusual_record_rate_minute" Behaviour "records in a minute";
    RecordsHour "unusual_record_rate_hour" Behaviour "records in an hour";
    Objects "enumeration" Behaviour "how many different objects are asked for";
    Network "unusual_network" Origin "the country, network and prefix that it comes from";
    AddressListed "address_listed" Origin "a feed of bad reputation names the address";
    Tor "tor_exit" Origin "the address is an exit of the Tor network";
    Hosting "hosting_network" Origin "the address is of a network of machines for rent";
    Movement "impossible_movement" Origin "it can't have moved that far in that time";
    Ja4 "unusual_tls_client" Tls "the TLS client, by its fingerprint";
    Ja4Listed "tls_client_listed" Tls "a feed of bad reputation names the TLS client";
    Ja4Misfit "tls_client_misfit" Tls "the TLS client isn't of the kind that was declared";
    AlpnOdd "alpn_odd" Tls "the protocols that the TLS client offers";
    SniOdd "sni_odd" Tls "the server name that the TLS client asks for";
    Posture "machine_posture" Posture "what the client's machine says about itself";
    Split "context_split" Identity "two contexts of this client are at work at the same time";
    ClockBack "clock_backwards" Behaviour "the clock stands before an earlier exchange: it counts as that moment";
    Proved "evidence_proved" Behaviour "the request was proved afresh: it counts only against a stolen key";
    Outside "packets_outside" Origin "packets from the vendor's networks were dropped: outside the network plan, or while it was closed";
}

impl Signal {
    /// It counts as evidence, which is carried on; else as a prior, which is added each time.
    #[must_use]
    pub fn is_evidence(self) -> bool {
        let learnt = |signal: &crate::learnt::Learnt| signal.signal() == self;
        matches!(self, Self::Carried | Self::Cap | Self::Floor | Self::Proved)
            || crate::learnt::ALL.iter().any(learnt)
    }

    /// Its value is an amount of which less would have been usual.
    #[must_use]
    pub fn is_amount(self) -> bool {
        matches!(
            self,
            Self::RequestSize
                | Self::RecordSize
                | Self::RequestsSecond
                | Self::RequestsMinute
                | Self::RequestsHour
                | Self::Records
                | Self::RecordsSecond
                | Self::RecordsMinute
                | Self::RecordsHour
                | Self::Objects
                | Self::Movement
        )
    }

    /// Whether vendors are told that it weighed: it is about what they do, not about what is thought of them.
    #[must_use]
    pub fn is_public(self) -> bool {
        self.family() != Family::Vendor
            && !matches!(self, Self::Carried | Self::Cap | Self::Floor | Self::Proved)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_each_has_a_sentence() {
        let codes: HashSet<_> = Signal::ALL.iter().map(|signal| signal.code()).collect();
        assert_eq!(codes.len(), Signal::ALL.len());
        for signal in Signal::ALL {
            assert!(!signal.sentence().is_empty() && !signal.sentence().ends_with('.'), "{signal:?}");
        }
    }
}
