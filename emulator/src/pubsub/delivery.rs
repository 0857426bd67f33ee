//! Delivering messages to an endpoint that is a subscription's for the time
//! being, and reporting each attempt.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::message::{Form, Published};
use super::target::{Ids, Target};
use super::{Attempt, Delivery, Message, PushReport, PushSubscription};
use crate::senders::{Credential, Senders};

/// Pushes for one project.
pub(crate) struct Pusher {
    senders: Arc<Senders>,
    project_id: String,
    ids: Arc<Ids>,
}

/// One push: a subscription with what its deliveries share.
struct Push {
    subscription: PushSubscription,
    target: Target,
    outstanding: Semaphore,
}

impl Pusher {
    pub(crate) fn new(senders: Arc<Senders>, project_id: String, ids: Arc<Ids>) -> Self {
        Self { senders, project_id, ids }
    }

    /// Publishes the messages and pushes each until it is delivered or given
    /// up.
    pub(crate) async fn push(
        &self,
        subscription: &PushSubscription,
        messages: impl IntoIterator<Item = Message>,
    ) -> PushReport {
        let endpoint = || subscription.endpoint.to_string();
        let credential = Credential {
            account: subscription.service_account.clone(),
            audience: subscription.audience.clone().unwrap_or_else(endpoint),
        };
        let form = match subscription.wrapped {
            true => Form::Wrapped,
            false => Form::Unwrapped { write_metadata: true },
        };
        let push = Arc::new(Push {
            target: Target::new(
                &self.senders,
                subscription.endpoint.clone(),
                subscription.connect_to,
                Some(credential),
                form,
            ),
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
        Published {
            message,
            id: self.ids.next(),
            at: self.senders.issuer.now(),
            subscription: format!(
                "projects/{}/subscriptions/{}",
                self.project_id, subscription.name
            ),
            attempt: None,
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
        self.target.push(message, self.subscription.ack_deadline).await
    }
}
