//! What a vendor's people are told when something of theirs was closed, and when it is open again.
//!
//! The words are written here, from what a vendor may know: its own integrations, clients and keys, the times, and what
//! an operator has written for it. Nothing else can come in: neither why we closed it among ourselves, nor what was read.

pub mod pace;

use jiff::Timestamp;
use portcullis_ids::ids::{IncidentId, RestoreId, SeveranceId};
use serde::{Deserialize, Serialize};

/// Characters of what an operator writes for the vendor; more is cut off, for no severance fails for its words.
pub const TELL_CHARACTERS_MAX: usize = 2_000;
/// Names that one list holds.
const NAMES_MAX: usize = 50;
const NAME_CHARACTERS_MAX: usize = 120;
/// News that one letter tells in full; of more, the number is said.
pub const NEWS_MAX: usize = 20;

/// Whom a vendor calls at our side.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OurContact {
    /// A person or a desk.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Answers to a letter go there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
}

/// How much of a vendor it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    Vendor,
    Integration,
    Client,
    Key,
    Session,
}

/// What was closed or opened, by the names that the vendor knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct What {
    pub scope: Scope,
    pub integrations: Vec<String>,
    pub clients: Vec<String>,
    /// Thumbprint.
    pub key: Option<String>,
    /// Tunnels go with it.
    pub tunnels: bool,
    /// More of the vendor is closed than this: nothing of it works.
    pub all_closed: bool,
}

/// Why, as far as the vendor may know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// With what an operator has written for the vendor.
    Operator(Option<String>),
    RecordLimit,
    Risk,
    Revoked,
    KeyTheft,
    /// Our own record of it was lost, and came back.
    Remembered,
}

/// One thing to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    Closed {
        severance: SeveranceId,
        what: What,
        why: Why,
        at: Timestamp,
        incident: Option<IncidentId>,
    },
    Opened {
        restoration: RestoreId,
        what: What,
        /// Since when it had been closed.
        closed_at: Timestamp,
        at: Timestamp,
        /// The keys from before are accepted again.
        keys_again: bool,
        incident: Option<IncidentId>,
    },
}

/// Who tells whom.
#[derive(Clone, Copy, Debug)]
pub struct Parties<'a> {
    pub name: &'a str,
    pub legal_name: &'a str,
    /// The public address of the gate, as the vendor calls it.
    pub gate: &'a str,
    pub us: Option<&'a OurContact>,
}

/// A letter as it is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    pub subject: String,
    pub text: String,
}

/// One letter with all the news, which are not none, and with the number of those beyond [`NEWS_MAX`].
#[must_use]
pub fn letter(parties: Parties<'_>, news: &[News], more: usize) -> Written {
    let host = parties.gate.strip_prefix("https://").unwrap_or(parties.gate);
    let closed = news.iter().any(|one| matches!(one, News::Closed { .. }));
    let opened = news.iter().any(|one| matches!(one, News::Opened { .. }));
    let mut text = format!("{}, {}:\n", line(parties.name), line(parties.legal_name));
    for one in news {
        text.push_str(&told(one, parties.gate));
    }
    if more > 0 {
        text.push_str(&format!("\nThere are {more} more of this sort: ask us for the list.\n"));
    }
    text.push_str("\nWHAT TO DO NOW\n");
    if closed {
        text.push_str(&closed_steps(parties.gate));
    }
    if opened {
        text.push_str(&opened_steps(news));
    }
    text.push_str(&whom_to_call(parties.us));
    if closed {
        text.push_str("\nWe write again when it is open.\n");
    }
    text.push_str(
        "\nA machine wrote this. It asks for no password, key or code, and neither do we in a letter. If you doubt it, call the number that your contract names.\n",
    );
    Written { subject: subject(host, news, more), text }
}

fn subject(host: &str, news: &[News], more: usize) -> String {
    let verb = |one: &News| match one {
        News::Closed { .. } => "has closed",
        News::Opened { .. } => "has opened",
    };
    let Some(first) = news.first() else { return host.to_owned() };
    let what = match first {
        News::Closed { what, .. } | News::Opened { what, .. } => in_words(what),
    };
    let more = match news.len() + more {
        0 | 1 => String::new(),
        many => format!(", and {} more", many - 1),
    };
    format!("{host} {} {what}{more}", verb(first))
}

