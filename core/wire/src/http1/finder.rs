//! Where a head ends.

use memchr::memchr;

use super::HeadLimits;
use super::bytes::token;
use super::request::METHOD_BYTES_MAX;
use crate::http_rules::HeadFault;

/// Finds the end of a head, of a request or a response, in bytes that come piece by piece, and looks at each
/// of them once. How they are cut into pieces makes no difference.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadFinder {
    /// Whether the start was seen, and is that of a head.
    opened: bool,
    /// How many bytes have been looked at.
    looked: usize,
    line_start: usize,
}

impl HeadFinder {
    /// The length of the head at the start of `bytes`, with the empty line that ends it; none, while it
    /// hasn't come whole. Each call gets all bytes since the start of the head; a new head needs a new
    /// finder.
    ///
    /// # Errors
    /// What shows without the end of the head: bytes that don't open one, a line that ends with LF alone,
    /// and more bytes than `head_bytes_max`. The first in the order of the bytes, as soon as it is there.
    #[inline]
    pub fn find(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadFault> {
        let bytes_max = limits.head_bytes_max;
        let visible = bytes.get(..bytes_max).unwrap_or(bytes);
        if !self.opened {
            self.look_at_start(visible)?;
        }
        while let Some(end) = memchr(b'\n', visible.get(self.looked..).unwrap_or_default()) {
            // Stays at the line feed until it is known to be good: asked again, the answer is the same.
            let line_feed = self.looked + end;
            let Some([line @ .., b'\r']) = visible.get(self.line_start..line_feed) else {
                self.looked = line_feed;
                return Err(HeadFault::BareLineFeed);
            };
            if line.is_empty() {
                self.looked = line_feed;
                return Ok(Some(line_feed + 1));
            }
            self.looked = line_feed + 1;
            self.line_start = self.looked;
        }
        if bytes.len() >= bytes_max {
            return Err(HeadFault::HeadTooLarge { bytes_max });
        }
        self.looked = self.looked.max(visible.len());
        Ok(None)
    }

    /// A request opens with a token and a space, a response with `HTTP/`: a TLS record, an empty line or the
    /// preface of HTTP/2 shows before the first line is whole.
    fn look_at_start(&mut self, visible: &[u8]) -> Result<(), HeadFault> {
        let (method_bytes, _) = token(visible);
        if method_bytes > METHOD_BYTES_MAX {
            return Err(HeadFault::MethodTooLong { bytes_max: METHOD_BYTES_MAX });
        }
        let (method, rest) = visible.split_at_checked(method_bytes).unwrap_or_default();
        match (method, rest) {
            (_, []) => return Ok(()),
            ([], [b'\r' | b'\n', ..]) => return Err(HeadFault::EmptyLineFirst),
            (b"PRI", [b' ', ..]) => return Err(HeadFault::Http2Preface),
            ([_, ..], [b' ', ..]) | (b"HTTP", [b'/', ..]) => {}
            _ => return Err(HeadFault::NotHttp),
        }
        self.opened = true;
        self.looked = method_bytes;
        Ok(())
    }
}
