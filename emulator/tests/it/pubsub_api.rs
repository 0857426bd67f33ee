//! Pub/Sub's topics and subscriptions: their API, gRPC and REST, and what they
//! deliver.

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
async fn what_is_published_reaches_a_private_service_with_a_token_for_the_endpoint() {
    let (world, mut api) = world().await;
    api.subscribe(subscription(world.us().url())).await;
    let id = api.publish("hi").await;
    let counters = wait(&mut count(&world), |it| it.delivered == 1).await.unwrap();
    assert_eq!((id.len(), counters.outstanding(), counters.failed_attempts), (16, 0, 0));
    let call = world.emulator.timeline().calls().pop().unwrap();
    assert_eq!(call.audience.as_deref(), Some(world.us().url()));
    assert_eq!(call.caller.as_deref(), Some(PUSHER));
    assert_eq!(call.verdict, Verdict::Accepted);
}

#[tokio::test]
async fn a_path_in_the_endpoint_is_in_the_default_audience_and_so_refused() {
    let (world, mut api) = world().await;
    let endpoint = format!("{}/push", world.us().url());
    api.subscribe(subscription(&endpoint)).await;
    api.publish("hi").await;
    wait(&mut count(&world), |it| it.failed_attempts > 0).await.unwrap();
    let call = world.emulator.timeline().calls().remove(0);
    assert_eq!(call.audience, Some(endpoint));
    assert!(matches!(call.verdict, Verdict::Refused { status: 401, .. }));
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

#[tokio::test]
async fn a_pull_subscription_keeps_its_messages_until_it_pushes_and_stops_when_told() {
    let (world, mut api) = world().await;
    let sink = Sink::start(&[]).await;
    api.publish("too early").await;
    let pull = Subscription { push_config: None, ..subscription("") };
    api.subscribe(pull).await;
    let ids = api.publish_all(vec![message("a"), message("b")]).await;
    assert_eq!(count(&world).counters().outstanding(), 2);
    let modify = |push_config| ModifyPushConfigRequest {
        subscription: SUBSCRIPTION.into(),
        push_config: Some(push_config),
    };
    let to_sink = modify(push_config(&sink.url()));
    api.subscriber.modify_push_config(to_sink.clone()).await.unwrap();
    let got = sink.wait(2).await;
    let mut seen: Vec<_> = got
        .iter()
        .map(|it| it.json()["message"]["messageId"].as_str().unwrap().to_owned())
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, ids);
    api.subscriber.modify_push_config(modify(PushConfig::default())).await.unwrap();
    api.publish("c").await;
    api.subscriber.modify_push_config(to_sink).await.unwrap();
    let counters = wait(&mut count(&world), |it| it.outstanding() == 0).await.unwrap();
    assert_eq!((counters.delivered, sink.count()), (3, 3));
}

#[tokio::test]
async fn only_five_statuses_acknowledge_and_all_else_is_tried_again() {
    let (world, mut api) = world().await;
    let sink = Sink::start(&[500, 404, 206, 302]).await;
    api.subscribe(eager(&sink.url())).await;
    api.publish("hi").await;
    let counters = wait(&mut count(&world), |it| it.delivered == 1).await.unwrap();
    assert_eq!((counters.failed_attempts, sink.count()), (4, 5));
    let got = sink.wait(5).await;
    assert!(got.iter().all(|it| it.body == got[0].body), "every attempt sends the same");
    assert_eq!(got[0].json().get("deliveryAttempt"), None);
}

