//! The page where a person hands a signed notice in: plain HTML, without script, without anything from elsewhere.

use portcullis_incident::notice::Acknowledgement;

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:42em;margin:3em auto;padding:0 1em;color-scheme:light dark}fieldset{margin:1.5em 0;border:1px solid #999}textarea{width:100%;box-sizing:border-box;font-family:monospace}code{font-size:.95em}dt{font-weight:600;margin-top:.6em}";

pub(super) fn form(issuer: &str) -> String {
    let issuer = escaped(issuer);
    whole(
        "Tell us of a breach",
        &format!(
            "<p>You work for one of our vendors, and it had a breach, or may have had one? Tell us now: your contract counts the hours \
             from when your firm knew, and not from when it was sure.</p>\
             <ol><li>Where the keys of your client are, sign the notice:<br>\
             <code>portcullis incident tell CLIENT --gate {issuer} --key FILE --reference YOURS --aware TIME --what TEXT --sign-only</code></li>\
             <li>Hand in here what it prints, or send it without <code>--sign-only</code>, or mail it to our security contact: the signature proves \
             that it is yours, whoever carries it.</li></ol>\
             <form method=\"post\"><input type=\"hidden\" name=\"page\" value=\"1\"><fieldset><legend>Signed notice</legend>\
             <p><textarea name=\"signed_notice\" rows=\"8\" maxlength=\"24000\" required spellcheck=\"false\" autocomplete=\"off\" \
             aria-label=\"Signed notice\"></textarea></p><p><button>Send</button></p></fieldset></form>\
             <p>This works while you are held or severed, too. Nothing is given out for it.</p>"
        ),
    )
}

/// What came of it, as a person reads it.
pub(super) fn told(answer: &Acknowledgement) -> String {
    let word = if answer.in_time {
        format!("within the {} hours of your contract", answer.window_hours)
    } else {
        format!("later than the {} hours that your contract gives", answer.window_hours)
    };
    format!(
        "It came at {}, {word}. Keep this: notice {}, incident {}, SHA-256 {}. Somebody will call you.",
        portcullis_incident::due::shown(answer.received),
        answer.notice,
        answer.incident,
        answer.sha256
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