fn told(news: &News, gate: &str) -> String {
    match news {
        News::Closed { severance, what, why, at, incident } => {
            let mut text = format!("\nWe have closed {} at {gate}.\n\n", in_words(what));
            listed(&mut text, what);
            text.push_str(&format!("  when       {at}\n  why        {}\n", reason(why)));
            reference(&mut text, &[severance.to_string()], *incident);
            text.push_str(&format!("\n{}", consequences(what)));
            text
        }
        News::Opened { restoration, what, closed_at, at, keys_again, incident } => {
            let mut text = format!("\nWe have opened {} at {gate} again.\n\n", in_words(what));
            listed(&mut text, what);
            text.push_str(&format!("  closed     {closed_at}\n  open       {at}\n"));
            reference(&mut text, &[restoration.to_string()], *incident);
            let keys = if *keys_again {
                "The keys that you had are accepted again."
            } else {
                "The keys that you had stay refused: it opens when new ones are registered."
            };
            text.push_str(&format!("\n- {keys}\n- Tokens from before stay dead: fetch new ones.\n"));
            if what.tunnels && !*keys_again {
                text.push_str("- Each tunnel stays down until it has new credentials from us.\n");
            }
            if what.all_closed {
                text.push_str(
                    "- More of yours is closed by another severance: until that is over, this doesn't work either.\n",
                );
            }
            text
        }
    }
}

/// In half a line.
fn in_words(what: &What) -> String {
    let of = |kind: &str, names: &[String]| match names {
        [one] => format!("{kind} {}", line(one)),
        _ => format!("one {kind}"),
    };
    match what.scope {
        Scope::Vendor => "every connection of yours".to_owned(),
        Scope::Integration => of("integration", &what.integrations),
        Scope::Client => of("client", &what.clients),
        Scope::Key => format!("a key of {}", of("client", &what.clients)),
        Scope::Session => format!("a session of {}", of("client", &what.clients)),
    }
}

fn listed(text: &mut String, what: &What) {
    for (title, names) in [("of", &what.integrations), ("clients", &what.clients)] {
        if names.is_empty() {
            continue;
        }
        let shown: Vec<String> = names.iter().take(NAMES_MAX).map(|name| line(name)).collect();
        let more = names.len().checked_sub(NAMES_MAX).filter(|more| *more > 0);
        let more = more.map(|more| format!(" and {more} more")).unwrap_or_default();
        let title = match (title, what.scope) {
            ("of", Scope::Vendor | Scope::Integration) => "what",
            (title, _) => title,
        };
        text.push_str(&format!("  {title:<9}  {}{more}\n", shown.join(", ")));
    }
    if let Some(key) = &what.key {
        text.push_str(&format!("  key        {}\n", line(key)));
    }
}

fn reference(text: &mut String, ids: &[String], incident: Option<IncidentId>) {
    let incident = incident.map(|id| format!(", incident {id}")).unwrap_or_default();
    text.push_str(&format!("  reference  {}{incident}\n", ids.join(", ")));
}

fn reason(why: &Why) -> String {
    match why {
        Why::Operator(Some(words)) => {
            let words: Vec<&str> = words.lines().collect();
            words.join("\n             ")
        }
        Why::Operator(None) => {
            "one of our people decided it, to keep data safe; we tell you more when you call".to_owned()
        }
        Why::RecordLimit => "a response held more records than was agreed for it".to_owned(),
        Why::Risk => "it was used in a way that we don't expect of you".to_owned(),
        Why::Revoked => "the key may be in other hands: it stays refused for good".to_owned(),
        Why::KeyTheft => {
            "a key that had been replaced tried to register another one: somebody else may hold a key of yours"
                .to_owned()
        }
        Why::Remembered => {
            "it had been closed before, and our record of that was lost for a while; it is closed still"
                .to_owned()
        }
    }
}

