//! `remint serve`: runs the gateway until it is told to stop.

use std::error::Error;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use remint_gateway::clock::SystemClock;
use remint_gateway::config::{Config, Environment, LogFormat};
use remint_gateway::{Reloader, Running, logging};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::one_service::{self, OneService};
use crate::output::print;
use crate::usage::Usage;

/// What `remint serve --help` says.
const HELP: &str = "\
Run the gateway.

    remint serve --config remint.yaml

Listens on the configuration's address, or on $PORT as Cloud Run asks. Health
and metrics are on the admin address: /healthz, /readyz, /metrics, /status.
Logs go to stderr: as JSON for Cloud Logging, or for people where that is a
terminal; --log-format says otherwise. RUST_LOG says how much (info by default).

The configuration is read again when one of its files changes and at SIGHUP; a
wrong one is reported and changes nothing. SIGTERM or SIGINT stops the gateway:
/readyz says so at once, new requests are served for the time of drain_delay,
then those under way are finished, within drain_timeout.

One service needs no configuration. Flags say who may call it, and where it is:

    remint serve --host orders.example.com \\
      --audience https://orders.example.com/push \\
      --caller pusher@my-project.iam.gserviceaccount.com --sender pubsub \\
      --region us-central1=https://orders-123456789012.us-central1.run.app \\
      --region europe-west1=https://orders-123456789012.europe-west1.run.app

With --print-config it prints the configuration that they amount to, to go on
from there. What flags say holds until the gateway is started again.";

/// Run the gateway.
#[derive(Args)]
#[command(long_about = HELP)]
pub(crate) struct Arguments {
    /// The configuration, in YAML.
    #[arg(long, env = "REMINT_CONFIG", value_name = "FILE", value_parser = maybe_empty())]
    config: Option<PathBuf>,
    /// Allow what is for a laptop alone: `keys: dev` under `assertion`.
    #[arg(long)]
    dev: bool,
    /// How lines of the log are written; it goes before the configuration.
    #[arg(long, value_name = "FORMAT", value_enum)]
    log_format: Option<LogFormat>,
    #[command(flatten)]
    service: OneService,
    /// Print the configuration that these flags amount to, and stop.
    #[arg(long)]
    print_config: bool,
}

fn maybe_empty() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// Runs the gateway with a configuration, and with others as its file changes;
/// or as the flags say.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let environment = Environment { dev: arguments.dev, ..Environment::of_process() };
    let by_flags = arguments.service.is_given() || arguments.print_config;
    // An image may set the variable: who empties it has unset it.
    let config = arguments.config.as_ref().filter(|file| !file.as_os_str().is_empty());
    match config {
        Some(_) if by_flags => Err(Usage(BOTH.to_owned()).into()),
        Some(file) => {
            let (reloader, config) = Reloader::load(file, environment)?;
            start(arguments, &config, Some(reloader))
        }
        None if by_flags => run_flags(arguments, &environment),
        None => Err(Usage(NEITHER.to_owned()).into()),
    }
}

const BOTH: &str = "a configuration is given (--config or $REMINT_CONFIG), and flags that \
                    describe a service: only one of them can hold. An empty $REMINT_CONFIG is none";
const NEITHER: &str = "there is nothing to serve: give --config FILE (or $REMINT_CONFIG), or \
                       describe one service by --host, --audience, --caller and --region";

fn run_flags(arguments: &Arguments, environment: &Environment) -> Result<(), Box<dyn Error>> {
    let written = arguments.service.written()?;
    let config = one_service::read(&written, environment)?;
    if arguments.print_config {
        return Ok(print(&written.text)?);
    }
    start(arguments, &config, None)
}

fn start(
    arguments: &Arguments,
    config: &Config,
    reloader: Option<Reloader>,
) -> Result<(), Box<dyn Error>> {
    let is_read_along = std::io::stderr().is_terminal();
    let usual = if is_read_along { LogFormat::Text } else { LogFormat::Json };
    // To the end, so that the last lines are written.
    let _writing = logging::start(arguments.log_format.or(config.logs.format).unwrap_or(usual));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(config, reloader))
}

/// What the process can be told.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the end, and has the configuration read again when asked to.
    async fn end(&mut self, running: &Running) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => running.reload(),
            }
        }
    }
}

#[expect(clippy::print_stdout, reason = "whoever started this reads the addresses")]
async fn serve(config: &Config, reloader: Option<Reloader>) -> Result<(), Box<dyn Error>> {
    // Before the first line of output: whoever reads it may stop us at once.
    let mut signals = Signals::new()?;
    let mut running = Running::start(config, Arc::new(SystemClock)).await?;
    if let Some(reloader) = reloader {
        running = running.following(reloader);
    }
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    println!("remint: listening on {scheme}://{}", running.address());
    println!("remint: admin on http://{}", running.admin_address());
    signals.end(&running).await;
    running.drain().await;
    Ok(())
}
