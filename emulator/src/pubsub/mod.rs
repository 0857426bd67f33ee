//! The sender: a Pub/Sub push subscription.
//!
//! Not modelled: the end of the retention, after which Pub/Sub gives up (a
//! limit of attempts stands in for it), dead-letter topics, and the slow start
//! of a push subscription's throughput.

mod delivery;
mod message;
mod report;

use std::net::SocketAddr;
use std::time::Duration;

pub(crate) use delivery::Pusher;
pub use message::Message;
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
        let doublings = failures.saturating_sub(1);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let wait = self.min_backoff.saturating_mul(factor);
        wait.min(self.max_backoff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_limit() {
        let endpoint = "https://a/".parse().unwrap();
        let subscription = PushSubscription::new("s", endpoint, "a@b");
        let waits =
            [1, 2, 3, 10, 11, 32, 33, u32::MAX].map(|n| subscription.backoff(n).as_millis());
        assert_eq!(waits, [100, 200, 400, 51_200, 60_000, 60_000, 60_000, 60_000]);
    }
}