#[tokio::test]
async fn a_message_that_nobody_takes_goes_to_the_dead_letter_topic() {
    let (world, mut api) = world().await;
    api.create_topic(DEAD).await;
    let (sink, dead) = (Sink::start(&[500; 5]).await, Sink::start(&[]).await);
    let policy = DeadLetterPolicy { dead_letter_topic: DEAD.into(), max_delivery_attempts: 5 };
    let policy = Some(policy);
    api.subscribe(Subscription { dead_letter_policy: policy, ..eager(&sink.url()) }).await;
    let name = "projects/demo-project/subscriptions/dead-push".into();
    api.subscribe(Subscription { name, topic: DEAD.into(), ..subscription(&dead.url()) }).await;
    let attributes = HashMap::from([("k".to_owned(), "v".to_owned())]);
    api.publish_all(vec![PubsubMessage { attributes, ..message("hi") }]).await;
    let body = dead.wait(1).await[0].json();
    let source = |name| format!("CloudPubSubDeadLetterSource{name}");
    assert_eq!(
        body["message"]["attributes"],
        json!({
            "k": "v",
            source("DeliveryCount"): "5",
            source("Subscription"): "orders-push",
            source("SubscriptionProject"): "demo-project",
            source("TopicPublishTime"): "2026-09-21T14:13:20.000+00:00",
        })
    );
    let attempts: Vec<_> =
        sink.wait(5).await.iter().map(|it| it.json()["deliveryAttempt"].clone()).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5].map(|it| json!(it)));
    let counters = wait(&mut count(&world), |it| it.outstanding() == 0).await.unwrap();
    assert_eq!((counters.dead_lettered, counters.delivered), (1, 0));
    let told = world.emulator.timeline().select(|it| it.verdict == Verdict::Accepted);
    assert!(told.iter().any(|it| it.note.as_ref().is_some_and(|note| note.contains(DEAD))));
}

#[tokio::test]
async fn a_message_is_dropped_when_it_has_been_kept_long_enough_and_the_timeline_says_so() {
    let (world, mut api) = world().await;
    let sink = Sink::start(&[500; 1000]).await;
    let retention = Some(prost_types::Duration { seconds: 600, nanos: 0 });
    let kept = Subscription { message_retention_duration: retention, ..eager(&sink.url()) };
    api.subscribe(kept).await;
    api.publish("hi").await;
    sink.wait(2).await;
    world.clock.set(NOW.plus(Duration::from_secs(600)));
    let counters = wait(&mut count(&world), |it| it.expired == 1).await.unwrap();
    assert_eq!(counters.outstanding(), 0);
    let told = world.emulator.timeline().all().pop().unwrap();
    assert_eq!((told.part, told.verdict), (Part::Sender(Agent::PubSub), Verdict::NotSent));
    assert!(told.note.unwrap().contains("600 s"));
}

#[tokio::test]
async fn nothing_is_sent_while_the_service_agent_may_not_mint_and_it_is_tried_again() {
    let (world, mut api) = world().await;
    api.create_topic(DEAD).await;
    world.emulator.set_agents(&[]);
    let sink = Sink::start(&[]).await;
    let policy = DeadLetterPolicy { dead_letter_topic: DEAD.into(), max_delivery_attempts: 5 };
    let policy = Some(policy);
    api.subscribe(Subscription { dead_letter_policy: policy, ..eager(&sink.url()) }).await;
    api.publish("hi").await;
    wait(&mut count(&world), |it| it.failed_attempts > 6).await.unwrap();
    assert_eq!(sink.count(), 0);
    let told = world.emulator.timeline().all().pop().unwrap();
    assert_eq!(told.verdict, Verdict::NotSent);
    assert!(told.note.unwrap().contains("sender_may_not_mint"));
    world.emulator.set_agents(&[Agent::PubSub]);
    let got = sink.wait(1).await;
    assert_eq!(got[0].json()["deliveryAttempt"], 1, "what is not sent is no delivery");
}

#[tokio::test]
async fn messages_of_one_ordering_key_go_one_after_the_other() {
    let (world, mut api) = world().await;
    let sink = Sink::start(&[500, 500]).await;
    let mut ordered = eager(&sink.url());
    ordered.enable_message_ordering = true;
    ordered.push_config.as_mut().unwrap().wrapper =
        Some(Wrapper::NoWrapper(NoWrapper { write_metadata: true }));
    api.subscribe(ordered).await;
    let in_order = |data| PubsubMessage { ordering_key: "o".into(), ..message(data) };
    api.publish_all(["a", "b", "c"].map(in_order).into()).await;
    let got = sink.wait(5).await;
    assert_eq!(bodies(&got), ["a", "a", "a", "b", "c"]);
    assert_eq!(got[0].header("x-goog-pubsub-ordering-key"), Some("o"));
    assert_eq!(got[0].header("x-goog-pubsub-subscription-name"), Some(SUBSCRIPTION));
    wait(&mut count(&world), |it| it.delivered == 3).await.unwrap();
}

