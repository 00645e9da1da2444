//! SignedData, taken apart.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::certificate;
use crate::der::{
    GENERALIZED_TIME, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE, SET, UTC_TIME, Value, context,
};
use crate::signature::{Hash, Scheme};

const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
pub(crate) const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4];
const SIGNING_TIME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 5];
/// RFC 5035.
const SIGNING_CERTIFICATE_V2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 2, 47];
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
const SHA384: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2];
const SHA512: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3];
const SHA1: &[u8] = &[0x2b, 0x0e, 3, 2, 0x1a];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];
const ECDSA_WITH_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8];

const CERTIFICATES_MAX: usize = 32;
const ATTRIBUTES_MAX: usize = 64;

/// Why a SignedData isn't verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is broken.
    Malformed(&'static str),
    /// It is of a kind that isn't read here.
    Unsupported(&'static str),
}

/// One signer's SignedData over a content of type `content_type`.
#[derive(Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) certificates: Vec<&'a [u8]>,
    pub(crate) hash: Hash,
    pub(crate) scheme: Scheme,
    pub(crate) message_digest: &'a [u8],
    pub(crate) signing_time: Option<Timestamp>,
    /// The signed attributes as they were signed: as a SET.
    pub(crate) attributes: Vec<u8>,
    pub(crate) signature: &'a [u8],
    identifier: Identifier<'a>,
    /// Digest of the certificate that the signer means, and by which hash.
    certificate_digest: Option<(Hash, &'a [u8])>,
}

#[derive(Debug)]
enum Identifier<'a> {
    IssuerAndSerial { issuer: &'a [u8], serial: &'a [u8] },
    SubjectKey(&'a [u8]),
}

impl<'a> Signed<'a> {
    /// Reads a detached SignedData; after it only zeros may come, which fill the place that was kept for it.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Unread> {
        let malformed = Unread::Malformed("it isn't a CMS structure in DER");
        let mut reader = Reader::new(bytes);
        let info = reader.expect(SEQUENCE).ok_or(malformed.clone())?;
        if reader.rest().iter().any(|byte| *byte != 0) {
            return Err(Unread::Malformed("something else follows the CMS structure"));
        }
        let mut info = info.reader();
        if info.expect(OID).ok_or(malformed.clone())?.contents != SIGNED_DATA {
            return Err(Unread::Unsupported("it isn't CMS SignedData"));
        }
        let data = info.expect(context(0)).ok_or(malformed.clone())?;
        let mut outer = data.reader();
        let data = outer.expect(SEQUENCE).ok_or(malformed.clone())?;
        if !outer.is_at_end() || !info.is_at_end() {
            return Err(malformed);
        }
        signed_data(&mut data.reader())
    }

    pub(crate) fn signer_certificate(&self) -> Option<&'a [u8]> {
        self.certificates.iter().copied().find(|der| {
            certificate::parse(der).is_some_and(|certificate| match self.identifier {
                Identifier::IssuerAndSerial { issuer, serial } => {
                    certificate.issuer().as_raw() == issuer && certificate.raw_serial() == serial
                }
                Identifier::SubjectKey(wanted) => certificate.extensions().iter().any(|extension| {
                    use x509_parser::extensions::ParsedExtension;
                    matches!(extension.parsed_extension(), ParsedExtension::SubjectKeyIdentifier(id) if id.0 == wanted)
                }),
            })
        })
    }

    /// Where the signer says which certificate is meant, it must be this one.
    pub(crate) fn names_certificate(&self, der: &[u8]) -> bool {
        self.certificate_digest.is_none_or(|(hash, digest)| hash.of(&[der]) == digest)
    }
}

fn signed_data<'a>(data: &mut Reader<'a>) -> Result<Signed<'a>, Unread> {
    let malformed = || Unread::Malformed("it isn't CMS SignedData in DER");
    data.expect(INTEGER).ok_or_else(malformed)?;
    data.expect(SET).ok_or_else(malformed)?;
    let mut content = data.expect(SEQUENCE).ok_or_else(malformed)?.reader();
    if content.expect(OID).ok_or_else(malformed)?.contents != DATA {
        return Err(Unread::Unsupported(
            "what was signed isn't the document, but something that stands for it",
        ));
    }
    if !content.is_at_end() {
        return Err(Unread::Unsupported("the signature brings its own content"));
    }
    let certificates = match data.optional(context(0)) {
        None => Vec::new(),
        Some(set) => certificates(&mut set.reader()).ok_or_else(malformed)?,
    };
    data.optional(context(1));
    let mut signers = data.expect(SET).ok_or_else(malformed)?.reader();
    if !data.is_at_end() {
        return Err(malformed());
    }
    let signer = signers.expect(SEQUENCE).ok_or_else(malformed)?;
    if !signers.is_at_end() {
        return Err(Unread::Unsupported("many signers have signed in one structure"));
    }
    signer_info(&mut signer.reader(), certificates)
}

