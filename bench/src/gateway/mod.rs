//! How fast the gateway is beside an Envoy that verifies with `jwt_authn` and
//! mints with `gcp_authn`: the same requests through one and the other, to the
//! same upstream, in one run.
//!
//! ```text
//!  setup   the proxies that are compared
//!  run     each of them under each load, round after round
//!  pace    the same requests at a given rate, for latencies at equal load
//!  idle    what connections cost that do nothing
//!  report  the figures as a page
//! ```

mod idle;
mod pace;
pub mod report;
pub mod run;
pub mod setup;
