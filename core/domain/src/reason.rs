//! Reason codes: why the gate or the authorization server refused, in one table.
//!
//! Codes are `lower_snake` and stable. The reference page is written from this table
//! (`portcullis reasons --markdown`), and so are the titles of problem documents.

use portcullis_assurance::Access;
use portcullis_assurance::stops::Stop;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who can put it right.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fixer {
    /// The developer of the vendor's machine.
    VendorDeveloper,
    /// Our operators, on the vendor's request.
    Operator,
    /// The team of the upstream.
    UpstreamTeam,
    /// Nobody: wait and try again.
    Time,
}

macro_rules! reasons {
    ($($variant:ident $code:literal $status:literal $fixer:ident $title:literal $how:literal;)+) => {
        /// Why something was refused or cut.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Reason { $(#[doc = $title] $variant,)+ }

        impl Reason {
            /// Every reason, in the table's order.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)+];

            /// The stable code.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The HTTP status it is answered with, when nothing was answered yet.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// What it means, as a short sentence without full stop.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            #[must_use]
            pub fn fixer(self) -> Fixer {
                match self { $(Self::$variant => Fixer::$fixer,)+ }
            }

            /// What to do about it.
            #[must_use]
            pub fn how(self) -> &'static str {
                match self { $(Self::$variant => $how,)+ }
            }
        }
    };
}

