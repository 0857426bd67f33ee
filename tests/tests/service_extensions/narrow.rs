//! The narrow host, and the program that renders its configuration.

use std::path::{Path, PathBuf};
use std::process::Output;

use remint_emulator::{Config, Emulator};
use remint_kept::{keep_output, source};
use remint_tests::chain::Envoy;
use remint_tests::shipped::{EnvoyConfig, built};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

/// All that Service Extensions documents ("Plugin best practices", "Use
/// supported APIs"): headers, bodies, local answers, the configuration, a log
/// and a clock. Trailers, timers, metrics, shared data, calls and foreign
/// functions are not there.
const ALLOWED: [&str; 22] = [
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_request_headers",
    "proxy_on_request_body",
    "proxy_on_response_headers",
    "proxy_on_response_body",
    "proxy_on_done",
    "proxy_on_log",
    "proxy_on_delete",
    "proxy_log",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_buffer_bytes",
    "proxy_get_buffer_status",
    "proxy_set_buffer_bytes",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_size",
    "proxy_get_header_map_value",
    "proxy_add_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_remove_header_map_value",
    "proxy_send_local_response",
];

/// Takes everything else away from the module.
pub fn restrict(config: &mut EnvoyConfig) {
    config.allow_only(&ALLOWED);
}

/// An emulated Google, and a folder for files.
pub struct World {
    pub google: Emulator,
    pub folder: TempDir,
}

impl World {
    pub async fn new() -> Self {
        let world = Self {
            google: Emulator::start(Config::demo()).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::write(world.ca(), world.google.ca_pem()).unwrap();
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// Runs `remint plugin-config` on a document, as users do.
    pub async fn run(&self, document: &Value, more: &[&str]) -> Output {
        let file = self.path("policy.yaml");
        std::fs::write(&file, document.to_string()).unwrap();
        let mut command = Command::new(built("remint").unwrap());
        command.arg("plugin-config").arg(&file).arg("--ca-file").arg(self.ca());
        for host in ["www.googleapis.com:443", "www.gstatic.com:443"] {
            let there = self.google.google_addr();
            command.arg("--connect-to").arg(format!("{host}={there}"));
        }
        let output = command.args(more).output().await.unwrap();
        keep_output(source::REMINT, &output, None);
        output
    }

    /// What it renders, which must succeed.
    pub async fn rendered(&self, document: &Value) -> Value {
        let output = self.run(document, &[]).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A narrow host with so many workers and this module and configuration.
    /// What passes the filter is answered 200; the answer shows what a backend
    /// would have got.
    pub async fn host(&self, workers: u32, module: &Path, plugin: &Value) -> Envoy {
        let config = self.config(module, plugin);
        self.start(workers, &config).await.unwrap()
    }

    /// Starts an Envoy that reads its listeners from a file: one that it can't
    /// have leaves it without, but running.
    pub async fn start(&self, workers: u32, config: &EnvoyConfig) -> std::io::Result<Envoy> {
        let folder = tempfile::tempdir_in(self.folder.path()).unwrap().keep();
        let watching = config.watch_listeners(&folder.join("listeners.json")).unwrap();
        Envoy::with_workers(workers, &watching, &folder).await
    }

    /// The configuration of such a host.
    pub fn config(&self, module: &Path, plugin: &Value) -> EnvoyConfig {
        let mut config = self.wide_config(module, plugin);
        restrict(&mut config);
        config
    }

    /// The same for a host that can do everything.
    pub fn wide_config(&self, module: &Path, plugin: &Value) -> EnvoyConfig {
        let google = self.google.google_addr();
        let mut config = EnvoyConfig::shipped("envoy.yaml")
            .unwrap()
            .cluster("google_keys", &[google])
            .trusted_ca(&self.ca())
            .module(module);
        // As text: that is how the load balancer hands it over.
        config.filter()["typed_config"]["config"]["configuration"] = json!({"@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": plugin.to_string()});
        config.answer_200();
        config.manager()["route_config"]["response_headers_to_add"] = json!([
            shown("x-seen-caller", "%REQ(x-caller)%"),
            shown("x-seen-payload", "%REQ(x-payload)%"),
            shown("x-seen-token", "%REQ(authorization)%"),
        ]);
        config
    }

    pub async fn close(self) {
        self.google.shutdown().await;
    }
}

fn shown(name: &str, value: &str) -> Value {
    json!({"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"})
}

/// The module as it is shipped.
pub fn module() -> PathBuf {
    built("remint_filter.wasm").unwrap()
}
