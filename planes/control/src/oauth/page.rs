//! What the few pages for people at vendors have in common: plain HTML, without script, without anything from elsewhere.

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:42em;margin:3em auto;padding:0 1em;color-scheme:light dark}fieldset{margin:1.5em 0;border:1px solid #999}textarea{width:100%;box-sizing:border-box;font-family:monospace}code{font-size:.95em}dt{font-weight:600;margin-top:.6em}";

/// A sentence.
pub(super) fn said(title: &str, sentence: &str) -> String {
    whole(title, &format!("<p>{}</p>", escaped(sentence)))
}

/// A page of this title; the body is HTML.
pub(super) fn whole(title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>\n"
    )
}

/// A text within HTML.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}
