//! Eventarc's and Eventarc Publishing's APIs as JSON over HTTP, and the
//! emulator's own endpoint for events of Google's services.

use http::request::Parts;
use http::{Method, Request};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tonic::Status;

use super::Eventarc;
use super::event::Event;
use super::proto_json::PublishEvents;
use super::trigger::Sent;
use crate::answers::Answer;
use crate::api;
use crate::google::query;
use crate::pubsub::rest::MAX_BODY;

/// Takes one event, in CloudEvents' binary or structured content mode, as if a
/// Google service had sent it. Google has no such endpoint, as its services
/// send their events themselves.
const PUBLISH_PATH: &str = "/emulator/eventarc/publish";

/// What a path is about: the location, the collection and the rest.
struct Place<'a> {
    project: &'a str,
    location: &'a str,
    collection: &'a str,
    name: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix("/v1/")?.split('/').collect();
        let (project, location, collection, name) = match parts.as_slice() {
            ["projects", project, "locations", location, "triggers"] => {
                (project, location, "triggers", None)
            }
            ["projects", project, "locations", location, "triggers", name] => {
                (project, location, "triggers", Some(*name))
            }
            ["projects", project, "locations", location, "operations", name] => {
                (project, location, "operations", Some(*name))
            }
            ["projects", project, "locations", location, "channels", name] => {
                (project, location, "channels", Some(*name))
            }
            _ => return None,
        };
        Some(Self { project, location, collection, name })
    }

    fn parent(&self) -> String {
        format!("projects/{}/locations/{}", self.project, self.location)
    }

    fn full(&self) -> String {
        format!("{}/{}/{}", self.parent(), self.collection, self.name.unwrap_or_default())
    }
}

/// Whether a path is one of Eventarc's.
pub(crate) fn serves(path: &str) -> bool {
    path == PUBLISH_PATH || Place::of(path).is_some()
}

/// Answers a request to such a path.
pub(crate) async fn answer(eventarc: &Eventarc, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    api::answer(result(eventarc, &head, body).await)
}

async fn result(eventarc: &Eventarc, head: &Parts, body: Incoming) -> Result<Value, Status> {
    let path = head.uri.path();
    if path == PUBLISH_PATH && head.method == Method::POST {
        let body = api::bytes(body, MAX_BODY).await?;
        let event = Event::of_request(&head.headers, &body)?;
        return Ok(json!({ "triggers": eventarc.publish(None, &event)? }));
    }
    let Some(place) = Place::of(path) else {
        return Err(no_method());
    };
    match (&head.method, place.collection, place.name) {
        (&Method::POST, "triggers", None) => create(eventarc, head, &place, body).await,
        (&Method::GET, "triggers", None) => {
            let all = eventarc.triggers(&place.parent());
            Ok(json!({ "triggers": all.iter().map(super::Running::json).collect::<Vec<_>>() }))
        }
        (&Method::GET, "triggers", Some(_)) => Ok(eventarc.trigger(&place.full())?.json()),
        (&Method::DELETE, "triggers", Some(_)) => {
            let gone = eventarc.delete_trigger(&place.full())?;
            Ok(eventarc.operation(&place.parent(), &typed(gone.json())))
        }
        (&Method::GET, "operations", Some(_)) => eventarc.operation_of(&place.full()),
        (&Method::POST, "channels", Some(name)) if name.ends_with(":publishEvents") => {
            let full = place.full();
            let channel = full.trim_end_matches(":publishEvents");
            let publish: PublishEvents = api::body(body, MAX_BODY).await?;
            for event in publish.events()? {
                eventarc.publish(Some(channel), &event)?;
            }
            Ok(json!({}))
        }
        _ => Err(no_method()),
    }
}

async fn create(
    eventarc: &Eventarc,
    head: &Parts,
    place: &Place<'_>,
    body: Incoming,
) -> Result<Value, Status> {
    let name = query::value(head.uri.query(), "triggerId").unwrap_or_default();
    if !is_id(&name) {
        let text = "triggerId is a letter followed by small letters, digits and -";
        return Err(Status::invalid_argument(text));
    }
    let sent: Sent = api::body(body, MAX_BODY).await?;
    let trigger = sent.into_trigger(name, place.location.to_owned())?;
    let running = eventarc.create_trigger(place.project, &trigger)?;
    Ok(eventarc.operation(&place.parent(), &typed(running.json())))
}

/// It becomes part of a topic's and a subscription's name.
fn is_id(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(allowed)
}

/// With its type, as the response of an operation has it.
fn typed(mut trigger: Value) -> Value {
    let kind = "type.googleapis.com/google.cloud.eventarc.v1.Trigger";
    if let Some(members) = trigger.as_object_mut() {
        members.insert("@type".to_owned(), kind.into());
    }
    trigger
}

fn no_method() -> Status {
    Status::unimplemented("this emulator's Eventarc has no such method")
}
