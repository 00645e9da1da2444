//! `questionnaire`: questions to vendors, and answers as evidence.

mod answer;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use portcullis_api::questionnaire::{self as written, DEFAULT};
use portcullis_assurance::intake::rejects::inert;
use portcullis_assurance::questionnaire::Questionnaire;
use portcullis_sheets::FILE_BYTES_MAX;

use super::output::Output;
use super::table::Table;
use super::{Outcome, Place, examples};

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List the questions of a questionnaire
    #[command(after_help = examples::QUESTIONNAIRE_SHOW)]
    Show(ShowArguments),
    /// Print the default questionnaire to be changed, or as a sheet to be answered
    #[command(after_help = examples::QUESTIONNAIRE_NEW)]
    New(NewArguments),
    /// Check a questionnaire, or say what a vendor's answers come to, without a server
    #[command(after_help = examples::QUESTIONNAIRE_CHECK)]
    Check(answer::CheckArguments),
    /// Record a vendor's answers as evidence, each with what it is worth
    #[command(after_help = examples::QUESTIONNAIRE_ANSWER)]
    Answer(Box<answer::Arguments>),
}

#[derive(clap::Args)]
pub(super) struct ShowArguments {
    /// Questionnaire as YAML or JSON; the default one without it
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(super) struct NewArguments {
    /// A CSV sheet with a row for each question, for the vendor to fill in
    #[arg(long)]
    sheet: bool,
    /// Questionnaire as YAML or JSON; the default one without it
    #[arg(long, value_name = "FILE")]
    questionnaire: Option<PathBuf>,
}

pub(super) async fn questionnaire(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    match verb {
        Verb::Show(arguments) => show(out, arguments.file.as_deref()),
        Verb::New(arguments) => new(out, &arguments),
        Verb::Check(arguments) => answer::check(out, &arguments),
        Verb::Answer(arguments) => answer::answer(place, out, *arguments).await,
    }
}

fn show(out: &Output, file: Option<&Path>) -> Result<Outcome> {
    let asked = asked(file)?;
    out.show(&asked, |paint| {
        let mut table = Table::new(["ID", "STEP", "DOMAIN", "ANSWER", "~QUESTION"]);
        for section in &asked.sections {
            for question in &section.questions {
                table.row([
                    question.id.as_str().into(),
                    section.step.map_or("-", |step| step.name()).into(),
                    question.domain.map_or("-", |domain| domain.name()).into(),
                    question.kind.word().into(),
                    question.text.as_str().into(),
                ]);
            }
        }
        format!("{}: {}\n{}", asked.name, asked.title, table.render(paint))
    })?;
    Ok(Outcome::Done)
}

fn new(out: &Output, arguments: &NewArguments) -> Result<Outcome> {
    let asked = asked(arguments.questionnaire.as_deref())?;
    if !arguments.sheet {
        let text = if arguments.questionnaire.is_none() {
            DEFAULT.to_owned()
        } else {
            portcullis_api::render::yaml(&asked)?
        };
        out.text(&text)?;
        return Ok(Outcome::Done);
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["id", "section", "question", "how", "answer", "comment", "evidence"])?;
    for section in &asked.sections {
        for question in &section.questions {
            let how = if question.choices.is_empty() {
                question.kind.word().to_owned()
            } else {
                question.choices.join(" | ")
            };
            let cells = [&question.id, &section.title, &question.text, &how].map(|cell| inert(cell));
            writer.write_record(cells.iter().map(String::as_str).chain(["", "", ""]))?;
        }
    }
    out.bytes(&writer.into_inner().map_err(|error| anyhow!("{error}"))?)?;
    Ok(Outcome::Done)
}

/// The questionnaire that is meant; the default one without a word.
fn asked(file: Option<&Path>) -> Result<Questionnaire> {
    let (text, name) = match file {
        Some(path) => (text(path)?, path.display().to_string()),
        None => (DEFAULT.to_owned(), "the default questionnaire".to_owned()),
    };
    written::read(&text).map_err(|faults| anyhow!("`{name}` is no questionnaire: {}", faults.join("; ")))
}

fn text(path: &Path) -> Result<String> {
    String::from_utf8(bounded(path)?).with_context(|| format!("`{}` is not UTF-8", path.display()))
}

fn bounded(path: &Path) -> Result<Vec<u8>> {
    let doing = || format!("can't read `{}`", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(doing)?;
    file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).with_context(doing)?;
    Ok(bytes)
}
