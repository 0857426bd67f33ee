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
mod behind_iap;
mod binary;
mod cli;
mod client;
mod cloud_run;
mod draining;
mod events;
mod expecting;
mod explaining;
mod failing;
mod figures;
mod freezing;
mod front_end;
mod granting;
mod grpc;
mod grpc_server;
mod guarding;
mod http_2;
mod identity;
#[path = "../common/kept.rs"]
mod kept;
mod limits;
mod limits_admin;
mod limits_http_2;
mod load;
mod logging;
mod memory;
mod minting;
mod outages;
mod own_errors;
mod page;
mod passing;
mod patience;
mod protocols;
mod raw;
mod raw_http_2;
mod raw_http_2_region;
mod raw_region;
mod readiness;
mod refusing;
mod regions;
mod regions_failing;
mod reloading;
mod remembering;
mod retrying;
mod sleeping;
mod status;
mod streaming;
mod support;
mod telling;
mod tls;
mod tracing;
mod websocket;
mod wire;
