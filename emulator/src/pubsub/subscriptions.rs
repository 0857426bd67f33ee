//! The subscriptions' half of the broker.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::push_config::{
    AuthenticationMethod, NoWrapper, OidcToken, Wrapper,
};
use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
    DeadLetterPolicy, DeleteSubscriptionRequest, GetSubscriptionRequest, ListSubscriptionsRequest,
    ListSubscriptionsResponse, ModifyPushConfigRequest, PushConfig, RetryPolicy, Subscription,
    UpdateSubscriptionRequest,
};
use tonic::Status;

use super::broker::{Broker, State};
use super::mask::Mask;
use super::message::Form;
use super::names::{Collection, already_exists, not_found};
use super::page::page;
use super::queue::Queue;
use super::settings::complete;
use crate::config::{self, Wrapping};
use crate::sync::lock;

impl Broker {
    pub(crate) fn create_subscription(
        &self,
        resource: &Subscription,
    ) -> Result<Subscription, Status> {
        self.create_with_form(resource, None)
    }

    /// `form` is what messages are sent as whatever the resource says.
    pub(crate) fn create_with_form(
        &self,
        resource: &Subscription,
        form: Option<Form>,
    ) -> Result<Subscription, Status> {
        Collection::Subscriptions.parse(&resource.name)?;
        Collection::Topics.parse(&resource.topic)?;
        let mut resource = resource.clone();
        complete(&mut resource);
        let state = &mut *lock(&self.state);
        if state.subscriptions.contains_key(&resource.name) {
            return Err(already_exists(&resource.name));
        }
        if !state.topics.contains_key(&resource.topic) {
            return Err(not_found(&resource.topic));
        }
        check_dead_letter(&state.topics, &resource)?;
        let queue = Queue::start(resource.clone(), form, &self.senders, Weak::clone(&self.me))?;
        state.subscriptions.insert(resource.name.clone(), Arc::new(queue));
        Ok(resource)
    }

    pub(super) fn get_subscription(
        &self,
        request: &GetSubscriptionRequest,
    ) -> Result<Subscription, Status> {
        Ok(lock(&self.state).find(&request.subscription)?.resource())
    }

    pub(super) fn update_subscription(
        &self,
        request: &UpdateSubscriptionRequest,
    ) -> Result<Subscription, Status> {
        let Some(new) = &request.subscription else {
            return Err(Status::invalid_argument("subscription is missing"));
        };
        let mask = Mask::of(request.update_mask.as_ref())?;
        let state = lock(&self.state);
        state.find(&new.name)?.update(|resource| {
            mask.each(|field| replace(field, resource, new))?;
            check_dead_letter(&state.topics, resource)
        })
    }

    /// An empty endpoint makes it a pull subscription.
    pub(super) fn modify_push_config(
        &self,
        request: &ModifyPushConfigRequest,
    ) -> Result<(), Status> {
        let state = lock(&self.state);
        let updated = state.find(&request.subscription)?.update(|resource| {
            resource.push_config = Some(request.push_config.clone().unwrap_or_default());
            Ok(())
        });
        updated.map(drop)
    }

    pub(super) fn list_subscriptions(
        &self,
        request: &ListSubscriptionsRequest,
    ) -> Result<ListSubscriptionsResponse, Status> {
        let prefix = format!("{}/subscriptions/", request.project);
        let state = lock(&self.state);
        let all = state.subscriptions.iter().filter(|(name, _)| name.starts_with(&prefix));
        let (found, next_page_token) = page(all, request.page_size, &request.page_token)?;
        let subscriptions = found.into_iter().map(|it| it.resource()).collect();
        Ok(ListSubscriptionsResponse { subscriptions, next_page_token })
    }

    /// Its task ends, whatever is under way.
    pub(crate) fn delete_subscription(
        &self,
        request: &DeleteSubscriptionRequest,
    ) -> Result<(), Status> {
        let mut state = lock(&self.state);
        state.find(&request.subscription)?;
        state.subscriptions.remove(&request.subscription);
        Ok(())
    }
}

impl State {
    fn find(&self, name: &str) -> Result<&Queue, Status> {
        Collection::Subscriptions.parse(name)?;
        self.subscriptions.get(name).map(|it| &**it).ok_or_else(|| not_found(name))
    }
}

/// The operation fails if the topic does not exist
/// (`google.pubsub.v1.DeadLetterPolicy`).
fn check_dead_letter<T>(
    topics: &BTreeMap<String, T>,
    resource: &Subscription,
) -> Result<(), Status> {
    let policy = resource.dead_letter_policy.as_ref();
    match policy.map(|it| &it.dead_letter_topic).filter(|name| !topics.contains_key(*name)) {
        None => Ok(()),
        Some(name) => Err(not_found(name)),
    }
}

/// Takes one field over; false if it is none that can be changed.
fn replace(field: &str, old: &mut Subscription, new: &Subscription) -> bool {
    match field {
        "push_config" => old.push_config.clone_from(&new.push_config),
        "ack_deadline_seconds" => old.ack_deadline_seconds = new.ack_deadline_seconds,
        "retry_policy" => old.retry_policy.clone_from(&new.retry_policy),
        "dead_letter_policy" => old.dead_letter_policy.clone_from(&new.dead_letter_policy),
        "message_retention_duration" => {
            old.message_retention_duration = new.message_retention_duration;
        }
        "retain_acked_messages" => old.retain_acked_messages = new.retain_acked_messages,
        "expiration_policy" => old.expiration_policy.clone_from(&new.expiration_policy),
        "labels" => old.labels.clone_from(&new.labels),
        _ => return false,
    }
    true
}

impl config::Subscription {
    /// The resource that it stands for.
    pub(super) fn resource(&self, project: &str) -> Subscription {
        let topic = |name: &str| Collection::Topics.in_project(project, name);
        let span = |it: Duration| it.try_into().ok();
        let has_policy = self.min_backoff.is_some() || self.max_backoff.is_some();
        Subscription {
            name: Collection::Subscriptions.in_project(project, &self.name),
            topic: topic(&self.topic),
            push_config: Some(self.push_config()),
            ack_deadline_seconds: i32::try_from(self.ack_deadline.as_secs()).unwrap_or(i32::MAX),
            message_retention_duration: span(self.retention),
            enable_message_ordering: self.ordered,
            dead_letter_policy: self.dead_letter.as_ref().map(|dead| DeadLetterPolicy {
                dead_letter_topic: topic(&dead.topic),
                max_delivery_attempts: dead.max_attempts.into(),
            }),
            retry_policy: has_policy.then(|| RetryPolicy {
                minimum_backoff: self.min_backoff.and_then(span),
                maximum_backoff: self.max_backoff.and_then(span),
            }),
            ..Subscription::default()
        }
    }

    fn push_config(&self) -> PushConfig {
        let token = self.service_account.as_ref().map(|account| OidcToken {
            service_account_email: account.clone(),
            audience: self.audience.clone().unwrap_or_default(),
        });
        PushConfig {
            push_endpoint: self.endpoint.clone().unwrap_or_default(),
            authentication_method: token.map(AuthenticationMethod::OidcToken),
            wrapper: match self.wrapping {
                Wrapping::Wrapped => None,
                Wrapping::Unwrapped { write_metadata } => {
                    Some(Wrapper::NoWrapper(NoWrapper { write_metadata }))
                }
            },
            ..PushConfig::default()
        }
    }
}
