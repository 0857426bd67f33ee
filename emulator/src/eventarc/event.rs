//! CloudEvents, in the forms that they come in
//! (<https://github.com/cloudevents/spec/tree/v1.0.2/cloudevents>).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use tonic::Status;

use crate::pubsub::{MESSAGE_PUBLISHED, Message};

pub(super) const JSON: &str = "application/json";
const STRUCTURED: &str = "application/cloudevents+json";

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) data: Vec<u8>,
}

impl Event {
    /// From a request in binary or structured content mode.
    pub(super) fn of_request(headers: &HeaderMap, body: &[u8]) -> Result<Self, Status> {
        let kind = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        if kind.is_some_and(|kind| kind.starts_with(STRUCTURED)) {
            let parsed = serde_json::from_slice(body);
            let value = parsed.map_err(|error| invalid(&format!("not JSON: {error}")))?;
            return Self::of_json(&value);
        }
        let named = headers.iter().filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix("ce-")?;
            Some((name.to_owned(), decoded(value.to_str().ok()?)))
        });
        let mut attributes: BTreeMap<_, _> = named.collect();
        if let Some(kind) = kind {
            attributes.insert("datacontenttype".to_owned(), kind.to_owned());
        }
        Self { attributes, data: body.to_vec() }.checked()
    }

    /// From the JSON event format.
    pub(super) fn of_json(value: &Value) -> Result<Self, Status> {
        let members = value.as_object().ok_or_else(|| invalid("expected an object"))?;
        let (mut attributes, mut data) = (BTreeMap::new(), Vec::new());
        for (name, value) in members {
            match name.as_str() {
                "data" | "data_base64" => {}
                _ => drop(attributes.insert(name.clone(), plain(value))),
            }
        }
        let kind = attributes.get("datacontenttype").map_or(JSON, String::as_str);
        if let Some(value) = members.get("data") {
            data = match value.as_str() {
                Some(text) if !kind.contains("json") => text.to_owned().into_bytes(),
                _ => value.to_string().into_bytes(),
            };
        } else if let Some(text) = members.get("data_base64").and_then(Value::as_str) {
            let decoded = STANDARD.decode(text);
            data = decoded.map_err(|_| invalid("data_base64 is not base64"))?;
        }
        Self { attributes, data }.checked()
    }

    /// What the specification requires must be there.
    pub(super) fn checked(self) -> Result<Self, Status> {
        for name in ["id", "source", "type"] {
            if self.attribute(name).is_empty() {
                return Err(invalid(&format!("the attribute {name} is missing")));
            }
        }
        match self.attribute("specversion") {
            "1.0" => {}
            _ => return Err(invalid("specversion is 1.0")),
        }
        match self.attribute("type") {
            MESSAGE_PUBLISHED => Err(invalid("publish to the topic instead")),
            _ => Ok(self),
        }
    }

    fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// Whether it has what all filters want. Filters spell names as
    /// `serviceName`, events have small letters only.
    pub(super) fn passes(&self, filters: &[(String, String)]) -> bool {
        let has =
            |(name, value): &(String, String)| self.attribute(&name.to_ascii_lowercase()) == value;
        filters.iter().all(has)
    }

    /// The message that carries it.
    pub(super) fn message(&self) -> Message {
        let named = self.attributes.iter().map(|(name, value)| match name.as_str() {
            "datacontenttype" => (CONTENT_TYPE.to_string(), value.clone()),
            name => (format!("ce-{name}"), value.clone()),
        });
        let mut attributes: BTreeMap<_, _> = named.collect();
        attributes.entry(CONTENT_TYPE.to_string()).or_insert_with(|| JSON.to_owned());
        Message { data: self.data.clone(), attributes, ..Message::default() }
    }
}

pub(super) fn invalid(why: &str) -> Status {
    Status::invalid_argument(format!("not a CloudEvent: {why}"))
}

/// A value as an attribute's text.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The percent-encoding of a header's value taken off, but for `+`, which is
/// itself.
fn decoded(value: &str) -> String {
    crate::google::query::decode_path(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TYPE: &str = "google.cloud.storage.object.v1.finalized";

    fn structured() -> Value {
        json!({
            "id": "1", "source": "//storage.googleapis.com/projects/_/buckets/b", "type": TYPE,
            "specversion": "1.0", "bucket": "b", "subject": "objects/ä", "data": { "name": "ä" },
        })
    }

    #[test]
    fn all_forms_are_the_same_event() {
        let event = Event::of_json(&structured()).unwrap();
        assert_eq!(event.data, r#"{"name":"ä"}"#.as_bytes());
        let headers = [
            ("ce-id", "1"),
            ("ce-source", "//storage.googleapis.com/projects/_/buckets/b"),
            ("ce-type", TYPE),
            ("ce-specversion", "1.0"),
            ("ce-bucket", "b"),
            ("ce-subject", "objects/%C3%A4"),
        ];
        let headers: HeaderMap = headers
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .into_iter()
            .collect();
        assert_eq!(Event::of_request(&headers, &event.data).unwrap(), event);
        let message = event.message();
        assert_eq!(message.attributes["ce-bucket"], "b");
        assert_eq!(message.attributes["content-type"], JSON);
    }

    #[test]
    fn filters_want_equal_values() {
        let event = Event::of_json(&structured()).unwrap();
        let filter = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert!(event.passes(&[filter("type", TYPE), filter("Bucket", "b")]));
        assert!(!event.passes(&[filter("type", TYPE), filter("bucket", "c")]));
        assert!(!event.passes(&[filter("absent", "c")]));
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for name in ["id", "source", "type", "specversion"] {
            let mut value = structured();
            value.as_object_mut().unwrap().remove(name);
            assert!(Event::of_json(&value).unwrap_err().message().contains(name));
        }
        let mut value = structured();
        value["type"] = MESSAGE_PUBLISHED.into();
        assert!(Event::of_json(&value).is_err());
        assert!(Event::of_request(&HeaderMap::new(), b"").is_err());
    }

    #[test]
    fn data_is_text_json_or_bytes() {
        for (members, data) in [
            (json!({ "data": "a", "datacontenttype": "text/plain" }), "a"),
            (json!({ "data": "a" }), "\"a\""),
            (json!({ "data_base64": "aGk=" }), "hi"),
        ] {
            let mut value = structured();
            value.as_object_mut().unwrap().remove("data");
            value.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            assert_eq!(Event::of_json(&value).unwrap().data, data.as_bytes());
        }
    }
}
