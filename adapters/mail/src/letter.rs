//! A message as it is sent: plain text in UTF-8, as quoted-printable (RFC 2045, section 6.7), with headers of RFC 5322.

use std::fmt::Write as _;

use jiff::Timestamp;
use lettre::Address;

const LINE_BYTES_MAX: usize = 76;
/// Bytes of text in one encoded word, which has at most 75 letters (RFC 2047, section 2).
const WORD_BYTES_MAX: usize = 42;
const SUBJECT_CHARACTERS_MAX: usize = 200;
const TEXT_BYTES_MAX: usize = 64 << 10;

/// Why something can't be sent.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LetterError {
    #[error("`{0}` is no address of a mailbox\nhint: write `name@host.example`, in ASCII")]
    Address(String),
    #[error("`{0}` can't name a message")]
    Id(String),
}

/// What is said to one person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter<'a> {
    /// The left side of its `Message-ID`: the same whenever it is sent, so that a mailbox that gets it twice can know.
    pub id: &'a str,
    /// That of the first message about the same, which it follows.
    pub follows: Option<&'a str>,
    pub from: &'a str,
    pub to: &'a str,
    /// Where an answer goes, if not to the sender.
    pub reply_to: Option<&'a str>,
    pub subject: &'a str,
    pub text: &'a str,
    pub time: Timestamp,
}

/// A mailbox that is plain enough to stand in a header as it is.
pub(crate) fn address(text: &str) -> Result<Address, LetterError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.@[]:".contains(&byte);
    let refused =
        || LetterError::Address(text.chars().filter(|letter| !letter.is_control()).take(120).collect());
    if text.len() > 254 || !text.bytes().all(plain) {
        return Err(refused());
    }
    text.parse().map_err(|_| refused())
}

impl Letter<'_> {
    /// The bytes of the message, lines ended by CR LF.
    ///
    /// # Errors
    /// [`LetterError`].
    pub fn bytes(&self) -> Result<Vec<u8>, LetterError> {
        let (from, to) = (address(self.from)?, address(self.to)?);
        let domain = from.domain();
        let mut head = format!("From: Portcullis <{from}>\r\nTo: <{to}>\r\n");
        // Writing to a `String` can't fail.
        if let Some(reply_to) = self.reply_to {
            let _ = write!(head, "Reply-To: <{}>\r\n", address(reply_to)?);
        }
        let _ = write!(head, "Subject: {}\r\n", subject(self.subject));
        let _ = write!(head, "Date: {}\r\n", self.time.strftime("%a, %d %b %Y %H:%M:%S +0000"));
        let _ = write!(head, "Message-ID: <{}@{domain}>\r\n", id(self.id)?);
        if let Some(follows) = self.follows {
            let first = id(follows)?;
            let _ = write!(head, "In-Reply-To: <{first}@{domain}>\r\nReferences: <{first}@{domain}>\r\n");
        }
        head.push_str("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n");
        head.push_str("Content-Transfer-Encoding: quoted-printable\r\n");
        // Nobody's holiday is to answer it (RFC 3834), and it is to be read now.
        head.push_str("Auto-Submitted: auto-generated\r\nImportance: high\r\n\r\n");
        let mut bytes = head.into_bytes();
        let end = self.text.floor_char_boundary(TEXT_BYTES_MAX);
        quoted_printable(self.text.get(..end).unwrap_or_default(), &mut bytes);
        Ok(bytes)
    }
}

fn id(text: &str) -> Result<&str, LetterError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if text.is_empty() || text.len() > 200 || !text.bytes().all(plain) {
        return Err(LetterError::Id(text.chars().filter(|letter| !letter.is_control()).take(80).collect()));
    }
    Ok(text)
}

/// One line, whatever the text holds.
fn subject(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(SUBJECT_CHARACTERS_MAX)
        .collect();
    let text = text.trim();
    // What looks like an encoded word would be read as one.
    if text.is_ascii() && !text.contains("=?") {
        return text.to_owned();
    }
    let mut words = Vec::new();
    let mut word = String::new();
    for letter in text.chars() {
        if word.len() + letter.len_utf8() > WORD_BYTES_MAX {
            words.push(std::mem::take(&mut word));
        }
        word.push(letter);
    }
    words.push(word);
    let encoded: Vec<String> = words.iter().map(|word| format!("=?utf-8?Q?{}?=", q(word))).collect();
    // Each on a line of its own: more than one would pass the limit.
    encoded.join("\r\n ")
}

/// "Q" encoding (RFC 2047, section 4.2), of letters and digits as they are and all else in hex.
fn q(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('_'),
            byte if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            byte => {
                let _ = write!(encoded, "={byte:02X}");
            }
        }
    }
    encoded
}

