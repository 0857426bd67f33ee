//! The same API as JSON over HTTP.

use super::*;

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
