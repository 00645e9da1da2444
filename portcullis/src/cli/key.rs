//! Key files: made for trying things, read for signing, and public sets checked before they leave.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use portcullis_tokens::jwk::JwkSet;
use portcullis_tokens::jws::Algorithm;
use portcullis_tokens::signing::SigningKey;
use serde_json::{Value, json};

use super::server::read;

const GIVE_PUBLIC: &str = "give the public half only: `{\"keys\": [{\"kty\": …, \"crv\": …, \"x\": …}]}` without `d`; and replace this key if anybody else has seen it";
const GIVE_ASYMMETRIC: &str = "shared secrets can't be registered: give a public key (Ed25519, P-256 or RSA), which `--generate DIR` makes";
/// Members that only private keys have (RFC 7518, sections 6.2 and 6.3).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// A new key pair on disk.
pub(super) struct Generated {
    pub(super) key: PathBuf,
    pub(super) jwks: PathBuf,
    pub(super) public: Value,
}

/// The private key in `path`, made if it isn't there: what was made before is what may be known already.
pub(super) fn kept(path: &Path, algorithm: Algorithm) -> Result<(SigningKey, bool)> {
    if path.exists() {
        return Ok((read_signing_key(path)?, false));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("can't make `{}`", folder.display()))?;
    }
    let pair = SigningKey::generate(algorithm)?;
    write_new(path, pair.to_pkcs8()?.to_pem().as_bytes(), 0o600)?;
    Ok((pair, true))
}

/// Makes `DIR/NAME.pem`, which only its owner reads, and `DIR/NAME.jwks.json`. Overwrites nothing.
pub(super) fn generate(directory: &Path, name: &str, algorithm: Algorithm) -> Result<Generated> {
    if !portcullis_domain::spec::is_name(name) {
        bail!("`{name}` can't name a client\nhint: use at most 63 lower-case letters, digits and hyphens");
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("can't make `{}`", directory.display()))?;
    let pair = SigningKey::generate(algorithm)?;
    let public = json!({ "keys": [pair.public_jwk()] });
    let key = directory.join(format!("{name}.pem"));
    let jwks = directory.join(format!("{name}.jwks.json"));
    write_new(&key, pair.to_pkcs8()?.to_pem().as_bytes(), 0o600)?;
    let written = write_new(&jwks, super::output::json(&public)?.as_bytes(), 0o644);
    if written.is_err() {
        // It is of no use without the other.
        let _ = std::fs::remove_file(&key);
    }
    written?;
    Ok(Generated { key, jwks, public })
}

impl Generated {
    /// For a key that could not be registered: nobody will ever accept it.
    pub(super) fn discard(&self) {
        let _ = std::fs::remove_file(&self.key);
        let _ = std::fs::remove_file(&self.jwks);
    }
}

pub(super) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            anyhow!(
                "`{}` is there already\nhint: choose another folder; keys are never overwritten",
                path.display()
            )
        }
        _ => anyhow::Error::new(error).context(format!("can't write `{}`", path.display())),
    })?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .with_context(|| format!("can't write `{}`", path.display()))
}

/// A private key for assertions and proofs.
pub(super) fn read_signing_key(path: &Path) -> Result<SigningKey> {
    let pem = String::from_utf8(read(path)?).map_err(|_| {
        anyhow!("`{}` is not PEM\nhint: give a PKCS#8 private key (Ed25519 or P-256)", path.display())
    })?;
    SigningKey::from_pkcs8_pem(&pem).with_context(|| format!("`{}` can't be used", path.display()))
}

/// A public key set, from a file that may hold one key too. What is private is refused before
/// anything is sent.
pub(super) fn read_public_set(path: &Path) -> Result<Value> {
    let shown = path.display();
    let text = String::from_utf8(read(path)?).unwrap_or_default();
    if text.contains("PRIVATE KEY-----") {
        bail!("`{shown}` is a private key\nhint: {GIVE_PUBLIC}");
    }
    let value: Value = serde_json::from_str(&text)
        .with_context(|| format!("`{shown}` is not a JSON Web Key Set\nhint: write `{{\"keys\": [KEY]}}`"))?;
    let set = if value.get("keys").is_none() && value.get("kty").is_some() {
        json!({ "keys": [value] })
    } else {
        value
    };
    refuse_secrets(&set).map_err(|(what, hint)| anyhow!("`{shown}` holds {what}\nhint: {hint}"))?;
    JwkSet::parse(&set.to_string()).with_context(|| format!("`{shown}` can't be registered"))?;
    Ok(set)
}

fn refuse_secrets(set: &Value) -> Result<(), (&'static str, &'static str)> {
    let keys = set.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for key in keys {
        if key.get("kty").and_then(Value::as_str) == Some("oct") || key.get("k").is_some() {
            return Err(("a shared secret", GIVE_ASYMMETRIC));
        }
        if PRIVATE.iter().any(|member| key.get(*member).is_some()) {
            return Err(("a private key", GIVE_PUBLIC));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_pair_is_made_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("keys");
        for (name, algorithm) in [("a", Algorithm::EdDSA), ("b", Algorithm::ES256)] {
            let made = generate(&directory, name, algorithm).unwrap();
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&made.key), mode(&directory)), (0o600, 0o700));
            let key = read_signing_key(&made.key).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            assert_eq!(read_public_set(&made.jwks).unwrap(), made.public);
            assert!(!std::fs::read_to_string(&made.jwks).unwrap().contains("\"d\""));
            let again = generate(&directory, name, algorithm).err().unwrap().to_string();
            assert!(again.contains("is there already\nhint: choose another folder"), "{again}");
            made.discard();
            assert!(!made.key.exists() && !made.jwks.exists());
        }
        assert!(generate(&directory, "../c", Algorithm::EdDSA).is_err());
    }

    #[test]
    fn what_is_private_or_shared_is_not_sent() {
        let folder = tempfile::tempdir().unwrap();
        let public =
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        let mut private = public.clone();
        private["d"] = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A".into();
        let check = |text: &str, expect: Result<(), &str>| {
            let path = folder.path().join("keys.json");
            std::fs::write(&path, text).unwrap();
            match (read_public_set(&path), expect) {
                (Ok(set), Ok(())) => assert_eq!(set["keys"][0], public),
                (Err(error), Err(expect)) => {
                    let error = format!("{error:#}");
                    assert!(error.contains(expect) && error.contains("hint: "), "{text}: {error}");
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        };
        check(&json!({ "keys": [public] }).to_string(), Ok(()));
        check(&public.to_string(), Ok(()));
        check(&json!({ "keys": [public, private] }).to_string(), Err("holds a private key"));
        check(&private.to_string(), Err("holds a private key"));
        check(r#"{"kty":"oct","k":"c2VjcmV0"}"#, Err("holds a shared secret"));
        check("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", Err("is a private key"));
        check("secret", Err("is not a JSON Web Key Set"));
    }
}
