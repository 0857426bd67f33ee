//! Verifies Google ID tokens at the edge: a proxy-wasm module for Envoy and
//! Istio.
//!
//! The decisions are made by [`remint_idtoken`], without host calls; `gate`
//! adds keys and waiting to them; `host` is the one place where the proxy is
//! called; `worker` ties the three together, and `context` has the proxy's callbacks.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

mod backend;
mod cache;
mod config;
mod context;
mod gate;
mod head;
mod host;
mod keys;
mod metrics;
pub mod signature;
mod waiting;
mod worker;

use proxy_wasm::traits::RootContext;
use remint_idtoken::config::{Node, Problem};

/// The plugin, as a proxy creates it once in each worker.
#[must_use]
pub fn root() -> Box<dyn RootContext> {
    Box::new(context::Root::new())
}

/// Reads a plugin configuration as the module does when a proxy hands it over:
/// JSON, or a protobuf `Struct`. For programs that check one before a proxy
/// gets it.
///
/// # Errors
/// All mistakes in it, each with its path.
pub fn check_configuration(bytes: &[u8]) -> Result<(), Vec<String>> {
    let mistakes = |all: Vec<_>| all.iter().map(Problem::to_string).collect();
    config::Config::parse(bytes).map(drop).map_err(mistakes)
}

/// The same for a document that somebody else has read. Where its values know
/// their places in a file, the mistakes do.
///
/// # Errors
/// All mistakes in it.
pub fn check_document(document: &Node) -> Result<(), Vec<Problem>> {
    config::Config::of_tree(document).map(drop)
}

/// The entry point, which only a wasm module exports.
#[cfg(all(target_arch = "wasm32", feature = "entry"))]
mod entry {
    proxy_wasm::main! {{
        proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
        proxy_wasm::set_root_context(|_| crate::root());
    }}
}
