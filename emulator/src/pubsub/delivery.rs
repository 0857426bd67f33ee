//! Delivering messages, with as many attempts as it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{AUTHORIZATION, FROM, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connection::{Connections, SendError};
use super::message::Published;
use super::{Attempt, Delivery, Message, PushReport, PushSubscription};
use crate::issuer::{Issuer, TokenRequest};

/// Google's ids have sixteen digits.
const FIRST_ID: u64 = 1_000_000_000_000_000;

/// Pushes for one project.
pub(crate) struct Pusher {
    issuer: Arc<Issuer>,
    project_id: String,
    published: AtomicU64,
}

/// One push: a subscription with what its deliveries share.
struct Push {
    issuer: Arc<Issuer>,
    subscription: PushSubscription,
    connections: Connections,
    outstanding: Semaphore,
}

impl Pusher {
    pub(crate) fn new(issuer: Arc<Issuer>, project_id: String) -> Self {
        Self { issuer, project_id, published: AtomicU64::new(0) }
    }

    /// Publishes the messages and pushes each until it is delivered or given
    /// up.
    pub(crate) async fn push(
        &self,
        subscription: &PushSubscription,
        messages: impl IntoIterator<Item = Message>,
    ) -> PushReport {
        let push = Arc::new(Push {
            issuer: Arc::clone(&self.issuer),
            connections: Connections::new(subscription),
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
            at: self.issuer.now(),
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
        let Some(request) = self.request(message) else {
            return Attempt::Failed("the endpoint's host can't stand in a header".to_owned());
        };
        match timeout(self.subscription.ack_deadline, self.exchange(request)).await {
            Ok(Ok(status)) => Attempt::Answered(status),
            Ok(Err(error)) => Attempt::Failed(error.to_string()),
            Err(_) => Attempt::Failed("no answer within the ack deadline".to_owned()),
        }
    }

    /// The answer's body plays no part, but the connection can be used again
    /// only when it has been read.
    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<u16, SendError> {
        let (response, sender) = self.connections.send(request).await?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            if frame.is_err() {
                return Ok(status);
            }
        }
        self.connections.give_back(sender);
        Ok(status)
    }

    fn request(&self, message: &Published) -> Option<Request<Full<Bytes>>> {
        let subscription = &self.subscription;
        let (body, mut headers) = message.payload(subscription.wrapped);
        headers.extend(self.own_headers()?);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = subscription.endpoint.path_and_query.parse().ok()?;
        *request.headers_mut() = headers;
        Some(request)
    }

    /// What comes with every request, whatever attributes a message has.
    fn own_headers(&self) -> Option<HeaderMap> {
        let subscription = &self.subscription;
        let audience = subscription.audience.clone();
        let audience = audience.unwrap_or_else(|| subscription.endpoint.to_string());
        let token = self.issuer.mint(&TokenRequest::new(&subscription.service_account, audience));
        Some(HeaderMap::from_iter([
            (HOST, HeaderValue::from_str(&subscription.endpoint.authority).ok()?),
            (USER_AGENT, HeaderValue::from_static("CloudPubSub-Google")),
            (FROM, HeaderValue::from_static("noreply@google.com")),
            (AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).ok()?),
        ]))
    }
}