#[tokio::test]
async fn an_unwrapped_message_without_metadata_is_its_payload_alone() {
    let (_world, mut api) = world().await;
    let sink = Sink::start(&[]).await;
    let mut bare = subscription(&sink.url());
    bare.push_config.as_mut().unwrap().wrapper = Some(Wrapper::NoWrapper(NoWrapper::default()));
    api.subscribe(bare).await;
    let attributes = HashMap::from([("k".to_owned(), "v".to_owned())]);
    api.publish_all(vec![PubsubMessage { attributes, ..message("hi") }]).await;
    let got = sink.wait(1).await.remove(0);
    assert_eq!((&got.body[..], got.header("k")), (&b"hi"[..], None));
    assert!(got.head.headers.keys().all(|name| !name.as_str().starts_with("x-goog-")));
}

#[tokio::test]
async fn a_subscription_ends_when_it_is_deleted_and_outlives_its_topic() {
    let (world, mut api) = world().await;
    let sink = Sink::start(&[500; 1000]).await;
    api.subscribe(eager(&sink.url())).await;
    api.publish("hi").await;
    sink.wait(1).await;
    let topic = TOPIC.to_owned();
    api.publisher.delete_topic(DeleteTopicRequest { topic }).await.unwrap();
    let subscription = SUBSCRIPTION.to_owned();
    let request = GetSubscriptionRequest { subscription: subscription.clone() };
    let kept = api.subscriber.get_subscription(request).await.unwrap().into_inner();
    assert_eq!(kept.topic, "_deleted-topic_");
    let so_far = sink.count();
    sink.wait(so_far + 1).await;
    let mut deliveries = count(&world);
    let request = DeleteSubscriptionRequest { subscription };
    api.subscriber.delete_subscription(request.clone()).await.unwrap();
    assert_eq!(wait(&mut deliveries, |it| it.delivered > 0).await, None, "its task has ended");
    let error = api.subscriber.delete_subscription(request).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert!(world.emulator.subscription("orders-push").is_none());
}

#[tokio::test]
async fn the_emulator_s_end_ends_all_pushes() {
    let (world, mut api) = world().await;
    let sink = Sink::start(&[500; 1000]).await;
    api.subscribe(eager(&sink.url())).await;
    api.publish("hi").await;
    sink.wait(1).await;
    let mut deliveries = count(&world);
    drop(world);
    assert_eq!(wait(&mut deliveries, |it| it.delivered > 0).await, None);
}

#[tokio::test]
async fn the_configuration_s_subscriptions_deliver_what_the_library_publishes() {
    let (sink, dead) = (Sink::start(&[500; 5]).await, Sink::start(&[]).await);
    let (url, dead_url) = (sink.url(), dead.url());
    let world = World::with(move |config| {
        let push = emulator::Subscription {
            min_backoff: Some(Duration::ZERO),
            max_backoff: Some(Duration::ZERO),
            wrapping: Wrapping::Unwrapped { write_metadata: true },
            dead_letter: Some(DeadLetter { topic: "dead".into(), max_attempts: 5 }),
            ..emulator::Subscription::new("push", "orders").pushing(url, PUSHER)
        };
        let dead = emulator::Subscription::new("dead-push", "dead").pushing(dead_url, PUSHER);
        let topics = vec!["orders".into(), "dead".into()];
        config.pubsub = Pubsub { topics, subscriptions: vec![push, dead] };
    })
    .await;
    let id = world.emulator.publish("orders", Message::new("hi").with("k", "v")).unwrap();
    let got = sink.wait(5).await;
    assert_eq!(got[4].header("x-goog-pubsub-message-id"), Some(id.as_str()));
    assert_eq!(got[4].header("k"), Some("v"));
    assert_eq!(dead.wait(1).await[0].json()["message"]["data"], "aGk=");
    let error = world.emulator.publish("absent", "hi").unwrap_err();
    assert_eq!(error.to_string(), "Resource not found (resource=absent).");
}

