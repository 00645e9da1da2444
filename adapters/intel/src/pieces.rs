//! Lists of lines, by pieces: one thread reads, others take the pieces apart, and what they found is put together in
//! the order of the file.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope};

use crate::error::FeedError;
use crate::gathered::Gathered;
use crate::json::{Full, Sink as _};
use crate::lines::{Block, Blocks, lines};
use crate::list::Limits;
use crate::networks::Expected;
use crate::text::{Entries, Named, may_be_heading, named};

/// Shorter lists are read before a second thread has begun.
const BLOCKS_ALONE: usize = 16;
/// Reading keeps no more of them busy.
const HELPERS: usize = 2;
/// Blocks that each of them may have before it, for times at which it doesn't run.
const BLOCKS_AHEAD: usize = 3;

/// Reads a list of lines.
pub fn from_lines(
    reader: impl Read,
    entries: Entries,
    limits: Limits,
    expected: Expected,
) -> Result<Gathered, FeedError> {
    let mut gathered = Gathered::new(limits, expected);
    gathered.report.format = format!("{}, one a line", entries.as_str());
    let full = |Full| FeedError::TooMany(limits.entries_max);
    let mut blocks = Blocks::new(reader);
    let mut block = Block::default();
    let mut is_first = true;
    let mut read = 0;
    while blocks.next(&mut block)? {
        take_apart(&block, entries, &mut is_first, &mut gathered).map_err(full)?;
        read += 1;
        if read >= BLOCKS_ALONE && !is_first && is_shared_work_worth_it() {
            together(&mut blocks, entries, limits, &mut gathered)?;
        }
    }
    Ok(gathered)
}

/// Whether two threads get further than one.
pub fn is_shared_work_worth_it() -> bool {
    thread::available_parallelism().is_ok_and(|processors| processors.get() > 1)
}

/// A block, and what was found in it. Both are used again and again.
struct Piece {
    block: Block,
    found: Gathered,
    taken: Result<(), Full>,
}

/// A thread that takes blocks apart, and gives them back in the same order.
struct Helper {
    todo: SyncSender<Piece>,
    done: Receiver<Piece>,
}

/// Has helpers take apart what is left of a list, if there can be any.
fn together(
    blocks: &mut Blocks<impl Read>,
    entries: Entries,
    limits: Limits,
    gathered: &mut Gathered,
) -> Result<(), FeedError> {
    thread::scope(|scope| {
        let helpers: Vec<Helper> = (0..HELPERS).map_while(|_| Helper::start(scope, entries).ok()).collect();
        // Who has which block, in the order of the file.
        let mut ahead: VecDeque<&Helper> = VecDeque::new();
        let mut hands = helpers.iter().cycle().take(helpers.len() * BLOCKS_AHEAD);
        let ended = loop {
            let (helper, mut piece) = match hands.next() {
                Some(helper) => (helper, Piece::new(limits)),
                None => match ahead.pop_front() {
                    Some(helper) => (helper, helper.finish(gathered, limits)?),
                    None => return Ok(()),
                },
            };
            match blocks.next(&mut piece.block) {
                Ok(true) => helper.todo.send(piece).map_err(|_| gone())?,
                ended => break ended,
            }
            ahead.push_back(helper);
        };
        for helper in ahead {
            helper.finish(gathered, limits)?;
        }
        ended?;
        Ok(())
    })
}

impl Piece {
    fn new(limits: Limits) -> Self {
        let found = Gathered::new(limits, Expected::default());
        Self { block: Block::default(), found, taken: Ok(()) }
    }
}

impl Helper {
    fn start<'scope>(scope: &'scope Scope<'scope, '_>, entries: Entries) -> io::Result<Self> {
        let (todo, pieces) = sync_channel::<Piece>(BLOCKS_AHEAD);
        let (finished, done) = sync_channel(BLOCKS_AHEAD);
        let work = move || {
            for mut piece in pieces {
                piece.taken = take_apart(&piece.block, entries, &mut false, &mut piece.found);
                if finished.send(piece).is_err() {
                    break;
                }
            }
        };
        thread::Builder::new().name("list".to_owned()).spawn_scoped(scope, work)?;
        Ok(Self { todo, done })
    }

    /// Adds what was found in its next block to the list.
    fn finish(&self, gathered: &mut Gathered, limits: Limits) -> Result<Piece, FeedError> {
        let mut piece = self.done.recv().map_err(|_| gone())?;
        let taken = match piece.taken {
            Ok(()) => gathered.absorb(&mut piece.found),
            full => full,
        };
        taken.map_err(|Full| FeedError::TooMany(limits.entries_max))?;
        piece.taken = Ok(());
        Ok(piece)
    }
}

