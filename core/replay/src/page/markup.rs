//! Markup that nothing from a log can become.

use std::fmt::Write as _;

/// A document in the making. Tags and names of attributes are `&'static str`, so they are written in this code; whatever
/// comes from elsewhere goes through [`Self::text`] or [`Self::attribute`], which escape it.
#[derive(Default)]
pub(super) struct Markup(String);

impl Markup {
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        for letter in text.chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                letter => self.0.push(crate::call::printable(letter)),
            }
        }
        self
    }

    /// A path, an address or a name of a file: it may break behind what parts it, before it must within a word.
    pub fn name(&mut self, name: &str) -> &mut Self {
        let parts = |letter| matches!(letter, '/' | '_' | '.' | ':' | '-' | '?' | '=' | '@');
        for (number, piece) in name.split_inclusive(parts).enumerate() {
            if number > 0 {
                self.raw("<wbr>");
            }
            self.text(piece);
        }
        self
    }

    /// ` name="value"`.
    pub fn attribute(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.raw(" ").raw(name).raw("=\"").text(value).raw("\"")
    }

    pub fn number(&mut self, name: &'static str, value: f64) -> &mut Self {
        self.raw(" ").raw(name).raw("=\"");
        self.digits(value);
        self.raw("\"")
    }

    pub fn digits(&mut self, value: f64) -> &mut Self {
        let value = if value.is_finite() { value } else { 0.0 };
        let rounded = (value * 10.0).round() / 10.0;
        // Writing into a text can't fail.
        let _ = write!(self.0, "{}", if rounded == 0.0 { 0.0 } else { rounded });
        self
    }

    pub fn count(&mut self, count: u64) -> &mut Self {
        self.0.push_str(&crate::report::grouped(count));
        self
    }

    /// `<tag>text</tag>`, for tags without attributes.
    pub fn element(&mut self, open: &'static str, text: &str, close: &'static str) -> &mut Self {
        self.raw(open).text(text).raw(close)
    }

    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_break_behind_what_parts_them() {
        let mut markup = Markup::default();
        markup.name("a/<b>.log:7").name("").name("plain");
        assert_eq!(markup.finish(), "a/<wbr>&lt;b&gt;.<wbr>log:<wbr>7plain");
    }

    #[test]
    fn nothing_from_elsewhere_becomes_markup() {
        let mut markup = Markup::default();
        markup
            .raw("<a")
            .attribute("title", "\"><script>'&")
            .raw(">")
            .text("</a>\u{202e}\u{0}<b>")
            .raw("</a>");
        assert_eq!(
            markup.finish(),
            "<a title=\"&quot;&gt;&lt;script&gt;&#39;&amp;\">&lt;/a&gt;\u{fffd}\u{fffd}&lt;b&gt;</a>"
        );
        let mut markup = Markup::default();
        markup.number("x", f64::NAN).number("y", -0.04).number("z", 12.345);
        assert_eq!(markup.finish(), " x=\"0\" y=\"0\" z=\"12.3\"");
    }
}
