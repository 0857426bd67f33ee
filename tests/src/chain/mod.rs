//! The parts of the chain, and the chain as a whole.

mod edge;
mod envoy;
mod gateway;

use std::io;
use std::net::SocketAddr;

use remint_emulator::{Config, Emulator};
use remint_kept::{keep, source};
use serde_json::Value;
use tempfile::TempDir;

pub use edge::Edge;
pub use envoy::{Envoy, Share, program as envoy_program};
pub use gateway::Gateway;

use crate::shipped::EnvoyConfig;

/// The service of the demo and its regions.
pub const SERVICE: &str = "orders";
/// The regions of [`SERVICE`].
pub const REGIONS: [&str; 2] = ["us-central1", "europe-west1"];
/// The domain that the senders call.
pub const DOMAIN: &str = "orders.example.com";
/// The account that the Pub/Sub subscription calls with.
pub const PUSHER: &str = "pusher@demo-project.iam.gserviceaccount.com";

/// Google, Envoy with the filter, the gateway: all that a request passes.
pub struct Chain {
    /// Google, with both regions.
    pub emulator: Emulator,
    /// The gateway.
    pub gateway: Gateway,
    /// Envoy with the filter.
    pub envoy: Envoy,
    folder: TempDir,
}

impl Chain {
    /// Starts everything with the shipped configurations.
    ///
    /// # Errors
    /// If a part does not start; the error shows what it printed.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(Config::demo(), |_| {}).await
    }

    /// Starts everything, with another Google or another Envoy.
    ///
    /// # Errors
    /// If a part does not start; the error shows what it printed.
    pub async fn start_with(
        google: Config,
        change: impl FnOnce(&mut EnvoyConfig),
    ) -> io::Result<Self> {
        let emulator = Emulator::start(google).await.map_err(io::Error::other)?;
        Self::around(emulator, |_, config| change(config)).await
    }

    /// Starts the rest of the chain around a Google that runs already.
    /// `change` is called when the gateway is ready and before Envoy starts.
    ///
    /// # Errors
    /// If a part does not start; the error shows what it printed.
    pub async fn around(
        emulator: Emulator,
        change: impl FnOnce(&Emulator, &mut EnvoyConfig),
    ) -> io::Result<Self> {
        Self::before(emulator, |_| {}, change).await
    }

    /// The same with another configuration of the gateway.
    ///
    /// # Errors
    /// If a part does not start; the error shows what it printed.
    pub async fn before(
        emulator: Emulator,
        gateway: impl FnOnce(&mut Value),
        change: impl FnOnce(&Emulator, &mut EnvoyConfig),
    ) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, emulator.ca_pem())?;
        let gateway = Gateway::start_with(&emulator, folder.path(), &ca, gateway).await?;
        let mut config = EnvoyConfig::shipped("envoy.yaml")?
            .cluster("gateway", &[gateway.address()])
            .cluster("google_keys", &[emulator.google_addr()])
            .trusted_ca(&ca)
            .module(&crate::shipped::built("remint_filter.wasm")?);
        change(&emulator, &mut config);
        let envoy = Envoy::start(&config, folder.path()).await?;
        Ok(Self { emulator, gateway, envoy, folder })
    }

    /// Where the senders' domain is answered.
    #[must_use]
    pub fn edge(&self) -> SocketAddr {
        self.envoy.address()
    }

    /// The folder of its files.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Stops everything and waits for it, the last part first.
    ///
    /// # Errors
    /// If a part does not stop.
    pub async fn stop(self) -> io::Result<()> {
        self.envoy.stop().await?;
        self.gateway.stop().await?;
        keep(source::TIMELINE, format!("{:?}", self.emulator.timeline().calls()));
        self.emulator.shutdown().await;
        self.folder.close()
    }
}

/// The URL of a region of [`SERVICE`], which is also its audience.
///
/// # Panics
/// If there is no such region.
#[must_use]
#[expect(clippy::expect_used, reason = "the names are constants of this harness")]
pub fn region_url(emulator: &Emulator, region: &str) -> String {
    emulator.region(SERVICE, region).expect("a region of the demo").url().to_owned()
}
