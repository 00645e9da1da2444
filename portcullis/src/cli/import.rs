//! `import`: what people keep in spreadsheets comes into the book.

mod apply;
mod told;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use jiff::Timestamp;
use jiff::civil::Date;
use portcullis_api::resource::ResourceView;
use portcullis_assurance::days::{date_of, days, plus, starts_after};
use portcullis_assurance::intake::columns::Field;
use portcullis_assurance::intake::{DayOrder, Entity, Judgement, Known, Options, Verdict, judge, rejects};
use portcullis_assurance::sheet::Sheet;
use portcullis_domain::spec::Kind;
use portcullis_sheets::FILE_BYTES_MAX;

use super::failure::Usage;
use super::output::Output;
use super::server::{Server, resources, text_of, texts_of};
use super::{Outcome, Place, examples};
use crate::clock::system_clock;

/// Days of a provisional admission, without a word.
const DAYS: i64 = 60;

#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Bring vendors in from a spreadsheet: show what would happen, then take the good rows
    #[command(after_help = examples::IMPORT_VENDORS)]
    Vendors(Box<VendorsArguments>),
}

#[derive(clap::Args)]
pub(super) struct VendorsArguments {
    /// CSV or XLSX
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Take the good rows, all of them or none; without it nothing is changed
    #[arg(long)]
    apply: bool,
    /// Write the other rows here as CSV, with the reasons: to be mended, and imported again
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// What a column is, such as `legal_name=Firm` or `lei=E`; may be given more than once
    #[arg(long, value_name = "FIELD=HEADER", value_parser = mapped)]
    map: Vec<(Field, String)>,
    /// Which sheet of a workbook; without it, the first that is shown and holds anything
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// The row that names the columns; without it, the one that names most of them
    #[arg(long, value_name = "N")]
    header_row: Option<u32>,
    /// In which order dates such as 03/04/2026 are written
    #[arg(long, value_enum, value_name = "ORDER")]
    dates: Option<Order>,
    /// The zone that days of contracts are meant in
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// Last day of the provisional admission, at most 90 days ahead; without it, in 60 days
    #[arg(long, value_name = "DATE")]
    until: Option<Date>,
    /// Who answers for vendors whose row names nobody
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// A row that is another vendor although it looks like one that is known; may be given more than once
    #[arg(long, value_name = "ROW")]
    as_new: Vec<u32>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Order {
    Dmy,
    Mdy,
    Ymd,
}

fn mapped(text: &str) -> Result<(Field, String), String> {
    let (field, header) = text.split_once('=').ok_or("write it as `field=Header`")?;
    let field = Field::from_word(field).ok_or_else(|| {
        let words: Vec<&str> = Field::ALL.into_iter().map(Field::word).collect();
        format!("there is no field `{field}`; there are {}", words.join(", "))
    })?;
    Ok((field, header.trim().to_owned()))
}

pub(super) async fn import(place: &Place, out: &Output, verb: Verb) -> Result<Outcome> {
    match verb {
        Verb::Vendors(arguments) => vendors(place, out, *arguments).await,
    }
}

/// What is asked for, and what was found.
struct Import {
    file: String,
    sheet: Sheet,
    judgement: Judgement,
    /// The first moment after the provisional admission.
    until: Timestamp,
    time_zone: String,
    owner: Option<String>,
}

async fn vendors(place: &Place, out: &Output, arguments: VendorsArguments) -> Result<Outcome> {
    let now = system_clock().now();
    let until = until(arguments.until, now)?;
    jiff::tz::TimeZone::get(&arguments.time_zone).map_err(|_| {
        Usage(format!("there is no time zone `{}`\nhint: write it as `Europe/Berlin`", arguments.time_zone))
    })?;
    let file = arguments.file.display().to_string();
    let bytes = bounded(&arguments.file)?;
    let named = arguments.sheet.as_deref();
    let sheet = portcullis_sheets::read(&bytes, named).with_context(|| format!("can't read `{file}`"))?;
    let server = Server::find(place)?;
    let known: Vec<ResourceView> = server.all(&path(&resources(Kind::Vendor))).await?;
    let contracts: Vec<ResourceView> = server.all(&path(&resources(Kind::Contract))).await?;
    // A vendor and its contract have one name: neither may be somebody else's.
    let taken: BTreeSet<String> = known.iter().chain(&contracts).map(|view| view.name.clone()).collect();
    let options = Options {
        mapped: arguments.map,
        header_row: arguments.header_row,
        order: arguments.dates.map(order),
        as_new: arguments.as_new.into_iter().collect(),
        today: date_of(now),
    };
    let entities: Vec<Known> = known.iter().map(known_of).collect();
    let judgement =
        judge(&sheet, &entities, &taken, &options).with_context(|| format!("can't use `{file}`"))?;
    let import =
        Import { file, sheet, judgement, until, time_zone: arguments.time_zone, owner: arguments.owner };
    // Those of an earlier import that broke off between declaring and admitting.
    let unfinished = apply::unfinished(&server, &import, &known).await?;
    if let Some(path) = &arguments.rejects {
        write_rejects(path, &import)?;
    }
    let report = if arguments.apply {
        apply::apply(&server, out, &import, unfinished).await?
    } else {
        apply::rehearse(&server, &import, unfinished).await?
    };
    let rejected = arguments.rejects.as_deref();
    out.show(&report, |paint| told::told(&import, &report, rejected, paint))?;
    let left = import.judgement.rows.iter().any(rejects::is_left);
    Ok(if report.failed() || (left && arguments.apply && rejected.is_none()) {
        Outcome::Refused
    } else {
        Outcome::Done
    })
}

fn path(words: &[String; 3]) -> [&str; 3] {
    let [first, second, third] = words;
    [first, second, third]
}

fn order(order: Order) -> DayOrder {
    match order {
        Order::Dmy => DayOrder::Dmy,
        Order::Mdy => DayOrder::Mdy,
        Order::Ymd => DayOrder::Ymd,
    }
}

fn until(asked: Option<Date>, now: Timestamp) -> Result<Timestamp> {
    let last = date_of(plus(now, days(89)));
    let until = starts_after(asked.unwrap_or_else(|| date_of(plus(now, days(DAYS)))), 1);
    if until <= now {
        return Err(Usage(
            "the provisional admission would be over already\nhint: name a day to come".into(),
        )
        .into());
    }
    if until > plus(now, days(90)) {
        let message =
            format!("a provisional admission lasts 90 days at most\nhint: name `{last}` or a day before");
        return Err(Usage(message).into());
    }
    Ok(until)
}

fn bounded(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).with_context(|| format!("can't read `{}`", path.display()))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("can't read `{}`", path.display()))?;
    Ok(bytes)
}

