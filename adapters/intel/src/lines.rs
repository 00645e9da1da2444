//! Lines of a file of any length, in bounded memory.

use std::io::{self, Read};

/// A longer line is none of a list.
pub const LINE_BYTES_MAX: usize = 16 * 1024;
const BUFFER_BYTES: usize = 512 * 1024;

/// Reads `R` in large pieces, and gives its lines without copying them.
pub struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    number: u64,
    at_end: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line<'a> {
    /// From 1 on.
    pub number: u64,
    /// Without its end; of a line that is too long, the beginning.
    pub text: &'a [u8],
    pub too_long: bool,
    /// False of a last line that doesn't end.
    pub ended: bool,
}

impl<R: Read> Lines<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0, number: 0, at_end: false }
    }

    /// The next line, if there is any.
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.number += 1;
        loop {
            let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
            if let Some(length) = memchr::memchr(b'\n', unread) {
                let start = self.start;
                self.start += length + 1;
                return Ok(Some(self.line(start, length, true)));
            }
            if self.at_end {
                let (start, length) = (self.start, self.end - self.start);
                self.start = self.end;
                return Ok((length > 0).then(|| self.line(start, length, false)));
            }
            if self.end - self.start > LINE_BYTES_MAX {
                // Its end is of no interest, but the next line's beginning is.
                let ended = self.skip_line()?;
                return Ok(Some(self.line(0, LINE_BYTES_MAX, ended)));
            }
            self.fill()?;
        }
    }

    fn line(&self, start: usize, length: usize, ended: bool) -> Line<'_> {
        let too_long = length >= LINE_BYTES_MAX;
        let text = self.buffer.get(start..start + length.min(LINE_BYTES_MAX)).unwrap_or_default();
        Line { number: self.number, text, too_long, ended }
    }

    /// Moves what is unread to the front, and reads more behind it.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let read = self.read_behind(self.end)?;
        self.end += read;
        self.at_end = read == 0;
        Ok(())
    }

    fn read_behind(&mut self, place: usize) -> io::Result<usize> {
        loop {
            match self.reader.read(self.buffer.get_mut(place..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    /// Keeps the line's beginning at the front of the buffer.
    fn skip_line(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.start..self.start + LINE_BYTES_MAX, 0);
        loop {
            let read = self.read_behind(LINE_BYTES_MAX)?;
            let got = self.buffer.get(LINE_BYTES_MAX..LINE_BYTES_MAX + read).unwrap_or_default();
            if read == 0 {
                (self.start, self.end, self.at_end) = (LINE_BYTES_MAX, LINE_BYTES_MAX, true);
                return Ok(false);
            }
            if let Some(length) = memchr::memchr(b'\n', got) {
                (self.start, self.end) = (LINE_BYTES_MAX + length + 1, LINE_BYTES_MAX + read);
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte more at each read.
    struct Slowly<'a>(&'a [u8], usize);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            let length = self.1.min(self.0.len()).min(buffer.len());
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    fn all(text: &[u8]) -> Vec<(u64, Vec<u8>, bool, bool)> {
        let mut lines = Lines::new(Slowly(text, 0));
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push((line.number, line.text.to_vec(), line.too_long, line.ended));
        }
        all
    }

    #[test]
    fn lines_are_lines() {
        assert_eq!(all(b""), []);
        assert_eq!(all(b"\n"), [(1, b"".to_vec(), false, true)]);
        assert_eq!(
            all(b"a\n\nbc"),
            [
                (1, b"a".to_vec(), false, true),
                (2, b"".to_vec(), false, true),
                (3, b"bc".to_vec(), false, false),
            ]
        );
    }

    #[test]
    fn a_line_without_end_costs_its_beginning() {
        let mut text = vec![b'x'; 3 * BUFFER_BYTES];
        text.extend(b"\nnext\n");
        let found = all(&text);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].1.len(), found[0].2, found[0].3), (LINE_BYTES_MAX, true, true));
        assert_eq!(found[1], (2, b"next".to_vec(), false, true));
        let found = all(&vec![b'x'; 2 * BUFFER_BYTES]);
        assert_eq!((found.len(), found[0].2, found[0].3), (1, true, false));
    }
}
