//! `remint`: runs the gateway, checks its configuration, or renders the
//! filter's.

mod plugin_command;
mod serve_command;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use remint_gateway::clock::{Clock, SystemClock};
use remint_gateway::config::{Config, ConfigError, Environment, Tls};

/// The right Google ID token for the right region, on every attempt.
///
/// Remint's gateway stands behind a load balancer's domain and in front of the
/// regions of private Cloud Run services. It verifies the caller's ID token by
/// a policy, picks a region, mints a token for that region's audience, and
/// streams the request on. A retry in another region gets another token.
#[derive(Parser)]
#[command(name = "remint", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway.
    ///
    /// Listens on the configuration's address, or on $PORT as Cloud Run asks.
    /// Health and metrics are on the admin address: /healthz, /readyz,
    /// /metrics, /status. The configuration is read again when one of its
    /// files changes and at SIGHUP; a wrong one is reported and changes
    /// nothing. SIGTERM or SIGINT stops it: /readyz says so at once, new
    /// requests are served for the time of drain_delay, then those under way
    /// are finished, within drain_timeout. Logs go to stderr, as JSON unless that is a terminal;
    /// RUST_LOG says how much (info by default).
    Serve {
        /// The configuration, in YAML.
        #[arg(long, env = "REMINT_CONFIG", value_name = "FILE")]
        config: PathBuf,
        /// Allow what is for a laptop alone: `keys: dev` under `assertion`.
        #[arg(long)]
        dev: bool,
    },
    /// Check a configuration and report every mistake in it.
    ///
    /// Prints each mistake as FILE:LINE:COLUMN: path: message and exits with
    /// 1; or says what the configuration amounts to and exits with 0.
    Check {
        /// The configuration, in YAML.
        #[arg(env = "REMINT_CONFIG", value_name = "FILE")]
        file: PathBuf,
        /// Allow what `serve --dev` allows.
        #[arg(long)]
        dev: bool,
    },
    /// Print a new private key for assertions.
    ///
    /// A key on P-256 in PEM. All instances of a gateway share one file of
    /// such keys: the first one signs, all are published.
    AssertionKey,
    PluginConfig(plugin_command::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve { config, dev } => serve_command::run(&config, dev),
        Command::Check { file, dev } => check(&file, dev),
        Command::AssertionKey => assertion_key(),
        Command::PluginConfig(arguments) => plugin_command::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&*error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "whoever called this waits for it there")]
fn complain(error: &(dyn Error + 'static)) {
    if error.is::<ConfigError>() {
        eprintln!("{error}");
        return;
    }
    eprint!("remint: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprint!(": {error}");
        cause = error.source();
    }
    eprintln!();
}

#[expect(clippy::print_stdout, reason = "the summary is what was asked for")]
fn check(file: &Path, dev: bool) -> Result<(), Box<dyn Error>> {
    let config = Config::load(file, &Environment { dev, ..Environment::of_process() })?;
    println!("{}: ok", file.display());
    if let Some(end) = config.tls.as_ref().and_then(Tls::not_after) {
        let is_over = end <= SystemClock.now();
        let what = if is_over { "warning: the certificate expired" } else { "certificate expires" };
        println!("tls: {what} at {end}");
    }
    for service in &config.services {
        let rules: Vec<&str> = service.routes.iter().map(|route| &*route.rule).collect();
        println!("service {} for {}", service.name, rules.join(", "));
        for region in &service.regions {
            println!("  {} at {}, audience {}", region.name, region.origin, region.audience);
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the key is what was asked for")]
fn assertion_key() -> Result<(), Box<dyn Error>> {
    let key = remint_gateway::new_assertion_key().map_err(|_| "no key can be made")?;
    print!("{key}");
    Ok(())
}
