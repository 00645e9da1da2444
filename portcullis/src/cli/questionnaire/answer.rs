//! Answers from a file: what they come to, and their way into the dossier.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use jiff::civil::Date;
use portcullis_api::dossiers::{DossierAnswer, DossierRequest, DossierView};
use portcullis_api::questionnaire as written;
use portcullis_assurance::days::date_of;
use portcullis_assurance::evidence::{AnswerStanding, Channel};
use portcullis_assurance::questionnaire::table::{Field, answers};
use portcullis_assurance::questionnaire::{Answered, Given, judge_foreign};
use portcullis_domain::ids::EvidenceId;
use serde_json::{Value, json};

use super::super::failure::Usage;
use super::super::output::{Output, Paint, Style};
use super::super::server::Server;
use super::super::table::{Cell, Table};
use super::super::{Outcome, Place};
use super::{asked, bounded};
use crate::clock::system_clock;

/// Where answers are, and how they are read.
#[derive(clap::Args)]
pub(super) struct Source {
    /// Answers as CSV, XLSX or YAML
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The questionnaire that they answer; without it the default one where the ids are its, and else the questions
    /// that come with the answers
    #[arg(long, value_name = "FILE")]
    questionnaire: Option<PathBuf>,
    /// What a column is, such as `answer=Response`; id, question, answer, comment or evidence
    #[arg(long, value_name = "FIELD=HEADER", value_parser = mapped)]
    map: Vec<(Field, String)>,
    /// Which sheet of a workbook; without it, the first that is shown and holds anything
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// The row that names the columns
    #[arg(long, value_name = "N")]
    header_row: Option<u32>,
}

#[derive(clap::Args)]
pub(in crate::cli) struct CheckArguments {
    #[command(flatten)]
    source: Source,
}

#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Name of the vendor
    #[arg(value_name = "VENDOR")]
    vendor: String,
    #[command(flatten)]
    source: Source,
    /// Evidence that shows an answer, as `ID=EVIDENCE`; without `ID=`, of every answer that names none of its own
    #[arg(long, value_name = "[ID=]EVIDENCE", value_parser = linked)]
    evidence: Vec<(Option<String>, EvidenceId)>,
    /// Who answered; the vendor's legal name without it
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// The day on which it was answered; today without it
    #[arg(long, value_name = "DATE")]
    issued: Option<Date>,
    /// How the answers came: email, portal, link or signed
    #[arg(long, value_name = "HOW", default_value = "email", value_parser = channel)]
    channel: Channel,
    /// Say what it would come to, and change nothing
    #[arg(long)]
    dry_run: bool,
}

fn mapped(text: &str) -> Result<(Field, String), String> {
    let (field, header) = text.split_once('=').ok_or("write it as `field=Header`")?;
    let field = Field::from_word(field).ok_or("the fields are id, question, answer, comment and evidence")?;
    Ok((field, header.trim().to_owned()))
}

fn linked(text: &str) -> Result<(Option<String>, EvidenceId), String> {
    let (question, id) = text.split_once('=').map_or((None, text), |(question, id)| (Some(question), id));
    let id = id.trim().parse().map_err(|_| format!("`{id}` is no id of evidence"))?;
    Ok((question.map(|question| question.trim().to_owned()), id))
}

fn channel(text: &str) -> Result<Channel, String> {
    match text {
        "email" => Ok(Channel::Email),
        "portal" => Ok(Channel::Portal),
        "link" => Ok(Channel::Link),
        "signed" => Ok(Channel::Signed),
        _ => Err("write email, portal, link or signed".to_owned()),
    }
}

/// What was read of a file.
struct Looked {
    /// Of the questionnaire.
    name: String,
    answered: Answered,
    notes: Vec<String>,
}

