//! The gateway between callers and an emulated Google.

#![forbid(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may"
)]

mod asserting;
mod binary;
mod client;
mod draining;
mod failing;
mod freezing;
mod identity;
mod limits;
mod load;
mod minting;
mod own_errors;
mod passing;
mod raw;
mod raw_http_2;
mod raw_region;
mod refusing;
mod reloading;
mod remembering;
mod status;
mod streaming;
mod support;
mod telling;
mod tls;
mod wire;
