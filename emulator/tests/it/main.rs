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
mod binary;
mod container;
mod faults;
mod front_end;
mod google;
mod iap;
mod libraries;
mod metadata;
mod proxy;
mod push;
mod region;
mod support;
mod tls;
mod tokens;
