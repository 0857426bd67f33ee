//! The whole chain on this machine: the emulated Google, a real Envoy with the
//! shipped filter and configuration, the gateway, two regions.
//!
//! The end-to-end tests and the demo are built from the same parts. Everything
//! listens on free ports of loopback, so any number of chains run side by
//! side; dropping a part ends its process.

#![forbid(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test harness: a panic here is a failed test"
)]

pub mod attack;
pub mod browser;
pub mod chain;
pub mod client;
pub mod demo;
pub mod load;
pub mod process;
pub mod server;
pub mod shipped;
