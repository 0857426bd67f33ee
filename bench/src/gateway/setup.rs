//! The proxies that are compared, all on one processor and in front of the
//! same upstream.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use remint_emulator::Emulator;
use remint_tests::chain::{Envoy, Gateway, Share};
use remint_tests::shipped::{EnvoyConfig, built};
use serde_json::{Value, json};

use crate::setup::{Parts, base, jwt_authn};
use crate::upstream::Upstream;

/// Envoy, passing everything on: what a proxy costs that does not look.
pub const OPEN: &str = "Envoy, no verification, no token";
/// Envoy doing what the gateway does.
pub const ENVOY: &str = "Envoy, `jwt_authn` and `gcp_authn`";
/// The same, remembering every token of the load.
pub const ENVOY_CACHED: &str = "Envoy, `jwt_authn` with cache for all tokens and `gcp_authn`";
/// The same, with the shipped access log.
pub const ENVOY_LOGGING: &str =
    "Envoy, `jwt_authn` with cache for all tokens and `gcp_authn`, access log";
/// The gateway, which logs what goes wrong, as it does unless told otherwise.
pub const OURS: &str = "Remint";
/// The gateway, telling the region who called.
pub const ASSERTING: &str = "Remint with assertions";
/// The gateway with a line in its log for every request.
pub const LOGGING: &str = "Remint, access log";

/// One way to do it.
pub struct Setup {
    /// What it is called, in tables and on the command line.
    pub name: &'static str,
    /// Whether requests reach the upstream with a token for it.
    pub mints: bool,
    proxy: Proxy,
}

enum Proxy {
    Envoy(Box<EnvoyConfig>),
    /// With these members of the configuration beside the shipped ones.
    Remint(Value),
}

/// A proxy at work.
pub enum Running {
    /// Envoy.
    Envoy(Envoy),
    /// The gateway.
    Remint(Gateway),
}

/// All setups, in the order in which they are measured and shown.
///
/// # Errors
/// If the shipped configuration can't be read.
pub fn all(parts: Parts<'_>, folder: &Path) -> io::Result<Vec<Setup>> {
    let base = base(parts)?.plain_cluster("metadata", parts.google);
    let all_tokens = json!({"jwt_cache_size": parts.tokens + parts.tokens / 4});
    let authn = |cache| {
        let mut filter = jwt_authn(&base, parts.keys, cache);
        filter["typed_config"]["providers"]["google"]["forward"] = json!(false);
        filter
    };
    let envoy = |name, filters: Vec<Value>| {
        let mints = !filters.is_empty();
        Setup { name, mints, proxy: Proxy::Envoy(Box::new(with_filters(&base, filters))) }
    };
    let mut logging = envoy(ENVOY_LOGGING, vec![authn(Some(all_tokens.clone())), gcp_authn()]);
    if let Proxy::Envoy(config) = &mut logging.proxy {
        config.manager()["access_log"] =
            EnvoyConfig::shipped("envoy.yaml")?.manager()["access_log"].take();
    }
    let ours = |name, members| Setup { name, mints: true, proxy: Proxy::Remint(members) };
    let assertion = json!({"issuer": "https://gateway.example.com", "keys": new_key(folder)?});
    Ok(vec![
        envoy(OPEN, vec![]),
        envoy(ENVOY, vec![authn(None), gcp_authn()]),
        envoy(ENVOY_CACHED, vec![authn(Some(all_tokens)), gcp_authn()]),
        logging,
        ours(OURS, json!({})),
        ours(ASSERTING, json!({"assertion": assertion})),
        ours(LOGGING, json!({"logs": {"access": "all", "format": "json"}})),
    ])
}

/// A new key for assertions, in a file.
fn new_key(folder: &Path) -> io::Result<PathBuf> {
    let output = Command::new(built("remint")?).arg("assertion-key").output()?;
    let file = folder.join("assertion.pem");
    std::fs::write(&file, output.stdout)?;
    match output.status.success() {
        true => Ok(file),
        false => Err(io::Error::other("remint makes no key for assertions")),
    }
}

fn with_filters(base: &EnvoyConfig, filters: Vec<Value>) -> EnvoyConfig {
    let mut config = base.clone();
    if let Some(chain) = config.manager()["http_filters"].as_array_mut() {
        chain.splice(..1, filters);
    }
    for cluster in config.0["static_resources"]["clusters"].as_array_mut().into_iter().flatten() {
        if cluster["name"] == "gateway" {
            cluster["metadata"]["typed_filter_metadata"]["envoy.filters.http.gcp_authn"] = json!({
                "@type": "type.googleapis.com/envoy.extensions.filters.http.gcp_authn.v3.Audience",
                "url": Upstream::AUDIENCE,
            });
        }
    }
    config
}

/// Tokens from the metadata server, in the header that the gateway uses too.
fn gcp_authn() -> Value {
    json!({
        "name": "envoy.filters.http.gcp_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.gcp_authn.v3.GcpAuthnFilterConfig",
            "http_uri": {
                "uri": "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/identity?audience=[AUDIENCE]",
                "cluster": "metadata",
                "timeout": "5s",
            },
            "cache_config": {"cache_size": 100},
            "token_header": {"name": "X-Serverless-Authorization", "value_prefix": "Bearer "},
        },
    })
}

/// What proxies are started with.
#[derive(Clone, Copy)]
pub(super) struct Site<'s> {
    pub(super) google: &'s Emulator,
    pub(super) upstream: SocketAddr,
    pub(super) ca: &'s Path,
    pub(super) folder: &'s Path,
    pub(super) processor: Option<u32>,
}

impl Setup {
    pub(super) async fn start(&self, site: Site<'_>) -> io::Result<Running> {
        let Site { google, upstream, ca, folder, processor } = site;
        match &self.proxy {
            Proxy::Envoy(config) => {
                let share = Share { workers: 1, processor };
                Envoy::start_on(share, config, folder).await.map(Running::Envoy)
            }
            Proxy::Remint(members) => {
                let change = |config: &mut Value| {
                    config["services"][0]["regions"] = json!([{
                        "name": "us-central1",
                        "url": format!("http://{upstream}"),
                        "audience": Upstream::AUDIENCE,
                    }]);
                    for (name, value) in members.as_object().into_iter().flatten() {
                        config[name] = value.clone();
                    }
                };
                let gateway = Gateway::start_on(processor, google, folder, ca, change);
                gateway.await.map(Running::Remint)
            }
        }
    }
}

impl Running {
    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Envoy(envoy) => envoy.address(),
            Self::Remint(gateway) => gateway.address(),
        }
    }

    pub(super) fn process(&self) -> io::Result<u32> {
        let id = match self {
            Self::Envoy(envoy) => envoy.id(),
            Self::Remint(gateway) => gateway.id(),
        };
        id.ok_or_else(|| io::Error::other("the proxy has ended"))
    }

    pub(super) async fn stop(self) -> io::Result<()> {
        match self {
            Self::Envoy(envoy) => envoy.stop().await,
            Self::Remint(gateway) => gateway.stop().await,
        }
    }
}
