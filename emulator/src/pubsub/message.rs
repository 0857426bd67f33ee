//! Messages, and the requests that carry them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ACCEPT, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, FROM, HOST, TE, TRANSFER_ENCODING, UPGRADE,
    USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use remint_idtoken::UnixTime;
use serde_json::{Map, Value, json};

/// The header of Pub/Sub push itself (Pub/Sub, "Payload unwrapping").
const PUB_SUB: &str = "CloudPubSub-Google";
/// That of events, as Cloud Run sees it (examples of the conformance tests of
/// Google's functions frameworks).
const EVENTS: &str = "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)";

/// A message, as a publisher hands it over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The payload.
    pub data: Vec<u8>,
    /// The attributes.
    pub attributes: BTreeMap<String, String>,
    /// What it must stay in order with; empty for nothing.
    pub ordering_key: String,
}

impl Message {
    /// A message with this payload.
    #[must_use]
    pub fn new(data: impl Into<Vec<u8>>) -> Self {
        Self { data: data.into(), ..Self::default() }
    }

    /// With an attribute.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// With an ordering key.
    #[must_use]
    pub fn in_order(mut self, key: impl Into<String>) -> Self {
        self.ordering_key = key.into();
        self
    }
}

impl From<&str> for Message {
    fn from(data: &str) -> Self {
        Self::new(data)
    }
}

/// How a message becomes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// JSON that wraps it.
    Wrapped,
    /// The payload alone, perhaps with attributes and metadata as headers.
    Unwrapped { write_metadata: bool },
    /// Eventarc's event that something was published: the same JSON, and what
    /// event it is in headers (Eventarc, "CloudEvents format - HTTP protocol
    /// binding").
    MessagePublished { topic: String },
    /// An event that the message carries: its attributes are headers, as in
    /// CloudEvents' HTTP protocol binding, section 3.1.
    Event,
}

/// A message that has been published to a subscription.
#[derive(Clone)]
pub(super) struct Published {
    pub(super) message: Message,
    pub(super) id: String,
    pub(super) at: UnixTime,
    /// `projects/PROJECT/subscriptions/NAME`.
    pub(super) subscription: String,
    /// Which attempt it is, if there is a dead-letter policy.
    pub(super) attempt: Option<u32>,
}

impl Published {
    /// The body and all headers but those of every request.
    pub(super) fn payload(&self, form: &Form) -> (Bytes, HeaderMap) {
        let (body, mut headers) = match form {
            Form::Wrapped => (self.wrapped().to_string().into(), headers([json_type()])),
            Form::Unwrapped { write_metadata: true } => (self.data(), self.as_headers()),
            Form::Unwrapped { write_metadata: false } => (self.data(), HeaderMap::new()),
            Form::MessagePublished { topic } => {
                (self.wrapped().to_string().into(), self.event_headers(topic))
            }
            Form::Event => (self.data(), self.carried()),
        };
        // What comes with every request, whatever attributes a message has.
        let agent = match form {
            Form::Wrapped | Form::Unwrapped { .. } => PUB_SUB,
            Form::MessagePublished { .. } | Form::Event => EVENTS,
        };
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        headers.insert(FROM, HeaderValue::from_static("noreply@google.com"));
        if agent == EVENTS {
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        }
        (body, headers)
    }

    fn data(&self) -> Bytes {
        self.message.data.clone().into()
    }

    /// Ids and times stand there twice: the older spelling was kept when the
    /// newer came. `deliveryAttempt` comes with a dead-letter policy alone,
    /// and what is empty is left out.
    fn wrapped(&self) -> Value {
        let (id, at) = (Value::from(self.id.as_str()), Value::from(self.at.to_string()));
        let mut message = Map::from_iter([
            ("messageId".to_owned(), id.clone()),
            ("message_id".to_owned(), id),
            ("publishTime".to_owned(), at.clone()),
            ("publish_time".to_owned(), at),
        ]);
        if !self.message.data.is_empty() {
            let data = STANDARD.encode(&self.message.data);
            message.insert("data".to_owned(), data.into());
        }
        if !self.message.attributes.is_empty() {
            message.insert("attributes".to_owned(), json!(self.message.attributes));
        }
        if !self.message.ordering_key.is_empty() {
            message.insert("orderingKey".to_owned(), json!(self.message.ordering_key));
        }
        match self.attempt {
            None => json!({ "message": message, "subscription": self.subscription }),
            Some(attempt) => json!({
                "deliveryAttempt": attempt,
                "message": message,
                "subscription": self.subscription,
            }),
        }
    }

    /// Publishers choose the names of attributes, and so of these headers.
    fn as_headers(&self) -> HeaderMap {
        let at = self.at.to_string();
        let key = &self.message.ordering_key;
        let own = [
            ("x-goog-pubsub-subscription-name", &self.subscription),
            ("x-goog-pubsub-message-id", &self.id),
            ("x-goog-pubsub-publish-time", &at),
        ];
        let key = (!key.is_empty()).then_some(("x-goog-pubsub-ordering-key", key));
        let attributes = self.message.attributes.iter();
        headers(attributes.map(|(name, value)| (name.as_str(), value)).chain(own).chain(key))
    }