fn consequences(what: &What) -> String {
    let mut text = String::from(match what.scope {
        Scope::Session => "- What was under way in it was cut off; that session gets no more answers.\n",
        Scope::Key => {
            "- Whatever comes with that key is refused, what was under way was cut off, and its tokens are dead.\n"
        }
        Scope::Vendor | Scope::Integration | Scope::Client => {
            "- Requests are refused, connections were cut off in the middle, tokens are dead, and new ones are not given.\n"
        }
    });
    if what.tunnels {
        text.push_str("- Your tunnels for it are down, and their credentials are void.\n");
    }
    text.push_str(match (what.scope, what.all_closed) {
        (Scope::Vendor, _) | (_, true) => "- Nothing else of yours works with us, either.\n",
        _ => "- Whatever else is open to you works as before.\n",
    });
    text
}

fn closed_steps(gate: &str) -> String {
    format!(
        "- Stop what calls us by itself, and its retries: nothing gets through before we open it.\n\
         - Keep logs and machines as they are. Wipe nothing, install nothing anew, change no keys there yet.\n\
         - Look whether this was you: who worked on these machines, and with these keys, in the last days.\n\
         - If anything of yours was broken into, tell us at once: call, or send it to {gate}/oauth/incident, which a registered key reaches still.\n"
    )
}

fn opened_steps(news: &[News]) -> String {
    let needs_keys = news.iter().any(|one| matches!(one, News::Opened { keys_again: false, .. }));
    let mut text = String::new();
    if needs_keys {
        text.push_str("- Make new keys on machines that you trust, and have us register them: call us; no private key leaves your machine.\n");
    }
    text.push_str("- Begin slowly, and look at the first answers before you let everything run.\n");
    text
}

fn whom_to_call(us: Option<&OurContact>) -> String {
    let Some(us) = us else {
        return "- Call the people that you know at our side, and name the reference.\n".to_owned();
    };
    let ways: Vec<String> = [&us.phone, &us.mail].into_iter().flatten().map(|way| line(way)).collect();
    let ways = if ways.is_empty() { String::new() } else { format!(", {}", ways.join(", ")) };
    format!("- Call us, and name the reference: {}{ways}.\n", line(&us.name))
}

/// One line, without anything that a terminal or a mailbox would obey.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().filter(|letter| !letter.is_control()).take(NAME_CHARACTERS_MAX).collect()
}

