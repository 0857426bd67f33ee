//! Messages, and the requests that carry them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use remint_idtoken::UnixTime;
use serde_json::{Map, Value, json};

/// A message, as a publisher hands it over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The payload.
    pub data: Vec<u8>,
    /// The attributes.
    pub attributes: BTreeMap<String, String>,
}

impl Message {
    /// A message with this payload.
    #[must_use]
    pub fn new(data: impl Into<Vec<u8>>) -> Self {
        Self { data: data.into(), attributes: BTreeMap::new() }
    }

    /// With an attribute.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }
}

impl From<&str> for Message {
    fn from(data: &str) -> Self {
        Self::new(data)
    }
}

/// A message that has been published to a subscription.
pub(super) struct Published {
    pub(super) message: Message,
    pub(super) id: String,
    pub(super) at: UnixTime,
    /// `projects/PROJECT/subscriptions/NAME`.
    pub(super) subscription: String,
}

impl Published {
    /// The body and the headers that tell of the message.
    pub(super) fn payload(&self, wrapped: bool) -> (Bytes, HeaderMap) {
        if wrapped {
            let json = HeaderValue::from_static("application/json");
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, json)]);
            return (self.wrapped().to_string().into(), headers);
        }
        (self.message.data.clone().into(), self.as_headers())
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
        json!({ "message": message, "subscription": self.subscription })
    }

    /// Publishers choose the names of attributes, and so of these headers.
    /// Names and values that no header can have are left out.
    fn as_headers(&self) -> HeaderMap {
        let at = self.at.to_string();
        let own = [
            ("x-goog-pubsub-subscription-name", &self.subscription),
            ("x-goog-pubsub-message-id", &self.id),
            ("x-goog-pubsub-publish-time", &at),
        ];
        let attributes = self.message.attributes.iter();
        let all = attributes.map(|(name, value)| (name.as_str(), value)).chain(own);
        let parsed = all.filter_map(|(name, value)| {
            let name = HeaderName::try_from(name).ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        });
        parsed.collect()
    }
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
        }
    }

    #[test]
    fn a_wrapped_message_has_pub_sub_s_form() {
        let (body, headers) = published(Message::new("hi").with("k", "v")).payload(true);
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
    }

    #[test]
    fn an_unwrapped_message_is_its_payload_with_attributes_as_headers() {
        let message = Message::new("hi").with("K", "v").with("no name", "v");
        let (body, headers) = published(message).payload(false);
        assert_eq!(&body[..], b"hi");
        assert_eq!(headers["k"], "v");
        assert_eq!(headers["x-goog-pubsub-message-id"], "7");
        assert_eq!(headers.len(), 4);
    }
}
