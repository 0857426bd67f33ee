//! What subscriptions deliver.

use super::*;

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
