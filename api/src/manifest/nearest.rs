//! What was probably meant.

/// The known word nearest to `word`, if one is near enough to be meant. Case, hyphens and
/// underscores don't count, so that `legalName` finds `legal_name`.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = plain(word);
    let allowed = (word.chars().count() / 3).max(1);
    known
        .iter()
        .map(|candidate| (strsim::osa_distance(&word, &plain(candidate)), *candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?`, or the whole list where nothing is near.
pub fn hint_of_known(what: &str, word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let list: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
            format!("known {what}: {}", list.join(", "))
        }
    }
}

/// Words longer than any field are cut, so that a distance is never dear.
fn plain(word: &str) -> String {
    word.chars().filter(|letter| !matches!(letter, '_' | '-')).take(64).flat_map(char::to_lowercase).collect()
}
