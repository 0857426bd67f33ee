//! `remint-emulator env`: the environment for a shell.

use std::error::Error;

use clap::Args;

use super::client::Running;
use super::{exports, print};

/// What `remint-emulator env --help` says.
const HELP: &str = "\
Print the environment in which Google's libraries and gcloud use a running
emulator, as lines for a shell:

    eval \"$(remint-emulator env)\"

An emulator at another port is named by --emulator, or by $REMINT_EMULATOR,
which these lines set too.";

/// Print the environment for Google's libraries and gcloud, to be evaluated.
#[derive(Args)]
#[command(long_about = HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    emulator: Running,
}

pub(super) async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let emulator = &arguments.emulator;
    let project = emulator.metadata("project/project-id").await?;
    Ok(print(&exports::lines(emulator.address(), project.trim(), ""))?)
}
