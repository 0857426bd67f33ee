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
mod faults;
mod front_end;
mod function;
mod google;
mod iap;
mod iap_proxy;
mod ingress;
mod members;
mod metadata;
mod minting;
mod propagation;
mod pubsub_api;
mod push;
mod region;
mod rotation;
mod signing;
mod sink;
mod support;
mod tags;
mod timeline;
mod tls;
mod tokens;
