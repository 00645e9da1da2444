//! Kind `Upstream`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The server behind one or more routes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSpec {
    /// `http://HOST:PORT` or `https://HOST:PORT`, without a path.
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    #[serde(default, skip_serializing_if = "UpstreamProtocol::is_http1")]
    pub protocol: UpstreamProtocol,
    #[serde(default = "connect_seconds")]
    #[schemars(range(min = 1, max = 60))]
    pub connect_seconds: u32,
}

fn connect_seconds() -> u32 {
    5
}

/// What is spoken with the upstream.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamProtocol {
    #[default]
    Http1,
    /// HTTP/2, which gRPC needs: by ALPN over TLS, with prior knowledge without.
    Http2,
}

impl UpstreamProtocol {
    fn is_http1(&self) -> bool {
        *self == Self::Http1
    }
}

/// How the gate proves itself to the upstream, and whom it trusts there.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTls {
    /// PEM of the authority that signed the upstream's certificate; without it, the gate's own CA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_authority: Option<String>,
    /// Name of an identity in the gate's folder (`identities/NAME.crt`, `identities/NAME.key`): mutual TLS.
    /// Private keys never enter the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}
