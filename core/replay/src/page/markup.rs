//! Markup that nothing from a log can become.

use std::fmt::Write as _;

/// A document in the making. Tags and names of attributes are `&'static str`, so they are written in this code; whatever
/// comes from elsewhere goes through [`Self::text`] or [`Self::attribute`], which escape it.
#[derive(Default)]
pub struct Markup(String);

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

    /// A sentence, in which what stands between backticks is what was written there, and looks so.
    pub fn sentence(&mut self, text: &str) -> &mut Self {
        let pairs = text.matches('`').count() / 2;
        let mut rest = text;
        for _ in 0..pairs {
            let Some((before, quoted)) = rest.split_once('`') else { break };
            let Some((quoted, behind)) = quoted.split_once('`') else { break };
            self.text(before).raw("<code>").name(quoted).raw("</code>");
            rest = behind;
        }
        self.text(rest)
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

    /// A sum: of large ones nobody asks for tenths.
    pub fn sum(&mut self, value: f64) -> &mut Self {
        if (1_000.0..1e15).contains(&value) { self.count(value.round() as u64) } else { self.digits(value) }
    }

    #[must_use]
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
    fn what_is_quoted_looks_so_and_stays_text() {
        let check = |text: &str, expect: &str| {
            let mut markup = Markup::default();
            markup.sentence(text);
            assert_eq!(markup.finish(), expect, "{text}");
        };
        check("look at `robot` first", "look at <code>robot</code> first");
        check("`<b>` instead of `a`", "<code>&lt;b&gt;</code> instead of <code>a</code>");
        check("one ` alone <", "one ` alone &lt;");
        check("`a` and ` alone", "<code>a</code> and ` alone");
    }

    #[test]
    fn large_sums_are_grouped() {
        let check = |sum: f64, expect: &str| {
            let mut markup = Markup::default();
            markup.sum(sum);
            assert_eq!(markup.finish(), expect);
        };
        check(999.96, "1000");
        check(275.62, "275.6");
        check(179_103.5, &crate::report::grouped(179_104));
        check(f64::INFINITY, "0");
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
