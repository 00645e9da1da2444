//! Spells JSON values in random ways, and remembers which bytes are records.

use serde_json::Value;

use crate::Body;

/// A xorshift generator: the spelling follows from the seed.
pub struct Seed(pub u64);

impl Seed {
    fn below(&mut self, end: u64) -> u64 {
        self.0 |= 1;
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// Without a pointer the elements of every outermost array are records.
pub fn write_documents(documents: &[Value], pointer: Option<&str>, seed: Seed) -> Body {
    let mut writer = Writer { body: Body { text: String::new(), records: Vec::new() }, seed };
    if writer.seed.below(8) == 0 {
        writer.body.text.push('\u{feff}');
    }
    for document in documents {
        // Two scalars need something between them.
        writer.body.text.push('\n');
        writer.space();
        let start = writer.body.text.len();
        let before = writer.body.records.len();
        let counted = match pointer {
            None => Counted::OutermostArrays,
            Some(pointer) => match document.pointer(pointer) {
                Some(Value::Array(elements)) => Counted::Only(elements.as_ptr()),
                _ => Counted::Nothing,
            },
        };
        writer.value(document, counted);
        let end = writer.body.text.len();
        let is_counted_array = document.is_array() && pointer.is_none_or(str::is_empty);
        match writer.body.records.get_mut(before) {
            // The first element is paid for at the document's first byte.
            Some(first) if !is_counted_array => first.start = start,
            Some(_) => {}
            None if is_counted_array => {}
            None => writer.body.records.push(start..end),
        }
    }
    writer.space();
    writer.body
}

/// Which arrays below here have records as elements.
#[derive(Clone, Copy)]
enum Counted {
    Nothing,
    OutermostArrays,
    /// The one whose elements are kept there. Empty arrays are alike, and have no elements.
    Only(*const Value),
}

struct Writer {
    body: Body,
    seed: Seed,
}

impl Writer {
    fn value(&mut self, value: &Value, counted: Counted) {
        match value {
            Value::Array(elements) => self.array(elements, counted),
            Value::Object(members) => {
                self.body.text.push('{');
                for (place, (key, member)) in members.iter().enumerate() {
                    self.comma(place);
                    self.text(key);
                    self.space();
                    self.body.text.push(':');
                    self.space();
                    self.value(member, counted);
                }
                self.space();
                self.body.text.push('}');
            }
            Value::String(text) => self.text(text),
            scalar => self.body.text.push_str(&scalar.to_string()),
        }
    }

    fn array(&mut self, elements: &[Value], counted: Counted) {
        let (is_counted, inside) = match counted {
            Counted::OutermostArrays => (true, Counted::Nothing),
            Counted::Only(target) if target == elements.as_ptr() => (true, Counted::Nothing),
            other => (false, other),
        };
        self.body.text.push('[');
        for (place, element) in elements.iter().enumerate() {
            self.comma(place);
            let start = self.body.text.len();
            self.value(element, inside);
            if is_counted {
                self.body.records.push(start..self.body.text.len());
            }
        }
        self.space();
        self.body.text.push(']');
    }

    fn comma(&mut self, place: usize) {
        self.space();
        if place > 0 {
            self.body.text.push(',');
            self.space();
        }
    }

    fn space(&mut self) {
        while self.seed.below(3) == 0 {
            let space = [' ', '\n', '\r', '\t'][self.seed.below(4) as usize];
            self.body.text.push(space);
        }
    }

    fn text(&mut self, text: &str) {
        self.body.text.push('"');
        for letter in text.chars() {
            let short = "\"\\/\u{8}\u{c}\n\r\t".find(letter);
            if self.seed.below(4) == 0 {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    self.body.text.push_str(&format!("\\u{unit:04x}"));
                }
            } else if let Some(place) = short {
                self.body.text.push('\\');
                self.body.text.push(char::from(b"\"\\/bfnrt"[place]));
            } else if letter < ' ' {
                self.body.text.push_str(&format!("\\u{:04X}", u32::from(letter)));
            } else {
                self.body.text.push(letter);
            }
        }
        self.body.text.push('"');
    }
}
