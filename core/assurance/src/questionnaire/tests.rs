//! What answers are worth: the traps.

use super::table::{Field, answers, domain_of};
use super::{Given, Kind, Question, Questionnaire, Section, Word, judge_foreign, word};
use crate::evidence::{AnswerStanding, Content, Domain};
use crate::sheet::{Row, Sheet, Value};

fn question(id: &str, kind: Kind) -> Question {
    let choices = if kind == Kind::Choice { vec!["good".to_owned(), "bad".to_owned()] } else { Vec::new() };
    let supports = if kind == Kind::Choice { vec!["good".to_owned()] } else { Vec::new() };
    Question {
        id: id.to_owned(),
        text: "?".to_owned(),
        domain: Some(Domain::Identity),
        kind,
        choices,
        supports,
        evidence: Vec::new(),
    }
}

fn judged(kind: Kind, answer: &str, comment: &str) -> AnswerStanding {
    let section = Section { title: "s".to_owned(), step: None, questions: vec![question("Q-1", kind)] };
    let asked = Questionnaire { name: "q".to_owned(), title: "t".to_owned(), sections: vec![section] };
    let given = Given {
        id: "q-1".to_owned(),
        answer: answer.to_owned(),
        comment: comment.to_owned(),
        ..Given::default()
    };
    let answered = asked.judge(&[given]);
    assert_eq!(answered.answered + answered.unanswered + answered.not_applicable, 1);
    answered.rows[0].standing
}

#[test]
fn words_are_words_alone() {
    for (text, expect) in [
        ("Yes", Some(Word::Yes)),
        (" Y ", Some(Word::Yes)),
        ("Ja.", Some(Word::Yes)),
        ("Yes, since 2019", Some(Word::Yes)),
        ("Yes - all of them", Some(Word::Yes)),
        ("NO", Some(Word::No)),
        ("No: planned", Some(Word::No)),
        ("N/A", Some(Word::NotApplicable)),
        ("n.a.", Some(Word::NotApplicable)),
        ("Not applicable (no cards)", Some(Word::NotApplicable)),
        ("Partially", Some(Word::Partly)),
        ("Yes but only in the EU", None),
        ("No exceptions were noted", None),
        ("Not sure", None),
        ("Yesterday", None),
        ("X", None),
        ("1", None),
        ("", None),
    ] {
        assert_eq!(word(text), expect, "{text}");
    }
}

#[test]
fn what_is_not_answered_is_unknown() {
    use AnswerStanding::{Against, NotApplicable, Partly, Stated, Supports, Unknown};
    for (kind, answer, comment, expect) in [
        (Kind::YesNo, "", "", Unknown),
        (Kind::YesNo, "", "a long word on it", Unknown),
        (Kind::YesNo, "-", "", Unknown),
        (Kind::YesNo, "TBD", "", Unknown),
        (Kind::YesNo, "see SOC 2 report", "", Unknown),
        (Kind::YesNo, "we take security seriously", "", Unknown),
        (Kind::YesNo, "yes", "", Supports),
        (Kind::YesNo, "no", "", Against),
        (Kind::YesNo, "in progress", "", Partly),
        (Kind::YesNo, "N/A", "", Unknown),
        (Kind::YesNo, "N/A", "-", Unknown),
        (Kind::YesNo, "N/A", "we hold no cards", NotApplicable),
        (Kind::Choice, "Good", "", Supports),
        (Kind::Choice, "bad", "", Against),
        (Kind::Choice, "excellent", "", Unknown),
        (Kind::Choice, "yes", "", Unknown),
        (Kind::Text, "in Ireland", "", Stated),
        (Kind::Text, "n/a", "", Unknown),
        (Kind::Date, "2026-05-01", "", Stated),
        (Kind::Date, "last year", "", Unknown),
        (Kind::Number, "30 days", "", Stated),
        (Kind::Number, "0", "", Stated),
        (Kind::Number, "a few", "", Unknown),
        (Kind::Number, "-3", "", Unknown),
    ] {
        assert_eq!(judged(kind, answer, comment), expect, "{kind:?} {answer} {comment}");
    }
}

#[test]
fn answers_that_fit_no_question_are_faults_and_missing_ones_unknown() {
    let section = Section {
        title: "s".to_owned(),
        step: None,
        questions: vec![question("A", Kind::YesNo), question("B", Kind::YesNo)],
    };
    let asked = Questionnaire { name: "q".to_owned(), title: "t".to_owned(), sections: vec![section] };
    let given = |id: &str| Given {
        id: id.to_owned(),
        answer: "yes".to_owned(),
        place: format!("row {id}"),
        ..Given::default()
    };
    let answered = asked.judge(&[given("A"), given("a"), given("C")]);
    assert_eq!(answered.faults.len(), 2, "{:?}", answered.faults);
    let answered = asked.judge(&[given("A")]);
    assert_eq!((answered.answered, answered.unanswered, answered.rows.len()), (1, 1, 2));
    let Content::Questionnaire { rows, unanswered, .. } = answered.content("q") else {
        panic!("another kind")
    };
    assert_eq!((rows.len(), unanswered), (2, 1));
}

fn sheet(text: &str) -> Sheet {
    let rows = text.lines().zip(1..).map(|(line, number)| Row {
        number,
        values: line.split('|').map(|cell| Value::Text(cell.trim().to_owned())).collect(),
        heading: line.starts_with("== "),
    });
    Sheet { rows: rows.collect(), ..Sheet::default() }
}

#[test]
fn spreadsheets_that_firms_send_each_other_are_read() {
    let cloud = "Assessment v9\nQuestion ID | Question | CSP CAIQ Answer | Ownership | CSP Implementation Description (Optional)\n\
        == Audit\n\
        A&A-01.1 | Are policies there? | Yes | CSP | \n\
        IAM-02.1 | Is there a rule? | NA | CSP | \n\
        CEK-03.1 | Is it encrypted? | NA | CSP | we hold nothing\n\
        TVM-01.1 | Is it scanned? | | CSP | \n\
        | Not a question | Yes | |";
    let (given, used) = answers(&sheet(cloud), &[], None).unwrap();
    assert_eq!(
        used,
        [
            "id A `Question ID`",
            "question B `Question`",
            "answer C `CSP CAIQ Answer`",
            "comment E `CSP Implementation Description (Optional)`"
        ]
    );
    let answered = judge_foreign(&given);
    assert_eq!((answered.answered, answered.unanswered, answered.not_applicable), (1, 2, 1), "{answered:?}");
    assert_eq!(answered.rows[2].domain, Some(Domain::Encryption));
    assert_eq!(answered.notes.len(), 1);

    let standard = "Ques Num | Question/Request | Response | Additional Information\nA.1 | Is there a person? | No | next year\nA.2 | Breaches? | None known |";
    let (given, _) = answers(&sheet(standard), &[], None).unwrap();
    let answered = judge_foreign(&given);
    assert_eq!((answered.answered, answered.unanswered), (1, 1));

    let own = "Kennung | Was | Sagt\nX | ? | ja";
    assert!(answers(&sheet(own), &[], None).is_err());
    let mapped = [(Field::Id, "A".to_owned()), (Field::Answer, "Sagt".to_owned())];
    assert_eq!(answers(&sheet(own), &mapped, Some(1)).unwrap().0.len(), 1);
    assert_eq!((domain_of("STA-01"), domain_of("X-1")), (Some(Domain::SupplyChain), None));
}
