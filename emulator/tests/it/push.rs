//! Pub/Sub push: what it sends, what it takes for an answer, when it retries.

use std::sync::atomic::Ordering;
use std::time::Duration;

use remint_emulator::pubsub::Attempt;
use remint_emulator::{Message, PushSubscription};
use serde_json::Value;

use crate::support::{PUSHER, World, flaky};

fn subscription(endpoint: &str) -> PushSubscription {
    PushSubscription {
        min_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(4),
        ..PushSubscription::new("orders-push", endpoint.parse().unwrap(), PUSHER)
    }
}

fn messages(count: usize) -> impl Iterator<Item = Message> {
    (0..count).map(|number| Message::new(number.to_string()))
}

fn statuses(attempts: &[Attempt]) -> Vec<Option<u16>> {
    attempts.iter().map(Attempt::status).collect()
}

#[tokio::test]
async fn a_push_to_the_right_audience_is_delivered_at_once() {
    let world = World::start().await;
    let push =
        PushSubscription { connect_to: Some(world.us().addr()), ..subscription(world.us().url()) };
    let report = world.emulator.push(&push, messages(40)).await;
    assert!(report.all_delivered(), "{report:?}");
    assert_eq!(report.statuses(), [(200, 40)].into());
    let ids: Vec<_> = report.deliveries.iter().map(|it| &it.message_id).collect();
    assert!(ids.is_sorted() && ids.len() == 40);
    assert_eq!(world.emulator.timeline().accepted("us-central1"), 40);
}

#[tokio::test]
async fn the_audience_is_the_endpoint_letter_by_letter_unless_it_is_set() {
    let world = World::start().await;
    let mut push = PushSubscription {
        connect_to: Some(world.us().addr()),
        give_up_after: Some(1),
        ..subscription("https://LB.example.com/push?a=b")
    };
    let report = world.emulator.push(&push, messages(1)).await;
    assert_eq!(report.first_statuses(), [(401, 1)].into());
    let call = world.emulator.timeline().calls().pop().unwrap();
    assert_eq!(call.audience.as_deref(), Some("https://LB.example.com/push?a=b"));
    assert_eq!(call.caller.as_deref(), Some(PUSHER));
    push.audience = Some(world.us().url().to_owned());
    let report = world.emulator.push(&push, messages(1)).await;
    assert!(report.all_delivered());
}

#[tokio::test]
async fn a_failure_is_retried_until_it_is_acknowledged() {
    let world = World::start().await;
    for keep_alive in [true, false] {
        let (addr, asked) = flaky(&[503, 429, 206, 301], keep_alive).await;
        let push = subscription(&format!("http://{addr}/push"));
        let report = world.emulator.push(&push, messages(1)).await;
        assert!(report.all_delivered());
        assert_eq!(statuses(&report.deliveries[0].attempts), [503, 429, 206, 301, 200].map(Some));
        assert_eq!(asked.load(Ordering::Relaxed), 5);
    }
}

#[tokio::test]
async fn it_gives_up_after_the_last_attempt() {
    let world = World::start().await;
    let push = PushSubscription {
        connect_to: Some(world.us().addr()),
        audience: Some(world.us().url().to_owned()),
        give_up_after: Some(3),
        ..subscription("https://lb.example.com/status/503")
    };
    let report = world.emulator.push(&push, messages(2)).await;
    assert_eq!((report.delivered(), report.all_delivered()), (0, false));
    assert_eq!(report.statuses(), [(503, 6)].into());
}

#[tokio::test]
async fn an_endpoint_that_is_gone_or_slow_is_a_failure_without_status() {
    let world = World::start().await;
    let mut push = PushSubscription {
        connect_to: Some(world.us().addr()),
        audience: Some(world.us().url().to_owned()),
        ack_deadline: Duration::from_millis(100),
        give_up_after: Some(1),
        ..subscription("https://lb.example.com/delay/60000")
    };
    let slow = world.emulator.push(&push, messages(1)).await;
    world.us().stop().await;
    let gone = world.emulator.push(&push, messages(1)).await;
    push.connect_to = None;
    let unreachable = world.emulator.push(&push, messages(1)).await;
    for (report, why) in
        [(slow, "deadline"), (gone, "no connection"), (unreachable, "neither a host")]
    {
        assert_eq!(report.statuses(), [(0, 1)].into());
        let attempt = report.deliveries[0].attempts[0].to_string();
        assert!(attempt.contains(why), "{attempt}");
    }
}

#[tokio::test]
async fn a_region_that_comes_back_gets_what_was_not_delivered() {
    let world = World::start().await;
    let us = world.us();
    let push = PushSubscription { connect_to: Some(us.addr()), ..subscription(us.url()) };
    us.stop().await;
    let (report, ()) = tokio::join!(world.emulator.push(&push, messages(3)), async {
        us.start().await.unwrap();
    });
    assert!(report.all_delivered());
}

#[tokio::test]
async fn the_request_is_pub_sub_s() {
    let world = World::start().await;
    let mut push = PushSubscription {
        connect_to: Some(world.us().addr()),
        audience: Some(world.us().url().to_owned()),
        ..subscription("https://lb.example.com/push")
    };
    let heard = |push: PushSubscription| {
        let world = &world;
        async move { heard(world, push).await }
    };
    let wrapped = heard(push.clone()).await;
    assert!(wrapped.starts_with("POST /push HTTP/1.1\r\n"), "{wrapped}");
    for line in [
        "host: lb.example.com",
        "user-agent: CloudPubSub-Google",
        "from: noreply@google.com",
        "content-type: application/json",
    ] {
        assert!(wrapped.contains(&format!("{line}\r\n")), "{wrapped}");
    }
    assert!(wrapped.contains("authorization: Bearer ey"));
    let body: Value = serde_json::from_str(wrapped.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body["message"]["data"], "aGk=");
    assert_eq!(body["subscription"], "projects/demo-project/subscriptions/orders-push");
    push.wrapped = false;
    let unwrapped = heard(push).await;
    assert!(unwrapped.contains("x-goog-pubsub-subscription-name: projects/"));
    assert!(unwrapped.contains("\r\nk: v\r\n") && unwrapped.ends_with("\r\n\r\nhi"));
    assert!(!unwrapped.contains("evil"), "attributes replace no header of Pub/Sub's own");
}

/// One push to a plain socket: every byte that it sends.
async fn heard(world: &World, mut push: PushSubscription) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    push.connect_to = Some(listener.local_addr().unwrap());
    let message = Message::new("hi").with("k", "v").with("from", "evil");
    let listening = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        while !(bytes.ends_with(b"}") || bytes.ends_with(b"\r\n\r\nhi")) {
            assert!(stream.read_buf(&mut bytes).await.unwrap() > 0);
        }
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let (report, heard) = tokio::join!(world.emulator.push(&push, [message]), listening);
    assert!(report.all_delivered());
    heard
}
