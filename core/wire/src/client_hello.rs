//! The first message of a TLS connection: put together from records, then parsed once.

pub use crate::assembler::{Assembler, BYTES_MAX, Progress};

use crate::WireError;
use crate::cursor::Cursor;

pub const EXTENSION_SERVER_NAME: u16 = 0x0000;
pub const EXTENSION_SUPPORTED_GROUPS: u16 = 0x000a;
pub const EXTENSION_SIGNATURE_ALGORITHMS: u16 = 0x000d;
pub const EXTENSION_ALPN: u16 = 0x0010;
pub const EXTENSION_SUPPORTED_VERSIONS: u16 = 0x002b;
pub const EXTENSION_KEY_SHARE: u16 = 0x0033;

const NAME_TYPE_HOST_NAME: u8 = 0;

/// A ClientHello (RFC 8446, 4.1.2), less what nobody here asks for.
///
/// All lists are in the client's order and still contain GREASE (RFC 8701). A list is empty when its
/// extension is absent; `extensions` tells the two apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    pub legacy_version: u16,
    pub cipher_suites: Vec<u16>,
    /// The types of all extensions.
    pub extensions: Vec<u16>,
    /// The host name of `server_name` (RFC 6066, 3), as it was sent.
    pub server_name: Option<String>,
    /// Protocol names of ALPN (RFC 7301): byte strings.
    pub alpn: Vec<Vec<u8>>,
    pub supported_versions: Vec<u16>,
    pub signature_algorithms: Vec<u16>,
    pub supported_groups: Vec<u16>,
    /// The groups the client sent a key share for; not the keys.
    pub key_share_groups: Vec<u16>,
}

impl ClientHello {
    /// Parses a whole handshake message with its header, as [`Progress::Complete`] gives it.
    ///
    /// # Errors
    /// [`WireError::NotClientHello`], [`WireError::Malformed`] with the part that doesn't fit, or
    /// [`WireError::DoubledExtension`].
    pub fn parse(message: &[u8]) -> Result<Self, WireError> {
        let mut cursor = Cursor(message);
        let message_type = cursor.u8().ok_or(malformed("header"))?;
        if message_type != 1 {
            return Err(WireError::NotClientHello { message_type });
        }
        if cursor.u24() != Some(cursor.0.len()) {
            return Err(malformed("header"));
        }
        let mut hello = Self { legacy_version: cursor.u16().ok_or(malformed("version"))?, ..Self::default() };
        cursor.bytes(32).ok_or(malformed("random"))?;
        cursor.vector_8().filter(|id| id.0.len() <= 32).ok_or(malformed("session id"))?;
        hello.cipher_suites =
            cursor.vector_16().and_then(Cursor::all_u16).ok_or(malformed("cipher suites"))?;
        cursor.vector_8().ok_or(malformed("compression methods"))?;
        // RFC 5246, 7.4.1.2: a hello may end here, without a list of extensions.
        if !cursor.is_empty() {
            let extensions = cursor.vector_16().ok_or(malformed("extensions"))?;
            cursor.end().ok_or(malformed("end"))?;
            hello.read_extensions(extensions)?;
        }
        Ok(hello)
    }

    /// Whether the client sent an extension, whatever it contained.
    pub fn has_extension(&self, extension: u16) -> bool {
        self.extensions.contains(&extension)
    }

    fn read_extensions(&mut self, mut extensions: Cursor<'_>) -> Result<(), WireError> {
        while !extensions.is_empty() {
            let extension = extensions.u16().ok_or(malformed("extensions"))?;
            let body = extensions.vector_16().ok_or(malformed("extensions"))?;
            self.extensions.push(extension);
            self.read_extension(extension, body)?;
        }
        let mut sorted = self.extensions.clone();
        sorted.sort_unstable();
        let doubled = sorted.array_windows().find(|[first, second]| first == second);
        doubled.map_or(Ok(()), |&[extension, _]| Err(WireError::DoubledExtension { extension }))
    }

    fn read_extension(&mut self, extension: u16, body: Cursor<'_>) -> Result<(), WireError> {
        match extension {
            EXTENSION_SERVER_NAME => {
                self.server_name = server_name(body).ok_or(malformed("server_name"))?;
            }
            EXTENSION_ALPN => {
                self.alpn = alpn(body).ok_or(malformed("application_layer_protocol_negotiation"))?;
            }
            EXTENSION_SUPPORTED_VERSIONS => {
                self.supported_versions = supported_versions(body).ok_or(malformed("supported_versions"))?;
            }
            EXTENSION_SIGNATURE_ALGORITHMS => {
                self.signature_algorithms = list_u16(body).ok_or(malformed("signature_algorithms"))?;
            }
            EXTENSION_SUPPORTED_GROUPS => {
                self.supported_groups = list_u16(body).ok_or(malformed("supported_groups"))?;
            }
            EXTENSION_KEY_SHARE => {
                self.key_share_groups = key_share_groups(body).ok_or(malformed("key_share"))?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// The outer `None` is a malformed extension, the inner one a list without a host name.
fn server_name(mut body: Cursor<'_>) -> Option<Option<String>> {
    let mut names = body.vector_16()?;
    body.end()?;
    let mut host_name = None;
    while !names.is_empty() {
        let name_type = names.u8()?;
        let name = names.vector_16()?;
        if name_type == NAME_TYPE_HOST_NAME {
            // RFC 6066: ASCII, and no two names of one type.
            let name = str::from_utf8(name.0).ok().filter(|name| name.is_ascii())?;
            if host_name.replace(name.to_owned()).is_some() {
                return None;
            }
        }
    }
    Some(host_name)
}

fn alpn(mut body: Cursor<'_>) -> Option<Vec<Vec<u8>>> {
    let mut names = body.vector_16()?;
    body.end()?;
    let mut protocols = Vec::new();
    while !names.is_empty() {
        protocols.push(names.vector_8()?.0.to_vec());
    }
    Some(protocols)
}

fn supported_versions(mut body: Cursor<'_>) -> Option<Vec<u16>> {
    let versions = body.vector_8()?;
    body.end()?;
    versions.all_u16()
}

fn list_u16(mut body: Cursor<'_>) -> Option<Vec<u16>> {
    let list = body.vector_16()?;
    body.end()?;
    list.all_u16()
}

fn key_share_groups(mut body: Cursor<'_>) -> Option<Vec<u16>> {
    let mut shares = body.vector_16()?;
    body.end()?;
    let mut groups = Vec::new();
    while !shares.is_empty() {
        groups.push(shares.u16()?);
        shares.vector_16()?;
    }
    Some(groups)
}

fn malformed(part: &'static str) -> WireError {
    WireError::Malformed { part }
}