pub(super) fn check(out: &Output, arguments: &CheckArguments) -> Result<Outcome> {
    let source = &arguments.source;
    if let Some(text) = manifest(&source.file)?.filter(|text| !written::holds_answers(text)) {
        let path = source.file.display();
        let asked = written::read(&text)
            .map_err(|faults| anyhow!("`{path}` is no questionnaire: {}", faults.join("; ")))?;
        let count = asked.questions().count();
        out.show(&json!({ "questionnaire": asked.name, "questions": count }), |_| {
            format!("{path}: questionnaire `{}` with {count} questions\n", asked.name)
        })?;
        return Ok(Outcome::Done);
    }
    let looked = look(source, &[])?;
    let good = looked.answered.faults.is_empty();
    out.show(&report(&looked, None), |paint| told(&looked, paint))?;
    Ok(if good { Outcome::Done } else { Outcome::Refused })
}

pub(super) async fn answer(place: &Place, out: &Output, arguments: Arguments) -> Result<Outcome> {
    let looked = look(&arguments.source, &arguments.evidence)?;
    if let [first, ..] = looked.answered.faults.as_slice() {
        let more = looked.answered.faults.len() - 1;
        return Err(anyhow!(
            "{first}{}\nhint: `portcullis questionnaire check FILE` says all of it; nothing was recorded",
            if more > 0 { format!(", and {more} more") } else { String::new() }
        ));
    }
    let server = Server::find(place)?;
    let vendor = arguments.vendor.strip_prefix("vendor/").unwrap_or(&arguments.vendor);
    let path = ["v1", "vendors", vendor, "dossier"];
    let issuer = match arguments.issuer {
        Some(issuer) => issuer,
        None => server.get::<DossierView>(&path).await?.legal_name,
    };
    let today = date_of(system_clock().now());
    let mut evidence = json!({
        "title": format!("Questionnaire {}", looked.name),
        "issuer": issuer,
        "issued": arguments.issued.unwrap_or(today),
        "channel": arguments.channel,
    });
    let content = serde_json::to_value(looked.answered.content(&looked.name))?;
    if let (Some(members), Value::Object(content)) = (evidence.as_object_mut(), content) {
        members.extend(content);
    }
    let change = json!({ "change": "evidence_added", "evidence": evidence });
    let request = DossierRequest { changes: vec![change], dry_run: arguments.dry_run };
    let (_, answer): (_, DossierAnswer) = server.post(&path, &request).await?;
    let id = answer.changes.iter().find_map(|change| change.id.clone());
    out.show(&report(&looked, id.as_deref()), |paint| {
        let mut text = told(&looked, paint);
        text.push_str(&match (&id, arguments.dry_run) {
            (_, true) => "nothing was recorded (dry run)\n".to_owned(),
            (Some(id), _) => format!("recorded as evidence {id} of vendor/{vendor}\n"),
            (None, _) => "nothing is new in it\n".to_owned(),
        });
        text
    })?;
    Ok(Outcome::Done)
}

fn look(source: &Source, links: &[(Option<String>, EvidenceId)]) -> Result<Looked> {
    let path = source.file.display();
    let (mut given, mut notes, named) = match manifest(&source.file)? {
        Some(text) => {
            let (name, given) = written::read_answers(&text)
                .map_err(|error| anyhow!("`{path}` holds no answers: {error}"))?;
            (given, Vec::new(), Some(name))
        }
        None => {
            let sheet = portcullis_sheets::read(&bounded(&source.file)?, source.sheet.as_deref())
                .with_context(|| format!("can't read `{path}`"))?;
            let (given, used) = answers(&sheet, &source.map, source.header_row)
                .with_context(|| format!("can't use `{path}`"))?;
            let notes = sheet.notes.iter().cloned().chain([format!("columns: {}", used.join(", "))]);
            (given, notes.collect(), None)
        }
    };
    link(&mut given, links)?;
    let asked = asked(source.questionnaire.as_deref())?;
    let own =
        |given: &Given| asked.questions().any(|question| question.id.eq_ignore_ascii_case(given.id.trim()));
    if let Some(name) = named.filter(|name| *name != asked.name) {
        let message = format!(
            "the answers are to questionnaire `{name}`\nhint: name its file by `--questionnaire FILE`"
        );
        return Err(Usage(message).into());
    }
    if source.questionnaire.is_some() || given.iter().any(own) {
        return Ok(Looked { name: asked.name.clone(), answered: asked.judge(&given), notes });
    }
    notes.push("the questions come with the answers: each is taken as one of yes or no, where yes speaks for the control".to_owned());
    let name = source.file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.chars().take(40).collect();
    Ok(Looked { name, answered: judge_foreign(&given), notes })
}

