//! `remint check`: says what a configuration amounts to, or what is wrong
//! with it.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use clap::Args;
use remint_gateway::clock::{Clock, SystemClock};
use remint_gateway::config::{Config, Environment, Region, Service, Tls};
use remint_gateway::iam::Bindings;

use crate::output::print;

/// What `remint check --help` says.
const HELP: &str = "\
Check a configuration and report every mistake in it.

Prints each mistake as FILE:LINE:COLUMN: path: message and exits with 1; or
says what the configuration amounts to and exits with 0. Nothing is asked of
the network.

    remint check remint.yaml

With --print-iam it prints the bindings of IAM that the configuration needs
instead, as gcloud commands for a shell. Names that the configuration does not
tell stand in capitals; comments say for what. Read it before you run it:

    remint check remint.yaml --print-iam > grants.sh";

/// Check a configuration and report every mistake in it.
#[derive(Args)]
#[command(long_about = HELP)]
pub(crate) struct Arguments {
    /// The configuration, in YAML.
    #[arg(env = "REMINT_CONFIG", value_name = "FILE")]
    file: PathBuf,
    /// Print the bindings of IAM that it needs, as gcloud commands.
    #[arg(long)]
    print_iam: bool,
    /// Allow what `remint serve --dev` allows.
    #[arg(long)]
    dev: bool,
}

/// Checks as the arguments say.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let Arguments { file, print_iam, dev } = arguments;
    let config = Config::load(file, &Environment { dev: *dev, ..Environment::of_process() })?;
    let text = match print_iam {
        true => Bindings::of(&config).to_string(),
        false => format!("{}: ok\n{}", file.display(), Summary(&config)),
    };
    Ok(print(&text)?)
}

/// What a configuration amounts to.
struct Summary<'c>(&'c Config);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(config) = self;
        if let Some(end) = config.tls.as_ref().and_then(Tls::not_after) {
            let what = match end <= SystemClock.now() {
                true => "warning: the certificate expired",
                false => "certificate expires",
            };
            writeln!(f, "tls: {what} at {end}")?;
        }
        for Service { name, routes, regions, .. } in &config.services {
            let rules: Vec<&str> = routes.iter().map(|route| &*route.rule).collect();
            writeln!(f, "service {name} for {}", rules.join(", "))?;
            for Region { name, origin, audience, .. } in regions {
                writeln!(f, "  {name} at {origin}, audience {audience}")?;
            }
        }
        Ok(())
    }
}