fn known_of(view: &ResourceView) -> Known {
    let some = |name| Some(text_of(&view.spec, name).to_owned()).filter(|text| !text.is_empty());
    let entity = Entity {
        legal_name: text_of(&view.spec, "legal_name").to_owned(),
        aliases: texts_of(&view.spec, "aliases"),
        jurisdiction: some("jurisdiction"),
        registry_number: some("registry_number"),
        lei: some("lei"),
    };
    Known { name: view.name.clone(), entity }
}

/// Whoever writes over the file that is read has lost it.
fn write_rejects(path: &Path, import: &Import) -> Result<()> {
    if path.canonicalize().ok().is_some_and(|path| Path::new(&import.file).canonicalize().ok() == Some(path))
    {
        return Err(Usage(
            "the rejects would be written over the file itself\nhint: name another file".into(),
        )
        .into());
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rejects::table(&import.sheet, &import.judgement) {
        writer.write_record(row)?;
    }
    let bytes = writer.into_inner().map_err(|error| anyhow!("{error}"))?;
    // The mark tells spreadsheets that it is UTF-8.
    let marked = [b"\xef\xbb\xbf".as_slice(), &bytes].concat();
    std::fs::write(path, marked).with_context(|| format!("can't write `{}`", path.display()))
}

/// The rows that are taken.
fn good(import: &Import) -> impl Iterator<Item = &portcullis_assurance::intake::Candidate> {
    import.judgement.rows.iter().filter_map(|judged| match &judged.verdict {
        Verdict::New { vendor } => Some(vendor.as_ref()),
        _ => None,
    })
}
