//! The load generator: wrk, with one thread.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use remint_tests::chain::DOMAIN;
use serde::Deserialize;
use tokio::process::Command;

use crate::figures::Sample;
use crate::setup::PATH;

/// How many connections it keeps.
pub const CONNECTIONS: &str = "32";

/// What it does, in Lua.
const SCRIPT: &str = include_str!("load.lua");

/// A wrk that is ready to run.
pub struct Wrk {
    script: PathBuf,
}

/// What wrk has counted.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Count {
    /// Requests that were answered.
    pub requests: u64,
    microseconds: u64,
    p50: u64,
    p99: u64,
    connect: u64,
    read: u64,
    write: u64,
    timeout: u64,
    /// Answers with a status of 400 or more.
    pub status: u64,
}

impl Wrk {
    /// Prepares it in this folder.
    ///
    /// # Errors
    /// If the folder can't be written to.
    pub fn prepare(folder: &Path) -> io::Result<Self> {
        let script = folder.join("load.lua");
        std::fs::write(&script, SCRIPT)?;
        Ok(Self { script })
    }

    /// Puts `server` under load with the tokens of a file for so long, in
    /// requests with a body or without.
    ///
    /// # Errors
    /// If wrk is not there, or anything but statuses went wrong.
    pub async fn run(
        &self,
        server: SocketAddr,
        tokens: &Path,
        has_body: bool,
        time: Duration,
    ) -> io::Result<Count> {
        let output = self.output(server, tokens, has_body, time).await?;
        let text = String::from_utf8_lossy(&output.stdout);
        let failed = |what: &str| {
            io::Error::other(format!(
                "wrk {what}: {text}{}",
                String::from_utf8_lossy(&output.stderr)
            ))
        };
        let figures = text.lines().find_map(|line| line.strip_prefix("figures: "));
        let count: Count = serde_json::from_str(figures.ok_or_else(|| failed("has no figures"))?)?;
        if count.requests == 0 {
            return Err(failed("got no answer in the time that it had"));
        }
        match count {
            Count { connect: 0, read: 0, write: 0, timeout: 0, .. } => Ok(count),
            _ => Err(failed("lost requests")),
        }
    }

    async fn output(
        &self,
        server: SocketAddr,
        tokens: &Path,
        has_body: bool,
        time: Duration,
    ) -> io::Result<Output> {
        let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        let wrk = Command::new("wrk")
            .args(["--threads", "1", "--connections", CONNECTIONS, "--timeout", "10s"])
            .args(["--duration", &format!("{whole}s")])
            .arg("--script")
            .arg(&self.script)
            .args([&format!("http://{server}{PATH}"), "--"])
            .args([tokens.as_os_str(), DOMAIN.as_ref()])
            .arg(if has_body { "body" } else { "none" })
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => io::Error::other("wrk is missing: apt-get install wrk"),
                _ => error,
            })?;
        let id = wrk.id().and_then(|id| i32::try_from(id).ok());
        let mut output = pin!(wrk.wait_with_output());
        // It knows whole seconds alone; asked to stop, it still reports.
        if let Some(id) = id.filter(|_| time.subsec_nanos() > 0) {
            if let Ok(output) = tokio::time::timeout(time, &mut output).await {
                return output;
            }
            let _ = kill(Pid::from_raw(id), Signal::SIGINT);
        }
        output.await
    }
}

impl Count {
    /// The figures of a table; `cpu_us` is what Envoy took for a request.
    #[must_use]
    pub fn sample(&self, cpu_us: f64) -> Sample {
        let milliseconds = |time: u64| Duration::from_micros(time).as_secs_f64() * 1000.0;
        Sample {
            per_second: self.requests as f64 / (milliseconds(self.microseconds) / 1000.0),
            p50_ms: milliseconds(self.p50),
            p99_ms: milliseconds(self.p99),
            cpu_us,
        }
    }
}