fn quoted_printable(text: &str, to: &mut Vec<u8>) {
    for line in text.lines() {
        let mut column = 0;
        let last = line.len().saturating_sub(1);
        for (place, byte) in line.bytes().enumerate() {
            // A space at the end of a line is lost on the way.
            let plain = matches!(byte, b'!'..=b'<' | b'>'..=b'~') || byte == b' ' && place != last;
            let width = if plain { 1 } else { 3 };
            if column + width >= LINE_BYTES_MAX {
                to.extend_from_slice(b"=\r\n");
                column = 0;
            }
            column += width;
            if plain {
                to.push(byte);
            } else {
                to.extend_from_slice(format!("={byte:02X}").as_bytes());
            }
        }
        to.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn letter() -> Letter<'static> {
        Letter {
            id: "page-7-1",
            follows: None,
            from: "gate@us.example",
            to: "ann@us.example",
            reply_to: None,
            subject: "acme: an incident",
            text: "one\ntwo",
            time: "2026-11-22T06:05:04Z".parse().unwrap(),
        }
    }

    fn text_of(letter: &Letter<'_>) -> String {
        String::from_utf8(letter.bytes().unwrap()).unwrap()
    }

    #[test]
    fn a_letter_is_short_and_plain() {
        let expect = "From: Portcullis <gate@us.example>\r\n\
            To: <ann@us.example>\r\n\
            Subject: acme: an incident\r\n\
            Date: Sun, 22 Nov 2026 06:05:04 +0000\r\n\
            Message-ID: <page-7-1@us.example>\r\n\
            MIME-Version: 1.0\r\n\
            Content-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\
            Auto-Submitted: auto-generated\r\n\
            Importance: high\r\n\
            \r\n\
            one\r\ntwo\r\n";
        assert_eq!(text_of(&letter()), expect);
        let next = text_of(&Letter { follows: Some("page-7"), ..letter() });
        assert!(next.contains("\r\nIn-Reply-To: <page-7@us.example>\r\nReferences: <page-7@us.example>\r\n"));
        let answered = text_of(&Letter { reply_to: Some("desk@us.example"), ..letter() });
        assert!(answered.contains("\r\nTo: <ann@us.example>\r\nReply-To: <desk@us.example>\r\n"));
    }

    #[test]
    fn addresses_and_ids_are_plain() {
        for bad in [
            "",
            "ann",
            "@us.example",
            "ann@",
            "ann@us.example\r\nBcc: all@us.example",
            "a b@us.example",
            "<ann@us.example>",
            "ann@us.example,bob@us.example",
            "änn@us.example",
            "\"a\"@us.example",
            "ann@us..example\n",
        ] {
            assert!(Letter { to: bad, ..letter() }.bytes().is_err(), "{bad}");
            assert!(Letter { from: bad, ..letter() }.bytes().is_err(), "{bad}");
            assert!(Letter { reply_to: Some(bad), ..letter() }.bytes().is_err(), "{bad}");
        }
        for good in ["ann@us.example", "o'neil+page@us.example", "ann@localhost", "a@[127.0.0.1]"] {
            assert!(Letter { to: good, ..letter() }.bytes().is_ok(), "{good}");
        }
        for bad in ["", "a@b", "a>b", "a\r\nb"] {
            assert!(Letter { id: bad, ..letter() }.bytes().is_err(), "{bad}");
        }
    }

    #[test]
    fn long_lines_and_letters_of_others_are_encoded() {
        let text = format!("{} =\nGrüße \n.\n", "x".repeat(200));
        let whole = text_of(&Letter {
            subject: "Müller & Söhne: ein Vorfall, der einen langen Namen hat",
            text: &text,
            ..letter()
        });
        assert!(whole.lines().all(|line| line.len() <= 77), "{whole}");
        assert!(whole.contains("Subject: =?utf-8?Q?M=C3=BCller_=26_S=C3=B6hne=3A"));
        assert!(whole.contains("Gr=C3=BC=C3=9Fe=20\r\n.\r\n"));
        assert!(
            text_of(&Letter { subject: "=?utf-8?Q?x?=", ..letter() }).contains("Subject: =?utf-8?Q?=3D=3F")
        );
    }

    proptest! {
        /// Whatever stands in subject and text, the headers are those, and no line is long.
        #[test]
        fn no_text_becomes_a_header(subject in any::<String>(), text in any::<String>(), evil in "[\r\n]{1,3}Bcc: all@us.example[\r\n]{0,3}") {
            for subject in [subject.clone(), format!("{subject}{evil}")] {
                let whole = text_of(&Letter { subject: &subject, text: &text, ..letter() });
                let (head, body) = whole.split_once("\r\n\r\n").unwrap();
                let names: Vec<&str> = head
                    .split("\r\n")
                    .filter(|line| !line.starts_with(' '))
                    .map(|line| line.split_once(": ").or(line.split_once(':')).unwrap().0)
                    .collect();
                prop_assert_eq!(names, ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Auto-Submitted", "Importance"]);
                prop_assert!(whole.is_ascii() && !head.replace("\r\n", "").contains(['\r', '\n']));
                prop_assert!(body.split("\r\n").all(|line| line.len() <= 76 && !line.contains(['\r', '\n'])));
            }
        }
    }
}
