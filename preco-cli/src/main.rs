//! `preco-cli`: pre-train encoders on overhead imagery and measure them.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 a check said no, 2 failed,
//! 130 interrupted and saved.

mod cli;
mod commands;
mod config;
mod device;
mod hub;
mod interrupt;
mod memory;
mod names;
mod output;
mod outputs;
mod progress;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

use cli::Cli;

/// What is logged without `PRECO_LOG`. hf-hub calls each attempt an error; ours is told once, when all have failed.
const DEFAULT_LOG: &str = "warn,hf_hub=off,xet_client=off";
/// Stack of the thread that works: deep models recurse into rayon's joins.
const STACK_BYTES: usize = 64 << 20;

fn main() -> ExitCode {
    memory::keep_freed_memory();
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("PRECO_LOG").unwrap_or_else(|_| DEFAULT_LOG.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .without_time()
        .init();
    let worker = std::thread::Builder::new().name("preco".to_owned()).stack_size(STACK_BYTES).spawn(move || cli.run());
    match worker.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(code))) => ExitCode::from(code),
        Ok(Ok(Err(error))) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Ok(Ok(Err(error))) => {
            output::note(&format!("error: {}", output::one_line(&error)));
            ExitCode::from(2)
        }
        // The panic has printed its own message.
        Ok(Err(_)) => ExitCode::from(2),
        Err(error) => {
            output::note(&format!("error: cannot start a thread: {error}"));
            ExitCode::from(2)
        }
    }
}
