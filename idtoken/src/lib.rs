//! Verifies Google ID tokens by policy, without I/O and without a clock.
//!
//! The way of a request is a way through types, and each is made only by the
//! step before it:
//!
//! ```text
//! header bytes -> UnverifiedToken -> AuthenticToken -> VerifiedToken
//!                 (well formed)      (issuer, time,    (audience and caller
//!                                     signature)        of one rule)
//! ```
//!
//! A [`Policy`] says which [`Rule`] governs a request and what it asks for; an
//! [`Authority`] holds the issuers with their keys; a [`SignatureScheme`] does
//! the arithmetic, in this process or in a proxy's host function. Whatever
//! stops a request on its way is a [`Refusal`], which names the rule, what was
//! expected and what came.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

mod authority;
mod cache;
mod claims;
mod clock;
pub mod config;
mod fingerprint;
mod identity;
mod json;
pub mod keys;
mod line_budget;
#[cfg(feature = "native")]
mod native;
pub mod policy;
mod refusal;
mod remedy;
mod request;
mod safe;
mod sender;
mod signature;
mod time;
mod token;
mod trace;

pub use authority::Authority;
pub use cache::{CacheBounds, NoCache, TokenCache, TokenMemory};
pub use claims::{Claims, ClaimsError};
pub use clock::Clock;
#[cfg(feature = "native")]
pub use clock::SystemClock;
pub use fingerprint::Fingerprint;
pub use identity::{is_identity_header, is_own_header, is_same_header};
pub use line_budget::LineBudget;
#[cfg(feature = "native")]
pub use native::AwsLc;
pub use policy::{Admission, Policy, Rule};
pub use refusal::{Answer, Entry, Expected, Reason, Refusal, Teller};
pub use remedy::{Remedy, is_service_account, shell_word};
pub use request::{Headers, Target, TargetError};
pub use safe::{holds_secret, safe};
pub use sender::Sender;
pub use signature::{Algorithm, PublicKey, SignatureError, SignatureScheme};
pub use time::{Timing, UnixTime};
pub use token::{AuthenticToken, MAX_TOKEN_BYTES, TokenError, UnverifiedToken, VerifiedToken};
pub use trace::TraceContext;
