//! Pub/Sub's topics and subscriptions: their API, gRPC and REST, and what they
//! deliver.

mod delivery;
mod rest;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::publisher_client::PublisherClient;
use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::push_config::{
    AuthenticationMethod, NoWrapper, OidcToken, Wrapper,
};
use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::subscriber_client::SubscriberClient;
use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
    DeadLetterPolicy, DeleteSubscriptionRequest, DeleteTopicRequest, GetSubscriptionRequest,
    GetTopicRequest, ListSubscriptionsRequest, ListTopicSubscriptionsRequest, ListTopicsRequest,
    ModifyPushConfigRequest, PublishRequest, PubsubMessage, PullRequest, PushConfig, RetryPolicy,
    Subscription, Topic, UpdateSubscriptionRequest,
};
use prost_types::FieldMask;
use remint_emulator::pubsub::{Counters, Deliveries};
use remint_emulator::timeline::{Part, Verdict};
use remint_emulator::{
    self as emulator, Agent, Config, DeadLetter, Emulator, Message, Pubsub, Wrapping,
};
use serde_json::json;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::sink::{Got, Sink};
use crate::support::{Call, NOW, PUSHER, World, get, post};

const DEADLINE: Duration = Duration::from_secs(20);
const TOPIC: &str = "projects/demo-project/topics/orders";
const DEAD: &str = "projects/demo-project/topics/orders-dead";
const SUBSCRIPTION: &str = "projects/demo-project/subscriptions/orders-push";

/// Both clients, and a topic to publish to.
struct Api {
    publisher: PublisherClient<Channel>,
    subscriber: SubscriberClient<Channel>,
}

impl Api {
    async fn of(addr: SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{addr}")).unwrap();
        let channel = endpoint.connect().await.unwrap();
        let mut api = Self {
            publisher: PublisherClient::new(channel.clone()),
            subscriber: SubscriberClient::new(channel),
        };
        api.create_topic(TOPIC).await;
        api
    }

    async fn create_topic(&mut self, name: &str) {
        let topic = Topic { name: name.into(), ..Topic::default() };
        let created = self.publisher.create_topic(topic).await.unwrap().into_inner();
        assert_eq!(created.name, name);
    }

    async fn subscribe(&mut self, subscription: Subscription) -> Subscription {
        self.subscriber.create_subscription(subscription).await.unwrap().into_inner()
    }

    async fn publish(&mut self, data: &str) -> String {
        self.publish_all(vec![message(data)]).await.remove(0)
    }

    async fn publish_all(&mut self, messages: Vec<PubsubMessage>) -> Vec<String> {
        let request = PublishRequest { topic: TOPIC.into(), messages };
        self.publisher.publish(request).await.unwrap().into_inner().message_ids
    }
}

fn message(data: &str) -> PubsubMessage {
    PubsubMessage { data: data.into(), ..PubsubMessage::default() }
}

fn push_config(endpoint: &str) -> PushConfig {
    let token = OidcToken { service_account_email: PUSHER.into(), audience: String::new() };
    PushConfig {
        push_endpoint: endpoint.into(),
        authentication_method: Some(AuthenticationMethod::OidcToken(token)),
        ..PushConfig::default()
    }
}

fn subscription(endpoint: &str) -> Subscription {
    Subscription {
        name: SUBSCRIPTION.into(),
        topic: TOPIC.into(),
        push_config: Some(push_config(endpoint)),
        ..Subscription::default()
    }
}

/// One that is tried again at once.
fn eager(endpoint: &str) -> Subscription {
    let millisecond = Some(prost_types::Duration { seconds: 0, nanos: 1_000_000 });
    let policy = RetryPolicy { minimum_backoff: millisecond, maximum_backoff: millisecond };
    Subscription { retry_policy: Some(policy), ..subscription(endpoint) }
}

async fn wait(deliveries: &mut Deliveries, like: impl Fn(&Counters) -> bool) -> Option<Counters> {
    tokio::time::timeout(DEADLINE, deliveries.wait_for(like)).await.expect("in time")
}

fn bodies(got: &[Got]) -> Vec<String> {
    got.iter().map(|it| String::from_utf8(it.body.to_vec()).unwrap()).collect()
}

async fn world() -> (World, Api) {
    let world = World::start().await;
    let api = Api::of(world.emulator.google_addr()).await;
    (world, api)
}

