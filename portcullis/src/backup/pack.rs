//! What is inside of a backup: entries one after the other, each a JSON head behind its length in 32
//! big-endian bits, then the bytes that it speaks of. The last entry is the manifest.

use std::io::{self, Read, Write};
use std::path::{Component, Path};

use anyhow::{Result, bail};
use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::{FilePart, Manifest};

const HEAD_BYTES_MAX: u32 = 64 << 20;
const COPY_BYTES: usize = 64 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
enum Head {
    File { path: String, bytes: u64 },
    Manifest(Manifest),
}

/// Writes a file of exactly `bytes` bytes: what has become shorter meanwhile is filled with zeros.
pub fn put_file(out: &mut impl Write, path: &str, from: &mut impl Read, bytes: u64) -> Result<FilePart> {
    put_head(out, &Head::File { path: path.to_owned(), bytes })?;
    let mut from = from.chain(io::repeat(0)).take(bytes);
    let sha256 = copy(&mut from, out)?;
    Ok(FilePart { path: path.to_owned(), bytes, sha256 })
}

pub fn put_manifest(out: &mut impl Write, manifest: Manifest) -> Result<()> {
    put_head(out, &Head::Manifest(manifest))
}

fn put_head(out: &mut impl Write, head: &Head) -> Result<()> {
    let json = serde_json::to_vec(head)?;
    out.write_all(&u32::try_from(json.len())?.to_be_bytes())?;
    out.write_all(&json)?;
    Ok(())
}

/// Reads all of it: each file goes where `place` says, and the digests must be those of the manifest.
pub fn read<W: Write>(from: &mut impl Read, mut place: impl FnMut(&str) -> Result<W>) -> Result<Manifest> {
    let mut found = Vec::new();
    loop {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length > HEAD_BYTES_MAX {
            bail!("an entry's head is too long");
        }
        let mut json = Vec::new();
        from.take(u64::from(length)).read_to_end(&mut json)?;
        match serde_json::from_slice(&json)? {
            Head::File { path, bytes } => {
                if !is_inside(&path) {
                    bail!("`{path}` is no place inside of a data folder");
                }
                let mut file = place(&path)?;
                let sha256 = copy(&mut from.take(bytes), &mut file)?;
                file.flush()?;
                found.push(FilePart { path, bytes, sha256 });
            }
            Head::Manifest(manifest) => {
                if manifest.files != found {
                    bail!("its files are not those that its manifest names");
                }
                if io::copy(from, &mut io::sink())? > 0 {
                    bail!("something comes after its manifest");
                }
                return Ok(manifest);
            }
        }
    }
}

/// No way out of the folder that it is restored to.
fn is_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    !path.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}

fn copy(from: &mut impl Read, into: &mut impl Write) -> Result<String> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        let read = from.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        context.update(bytes);
        into.write_all(bytes)?;
    }
    Ok(context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        for (path, inside) in [
            ("keys/ca.crt", true),
            ("FORMAT", true),
            ("", false),
            ("/etc/passwd", false),
            ("a/../../b", false),
            ("./a", false),
        ] {
            assert_eq!(is_inside(path), inside, "{path}");
        }
    }
}
