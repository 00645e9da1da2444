//! Making evidence packs: what a vendor read in a window, from the decision log and the ledger, streamed to whoever asked.
//!
//! Everything blocks on files, so it is done in a thread of its own, one pack at a time. A pack goes out while it is made: of
//! it no more is here than the rows of one sealed file, in a file without a name.

mod belongings;
mod events;
mod out;
mod rows;
mod turn;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use portcullis_domain::ids::{OperatorId, VendorId};
use portcullis_domain::spec::Kind;
use portcullis_domain::state::State;
use portcullis_pack::evidence::{
    EventLine, Evidence, Incident, Ledger, SealedLine, Section, SeveranceLine, Sources, VendorLine,
    WindowLine,
};
use portcullis_pack::write::{WriteError, Writer};
use portcullis_pack::{Counted, Counter, FORMAT, Names, Window, WindowError};
use portcullis_store::{Head, StoreError};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::control::Control;
use crate::error::DecisionsError;
use crate::sealing::SealError;
use crate::severing::operator_name;
use events::Found;
use out::{CHUNKS_WAITING, Out, PATIENCE};
use turn::Turn;
pub(crate) use turn::Turns;
pub use turn::UnderWay;

const PROGRAM: &str = concat!("portcullis ", env!("CARGO_PKG_VERSION"));

/// Which pack is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PackOrder {
    /// Name of the vendor, or its id where it is gone.
    pub vendor: String,
    pub from: Timestamp,
    /// What lies in the future is left out.
    pub to: Timestamp,
    /// With every row, so that others can count anew.
    pub rows: bool,
    /// With the whole sealed files, which hold decisions about other vendors, too.
    pub files: bool,
    /// Seal first what is not sealed yet.
    pub seal: bool,
    /// The incident that it is about.
    pub incident: Option<Box<Incident>>,
}

