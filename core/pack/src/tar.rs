//! The archive's bytes: POSIX.1-1988 "ustar", regular files with short names and nothing else.

use jiff::Timestamp;

pub const BLOCK: u64 = 512;
/// What ends an archive.
pub const END: [u8; 1_024] = [0; 1_024];
/// Of a member: what eleven octal digits hold.
pub const MEMBER_BYTES_MAX: u64 = (1 << 33) - 1;

/// Why something can't be a member.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MemberError {
    #[error("`{0}` can't be the name of a member")]
    Name(String),
    #[error("`{name}` has `{bytes}` bytes, and a member has at most `{MEMBER_BYTES_MAX}`")]
    TooLong { name: String, bytes: u64 },
}

/// Whether a member may be called so: a path below a folder, of letters that no shell and no file system reads otherwise.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b'=');
    let piece = |piece: &str| !piece.is_empty() && piece != "." && piece != "..";
    name.len() <= 100 && name.bytes().all(plain) && name.split('/').all(piece)
}

/// The block before a member's bytes.
///
/// # Errors
/// [`MemberError`].
pub fn header(name: &str, bytes: u64, time: Timestamp) -> Result<[u8; BLOCK as usize], MemberError> {
    if !is_name(name) {
        return Err(MemberError::Name(name.chars().take(120).collect()));
    }
    if bytes > MEMBER_BYTES_MAX {
        return Err(MemberError::TooLong { name: name.to_owned(), bytes });
    }
    let mut header = [0; BLOCK as usize];
    let mut put = |place: usize, field: &[u8]| {
        if let Some(to) = header.get_mut(place..place + field.len()) {
            to.copy_from_slice(field);
        }
    };
    let seconds = u64::try_from(time.as_second()).unwrap_or(0).min(MEMBER_BYTES_MAX);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{bytes:011o}\0").as_bytes());
    put(136, format!("{seconds:011o}\0").as_bytes());
    // The sum is taken with spaces in its place.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    if let Some(to) = header.get_mut(148..156) {
        to.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    Ok(header)
}

/// Zeros that fill a member's last block.
#[must_use]
pub fn padding(bytes: u64) -> &'static [u8] {
    static ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];
    let length = bytes.next_multiple_of(BLOCK) - bytes;
    usize::try_from(length).ok().and_then(|length| ZEROS.get(..length)).unwrap_or_default()
}

/// What a member takes in the archive.
#[must_use]
pub fn length(bytes: u64) -> u64 {
    BLOCK.saturating_add(bytes.next_multiple_of(BLOCK))
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_replay::Tar;
    use std::io::Read as _;

    #[test]
    fn what_is_written_is_read_again() {
        let contents: [&[u8]; 4] = [b"", b"x", &[7; 512], &[8; 1_300]];
        let mut archive = Vec::new();
        for (number, content) in contents.iter().enumerate() {
            let bytes = content.len() as u64;
            archive.extend(header(&format!("a/{number}.json"), bytes, Timestamp::UNIX_EPOCH).unwrap());
            archive.extend_from_slice(content);
            archive.extend(padding(bytes));
        }
        archive.extend(END);
        let expect: u64 = contents.iter().map(|content| length(content.len() as u64)).sum();
        assert_eq!(archive.len() as u64, expect + END.len() as u64);
        let mut tar = Tar::new(archive.as_slice());
        for (number, content) in contents.iter().enumerate() {
            assert_eq!(tar.next_file().unwrap().unwrap(), format!("a/{number}.json"));
            let mut read = Vec::new();
            // What is past the member's end is no part of it.
            tar.by_ref().take(content.len() as u64).read_to_end(&mut read).unwrap();
            assert_eq!(read, *content);
        }
        assert!(tar.next_file().unwrap().is_none());
    }

    #[test]
    fn names_are_plain() {
        for good in ["evidence.json", "rows/decisions-2026-11-18T09-0001.jsonl", "a/date=2026-11-18/b"] {
            assert!(is_name(good), "{good}");
        }
        let long = "x".repeat(101);
        for bad in ["", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a b", "a\nb", "a\\b", "ä", &long] {
            assert!(!is_name(bad), "{bad}");
            assert!(header(bad, 0, Timestamp::UNIX_EPOCH).is_err(), "{bad}");
        }
        assert!(header("a", MEMBER_BYTES_MAX + 1, Timestamp::UNIX_EPOCH).is_err());
    }
}
