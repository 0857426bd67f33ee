//! Eventarc Standard: triggers that send events to services.
//!
//! Underneath it is Pub/Sub, as at Google: each trigger has a subscription of
//! the name `eventarc-LOCATION-TRIGGER-sub-NUMBER` on its transport topic, with
//! the settings that Google gives it, and all that Pub/Sub's API can do with a
//! subscription can be done with this one. Pub/Sub's service agent mints the
//! token of the trigger's account.
//!
//! Events of Google's services come from `POST /emulator/eventarc/publish`,
//! which stands in for those services; events of a channel from Eventarc
//! Publishing's `channels/NAME:publishEvents`.
//!
//! Not modelled: Eventarc Advanced (buses, enrollments, pipelines), filters
//! with an operator, channels as resources, GKE and Workflows as destinations,
//! and the check for `roles/eventarc.eventReceiver`.

mod event;
mod operations;
mod proto_json;
pub(crate) mod rest;
mod trigger;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::push_config::{
    AuthenticationMethod, OidcToken,
};
use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
    DeleteSubscriptionRequest, DeleteTopicRequest, PushConfig, RetryPolicy, Subscription, Topic,
};
use serde_json::Value;
use tonic::{Code, Status};

use crate::config::{Config, Destination, Service, Trigger};
use crate::pubsub::{Broker, Collection, Form, MESSAGE_PUBLISHED};
use crate::run::Urls;
use crate::sync::lock;
use event::Event;
use operations::Operations;

/// As seen on subscriptions that Eventarc has made: a message is kept for a
/// day, and waits are those of a retry policy's defaults (Eventarc, "Retry
/// events").
const RETENTION: Duration = Duration::from_secs(24 * 3600);
const BACKOFF: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));
const ACK_DEADLINE_SECONDS: i32 = 600;

/// All triggers.
pub(crate) struct Eventarc {
    broker: Arc<Broker>,
    project_id: String,
    project_number: u64,
    compute_account: String,
    /// The services with their regions.
    services: Vec<(String, String)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    triggers: BTreeMap<String, Running>,
    operations: Operations,
    /// How many triggers there have been.
    count: u64,
}

/// A trigger with what Pub/Sub has of it.
#[derive(Clone)]
struct Running {
    trigger: Trigger,
    project: String,
    topic: String,
    has_own_topic: bool,
    subscription: String,
    created: String,
}

impl Eventarc {
    pub(crate) fn new(broker: Arc<Broker>, config: &Config) -> Self {
        let regions = config.services.iter().flat_map(|service| {
            service.regions.iter().map(|region| (service.name.clone(), region.name.clone()))
        });
        Self {
            broker,
            project_id: config.project_id.clone(),
            project_number: config.project_number,
            compute_account: config.compute_account(),
            services: regions.collect(),
            state: Mutex::default(),
        }
    }

    /// Creates the triggers of the configuration.
    pub(crate) fn create(&self, triggers: &[Trigger]) -> Result<(), Status> {
        for trigger in triggers {
            self.create_trigger(&self.project_id, trigger)?;
        }
        Ok(())
    }

    fn create_trigger(&self, project: &str, trigger: &Trigger) -> Result<Running, Status> {
        let name = name_of(project, trigger);
        let state = &mut *lock(&self.state);
        if state.triggers.contains_key(&name) {
            return Err(Status::already_exists(format!("Resource '{name}' already exists")));
        }
        let is_for_messages = trigger.event_type()? == MESSAGE_PUBLISHED;
        let (endpoint, audience) = self.destination(trigger)?;
        state.count = state.count.saturating_add(1);
        let prefix = format!("eventarc-{}-{}", trigger.location, trigger.name);
        let number = state.count;
        let own = || format!("projects/{project}/topics/{prefix}-{number:03}");
        let given = |name: &String| Collection::Topics.in_project(project, name);
        let topic = trigger.topic.as_ref().map_or_else(own, given);
        let subscription = format!("projects/{project}/subscriptions/{prefix}-sub-{number:03}");
        let running = Running {
            trigger: trigger.clone(),
            project: project.to_owned(),
            has_own_topic: trigger.topic.is_none(),
            topic,
            subscription,
            created: self.broker.now().to_string(),
        };
        let form = match is_for_messages {
            true => Form::MessagePublished { topic: running.topic.clone() },
            false => Form::Event,
        };
        let endpoint = match &trigger.destination {
            Destination::CloudRun { .. } => with_mode(&endpoint, &form),
            Destination::Http { .. } => endpoint,
        };
        self.subscribe(&running, endpoint, audience, form)?;
        state.triggers.insert(name, running.clone());
        Ok(running)
    }

