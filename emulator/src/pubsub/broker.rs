//! Topics and subscriptions: what both façades, gRPC and REST, speak for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
    DeleteTopicRequest, GetTopicRequest, ListTopicSubscriptionsRequest,
    ListTopicSubscriptionsResponse, ListTopicsRequest, ListTopicsResponse, PublishRequest,
    PublishResponse, PubsubMessage, Topic, UpdateTopicRequest, topic,
};
use remint_idtoken::UnixTime;
use tonic::Status;

use super::counters::Deliveries;
use super::mask::Mask;
use super::message::Message;
use super::names::{Collection, DELETED_TOPIC, already_exists, not_found};
use super::page::page;
use super::queue::Queue;
use super::target::Ids;
use crate::config::{Config, Pubsub};
use crate::senders::Senders;
use crate::sync::lock;

/// Pub/Sub's bound on what one request publishes.
const MOST_MESSAGES: usize = 1000;
/// Of a message (Pub/Sub, "Quotas and limits", with the other bounds).
const MOST_ATTRIBUTES: usize = 100;

/// All topics and subscriptions. Who calls is not checked.
pub(crate) struct Broker {
    pub(super) me: Weak<Self>,
    pub(super) senders: Arc<Senders>,
    pub(super) state: Mutex<State>,
    project_id: String,
    ids: Arc<Ids>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) topics: BTreeMap<String, Topic>,
    pub(super) subscriptions: BTreeMap<String, Arc<Queue>>,
}

