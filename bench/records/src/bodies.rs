//! Bodies to count: always the same ones.

use std::fmt::Write;

/// A linear congruential generator (Knuth's MMIX): the bodies follow from its first state.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }
}

const NAMES: [&str; 6] = ["Jana Novák", "Piet de Vries", "Ana Souza", "John Smith", "李娜", "Zoë Müller"];
const WORDS: [&str; 8] = [
    "deliver",
    "before noon",
    "ring",
    "\\\"side door\\\"",
    "fragile",
    "leave at [desk 3]",
    "no rush",
    "gift",
];

/// An order as an interface of a shop would give it: 350 to 800 bytes.
fn order(numbers: &mut Numbers, place: usize) -> String {
    let mut text = String::new();
    let (day, hour) = (numbers.below(28) + 1, numbers.below(24));
    let _ = write!(
        text,
        "{{\"id\":\"ord-{place:08}\",\"created\":\"2026-03-{day:02}T{hour:02}:15:00Z\",\"customer\":{{\"name\":\"{}\",\
         \"email\":\"customer{}@example.org\",\"address\":{{\"street\":\"Long Street {}\",\"city\":\"{}\",\
         \"country\":\"{}\"}}}},\"lines\":[",
        numbers.pick(&NAMES),
        numbers.below(100_000),
        numbers.below(300),
        numbers.pick(&["Praha", "Utrecht", "Recife", "Leeds", "Chengdu", "Köln"]),
        numbers.pick(&["CZ", "NL", "BR", "GB", "CN", "DE"]),
    );
    for line in 0..=numbers.below(4) {
        let comma = if line == 0 { "" } else { "," };
        let _ = write!(
            text,
            "{comma}{{\"sku\":\"A-{:05}\",\"quantity\":{},\"price\":{}.{:02},\"gift\":false}}",
            numbers.below(99_999),
            numbers.below(9) + 1,
            numbers.below(500),
            numbers.below(100),
        );
    }
    let _ = write!(
        text,
        "],\"total\":{}.5,\"currency\":\"EUR\",\"paid\":{},\"note\":\"{}, {}, {}\",\"discount\":null}}",
        numbers.below(2_000),
        numbers.below(2) == 0,
        numbers.pick(&WORDS),
        numbers.pick(&WORDS),
        numbers.pick(&WORDS),
    );
    text
}

/// Puts records one after another until there are so many bytes.
fn repeat(
    bytes: usize,
    mut record: impl FnMut(&mut Numbers, usize) -> String,
    between: &str,
) -> (String, u64) {
    let mut numbers = Numbers(4);
    let mut text = String::with_capacity(bytes + 4_096);
    let mut records = 0;
    while text.len() < bytes {
        if records > 0 {
            text.push_str(between);
        }
        text.push_str(&record(&mut numbers, records));
        records += 1;
    }
    (text, records as u64)
}

/// A body, and the records that it has.
pub struct Body {
    pub name: &'static str,
    pub text: Vec<u8>,
    pub records: u64,
}

fn body(name: &'static str, (text, records): (String, u64), around: (&str, &str)) -> Body {
    Body { name, text: format!("{}{text}{}", around.0, around.1).into_bytes(), records }
}

pub fn orders(bytes: usize) -> Body {
    body("orders, minified", repeat(bytes, order, ","), ("[", "]"))
}

pub fn other_json(bytes: usize) -> Vec<Body> {
    let pretty = |numbers: &mut Numbers, place| {
        let value: serde_json::Value =
            serde_json::from_str(&order(numbers, place)).expect("an order is JSON");
        serde_json::to_string_pretty(&value).expect("a value can be written").replace('\n', "\n  ")
    };
    let small = |numbers: &mut Numbers, place: usize| {
        format!("{{\"id\":{place},\"name\":\"{}\",\"active\":true}}", numbers.pick(&NAMES))
    };
    let escaped = |numbers: &mut Numbers, place: usize| {
        let text: String = (0..60).map(|_| format!("\\u{:04x}", 0x4e00 + numbers.below(20_000))).collect();
        format!("{{\"id\":{place},\"text\":\"{text}\"}}")
    };
    let row = |numbers: &mut Numbers, place: usize| {
        format!("[{place},{},\"{}\",{}.25]", numbers.below(1_000), numbers.pick(&NAMES), numbers.below(100))
    };
    let arrays = ("[", "]");
    vec![
        body(
            "orders in `/data` of an object",
            repeat(bytes, order, ","),
            ("{\"page\":1,\"data\":[", "],\"next\":null}"),
        ),
        body("orders, indented", repeat(bytes, pretty, ",\n  "), ("[\n  ", "\n]")),
        body("small objects, 40 bytes", repeat(bytes, small, ","), arrays),
        body("rows as arrays", repeat(bytes, row, ","), arrays),
        body(
            "long texts, 100 kB",
            repeat(bytes, |_, _| format!("{{\"text\":\"{}\"}}", "text ".repeat(20_000)), ","),
            arrays,
        ),
        body("text of `\\uXXXX`", repeat(bytes, escaped, ","), arrays),
        body("plain numbers", repeat(bytes, |numbers, _| numbers.below(1_000_000).to_string(), ","), arrays),
        body(
            "plain strings",
            repeat(bytes, |numbers, _| format!("\"{}\"", numbers.pick(&NAMES)), ","),
            arrays,
        ),
        body(
            "`{}` and `1` by turns",
            repeat(bytes, |_, place| ["{}", "1"][place % 2].to_owned(), ","),
            arrays,
        ),
        body(
            "nothing but brackets",
            repeat(bytes, |_, _| format!("{}{}", "[".repeat(64), "]".repeat(64)), ","),
            arrays,
        ),
    ]
}

pub fn lines(bytes: usize) -> Body {
    body("orders as NDJSON", repeat(bytes, order, "\n"), ("", "\n"))
}

pub fn tables(bytes: usize) -> Vec<Body> {
    let plain = |numbers: &mut Numbers, place: usize| {
        format!(
            "{place},2026-03-04,{},{},{}.50,EUR,open,Long Street {}",
            numbers.pick(&NAMES),
            numbers.below(1_000),
            numbers.below(90_000),
            numbers.below(300)
        )
    };
    let quoted = |numbers: &mut Numbers, place: usize| {
        let fields = [plain(numbers, place), "say \"\"no\"\"\r\ntwice".into()];
        format!("\"{}\"", fields.join(",").replace(',', "\",\""))
    };
    let header = "id,date,name,amount,price,currency,state,street\r\n";
    vec![
        body("CSV", repeat(bytes, plain, "\r\n"), (header, "\r\n")),
        body("CSV, every field in quotes", repeat(bytes, quoted, "\r\n"), (header, "\r\n")),
    ]
}

/// Messages of 500 bytes.
pub fn messages(bytes: usize) -> Body {
    let message = [&[0, 0, 0, 1, 0xf4][..], &[7; 500]].concat();
    let records = bytes / message.len();
    Body { name: "gRPC messages, 500 bytes", text: message.repeat(records), records: records as u64 }
}
