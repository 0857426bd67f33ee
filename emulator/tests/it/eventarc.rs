//! Eventarc: triggers, and the events that they send.

use remint_emulator::timeline::Verdict;
use remint_emulator::{Agent, Backend, Destination, Protocol, Trigger};
use serde_json::{Value, json};

use crate::sink::Sink;
use crate::support::{PUSHER, World, get, post};

const TRIGGERS: &str = "/v1/projects/demo-project/locations/us-central1/triggers";
const FINALIZED: &str = "google.cloud.storage.object.v1.finalized";
const PUBLISHED: &str = "google.cloud.pubsub.topic.v1.messagePublished";

/// A world whose containers are that server.
async fn world(sink: &Sink) -> World {
    let backend = Backend::Address { addr: sink.addr, protocol: Protocol::Http1 };
    World::with(|config| {
        config.services[0].backend = backend;
        config.pubsub.topics = vec!["orders".into()];
    })
    .await
}

fn trigger(filters: &[(&str, &str)]) -> Value {
    let filter = |(name, value): &(&str, &str)| json!({ "attribute": name, "value": value });
    json!({
        "eventFilters": filters.iter().map(filter).collect::<Vec<_>>(),
        "serviceAccount": PUSHER,
        "destination": { "cloudRun": { "service": "orders", "region": "us-central1", "path": "/events" } },
    })
}

async fn create(world: &World, id: &str, body: &Value) -> Value {
    let path = format!("{TRIGGERS}?triggerId={id}");
    let made = post(&path, body.to_string()).send(world.emulator.google_addr()).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let operation = made.json();
    assert_eq!(operation["done"], true);
    operation["response"].clone()
}

fn event(bucket: &str) -> Value {
    json!({
        "specversion": "1.0",
        "id": "7",
        "source": format!("//storage.googleapis.com/projects/_/buckets/{bucket}"),
        "type": FINALIZED,
        "subject": "objects/a b",
        "time": "2026-09-21T14:13:20Z",
        "bucket": bucket,
        "data": { "name": "a b" },
    })
}

async fn publish(world: &World, event: &Value) -> Value {
    let call = post("/emulator/eventarc/publish", event.to_string());
    let call = call.header("content-type", "application/cloudevents+json");
    call.send(world.emulator.google_addr()).await.json()
}

