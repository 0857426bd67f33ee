//! `remint-emulator env`: the environment for a shell.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use remint_emulator::environment::{proxy_variables, variables};

use super::client::Running;
use super::{exports, print};

/// What `remint-emulator env --help` says.
const HELP: &str = "\
Print the environment in which Google's libraries and gcloud use a running
emulator, as lines for a shell:

    eval \"$(remint-emulator env)\"

An emulator at another port is named by --emulator, or by $REMINT_EMULATOR,
which these lines set too.

Some libraries call Google's hosts whatever the environment says. --proxy has
them reach the emulator too: it is their proxy, and the certificate that it was
told to write (--ca-file, or tls in its file) is the only one that they trust.
Nothing but the emulator, your hosts and this machine can be reached that way.

    eval \"$(remint-emulator env --proxy ca.pem)\"";

/// Print the environment for Google's libraries and gcloud, to be evaluated.
#[derive(Args)]
#[command(long_about = HELP)]
pub(super) struct Arguments {
    /// Also have libraries that call Google's hosts go through the emulator,
    /// and trust this certificate, which it has written.
    #[arg(long, value_name = "CA_FILE")]
    proxy: Option<PathBuf>,
    #[command(flatten)]
    emulator: Running,
}

pub(super) async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let emulator = &arguments.emulator;
    let project = emulator.metadata("project/project-id").await?;
    let mut all = variables(emulator.address(), project.trim());
    if let Some(file) = &arguments.proxy {
        let file = file.canonicalize().map_err(|error| format!("{}: {error}", file.display()))?;
        all.extend(proxy_variables(emulator.address(), &file.to_string_lossy()));
    }
    Ok(print(&exports::lines(&all, ""))?)
}
