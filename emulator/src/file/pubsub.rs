//! `pubsub`: topics and subscriptions.
//!
//! ```yaml
//! pubsub:
//!   topics: [orders, orders-dead]
//!   subscriptions:
//!     - name: orders-push
//!       topic: orders
//!       endpoint: https://orders-123456789012.us-central1.run.app/push
//!       service_account: pusher@demo-project.iam.gserviceaccount.com
//!       dead_letter: { topic: orders-dead, max_attempts: 5 }
//! ```

use std::time::Duration;

use remint_idtoken::config::{Object, Reader};

use super::values::{audience, email, endpoint, list, resource, topic};
use crate::config::{DeadLetter, Pubsub, Subscription, Wrapping};
use crate::pubsub::Collection;

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// Reads the section.
pub(super) fn read(from: &Reader<'_>) -> Option<Pubsub> {
    let mut object = from.object()?;
    let topics = object.maybe("topics", |it| list(it, topic));
    let subscriptions = object.maybe("subscriptions", |it| list(it, subscription));
    object.finish();
    Some(Pubsub {
        topics: topics?.unwrap_or_default(),
        subscriptions: subscriptions?.unwrap_or_default(),
    })
}

fn subscription(from: &Reader<'_>) -> Option<Subscription> {
    let mut object = from.object()?;
    let name = object.need("name").and_then(|it| resource(&it, Collection::Subscriptions));
    let topic = object.need("topic").and_then(|it| topic(&it));
    let endpoint = object.maybe("endpoint", endpoint::pushed_to);
    let service_account = object.maybe("service_account", email);
    let audience = object.maybe("audience", audience);
    let ack_deadline = object.maybe("ack_deadline", |it| within(it, 10, 10 * MINUTE));
    let min_backoff = object.maybe("min_backoff", |it| within(it, 0, 10 * MINUTE));
    let max_backoff = object.maybe("max_backoff", |it| within(it, 0, 10 * MINUTE));
    let wrapping = wrapping(&mut object);
    let dead_letter = object.maybe("dead_letter", dead_letter);
    let retention = object.maybe("retention", |it| within(it, 10 * MINUTE, 31 * DAY));
    let ordered = object.maybe("ordered", Reader::flag);
    let reader = object.reader().clone();
    object.finish();
    let usual = Subscription::new(name?, topic?);
    let read = Subscription {
        endpoint: endpoint?,
        service_account: service_account?,
        audience: audience?,
        ack_deadline: ack_deadline?.unwrap_or(usual.ack_deadline),
        min_backoff: min_backoff?,
        max_backoff: max_backoff?,
        wrapping: wrapping?,
        dead_letter: dead_letter?,
        retention: retention?.unwrap_or(usual.retention),
        ordered: ordered?.unwrap_or(usual.ordered),
        ..usual
    };
    check(&reader, &read);
    Some(read)
}

fn check(from: &Reader<'_>, read: &Subscription) {
    if read.audience.is_some() && read.service_account.is_none() {
        from.problem("an \"audience\" without a \"service_account\" has no token to stand in");
    }
    if read.service_account.is_some() && read.endpoint.is_none() {
        from.problem("a \"service_account\" without an \"endpoint\" pushes nothing");
    }
    if read.min_backoff.is_some() || read.max_backoff.is_some() {
        let [min, max] = [(read.min_backoff, 10), (read.max_backoff, 10 * MINUTE)]
            .map(|(given, usual)| given.unwrap_or(Duration::from_secs(usual)));
        if min > max {
            from.problem("min_backoff, 10s by default, is above max_backoff");
        }
    }
}

/// `wrapped` (which is usual), `unwrapped`, or `unwrapped_with_metadata`.
fn wrapping(object: &mut Object<'_>) -> Option<Wrapping> {
    let choices = [
        ("wrapped", Wrapping::Wrapped),
        ("unwrapped", Wrapping::Unwrapped { write_metadata: false }),
        ("unwrapped_with_metadata", Wrapping::Unwrapped { write_metadata: true }),
    ];
    let choice = object.maybe("wrapping", |it| it.choice(&choices))?;
    Some(choice.unwrap_or_default())
}

fn dead_letter(from: &Reader<'_>) -> Option<DeadLetter> {
    let mut object = from.object()?;
    let topic = object.need("topic").and_then(|it| topic(&it));
    let attempts = object.maybe("max_attempts", |it| it.whole_within(5, 100));
    object.finish();
    let max_attempts = attempts?.and_then(|it| u16::try_from(it).ok()).unwrap_or(5);
    Some(DeadLetter { topic: topic?, max_attempts })
}

fn within(from: &Reader<'_>, least: u64, most: u64) -> Option<Duration> {
    from.duration_within(Duration::from_secs(least), Duration::from_secs(most))
}

#[cfg(test)]
mod tests {
    use super::super::tests::section;
    use super::*;

    fn read_text(text: &str) -> Result<Pubsub, Vec<String>> {
        section(text, read)
    }

    #[test]
    fn everything_can_be_said() {
        let read = read_text(
            "topics: [orders, dead]\n\
             subscriptions:\n\
             - name: push\n\
             \x20 topic: orders\n\
             \x20 endpoint: https://a.example/\n\
             \x20 service_account: a@b\n\
             \x20 audience: c\n\
             \x20 ack_deadline: 20s\n\
             \x20 min_backoff: 1s\n\
             \x20 max_backoff: 2s\n\
             \x20 wrapping: unwrapped_with_metadata\n\
             \x20 dead_letter: { topic: dead, max_attempts: 7 }\n\
             \x20 retention: 1h\n\
             \x20 ordered: true\n\
             - { name: pull, topic: orders }\n",
        );
        let push = Subscription {
            audience: Some("c".into()),
            ack_deadline: Duration::from_secs(20),
            min_backoff: Some(Duration::from_secs(1)),
            max_backoff: Some(Duration::from_secs(2)),
            wrapping: Wrapping::Unwrapped { write_metadata: true },
            dead_letter: Some(DeadLetter { topic: "dead".into(), max_attempts: 7 }),
            retention: Duration::from_secs(3600),
            ordered: true,
            ..Subscription::new("push", "orders").pushing("https://a.example/", "a@b")
        };
        let expected = Pubsub {
            topics: vec!["orders".into(), "dead".into()],
            subscriptions: vec![push, Subscription::new("pull", "orders")],
        };
        assert_eq!(read.unwrap(), expected);
    }

    #[test]
    fn mistakes_are_all_found() {
        let found = read_text(
            "topics: [a, a]\n\
             subscriptions:\n\
             - { name: s, ack_deadline: 1s, wrapping: paper, audience: x }\n\
             - { name: t, topic: a, service_account: b, dead_letter: { topic: d, max_attempts: 4 } }\n",
        );
        let found = found.unwrap_err().join("\n");
        for part in ["\"topic\" is missing", "ack_deadline", "paper", "max_attempts"] {
            assert!(found.contains(part), "{part}: {found}");
        }
    }

    #[test]
    fn what_has_no_effect_is_a_mistake() {
        let found = read_text(
            "topics: [abc]\n\
             subscriptions:\n\
             - { name: abc, topic: abc, audience: x }\n\
             - { name: abc, topic: abc, service_account: a@b }\n\
             - { name: abc, topic: abc, min_backoff: 3s, max_backoff: 2s }\n",
        );
        let found = found.unwrap_err().join("\n");
        for part in ["audience", "pushes nothing", "is above max_backoff"] {
            assert!(found.contains(part), "{part}: {found}");
        }
    }
}
