//! JSON objects out of a stream of bytes: one in a line, spread over lines, or as the members of a list.
//!
//! `{"Records": [{…}, {…}]}` is given object by object, so that a file of any size takes the memory of one of them. What
//! is broken costs its own object and at most the one behind it: the next line that can begin an object does.

use std::ops::ControlFlow;

use crate::lines::LINE_BYTES_MAX;

/// Deeper ones are broken.
const DEPTH_MAX: usize = 100;

/// What was found, with the number of the line on which it begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found<'a> {
    Object(&'a [u8]),
    Broken(&'static str),
}

/// Reads on from chunk to chunk.
pub(crate) struct Objects {
    /// The member of an outer object whose list holds the objects.
    list: &'static str,
    line: u64,
    began_on: u64,
    buffer: Vec<u8>,
    too_long: bool,
    /// Open brackets, the outermost first.
    open: Vec<u8>,
    /// How many of them are around the objects that are wanted.
    base: usize,
    /// The list has ended: what else is in the object around it is wanted by nobody.
    around: bool,
    in_text: bool,
    escaped: bool,
    /// The last byte outside of texts that is no white space.
    before: u8,
    /// Where the last text begins in the buffer, and where it ends.
    text: (usize, usize),
    /// Something outside of any object was told already on this line.
    noise_told: bool,
}

impl Objects {
    pub fn new(list: &'static str) -> Self {
        Self {
            list,
            line: 1,
            began_on: 1,
            buffer: Vec::new(),
            too_long: false,
            open: Vec::new(),
            base: 0,
            around: false,
            in_text: false,
            escaped: false,
            before: 0,
            text: (0, 0),
            noise_told: false,
        }
    }

    pub fn push<B>(
        &mut self,
        bytes: &[u8],
        mut visit: impl FnMut(u64, Found<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        for byte in bytes {
            self.byte(*byte, &mut visit)?;
            if *byte == b'\n' {
                self.line += 1;
                self.noise_told = false;
            }
        }
        ControlFlow::Continue(())
    }

    pub fn end<B>(&mut self, mut visit: impl FnMut(u64, Found<'_>) -> ControlFlow<B>) -> ControlFlow<B> {
        match self.open.is_empty() {
            true => ControlFlow::Continue(()),
            false => visit(self.began_on, Found::Broken("it ends in its middle")),
        }
    }

    fn byte<B>(
        &mut self,
        byte: u8,
        visit: &mut impl FnMut(u64, Found<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        if self.in_text {
            return self.text(byte, visit);
        }
        match byte {
            b'{' | b'[' => return self.deeper(byte, visit),
            b'}' | b']' => return self.shallower(byte, visit),
            _ if byte.is_ascii_whitespace() => {
                self.keep(byte);
                return ControlFlow::Continue(());
            }
            b'"' if !self.open.is_empty() => {
                self.in_text = true;
                self.keep(byte);
                self.text.0 = self.buffer.len();
                return ControlFlow::Continue(());
            }
            // Between the objects of a list, or of a line.
            b',' if self.open.len() == self.base => {}
            _ if self.open.len() == self.base && !self.around => return self.noise(visit),
            _ => self.keep(byte),
        }
        self.before = byte;
        ControlFlow::Continue(())
    }

    fn text<B>(
        &mut self,
        byte: u8,
        visit: &mut impl FnMut(u64, Found<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match byte {
            // No text of JSON holds a line's end: it was cut, and what follows begins anew.
            b'\n' => return self.restart(visit, "a text does not end on its line"),
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => {
                self.in_text = false;
                self.before = byte;
                self.text.1 = self.buffer.len();
            }
            _ => {}
        }
        self.keep(byte);
        ControlFlow::Continue(())
    }

    fn deeper<B>(
        &mut self,
        byte: u8,
        visit: &mut impl FnMut(u64, Found<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let fits = match self.open.last() {
            None => true,
            Some(b'[') => matches!(self.before, b'[' | b','),
            Some(_) => self.before == b':',
        };
        if !fits && byte == b'{' {
            self.restart(visit, "the object before does not end")?;
        }
        if self.open.len() >= DEPTH_MAX {
            return self.restart(visit, "it is nested too deeply");
        }
        let outside = self.open.len() == self.base && !self.around;
        let list = byte == b'['
            && self.base == 0
            && !self.around
            && match self.open.len() {
                0 => true,
                1 => self.before == b':' && self.is_list(),
                _ => false,
            };
        if outside && byte == b'{' {
            self.buffer.clear();
            self.too_long = false;
            self.began_on = self.line;
        }
        self.open.push(byte);
        self.before = byte;
        if list {
            self.base = self.open.len();
            self.buffer.clear();
            self.too_long = false;
        } else if outside && byte == b'[' {
            return self.restart(visit, "it is a list where an object should be");
        }
        self.keep(byte);
        ControlFlow::Continue(())
    }

    fn shallower<B>(
        &mut self,
        byte: u8,
        visit: &mut impl FnMut(u64, Found<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let opened = if byte == b'}' { b'{' } else { b'[' };
        match self.open.last() {
            None => return self.noise(visit),
            Some(last) if *last != opened => return self.restart(visit, "its brackets do not match"),
            Some(_) => {}
        }
        self.keep(byte);
        let was_wanted = self.is_wanted();
        self.open.pop();
        self.before = byte;
        if self.open.len() < self.base {
            self.base = 0;
            self.around = true;
        } else if was_wanted && self.open.len() == self.base {
            let whole = std::mem::take(&mut self.buffer);
            let found = match self.too_long {
                true => Found::Broken("it is longer than 1 MiB"),
                false => Found::Object(&whole),
            };
            let told = visit(self.began_on, found);
            self.buffer = whole;
            self.buffer.clear();
            return told;
        }
        if self.open.is_empty() {
            self.around = false;
        }
        ControlFlow::Continue(())
    }

    /// Whether an object that is wanted is open.
    fn is_wanted(&self) -> bool {
        self.open.len() > self.base && !self.around
    }

    /// The last text was the name of the list.
    fn is_list(&self) -> bool {
        let name = self.buffer.get(self.text.0..self.text.1).unwrap_or_default();
        name == self.list.as_bytes()
    }

    fn keep(&mut self, byte: u8) {
        if !self.is_wanted() || self.too_long {
            return;
        }
        if self.buffer.len() >= LINE_BYTES_MAX {
            self.too_long = true;
            self.buffer.clear();
            return;
        }
        self.buffer.push(byte);
    }

    /// Begins anew, within the list if there is one, after saying so.
    fn restart<B>(
        &mut self,
        visit: &mut impl FnMut(u64, Found<'_>) -> ControlFlow<B>,
        why: &'static str,
    ) -> ControlFlow<B> {
        self.buffer.clear();
        self.too_long = false;
        self.in_text = false;
        self.escaped = false;
        self.around = false;
        self.open.truncate(self.base);
        self.before = b',';
        visit(self.began_on, Found::Broken(why))
    }

    fn noise<B>(&mut self, visit: &mut impl FnMut(u64, Found<'_>) -> ControlFlow<B>) -> ControlFlow<B> {
        if std::mem::replace(&mut self.noise_told, true) {
            return ControlFlow::Continue(());
        }
        visit(self.line, Found::Broken("it is no JSON object"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str, chunk: usize) -> Vec<String> {
        let mut objects = Objects::new("Records");
        let mut seen = Vec::new();
        let mut visit = |line: u64, found: Found<'_>| {
            seen.push(match found {
                Found::Object(bytes) => format!("{line} {}", String::from_utf8_lossy(bytes)),
                Found::Broken(why) => format!("{line} broken: {why}"),
            });
            ControlFlow::<()>::Continue(())
        };
        for chunk in text.as_bytes().chunks(chunk) {
            assert!(objects.push(chunk, &mut visit).is_continue());
        }
        assert!(objects.end(&mut visit).is_continue());
        seen
    }

    fn check(text: &str, expect: &[&str]) {
        for chunk in [1, 3, 4_096] {
            assert_eq!(found(text, chunk), expect, "{text} by {chunk}");
        }
    }

    #[test]
    fn objects_come_from_lines_lists_and_outer_objects() {
        check("{\"a\":1}\n{\"b\":[{}]}", &["1 {\"a\":1}", "2 {\"b\":[{}]}"]);
        check("[{\"a\":1},\n{\"b\":\"}\"}]", &["1 {\"a\":1}", "2 {\"b\":\"}\"}"]);
        check(
            "{\"x\":\"\\\"[\", \"Records\" : [{\"a\":{}},\n {\"b\":2}], \"y\": {\"z\":[1,{}]}}\n{\"c\":3}",
            &["1 {\"a\":{}}", "2 {\"b\":2}", "3 {\"c\":3}"],
        );
        check("{\"Records\":[]}{\"Records\":[{}]}", &["1 {}"]);
        check("{\"n\":{\"Records\":[{}]}}", &["1 {\"n\":{\"Records\":[{}]}}"]);
    }

    #[test]
    fn what_is_broken_costs_itself_and_little_more() {
        let ends = "the object before does not end";
        check(
            "{\"a\":1\n{\"b\":2}\n{\"c\":3}",
            &[&format!("1 broken: {ends}"), "2 {\"b\":2}", "3 {\"c\":3}"],
        );
        check("{\"a\":\"x\n{\"b\":2}", &["1 broken: a text does not end on its line", "2 {\"b\":2}"]);
        check("{\"a\":1]\n{\"b\":2}", &["1 broken: its brackets do not match", "2 {\"b\":2}"]);
        check("hello world\n{\"b\":2}", &["1 broken: it is no JSON object", "2 {\"b\":2}"]);
        check("{\"a\":", &["1 broken: it ends in its middle"]);
        let deep = "{\"a\":".repeat(DEPTH_MAX + 1);
        assert!(found(&format!("{deep}\n{{\"b\":2}}"), 7).contains(&"2 {\"b\":2}".to_owned()));
        let list = "{\"Records\":[{\"a\":1 {\"b\":2},{\"c\":3}]}";
        check(list, &[&format!("1 broken: {ends}"), "1 {\"b\":2}", "1 {\"c\":3}"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_the_same_however_they_are_cut(
            text in "([{}\\[\\]\",:\\\\ a1\n]|\"Records\":\\[){0,60}",
            chunk in 1_usize..9,
        ) {
            prop_assert_eq!(found(&text, chunk), found(&text, usize::MAX));
        }

        /// What serde_json writes is found whole, whatever it holds.
        #[test]
        fn sound_objects_are_found_whole(values in proptest::collection::vec("[\\PC\n\"{}\\[\\]]{0,12}", 1..6)) {
            let objects: Vec<String> =
                values.iter().map(|text| serde_json::json!({ text: [text, {"Records": text}] }).to_string()).collect();
            let lines = objects.join("\n");
            let list = format!("{{\"Records\":[{}]}}", objects.join(","));
            for text in [lines, list] {
                let seen: Vec<String> = found(&text, 5).into_iter().map(|found| found[2..].to_owned()).collect();
                prop_assert_eq!(&seen, &objects);
            }
        }
    }
}
