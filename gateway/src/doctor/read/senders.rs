//! Reading what is set to send requests: push subscriptions of Pub/Sub, queues of
//! Cloud Tasks, jobs of Cloud Scheduler.

use std::time::Duration;

use futures_util::future::{join, join_all};
use remint_idtoken::Sender;
use serde_json::Value;

use super::api::{Client, PUBSUB, SCHEDULER, TASKS};
use crate::doctor::facts::{Gap, OidcToken, Read, SenderFacts};
use crate::percent::encoded;

/// What was read, and which lists could not be: what they hold, and why.
#[derive(Default)]
pub(super) struct Found {
    pub(super) senders: Vec<SenderFacts>,
    pub(super) unread: Vec<(String, Gap)>,
}

impl Found {
    fn add(&mut self, what: String, read: Read<Vec<Value>>, of: fn(&Value) -> Option<SenderFacts>) {
        match read {
            Read::Is(list) => self.senders.extend(list.iter().filter_map(of)),
            // A location that an API does not have.
            Read::Missing => {}
            Read::Unread(gap) => self.unread.push((what, gap)),
        }
    }
}

/// Reads all lists at once.
pub(super) async fn read(client: &Client, project: &str, locations: &[String]) -> Found {
    let mut found = Found::default();
    let project = encoded(project.as_bytes());
    let path = format!("/v1/projects/{project}/subscriptions");
    let subscriptions = client.list(PUBSUB, &path, "subscriptions");
    let of_locations = join_all(locations.iter().map(|location| async {
        let place = format!("projects/{project}/locations/{}", encoded(location.as_bytes()));
        let (queues, jobs) = (format!("/v2/{place}/queues"), format!("/v1/{place}/jobs"));
        let queues = client.list(TASKS, &queues, "queues");
        join(queues, client.list(SCHEDULER, &jobs, "jobs")).await
    }));
    let (subscriptions, of_locations) = join(subscriptions, of_locations).await;
    found.add("subscriptions".to_owned(), subscriptions, subscription);
    for (location, (queues, jobs)) in locations.iter().zip(of_locations) {
        found.add(format!("queues in {location}"), queues, queue);
        found.add(format!("jobs in {location}"), jobs, job);
    }
    found
}

fn text<'v>(document: &'v Value, place: &str) -> Option<&'v str> {
    document.pointer(place).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Name and location of `projects/P/locations/L/KIND/NAME`, or of one without a
/// location.
fn names(document: &Value) -> Option<(String, Option<String>)> {
    let parts: Vec<&str> = text(document, "/name")?.split('/').collect();
    match parts.as_slice() {
        ["projects", _, "locations", location, _, name] => {
            Some(((*name).to_owned(), Some((*location).to_owned())))
        }
        ["projects", _, _, name] => Some(((*name).to_owned(), None)),
        _ => None,
    }
}

fn token(document: &Value, place: &str) -> Option<OidcToken> {
    let token = document.pointer(place)?;
    let account = text(token, "/serviceAccountEmail")?.to_owned();
    Some(OidcToken { account, audience: text(token, "/audience").map(str::to_owned) })
}

/// How the subscriptions of Eventarc's triggers are called, as they are seen in
/// projects: `eventarc-REGION-TRIGGER-sub-NUMBER`. Their endpoint is the trigger's
/// destination, and is not theirs to change.
const OF_EVENTARC: &str = "eventarc-";

/// <https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions>;
/// `pushConfig.oidcToken` has `serviceAccountEmail` and `audience`.
fn subscription(document: &Value) -> Option<SenderFacts> {
    let (name, location) = names(document)?;
    let url = text(document, "/pushConfig/pushEndpoint")?.to_owned();
    let deadline = document.get("ackDeadlineSeconds").and_then(Value::as_u64);
    let unwrapped = document.pointer("/pushConfig/noWrapper").filter(|it| !it.is_null());
    let with_metadata =
        |it: &Value| it.get("writeMetadata").and_then(Value::as_bool).unwrap_or_default();
    Some(SenderFacts {
        kind: if name.starts_with(OF_EVENTARC) { Sender::Eventarc } else { Sender::PubSub },
        name,
        location,
        url,
        method: "POST".to_owned(),
        token: token(document, "/pushConfig/oidcToken"),
        deadline: deadline.map(Duration::from_secs),
        unwrapped: unwrapped.map(with_metadata),
    })
}

