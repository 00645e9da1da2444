//! `portcullis demo`: the whole loop before your eyes. The vendors and the service behind the gate
//! are invented and run in this process; everything between them is real: TLS, OAuth, the gate,
//! the ledger. Each line comes from a real request, and names the decision that it met.

mod cast;
mod dossiers;
mod exception;
mod habit;
mod past;
mod scenes;
mod stage;
mod stolen_key;
mod thefts;
mod upstream;
mod watch;
mod workers;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::clock::injected_clock;
use crate::up::{Arguments as UpArguments, Installation, Stops};
use cast::Cast;
use stage::Stage;

/// How the demo is run.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Folder for the demo's installation; one left by an earlier demo is replaced
    #[arg(long, default_value = "portcullis-demo")]
    pub dir: PathBuf,
    /// End after the last scene instead of staying up
    #[arg(long)]
    pub exit: bool,
}

/// By this file a demo knows a folder that it may replace.
const MARK: &str = "demo";

pub async fn run(arguments: Arguments) -> Result<()> {
    replace_folder(&arguments.dir)?;
    let stage = Stage::open();
    stage.title("Portcullis: one gate and one book between a company and its vendors");
    stage.note("The firms and the service behind the gate are invented and run in this process. TLS, OAuth,");
    stage.note("the gate, the limits, the severance and the ledger are real. Each line names its decision.");
    let service = upstream::start().await?;
    let loopback = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let up = UpArguments {
        log: crate::logging::Format::Text,
        dir: arguments.dir.clone(),
        listen_gate: Some(loopback),
        listen_control: Some(loopback),
        public_url: None,
        cores: None,
        stops: Stops::Enforce,
        master_key_file: None,
        enforcer: None,
        files: Vec::new(),
    };
    // The mark first: what breaks off can be replaced, too.
    drop(portcullis_store::DataDirectory::open(&arguments.dir)?);
    std::fs::write(arguments.dir.join(MARK), "made by `portcullis demo`; replaced by the next one\n")?;
    let (clock, shift) = injected_clock();
    let installation = Installation::start_by(&up, clock).await?;
    dossiers::gather(&installation, service).await?;
    let past = past::live_through(&installation, service).await?;
    let cast = Cast::gather(&installation, past.key.clone()).await?;

    scenes::who_may_what(&stage, &installation);
    stolen_key::tell_past(&stage, &past);
    scenes::at_work(&stage, &cast).await?;
    scenes::contract_ends(&stage, &installation, &cast).await?;
    exception::turns_thirty(&stage, &installation, &cast, &shift).await?;
    thefts::copied_token(&stage, &installation, &cast).await?;
    thefts::caught_proofs(&stage, &installation, &cast).await?;
    stolen_key::stolen_key(&stage, &installation, &cast).await?;
    scenes::greedy_read(&stage, &cast).await?;
    scenes::severed(&stage, &installation, &cast).await?;
    scenes::book(&stage, &installation).await?;

    if !arguments.exit {
        let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        stage.what_next(&arguments.dir);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            // The others go on with their work, so that there is something to follow.
            _ = scenes::go_on(&cast) => {}
        }
    }
    installation.stop().await;
    Ok(())
}

/// A folder is replaced only if a demo made it.
fn replace_folder(folder: &std::path::Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    if !folder.join(MARK).exists() {
        bail!(
            "`{}` was not made by a demo\nhint: name another folder with --dir; nothing was touched",
            folder.display()
        );
    }
    // Somebody may be looking at it: then it is locked, and stays.
    drop(portcullis_store::DataDirectory::open(folder)?);
    std::fs::remove_dir_all(folder).with_context(|| format!("can't replace `{}`", folder.display()))
}
