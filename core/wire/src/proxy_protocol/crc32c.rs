/// The Castagnoli polynomial, reflected (RFC 3720, appendix B.4).
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// What each half byte adds: sixteen entries do for headers of some hundred bytes.
const TABLE: [u32; 16] = table();

/// CRC32C of parts that follow each other.
pub(super) fn crc32c<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut state = u32::MAX;
    for byte in parts.into_iter().flatten() {
        state = step(state ^ u32::from(*byte));
        state = step(state);
    }
    !state
}

fn step(state: u32) -> u32 {
    let entry = TABLE.get((state & 0xf) as usize).copied().unwrap_or_default();
    (state >> 4) ^ entry
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses a wrong index")]
const fn table() -> [u32; 16] {
    let mut table = [0; 16];
    let mut index = 0;
    while index < table.len() {
        let mut entry = index as u32;
        let mut bit = 0;
        while bit < 4 {
            entry = if entry & 1 == 1 { (entry >> 1) ^ POLYNOMIAL } else { entry >> 1 };
            bit += 1;
        }
        table[index] = entry;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    #[test]
    fn published_vectors_agree() {
        let check = |bytes: &[u8], expect| assert_eq!(crc32c([bytes]), expect, "{bytes:x?}");
        // RFC 3720, appendix B.4, and the usual check value.
        check(b"123456789", 0xe306_9283);
        check(&[0; 32], 0x8a91_36aa);
        check(&[0xff; 32], 0x62a8_ab43);
        check(&(0..32).collect::<Vec<u8>>(), 0x46dd_794e);
        check(&(0..32).rev().collect::<Vec<u8>>(), 0x113f_db5c);
    }

    #[test]
    fn parts_follow_each_other() {
        assert_eq!(crc32c([&b"1234"[..], b"", b"56789"]), crc32c([&b"123456789"[..]]));
    }
}
