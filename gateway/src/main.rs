//! `remint`: runs the gateway, checks its configuration, or renders the
//! filter's.

mod plugin_command;

use std::error::Error;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use remint_gateway::Running;
use remint_gateway::clock::SystemClock;
use remint_gateway::config::{Config, ConfigError, Environment};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

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
    /// /metrics. SIGTERM or SIGINT stops it: /readyz says so at once, new
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
        Command::Serve { config, dev } => serve(&config, dev),
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

fn serve(file: &Path, dev: bool) -> Result<(), Box<dyn Error>> {
    let config = Config::load(file, &Environment { dev, ..Environment::of_process() })?;
    log();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(&config))
}

#[expect(clippy::print_stdout, reason = "whoever started this reads the addresses")]
async fn run(config: &Config) -> Result<(), Box<dyn Error>> {
    // Before the first line of output: whoever reads it may stop us at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let running = Running::start(config, Arc::new(SystemClock)).await?;
    println!("remint: listening on http://{}", running.address());
    println!("remint: admin on http://{}", running.admin_address());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    running.drain().await;
    Ok(())
}

fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.init();
    } else {
        builder.json().flatten_event(true).init();
    }
}
