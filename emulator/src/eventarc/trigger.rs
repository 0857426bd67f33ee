//! Triggers in JSON, as Eventarc's API has them
//! (<https://cloud.google.com/eventarc/docs/reference/rest/v1/projects.locations.triggers>).

use serde::Deserialize;
use serde_json::{Value, json};
use tonic::Status;

use super::{Running, name_of};
use crate::config::{Destination, Trigger};

/// A trigger as it is sent. What only Eventarc writes is ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Sent {
    #[serde(rename = "name")]
    _name: String,
    event_filters: Vec<Filter>,
    service_account: Option<String>,
    destination: SentDestination,
    transport: Transport,
    channel: Option<String>,
    event_data_content_type: Option<String>,
    #[serde(rename = "labels")]
    _labels: serde_json::Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Filter {
    attribute: String,
    value: String,
    operator: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct SentDestination {
    cloud_run: Option<CloudRun>,
    http_endpoint: Option<HttpEndpoint>,
    /// Every host is reached the same way here.
    #[serde(rename = "networkConfig")]
    _network_config: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CloudRun {
    service: String,
    path: String,
    region: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HttpEndpoint {
    uri: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Transport {
    pubsub: PubsubTransport,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PubsubTransport {
    topic: Option<String>,
    /// Output only.
    #[serde(rename = "subscription")]
    _subscription: String,
}

impl Sent {
    pub(super) fn into_trigger(self, name: String, location: String) -> Result<Trigger, Status> {
        if let Some(kind) = self.event_data_content_type.filter(|kind| kind != "application/json") {
            let text = format!("this emulator's triggers send application/json, not {kind}");
            return Err(Status::unimplemented(text));
        }
        let filter = |it: Filter| match it.operator.as_str() {
            "" => Ok((it.attribute, it.value)),
            operator => {
                let text = format!("this emulator's filters have no operator {operator:?}");
                Err(Status::unimplemented(text))
            }
        };
        let filters = self.event_filters.into_iter().map(filter).collect::<Result<_, _>>()?;
        let trigger = Trigger {
            destination: self.destination.read(&location)?,
            name,
            location,
            filters,
            service_account: self.service_account.filter(|it| !it.is_empty()),
            topic: self.transport.pubsub.topic.filter(|it| !it.is_empty()),
            channel: self.channel.filter(|it| !it.is_empty()),
        };
        trigger.event_type()?;
        Ok(trigger)
    }
}

impl SentDestination {
    fn read(self, location: &str) -> Result<Destination, Status> {
        match (self.cloud_run, self.http_endpoint) {
            (Some(run), None) if !run.service.is_empty() => Ok(Destination::CloudRun {
                service: run.service,
                region: if run.region.is_empty() { location.to_owned() } else { run.region },
                path: format!("/{}", run.path.trim_start_matches('/')),
            }),
            (None, Some(http)) if !http.uri.is_empty() => Ok(Destination::Http { uri: http.uri }),
            _ => Err(Status::invalid_argument(
                "destination: this emulator sends to one cloudRun service or one httpEndpoint",
            )),
        }
    }
}

impl Trigger {
    /// The type of its events, which each trigger must name.
    pub(super) fn event_type(&self) -> Result<&str, Status> {
        let found = self.filters.iter().find(|(name, _)| name == "type");
        let found = found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty());
        found.ok_or_else(|| {
            Status::invalid_argument("eventFilters: a filter with the attribute type is missing")
        })
    }
}

impl Running {
    /// As Eventarc shows it.
    pub(super) fn json(&self) -> Value {
        let trigger = &self.trigger;
        let filter =
            |(name, value): &(String, String)| json!({ "attribute": name, "value": value });
        let destination = match &trigger.destination {
            Destination::CloudRun { service, region, path } => {
                json!({ "cloudRun": { "service": service, "region": region, "path": path } })
            }
            Destination::Http { uri } => json!({ "httpEndpoint": { "uri": uri } }),
        };
        let mut shown = json!({
            "name": name_of(&self.project, trigger),
            "createTime": self.created,
            "updateTime": self.created,
            "eventFilters": trigger.filters.iter().map(filter).collect::<Vec<_>>(),
            "destination": destination,
            "transport": { "pubsub": { "topic": self.topic, "subscription": self.subscription } },
            "eventDataContentType": "application/json",
        });
        let optional =
            [("serviceAccount", &trigger.service_account), ("channel", &trigger.channel)];
        for (name, value) in optional {
            if let (Some(members), Some(value)) = (shown.as_object_mut(), value) {
                members.insert(name.to_owned(), value.as_str().into());
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Result<Trigger, Status> {
        let sent: Sent = serde_json::from_value(body).unwrap();
        sent.into_trigger("t".into(), "us-central1".into())
    }

    #[test]
    fn a_trigger_names_a_type_and_one_destination() {
        let filters = json!([{ "attribute": "type", "value": "a.b" }]);
        let run = json!({ "cloudRun": { "service": "orders", "path": "events" } });
        let trigger = read(json!({ "eventFilters": filters, "destination": run })).unwrap();
        let destination = Destination::CloudRun {
            service: "orders".into(),
            region: "us-central1".into(),
            path: "/events".into(),
        };
        assert_eq!(trigger.destination, destination);
        assert!(read(json!({ "destination": run })).is_err());
        assert!(read(json!({ "eventFilters": filters })).is_err());
        let patterned =
            json!([{ "attribute": "type", "value": "a", "operator": "match-path-pattern" }]);
        let error = read(json!({ "eventFilters": patterned, "destination": run })).unwrap_err();
        assert_eq!(error.code(), tonic::Code::Unimplemented);
    }
}
