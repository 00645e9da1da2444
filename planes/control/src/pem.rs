//! Certificates as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// RFC 7468, section 2: so many characters to a line, and no fewer but on the last.
const LINE_CHARACTERS: usize = 64;

/// The text of one certificate (RFC 7468, section 5) with a line end at its end.
#[must_use]
pub fn certificate(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = body.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII: every place is between two characters.
        let (line, after) = rest.split_at(rest.len().min(LINE_CHARACTERS));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject as _;

    use super::certificate;

    #[test]
    fn what_is_written_is_read_by_others_whatever_its_length() {
        for length in [1, 47, 48, 49, 96, 1_000] {
            let der: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
            let text = certificate(&der);
            assert_eq!(CertificateDer::from_pem_slice(text.as_bytes()).unwrap().as_ref(), der);
            assert!(text.lines().all(|line| line.len() <= 64) && text.ends_with("-----\n"), "{text}");
        }
    }
}
