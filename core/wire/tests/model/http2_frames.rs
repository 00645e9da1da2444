// An accountant of HTTP/2 frames that keeps everything: the stream as one piece, and of each kind of
// frame when it came. Both the property tests and the fuzz target compare the guard with it.

use portcullis_wire::http2_frames::{Flood, Limits, Rate};

/// What happens on a connection.
#[derive(Clone, Debug)]
pub enum Step {
    Received { now_ms: u64, bytes: Vec<u8> },
    Sent { bytes: u64 },
}

/// The first flood, and in which step its last byte came.
pub fn read(limits: Limits, steps: &[Step]) -> Option<(usize, Flood)> {
    // Each byte, with its step, its time and what had been earned till then.
    let (mut stream, mut earned, mut clock_ms) = (Vec::new(), 0, 0);
    for (step, what) in steps.iter().enumerate() {
        match what {
            Step::Received { now_ms, bytes } => {
                clock_ms = clock_ms.max(*now_ms);
                stream.extend(bytes.iter().map(|&byte| (byte, step, clock_ms, earned)));
            }
            Step::Sent { bytes } => earned += bytes * 1_000 / u64::from(limits.sent_bytes_per_window_update),
        }
    }

    for (place, expect) in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".iter().enumerate() {
        let &(byte, step, ..) = stream.get(place)?;
        if byte != *expect {
            return Some((step, Flood::Preface));
        }
    }
    let mut kinds: Vec<Vec<(u64, u64)>> = vec![Vec::new(); 9];
    let mut block: Option<(u32, u32)> = None;
    let mut at = 24;
    while let Some(header) = stream.get(at..at + 9) {
        let &(_, step, now_ms, earned) = &header[8];
        let length = u32::from(header[0].0) << 16 | u32::from(header[1].0) << 8 | u32::from(header[2].0);
        let (kind, flags) = (header[3].0, header[4].0);
        let flood = |flood| Some((step, flood));
        at += 9 + length as usize;
        if length > limits.frame_bytes_max {
            return flood(Flood::FrameTooLong { bytes: length, bytes_max: limits.frame_bytes_max });
        }
        if kind == 4 && length >= 6 * (limits.settings_entries_max + 1) {
            return flood(Flood::SettingsTooLong { entries_max: limits.settings_entries_max });
        }
        if kind == 1 || kind == 9 {
            let (frames, bytes) = match (kind, block) {
                (1, _) => (0, length),
                (_, Some((frames, bytes))) => (frames + 1, bytes + length),
                (_, None) => return flood(Flood::StrayContinuation),
            };
            if frames > limits.continuation_frames_max {
                return flood(Flood::Continuation { frames_max: limits.continuation_frames_max });
            }
            if bytes > limits.header_block_bytes_max {
                return flood(Flood::HeaderBlockTooLong { bytes_max: limits.header_block_bytes_max });
            }
            block = if flags & 4 == 0 { Some((frames, bytes)) } else { None };
            continue;
        }
        let data_bytes_min = if flags & 8 == 0 { i64::from(length) } else { i64::from(length) - 256 };
        let (which, rate, verdict) = match kind {
            0 if flags & 1 != 0 => continue,
            0 if length == 0 => (0, limits.empty_data, Flood::EmptyData),
            0 if data_bytes_min <= i64::from(limits.tiny_data_bytes_max) => {
                (1, limits.tiny_data, Flood::TinyData)
            }
            0 => continue,
            2 => (2, limits.priority, Flood::Priority),
            3 => (3, limits.reset, Flood::Reset),
            4 => (4, limits.settings, Flood::Settings),
            6 => (5, limits.ping, Flood::Ping),
            7 => (6, limits.go_away, Flood::GoAway),
            8 => (7, limits.window_update, Flood::WindowUpdate),
            _ => (8, limits.unknown, Flood::Unknown),
        };
        kinds[which].push((now_ms, if kind == 8 { earned } else { 0 }));
        if !fits(rate, &kinds[which]) {
            return flood(verdict);
        }
    }
    None
}

/// Whether the last frame leaves every interval that ends with it within its bound.
fn fits(rate: Rate, frames: &[(u64, u64)]) -> bool {
    let &(end_ms, end_earned) = frames.last().unwrap();
    frames.iter().rev().zip(1..).all(|(&(start_ms, start_earned), count)| {
        let granted = u64::from(rate.burst) * 1_000
            + (end_ms - start_ms) * u64::from(rate.per_second)
            + (end_earned - start_earned);
        count * 1_000 <= granted
    })
}
