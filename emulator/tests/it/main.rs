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
mod command;
mod concurrency;
mod container;
mod control;
mod edge;
mod eventarc;
mod examples;
mod faults;
mod front_end;
mod function;
mod google;
mod iap;
mod iap_proxy;
mod ingress;
mod libraries;
mod members;
mod metadata;
mod minting;
mod propagation;
mod proxy;
mod pubsub_api;
mod push;
mod recorder;
mod region;
mod rotation;
mod run_admin;
mod scheduler;
mod signing;
mod sink;
mod support;
mod tags;
mod tasks;
mod tasks_api;
mod timeline;
mod tls;
mod tokens;