    fn subscribe(
        &self,
        running: &Running,
        push_endpoint: String,
        audience: String,
        form: Form,
    ) -> Result<(), Status> {
        if running.has_own_topic {
            self.broker.create_topic(&Topic { name: running.topic.clone(), ..Topic::default() })?;
        }
        let default = || self.compute_account.clone();
        let account = running.trigger.service_account.clone().unwrap_or_else(default);
        let token = OidcToken { service_account_email: account, audience };
        let span = |it: Duration| it.try_into().ok();
        let subscription = Subscription {
            name: running.subscription.clone(),
            topic: running.topic.clone(),
            push_config: Some(PushConfig {
                push_endpoint,
                authentication_method: Some(AuthenticationMethod::OidcToken(token)),
                ..PushConfig::default()
            }),
            ack_deadline_seconds: ACK_DEADLINE_SECONDS,
            message_retention_duration: span(RETENTION),
            retry_policy: Some(RetryPolicy {
                minimum_backoff: span(BACKOFF.0),
                maximum_backoff: span(BACKOFF.1),
            }),
            ..Subscription::default()
        };
        let created = self.broker.create_with_form(&subscription, Some(form));
        if created.is_err() && running.has_own_topic {
            // Created just before; gone already only if somebody was quicker.
            let _ = self.broker.delete_topic(&DeleteTopicRequest { topic: running.topic.clone() });
        }
        created.map(drop)
    }

    /// Where a trigger's events go, and the audience: the service's URL, as on
    /// subscriptions that Eventarc has made, else the whole URL.
    fn destination(&self, trigger: &Trigger) -> Result<(String, String), Status> {
        match &trigger.destination {
            Destination::Http { uri } => Ok((uri.clone(), uri.clone())),
            Destination::CloudRun { service, region, path } => {
                let is_it = |(name, place): &&(String, String)| name == service && place == region;
                if !self.services.iter().any(|it| is_it(&it)) {
                    let text = format!("Cloud Run service {service} not found in {region}");
                    return Err(Status::not_found(text));
                }
                let project = (self.project_id.as_str(), self.project_number);
                let service = Service { name: service.clone(), ..Service::default() };
                let url = Urls::new(&service, project, region).deterministic;
                let endpoint = match path.trim_start_matches('/') {
                    "" => url.clone(),
                    path => format!("{url}/{path}"),
                };
                Ok((endpoint, url))
            }
        }
    }

    fn delete_trigger(&self, name: &str) -> Result<Running, Status> {
        let gone = lock(&self.state).triggers.remove(name).ok_or_else(|| not_found(name))?;
        let subscription = gone.subscription.clone();
        ignoring_absence(
            self.broker.delete_subscription(&DeleteSubscriptionRequest { subscription }),
        )?;
        if gone.has_own_topic {
            let topic = gone.topic.clone();
            ignoring_absence(self.broker.delete_topic(&DeleteTopicRequest { topic }))?;
        }
        Ok(gone)
    }

    fn trigger(&self, name: &str) -> Result<Running, Status> {
        lock(&self.state).triggers.get(name).cloned().ok_or_else(|| not_found(name))
    }

    /// The triggers of a location, such as `projects/p/locations/us-central1`.
    /// The location `-` stands for all.
    fn triggers(&self, location: &str) -> Vec<Running> {
        let state = lock(&self.state);
        let all = state.triggers.iter().filter(|(name, _)| match location.strip_suffix("/-") {
            Some(project) => name.starts_with(&format!("{project}/")),
            None => name.starts_with(&format!("{location}/")),
        });
        all.map(|(_, running)| running.clone()).collect()
    }

    /// Sends an event to all triggers that it is for, and says how many.
    fn publish(&self, channel: Option<&str>, event: &Event) -> Result<usize, Status> {
        let topics: Vec<String> = {
            let state = lock(&self.state);
            let is_for = |it: &&Running| {
                it.trigger.channel.as_deref() == channel && event.passes(&it.trigger.filters)
            };
            state.triggers.values().filter(is_for).map(|it| it.topic.clone()).collect()
        };
        for topic in &topics {
            self.broker.publish_to(topic, vec![event.message()])?;
        }
        Ok(topics.len())
    }

    /// Notes what a long-running operation has come to: all are done at once.
    fn operation(&self, location: &str, response: &Value) -> Value {
        lock(&self.state).operations.done(location, response)
    }

    fn operation_of(&self, name: &str) -> Result<Value, Status> {
        let state = lock(&self.state);
        state.operations.get(name).cloned().ok_or_else(|| not_found(name))
    }
}

/// The full name of a trigger.
fn name_of(project: &str, trigger: &Trigger) -> String {
    format!("projects/{project}/locations/{}/triggers/{}", trigger.location, trigger.name)
}

/// The endpoint as Eventarc writes it for Cloud Run, whose front end is so told
/// what to make of the push. The container sees it too.
fn with_mode(url: &str, form: &Form) -> String {
    let mode = match form {
        Form::MessagePublished { topic } => {
            format!("CUSTOM_PUBSUB_{}", topic.replace('%', "%25").replace('/', "%2F"))
        }
        _ => "CE_PUBSUB_BINDING".to_owned(),
    };
    format!("{url}?__GCP_CloudEventsMode={mode}")
}

fn not_found(name: &str) -> Status {
    Status::not_found(format!("Resource '{name}' was not found"))
}

/// Somebody may have deleted a trigger's subscription by Pub/Sub's API.
fn ignoring_absence(result: Result<(), Status>) -> Result<(), Status> {
    match result {
        Err(status) if status.code() == Code::NotFound => Ok(()),
        other => other,
    }
}