/// What an operator writes for the vendor, as it is kept: none where it says nothing.
#[must_use]
pub fn words(text: &str) -> Option<String> {
    let plain = |letter: &char| *letter == '\n' || !letter.is_control();
    let text: String = text.trim().chars().filter(plain).take(TELL_CHARACTERS_MAX).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    fn what(scope: Scope) -> What {
        What {
            scope,
            integrations: vec!["feed".to_owned()],
            clients: vec!["robot".to_owned(), "batch".to_owned()],
            key: None,
            tunnels: true,
            all_closed: false,
        }
    }

    fn closed(scope: Scope, why: Why) -> News {
        let severance = SeveranceId(Uuid::from_u128(7));
        News::Closed { severance, what: what(scope), why, at: at(0), incident: None }
    }

    fn opened(keys_again: bool) -> News {
        News::Opened {
            restoration: RestoreId(Uuid::from_u128(8)),
            what: what(Scope::Integration),
            closed_at: at(0),
            at: at(60),
            keys_again,
            incident: Some(IncidentId(Uuid::from_u128(9))),
        }
    }

    fn written(news: &[News], us: Option<&OurContact>) -> Written {
        letter(
            Parties { name: "Pat Roe", legal_name: "Acme Ltd", gate: "https://gate.us.example", us },
            news,
            0,
        )
    }

    #[test]
    fn a_letter_says_what_when_why_and_whom_to_call() {
        let us = OurContact {
            name: "security desk".to_owned(),
            phone: Some("+49 30 1234".to_owned()),
            mail: Some("desk@us.example".to_owned()),
        };
        let words = "we saw your key on a paste site\ncall before you change it".to_owned();
        let Written { subject, text } =
            written(&[closed(Scope::Integration, Why::Operator(Some(words)))], Some(&us));
        assert_eq!(subject, "gate.us.example has closed integration feed");
        assert_eq!(
            text,
            "Pat Roe, Acme Ltd:\n\n\
             We have closed integration feed at https://gate.us.example.\n\n  \
             what       feed\n  \
             clients    robot, batch\n  \
             when       2026-11-18T11:06:40Z\n  \
             why        we saw your key on a paste site\n             call before you change it\n  \
             reference  00000000-0000-0000-0000-000000000007\n\n\
             - Requests are refused, connections were cut off in the middle, tokens are dead, and new ones are not given.\n\
             - Your tunnels for it are down, and their credentials are void.\n\
             - Whatever else is open to you works as before.\n\n\
             WHAT TO DO NOW\n\
             - Stop what calls us by itself, and its retries: nothing gets through before we open it.\n\
             - Keep logs and machines as they are. Wipe nothing, install nothing anew, change no keys there yet.\n\
             - Look whether this was you: who worked on these machines, and with these keys, in the last days.\n\
             - If anything of yours was broken into, tell us at once: call, or send it to https://gate.us.example/oauth/incident, which a registered key reaches still.\n\
             - Call us, and name the reference: security desk, +49 30 1234, desk@us.example.\n\n\
             We write again when it is open.\n\n\
             A machine wrote this. It asks for no password, key or code, and neither do we in a letter. If you doubt it, call the number that your contract names.\n"
        );
    }

    #[test]
    fn an_opening_says_which_credentials_are_needed() {
        let new = written(&[opened(false)], None);
        assert_eq!(new.subject, "gate.us.example has opened integration feed");
        for words in [
            "stay refused: it opens when new ones are registered",
            "tunnel stays down until it has new credentials",
            "incident 00000000-0000-0000-0000-000000000009",
            "Make new keys",
            "Call the people that you know",
        ] {
            assert!(new.text.contains(words), "{words}: {}", new.text);
        }
        let again = written(&[opened(true)], None).text;
        assert!(
            again.contains("accepted again") && !again.contains("Make new keys") && !again.contains("tunnel")
        );
        assert!(!again.contains("Keep logs"));
    }

    #[test]
    fn every_scope_and_reason_has_words_and_many_news_are_one_letter() {
        let scopes = [Scope::Vendor, Scope::Integration, Scope::Client, Scope::Key, Scope::Session];
        let reasons =
            [Why::Operator(None), Why::RecordLimit, Why::Risk, Why::Revoked, Why::KeyTheft, Why::Remembered];
        let mut seen = std::collections::BTreeSet::new();
        for scope in scopes {
            for why in &reasons {
                seen.insert(written(&[closed(scope, why.clone())], None).text);
            }
        }
        assert_eq!(seen.len(), 30);
        let many: Vec<News> = (0..NEWS_MAX).map(|_| closed(Scope::Session, Why::Risk)).collect();
        let parties = Parties { name: "Pat", legal_name: "Acme", gate: "https://gate.us.example", us: None };
        let many = letter(parties, &many, 10);
        assert_eq!(many.subject, "gate.us.example has closed a session of one client, and 29 more");
        assert!(many.text.contains("There are 10 more of this sort"));
    }

    #[test]
    fn what_comes_from_manifests_and_people_stays_text() {
        let evil = Parties {
            name: "Pat\r\nBcc: all@x.example\u{1b}[31m",
            legal_name: &"x".repeat(5_000),
            gate: "https://gate.us.example",
            us: None,
        };
        let text = letter(evil, &[closed(Scope::Client, Why::Risk)], 0).text;
        assert!(text.starts_with("Pat Bcc: all@x.example[31m, xxx"), "{text}");
        assert!(text.lines().next().unwrap().len() < 300 && !text.contains('\u{1b}'));
        assert_eq!(words(" \n\t "), None);
        assert_eq!(words("a\u{7}b\nc "), Some("ab\nc".to_owned()));
        assert_eq!(words(&"é".repeat(9_000)).map(|text| text.chars().count()), Some(TELL_CHARACTERS_MAX));
    }
}