/// Why there is no pack.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error(
        "there is no vendor `{0}`\nhint: `portcullis get vendor` lists them; one that was deleted is found by its id"
    )]
    UnknownVendor(String),
    #[error(transparent)]
    Window(#[from] WindowError),
    #[error("the window lies in the future")]
    Future,
    #[error("another pack is being made: {0}\nhint: try again when it is done")]
    Busy(UnderWay),
    #[error("decisions can't be sealed")]
    Seal(#[from] SealError),
    #[error("the ledger can't be read")]
    Store(#[from] StoreError),
    #[error("the decision log can't be read")]
    Decisions(#[from] DecisionsError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("rows can't be laid aside")]
    Spool(#[source] std::io::Error),
    #[error("an event of the ledger can't be read: {0}")]
    Event(String),
    #[error("there is no thread to make a pack in")]
    Thread(#[source] std::io::Error),
    #[error("too many decisions of one hour are not sealed\nhint: seal them first: `--seal`")]
    TooManyUnsealed,
}

/// A pack in the making: its bytes, as they come.
pub struct PackStream {
    pub bytes: mpsc::Receiver<Bytes>,
    /// Such as `acme-2026-11-22.portcullis-pack.tar`.
    pub file_name: String,
}

impl Control {
    /// Begins a pack. What fails later stands in the stream's last member, and makes it worth nothing.
    ///
    /// # Errors
    /// [`PackError`], where nothing was begun.
    pub async fn pack(&self, order: PackOrder, by: OperatorId) -> Result<PackStream, PackError> {
        let state = self.state();
        let vendor = vendor_of(&state, &order.vendor)
            .ok_or_else(|| PackError::UnknownVendor(order.vendor.chars().take(80).collect()))?;
        let now = microseconds(self.clock().now());
        if order.from >= now {
            return Err(PackError::Future);
        }
        // Whole microseconds, as sealed files have them; the moment itself is over.
        let to = microseconds(order.to.min(now));
        let window = Window::new(vendor, microseconds(order.from), to)?;
        let name = vendor_name(&state, vendor);
        let made_by = operator_name(&state, by);
        let wanted = UnderWay { vendor: name.clone(), by: made_by.clone(), since: now };
        let turn = self.packing_turns().take(wanted).map_err(PackError::Busy)?;
        if order.seal {
            self.seal_now().await?;
        }
        let (chunks, bytes) = mpsc::channel(CHUNKS_WAITING);
        let file_name = format!("{name}-{}.portcullis-pack.tar", window.to.strftime("%Y-%m-%d"));
        let control = self.clone();
        let out = Out::new(self.handle().clone(), chunks, PATIENCE);
        let run = move || control.make_pack(&order, window, now, made_by, out, turn);
        std::thread::Builder::new().name("pack".to_owned()).spawn(run).map_err(PackError::Thread)?;
        Ok(PackStream { bytes, file_name })
    }

    fn make_pack(
        &self,
        order: &PackOrder,
        window: Window,
        made_at: Timestamp,
        made_by: String,
        out: Out,
        turn: Turn,
    ) {
        let writer = match Writer::new(out, made_at) {
            Ok(writer) => writer,
            Err(error) => return tracing::warn!(error = chain(&error), "an evidence pack was not taken"),
        };
        let mut packer = Packer {
            control: self,
            state: self.state(),
            order,
            window,
            writer,
            sources: Sources::default(),
            events: BTreeMap::new(),
        };
        let made = packer.make(made_at, made_by);
        let mut turn = Some(turn);
        let ended = match made {
            Ok((evidence, counted)) => {
                let sign = |text: &str| match self.store().sign_statement(text) {
                    Ok(note) => Ok(note),
                    Err(StoreError::Ledger(error)) => Err(error),
                    Err(_) => Err(portcullis_ledger::LedgerError::Key),
                };
                tracing::info!(vendor = %window.vendor, rows = counted.summary.requests, "an evidence pack is made");
                packer.writer.finish(&evidence, &counted.series, &sign)
            }
            Err(error) => {
                let why = chain(&error);
                tracing::error!(error = why, "an evidence pack can't be made");
                // Whoever takes nothing keeps nobody waiting while it is told why.
                drop(turn.take());
                packer.writer.fail(&why)
            }
        };
        // Whoever has read this pack to its end may ask for the next one at once.
        drop(turn);
        match ended {
            Ok(out) => out.end(),
            Err(error) => tracing::warn!(error = chain(&error), "an evidence pack was not taken to its end"),
        }
    }
}

/// What one pack is made with.
struct Packer<'a> {
    control: &'a Control,
    state: Arc<State>,
    order: &'a PackOrder,
    window: Window,
    writer: Writer<Out>,
    sources: Sources,
    /// Events that the pack proves, with the names of their members.
    events: BTreeMap<u64, String>,
}

impl Packer<'_> {
    fn make(&mut self, made_at: Timestamp, made_by: String) -> Result<(Evidence, Counted), PackError> {
        let found = self.find_events()?;
        let wanted: BTreeSet<_> = found.severances.iter().filter_map(|line| line.decision).collect();
        let mut counter = Counter::new(self.window, wanted);
        self.count(&mut counter)?;
        let counted = counter.finish(&self.names());
        let Found { mut severances, lines, left_out } = found;
        for line in &mut severances {
            line.records_by_minute = counted.series.hour_before(line.time);
        }
        self.sources.missing_segments = self.missing_segments();
        let head = self.control.handle().block_on(self.control.store().head())?;
        self.prove(&head, &severances, &lines)?;
        let verifier = self.control.store().verifier();
        let evidence = Evidence {
            format: FORMAT.to_owned(),
            made_at,
            made_by,
            program: PROGRAM.to_owned(),
            installation: self.control.issuer().to_owned(),
            ledger: Ledger { origin: verifier.name().to_owned(), size: head.size, key: verifier.to_string() },
            vendor: VendorLine { id: self.window.vendor, name: vendor_name(&self.state, self.window.vendor) },
            window: WindowLine { from: self.window.from, to: self.window.to },
            rows_included: self.order.rows,
            files_included: self.order.files,
            sources: std::mem::take(&mut self.sources),
            sections: self.sections(&counted, severances, lines, left_out),
        };
        Ok((evidence, counted))
    }

    fn sections(
        &self,
        counted: &Counted,
        severances: Vec<SeveranceLine>,
        events: Vec<EventLine>,
        left_out: u64,
    ) -> Vec<Section> {
        let incident = self.order.incident.iter().map(|incident| Section::Incident(incident.clone()));
        let counted = [
            Section::Summary(counted.summary.clone()),
            Section::Minutes(counted.minutes.clone()),
            Section::Severances { lines: severances },
            Section::Routes(counted.routes.clone()),
            Section::Callers(counted.callers.clone()),
            Section::Networks(counted.networks.clone()),
            Section::Reasons { lines: counted.reasons.clone() },
            Section::Decisions(counted.decisions.clone()),
            Section::Events { lines: events, left_out },
        ];
        incident.chain(counted).chain(Section::absent()).collect()
    }

    /// Every event that is named, with its proof to one and the same checkpoint.
    fn prove(
        &mut self,
        head: &Head,
        severances: &[SeveranceLine],
        lines: &[EventLine],
    ) -> Result<(), PackError> {
        let sealed = |line: &SealedLine| (line.event, line.proof.clone());
        let mut wanted: BTreeMap<u64, String> = self.sources.sealed.iter().map(sealed).collect();
        wanted.extend(lines.iter().map(|line| (line.event, line.proof.clone())));
        for line in severances {
            wanted.insert(line.event, line.proof.clone());
            wanted.extend(line.restored.iter().map(|restored| (restored.event, restored.proof.clone())));
        }
        self.events = wanted;
        for (event, member) in &self.events {
            let proving = self.control.prove_event_in(*event, head);
            let proof = self.control.handle().block_on(proving)?;
            let proof = proof.ok_or_else(|| PackError::Event(format!("there is no event `{event}`")))?;
            let bytes = serde_json::to_vec_pretty(&proof).map_err(WriteError::Json)?;
            self.writer.member(member, &bytes)?;
        }
        Ok(())
    }

    fn names(&self) -> Names {
        let named = self.state.resources.iter();
        named.map(|((_, name), resource)| (resource.id, name.clone())).collect()
    }

    /// Those whose times touch the window.
    fn missing_segments(&self) -> Vec<String> {
        let missing = crate::missing::named(self.control.decision_log()).unwrap_or_default();
        let touches = |since: Timestamp, until: Option<Timestamp>| {
            since < self.window.to && until.is_none_or(|until| until >= self.window.from)
        };
        let touching = missing.into_iter().filter(|missing| touches(missing.since, missing.until));
        touching.map(|missing| missing.file).collect()
    }
}

/// The member with an event and its proof.
fn event_member(event: u64) -> String {
    format!("events/{event:08}.json")
}

/// By its name; by its id, if any ledger entry has ever told of it.
fn vendor_of(state: &State, vendor: &str) -> Option<VendorId> {
    if let Some(found) = state.resource(Kind::Vendor, vendor) {
        return Some(VendorId(found.id));
    }
    let id = VendorId(vendor.parse::<Uuid>().ok()?);
    let known = state.by_id(id.0).is_some_and(|(kind, ..)| kind == Kind::Vendor)
        || state.gone_vendors.contains_key(&id)
        || state.dossiers.contains_key(&id)
        || state.holds.contains_key(&id);
    known.then_some(id)
}

fn vendor_name(state: &State, vendor: VendorId) -> String {
    let held = || state.holds.get(&vendor).map(|hold| hold.name.clone());
    let named = state.by_id(vendor.0).map(|(_, name, _)| name.to_owned());
    named.or_else(held).unwrap_or_else(|| vendor.to_string())
}

fn microseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

/// The error with its causes, in a line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}
