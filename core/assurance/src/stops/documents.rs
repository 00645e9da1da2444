//! What documents say, or don't: stops 7, 9, 11 and 14.

use jiff::Timestamp;

use super::{Fact, Known, Stop};
use crate::access::Access;
use crate::days::{ago_in_words, date_of, starts};
use crate::evidence::{Content, Evidence, Opinion};
use crate::exposure::Tier;

/// An auditor's refusal holds until a newer report says otherwise; age alone doesn't mend it.
pub(super) fn opinion(known: &Known<'_>, _now: Timestamp) -> Vec<Fact> {
    if known.tier != Tier::One {
        return Vec::new();
    }
    let reports = |kind: &'static str| {
        known.dossier.good_evidence().filter(move |evidence| evidence.content.kind() == kind)
    };
    let mut facts = Vec::new();
    for kind in ["soc2_type_one", "soc2_type_two"] {
        let Some(newest) = reports(kind).map(Evidence::as_of).max() else { continue };
        for report in reports(kind).filter(|report| report.as_of() == newest) {
            let opinion = report.content.soc2().map(|soc2| soc2.opinion);
            let word = match opinion {
                Some(Opinion::Adverse) => "an adverse opinion",
                Some(Opinion::Disclaimed) => "no opinion",
                _ => continue,
            };
            let fact = format!("`{}` by `{}` of {} gives {word}", report.title, report.issuer, report.issued);
            let remedy = "the vendor mends what the auditor found, and shows a newer report";
            let fact = Fact::new(Stop::Opinion, Access::Blocked, fact, remedy);
            facts.push(fact.about(report.id.to_string()).since(starts(report.issued)));
        }
    }
    facts
}

pub(super) fn integrity(known: &Known<'_>, _now: Timestamp) -> Vec<Fact> {
    let broken =
        known.dossier.evidence.values().filter(|filed| filed.withdrawn.is_none() && filed.is_broken());
    broken
        .map(|filed| {
            let evidence = &filed.evidence;
            let title = &evidence.title;
            let (fact, since) = match (&filed.altered, &evidence.proof) {
                (Some(altered), _) => {
                    let what =
                        if altered.found.is_some() { "isn't the one that was taken in" } else { "is gone" };
                    (
                        format!("the document of `{title}` {what}, found on {}", date_of(altered.at)),
                        Some(altered.at),
                    )
                }
                (None, Some(proof)) => {
                    (format!("the signature of `{title}` is broken: {}", proof.detail), Some(proof.at))
                }
                (None, None) => (format!("`{title}` is broken"), None),
            };
            let remedy = "put the true document back, or find out who changed it and say so";
            Fact::new(Stop::Integrity, Access::Blocked, fact, remedy)
                .about(evidence.id.to_string())
                .since(since)
        })
        .collect()
}

/// Leaving the vendor, or doing without it, must have been tried.
pub(super) fn exit(known: &Known<'_>, now: Timestamp) -> Vec<Fact> {
    if known.tier != Tier::One {
        return Vec::new();
    }
    let tests = known
        .dossier
        .good_evidence()
        .filter(|evidence| matches!(&evidence.content, Content::RecoveryTest(test) if test.exit_tested));
    let newest = tests.max_by_key(|evidence| evidence.ends());
    let (fact, since) = match newest {
        Some(test) if now < test.ends() => return Vec::new(),
        Some(test) => {
            let ago = ago_in_words(test.ends(), now);
            (
                format!("the tested exit of a vendor of tier 1 lapsed {ago}: `{}`", test.title),
                Some(test.ends()),
            )
        }
        None => ("a vendor of tier 1 has neither a tested exit nor a tested backup".to_owned(), None),
    };
    let remedy = "try the exit or the backup, and add the recovery test with `exit_tested`";
    vec![Fact::new(Stop::Exit, Access::Limited, fact, remedy).since(since)]
}

pub(super) fn penetration_test_refused(known: &Known<'_>, now: Timestamp) -> Vec<Fact> {
    let refused = known.dossier.refused_penetration_tests();
    refused
        .map(|(asked, at)| {
            let ago = ago_in_words(at, now);
            let fact = format!("the vendor refused a penetration test's summary {ago}");
            let remedy = "the vendor shows the summary after all";
            let fact = Fact::new(Stop::PenetrationTestRefused, Access::Blocked, fact, remedy);
            fact.about(asked.request.id.to_string()).since(at)
        })
        .collect()
}
