use std::cmp::Ordering;

/// Bytes before the payload.
pub(crate) const HEADER_BYTES: usize = 42;
/// Length and checksum, which the length doesn't count.
const PREFIX_BYTES: usize = 8;
const ALIGN_BYTES: usize = 8;
/// A decision has some hundred bytes; this bounds what a reader allocates for a damaged length.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// One record, as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    /// Of the kind's payload.
    pub version: u8,
    pub id: [u8; 16],
    /// Zero when unknown.
    pub vendor: [u8; 16],
    pub payload: Vec<u8>,
    pub place: Place,
}

/// Where in the log a frame stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub core: u16,
    pub sequence: u64,
    pub offset_bytes: usize,
}

impl Frame {
    /// The time in the id, in milliseconds since the Unix epoch.
    pub fn id_ms(&self) -> u64 {
        id_ms(&self.id)
    }
}

/// By time and id, then by place: a decision comes before its outcome.
impl Ord for Frame {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.id, self.place).cmp(&(other.id, other.place))
    }
}

impl PartialOrd for Frame {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

pub(crate) fn id_ms(id: &[u8; 16]) -> u64 {
    let [first, second, third, fourth, fifth, sixth, ..] = *id;
    u64::from_be_bytes([0, 0, first, second, third, fourth, fifth, sixth])
}

/// What a frame takes in the segment.
pub(crate) fn frame_bytes(payload_bytes: usize) -> usize {
    (HEADER_BYTES + payload_bytes).next_multiple_of(ALIGN_BYTES)
}

/// A frame that still lies in the segment's bytes.
#[derive(Clone, Copy)]
pub(crate) struct FrameView<'a> {
    pub(crate) offset_bytes: usize,
    pub(crate) kind: u8,
    pub(crate) version: u8,
    pub(crate) id: &'a [u8; 16],
    pub(crate) vendor: &'a [u8; 16],
    pub(crate) payload: &'a [u8],
}

impl FrameView<'_> {
    pub(crate) fn to_frame(self, core: u16, sequence: u64) -> Frame {
        Frame {
            kind: self.kind,
            version: self.version,
            id: *self.id,
            vendor: *self.vendor,
            payload: self.payload.to_vec(),
            place: Place { core, sequence, offset_bytes: self.offset_bytes },
        }
    }
}

/// Writes a whole frame, padding and all, over what the buffer held.
pub(crate) fn encode(
    buffer: &mut Vec<u8>,
    kind: u8,
    version: u8,
    id: &[u8; 16],
    vendor: &[u8; 16],
    payload: &[u8],
) {
    // At most the largest payload, which the writer has checked.
    let length = u32::try_from(HEADER_BYTES - PREFIX_BYTES + payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    let rest = [&[kind, version], id.as_slice(), vendor.as_slice(), payload];
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&length);
    rest.iter().for_each(|part| checksum.update(part));
    buffer.clear();
    buffer.extend_from_slice(&length);
    buffer.extend_from_slice(&checksum.finalize().to_le_bytes());
    rest.iter().for_each(|part| buffer.extend_from_slice(part));
    buffer.resize(frame_bytes(payload.len()), 0);
}

/// The frames of a segment, one after the other, up to the first that doesn't hold.
pub(crate) struct Frames<'a> {
    segment: &'a [u8],
    offset_bytes: usize,
}

impl<'a> Frames<'a> {
    /// Of a whole segment, with its header.
    pub(crate) fn new(segment: &'a [u8]) -> Self {
        Self { segment, offset_bytes: crate::segment::HEADER_BYTES }
    }

    /// Where the next frame would start: after the last one, the end of what holds.
    pub(crate) fn offset_bytes(&self) -> usize {
        self.offset_bytes
    }

    /// Whether the log simply ends here; otherwise something stands here that is no frame.
    pub(crate) fn ended(&self) -> bool {
        self.segment
            .get(self.offset_bytes..)
            .is_none_or(|rest| rest.iter().take(PREFIX_BYTES).all(|&byte| byte == 0))
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = FrameView<'a>;

    fn next(&mut self) -> Option<FrameView<'a>> {
        let rest = self.segment.get(self.offset_bytes..)?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (checksum, rest) = rest.split_first_chunk::<4>()?;
        let body = rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        let (&[kind, version], after) = body.split_first_chunk::<2>()?;
        let (id, after) = after.split_first_chunk::<16>()?;
        let (vendor, payload) = after.split_first_chunk::<16>()?;
        if payload.len() > PAYLOAD_BYTES_MAX {
            return None;
        }
        let mut expect = crc32fast::Hasher::new();
        expect.update(length);
        expect.update(body);
        if expect.finalize() != u32::from_le_bytes(*checksum) {
            return None;
        }
        let view = FrameView { offset_bytes: self.offset_bytes, kind, version, id, vendor, payload };
        self.offset_bytes += frame_bytes(payload.len());
        Some(view)
    }
}
