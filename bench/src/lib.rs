//! How fast the filter is beside Envoy's own filters: the same requests through
//! the same Envoy, one filter after the other, in one run. And how fast the
//! gateway is beside an Envoy that does the same.
//!
//! ```text
//!  gateway  all of the gateway's; what follows is the filter's, or both's
//!  setup    what Envoy is configured to do, and the loads that it is put under
//!  tokens   the tokens of each load
//!  wrk      one load, measured
//!  answered whether Envoy has answered as it must
//!  run      all setups, round after round
//!  report   the figures as a page
//! ```

#![forbid(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a measuring program: a panic here is a measurement that failed"
)]

mod answered;
pub mod figures;
pub mod gateway;
pub mod machine;
pub mod report;
pub mod run;
pub mod setup;
pub mod tokens;
pub mod upstream;
pub mod wrk;