fn certificates<'a>(set: &mut Reader<'a>) -> Option<Vec<&'a [u8]>> {
    let mut found = Vec::new();
    while !set.is_at_end() {
        let value = set.any()?;
        // Attribute certificates and the like say nothing here.
        if value.tag == SEQUENCE {
            found.push(value.whole);
        }
        if found.len() > CERTIFICATES_MAX {
            return None;
        }
    }
    Some(found)
}

fn signer_info<'a>(signer: &mut Reader<'a>, certificates: Vec<&'a [u8]>) -> Result<Signed<'a>, Unread> {
    let malformed = || Unread::Malformed("its SignerInfo isn't in DER");
    signer.expect(INTEGER).ok_or_else(malformed)?;
    let identifier = identifier(signer).ok_or_else(malformed)?;
    let hash = hash(&signer.expect(SEQUENCE).ok_or_else(malformed)?)?;
    let Some(attributes) = signer.optional(context(0)) else {
        return Err(Unread::Unsupported("it has no signed attributes"));
    };
    let scheme = scheme(&signer.expect(SEQUENCE).ok_or_else(malformed)?, hash)?;
    let signature = signer.expect(OCTET_STRING).ok_or_else(malformed)?.contents;
    signer.optional(context(1));
    if !signer.is_at_end() {
        return Err(malformed());
    }
    let found = Attributes::read(&mut attributes.reader())?;
    // RFC 5652, section 5.4: signed is the encoding with the tag of a SET.
    let mut encoded = attributes.whole.to_vec();
    if let Some(tag) = encoded.first_mut() {
        *tag = SET;
    }
    Ok(Signed {
        certificates,
        hash,
        scheme,
        message_digest: found.message_digest,
        signing_time: found.signing_time,
        attributes: encoded,
        signature,
        identifier,
        certificate_digest: found.certificate_digest,
    })
}

fn identifier<'a>(signer: &mut Reader<'a>) -> Option<Identifier<'a>> {
    const SUBJECT_KEY: u8 = 0x80;
    if let Some(key) = signer.optional(SUBJECT_KEY) {
        return Some(Identifier::SubjectKey(key.contents));
    }
    let mut pair = signer.expect(SEQUENCE)?.reader();
    let (issuer, serial) = (pair.expect(SEQUENCE)?, pair.expect(INTEGER)?);
    pair.is_at_end().then_some(Identifier::IssuerAndSerial { issuer: issuer.whole, serial: serial.contents })
}

#[derive(Default)]
struct Attributes<'a> {
    message_digest: &'a [u8],
    signing_time: Option<Timestamp>,
    certificate_digest: Option<(Hash, &'a [u8])>,
}

impl<'a> Attributes<'a> {
    fn read(set: &mut Reader<'a>) -> Result<Self, Unread> {
        let malformed = || Unread::Malformed("its signed attributes aren't in DER");
        let (mut names, mut found) = (Vec::new(), Self::default());
        while !set.is_at_end() {
            let mut attribute = set.expect(SEQUENCE).ok_or_else(malformed)?.reader();
            let name = attribute.expect(OID).ok_or_else(malformed)?.contents;
            let mut values = attribute.expect(SET).ok_or_else(malformed)?.reader();
            let value = values.any().ok_or_else(malformed)?;
            if !attribute.is_at_end() || names.len() >= ATTRIBUTES_MAX {
                return Err(malformed());
            }
            if names.contains(&name) {
                return Err(Unread::Malformed("a signed attribute is there twice"));
            }
            names.push(name);
            let is_known =
                [CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_TIME, SIGNING_CERTIFICATE_V2].contains(&name);
            if is_known && !values.is_at_end() {
                return Err(Unread::Malformed("a signed attribute has many values"));
            }
            found.take(name, &value)?;
        }
        if !names.contains(&CONTENT_TYPE) || !names.contains(&MESSAGE_DIGEST) {
            return Err(Unread::Malformed("its signed attributes don't say what was signed"));
        }
        Ok(found)
    }

    fn take(&mut self, name: &[u8], value: &Value<'a>) -> Result<(), Unread> {
        if name == CONTENT_TYPE && (value.tag != OID || value.contents != DATA) {
            return Err(Unread::Malformed("its signed attributes speak of another content"));
        }
        if name == MESSAGE_DIGEST {
            if value.tag != OCTET_STRING {
                return Err(Unread::Malformed("its signed digest can't be read"));
            }
            self.message_digest = value.contents;
        }
        if name == SIGNING_TIME {
            let time = time(value).ok_or(Unread::Malformed("its signing time can't be read"))?;
            self.signing_time = Some(time);
        }
        if name == SIGNING_CERTIFICATE_V2 {
            let digest = certificate_digest(value);
            self.certificate_digest =
                Some(digest.ok_or(Unread::Malformed("the certificate that it names can't be read"))?);
        }
        Ok(())
    }
}

