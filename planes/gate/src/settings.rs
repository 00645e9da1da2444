//! How strangers are met: what a gate's listener asks for and puts up with. Replaced whole by a reload.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The reloadable part of a gate's settings. It holds for connections that come after it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GateSettings {
    /// Networks of the balancers in front of the listener. When there are any, they must send a
    /// PROXY protocol header, and connections from elsewhere are closed.
    pub proxy_protocol: Vec<IpNet>,
    pub tls_minimum: TlsMinimum,
    /// For the PROXY header and the TLS handshake together.
    pub handshake_seconds: u32,
    /// From a request's first byte to the end of its head.
    pub head_seconds: u32,
    /// How long a kept connection may be without a request.
    pub idle_seconds: u32,
    /// Handshakes of each /24, or /48 for IPv6.
    pub handshakes: HandshakeRate,
    /// Connections of each /24 or /48 that no client has identified on.
    pub strangers_max: u32,
    pub http2: Http2Settings,
}

/// The oldest TLS version that is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub enum TlsMinimum {
    /// With Extended Master Secret, and ephemeral keys and AEAD suites only (RFC 9325).
    #[serde(rename = "1.2")]
    Tls12,
    #[default]
    #[serde(rename = "1.3")]
    Tls13,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HandshakeRate {
    pub per_second: u32,
    /// As many at once, after a pause.
    pub burst: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http2Settings {
    /// Streams that a connection may have open.
    pub streams_max: u32,
    /// Decoded size of a request's fields.
    pub head_bytes_max: u32,
    /// Bytes of a request's body that may be under way for a stream, and for a connection.
    pub stream_window_bytes: u32,
    pub connection_window_bytes: u32,
    /// Bytes of responses that wait in a stream for the peer to take them.
    pub send_bytes_max: u32,
    /// How often a quiet peer is asked whether it is there; it has as long again to answer.
    pub ping_seconds: u32,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            proxy_protocol: Vec::new(),
            tls_minimum: TlsMinimum::default(),
            handshake_seconds: 10,
            head_seconds: 15,
            idle_seconds: 75,
            handshakes: HandshakeRate::default(),
            strangers_max: 1_000,
            http2: Http2Settings::default(),
        }
    }
}

impl Default for HandshakeRate {
    fn default() -> Self {
        Self { per_second: 500, burst: 1_000 }
    }
}

impl Default for Http2Settings {
    fn default() -> Self {
        Self {
            streams_max: 128,
            head_bytes_max: 32 * 1_024,
            stream_window_bytes: 256 * 1_024,
            connection_window_bytes: 4 * 1_024 * 1_024,
            send_bytes_max: 128 * 1_024,
            ping_seconds: 30,
        }
    }
}

/// A setting that can't be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`gate.{setting}` is `{value}`\nhint: use a number from {least} to {most}")]
pub struct SettingError {
    pub setting: &'static str,
    pub value: u32,
    pub least: u32,
    pub most: u32,
}

impl GateSettings {
    /// # Errors
    /// The first number that is out of its range.
    pub fn check(&self) -> Result<(), SettingError> {
        let http2 = &self.http2;
        let window_most = i32::MAX.cast_unsigned();
        for (setting, value, least, most) in [
            ("handshake_seconds", self.handshake_seconds, 1, 60),
            ("head_seconds", self.head_seconds, 1, 300),
            ("idle_seconds", self.idle_seconds, 1, 3_600),
            ("handshakes.per_second", self.handshakes.per_second, 1, 1_000_000),
            ("handshakes.burst", self.handshakes.burst, 1, 1_000_000),
            ("strangers_max", self.strangers_max, 1, 1_000_000),
            ("http2.streams_max", http2.streams_max, 1, 10_000),
            ("http2.head_bytes_max", http2.head_bytes_max, 1_024, 1 << 20),
            // RFC 9113, 6.9.1: a window has at most 2^31 - 1 bytes; below 65,535 bytes the start of
            // a connection, before our settings arrive, would already be over it.
            ("http2.stream_window_bytes", http2.stream_window_bytes, 65_535, window_most),
            ("http2.connection_window_bytes", http2.connection_window_bytes, 65_535, window_most),
            ("http2.send_bytes_max", http2.send_bytes_max, 1_024, 16 << 20),
            ("http2.ping_seconds", http2.ping_seconds, 1, 3_600),
        ] {
            if !(least..=most).contains(&value) {
                return Err(SettingError { setting, value, least, most });
            }
        }
        Ok(())
    }

    pub fn handshake_limit(&self) -> Duration {
        Duration::from_secs(self.handshake_seconds.into())
    }

    /// Whether `address` is that of a balancer, which must send a PROXY header.
    pub fn is_balancer(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.proxy_protocol.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_is_what_is_read() {
        let defaults = GateSettings::default();
        assert_eq!(defaults.check(), Ok(()));
        let text = serde_json::to_string(&defaults).unwrap();
        assert_eq!(serde_json::from_str::<GateSettings>(&text).unwrap(), defaults);
        assert_eq!(serde_json::from_str::<GateSettings>("{}").unwrap(), defaults);
        let some = r#"{"proxy_protocol": ["10.1.0.0/16", "2001:db8::/32"], "tls_minimum": "1.2",
            "handshakes": {"burst": 7}, "http2": {"streams_max": 3}}"#;
        let some: GateSettings = serde_json::from_str(some).unwrap();
        assert_eq!((some.tls_minimum, some.handshakes.burst), (TlsMinimum::Tls12, 7));
        assert_eq!(some.handshakes.per_second, defaults.handshakes.per_second);
        assert_eq!(some.http2.streams_max, 3);
        for wrong in [
            r#"{"tls_minimum": "1.1"}"#,
            r#"{"proxy_protocol": ["10.1.0.0/33"]}"#,
            r#"{"handshake_second": 1}"#,
            r#"{"http2": {"streams": 1}}"#,
            r#"{"head_seconds": -1}"#,
        ] {
            assert!(serde_json::from_str::<GateSettings>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_have_ranges() {
        let check = |text: &str, expect: Option<&str>| {
            let settings: GateSettings = serde_json::from_str(text).unwrap();
            assert_eq!(settings.check().err().map(|error| error.setting), expect, "{text}");
        };
        check(r#"{"handshake_seconds": 0}"#, Some("handshake_seconds"));
        check(r#"{"handshake_seconds": 61}"#, Some("handshake_seconds"));
        check(r#"{"http2": {"stream_window_bytes": 2147483648}}"#, Some("http2.stream_window_bytes"));
        check(r#"{"http2": {"stream_window_bytes": 2147483647}}"#, None);
        check(r#"{"strangers_max": 0}"#, Some("strangers_max"));
    }

    #[test]
    fn balancers_are_told_by_their_network() {
        let settings =
            GateSettings { proxy_protocol: vec!["10.1.0.0/16".parse().unwrap()], ..GateSettings::default() };
        let check = |address: &str, expect| {
            assert_eq!(settings.is_balancer(address.parse().unwrap()), expect, "{address}");
        };
        check("10.1.255.1", true);
        check("10.2.0.1", false);
        check("::ffff:10.1.0.1", true);
        check("::1", false);
    }
}
