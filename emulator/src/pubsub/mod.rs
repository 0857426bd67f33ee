//! Pub/Sub: topics and their push subscriptions.
//!
//! A message that is published to a topic goes to all subscriptions that the
//! topic has at that moment. Each has a task that pushes its messages until
//! they are acknowledged, sent to a dead-letter topic, or kept long enough.
//! [`PushSubscription`] is the short way for tests: messages are pushed at
//! once, without topic, and what became of each attempt is reported.
//!
//! Not modelled: pulling, filters, schemas, snapshots, exactly-once delivery,
//! the slow start of a push subscription's throughput (a fixed number of
//! messages is under way at once), that push back-off slows the whole
//! subscription (here each message waits for itself), and the rights of
//! callers of the API and of Pub/Sub's service agent on the dead-letter topic.

mod backlog;
mod broker;
mod counters;
mod delivery;
pub(crate) mod grpc;
mod json;
mod lanes;
mod mask;
mod message;
mod names;
mod page;
mod queue;
mod report;
pub(crate) mod rest;
mod settings;
mod subscriptions;
mod target;

use std::net::SocketAddr;
use std::time::Duration;

pub(crate) use broker::Broker;
pub use counters::{Counters, Deliveries};
pub(crate) use delivery::Pusher;
pub use message::Message;
pub(crate) use message::{Form, MESSAGE_PUBLISHED};
pub(crate) use names::Collection;
pub use report::{Delivery, PushReport};

pub use crate::attempt::Attempt;
pub use crate::endpoint::{Endpoint, EndpointError};

/// A push subscription, as `gcloud pubsub subscriptions create` takes it.
#[derive(Clone, Debug)]
pub struct PushSubscription {
    /// The name, without project.
    pub name: String,
    /// Where it pushes to.
    pub endpoint: Endpoint,
    /// What it connects to instead of the endpoint's own host and port, in
    /// plain HTTP: so that `https://orders.example.com/push` reaches a
    /// listener of this machine.
    pub connect_to: Option<SocketAddr>,
    /// The token's audience; by default the endpoint, letter by letter.
    pub audience: Option<String>,
    /// Whose token it sends.
    pub service_account: String,
    /// How long it waits for an answer.
    pub ack_deadline: Duration,
    /// The wait after the first failure; it doubles with each further one.
    pub min_backoff: Duration,
    /// The longest wait.
    pub max_backoff: Duration,
    /// How many messages may be under way at once.
    pub max_outstanding: usize,
    /// The last attempt; without one it never gives up.
    pub give_up_after: Option<u32>,
    /// Whether messages are sent as JSON that wraps them, or as they are, with
    /// their attributes as headers.
    pub wrapped: bool,
}

impl PushSubscription {
    /// A subscription with Pub/Sub's defaults.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        endpoint: Endpoint,
        service_account: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            endpoint,
            connect_to: None,
            audience: None,
            service_account: service_account.into(),
            ack_deadline: Duration::from_secs(10),
            min_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(60),
            max_outstanding: 16,
            give_up_after: None,
            wrapped: true,
        }
    }

    /// The wait after that many failures.
    fn backoff(&self, failures: u32) -> Duration {
        target::backoff(failures, self.min_backoff, self.max_backoff)
    }
}

/// Why something was not published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PublishError(pub(crate) String);
