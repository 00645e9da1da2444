//! One gate and one book between a company and its vendors.

mod clock;
mod machine;
mod pki;
mod settings;
mod up;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "portcullis", version)]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run gate and control in one process, on embedded stores
    Up(up::Arguments),
}

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let Cli { command: Verb::Up(arguments) } = Cli::parse();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(up::run(arguments))
}