    fn event_headers(&self, topic: &str) -> HeaderMap {
        let (source, at) = (format!("//pubsub.googleapis.com/{topic}"), self.at.to_string());
        headers([
            json_type(),
            ("ce-id", self.id.as_str()),
            ("ce-source", source.as_str()),
            ("ce-specversion", "1.0"),
            ("ce-type", MESSAGE_PUBLISHED),
            ("ce-time", at.as_str()),
        ])
    }

    /// Nothing but an event's attributes and the type of its data.
    fn carried(&self) -> HeaderMap {
        let attributes = self.message.attributes.iter();
        let own = attributes.filter_map(|(name, value)| match name.as_str() {
            "content-type" => Some((name.as_str(), value.clone())),
            name if name.starts_with("ce-") => Some((name, encoded(value))),
            _ => None,
        });
        headers(own)
    }
}

/// The type of the event that something was published.
pub(crate) const MESSAGE_PUBLISHED: &str = "google.cloud.pubsub.topic.v1.messagePublished";

fn json_type() -> (&'static str, &'static str) {
    (CONTENT_TYPE.as_str(), "application/json")
}

/// What frames a request or belongs to its connection, which is the client's
/// business alone.
const FRAMING: [HeaderName; 6] = [CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE];

/// Names and values that no header can have are left out, and so are names that
/// would break the request.
fn headers<N: AsRef<str>, V: AsRef<str>>(all: impl IntoIterator<Item = (N, V)>) -> HeaderMap {
    let parsed = all.into_iter().filter_map(|(name, value)| {
        let name = HeaderName::try_from(name.as_ref()).ok()?;
        if FRAMING.contains(&name) {
            return None;
        }
        Some((name, HeaderValue::from_str(value.as_ref()).ok()?))
    });
    parsed.collect()
}

/// A value in a header (CloudEvents, HTTP protocol binding, section 3.1.3.2).
fn encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'"' | b'%' => out.push_str(&format!("%{byte:02X}")),
            b'!'..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(message: Message) -> Published {
        Published {
            message,
            id: "7".into(),
            at: UnixTime(1_790_000_000),
            subscription: "projects/p/subscriptions/s".into(),
            attempt: None,
        }
    }

    #[test]
    fn a_wrapped_message_has_pub_sub_s_form() {
        let (body, headers) = published(Message::new("hi").with("k", "v")).payload(&Form::Wrapped);
        let json: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            json,
            json!({
                "message": {
                    "attributes": { "k": "v" },
                    "data": "aGk=",
                    "messageId": "7",
                    "message_id": "7",
                    "publishTime": "2026-09-21T14:13:20Z",
                    "publish_time": "2026-09-21T14:13:20Z",
                },
                "subscription": "projects/p/subscriptions/s",
            })
        );
        assert_eq!(headers[CONTENT_TYPE], "application/json");
        assert_eq!(headers[USER_AGENT], "CloudPubSub-Google");
    }

    #[test]
    fn an_unwrapped_message_is_its_payload_with_attributes_as_headers() {
        let message = Message::new("hi").with("K", "v").with("no name", "v").with("from", "evil");
        let message = message.with("Content-Length", "7").with("transfer-encoding", "chunked");
        let metadata = Form::Unwrapped { write_metadata: true };
        let (body, headers) = published(message.clone()).payload(&metadata);
        assert_eq!(&body[..], b"hi");
        assert_eq!(headers["k"], "v");
        assert_eq!(headers["x-goog-pubsub-message-id"], "7");
        assert_eq!(headers[FROM], "noreply@google.com");
        let absent = ["x-goog-pubsub-ordering-key", "content-length", "transfer-encoding"];
        assert!(absent.iter().all(|name| !headers.contains_key(*name)));
        let (_, headers) = published(message.clone().in_order("o")).payload(&metadata);
        assert_eq!(headers["x-goog-pubsub-ordering-key"], "o");
        let (body, headers) =
            published(message).payload(&Form::Unwrapped { write_metadata: false });
        assert_eq!((&body[..], headers.len()), (&b"hi"[..], 2));
    }

    #[test]
    fn the_attempt_and_the_ordering_key_stand_in_the_json_if_there_are() {
        let message = Published { attempt: Some(3), ..published(Message::new("").in_order("o")) };
        let json: Value = serde_json::from_slice(&message.payload(&Form::Wrapped).0).unwrap();
        assert_eq!(
            (&json["deliveryAttempt"], &json["message"]["orderingKey"]),
            (&json!(3), &json!("o"))
        );
        assert_eq!(json["message"].get("data"), None);
    }

    #[test]
    fn an_event_s_attributes_are_headers_with_what_is_not_ascii_encoded() {
        let message = Message::new("{}")
            .with("ce-subject", "objects/ä b\"%")
            .with("content-type", "application/json")
            .with("x-serverless-authorization", "Bearer evil");
        let (body, headers) = published(message).payload(&Form::Event);
        assert_eq!(&body[..], b"{}");
        assert_eq!(headers["ce-subject"], "objects/%C3%A4%20b%22%25");
        assert_eq!(headers[CONTENT_TYPE], "application/json");
        assert_eq!(headers[USER_AGENT], EVENTS);
        assert!(!headers.contains_key("x-serverless-authorization"));
    }
}