/// <https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs>
fn job(document: &Value) -> Option<SenderFacts> {
    let (name, location) = names(document)?;
    let deadline = text(document, "/attemptDeadline").and_then(|it| it.strip_suffix('s'));
    let deadline = deadline.and_then(|it| it.parse::<f64>().ok());
    Some(SenderFacts {
        kind: Sender::Scheduler,
        name,
        location,
        url: text(document, "/httpTarget/uri")?.to_owned(),
        method: method(document, "/httpTarget/httpMethod"),
        token: token(document, "/httpTarget/oidcToken"),
        deadline: deadline.and_then(|it| Duration::try_from_secs_f64(it).ok()),
        unwrapped: None,
    })
}

/// A queue that says where its tasks go; of others each task does
/// (<https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues>,
/// `UriOverride`). With the mode `IF_NOT_EXISTS` each task still does.
fn queue(document: &Value) -> Option<SenderFacts> {
    let (name, location) = names(document)?;
    let uri = document.pointer("/httpTarget/uriOverride")?;
    if text(uri, "/uriOverrideEnforceMode") == Some("IF_NOT_EXISTS") {
        return None;
    }
    let host = text(uri, "/host")?;
    let path = text(uri, "/pathOverride/path")?;
    let scheme = text(uri, "/scheme").unwrap_or("HTTPS").to_lowercase();
    let port = uri.get("port").and_then(|port| match port {
        Value::String(port) => port.parse::<u16>().ok(),
        port => port.as_u64().and_then(|port| u16::try_from(port).ok()),
    });
    let port = port.filter(|port| *port != 0).map(|port| format!(":{port}")).unwrap_or_default();
    let query = text(uri, "/queryOverride/queryParams").map(|it| format!("?{it}"));
    let path = path.trim_start_matches('/');
    Some(SenderFacts {
        kind: Sender::Tasks,
        name,
        location,
        url: format!("{scheme}://{host}{port}/{path}{}", query.unwrap_or_default()),
        method: method(document, "/httpTarget/httpMethod"),
        token: token(document, "/httpTarget/oidcToken"),
        deadline: None,
        unwrapped: None,
    })
}

/// Both APIs send `POST` unless they are told otherwise.
fn method(document: &Value, place: &str) -> String {
    let method = text(document, place).filter(|it| *it != "HTTP_METHOD_UNSPECIFIED");
    method.unwrap_or("POST").to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_subscription_is_read_with_its_push_configuration() {
        let read = subscription(&json!({
            "name": "projects/p/subscriptions/s",
            "ackDeadlineSeconds": 20,
            "pushConfig": {
                "pushEndpoint": "https://h/p",
                "oidcToken": { "serviceAccountEmail": "a@b" },
                "noWrapper": { "writeMetadata": true },
            },
        }));
        let read = read.unwrap();
        assert_eq!((&*read.name, &*read.url, read.unwrapped), ("s", "https://h/p", Some(true)));
        assert_eq!(read.token, Some(OidcToken { account: "a@b".to_owned(), audience: None }));
        assert_eq!(read.deadline, Some(Duration::from_secs(20)));
        let of_eventarc = subscription(&json!({
            "name": "projects/p/subscriptions/eventarc-us-east1-uploads-sub-1",
            "pushConfig": { "pushEndpoint": "https://h/p" },
        }));
        assert_eq!(of_eventarc.unwrap().kind, Sender::Eventarc);
        let pulled = json!({ "name": "projects/p/subscriptions/s", "pushConfig": {} });
        assert!(subscription(&pulled).is_none());
    }

    #[test]
    fn jobs_with_an_http_target_and_queues_that_override_the_url_are_read() {
        let name = "projects/p/locations/us-east1/jobs/j";
        let read = job(&json!({
            "name": name,
            "attemptDeadline": "180s",
            "httpTarget": { "uri": "https://h/p", "httpMethod": "GET" },
        }));
        let read = read.unwrap();
        assert_eq!((read.location.as_deref(), &*read.method), (Some("us-east1"), "GET"));
        assert_eq!(read.deadline, Some(Duration::from_secs(180)));
        assert!(job(&json!({ "name": name, "pubsubTarget": {} })).is_none());
        let uri = json!({ "host": "h", "port": "81", "pathOverride": { "path": "/p" }, "queryOverride": { "queryParams": "a=b" } });
        let read = queue(&json!({
            "name": "projects/p/locations/us-east1/queues/q",
            "httpTarget": { "uriOverride": uri },
        }));
        assert_eq!(read.unwrap().url, "https://h:81/p?a=b");
        let name = "projects/p/locations/us-east1/queues/q";
        assert!(queue(&json!({ "name": name })).is_none());
        let yielding = json!({
            "host": "h", "pathOverride": { "path": "/p" }, "uriOverrideEnforceMode": "IF_NOT_EXISTS",
        });
        let yielding = json!({ "name": name, "httpTarget": { "uriOverride": yielding } });
        assert!(queue(&yielding).is_none());
    }
}
