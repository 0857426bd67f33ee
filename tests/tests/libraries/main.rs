//! Google's own libraries, unmodified, against the emulator. What they
//! hard-wire they reach through its proxy.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod minting;
mod senders;
mod verifying;
mod world;
