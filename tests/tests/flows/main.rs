//! One test per way in which calls reach a region: Google's sender, a real
//! Envoy with the filter, the gateway, and what stands in front of the region.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod custom_audience;
mod eventarc;
mod flow;
mod free_form_audience;
mod person_through_iap;
mod pubsub_by_google_s_client;
mod pubsub_through_iap;
mod pubsub_to_function;
mod receiver;
mod scheduler_to_application;
mod scheduler_to_cloud_run;
mod scheduler_to_function;
mod service_to_service;
mod tagged_url;
mod tasks;