fn link(given: &mut [Given], links: &[(Option<String>, EvidenceId)]) -> Result<()> {
    for (question, id) in links.iter().filter_map(|(question, id)| Some((question.as_ref()?, id))) {
        let found = given.iter_mut().find(|given| given.id.trim().eq_ignore_ascii_case(question));
        let found = found.ok_or_else(|| Usage(format!("no answer is to question `{question}`")))?;
        found.evidence = Some(*id);
    }
    for (_, id) in links.iter().filter(|(question, _)| question.is_none()) {
        for given in given.iter_mut().filter(|given| given.evidence.is_none() && !given.answer.is_empty()) {
            given.evidence = Some(*id);
        }
    }
    Ok(())
}

/// The text of a file that is written as YAML or JSON; none of a table.
fn manifest(path: &Path) -> Result<Option<String>> {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    match ending.as_deref() {
        Some("yaml" | "yml" | "json") => super::text(path).map(Some),
        _ => Ok(None),
    }
}

fn report(looked: &Looked, evidence: Option<&str>) -> Value {
    let Answered { rows, answered, unanswered, not_applicable, notes, faults } = &looked.answered;
    json!({
        "questionnaire": looked.name, "answered": answered, "unanswered": unanswered, "not_applicable": not_applicable,
        "rows": rows, "notes": looked.notes, "unclear": notes, "faults": faults, "evidence": evidence,
    })
}

fn told(looked: &Looked, paint: Paint) -> String {
    let mut text = String::new();
    for note in &looked.notes {
        text.push_str(&format!("{}\n", paint.paint(note, Style::Dim)));
    }
    let mut table = Table::new(["QUESTION", "DOMAIN", "COUNTS AS", "~ANSWER", "~COMMENT", "EVIDENCE"]);
    for row in &looked.answered.rows {
        table.row([
            row.question.as_str().into(),
            row.domain.map_or("-", |domain| domain.name()).into(),
            Cell::styled(row.standing.word(), style_of(row.standing)),
            row.answer.clone().unwrap_or_default().into(),
            row.comment.clone().unwrap_or_default().into(),
            row.evidence.map_or_else(String::new, |id| id.to_string()).into(),
        ]);
    }
    text.push_str(&table.render(paint));
    for note in &looked.answered.notes {
        text.push_str(&format!("{}\n", paint.paint(&format!("unclear: {note}"), Style::Warning)));
    }
    for fault in &looked.answered.faults {
        text.push_str(&format!("{}\n", paint.paint(&format!("wrong: {fault}"), Style::Bad)));
    }
    let count =
        |standing: AnswerStanding| looked.answered.rows.iter().filter(|row| row.standing == standing).count();
    text.push_str(&format!(
        "{}: {} answered ({} for the control, {} against, {} in part, {} stated), {} not applicable, {} unknown\n",
        looked.name,
        looked.answered.answered,
        count(AnswerStanding::Supports),
        count(AnswerStanding::Against),
        count(AnswerStanding::Partly),
        count(AnswerStanding::Stated),
        looked.answered.not_applicable,
        looked.answered.unanswered
    ));
    text
}

fn style_of(standing: AnswerStanding) -> Style {
    match standing {
        AnswerStanding::Supports => Style::Good,
        AnswerStanding::Against => Style::Bad,
        AnswerStanding::Partly | AnswerStanding::Unknown => Style::Warning,
        AnswerStanding::Stated | AnswerStanding::NotApplicable => Style::Plain,
    }
}
