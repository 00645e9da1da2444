//! The page behind a link.

use super::Open;
use crate::oauth::page::{escaped, whole};

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
