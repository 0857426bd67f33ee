//! The schemas describe what the readers accept; the readers report each
//! mistake where it is, and a proxy that got one does not start.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod alerts;
mod bundled;
mod cloud_run;
mod documents;
mod drift;
mod emulator_guide;
mod examples;
mod mistakes;
mod mutations;