#[tokio::test]
async fn a_subscription_of_the_configuration_needs_its_topic() {
    let subscriptions = vec![emulator::Subscription::new("push", "orders")];
    let pubsub = Pubsub { subscriptions, ..Pubsub::default() };
    let started = Emulator::start(Config { pubsub, ..Config::demo() }).await;
    let error = started.err().unwrap().to_string();
    assert_eq!(error, "pubsub: Resource not found (resource=orders).");
}

fn put(path: &str, body: &serde_json::Value) -> Call {
    post(path, body.to_string()).method("PUT")
}

#[tokio::test]
async fn rest_does_what_grpc_does() {
    let (world, mut api) = world().await;
    let sink = Sink::start(&[]).await;
    let google = world.emulator.google_addr();
    let topic = "/v1/projects/demo-project/topics/by-rest";
    let made = put(topic, &json!({ "labels": { "k": "v" } })).send(google).await;
    assert_eq!(made.json()["name"], "projects/demo-project/topics/by-rest");
    let again = put(topic, &json!({})).send(google).await;
    assert_eq!(
        (again.status.as_u16(), &again.json()["error"]["status"]),
        (409, &json!("ALREADY_EXISTS"))
    );
    let subscription = "/v1/projects/demo-project/subscriptions/by-rest";
    let body = json!({
        "topic": "projects/demo-project/topics/by-rest",
        "pushConfig": { "pushEndpoint": sink.url(), "oidcToken": { "serviceAccountEmail": PUSHER } },
    });
    let made = put(subscription, &body).send(google).await;
    assert_eq!(
        (made.json()["state"].as_str(), &made.json()["ackDeadlineSeconds"]),
        (Some("ACTIVE"), &json!(10))
    );
    let messages = json!({ "messages": [{ "data": "aGk=", "attributes": { "a": "b" } }] });
    let published = post(&format!("{topic}:publish"), messages.to_string()).send(google).await;
    let got = sink.wait(1).await.remove(0).json();
    assert_eq!(got["message"]["messageId"], published.json()["messageIds"][0]);
    let patch = json!({
        "subscription": { "ackDeadlineSeconds": 20 }, "updateMask": "ackDeadlineSeconds",
    });
    let patched = post(subscription, patch.to_string()).method("PATCH").send(google).await;
    assert_eq!(patched.json()["ackDeadlineSeconds"], 20);
    let pull = json!({ "pushConfig": {} });
    let path = format!("{subscription}:modifyPushConfig");
    assert_eq!(post(&path, pull.to_string()).send(google).await.json(), json!({}));
    let request = GetSubscriptionRequest {
        subscription: "projects/demo-project/subscriptions/by-rest".into(),
    };
    let seen = api.subscriber.get_subscription(request).await.unwrap().into_inner();
    let endpoint = seen.push_config.unwrap().push_endpoint;
    assert_eq!((seen.ack_deadline_seconds, endpoint.as_str()), (20, ""));
    let listed = get("/v1/projects/demo-project/topics?pageSize=1").send(google).await.json();
    assert_eq!(listed["topics"][0]["name"], "projects/demo-project/topics/by-rest");
    assert_eq!(listed["nextPageToken"], "projects/demo-project/topics/by-rest");
    let listed = get("/v1/projects/demo-project/subscriptions").send(google).await.json();
    assert_eq!(listed["subscriptions"][0]["topic"], "projects/demo-project/topics/by-rest");
    let listed = get(&format!("{topic}/subscriptions")).send(google).await.json();
    assert_eq!(listed["subscriptions"], json!(["projects/demo-project/subscriptions/by-rest"]));
    for path in [subscription, topic] {
        assert_eq!(get(path).method("DELETE").send(google).await.json(), json!({}));
        let gone = get(path).send(google).await;
        assert_eq!((gone.status.as_u16(), &gone.json()["error"]["code"]), (404, &json!(404)));
    }
    let unknown = put(topic, &json!({ "nmae": "x" })).send(google).await;
    assert_eq!(unknown.status, 400);
    let pulled = post(&format!("{subscription}:pull"), "{}").send(google).await;
    assert_eq!(pulled.status, 501);
}