fn gone() -> io::Error {
    io::Error::other("a thread that reads it has ended")
}

/// Finds what the lines of a block name.
fn take_apart(
    block: &Block,
    entries: Entries,
    is_first: &mut bool,
    found: &mut Gathered,
) -> Result<(), Full> {
    for line in lines(block.text()) {
        found.lines += 1;
        if line.too_long {
            found.report.broken(found.lines, line.text, "is longer than 16 KiB");
            continue;
        }
        match named(line.text, entries) {
            Named::Nothing => continue,
            Named::Range(range) => found.range(range)?,
            Named::Ja4(ja4) => found.ja4(ja4)?,
            Named::Asn(asn) => found.asn(asn)?,
            Named::Broken(_) if *is_first && may_be_heading(line.text) => {}
            Named::Broken(why) => found.report.broken(found.lines, line.text, why),
        }
        *is_first = false;
        found.report.unended = !line.ended;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::BLOCK_BYTES;
    use crate::report::Report;
    use crate::{FeedError, List};

    /// Lines of every kind, enough of them for helpers.
    fn text(seed: u64, bytes: usize) -> Vec<u8> {
        let mut seed = seed;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let mut text = b"network,comment\n".to_vec();
        while text.len() < bytes {
            let number = random(1 << 31) as u32;
            let line = match random(1_000) {
                0..5 => "oops".to_owned(),
                5 if random(40) == 0 => "x".repeat(random(3 * BLOCK_BYTES as u64) as usize),
                6..20 => "# nothing".to_owned(),
                20..30 => String::new(),
                30 => "10.0.0.0/8".to_owned(),
                31..400 => format!("2001:db8:{:x}::{:x}", number >> 16, number & 0xffff),
                400..600 => format!("2001:db8:{:x}::/48 ; SBL", number >> 16),
                600..620 => format!("2001:db8::{:x}-2001:db8::{:x}", number >> 16, (number >> 16) + 7),
                _ => format!("{}/{}", std::net::Ipv4Addr::from(number), 24 + number % 9),
            };
            text.extend(line.bytes());
            text.extend(if random(3) == 0 { &b"\r\n"[..] } else { b"\n" });
        }
        text.truncate(text.len() - random(9) as usize);
        text
    }

    /// All of it as one block.
    fn alone(text: &[u8], limits: Limits) -> Result<(List, Report), FeedError> {
        let mut gathered = Gathered::new(limits, Expected::default());
        gathered.report.format = "addresses, one a line".to_owned();
        take_apart(&Block::from(text.to_vec()), Entries::Addresses, &mut true, &mut gathered)
            .map_err(|Full| FeedError::TooMany(limits.entries_max))?;
        gathered.finish()
    }

    #[test]
    fn helpers_find_what_one_alone_finds() {
        for seed in 0..6 {
            let text = text(seed, (2 * BLOCKS_ALONE + 9) * BLOCK_BYTES);
            for entries_max in [usize::MAX, 80_000] {
                let limits = Limits { entries_max, ..Limits::default() };
                let ours = from_lines(&text[..], Entries::Addresses, limits, Expected::default())
                    .and_then(Gathered::finish);
                match (ours, alone(&text, limits)) {
                    (Ok((list, report)), Ok((expect, expect_report))) => {
                        assert_eq!(report, expect_report);
                        assert!(report.broken > 100 && report.kept > 10_000, "{report:?}");
                        assert!(list == expect, "{seed}");
                    }
                    (Err(error), Err(expect)) => assert_eq!(error.to_string(), expect.to_string()),
                    (ours, expect) => panic!("{seed}: {:?}, {:?}", ours.err(), expect.err()),
                }
            }
        }
    }

    /// Fails behind its text.
    struct Torn<'a>(&'a [u8]);

    impl Read for Torn<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("torn")),
                read => Ok(read),
            }
        }
    }

    #[test]
    fn what_cannot_be_read_ends_all_of_it_but_too_much_before_comes_first() {
        let text = text(1, (2 * BLOCKS_ALONE + 9) * BLOCK_BYTES);
        let read = |entries_max| {
            let limits = Limits { entries_max, ..Limits::default() };
            let error = from_lines(Torn(&text), Entries::Addresses, limits, Expected::default());
            error.err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(read(usize::MAX), "it can't be read: torn");
        assert!(read(80_000).starts_with("it has more than 80000 entries"));
    }
}
