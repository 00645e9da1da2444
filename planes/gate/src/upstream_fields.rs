//! What goes to an upstream in a request's head.

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, SEC_WEBSOCKET_EXTENSIONS, TE,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_wire::http_rules::{forwarded_or_hop_by_hop, named_by_connection};

use crate::exchange::Exchange;

/// The caller's header fields but for those that speak of the way, and our own words about it.
pub struct UpstreamFields<'a> {
    exchange: &'a Exchange,
    from: &'a HeaderMap,
    /// What the caller's `Connection` names, besides.
    connection: Vec<&'a [u8]>,
    pub upgrade: bool,
}

impl<'a> UpstreamFields<'a> {
    pub fn of(exchange: &'a Exchange, from: &'a HeaderMap, upgrade: bool) -> Self {
        let options = from.get_all(CONNECTION).iter().map(HeaderValue::as_bytes);
        // The usual values name nothing.
        let naming = |options: &&[u8]| !matches!(*options, b"keep-alive" | b"Keep-Alive" | b"close");
        Self { exchange, from, connection: options.filter(naming).collect(), upgrade }
    }

    fn metered(&self) -> bool {
        self.exchange.permit.route().facts.metered
    }

    /// Fields of the caller's that go on. A cookie in pieces is another matter: see [`cookie`].
    pub fn passed(&self) -> impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)> {
        let metered = self.metered();
        self.from.iter().filter(move |(name, _)| {
            let stays = match **name {
                HOST | CONTENT_LENGTH | EXPECT | COOKIE => true,
                ACCEPT_ENCODING => metered,
                // What an extension does to frames, nobody could count.
                SEC_WEBSOCKET_EXTENSIONS => metered && self.upgrade,
                _ => {
                    forwarded_or_hop_by_hop(name.as_str())
                        || self.connection.iter().any(|options| named_by_connection(options, name.as_str()))
                }
            };
            !stays
        })
    }

    /// The gate's own fields.
    pub fn own(&self) -> impl Iterator<Item = (&'static str, &'a [u8])> {
        let client = self.exchange.permit.client();
        // Not `gzip`, though it could be counted: packing and unpacking costs both sides more than the
        // wire between them saves, and a client that could choose the coding of a body that is counted
        // by its bytes would choose the one with the most records for each.
        let encoding = self.metered().then_some(("accept-encoding", b"identity".as_slice()));
        let ours = [
            ("portcullis-decision", self.exchange.id_text()),
            ("portcullis-vendor", client.integration.vendor_name.as_str()),
            ("portcullis-integration", client.integration.name.as_str()),
            ("portcullis-client", client.name.as_str()),
            ("portcullis-verdict", self.exchange.verdict.as_str()),
        ];
        let token = &self.exchange.caller.token;
        let binding = token.is_unbound().then_some(("portcullis-binding", token.binding().as_bytes()));
        let score = self.exchange.score().map(|score| ("portcullis-score", score.as_bytes()));
        encoding
            .into_iter()
            .chain(binding)
            .chain(score)
            .chain(ours.map(|(name, value)| (name, value.as_bytes())))
    }

    /// The caller's cookie as one line: HTTP/2 may send it in pieces (RFC 9113, 8.2.3).
    pub fn cookie(&self) -> Option<HeaderValue> {
        let mut pieces = self.from.get_all(COOKIE).iter();
        let first = pieces.next()?;
        let mut joined = first.as_bytes().to_vec();
        for piece in pieces {
            joined.extend_from_slice(b"; ");
            joined.extend_from_slice(piece.as_bytes());
        }
        HeaderValue::from_maybe_shared(Bytes::from(joined)).ok()
    }

    /// All of them, for HTTP/2.
    pub fn to_map(&self) -> HeaderMap {
        let mut fields = HeaderMap::with_capacity(self.from.len() + 8);
        for (name, value) in self.passed() {
            fields.append(name, value.clone());
        }
        for (name, value) in self.own() {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                fields.insert(HeaderName::from_static(name), value);
            }
        }
        if takes_trailers(self.from) {
            fields.insert(TE, HeaderValue::from_static("trailers"));
        }
        fields.extend(self.cookie().map(|cookie| (COOKIE, cookie)));
        fields
    }
}

/// Whether the client says that it reads trailers; gRPC servers want to hear it.
fn takes_trailers(headers: &HeaderMap) -> bool {
    headers.get_all(TE).iter().any(|value| value.as_bytes().eq_ignore_ascii_case(b"trailers"))
}