reasons! {
    Allowed "allowed" 200 Time "the request passed" "nothing to do";
    HeadAmbiguous "head_ambiguous" 400 VendorDeveloper "the request's head can be read in more than one way" "send one Host, at most one Content-Length, never Content-Length with Transfer-Encoding, and HTTP/1.1 or HTTP/2";
    HeadTooLarge "head_too_large" 431 VendorDeveloper "the request's head is larger than the gate takes" "send at most 100 header fields, 32 KiB together, and 8 KiB of path and query";
    PathNotCanonical "path_not_canonical" 400 VendorDeveloper "the path is not in canonical form" "send the path without empty, `.` or `..` segments, backslashes or encoded slashes";
    RequestTooLarge "request_too_large" 413 VendorDeveloper "the request's body is larger than the route takes" "send less at once, or ask our operators for the route's limit";
    RequestTooSlow "request_too_slow" 408 VendorDeveloper "the request did not arrive in time" "send the whole request without pauses";
    RouteUnknown "route_unknown" 404 VendorDeveloper "no route has this path" "compare the path with the routes of your integration";
    MethodNotAllowed "method_not_allowed" 405 VendorDeveloper "the route does not take this method" "use a method that the Allow header names";
    Misdirected "misdirected" 421 VendorDeveloper "this connection belongs to another client" "open a connection of your own for each client";
    TokenMissing "token_missing" 401 VendorDeveloper "no access token was sent" "get a token at the token endpoint and send it in Authorization";
    TokenMalformed "token_malformed" 401 VendorDeveloper "the access token can't be read" "send the token exactly as the token endpoint gave it";
    TokenSignature "token_signature" 401 VendorDeveloper "the access token was not signed by this issuer" "get a token from the issuer that this gate names";
    TokenExpired "token_expired" 401 VendorDeveloper "the access token has expired" "get a new token";
    TokenAudience "token_audience" 401 VendorDeveloper "the access token is for another resource" "ask for a token with the `resource` you call";
    TokenRevoked "token_revoked" 401 VendorDeveloper "the access token was revoked" "get a new token";
    TokenSuperseded "token_superseded" 401 VendorDeveloper "the access token is older than the last severance or restoration" "get a new token";
    ClientUnknown "client_unknown" 401 Operator "the client of this token is not registered any more" "ask our operators to enroll the client again";
    SchemeWrong "scheme_wrong" 401 VendorDeveloper "the token was sent under the wrong authorization scheme" "send DPoP-bound tokens as `DPoP TOKEN` and certificate-bound ones as `Bearer TOKEN`";
    ProofMissing "proof_missing" 401 VendorDeveloper "the token is bound to a key, and no proof of it was sent" "send a DPoP header with a fresh proof (RFC 9449)";
    ProofMalformed "proof_malformed" 401 VendorDeveloper "the DPoP proof can't be read" "send one compact JWS of type dpop+jwt with a public key in its header";
    ProofSignature "proof_signature" 401 VendorDeveloper "the DPoP proof's signature is not good" "sign with the private key of the proof's `jwk`";
    ProofKey "proof_key" 401 VendorDeveloper "the DPoP proof is by another key than the token is bound to" "sign with the key that the token was asked with";
    ProofMethod "proof_method" 401 VendorDeveloper "the DPoP proof is for another method" "set `htm` to the request's method";
    ProofUrl "proof_url" 401 VendorDeveloper "the DPoP proof is for another address" "set `htu` to the gate's public address with the path, without query";
    ProofTime "proof_time" 401 VendorDeveloper "the DPoP proof's time is too far from ours" "set your clock, and make a proof for each request";
    ProofTokenHash "proof_token_hash" 401 VendorDeveloper "the DPoP proof is for another access token" "set `ath` to the hash of the token that is sent";
    ProofNonce "proof_nonce" 401 VendorDeveloper "the DPoP proof lacks the gate's current nonce" "sign again with the nonce of the DPoP-Nonce header";
    ProofReplayed "proof_replayed" 401 VendorDeveloper "the DPoP proof was used before" "make a new proof, with a new `jti`, for each request";
    ReplayStoreFull "replay_store_full" 503 Time "too many proofs in too short a time to remember" "try again in a few seconds";
    CertificateMissing "certificate_missing" 401 VendorDeveloper "the token is bound to a certificate, and the connection has none" "connect with the client certificate that the token was asked with";
    CertificateWrong "certificate_wrong" 401 VendorDeveloper "the connection's certificate is not the one that the token is bound to" "connect with the client certificate that the token was asked with";
    ClientAuthentication "client_authentication" 401 VendorDeveloper "the client did not prove who it is at the token endpoint" "check `client_id`, the assertion or certificate, and that it is registered";
    TokenRequest "token_request" 400 VendorDeveloper "the request to the authorization server can't be granted as it stands" "the answer's `error_description` and `hint` say what to change";
    VendorSevered "vendor_severed" 403 Operator "every path of this vendor is closed" "call the contact of our company that your contract names";
    IntegrationSevered "integration_severed" 403 Operator "every path of this integration is closed" "call the contact of our company that your contract names";
    ClientSevered "client_severed" 403 Operator "every path of this client is closed" "call the contact of our company that your contract names";
    KeySevered "key_severed" 403 Operator "this client key is closed" "call the contact of our company that your contract names";
    SessionSevered "session_severed" 403 Operator "this client key is closed in this context" "call the contact of our company that your contract names";
    ContractNotInForce "contract_not_in_force" 403 Operator "no contract is in force" "renew the contract, or wait for its first day";
    GrantEnded "grant_ended" 403 Operator "the integration's grant has ended" "ask our operators to extend the integration";
    RouteNotGranted "route_not_granted" 403 Operator "the integration is not granted this route" "ask our operators for the route, if the contract covers it";
    ScopeInsufficient "scope_insufficient" 403 VendorDeveloper "the token lacks the route's scope" "ask for a token with the scope that WWW-Authenticate names";
    RequestsLimit "requests_limit" 429 Time "too many requests in too short a time" "wait as long as Retry-After says";
    BytesLimit "bytes_limit" 429 Time "too many bytes in too short a time" "wait as long as Retry-After says";
    ConcurrencyLimit "concurrency_limit" 429 Time "too many requests at the same time" "wait for answers before sending more";
    RecordsLimit "records_limit" 429 Time "the records allowed for this time are spent" "wait as long as Retry-After says, and ask for smaller pages";
    RecordsCut "records_cut" 403 Operator "the response was cut because it passed the records limit" "ask for smaller pages; an operator must restore the key";
    BodyNotCountable "body_not_countable" 502 UpstreamTeam "the response's records can't be counted" "answer this route with JSON, NDJSON, CSV, an event stream or gRPC, whole, plain or in gzip that expands at most 100 to 1; or set the route's `record_bytes`";
    UpstreamUnreachable "upstream_unreachable" 502 UpstreamTeam "the service behind the gate can't be reached" "try again later; our operators see it too";
    UpstreamTimeout "upstream_timeout" 504 UpstreamTeam "the service behind the gate did not answer in time" "try again later; our operators see it too";
    UpstreamFailed "upstream_failed" 502 UpstreamTeam "the service behind the gate broke off or answered nonsense" "try again later; our operators see it too";
    DecisionLogUnavailable "decision_log_unavailable" 503 Operator "decisions can't be recorded, so nothing passes" "try again later; our operators must make room";
    NotReady "not_ready" 503 Time "the gate has no snapshot yet" "try again in a few seconds";
    GateStopping "gate_stopping" 503 Time "the gate is being stopped or replaced" "connect again";
    ControlUnreachable "control_unreachable" 503 Time "the authorization server can't be reached" "try again in a few seconds";
    WebsocketMalformed "websocket_malformed" 400 VendorDeveloper "a WebSocket frame breaks the protocol" "send frames by RFC 6455, masked, without extensions";
    WebsocketNotAllowed "websocket_not_allowed" 403 Operator "the route takes no WebSocket connections" "ask our operators whether the route is meant for WebSocket; ordinary requests may pass";
    DeadlinePassed "deadline_passed" 504 VendorDeveloper "the deadline that the client set has passed" "set a longer `grpc-timeout`, or ask for less";
    HandshakeRate "handshake_rate" 429 Time "too many connections from this network in too short a time" "keep connections open and use them again, or wait a second";
    StrangersLimit "strangers_limit" 429 VendorDeveloper "too many connections from this network on which nobody has identified" "open connections when there is a request to send, and close those that are not used";
    HandshakeFailed "handshake_failed" 400 VendorDeveloper "the TLS handshake failed" "speak TLS 1.3 (or 1.2, where our operators allow it), and trust the gate's certificate";
    HandshakeSlow "handshake_slow" 408 VendorDeveloper "the TLS handshake was not complete in time" "begin the handshake as soon as the connection is open";
    ProxyHeader "proxy_header" 400 Operator "the connection lacks the PROXY protocol header of a balancer that is listed" "have the balancer send PROXY protocol version 1 or 2, and list its network in the gate's settings";
    Http2Flood "http2_flood" 429 VendorDeveloper "the HTTP/2 connection made more work than its requests need" "don't reset, ping or change settings over and over; send headers in few frames";
    ClientKeyEnded "client_key_ended" 401 VendorDeveloper "the client key was replaced, and its time is over" "use the key that replaced it; without one, ask our operators for a new enrolment";
    ClientKeyLapsed "client_key_lapsed" 401 VendorDeveloper "the client key has reached its maximum age" "ask our operators for a new enrolment, and register the next key before this one lapses";
    ClientKeyTheft "client_key_theft" 403 Operator "a client key that had been replaced tried to register another one, so two hold it" "call the contact of our company that your contract names: the client is closed until it is enrolled again";
    EnrolmentNotOpen "enrolment_not_open" 400 Operator "the enrolment is not open" "ask our operators for a new link: they are good once, and for a short time";
    EnrolmentReused "enrolment_reused" 400 Operator "the enrolment was used by another key" "call the contact of our company that your contract names: somebody else may have had the link";
    ClientGone "client_gone" 499 VendorDeveloper "the client went away before the answer was complete" "nothing to do";
    IssuerUnknown "issuer_unknown" 401 Operator "the token is of an issuer that isn't known here" "get a token from the issuer that this gate names, or ask our operators to declare your issuer";
    IssuerKeysStale "issuer_keys_stale" 503 Operator "the keys of the token's issuer could not be fetched for too long" "make sure that the issuer's keys can be reached from our side, and try again";
    IssuerTokenRefused "issuer_token_refused" 401 VendorDeveloper "the issuer's token is not one that is taken here" "the answer's `detail` says what to change at the issuer";
    IssuerClientUnmapped "issuer_client_unmapped" 401 Operator "the token, or the certificate, is of no client that is mapped here" "ask our operators to map the client by the claims of its tokens, or by its SPIFFE ID";
    TokenUnbound "token_unbound" 401 VendorDeveloper "the token is bound to no key and to no certificate" "have your issuer bind it to your DPoP key (`cnf.jkt`) or certificate (`cnf.x5t#S256`)";
    CertificateUntrusted "certificate_untrusted" 401 VendorDeveloper "the connection's certificate is not one of a trust domain that is known here" "connect with a current X.509-SVID and its intermediates, or send a token";
    PostureRefused "posture_refused" 400 VendorDeveloper "the statement about the client's machine is not good" "make a new one with `portcullis attest`, signed by a registered key, and set the clock";
    PostureReplayed "posture_replayed" 400 VendorDeveloper "the statement about the client's machine was sent before" "make a new statement, with a new `jti`, each time; if you didn't send it twice, somebody else has it";
    ChallengeNewContext "challenge_new_context" 401 VendorDeveloper "this client was not seen before with this TLS client and network" "sign a new proof with the nonce of the DPoP-Nonce header, or open a new connection, as WWW-Authenticate says";
    ChallengeListed "challenge_listed" 401 VendorDeveloper "the address or the TLS client is on a list of bad reputation" "show again that you hold your key, as WWW-Authenticate says; then tell our operators whose network it is";
    ChallengeRisk "challenge_risk" 401 VendorDeveloper "the request is unusual for this client" "show again that you hold your key, as WWW-Authenticate says";
    ChallengeRehearsal "challenge_rehearsal" 401 VendorDeveloper "this client has never shown that it can answer when it is asked for its key again" "show again that you hold your key, as WWW-Authenticate says: it is asked once";
    ChallengeFreshNonce "challenge_fresh_nonce" 401 VendorDeveloper "this route wants every request signed with a nonce of its own" "sign a new proof with the nonce of the DPoP-Nonce header: each is good once";
    ChallengeOpen "challenge_open" 401 VendorDeveloper "this client was asked to show that it holds its key, and has not answered yet" "show again that you hold your key, as WWW-Authenticate says, within ten seconds";
    ChallengeFailed "challenge_failed" 403 Operator "the question for the key was answered wrongly or not at all, and this client key is closed in this context" "call the contact of our company that your contract names";
    RiskDenied "risk_denied" 403 Operator "the request is far from what this client does" "if it is meant, tell our operators before you try again";
    RiskSevered "risk_severed" 403 Operator "what this client does here is far from what it does, and its key is closed in this context" "call the contact of our company that your contract names";
    RecordsNarrowed "records_narrowed" 403 Time "the response was cut because this context has a tenth of its client's records for now" "ask for smaller pages; in a new context the tenth ends after a day, or by our operators' word";
    CeilingRecords "ceiling_records" 429 Time "the records that the contract allows on one day are spent" "wait until the next day begins (00:00 UTC), or ask our operators whether the contract allows more";
    CeilingRoute "ceiling_route" 403 Operator "the contract doesn't allow this route" "use the routes that the contract names, or ask our operators";
    CeilingCountry "ceiling_country" 403 Operator "the contract doesn't allow calls from this country" "call from a country that the contract names, or ask our operators";
    CeilingCountryUnknown "ceiling_country_unknown" 403 Operator "the contract names countries, and there is no data that says which one this address lies in" "tell our operators the address: their database of countries is missing, or doesn't know it";
    CeilingNetwork "ceiling_network" 403 Operator "the contract doesn't allow calls from this network" "call from a network that the contract names, or ask our operators";
    CeilingNetworkUnknown "ceiling_network_unknown" 403 Operator "the contract names autonomous systems, and there is no data that says which one this address belongs to" "tell our operators the address: their database of autonomous systems is missing, or doesn't know it";
    VendorLimited "vendor_limited" 403 Operator "the vendor has a tenth of its records for now" "ask for smaller pages; our operators know why, and when it ends";
    VendorHeld "vendor_held" 403 Operator "the vendor is held: no request passes, and no token is given" "call the contact of our company that your contract names";
    VendorBlocked "vendor_blocked" 403 Operator "the vendor is blocked: no request passes, and its tokens are dead" "call the contact of our company that your contract names";
    StopSanctions "stop_sanctions" 403 Operator "the vendor matches an entry of a list of sanctions" "compare the two, and clear or confirm the match; the vendor is told only that it is held or blocked";
    StopEntity "stop_entity" 403 Operator "the vendor's legal entity is not in order" "the answer's `detail` says what a register has said, and what mends it";
    StopSigner "stop_signer" 403 Operator "somebody signed the contract who may not" "check the entity's officers, authorise the signer by a paper, or have an officer sign; the vendor is told only that it is held";
    StopVulnerability "stop_vulnerability" 403 Operator "a critical vulnerability has been open for too long" "the answer's `detail` names it with its age: mend it and show that, or state why you aren't affected (VEX)";
    StopContract "stop_contract" 403 Operator "no contract with the vendor is in force" "renew the contract, or wait for its first day";
    StopClause "stop_clause" 403 Operator "the contract lacks a clause that it must have" "agree on the clause that the answer's `detail` names in an amendment";
    StopOpinion "stop_opinion" 403 Operator "an auditor has given an adverse opinion, or none" "mend what the auditor found, and show a newer report";
    StopBreachNotice "stop_breach_notice" 403 Operator "a breach was told later than 24 hours after the vendor knew of it" "call the contact of our company that your contract names: the breach must be closed";
    StopIntegrity "stop_integrity" 403 Operator "a document or its signature is not what it was" "show the true document again";
    StopUndeclaredData "stop_undeclared_data" 403 Operator "personal data was seen that no inventory declares" "declare the class of data that the answer's `detail` names, or stop asking for it";
    StopExit "stop_exit" 403 Operator "nobody has tried to leave the vendor, or to do without it" "show a recovery test that tried the exit or the backup";
    StopVulnerabilityEvidence "stop_vulnerability_evidence" 403 Operator "there is no evidence in force that somebody looks for vulnerabilities" "show a penetration test, an attested scan or a SOC 2 report of type II with tests of vulnerability management";
    StopAdmission "stop_admission" 403 Operator "the vendor is not admitted" "our operators must approve what the answer's `detail` names";
    StopPenetrationTestRefused "stop_penetration_test_refused" 403 Operator "the vendor refused to show the summary of a penetration test" "show the summary after all";
    StopRelation "stop_relation" 403 Operator "the vendor matches one that was severed, off-boarded or breached" "find out whether they are the same people, and clear the match if not; the vendor is told only that it is held";
    ClauseTls "clause_tls" 403 VendorDeveloper "the contract wants a newer version of TLS" "connect with TLS 1.3";
    ClauseCountry "clause_country" 403 Operator "a clause of the contract doesn't allow calls from this country" "call from a country that the clause names, or ask our operators to amend the contract";
    TunnelForeign "tunnel_foreign" 403 Operator "the request came through another vendor's tunnel" "connect through your own tunnel, or from your own network; if you do, call the contact of our company that your contract names: somebody else may hold your credentials";
    WrongDoor "wrong_door" 403 VendorDeveloper "the integration is served at another port of the gate" "connect to the port that the answer's `detail` names";
}

