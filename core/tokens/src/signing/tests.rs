use serde_json::json;

use super::*;
use crate::jws::Compact;

const BOTH: [Algorithm; 2] = [Algorithm::ES256, Algorithm::EdDSA];

#[test]
fn keys_survive_der_and_pem() {
    for algorithm in BOTH {
        let key = SigningKey::generate(algorithm).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        let pkcs8 = key.to_pkcs8().unwrap();
        let pem = format!("a remark\n{}another", pkcs8.to_pem().replace('\n', "\r\n"));
        for read in [SigningKey::from_pkcs8_der(pkcs8.as_der()), SigningKey::from_pkcs8_pem(&pem)] {
            let read = read.unwrap();
            assert_eq!(read.kid(), key.kid());
            assert_eq!(read.public_jwk(), key.public_jwk());
            let token = read.sign(&Map::new(), b"x").unwrap();
            let compact = Compact::parse(&token, 1_000, &BOTH).unwrap();
            assert_eq!(compact.verify(&key.verifying_key().unwrap()), Ok(()));
        }
        assert_eq!(pkcs8.to_pem().lines().map(str::len).max(), Some(64));
    }
}

/// RFC 8032, section 7.1, test 1, as PKCS#8; the public half is that of RFC 8037, appendix A.
#[test]
fn a_key_of_another_program_is_read() {
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    let key = SigningKey::from_pkcs8_pem(pem).unwrap();
    assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let token = key.sign(&Map::new(), b"Example of Ed25519 signing").unwrap();
    assert_eq!(
        token,
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
}

#[test]
fn what_is_no_key_is_refused() {
    let check = |pem: &str, expect: SigningError| {
        assert_eq!(SigningKey::from_pkcs8_pem(pem).err(), Some(expect), "{pem}");
    };
    check("", SigningError::NotPem);
    check("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----", SigningError::NotPem);
    check("-----BEGIN PRIVATE KEY-----\nAAAA\n", SigningError::NotPem);
    check("-----BEGIN PRIVATE KEY-----\n?\n-----END PRIVATE KEY-----", SigningError::NotPem);
    check("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", SigningError::NotPkcs8);
    check(&" ".repeat(PEM_BYTES_MAX + 1), SigningError::NotPem);
    assert_eq!(SigningKey::from_pkcs8_der(&[]).err(), Some(SigningError::NotPkcs8));
    for algorithm in [Algorithm::PS256, Algorithm::RS256] {
        assert_eq!(SigningKey::generate(algorithm).err(), Some(SigningError::Algorithm { algorithm }));
    }
}

#[test]
fn the_header_can_name_no_other_algorithm() {
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let header = json!({"typ": "x", "alg": "none", "kid": "k"}).as_object().unwrap().clone();
    let token = key.sign(&header, b"").unwrap();
    let read = base64url::decode(token.split('.').next().unwrap()).unwrap();
    assert_eq!(String::from_utf8(read).unwrap(), r#"{"alg":"EdDSA","typ":"x","kid":"k"}"#);
}

#[test]
fn secrets_are_not_printed() {
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    assert_eq!(format!("{key:?}"), format!("SigningKey {{ kid: {:?}, private: **** }}", key.kid()));
    assert_eq!(format!("{:?}", key.to_pkcs8().unwrap()), "Pkcs8(****)");
}
