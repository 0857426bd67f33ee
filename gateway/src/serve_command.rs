//! `remint serve`: runs the gateway until it is told to stop.

use std::error::Error;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use remint_gateway::clock::SystemClock;
use remint_gateway::config::{Config, Environment};
use remint_gateway::{Reloader, Running};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Runs the gateway with this configuration, and with others as the file
/// changes.
pub(crate) fn run(file: &Path, dev: bool) -> Result<(), Box<dyn Error>> {
    let (reloader, config) =
        Reloader::load(file, Environment { dev, ..Environment::of_process() })?;
    log();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(&config, reloader))
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
async fn serve(config: &Config, reloader: Reloader) -> Result<(), Box<dyn Error>> {
    // Before the first line of output: whoever reads it may stop us at once.
    let mut signals = Signals::new()?;
    let running = Running::start(config, Arc::new(SystemClock)).await?.following(reloader);
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    println!("remint: listening on {scheme}://{}", running.address());
    println!("remint: admin on http://{}", running.admin_address());
    signals.end(&running).await;
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
