//! Events as Eventarc Publishing takes them: `io.cloudevents.v1.CloudEvent` in
//! ProtoJSON, or texts in the JSON event format
//! (`google.cloud.eventarc.publishing.v1.PublishEventsRequest`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};
use tonic::Status;

use super::event::{Event, invalid, plain};

/// The body of `:publishEvents`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PublishEvents {
    events: Vec<ProtoEvent>,
    text_events: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct ProtoEvent {
    #[serde(rename = "@type")]
    kind: String,
    id: String,
    source: String,
    spec_version: String,
    #[serde(rename = "type")]
    event_type: String,
    /// Each is an object of one member, such as `{"ceString": "a"}`.
    attributes: Map<String, Value>,
    text_data: Option<String>,
    binary_data: Option<String>,
}

impl PublishEvents {
    pub(super) fn events(self) -> Result<Vec<Event>, Status> {
        if !self.events.is_empty() && !self.text_events.is_empty() {
            let text = "only one of events and text_events may be set";
            return Err(Status::invalid_argument(text));
        }
        let texts = self.text_events.iter().map(|text| {
            let parsed = serde_json::from_str(text);
            Event::of_json(&parsed.map_err(|error| invalid(&format!("not JSON: {error}")))?)
        });
        self.events.into_iter().map(ProtoEvent::event).chain(texts).collect()
    }
}

impl ProtoEvent {
    fn event(self) -> Result<Event, Status> {
        if self.kind != "type.googleapis.com/io.cloudevents.v1.CloudEvent" {
            return Err(invalid(&format!("@type is {:?}", self.kind)));
        }
        let named = self.attributes.iter().map(|(name, value)| {
            let inner = value.as_object().and_then(|it| it.values().next());
            let inner = inner.ok_or_else(|| invalid(&format!("{name} has no value")))?;
            Ok((name.clone(), plain(inner)))
        });
        let mut attributes: std::collections::BTreeMap<_, _> =
            named.collect::<Result<_, Status>>()?;
        attributes.extend([
            ("id".to_owned(), self.id),
            ("source".to_owned(), self.source),
            ("specversion".to_owned(), self.spec_version),
            ("type".to_owned(), self.event_type),
        ]);
        let data = match (self.text_data, self.binary_data) {
            (Some(text), _) => text.into_bytes(),
            (None, Some(text)) => {
                let decoded = STANDARD.decode(text);
                decoded.map_err(|_| invalid("binaryData is not base64"))?
            }
            (None, None) => Vec::new(),
        };
        Event { attributes, data }.checked()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn proto() -> Value {
        json!({
            "@type": "type.googleapis.com/io.cloudevents.v1.CloudEvent",
            "id": "1", "source": "//a", "specVersion": "1.0", "type": "a.b",
            "attributes": { "subject": { "ceString": "s" }, "n": { "ceInteger": 3 } },
            "textData": "{}",
        })
    }

    fn events(body: Value) -> Result<Vec<Event>, Status> {
        serde_json::from_value::<PublishEvents>(body).unwrap().events()
    }

    #[test]
    fn both_members_carry_the_same_event() {
        let text = json!({
            "id": "1", "source": "//a", "specversion": "1.0", "type": "a.b", "subject": "s", "n": 3,
            "data": {},
        });
        let from_proto = events(json!({ "events": [proto()] })).unwrap();
        let from_text = events(json!({ "textEvents": [text.to_string()] })).unwrap();
        assert_eq!(from_proto, from_text);
        let both = json!({ "events": [proto()], "textEvents": [text.to_string()] });
        assert!(events(both).is_err());
    }

    #[test]
    fn another_type_is_refused() {
        let mut other = proto();
        other["@type"] = "type.googleapis.com/google.protobuf.Empty".into();
        assert!(events(json!({ "events": [other] })).is_err());
    }
}
