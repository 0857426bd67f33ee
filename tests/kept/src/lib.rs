//! No token, key or assertion is put out, by anything, in the whole test run.
//!
//! `cargo xtask test` names a folder in [`FOLDER`]. What programs print, what
//! is logged, and what pages, metrics and errors say while the tests run is
//! then kept there ([`keep()`]), whatever a test itself looks at. When they are
//! through, all of it is searched ([`search::folder`]), and what is found
//! fails the run. So does a [`source`] that should have been heard of and was
//! not: a search of nothing finds nothing.
//!
//! Without the folder nothing is kept.

#![forbid(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "for tests: a panic is a failed test"
)]

mod exception;
mod keep;
pub mod search;
pub mod source;

pub use exception::Exception;
pub use keep::{FOLDER, Kept, is_on, keep, keep_answer, keep_output, stdio};
