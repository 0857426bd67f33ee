//! The gateway: stands behind one domain and in front of a service's regions.
//!
//! ```text
//! request -> VerifiedToken -> Route -> Choice -> attempt -> answer
//!            (Keyring::admit)          (a region with a
//!                                       token for it)
//! ```
//!
//! A request is only sent by way of a `Choice`, which holds a region and a
//! token that was made for that region's audience: no other way compiles. An
//! attempt in another region is another choice with another token.
//!
//! Keys and tokens are each kept fresh by one task. Requests read what is
//! there without a lock; when it is missing they ring the task's bell and
//! wait for a few seconds.
//!
//! An `Instance` lives as long as the process. Each configuration makes a
//! `Gateway`, which is swapped as a whole; what both the old and the new one
//! ask for is the same part, from `Kept`.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

mod access;
mod admin;
mod assertion;
mod attempts;
mod balance;
pub mod clock;
pub mod config;
pub mod doctor;
mod doorbell;
mod error;
pub mod explain;
mod front_end;
mod gateway;
mod headers;
pub mod iam;
mod in_flight;
mod instance;
mod kept;
mod keys;
mod last_refusal;
mod limited_file;
mod locality;
pub mod logging;
mod metrics;
mod mint;
mod ongoing;
mod pauses;
mod percent;
pub mod plugin_config;
mod probe;
mod proxy;
mod random;
mod readiness;
pub mod reasons;
mod reload;
mod renewal;
mod request;
mod retry;
mod running;
pub mod schema;
mod senders;
mod server;
mod service;
mod site;
#[cfg(test)]
mod test_callers;
mod token_store;
mod trouble;
mod upstream;

pub use assertion::new_key as new_assertion_key;
pub use reload::Reloader;
pub use running::{Running, StartError};