/// The first ESSCertIDv2: the signer's certificate (RFC 5035, section 3).
fn certificate_digest<'a>(value: &Value<'a>) -> Option<(Hash, &'a [u8])> {
    if value.tag != SEQUENCE {
        return None;
    }
    let mut first = value.reader().expect(SEQUENCE)?.reader().expect(SEQUENCE)?.reader();
    let by = match first.optional(SEQUENCE) {
        None => Hash::Sha256,
        Some(algorithm) => hash(&algorithm).ok()?,
    };
    Some((by, first.expect(OCTET_STRING)?.contents))
}

/// RFC 5652, section 11.3.
pub(crate) fn time(value: &Value<'_>) -> Option<Timestamp> {
    let text = std::str::from_utf8(value.contents).ok()?.strip_suffix('Z')?;
    let full = match value.tag {
        UTC_TIME if text.len() == 12 => {
            let century = if text.get(..2)?.parse::<u8>().ok()? >= 50 { "19" } else { "20" };
            format!("{century}{text}")
        }
        GENERALIZED_TIME if text.len() >= 14 => text.split('.').next()?.to_owned(),
        _ => return None,
    };
    if !full.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let moment = DateTime::strptime("%Y%m%d%H%M%S", &full).ok()?;
    Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn hash(algorithm: &Value<'_>) -> Result<Hash, Unread> {
    let name = algorithm.reader().expect(OID).ok_or(Unread::Malformed("an algorithm can't be read"))?;
    match name.contents {
        SHA256 => Ok(Hash::Sha256),
        SHA384 => Ok(Hash::Sha384),
        SHA512 => Ok(Hash::Sha512),
        SHA1 => Err(Unread::Unsupported("its digest is SHA-1, which can be forged")),
        _ => Err(Unread::Unsupported("its digest isn't SHA-256, SHA-384 or SHA-512")),
    }
}

/// The signature's scheme, which must use the digest that the signer named.
fn scheme(algorithm: &Value<'_>, hash: Hash) -> Result<Scheme, Unread> {
    let mut reader = algorithm.reader();
    let name = reader.expect(OID).ok_or(Unread::Malformed("an algorithm can't be read"))?.contents;
    if name == ED25519 {
        return Ok(Scheme::Ed25519);
    }
    let sha2 = |number: u8, first: u8| match number.checked_sub(first) {
        Some(0) => Some(Hash::Sha256),
        Some(1) => Some(Hash::Sha384),
        Some(2) => Some(Hash::Sha512),
        _ => None,
    };
    let (named, scheme) = match name.split_last() {
        Some((1, RSA)) => (Some(hash), Scheme::RsaPkcs1(hash)),
        Some((10, RSA)) => match pss(&mut reader) {
            Some((named, salt)) => (Some(named), Scheme::RsaPss(hash, salt)),
            None => return Err(Unread::Unsupported("its parameters of RSA-PSS aren't of one SHA-2 digest")),
        },
        Some((number, RSA)) => (sha2(*number, 11), Scheme::RsaPkcs1(hash)),
        Some((number, ECDSA_WITH_SHA2)) => (sha2(*number, 2), Scheme::Ecdsa(hash)),
        _ => return Err(Unread::Unsupported("its algorithm isn't RSA, RSA-PSS, ECDSA or Ed25519")),
    };
    match named {
        Some(named) if named == hash => Ok(scheme),
        _ => Err(Unread::Unsupported("its algorithm and its digest don't fit together")),
    }
}

/// RSASSA-PSS-params (RFC 4055): one hash for all of it, and the salt's length. Their default hash is SHA-1.
fn pss(reader: &mut Reader<'_>) -> Option<(Hash, u16)> {
    const SALT_BYTES_DEFAULT: u16 = 20;
    let mut parameters = reader.expect(SEQUENCE)?.reader();
    let by = hash(&parameters.expect(context(0))?.reader().expect(SEQUENCE)?).ok()?;
    let mut mask = parameters.expect(context(1))?.reader().expect(SEQUENCE)?.reader();
    if mask.expect(OID)?.contents != MGF1 || hash(&mask.expect(SEQUENCE)?).ok()? != by {
        return None;
    }
    let salt = match parameters.optional(context(2)) {
        None => SALT_BYTES_DEFAULT,
        Some(salt) => match salt.reader().expect(INTEGER)?.contents {
            [low @ 0..0x80] => u16::from(*low),
            [high @ 0..0x80, low] => u16::from_be_bytes([*high, *low]),
            _ => return None,
        },
    };
    (parameters.is_at_end() || parameters.expect(context(3)).is_some()).then_some((by, salt))
}
