//! The gateway, as it is shipped.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use http::StatusCode;
use remint_emulator::Emulator;
use remint_kept::{is_on, source};
use serde_json::{Value, json};

use super::{REGIONS, SERVICE};
use crate::client::get;
use crate::process::{PATIENCE, Process, on_processor};
use crate::shipped::{built, read, workspace};

/// A running gateway.
pub struct Gateway {
    process: Process,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Gateway {
    /// Starts the gateway with the shipped configuration, against this Google,
    /// and waits until it is ready.
    ///
    /// # Errors
    /// If it does not get ready; the error shows what it printed.
    pub async fn start(google: &Emulator, folder: &Path, ca: &Path) -> io::Result<Self> {
        Self::start_with(google, folder, ca, |_| {}).await
    }

    /// The same with another configuration.
    ///
    /// # Errors
    /// If it does not get ready; the error shows what it printed.
    pub async fn start_with(
        google: &Emulator,
        folder: &Path,
        ca: &Path,
        change: impl FnOnce(&mut Value),
    ) -> io::Result<Self> {
        Self::start_on(None, google, folder, ca, change).await
    }

    /// The same on one processor alone.
    ///
    /// # Errors
    /// If it does not get ready; the error shows what it printed.
    pub async fn start_on(
        processor: Option<u32>,
        google: &Emulator,
        folder: &Path,
        ca: &Path,
        change: impl FnOnce(&mut Value),
    ) -> io::Result<Self> {
        let gateway = Self::launch(processor, google, folder, ca, change).await?;
        gateway.ready().await?;
        Ok(gateway)
    }

    /// The same without waiting until it is ready, which it may never be.
    ///
    /// # Errors
    /// If it does not listen; the error shows what it printed.
    pub async fn launch(
        processor: Option<u32>,
        google: &Emulator,
        folder: &Path,
        ca: &Path,
        change: impl FnOnce(&mut Value),
    ) -> io::Result<Self> {
        let mut config = read(&workspace().join("envoy/remint.yaml"))?;
        config["listen"] = json!("127.0.0.1:0");
        config["admin"] = json!("127.0.0.1:0");
        config["upstream"] = json!({"ca_file": ca, "connect_to": connect_to(google)});
        change(&mut config);
        let file = folder.join("remint.yaml");
        std::fs::write(&file, config.to_string())?;
        let mut command = on_processor(processor, &built("remint")?);
        command.arg("serve").arg("--config").arg(&file);
        command.env("GCE_METADATA_HOST", google.google_addr().to_string());
        if is_on() {
            // Frames of HTTP/2 are logged where gateways run inside tests.
            command.env("RUST_LOG", "trace,h2=info");
        }
        let mut process = Process::start(source::REMINT, &mut command)?;
        let address = process.wait_for(|line| after(line, "remint: listening on http://")).await?;
        let admin = process.wait_for(|line| after(line, "remint: admin on http://")).await?;
        Ok(Self { process, address, admin })
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// If it is not in time; the error shows what it printed.
    pub async fn ready(&self) -> io::Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut pause = tokio::time::interval(std::time::Duration::from_millis(20));
        loop {
            let answer = get(self.admin, "/readyz").await?;
            if answer.status == StatusCode::OK {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                let (why, log) = (answer.text(), self.process.tail());
                return Err(io::Error::other(format!("remint is not ready: {why}\n{log}")));
            }
            pause.tick().await;
        }
    }

    /// Where it takes requests.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health and metrics are.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The number of its process, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// What it has printed.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.process.lines()
    }

    /// Waits for it to log its refusal number `place`, from 0.
    ///
    /// # Errors
    /// If it does not come in time.
    pub async fn refusal_number(&mut self, place: usize) -> io::Result<Value> {
        let refusal = |line: &String| {
            let line: Value = serde_json::from_str(line).ok()?;
            line["refusal"].is_object().then(|| line["refusal"].clone())
        };
        self.process.wait_until(|lines| lines.iter().filter_map(refusal).nth(place)).await
    }

    /// Waits for a line of its log.
    ///
    /// # Errors
    /// If it does not come in time.
    pub async fn wait_for<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> io::Result<T> {
        self.process.wait_for(find).await
    }

    /// The sum of a counter over all its labels.
    ///
    /// # Errors
    /// If the metrics can't be fetched.
    pub async fn counter(&self, name: &str) -> io::Result<u64> {
        let text = get(self.admin, "/metrics").await?.text();
        let value = |line: &str| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with(['{', ' ']).then(|| rest.rsplit_once(' '))??.1.parse::<u64>().ok()
        };
        Ok(text.lines().filter_map(value).sum())
    }

    /// Stops it and waits for it. Its exit code must be 0.
    ///
    /// # Errors
    /// If it does not stop in order.
    pub async fn stop(self) -> io::Result<()> {
        if is_on() {
            for page in ["/", "/status", "/metrics"] {
                get(self.admin, page).await?;
            }
        }
        match self.process.stop().await? {
            Some(0) => Ok(()),
            other => Err(io::Error::other(format!("remint ended with {other:?}"))),
        }
    }
}

/// Where the hosts of the configuration are on this machine.
fn connect_to(google: &Emulator) -> Value {
    let mut map = BTreeMap::new();
    map.insert("www.googleapis.com:443".to_owned(), google.google_addr().to_string());
    for region in REGIONS.iter().filter_map(|name| google.region(SERVICE, name)) {
        let host = region.url().trim_start_matches("https://");
        map.insert(format!("{host}:443"), region.addr().to_string());
    }
    json!(map)
}

fn after(line: &str, mark: &str) -> Option<SocketAddr> {
    line.split_once(mark)?.1.trim().parse().ok()
}
