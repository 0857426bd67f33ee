//! `remint-emulator check`: says what a configuration amounts to, or what is
//! wrong with it.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use clap::Args;
use remint_emulator::{Backend, Config, Service, ServiceRegion, file};

use super::print;

/// What `remint-emulator check --help` says.
const HELP: &str = "\
Check a configuration and report every mistake in it.

Prints each mistake as FILE:LINE:COLUMN: path: message and exits with 1; or
says what the configuration amounts to and exits with 0. Nothing is started.

    remint-emulator check emulator.yaml";

/// Check a configuration and report every mistake in it.
#[derive(Args)]
#[command(long_about = HELP)]
pub(super) struct Arguments {
    /// The configuration, in YAML.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let config = file::load(&arguments.file)?;
    Ok(print(&format!("{}: ok\n{}", arguments.file.display(), Summary(&config)))?)
}

/// What a configuration amounts to.
struct Summary<'c>(&'c Config);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(config) = self;
        writeln!(f, "project {} ({})", config.project_id, config.project_number)?;
        for service in &config.services {
            writeln!(f, "service {}", service.name)?;
            for region in &service.regions {
                let (url, invokers) = (config.url(service, region), invokers(service, region));
                let backend = region.backend.as_ref().unwrap_or(&service.backend);
                writeln!(f, "  {url}, for {invokers}, {}", backend_text(backend))?;
            }
        }
        Ok(())
    }
}

fn invokers(service: &Service, region: &ServiceRegion) -> String {
    match region.invokers.as_ref().unwrap_or(&service.invokers).as_slice() {
        [] => "nobody: it has no invokers".to_owned(),
        invokers => invokers.join(", "),
    }
}

fn backend_text(backend: &Backend) -> String {
    match backend {
        Backend::Echo => "by the built-in service".to_owned(),
        Backend::Address { addr, .. } => format!("by the server at {addr}"),
        Backend::Command { words, .. } => format!("by the program {:?}", words.join(" ")),
    }
}
