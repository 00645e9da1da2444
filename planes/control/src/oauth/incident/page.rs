//! The page where a person hands a signed notice in.

use portcullis_incident::notice::Acknowledgement;

use crate::oauth::page::{escaped, whole};

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
    let word = if answer.doubtful {
        "by a key that had ended or was revoked, so it may not be yours: call us".to_owned()
    } else if answer.in_time {
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