impl Broker {
    pub(crate) fn new(senders: Arc<Senders>, config: &Config) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            senders,
            state: Mutex::default(),
            project_id: config.project_id.clone(),
            ids: Arc::default(),
        })
    }

    /// The ids of everything that is published, here and elsewhere.
    pub(crate) fn ids(&self) -> Arc<Ids> {
        Arc::clone(&self.ids)
    }

    /// Creates what the configuration names.
    pub(crate) fn create(&self, config: &Pubsub) -> Result<(), Status> {
        for name in &config.topics {
            let name = self.full(Collection::Topics, name);
            self.create_topic(&Topic { name, ..Topic::default() })?;
        }
        for subscription in &config.subscriptions {
            self.create_subscription(&subscription.resource(&self.project_id))?;
        }
        Ok(())
    }

    /// The time by which it publishes.
    pub(crate) fn now(&self) -> UnixTime {
        self.senders.issuer.now()
    }

    pub(crate) fn full(&self, collection: Collection, name: &str) -> String {
        collection.in_project(&self.project_id, name)
    }

    pub(crate) fn create_topic(&self, topic: &Topic) -> Result<Topic, Status> {
        Collection::Topics.parse(&topic.name)?;
        nothing_unknown(topic)?;
        let topics = &mut lock(&self.state).topics;
        if topics.contains_key(&topic.name) {
            return Err(already_exists(&topic.name));
        }
        let topic = Topic { state: topic::State::Active.into(), ..topic.clone() };
        topics.insert(topic.name.clone(), topic.clone());
        Ok(topic)
    }

    pub(super) fn get_topic(&self, request: &GetTopicRequest) -> Result<Topic, Status> {
        Collection::Topics.parse(&request.topic)?;
        let state = lock(&self.state);
        state.topics.get(&request.topic).cloned().ok_or_else(|| not_found(&request.topic))
    }

    pub(super) fn update_topic(&self, request: &UpdateTopicRequest) -> Result<Topic, Status> {
        let Some(new) = &request.topic else {
            return Err(Status::invalid_argument("topic is missing"));
        };
        nothing_unknown(new)?;
        let mask = Mask::of(request.update_mask.as_ref())?;
        let mut state = lock(&self.state);
        let topic = state.topics.get_mut(&new.name).ok_or_else(|| not_found(&new.name))?;
        let mut changed = topic.clone();
        mask.each(|field| {
            match field {
                "labels" => changed.labels.clone_from(&new.labels),
                "message_retention_duration" => {
                    changed.message_retention_duration = new.message_retention_duration;
                }
                "message_storage_policy" => {
                    changed.message_storage_policy.clone_from(&new.message_storage_policy);
                }
                "kms_key_name" => changed.kms_key_name.clone_from(&new.kms_key_name),
                _ => return false,
            }
            true
        })?;
        *topic = changed.clone();
        Ok(changed)
    }

    pub(super) fn list_topics(
        &self,
        request: &ListTopicsRequest,
    ) -> Result<ListTopicsResponse, Status> {
        let prefix = format!("{}/topics/", request.project);
        let state = lock(&self.state);
        let all = state.topics.iter().filter(|(name, _)| name.starts_with(&prefix));
        let (topics, next_page_token) = page(all, request.page_size, &request.page_token)?;
        Ok(ListTopicsResponse { topics: topics.into_iter().cloned().collect(), next_page_token })
    }

    pub(super) fn list_topic_subscriptions(
        &self,
        request: &ListTopicSubscriptionsRequest,
    ) -> Result<ListTopicSubscriptionsResponse, Status> {
        let state = lock(&self.state);
        if !state.topics.contains_key(&request.topic) {
            return Err(not_found(&request.topic));
        }
        let of_topic = |it: &&Arc<Queue>| it.is_of(&request.topic);
        let all = state.subscriptions.values().filter(of_topic).map(|it| it.resource().name);
        let all: Vec<_> = all.collect();
        let (names, next_page_token) =
            page(all.iter().map(|name| (name, name)), request.page_size, &request.page_token)?;
        let subscriptions = names.into_iter().cloned().collect();
        Ok(ListTopicSubscriptionsResponse { subscriptions, next_page_token })
    }

    /// Its subscriptions stay, with what they have.
    pub(crate) fn delete_topic(&self, request: &DeleteTopicRequest) -> Result<(), Status> {
        Collection::Topics.parse(&request.topic)?;
        let mut state = lock(&self.state);
        state.topics.remove(&request.topic).ok_or_else(|| not_found(&request.topic))?;
        for subscription in state.subscriptions.values() {
            if subscription.is_of(&request.topic) {
                subscription.lose_topic(DELETED_TOPIC);
            }
        }
        Ok(())
    }

    pub(super) fn publish(&self, request: &PublishRequest) -> Result<PublishResponse, Status> {
        Collection::Topics.parse(&request.topic)?;
        let messages: Vec<_> = request.messages.iter().map(read).collect::<Result<_, _>>()?;
        Ok(PublishResponse { message_ids: self.publish_to(&request.topic, messages)? })
    }

    /// Publishes to the topic's subscriptions, and says the messages' ids.
    pub(crate) fn publish_to(
        &self,
        topic: &str,
        messages: Vec<Message>,
    ) -> Result<Vec<String>, Status> {
        if messages.is_empty() || messages.len() > MOST_MESSAGES {
            let text = format!("a request publishes 1 to {MOST_MESSAGES} messages");
            return Err(Status::invalid_argument(text));
        }
        let state = lock(&self.state);
        if !state.topics.contains_key(topic) {
            return Err(not_found(topic));
        }
        let listening = state.subscriptions.values().filter(|it| it.is_of(topic));
        let listening = listening.map(|it| Some((it, it.room(&messages)?)));
        let listening: Option<Vec<_>> = listening.collect();
        let listening = listening.ok_or_else(|| {
            Status::resource_exhausted("a subscription of this topic has too many messages that nobody takes; delete it, or have it push somewhere")
        })?;
        let publish = |message: Message| {
            let id = self.ids.next();
            for (queue, held) in &listening {
                queue.add(message.clone(), &id, Arc::clone(held));
            }
            id
        };
        Ok(messages.into_iter().map(publish).collect())
    }

    /// What became of a subscription's messages.
    pub(crate) fn deliveries(&self, name: &str) -> Option<Deliveries> {
        let name = self.full(Collection::Subscriptions, name);
        lock(&self.state).subscriptions.get(&name).map(|it| it.deliveries())
    }

    /// Ends all subscriptions' tasks.
    pub(crate) fn stop(&self) {
        lock(&self.state).subscriptions.clear();
    }
}

/// A message as publishers may send it.
fn read(message: &PubsubMessage) -> Result<Message, Status> {
    if message.data.is_empty() && message.attributes.is_empty() {
        let text = "One or more messages in the publish request is empty. Each message must contain either non-empty data, or at least one attribute.";
        return Err(Status::invalid_argument(text));
    }
    if !message.attributes.iter().all(is_attribute) || message.attributes.len() > MOST_ATTRIBUTES {
        let text = format!(
            "a message has up to {MOST_ATTRIBUTES} attributes, with names of 1 to 256 bytes that do not begin with goog, and values of up to 1024 bytes"
        );
        return Err(Status::invalid_argument(text));
    }
    Ok(Message {
        data: message.data.clone(),
        attributes: message.attributes.clone().into_iter().collect(),
        ordering_key: message.ordering_key.clone(),
    })
}

fn is_attribute((name, value): (&String, &String)) -> bool {
    (1..=256).contains(&name.len()) && value.len() <= 1024 && !name.starts_with("goog")
}

fn nothing_unknown(topic: &Topic) -> Result<(), Status> {
    let is_plain = topic.schema_settings.is_none()
        && topic.ingestion_data_source_settings.is_none()
        && topic.message_transforms.is_empty();
    match is_plain {
        true => Ok(()),
        false => Err(Status::unimplemented(
            "this emulator's topics have no schema, no ingestion and no transforms",
        )),
    }
}
