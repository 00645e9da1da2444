//! One gate and one book between a company and its vendors.

mod cli;
mod clock;
mod demo;
mod logging;
mod machine;
mod pki;
mod settings;
mod up;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
