//! Which headers of callers never reach a region, whatever a rule says.
//!
//! A publisher of Pub/Sub chooses names too: the attributes of an unwrapped
//! message become headers of the push. So a name is looked at in every
//! spelling: frameworks that put headers into variables can't tell `_` from `-`.

use http::HeaderMap;
use http::header::USER_AGENT;
use remint_idtoken::{is_identity_header, is_same_header};

/// What only proxies say, or what only concerns them.
const OF_PROXIES: [&str; 10] = [
    "connection",
    // Says what the X-Forwarded headers say (RFC 7239), and anybody outside
    // can write it. A region must not have to choose whom to believe.
    "forwarded",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    // It was met by this gateway's own server.
    "expect",
];

/// What some frameworks take for another host, path or method than that of the
/// request. Rules are matched by the request's own.
const OTHER_TARGETS: [&str; 10] = [
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
];

/// Headers that the gateway or its server vouches for, as they are spelt. In
/// another spelling they are somebody else's.
const VOUCHED_FOR: [&str; 6] = [
    "content-length",
    "x-cloud-trace-context",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];

/// What proxies say of the hops before them, the caller's certificate included.
const FORWARDED: &str = "x-forwarded-";
/// App Engine's own word of users and queues, which it strips from outside.
const APP_ENGINE: &str = "x-appengine-";
/// The marks of Cloud Tasks and Cloud Scheduler.
const QUEUES: [&str; 2] = ["x-cloudtasks-", "x-cloudscheduler"];
const PUBSUB: &str = "x-goog-pubsub-";
const PUBSUB_AGENTS: [&[u8]; 2] = [b"APIs-Google", b"CloudPubSub-Google"];

/// Whether a header, its name in lower case, is none of a caller's business.
pub(super) fn is_untold(name: &str) -> bool {
    if VOUCHED_FOR.contains(&name) {
        return false;
    }
    let is_one_of = |names: &[&str]| names.iter().any(|it| is_same_header(name, it));
    is_identity_header(name)
        || starts_with(name, FORWARDED)
        || starts_with(name, APP_ENGINE)
        || is_one_of(&OF_PROXIES)
        || is_one_of(&OTHER_TARGETS)
        || is_one_of(&VOUCHED_FOR)
}

/// Whether a header is a mark of Cloud Tasks or Cloud Scheduler.
pub(super) fn is_mark_of_queues(name: &str) -> bool {
    QUEUES.iter().any(|mark| starts_with(name, mark))
}

/// Whether the request looks like a push of Pub/Sub's, which bears no other
/// sender's marks: if it does, they are its publisher's.
pub(super) fn is_push(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).map_or(&b""[..], |agent| agent.as_bytes());
    PUBSUB_AGENTS.iter().any(|mark| agent.starts_with(mark))
        || headers.keys().any(|name| starts_with(name.as_str(), PUBSUB))
}

fn starts_with(name: &str, start: &str) -> bool {
    name.get(..start.len()).is_some_and(|head| is_same_header(head, start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn what_a_publisher_may_not_say_is_told_in_every_spelling() {
        for name in [
            "transfer-encoding",
            "transfer_encoding",
            "proxy_authorization",
            "keep_alive",
            "forwarded",
            "x-forwarded-client-cert",
            "x_forwarded_for",
            "x-forwarded_proto",
            "x_host",
            "x-original-url",
            "x-http-method-override",
            "x_request_id",
            "content_length",
            "x-appengine-user-email",
            "x-serverless_authorization",
            "x-goog-authenticated-user-email",
            "x_goog_authenticated_user_id",
            "x-goog-iap-jwt-assertion",
            "x-remint-assertion",
            "x_remint_assertion",
        ] {
            assert!(is_untold(name), "{name}");
        }
    }

    #[test]
    fn what_applications_say_passes() {
        for name in [
            "authorization",
            "content-length",
            "x-forwarded-for",
            "x-request-id",
            "x-cloud-trace-context",
            "x-goog-pubsub-message-id",
            "x-cloudtasks-queuename",
            "ce-type",
            "my_attribute",
            "x",
        ] {
            assert!(!is_untold(name), "{name}");
        }
    }

    #[test]
    fn a_push_is_told_by_its_agent_or_its_headers() {
        let of = |name: &'static str, value| {
            is_push(&HeaderMap::from_iter([(
                http::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )]))
        };
        assert!(of("user-agent", "APIs-Google; (+https://developers.google.com/x)"));
        assert!(of("x-goog-pubsub-subscription-name", "projects/p/subscriptions/s"));
        assert!(!of("user-agent", "Google-Cloud-Tasks"));
        assert!(
            is_mark_of_queues("x-cloudscheduler") && is_mark_of_queues("x_cloudtasks_taskname")
        );
        assert!(!is_mark_of_queues("x-cloud-trace-context"));
    }
}