impl Reason {
    /// What a hard stop is called in decisions. Not all of them are told to vendors: see [`Stop::is_told_to_vendor`].
    #[must_use]
    pub fn of_stop(stop: Stop) -> Self {
        match stop {
            Stop::Sanctions => Self::StopSanctions,
            Stop::Entity => Self::StopEntity,
            Stop::Signer => Self::StopSigner,
            Stop::Vulnerability => Self::StopVulnerability,
            Stop::Contract => Self::StopContract,
            Stop::Clause => Self::StopClause,
            Stop::Opinion => Self::StopOpinion,
            Stop::BreachNotice => Self::StopBreachNotice,
            Stop::Integrity => Self::StopIntegrity,
            Stop::UndeclaredData => Self::StopUndeclaredData,
            Stop::Exit => Self::StopExit,
            Stop::VulnerabilityEvidence => Self::StopVulnerabilityEvidence,
            Stop::Admission => Self::StopAdmission,
            Stop::PenetrationTestRefused => Self::StopPenetrationTestRefused,
            Stop::Relation => Self::StopRelation,
        }
    }

    /// The hard stop that it names, if it does.
    #[must_use]
    pub fn stop(self) -> Option<Stop> {
        Stop::ALL.into_iter().find(|stop| Self::of_stop(*stop) == self)
    }

    /// What a vendor is told that has less than it was granted, and not why.
    #[must_use]
    pub fn of_access(level: Access) -> Self {
        match level {
            Access::Clear => Self::Allowed,
            Access::Limited => Self::VendorLimited,
            Access::Held => Self::VendorHeld,
            Access::Blocked => Self::VendorBlocked,
        }
    }

    /// Whether an operator, or the gate itself, has closed the caller.
    #[must_use]
    pub fn is_severance(self) -> bool {
        matches!(
            self,
            Self::VendorSevered
                | Self::IntegrationSevered
                | Self::ClientSevered
                | Self::KeySevered
                | Self::SessionSevered
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_stable_and_complete() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            // The code is what serialization says, so that the table and the wire can't differ.
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
            assert!(!reason.title().ends_with('.') && !reason.how().is_empty());
        }
        for stop in Stop::ALL {
            let reason = Reason::of_stop(stop);
            assert_eq!(reason.code(), format!("stop_{}", stop.name()));
            assert_eq!((reason.stop(), reason.status()), (Some(stop), 403));
        }
        assert_eq!(Reason::VendorHeld.stop(), None);
    }
}
