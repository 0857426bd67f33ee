//! Google on a laptop: what a private Cloud Run service and its callers need of
//! Google, in one process and on loopback.
//!
//! ```text
//!  senders                 Google                    Cloud Run
//!  Pub/Sub push ─┐    issuers (keys, tokens)    ┌─ front end us-central1 ── container
//!                ├──▶ metadata server           ├─ front end europe-west1 ─ container
//!                └────▶ your load balancer ─────┘
//! ```
//!
//! [`Emulator::start`] runs all of it from a [`Config`]; the binary does the
//! same from a [`file`](mod@file) or its command line. Time comes from a [`Clock`], tokens from an
//! [`Issuer`], and whatever a front end decides is in the [`Timeline`].
//!
//! It believes nobody less than Google does, but it protects nothing: anyone
//! who reaches its listeners can have tokens made. Keep it on loopback.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

mod answers;
mod attempt;
mod balancer;
mod ca;
mod clock;
mod config;
mod emulator;
mod endpoint;
mod eventarc;
mod faults;
pub mod file;
mod forward;
mod google;
mod grpc;
mod guard;
mod hits;
mod html;
mod iap;
pub mod issuer;
mod listener;
mod network;
mod origin;
mod outgoing;
mod output;
mod page;
mod peer;
mod proxy;
pub mod pubsub;
mod redact;
mod run;
pub mod scheduler;
mod senders;
mod socket;
mod sync;
mod takeover;
mod target;
pub mod tasks;
pub mod timeline;
mod verifier;
mod websocket;

pub use attempt::Attempt;
pub use balancer::BalancerError;
pub use ca::CaError;
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{
    AccountKeyFile, Agent, Backend, Config, DeadLetter, Destination, Grant, HostMapping, Iap,
    IapIdentity, Ingress, Kind, LoadBalancer, Picking, Provider, Pubsub, Service, ServiceRegion,
    Subscription, Trigger, User, Wrapping,
};
pub use emulator::{Emulator, StartError};
pub use endpoint::{Endpoint, EndpointError};
pub use faults::{
    Fault, FaultError, FaultSetting, Faults, OVERSIZE, RegionFault, RegionSetting, Server,
    TokenFault,
};
pub use forward::Protocol;
pub use issuer::{AccountKey, AssertionRequest, IapResource, Issuer, Rotation, TokenRequest};
pub use origin::Origin;
pub use pubsub::{Message, PublishError, PushReport, PushSubscription};
pub use run::Region;
pub use scheduler::{JobConfig, Scheduler};
pub use target::{ApiError, Backoff, HttpTarget, OidcToken};
pub use tasks::{QueueConfig, TaskConfig, Tasks};
pub use timeline::{Part, Timeline, Verdict};
