//! `remint doctor` before an emulated Google: nothing to say of a right
//! deployment, and of each wrong one what is wrong with it.

#![forbid(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may"
)]

mod cli;
mod iap;
#[path = "../common/kept.rs"]
mod kept;
mod reading;
mod regions;
mod senders;
mod simpler;
mod support;
mod surroundings;
