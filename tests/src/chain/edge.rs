//! Envoy with the filter between key servers and a backend of the test's own:
//! all that it takes to see what becomes of keys.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use http::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{DOMAIN, Envoy, PUSHER};
use crate::server::{KeyServer, Server, status};
use crate::shipped::{EnvoyConfig, built};

/// The shipped Envoy configuration with another policy, before a backend that
/// answers 200.
pub struct Edge {
    /// Envoy with the filter.
    pub envoy: Envoy,
    /// What Envoy was configured with.
    pub config: EnvoyConfig,
    /// Where Envoy reads its listeners from.
    pub listeners: PathBuf,
    backend: Server,
    folder: TempDir,
}

impl Edge {
    /// Starts it with so many workers, for these issuers. Each has a name,
    /// the `iss` of its tokens, and a server of its keys. `times` stands under
    /// `key_sets` in the policy.
    ///
    /// # Errors
    /// If a part does not start; the error shows what it printed.
    pub async fn start(
        workers: u32,
        issuers: &[(&str, &str, &KeyServer)],
        times: Value,
        change: impl FnOnce(&mut EnvoyConfig),
    ) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let backend = Server::start(|_| Some(status(StatusCode::OK))).await?;
        let mut config = EnvoyConfig::shipped("envoy.yaml")?
            .cluster("gateway", &[backend.address()])
            .module(&built("remint_filter.wasm")?);
        if let Some(clusters) = config.0["static_resources"]["clusters"].as_array_mut() {
            clusters.retain(|cluster| cluster["name"] != "google_keys");
        }
        for (name, _, server) in issuers {
            config = config.plain_cluster(&cluster(name), server.address());
        }
        *config.plugin() = plugin(issuers, &times);
        change(&mut config);
        let listeners = folder.path().join("listeners.json");
        let watching = config.watch_listeners(&listeners)?;
        let envoy = Envoy::with_workers(workers, &watching, folder.path()).await?;
        Ok(Self { envoy, config, listeners, backend, folder })
    }

    /// Where it takes requests.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.envoy.address()
    }

    /// How many requests have passed.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.backend.hits()
    }

    /// How many lines of Envoy's log contain this.
    #[must_use]
    pub fn lines_with(&self, text: &str) -> usize {
        self.envoy.lines().iter().filter(|line| line.contains(text)).count()
    }

    /// Stops everything and waits for it.
    ///
    /// # Errors
    /// If a part does not stop.
    pub async fn stop(self) -> io::Result<()> {
        self.envoy.stop().await?;
        self.folder.close()
    }
}

fn cluster(issuer: &str) -> String {
    format!("keys_of_{issuer}")
}

fn plugin(issuers: &[(&str, &str, &KeyServer)], times: &Value) -> Value {
    let issuer = |(name, iss, server): &(&str, &str, &KeyServer)| {
        json!({"name": name, "issuer": iss, "jwks_uri": server.url(),
            "algorithms": [server.algorithm.name()]})
    };
    let source = |(name, _, _): &(&str, &str, &KeyServer)| {
        ((*name).to_owned(), json!({"cluster": cluster(name), "timeout": "5s"}))
    };
    let names: Vec<_> = issuers.iter().map(|(name, _, _)| name).collect();
    json!({
        "policy": {
            "key_sets": times,
            "issuers": issuers.iter().map(issuer).collect::<Vec<_>>(),
            "rules": [{"name": "push", "match": {"hosts": [DOMAIN]}, "issuers": names,
                "audiences": [format!("https://{DOMAIN}")], "callers": {"emails": [PUSHER]}}],
        },
        "keys": issuers.iter().map(source).collect::<serde_json::Map<_, _>>(),
        "wait_for_keys": "20s",
    })
}
