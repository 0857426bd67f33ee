//! The emulator as its users meet it: over sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod backend;
mod balancer;
mod binary;
mod container;
mod eventarc;
mod faults;
mod front_end;
mod google;
mod iap;
mod iap_proxy;
mod metadata;
mod pubsub_api;
mod push;
mod recorder;
mod region;
mod scheduler;
mod sink;
mod support;
mod tasks;
mod tasks_api;
mod tls;
mod tokens;