/// The counters of the usual subscription.
fn count(world: &World) -> Deliveries {
    world.emulator.subscription("orders-push").unwrap()
}

#[tokio::test]
async fn names_that_are_taken_missing_or_wrong_are_told_as_by_google() {
    let (world, mut api) = world().await;
    let topic = Topic { name: TOPIC.into(), ..Topic::default() };
    let error = api.publisher.create_topic(topic).await.unwrap_err();
    assert_eq!(error.code(), Code::AlreadyExists);
    assert_eq!(error.message(), "Resource already exists in the project (resource=orders).");
    let request = GetTopicRequest { topic: DEAD.into() };
    let error = api.publisher.get_topic(request).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert_eq!(error.message(), "Resource not found (resource=orders-dead).");
    let topic = Topic { name: "orders".into(), ..Topic::default() };
    assert_eq!(api.publisher.create_topic(topic).await.unwrap_err().code(), Code::InvalidArgument);
    let elsewhere = Subscription { topic: DEAD.into(), ..subscription(world.us().url()) };
    let error = api.subscriber.create_subscription(elsewhere).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    api.subscribe(subscription(world.us().url())).await;
    let again = subscription(world.us().url());
    let error = api.subscriber.create_subscription(again).await.unwrap_err();
    assert_eq!(error.code(), Code::AlreadyExists);
    let attributes = HashMap::from([("googly".to_owned(), "v".to_owned())]);
    let reserved = PubsubMessage { attributes, ..message("hi") };
    for messages in [vec![], vec![message("")], vec![message("hi"), reserved]] {
        let request = PublishRequest { topic: TOPIC.into(), messages };
        let error = api.publisher.publish(request).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn settings_out_of_bounds_are_refused_and_so_is_plain_http_elsewhere() {
    let (_world, mut api) = world().await;
    let usual = || subscription("http://127.0.0.1:1/");
    let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let dead = |attempts| DeadLetterPolicy {
        dead_letter_topic: TOPIC.into(),
        max_delivery_attempts: attempts,
    };
    let policy = |least, most| RetryPolicy {
        minimum_backoff: seconds(least),
        maximum_backoff: seconds(most),
    };
    let elsewhere = DeadLetterPolicy { dead_letter_topic: DEAD.into(), max_delivery_attempts: 5 };
    let refused = [
        (subscription("http://a.example/"), Code::InvalidArgument),
        (subscription("not a url"), Code::InvalidArgument),
        (Subscription { ack_deadline_seconds: 9, ..usual() }, Code::InvalidArgument),
        (Subscription { ack_deadline_seconds: 601, ..usual() }, Code::InvalidArgument),
        (
            Subscription { message_retention_duration: seconds(599), ..usual() },
            Code::InvalidArgument,
        ),
        (Subscription { retry_policy: Some(policy(1, 601)), ..usual() }, Code::InvalidArgument),
        (Subscription { retry_policy: Some(policy(9, 8)), ..usual() }, Code::InvalidArgument),
        (Subscription { dead_letter_policy: Some(dead(4)), ..usual() }, Code::InvalidArgument),
        (Subscription { dead_letter_policy: Some(dead(101)), ..usual() }, Code::InvalidArgument),
        (Subscription { dead_letter_policy: Some(elsewhere), ..usual() }, Code::NotFound),
        (Subscription { filter: "attributes:a".into(), ..usual() }, Code::Unimplemented),
    ];
    for (subscription, code) in refused {
        let shown = format!("{subscription:?}");
        let error = api.subscriber.create_subscription(subscription).await.unwrap_err();
        assert_eq!(error.code(), code, "{shown}");
    }
    let mut unknown = usual();
    let attributes = HashMap::from([("x-goog-version".to_owned(), "v9".to_owned())]);
    unknown.push_config.as_mut().unwrap().attributes = attributes;
    let error = api.subscriber.create_subscription(unknown).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    api.subscribe(usual()).await;
}

#[tokio::test]
async fn what_is_left_out_is_filled_in_and_pulling_is_unimplemented() {
    let (world, mut api) = world().await;
    let dead = DeadLetterPolicy { dead_letter_topic: TOPIC.into(), max_delivery_attempts: 0 };
    let created = api
        .subscribe(Subscription {
            retry_policy: Some(RetryPolicy::default()),
            dead_letter_policy: Some(dead),
            ..subscription(world.us().url())
        })
        .await;
    let seconds = |it: Option<prost_types::Duration>| it.unwrap().seconds;
    assert_eq!(created.ack_deadline_seconds, 10);
    assert_eq!(seconds(created.message_retention_duration), 7 * 24 * 3600);
    let policy = created.retry_policy.unwrap();
    let waits = (seconds(policy.minimum_backoff), seconds(policy.maximum_backoff));
    assert_eq!(waits, (10, 600));
    assert_eq!(created.dead_letter_policy.unwrap().max_delivery_attempts, 5);
    assert_eq!(created.push_config.unwrap().attributes["x-goog-version"], "v1");
    let pull = PullRequest {
        subscription: SUBSCRIPTION.into(),
        max_messages: 1,
        ..PullRequest::default()
    };
    let error = api.subscriber.pull(pull).await.unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    assert!(error.message().contains("only pushes"));
}

#[tokio::test]
async fn lists_come_in_pages_and_of_one_project() {
    let (_world, mut api) = world().await;
    for name in ["a", "b"] {
        api.create_topic(&format!("projects/demo-project/topics/topic-{name}")).await;
        let name = format!("projects/demo-project/subscriptions/sub-{name}");
        let pull = Subscription { name, topic: TOPIC.into(), ..Subscription::default() };
        api.subscribe(pull).await;
    }
    api.create_topic("projects/other/topics/topic-a").await;
    let mut request = ListTopicsRequest {
        project: "projects/demo-project".into(),
        page_size: 2,
        ..ListTopicsRequest::default()
    };
    let first = api.publisher.list_topics(request.clone()).await.unwrap().into_inner();
    request.page_token = first.next_page_token;
    let second = api.publisher.list_topics(request).await.unwrap().into_inner();
    let names: Vec<_> = first.topics.iter().chain(&second.topics).map(|it| &it.name).collect();
    assert_eq!(names.len(), 3);
    assert!(names.is_sorted() && second.next_page_token.is_empty());
    let project = "projects/demo-project".into();
    let request = ListSubscriptionsRequest { project, ..ListSubscriptionsRequest::default() };
    let found = api.subscriber.list_subscriptions(request).await.unwrap().into_inner();
    assert_eq!(found.subscriptions.len(), 2);
    let topic = TOPIC.into();
    let request =
        ListTopicSubscriptionsRequest { topic, ..ListTopicSubscriptionsRequest::default() };
    let found = api.publisher.list_topic_subscriptions(request).await.unwrap().into_inner();
    assert_eq!(found.subscriptions[0], "projects/demo-project/subscriptions/sub-a");
}

#[tokio::test]
async fn an_update_changes_what_its_mask_names_alone() {
    let (world, mut api) = world().await;
    api.subscribe(subscription(world.us().url())).await;
    let sink = Sink::start(&[]).await;
    let labels = HashMap::from([("k".to_owned(), "v".to_owned())]);
    let new = Subscription {
        ack_deadline_seconds: 30,
        labels: labels.clone(),
        ..subscription(&sink.url())
    };
    let mut request = UpdateSubscriptionRequest {
        subscription: Some(new),
        update_mask: Some(FieldMask { paths: vec!["push_config".into(), "labels".into()] }),
    };
    let updated = api.subscriber.update_subscription(request.clone()).await.unwrap().into_inner();
    assert_eq!((updated.ack_deadline_seconds, &updated.labels), (10, &labels));
    api.publish("hi").await;
    sink.wait(1).await;
    for paths in [vec![], vec!["topic".into()]] {
        request.update_mask = Some(FieldMask { paths });
        let error = api.subscriber.update_subscription(request.clone()).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
    }
    request.update_mask = Some(FieldMask { paths: vec!["ack_deadline_seconds".into()] });
    request.subscription.as_mut().unwrap().ack_deadline_seconds = 5;
    let error = api.subscriber.update_subscription(request).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    let request = GetSubscriptionRequest { subscription: SUBSCRIPTION.into() };
    let kept = api.subscriber.get_subscription(request).await.unwrap().into_inner();
    assert_eq!(kept, updated, "a refused update changes nothing");
}
