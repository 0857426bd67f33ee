//! Delivering messages, with as many attempts as it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{FROM, USER_AGENT};
use http::{HeaderValue, Method};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::message::Published;
use super::{Attempt, Delivery, Message, PushReport, PushSubscription};
use crate::config::Agent;
use crate::outgoing::Connections;
use crate::senders::{Credential, Senders, Shot};

/// Google's ids have sixteen digits.
const FIRST_ID: u64 = 1_000_000_000_000_000;

/// Pushes for one project.
pub(crate) struct Pusher {
    senders: Arc<Senders>,
    project_id: String,
    published: AtomicU64,
}

/// One push: a subscription with what its deliveries share.
struct Push {
    senders: Arc<Senders>,
    subscription: PushSubscription,
    credential: Credential,
    connections: Connections,
    outstanding: Semaphore,
}

impl Pusher {
    pub(crate) fn new(senders: Arc<Senders>, project_id: String) -> Self {
        Self { senders, project_id, published: AtomicU64::new(0) }
    }

    /// Publishes the messages and pushes each until it is delivered or given
    /// up.
    pub(crate) async fn push(
        &self,
        subscription: &PushSubscription,
        messages: impl IntoIterator<Item = Message>,
    ) -> PushReport {
        let push = Arc::new(Push {
            connections: Connections::new(
                Arc::clone(&self.senders.network),
                &subscription.endpoint,
                subscription.connect_to,
            ),
            credential: Credential {
                account: subscription.service_account.clone(),
                audience: subscription
                    .audience
                    .clone()
                    .unwrap_or_else(|| subscription.endpoint.to_string()),
            },
            senders: Arc::clone(&self.senders),
            outstanding: Semaphore::new(subscription.max_outstanding.max(1)),
            subscription: subscription.clone(),
        });
        let mut under_way = JoinSet::new();
        for (place, message) in messages.into_iter().enumerate() {
            let published = self.publish(subscription, message);
            let push = Arc::clone(&push);
            under_way.spawn(async move { (place, push.deliver(&published).await) });
        }
        let mut deliveries = under_way.join_all().await;
        deliveries.sort_unstable_by_key(|(place, _)| *place);
        let deliveries = deliveries.into_iter().map(|(_, delivery)| delivery);
        PushReport { deliveries: deliveries.collect() }
    }

    fn publish(&self, subscription: &PushSubscription, message: Message) -> Published {
        let number = self.published.fetch_add(1, Ordering::Relaxed);
        Published {
            message,
            id: FIRST_ID.saturating_add(number).to_string(),
            at: self.senders.issuer.now(),
            subscription: format!(
                "projects/{}/subscriptions/{}",
                self.project_id, subscription.name
            ),
        }
    }
}

impl Push {
    async fn deliver(&self, message: &Published) -> Delivery {
        let mut attempts = Vec::new();
        let mut failures = 0_u32;
        loop {
            let attempt = self.attempt(message).await;
            let is_ack = attempt.is_ack();
            attempts.push(attempt);
            failures = failures.saturating_add(1);
            let is_last = self.subscription.give_up_after.is_some_and(|last| failures >= last);
            if is_ack || is_last {
                return Delivery { message_id: message.id.clone(), attempts };
            }
            sleep(self.subscription.backoff(failures)).await;
        }
    }

    /// A message that waits for its next attempt makes room for others.
    async fn attempt(&self, message: &Published) -> Attempt {
        let _permit = self.outstanding.acquire().await;
        let subscription = &self.subscription;
        let (body, mut headers) = message.payload(subscription.wrapped);
        // What comes with every request, whatever attributes a message has.
        headers.insert(USER_AGENT, HeaderValue::from_static("CloudPubSub-Google"));
        headers.insert(FROM, HeaderValue::from_static("noreply@google.com"));
        let shot = Shot {
            agent: Agent::PubSub,
            from: &message.subscription,
            endpoint: &subscription.endpoint,
            connections: &self.connections,
            method: Method::POST,
            headers,
            body,
            credential: Some(&self.credential),
            deadline: subscription.ack_deadline,
        };
        self.senders.send(shot).await.0
    }
}
