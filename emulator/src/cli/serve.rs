//! `remint-emulator serve`: runs the emulator until it is told to stop.

use std::error::Error;
use std::io::ErrorKind;
use std::path::PathBuf;

use clap::Args;
use remint_emulator::{Config, Emulator, StartError, file};
use tokio::signal::unix::{SignalKind, signal};

use super::flags::Flags;
use super::told::Told;
use super::{Usage, print};

/// Run the emulator: this is what it does without a command.
#[derive(Args, Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    /// The configuration, in YAML: everything that flags can say, and more.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
    /// Print the configuration that these flags amount to, and stop.
    #[arg(long)]
    print_config: bool,
}

const BOTH: &str = "--config goes with no other flag: what they say can be said in the file";

/// Why a port can't be had, and what to do.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0}: something listens there already, maybe another emulator. Other ports are taken with --port and --vpc-port, or under \"listen\" in the file; 0 is any free one"
)]
struct PortTaken(String);

pub(super) async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let by_flags = arguments.flags != Flags::default() || arguments.print_config;
    let config = match &arguments.config {
        Some(_) if by_flags => return Err(Usage(BOTH).into()),
        Some(path) => file::load(path)?,
        None => {
            let written = arguments.flags.written();
            let read = file::parse(&written.text);
            let config = read.map_err(|problems| written.mistakes(&problems))?;
            if arguments.print_config {
                return Ok(print(&written.text)?);
            }
            config
        }
    };
    serve(config).await
}

async fn serve(config: Config) -> Result<(), Box<dyn Error>> {
    // Before the first line of output: whoever reads it may stop us at once.
    let mut terminated = signal(SignalKind::terminate())?;
    let told = Told::of(&config);
    let emulator = Emulator::start(config).await.map_err(explained)?;
    print(&told.text(&emulator))?;
    emulator.ready().await?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    emulator.shutdown().await;
    Ok(())
}

fn explained(error: StartError) -> Box<dyn Error> {
    match &error {
        StartError::Listen(_, cause) if cause.kind() == ErrorKind::AddrInUse => {
            PortTaken(error.to_string()).into()
        }
        _ => error.into(),
    }
}
