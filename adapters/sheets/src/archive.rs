//! Zip archives (APPNOTE 6.3), as far as workbooks need them. What the directory declares is looked at before anything is
//! unpacked, and what is unpacked is counted: an archive that lies about its sizes gains nothing.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::DeflateDecoder;

use crate::SheetError;

const ENTRIES_MAX: usize = 2_000;

/// Bytes of one part, unpacked, and of all parts that are asked for.
const PART_BYTES_MAX: u64 = 96 << 20;
const TOTAL_BYTES_MAX: u64 = 192 << 20;

/// How much larger than packed a part may be: rows of a spreadsheet are alike, but not that alike.
const RATIO_MAX: u64 = 200;

/// Below this a ratio says nothing.
const RATIO_FROM: u64 = 4 << 20;

pub struct Archive<'a> {
    bytes: &'a [u8],
    entries: BTreeMap<String, Entry>,
    left: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    method: u16,
    packed: u64,
    unpacked: u64,
    crc: u32,
    header: u64,
}

impl<'a> Archive<'a> {
    pub fn open(bytes: &'a [u8]) -> Result<Self, SheetError> {
        let end = end_of_directory(bytes).ok_or_else(|| broken("the archive has no end"))?;
        let (count, offset) = (u16_at(bytes, end + 10), u32_at(bytes, end + 16));
        let (count, mut at) = (count.ok_or_else(cut_off)?, offset.ok_or_else(cut_off)? as usize);
        if count == u16::MAX || at >= bytes.len() {
            return Err(broken("its directory lies outside, or is in the form for huge archives"));
        }
        if usize::from(count) > ENTRIES_MAX {
            return Err(SheetError::Bomb(format!("{count} parts, where {ENTRIES_MAX} are the most")));
        }
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            let (name, entry, next) = entry(bytes, at)?;
            check_declared(&name, entry)?;
            if entries.insert(name.clone(), entry).is_some() {
                // Two programs would read two different workbooks.
                return Err(broken(&format!("`{name}` is in it twice")));
            }
            at = next;
        }
        let declared: u64 = entries.values().map(|entry| entry.unpacked).sum();
        if declared > TOTAL_BYTES_MAX {
            return Err(SheetError::Bomb(format!("{declared} bytes, where {TOTAL_BYTES_MAX} are the most")));
        }
        Ok(Self { bytes, entries, left: TOTAL_BYTES_MAX })
    }

    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// A part, unpacked; none where there is none of this name.
    pub fn part(&mut self, name: &str) -> Result<Option<String>, SheetError> {
        let Some(entry) = self.entries.get(name).copied() else { return Ok(None) };
        let packed = self.packed(entry).ok_or_else(cut_off)?;
        let most = PART_BYTES_MAX.min(self.left);
        let mut unpacked = Vec::new();
        match entry.method {
            0 => unpacked.extend_from_slice(packed),
            8 => {
                let most = most.min(allowed(entry.packed));
                let read = DeflateDecoder::new(packed).take(most + 1).read_to_end(&mut unpacked);
                read.map_err(|_| broken(&format!("`{name}` can't be unpacked")))?;
                if unpacked.len() as u64 > most {
                    return Err(SheetError::Bomb(format!("`{name}` unpacks to more than {most} bytes")));
                }
            }
            method => {
                return Err(broken(&format!(
                    "`{name}` is packed by a method ({method}) that no spreadsheet uses"
                )));
            }
        }
        let mut crc = flate2::Crc::new();
        crc.update(&unpacked);
        if crc.sum() != entry.crc || unpacked.len() as u64 != entry.unpacked {
            return Err(broken(&format!("`{name}` isn't what its sum says")));
        }
        self.left = self.left.saturating_sub(unpacked.len() as u64);
        String::from_utf8(unpacked).map(Some).map_err(|_| broken(&format!("`{name}` is not UTF-8")))
    }

    fn packed(&self, entry: Entry) -> Option<&'a [u8]> {
        let at = usize::try_from(entry.header).ok()?;
        if u32_at(self.bytes, at)? != 0x0403_4b50 {
            return None;
        }
        let names = usize::from(u16_at(self.bytes, at + 26)?) + usize::from(u16_at(self.bytes, at + 28)?);
        let from = at.checked_add(30)?.checked_add(names)?;
        let to = from.checked_add(usize::try_from(entry.packed).ok()?)?;
        self.bytes.get(from..to)
    }
}

fn allowed(packed: u64) -> u64 {
    packed.saturating_mul(RATIO_MAX).max(RATIO_FROM)
}

fn check_declared(name: &str, entry: Entry) -> Result<(), SheetError> {
    if entry.unpacked > PART_BYTES_MAX {
        return Err(SheetError::Bomb(format!("`{name}` has {} bytes", entry.unpacked)));
    }
    if entry.unpacked > allowed(entry.packed) {
        let ratio = entry.unpacked / entry.packed.max(1);
        return Err(SheetError::Bomb(format!("`{name}` is {ratio} times as large as it is packed")));
    }
    Ok(())
}

fn entry(bytes: &[u8], at: usize) -> Result<(String, Entry, usize), SheetError> {
    let read = || {
        let word = |offset: usize| u16_at(bytes, at.checked_add(offset)?);
        let long = |offset: usize| u32_at(bytes, at.checked_add(offset)?);
        if long(0)? != 0x0201_4b50 {
            return None;
        }
        let (name, extra, comment) = (usize::from(word(28)?), usize::from(word(30)?), usize::from(word(32)?));
        let text = bytes.get(at + 46..at + 46 + name)?;
        let entry = Entry {
            method: word(10)?,
            crc: long(16)?,
            packed: u64::from(long(20)?),
            unpacked: u64::from(long(24)?),
            header: u64::from(long(42)?),
        };
        let encrypted = word(8)? & 1 == 1;
        Some((
            String::from_utf8_lossy(text).replace('\\', "/"),
            entry,
            at + 46 + name + extra + comment,
            encrypted,
        ))
    };
    match read() {
        None => Err(cut_off()),
        Some((_, _, _, true)) => Err(SheetError::Format {
            found: "an archive with a password",
            hint: "save it as `.xlsx` without a password",
        }),
        Some((name, entry, next, false)) => Ok((name, entry, next)),
    }
}

/// The last record of the archive: 22 bytes, and a comment of at most 64 KiB.
fn end_of_directory(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(22)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    (first..=last).rev().find(|at| u32_at(bytes, *at) == Some(0x0605_4b50))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn cut_off() -> SheetError {
    broken("the archive is cut off, or no archive")
}

fn broken(what: &str) -> SheetError {
    SheetError::Broken(what.chars().filter(|letter| !letter.is_control()).take(200).collect())
}
