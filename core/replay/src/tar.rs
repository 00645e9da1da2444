//! Files out of a tar archive (POSIX.1-1988 "ustar", with the long names of GNU and pax), one after the other.

use std::io::{self, Read};

const BLOCK: usize = 512;
/// Of a name that stands in a block of its own.
const NAME_BYTES_MAX: u64 = 64 << 10;

/// Reads an archive from its beginning.
pub struct Tar<R> {
    from: R,
    /// Of the present file, and of what fills its last block.
    left: u64,
    padding: u64,
}

/// Something that is no archive, or its like.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    #[error("this is no tar archive, or a damaged one")]
    Damaged,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Whether a file begins like an archive.
#[must_use]
pub fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

impl<R: Read> Tar<R> {
    pub fn new(from: R) -> Self {
        Self { from, left: 0, padding: 0 }
    }

    /// The next regular file's name; nothing at the end. What is left of the one before is passed over.
    ///
    /// # Errors
    /// [`TarError`].
    pub fn next_file(&mut self) -> Result<Option<String>, TarError> {
        let mut long_name = None;
        loop {
            let rest = self.left + self.padding;
            self.left = 0;
            self.padding = 0;
            if io::copy(&mut self.from.by_ref().take(rest), &mut io::sink())? < rest {
                return Err(TarError::Damaged);
            }
            let mut header = [0; BLOCK];
            match fill(&mut self.from, &mut header)? {
                0 => return Ok(None),
                BLOCK => {}
                _ => return Err(TarError::Damaged),
            }
            if header.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            if !is_tar(&header) || !sums_up(&header) {
                return Err(TarError::Damaged);
            }
            self.left = number(header.get(124..136).unwrap_or_default()).ok_or(TarError::Damaged)?;
            self.padding = self.left.next_multiple_of(BLOCK as u64) - self.left;
            match header.get(156) {
                Some(b'0' | 0 | b'7') => {
                    return Ok(Some(long_name.unwrap_or_else(|| name_of(&header))));
                }
                Some(b'L') => long_name = Some(text(&self.whole()?)),
                Some(b'x') => long_name = pax_path(&self.whole()?).or(long_name),
                _ => {}
            }
        }
    }

    fn whole(&mut self) -> Result<Vec<u8>, TarError> {
        if self.left > NAME_BYTES_MAX {
            return Err(TarError::Damaged);
        }
        let mut bytes = Vec::new();
        let wanted = self.left;
        self.from.by_ref().take(wanted).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != wanted {
            return Err(TarError::Damaged);
        }
        self.left = 0;
        Ok(bytes)
    }
}

/// The present file's bytes.
impl<R: Read> Read for Tar<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(to.len());
        let read = self.from.read(to.get_mut(..wanted).unwrap_or_default())?;
        self.left -= read as u64;
        if read == 0 && wanted > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the tar archive ends in its middle"));
        }
        Ok(read)
    }
}

fn fill(from: &mut impl Read, to: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = to.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The sum of all bytes, those of the sum itself as spaces.
fn sums_up(header: &[u8; BLOCK]) -> bool {
    let said = number(header.get(148..156).unwrap_or_default());
    let sum: u64 = header
        .iter()
        .enumerate()
        .map(|(place, byte)| if (148..156).contains(&place) { 32 } else { u64::from(*byte) })
        .sum();
    said == Some(sum)
}

/// Octal digits; larger than 8 GiB GNU writes in binary, with the highest bit set.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((first, rest)) = field.split_first()
        && *first == 0x80
    {
        let mut value = 0_u64;
        for byte in rest {
            value = value.checked_mul(256)?.checked_add(u64::from(*byte))?;
        }
        // No archive is that large, and sums of two of them must not overflow.
        return (value < 1 << 60).then_some(value);
    }
    let digits = text(field);
    let digits = digits.trim_matches(' ');
    if digits.is_empty() {
        Some(0)
    } else {
        u64::from_str_radix(digits, 8).ok().filter(|value| *value < 1 << 60)
    }
}

fn name_of(header: &[u8; BLOCK]) -> String {
    let (name, prefix) =
        (text(header.get(..100).unwrap_or_default()), text(header.get(345..500).unwrap_or_default()));
    let is_posix = header.get(257..263) == Some(b"ustar\0");
    if is_posix && !prefix.is_empty() { format!("{prefix}/{name}") } else { name }
}

/// Up to the first zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// `LENGTH path=NAME\n` among the records of a pax header.
fn pax_path(records: &[u8]) -> Option<String> {
    let records = String::from_utf8_lossy(records).into_owned();
    let path = records.lines().find_map(|record| record.split_once(' ')?.1.strip_prefix("path="));
    path.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, kind: u8, size: usize) -> Vec<u8> {
        let mut header = vec![0_u8; BLOCK];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        header[156] = kind;
        header[257..263].copy_from_slice(b"ustar\0");
        header[148..156].copy_from_slice(b"        ");
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        header
    }

    fn file(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut file = header(name, kind, content.len());
        file.extend_from_slice(content);
        file.resize(file.len().next_multiple_of(BLOCK), 0);
        file
    }

    #[test]
    fn files_come_one_after_the_other() {
        let mut archive = file("dir/", b'5', b"");
        archive.extend(file("a.json", b'0', &[b'x'; 700]));
        archive.extend(file("././@LongLink", b'L', b"a/very/long/name\0"));
        archive.extend(file("short", b'0', b"long"));
        archive.extend(file("pax", b'x', b"18 path=of/pax.log\n"));
        archive.extend(file("short", b'0', b"pax"));
        archive.extend(vec![0; 2 * BLOCK]);
        let mut tar = Tar::new(archive.as_slice());
        let mut seen = Vec::new();
        while let Some(name) = tar.next_file().unwrap() {
            // The first is not read to its end.
            let mut content = Vec::new();
            tar.by_ref().take(if name == "a.json" { 5 } else { 1_000 }).read_to_end(&mut content).unwrap();
            seen.push((name, String::from_utf8(content).unwrap()));
        }
        let expect = [("a.json", "xxxxx"), ("a/very/long/name", "long"), ("of/pax.log", "pax")];
        assert_eq!(seen, expect.map(|(name, content)| (name.to_owned(), content.to_owned())));
    }

    #[test]
    fn what_is_damaged_is_told() {
        let whole = file("a", b'0', &[b'x'; 700]);
        for cut in [1, 511, 600] {
            let mut tar = Tar::new(&whole[..cut]);
            let read = tar.next_file().and_then(|_| Ok(io::copy(&mut tar, &mut io::sink())?));
            assert!(read.is_err(), "{cut}");
        }
        let mut wrong = whole.clone();
        wrong[0] = b'b';
        assert!(matches!(Tar::new(wrong.as_slice()).next_file(), Err(TarError::Damaged)));
    }
}
