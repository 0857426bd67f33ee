//! A real Envoy.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use remint_kept::{is_on, keep_output, source};
use serde_json::Value;
use tokio::process::Command;

use crate::client::get;
use crate::process::{PATIENCE, Process, on_processor};
use crate::shipped::{EnvoyConfig, workspace};

/// A running Envoy.
pub struct Envoy {
    process: Process,
    admin: SocketAddr,
    address: SocketAddr,
}

/// What of the machine Envoy gets.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// How many workers it has.
    pub workers: u32,
    /// The only processor it may use, if it may not use all.
    pub processor: Option<u32>,
}

impl Envoy {
    /// Starts Envoy with this configuration, two workers, and its first
    /// listener's address to call.
    ///
    /// # Errors
    /// If it does not start; the error shows what it printed.
    pub async fn start(config: &EnvoyConfig, folder: &Path) -> io::Result<Self> {
        Self::with_workers(2, config, folder).await
    }

    /// The same with so many workers.
    ///
    /// # Errors
    /// If it does not start; the error shows what it printed.
    pub async fn with_workers(
        workers: u32,
        config: &EnvoyConfig,
        folder: &Path,
    ) -> io::Result<Self> {
        Self::start_on(Share { workers, processor: None }, config, folder).await
    }

    /// The same with another share of the machine.
    ///
    /// # Errors
    /// If it does not start; the error shows what it printed.
    pub async fn start_on(share: Share, config: &EnvoyConfig, folder: &Path) -> io::Result<Self> {
        let folder = tempfile::tempdir_in(folder)?.keep();
        let file = folder.join("envoy.json");
        std::fs::write(&file, config.0.to_string())?;
        let mut command = on_processor(share.processor, &program()?);
        command.arg("--config-path").arg(&file).arg("--concurrency").arg(share.workers.to_string());
        // Connections to a configuration that was replaced end soon.
        command.args(["--drain-time-s", "1"]);
        command.args(["--disable-hot-restart", "--log-level", "info"]);
        if is_on() {
            // The filter's own lines; Envoy itself shows headers at that level.
            command.args(["--component-log-level", "wasm:debug"]);
        }
        let mut process = Process::start(source::ENVOY, &mut command)?;
        let admin = process.wait_for(|line| address_after(line, "admin address: ")).await?;
        process.wait_for(|line| line.contains("starting workers").then_some(())).await?;
        let listeners = get(admin, "/listeners?format=json").await?.json()?;
        let address = listening(&listeners, 0)
            .ok_or_else(|| io::Error::other(format!("envoy listens on nothing: {listeners}")))?;
        Ok(Self { process, admin, address })
    }

    /// The value of one of its counters or gauges, by its full name.
    ///
    /// # Errors
    /// If there is none of that name.
    pub async fn stat(&self, name: &str) -> io::Result<u64> {
        let text = get(self.admin, &format!("/stats?filter=^{name}$")).await?.text();
        let value = text.trim().rsplit_once(' ').and_then(|(_, value)| value.parse().ok());
        value.ok_or_else(|| io::Error::other(format!("no number {name}: {text}")))
    }

    /// Waits until one of its counters has reached a value.
    ///
    /// # Errors
    /// If it does not in time.
    pub async fn stat_reaches(&self, name: &str, least: u64) -> io::Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut pause = tokio::time::interval(std::time::Duration::from_millis(20));
        while self.stat(name).await? < least {
            if tokio::time::Instant::now() > deadline {
                let log = self.process.tail();
                return Err(io::Error::other(format!("{name} is not {least} yet\n{log}")));
            }
            pause.tick().await;
        }
        Ok(())
    }

    /// Starts Envoy with a configuration that it must refuse, as users start
    /// it, and returns what it printed before it ended.
    ///
    /// # Errors
    /// If it starts, or takes too long.
    pub async fn refusing(config: &EnvoyConfig, folder: &Path) -> io::Result<String> {
        let file = folder.join("refused.json");
        std::fs::write(&file, config.0.to_string())?;
        let mut command = Command::new(program()?);
        command.arg("--config-path").arg(&file);
        command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "info"]);
        let ended = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output());
        let output = ended.await.map_err(|_| io::Error::other("envoy runs: it must not"))??;
        keep_output(source::ENVOY, &output, None);
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.success() {
            false => Ok(log),
            true => Err(io::Error::other(format!("envoy has ended as if all were well:\n{log}"))),
        }
    }

    /// Where its first listener listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of its process, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Where its administration page is.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Where a listener listens, by its place in the configuration.
    ///
    /// # Errors
    /// If there is no such listener.
    pub async fn listener(&self, place: usize) -> io::Result<SocketAddr> {
        let listeners = get(self.admin, "/listeners?format=json").await?.json()?;
        listening(&listeners, place).ok_or_else(|| io::Error::other("no such listener"))
    }

    /// What it has printed: its own log and the access log.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.process.lines()
    }

    /// The refusals that the filter has logged so far.
    #[must_use]
    pub fn refusals(&self) -> Vec<Value> {
        self.lines().iter().filter_map(|line| refusal_in(line)).collect()
    }

    /// Waits for the filter to log its refusal number `place`, from 0.
    ///
    /// # Errors
    /// If it does not come in time.
    pub async fn refusal_number(&mut self, place: usize) -> io::Result<Value> {
        let find = |lines: &[String]| lines.iter().filter_map(|it| refusal_in(it)).nth(place);
        self.process.wait_until(find).await
    }

    /// Waits for a line of its log.
    ///
    /// # Errors
    /// If it does not come in time.
    pub async fn wait_for<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> io::Result<T> {
        self.process.wait_for(find).await
    }

    /// How long its threads have worked so far.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn worked(&self) -> io::Result<Duration> {
        self.process.worked()
    }

    /// Stops it and waits for it.
    ///
    /// # Errors
    /// If it does not stop.
    pub async fn stop(self) -> io::Result<()> {
        if is_on() {
            get(self.admin, "/stats").await?;
        }
        self.process.stop().await.map(drop)
    }
}

/// The filter's log line about a refusal, which is one JSON object.
#[must_use]
fn refusal_in(line: &str) -> Option<Value> {
    let (_, json) = line.split_once("remint: refused: ")?;
    serde_json::from_str(json).ok()
}

/// The Envoy that `cargo xtask` has found, or the one that it installs.
///
/// # Errors
/// If there is none.
pub fn program() -> io::Result<PathBuf> {
    let installed = workspace().join("target/envoy/envoy/_bin/envoy");
    let program = std::env::var_os("ENVOY").map_or(installed, PathBuf::from);
    match program.exists() {
        true => Ok(program),
        false => Err(io::Error::other(format!(
            "{} is missing: run `cargo xtask setup`, or set ENVOY",
            program.display()
        ))),
    }
}

fn address_after(line: &str, mark: &str) -> Option<SocketAddr> {
    line.split_once(mark)?.1.trim().parse().ok()
}

fn listening(listeners: &Value, place: usize) -> Option<SocketAddr> {
    let socket = &listeners["listener_statuses"][place]["local_address"]["socket_address"];
    let port = u16::try_from(socket["port_value"].as_u64()?).ok()?;
    Some(SocketAddr::new(socket["address"].as_str()?.parse().ok()?, port))
}
