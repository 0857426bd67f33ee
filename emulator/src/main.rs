//! `remint-emulator`: runs the emulator until it is told to stop, and helps to
//! use one that runs.

mod cli;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    cli::run().await
}
