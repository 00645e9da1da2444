//! What an answer is known by: whole words, so that `back` is no `ack`, and none that is denied.

/// Words that deny what comes behind them.
const DENIALS: [&str; 17] = [
    "not", "no", "never", "without", "cannot", "cant", "dont", "doesnt", "didnt", "wont", "wouldnt",
    "shouldnt", "mustnt", "isnt", "wasnt", "hasnt", "havent",
];
/// So many words behind it, within its part of the sentence.
const DENIED: usize = 3;
const ENDINGS: [&str; 5] = ["s", "es", "d", "ed", "ing"];

/// A word of an answer.
struct Word {
    /// In small letters.
    text: String,
    denied: bool,
}

/// Whether all words of one of the phrases are in the answer, in any order, as a person would say them: case doesn't matter, and a
/// plain plural, past or `-ing` of a word is that word. A word that is denied doesn't count, unless the phrase denies, too.
pub(crate) fn recognised(phrases: &[String], said: &str) -> bool {
    let said = heard(said);
    phrases.iter().any(|phrase| {
        let phrase = heard(phrase);
        let denies = phrase.iter().any(|word| is_denial(&word.text));
        let meant = |asked: &Word| {
            said.iter().any(|word| (denies || !word.denied) && is_form(&word.text, &asked.text))
        };
        !phrase.is_empty() && phrase.iter().all(meant)
    })
}

/// Whether a phrase has a word at all.
pub(crate) fn has_word(phrase: &str) -> bool {
    !heard(phrase).is_empty()
}

/// Words are what stands between characters that are neither letter nor digit; an apostrophe parts none.
fn heard(text: &str) -> Vec<Word> {
    let text: String = text.to_lowercase().chars().filter(|letter| !matches!(letter, '\'' | '’')).collect();
    let mut words = Vec::new();
    for part in text.split(['.', ',', ';', ':', '!', '?', '\n']) {
        let mut left = 0;
        for word in part.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let denial = is_denial(word);
            words.push(Word { text: word.to_owned(), denied: left > 0 && !denial });
            left = if denial { DENIED } else { left.saturating_sub(1) };
        }
    }
    words
}

fn is_denial(word: &str) -> bool {
    DENIALS.contains(&word)
}

/// Whether `said` is `asked`, or a plain form of it.
fn is_form(said: &str, asked: &str) -> bool {
    let ends = |stem: Option<&str>, endings: &[&str]| {
        stem.and_then(|stem| said.strip_prefix(stem)).is_some_and(|ending| endings.contains(&ending))
    };
    let doubled = asked.chars().next_back().map(|last| format!("{asked}{last}"));
    said == asked
        || ends(Some(asked), &ENDINGS)
        || ends(doubled.as_deref(), &["ed", "ing"])
        || ends(asked.strip_suffix('e'), &["ing"])
        || ends(asked.strip_suffix('y'), &["ies", "ied"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(phrase: &str, said: &str, expect: bool) {
        assert_eq!(recognised(&[phrase.to_owned()], said), expect, "`{phrase}` in `{said}`");
    }

    #[test]
    fn words_are_whole() {
        check("sever vendor", "I call several vendors", false);
        check("ack", "I go back to sleep", false);
        check("ask", "a task for tomorrow", false);
        check("cut", "the executive is called", false);
        check("sever vendor", "SEVER the Vendor!", true);
        check("portcullis sever vendor/acme", "portcullis sever vendor/acme --reason theft", true);
        check("dry-run", "portcullis sever vendor/acme --dry-run", true);
        check("dry run", "first a dry-run", true);
        check("72", "72 hours, until Wednesday", true);
        check("72", "1729", false);
    }

    #[test]
    fn a_plain_plural_or_past_is_the_word() {
        check("sever vendor", "we severed two vendors", true);
        check("decide", "I decided alone", true);
        check("restore", "restoring it now", true);
        check("notify", "legal notified them", true);
        check("notify", "legal notifies them", true);
        check("stop update", "we stopped both updates", true);
        check("decisions", "one decision", false);
        check("seal", "the sealant dries", false);
    }

    #[test]
    fn what_is_denied_does_not_count_unless_the_phrase_denies() {
        check("restore", "we do not restore", false);
        check("restore", "we don't yet restore anything", false);
        check("restore", "No restoring before Monday", false);
        check("restore", "not restored, and then restored", true);
        check("sever vendor", "no, we sever the vendor", true);
        check("sever vendor", "We don't wait: sever vendor/acme", true);
        check("not restore", "we do not restore", true);
        check("not restore", "we restore", false);
        check("don't restore", "we don’t restore", true);
        check("without approval", "I cut without approval", true);
        check("say no", "we say no to the business", true);
        check("?!", "anything", false);
    }
}
