//! Where messages are pushed to, and one push.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;

use super::message::{Form, Published};
use crate::attempt::Attempt;
use crate::config::Agent;
use crate::endpoint::Endpoint;
use crate::outgoing::Connections;
use crate::senders::{Credential, Senders, Shot};

/// Where messages are pushed to, and how.
pub(super) struct Target {
    senders: Arc<Senders>,
    endpoint: Endpoint,
    credential: Option<Credential>,
    form: Form,
    connections: Connections,
}

impl Target {
    pub(super) fn new(
        senders: &Arc<Senders>,
        endpoint: Endpoint,
        connect_to: Option<SocketAddr>,
        credential: Option<Credential>,
        form: Form,
    ) -> Self {
        let network = Arc::clone(&senders.network);
        let connections = Connections::new(network, &endpoint, connect_to);
        Self { senders: Arc::clone(senders), endpoint, credential, form, connections }
    }

    /// One attempt. Pub/Sub's service agent must be allowed to mint, for
    /// Eventarc's subscriptions too: Eventarc has Pub/Sub deliver, and its
    /// documents ask for the role of that agent (Eventarc, "Roles and
    /// permissions for Cloud Run targets").
    pub(super) async fn push(&self, message: &Published, deadline: Duration) -> Attempt {
        let (body, headers) = message.payload(&self.form);
        let shot = Shot {
            agent: Agent::PubSub,
            from: &message.subscription,
            endpoint: &self.endpoint,
            connections: &self.connections,
            method: Method::POST,
            headers,
            body,
            credential: self.credential.as_ref(),
            deadline,
        };
        self.senders.send(shot).await.0
    }
}

/// The wait after that many failures in a row: it doubles up to its limit.
pub(super) fn backoff(failures: u32, least: Duration, most: Duration) -> Duration {
    let doublings = failures.saturating_sub(1);
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    least.saturating_mul(factor).min(most)
}

/// Google's ids have sixteen digits.
const FIRST_ID: u64 = 1_000_000_000_000_000;

/// Gives messages their ids.
#[derive(Default)]
pub(crate) struct Ids(AtomicU64);

impl Ids {
    pub(super) fn next(&self) -> String {
        FIRST_ID.saturating_add(self.0.fetch_add(1, Ordering::Relaxed)).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_limit() {
        let (least, most) = (Duration::from_millis(100), Duration::from_secs(60));
        let waits =
            [1, 2, 3, 10, 11, 32, 33, u32::MAX].map(|n| backoff(n, least, most).as_millis());
        assert_eq!(waits, [100, 200, 400, 51_200, 60_000, 60_000, 60_000, 60_000]);
    }
}
