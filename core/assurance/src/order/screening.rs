//! Matches with lists, and who may sign.

use std::collections::BTreeSet;

use super::{Case, News, check_sha256, check_text, conflict, invalid, room, unknown};
use crate::change::Change;
use crate::screening::Screening;

const MATCHES_MAX: usize = 200;
const THOUSAND: u16 = 1_000;

impl Case<'_> {
    pub(super) fn screening(&self, change: &Change) -> Option<News> {
        Some(match change {
            Change::Screened { screening } => self.screened(screening),
            Change::MatchJudged { list, entry, word, .. } => {
                match self.dossier.matches.get(&(list.clone(), entry.clone())) {
                    None => unknown("match", format!("{list}/{entry}")),
                    Some(known) => Ok(known.word.as_ref().is_none_or(|judged| judged.word != *word)),
                }
            }
            Change::SignerAuthorised { name, evidence, .. } => {
                let known = |signer: &crate::dossier::AuthorisedSigner| {
                    signer.name.text() == name.text() && signer.evidence == *evidence
                };
                check_text("name", name.text())
                    .and_then(|()| evidence.map_or(Ok(()), |evidence| self.check_good(evidence)))
                    .and_then(|()| room("signers", self.dossier.signers.len()))
                    .map(|()| !self.dossier.signers.iter().any(known))
            }
            _ => return None,
        })
    }

    fn screened(&self, screening: &Screening) -> News {
        check_text("name of the list", &screening.list)?;
        check_sha256("digest of the list", &screening.list_sha256)?;
        self.check_past("time of the screening", screening.at)?;
        if screening.matches.len() > MATCHES_MAX {
            let message = format!("there are more than {MATCHES_MAX} matches");
            return invalid(message, "screen a name that says more, with its legal form");
        }
        let mut entries = BTreeSet::new();
        for found in &screening.matches {
            check_text("entry of a match", &found.entry)?;
            if found.score > THOUSAND {
                return invalid(format!("`{}` is no score", found.score), "scores are 0 to 1000");
            }
            if !entries.insert(&found.entry) {
                return invalid(format!("entry `{}` is there twice", found.entry), "name each once");
            }
        }
        room("matches", self.dossier.matches.len() + screening.matches.len())?;
        let Some(known) = self.dossier.screenings.get(&screening.list) else { return Ok(true) };
        if screening.at < known.at {
            let message = format!("a screening of the same list from {} is known", known.at);
            return conflict(message, "the newest of each list counts");
        }
        Ok(known.matches != screening.matches)
    }
}
