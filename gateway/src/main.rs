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
    },
    /// Check a configuration and report every mistake in it.
    ///
    /// Prints each mistake as FILE:LINE:COLUMN: path: message and exits with
    /// 1; or says what the configuration amounts to and exits with 0.
    Check {
        /// The configuration, in YAML.
        #[arg(env = "REMINT_CONFIG", value_name = "FILE")]
        file: PathBuf,
    },
    PluginConfig(plugin_command::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve { config } => serve_command::run(&config),
        Command::Check { file } => check(&file),
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
fn check(file: &Path) -> Result<(), Box<dyn Error>> {
    let config = Config::load(file, &Environment::of_process())?;
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
