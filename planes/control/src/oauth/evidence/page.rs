//! The page behind a link: plain HTML, without script, without anything from elsewhere.

use super::Open;

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:40em;margin:3em auto;padding:0 1em}fieldset{margin:1.5em 0;border:1px solid #999}textarea{width:100%;box-sizing:border-box}";

/// What is asked for, with an upload and a refusal.
pub(super) fn form(open: &Open) -> String {
    let (vendor, wanted, due) =
        (escaped(&open.issuer), escaped(&open.wanted.replace('_', " ")), escaped(&open.due));
    let note =
        open.contact_note.as_deref().map(|note| format!("<p>{}</p>", escaped(note))).unwrap_or_default();
    whole(
        "Evidence request",
        &format!(
            "<p>{vendor} is asked for: <strong>{wanted}</strong>, until {due}.</p>{note}\
             <form method=\"post\" enctype=\"multipart/form-data\"><fieldset><legend>Send the document</legend>\
             <p><input type=\"file\" name=\"file\" required></p>\
             <p>60 KiB at most on this page. Longer ones: <code>portcullis evidence answer LINK FILE</code>.</p>\
             <p><button>Send</button></p></fieldset></form>\
             <form method=\"post\" enctype=\"multipart/form-data\"><fieldset><legend>Refuse</legend>\
             <p><label>We refuse, because<textarea name=\"refuse\" rows=\"3\" maxlength=\"1000\" required></textarea></label></p>\
             <p>A refusal is recorded as such, and may end your access.</p>\
             <p><button>Refuse</button></p></fieldset></form>\
             <p>This link works once.</p>"
        ),
    )
}

/// A sentence.
pub(super) fn said(title: &str, sentence: &str) -> String {
    whole(title, &format!("<p>{}</p>", escaped(sentence)))
}

fn whole(title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>\n"
    )
}

fn escaped(text: &str) -> String {
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
