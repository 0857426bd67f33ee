//! The configurations that are shipped, used as they are but for addresses
//! and file names.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use remint_emulator::Emulator;
use serde_json::{Value, json};

/// The folder of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// A file that `cargo xtask build` leaves in `target/dist`.
///
/// # Errors
/// If it is not there.
pub fn built(name: &str) -> io::Result<PathBuf> {
    let file = workspace().join("target/dist").join(name);
    match file.exists() {
        true => Ok(file),
        false => Err(io::Error::other(format!("{} is missing: cargo xtask build", file.display()))),
    }
}

/// A module that `cargo xtask test` leaves in `target/test-modules`.
///
/// # Errors
/// If it is not there.
pub fn test_module(name: &str) -> io::Result<PathBuf> {
    let file = workspace().join("target/test-modules").join(name);
    match file.exists() {
        true => Ok(file),
        false => Err(io::Error::other(format!("{} is missing: cargo xtask test", file.display()))),
    }
}

/// A configuration of Envoy.
#[derive(Clone)]
pub struct EnvoyConfig(pub Value);

impl EnvoyConfig {
    /// Reads one of the shipped files and lets it listen on free ports of
    /// loopback.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn shipped(name: &str) -> io::Result<Self> {
        let mut config = Self(read(&workspace().join("envoy").join(name))?);
        let free = json!({"address": "127.0.0.1", "port_value": 0});
        config.0["admin"]["address"]["socket_address"] = free.clone();
        for listener in list(&mut config.0["static_resources"]["listeners"]) {
            listener["address"]["socket_address"] = free.clone();
        }
        Ok(config)
    }

    /// Lets a cluster lead to these addresses.
    #[must_use]
    pub fn cluster(mut self, name: &str, addresses: &[SocketAddr]) -> Self {
        let endpoint = |address: &SocketAddr| {
            let (ip, port) = (address.ip().to_string(), address.port());
            json!({"endpoint": {"address": {"socket_address":
                {"address": ip, "port_value": port}}}})
        };
        let endpoints: Vec<Value> = addresses.iter().map(endpoint).collect();
        for cluster in list(&mut self.0["static_resources"]["clusters"]) {
            if cluster["name"] == name {
                cluster["load_assignment"]["endpoints"][0]["lb_endpoints"] = json!(endpoints);
            }
        }
        self
    }

    /// The shipped filter with another policy and this Google's keys, alone: Envoy
    /// itself answers 200 to whatever passes it.
    ///
    /// # Errors
    /// If the shipped file or module can't be read, or nothing be written to the
    /// folder.
    pub fn filter_alone(google: &Emulator, policy: Value, folder: &Path) -> io::Result<Self> {
        let ca = folder.join("ca.pem");
        std::fs::write(&ca, google.ca_pem())?;
        let mut config = Self::shipped("envoy.yaml")?
            .cluster("google_keys", &[google.google_addr()])
            .trusted_ca(&ca)
            .module(&built("remint_filter.wasm")?);
        config.plugin()["policy"] = policy;
        config.answer_200();
        Ok(config)
    }

    /// Lets all clusters trust this certificate authority.
    #[must_use]
    pub fn trusted_ca(mut self, file: &Path) -> Self {
        let place = "/transport_socket/typed_config/common_tls_context/validation_context/trusted_ca/filename";
        for cluster in list(&mut self.0["static_resources"]["clusters"]) {
            if let Some(name) = cluster.pointer_mut(place) {
                *name = json!(file);
            }
        }
        self
    }

    /// Lets the filter be loaded from this file.
    #[must_use]
    pub fn module(mut self, file: &Path) -> Self {
        let config = &mut self.filter()["typed_config"]["config"];
        config["vm_config"]["code"]["local"]["filename"] = json!(file);
        self
    }

    /// Adds a cluster that speaks plain HTTP with this address.
    #[must_use]
    pub fn plain_cluster(mut self, name: &str, address: SocketAddr) -> Self {
        let (ip, port) = (address.ip().to_string(), address.port());
        let endpoint = json!({"address": {"socket_address": {"address": ip, "port_value": port}}});
        let endpoints = json!([{"lb_endpoints": [{"endpoint": endpoint}]}]);
        if let Some(clusters) = self.0["static_resources"]["clusters"].as_array_mut() {
            clusters.push(json!({"name": name, "type": "STATIC", "connect_timeout": "2s",
                "load_assignment": {"cluster_name": name, "endpoints": endpoints}}));
        }
        self
    }

    /// Lets Envoy read its listeners from a file, and again whenever another
    /// one takes the file's place.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn watch_listeners(&self, file: &Path) -> io::Result<Self> {
        self.replace_listeners(file)?;
        let mut config = self.clone();
        config.0["static_resources"]["listeners"] = json!([]);
        let source = json!({"resource_api_version": "V3", "path_config_source": {"path": file}});
        config.0["dynamic_resources"] = json!({"lds_config": source});
        config.0["node"] = json!({"id": "edge", "cluster": "edge"});
        Ok(config)
    }

    /// Puts this configuration's listeners in the place of a file, at once.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn replace_listeners(&self, file: &Path) -> io::Result<()> {
        let mut listeners = self.0["static_resources"]["listeners"].clone();
        for listener in list(&mut listeners) {
            listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
        }
        let next = file.with_extension("next");
        std::fs::write(&next, json!({"resources": listeners}).to_string())?;
        std::fs::rename(next, file)
    }

    /// The plugin configuration.
    pub fn plugin(&mut self) -> &mut Value {
        &mut self.filter()["typed_config"]["config"]["configuration"]["value"]
    }

    /// The filter that stands first.
    pub fn filter(&mut self) -> &mut Value {
        &mut self.manager()["http_filters"][0]
    }

    /// What is said of HTTP at the first listener.
    pub fn manager(&mut self) -> &mut Value {
        let chain = &mut self.0["static_resources"]["listeners"][0]["filter_chains"][0];
        &mut chain["filters"][0]["typed_config"]
    }

    /// Takes from the module at the first listener all of the proxy's
    /// functions but these, by their names in proxy-wasm's interface.
    pub fn allow_only(&mut self, functions: &[&str]) {
        let allowed = functions.iter().map(|name| ((*name).to_owned(), json!({})));
        let allowed: serde_json::Map<_, _> = allowed.collect();
        self.filter()["typed_config"]["config"]["capability_restriction_config"] =
            json!({"allowed_capabilities": allowed});
    }

    /// Lets Envoy itself answer 200 to whatever passes the filter at the first
    /// listener, for every host and path.
    pub fn answer_200(&mut self) {
        self.manager()["route_config"]["virtual_hosts"] = json!([{
            "name": "all", "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}],
        }]);
    }
}

/// Reads a YAML file.
///
/// # Errors
/// If it can't be read.
pub fn read(file: &Path) -> io::Result<Value> {
    let text = std::fs::read_to_string(file)?;
    serde_saphyr::from_str(&text)
        .map_err(|error| io::Error::other(format!("{}: {error}", file.display())))
}

fn list(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_array_mut().into_iter().flatten()
}
