//! The gateway between callers and an emulated Google.

#![forbid(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may"
)]

mod binary;
mod client;
mod draining;
mod events;
mod expecting;
mod failing;
mod front_end;
mod grpc;
mod grpc_server;
mod http_2;
mod memory;
mod passing;
mod protocols;
mod raw;
mod raw_http_2;
mod raw_http_2_region;
mod raw_region;
mod refusing;
mod regions;
mod regions_failing;
mod retrying;
mod streaming;
mod support;
mod websocket;