#[tokio::test]
async fn a_published_message_comes_as_an_event_with_a_token_for_the_service() {
    let sink = Sink::start(&[]).await;
    let world = world(&sink).await;
    let mut body = trigger(&[("type", PUBLISHED)]);
    body["transport"] = json!({ "pubsub": { "topic": "projects/demo-project/topics/orders" } });
    let made = create(&world, "messages", &body).await;
    let id = world.emulator.publish("orders", "hi").unwrap();
    let got = sink.wait(1).await.remove(0);
    let target = got.head.uri.to_string();
    let mode = "CUSTOM_PUBSUB_projects%2Fdemo-project%2Ftopics%2Forders";
    assert_eq!(target, format!("/events?__GCP_CloudEventsMode={mode}"));
    for (name, value) in [
        ("ce-id", id.as_str()),
        ("ce-source", "//pubsub.googleapis.com/projects/demo-project/topics/orders"),
        ("ce-specversion", "1.0"),
        ("ce-type", PUBLISHED),
        ("ce-time", "2026-09-21T14:13:20Z"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(got.header(name), Some(value));
    }
    let body = got.json();
    assert_eq!(body["message"]["data"], "aGk=");
    assert_eq!(body["subscription"], made["transport"]["pubsub"]["subscription"]);
    let call = world.emulator.timeline().calls().pop().unwrap();
    assert_eq!(call.verdict, Verdict::Accepted);
    assert_eq!(call.audience.as_deref(), Some(world.us().url()), "without the path");
    assert_eq!(call.caller.as_deref(), Some(PUSHER));
}

#[tokio::test]
async fn a_direct_event_goes_to_the_triggers_whose_filters_it_passes() {
    let sink = Sink::start(&[]).await;
    let world = world(&sink).await;
    create(&world, "uploads", &trigger(&[("type", FINALIZED), ("bucket", "uploads")])).await;
    assert_eq!(publish(&world, &event("other")).await["triggers"], 0);
    assert_eq!(publish(&world, &event("uploads")).await["triggers"], 1);
    let got = sink.wait(1).await.remove(0);
    assert_eq!(got.head.uri, "/events?__GCP_CloudEventsMode=CE_PUBSUB_BINDING");
    for (name, value) in [
        ("ce-id", "7"),
        ("ce-source", "//storage.googleapis.com/projects/_/buckets/uploads"),
        ("ce-type", FINALIZED),
        ("ce-subject", "objects/a%20b"),
        ("ce-bucket", "uploads"),
        ("ce-specversion", "1.0"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(got.header(name), Some(value));
    }
    assert_eq!(got.json(), json!({ "name": "a b" }));
    let binary = post("/emulator/eventarc/publish", r#"{"name":"c"}"#)
        .header("ce-id", "8")
        .header("ce-specversion", "1.0")
        .header("ce-type", FINALIZED)
        .header("ce-source", "//storage.googleapis.com/projects/_/buckets/uploads")
        .header("ce-bucket", "uploads")
        .header("content-type", "application/json");
    binary.send(world.emulator.google_addr()).await;
    assert_eq!(sink.wait(2).await[1].header("ce-id"), Some("8"));
}

#[tokio::test]
async fn a_channel_s_events_go_to_its_triggers_alone() {
    let sink = Sink::start(&[]).await;
    let world = world(&sink).await;
    let channel = "projects/demo-project/locations/us-central1/channels/mine";
    let mut body = trigger(&[("type", "shop.order.placed")]);
    create(&world, "google", &body).await;
    body["channel"] = channel.into();
    create(&world, "mine", &body).await;
    let events = json!({ "events": [{
        "@type": "type.googleapis.com/io.cloudevents.v1.CloudEvent",
        "id": "1", "source": "//shop", "specVersion": "1.0", "type": "shop.order.placed",
        "attributes": { "datacontenttype": { "ceString": "application/json" } },
        "textData": "{\"order\":7}",
    }] });
    let path = format!("/v1/{channel}:publishEvents");
    let google = world.emulator.google_addr();
    assert_eq!(post(&path, events.to_string()).send(google).await.json(), json!({}));
    let got = sink.wait(1).await;
    assert_eq!(
        (got[0].json(), got[0].header("ce-type")),
        (json!({ "order": 7 }), Some("shop.order.placed"))
    );
    let of = |trigger| {
        let made = get(&format!("{TRIGGERS}/{trigger}"));
        async move { made.send(google).await.json()["transport"]["pubsub"]["subscription"].clone() }
    };
    let counters =
        |name: Value| world.emulator.subscription(name.as_str().unwrap()).unwrap().counters();
    assert_eq!(counters(of("google").await).published, 0);
    assert_eq!(counters(of("mine").await).published, 1);
}

#[tokio::test]
async fn pub_sub_s_agent_mints_for_eventarc_and_its_own_does_not_count() {
    let sink = Sink::start(&[]).await;
    let world = world(&sink).await;
    let made = create(&world, "uploads", &trigger(&[("type", FINALIZED)])).await;
    let subscription = made["transport"]["pubsub"]["subscription"].as_str().unwrap().to_owned();
    let google = world.emulator.google_addr();
    let resource = get(&format!("/v1/{subscription}")).send(google).await.json();
    let policy = json!({ "minimumBackoff": "10s", "maximumBackoff": "600s" });
    assert_eq!(
        (&resource["retryPolicy"], &resource["messageRetentionDuration"]),
        (&policy, &json!("86400s"))
    );
    // The trigger's subscription can be changed, as people do to retry sooner.
    let patch = json!({
        "subscription": { "retryPolicy": { "minimumBackoff": "0s", "maximumBackoff": "0.001s" } },
        "updateMask": "retryPolicy",
    });
    let patch = post(&format!("/v1/{subscription}"), patch.to_string()).method("PATCH");
    assert_eq!(patch.send(google).await.status, 200);
    world.emulator.set_agents(&[Agent::Eventarc]);
    publish(&world, &event("a")).await;
    let mut deliveries = world.emulator.subscription(&subscription).unwrap();
    deliveries.wait_for(|it| it.failed_attempts > 0).await.unwrap();
    let told = world.emulator.timeline().all().pop().unwrap();
    assert!(told.note.unwrap().contains("@gcp-sa-pubsub."));
    world.emulator.set_agents(&[Agent::PubSub]);
    let got = sink.wait(1).await.remove(0);
    assert_eq!(got.header("ce-id"), Some("7"), "an update leaves events as they are");
}

#[tokio::test]
async fn triggers_are_listed_shown_and_deleted_with_what_pub_sub_has_of_them() {
    let sink = Sink::start(&[]).await;
    let world = world(&sink).await;
    let google = world.emulator.google_addr();
    let made = create(&world, "uploads", &trigger(&[("type", FINALIZED)])).await;
    assert_eq!(made["name"], TRIGGERS.trim_start_matches("/v1/").to_owned() + "/uploads");
    let path = format!("{TRIGGERS}/uploads");
    let shown = get(&path).send(google).await.json();
    assert_eq!(shown["destination"]["cloudRun"]["path"], "/events");
    assert_eq!(shown["eventFilters"][0]["value"], FINALIZED);
    for list in [TRIGGERS.to_owned(), TRIGGERS.replace("us-central1", "-")] {
        assert_eq!(get(&list).send(google).await.json()["triggers"], json!([shown]));
    }
    let elsewhere = TRIGGERS.replace("us-central1", "us-east1");
    assert_eq!(get(&elsewhere).send(google).await.json()["triggers"], json!([]));
    let deleted = get(&path).method("DELETE").send(google).await.json();
    let operation = format!("/v1/{}", deleted["name"].as_str().unwrap());
    assert_eq!(get(&operation).send(google).await.json(), deleted);
    let transport = &shown["transport"]["pubsub"];
    for gone in [&shown["name"], &transport["topic"], &transport["subscription"]] {
        let path = format!("/v1/{}", gone.as_str().unwrap());
        assert_eq!(get(&path).send(google).await.status, 404, "{path}");
    }
    assert_eq!(publish(&world, &event("a")).await["triggers"], 0);
}

#[tokio::test]
async fn a_trigger_that_can_t_be_is_refused() {
    let sink = Sink::start(&[]).await;
    let world = world(&sink).await;
    let google = world.emulator.google_addr();
    let mut unknown = trigger(&[("type", FINALIZED)]);
    unknown["destination"]["cloudRun"]["service"] = "nobody".into();
    let mut topicless = trigger(&[("type", PUBLISHED)]);
    topicless["transport"] =
        json!({ "pubsub": { "topic": "projects/demo-project/topics/absent" } });
    let mut elsewhere = trigger(&[("type", FINALIZED)]);
    elsewhere["destination"] = json!({ "httpEndpoint": { "uri": "http://a.example/" } });
    for (id, body, status) in [
        ("a", trigger(&[("bucket", "b")]), 400),
        ("A", trigger(&[("type", FINALIZED)]), 400),
        ("a", unknown, 404),
        ("a", topicless, 404),
        ("a", elsewhere, 400),
        ("a", json!({ "nmae": "x" }), 400),
        ("a", trigger(&[("type", FINALIZED)]), 200),
        ("a", trigger(&[("type", FINALIZED)]), 409),
    ] {
        let path = format!("{TRIGGERS}?triggerId={id}");
        let answer = post(&path, body.to_string()).send(google).await;
        assert_eq!(answer.status, status, "{body} {}", answer.text);
    }
    let topics = get("/v1/projects/demo-project/topics").send(google).await.json();
    assert_eq!(topics["topics"].as_array().unwrap().len(), 2, "what was refused leaves nothing");
}

#[tokio::test]
async fn a_trigger_of_the_configuration_sends_to_any_url_as_the_compute_account() {
    let sink = Sink::start(&[]).await;
    let uri = sink.url();
    let world = World::with(|config| {
        config.eventarc = vec![Trigger {
            name: "uploads".into(),
            location: "us-central1".into(),
            filters: vec![("type".into(), FINALIZED.into())],
            service_account: None,
            destination: Destination::Http { uri: uri.clone() },
            topic: None,
            channel: None,
        }];
    })
    .await;
    publish(&world, &event("a")).await;
    let got = sink.wait(1).await.remove(0);
    assert_eq!(got.head.uri, "/push");
    assert!(got.header("authorization").unwrap().starts_with("Bearer ey"));
    let name = "eventarc-us-central1-uploads-sub-001";
    let mut deliveries = world.emulator.subscription(name).unwrap();
    deliveries.wait_for(|it| it.delivered == 1).await.unwrap();
    let sent = world.emulator.timeline().select(|it| it.audience.is_some());
    assert_eq!(sent[0].audience.as_deref(), Some(uri.as_str()));
    let account = "123456789012-compute@developer.gserviceaccount.com";
    assert_eq!(sent[0].caller.as_deref(), Some(account));
}
