//! `google.pubsub.v1` as JSON over HTTP
//! (<https://cloud.google.com/pubsub/docs/reference/rest>).

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
    self as proto, DeleteSubscriptionRequest, DeleteTopicRequest, GetSubscriptionRequest,
    GetTopicRequest, ListSubscriptionsRequest, ListTopicSubscriptionsRequest, ListTopicsRequest,
    ModifyPushConfigRequest, UpdateSubscriptionRequest, UpdateTopicRequest,
};
use http::request::Parts;
use http::{Method, Request};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tonic::Status;

use super::broker::Broker;
use super::grpc::push_only;
use super::json::{Modify, Page, Publish, Subscription, Topic, Update};
use crate::answers::Answer;
use crate::api;
use crate::google::query;

/// Pub/Sub's bound on a request (Pub/Sub, "Quotas and limits"), with room for
/// base64.
pub(crate) const MAX_BODY: usize = 14_000_000;

/// What a path is about.
enum Place {
    Topics { project: String },
    Topic(String),
    TopicSubscriptions(String),
    Subscriptions { project: String },
    Subscription(String),
}

impl Place {
    /// The place and the verb after its colon.
    fn of(path: &str) -> Option<(Self, Option<&str>)> {
        let path = path.strip_prefix("/v1/")?;
        let (name, verb) = match path.rsplit_once(':') {
            Some((name, verb)) => (name, Some(verb)),
            None => (path, None),
        };
        let parts: Vec<&str> = name.split('/').collect();
        let place = match parts.as_slice() {
            ["projects", project, "topics"] => {
                Self::Topics { project: format!("projects/{project}") }
            }
            ["projects", project, "subscriptions"] => {
                Self::Subscriptions { project: format!("projects/{project}") }
            }
            ["projects", _, "topics", _] => Self::Topic(query::decode_path(name)),
            ["projects", project, "topics", topic, "subscriptions"] => {
                let name = format!("projects/{project}/topics/{topic}");
                Self::TopicSubscriptions(query::decode_path(&name))
            }
            ["projects", _, "subscriptions", _] => Self::Subscription(query::decode_path(name)),
            _ => return None,
        };
        Some((place, verb))
    }
}

/// Whether a path is one of Pub/Sub's.
pub(crate) fn serves(path: &str) -> bool {
    Place::of(path).is_some()
}

/// Answers a request to such a path.
pub(crate) async fn answer(broker: &Broker, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    api::answer(result(broker, &head, body).await)
}

async fn result(broker: &Broker, head: &Parts, body: Incoming) -> Result<Value, Status> {
    let Some((place, verb)) = Place::of(head.uri.path()) else {
        return Err(Status::not_found("no such page"));
    };
    match place {
        Place::Topic(name) => topic(broker, &head.method, verb, name, body).await,
        Place::Subscription(name) => subscription(broker, &head.method, verb, name, body).await,
        list if head.method == Method::GET && verb.is_none() => self::list(broker, head, list),
        _ => Err(no_method()),
    }
}

async fn topic(
    broker: &Broker,
    method: &Method,
    verb: Option<&str>,
    name: String,
    body: Incoming,
) -> Result<Value, Status> {
    let shown = |topic| value(Topic::from(topic));
    match (method, verb) {
        (&Method::PUT, None) => {
            let topic = proto::Topic { name, ..api::body::<Topic>(body, MAX_BODY).await?.into() };
            shown(broker.create_topic(&topic)?)
        }
        (&Method::GET, None) => shown(broker.get_topic(&GetTopicRequest { topic: name })?),
        (&Method::PATCH, None) => {
            let update: Update = api::body(body, MAX_BODY).await?;
            let update_mask = update.mask();
            let topic = proto::Topic { name, ..update.topic.unwrap_or_default().into() };
            let request = UpdateTopicRequest { topic: Some(topic), update_mask };
            shown(broker.update_topic(&request)?)
        }
        (&Method::DELETE, None) => {
            broker.delete_topic(&DeleteTopicRequest { topic: name })?;
            Ok(json!({}))
        }
        (&Method::POST, Some("publish")) => {
            let publish: Publish = api::body(body, MAX_BODY).await?;
            let answer = broker.publish(&publish.into_proto(name)?)?;
            Ok(json!({ "messageIds": answer.message_ids }))
        }
        _ => Err(no_method()),
    }
}

async fn subscription(
    broker: &Broker,
    method: &Method,
    verb: Option<&str>,
    name: String,
    body: Incoming,
) -> Result<Value, Status> {
    let shown = |subscription| value(Subscription::from(subscription));
    match (method, verb) {
        (&Method::PUT, None) => {
            let sent: Subscription = api::body(body, MAX_BODY).await?;
            shown(broker.create_subscription(&proto::Subscription { name, ..sent.into() })?)
        }
        (&Method::GET, None) => {
            let request = GetSubscriptionRequest { subscription: name };
            shown(broker.get_subscription(&request)?)
        }
        (&Method::PATCH, None) => {
            let update: Update = api::body(body, MAX_BODY).await?;
            let update_mask = update.mask();
            let sent = update.subscription.unwrap_or_default();
            let subscription = Some(proto::Subscription { name, ..sent.into() });
            let request = UpdateSubscriptionRequest { subscription, update_mask };
            shown(broker.update_subscription(&request)?)
        }
        (&Method::DELETE, None) => {
            broker.delete_subscription(&DeleteSubscriptionRequest { subscription: name })?;
            Ok(json!({}))
        }
        (&Method::POST, Some("modifyPushConfig")) => {
            let Modify { push_config } = api::body(body, MAX_BODY).await?;
            let push_config = Some(push_config.into());
            let request = ModifyPushConfigRequest { subscription: name, push_config };
            broker.modify_push_config(&request)?;
            Ok(json!({}))
        }
        (&Method::POST, Some("pull" | "acknowledge" | "modifyAckDeadline")) => Err(push_only()),
        _ => Err(no_method()),
    }
}

fn list(broker: &Broker, head: &Parts, place: Place) -> Result<Value, Status> {
    let field = |name| query::value(head.uri.query(), name).unwrap_or_default();
    let page_size = match field("pageSize").as_str() {
        "" => 0,
        text => text.parse().map_err(|_| Status::invalid_argument("pageSize is no number"))?,
    };
    let page_token = field("pageToken");
    let page = match place {
        Place::Topics { project } => {
            let found =
                broker.list_topics(&ListTopicsRequest { project, page_size, page_token })?;
            let topics = found.topics.into_iter().map(Topic::from).collect();
            Page { topics: Some(topics), next_page_token: found.next_page_token, ..Page::default() }
        }
        Place::Subscriptions { project } => {
            let request = ListSubscriptionsRequest { project, page_size, page_token };
            let found = broker.list_subscriptions(&request)?;
            let all: Vec<_> = found.subscriptions.into_iter().map(Subscription::from).collect();
            page_of(value(all)?, found.next_page_token)
        }
        Place::TopicSubscriptions(topic) => {
            let request = ListTopicSubscriptionsRequest { topic, page_size, page_token };
            let found = broker.list_topic_subscriptions(&request)?;
            page_of(value(found.subscriptions)?, found.next_page_token)
        }
        Place::Topic(_) | Place::Subscription(_) => return Err(no_method()),
    };
    value(page)
}

fn page_of(subscriptions: Value, next_page_token: String) -> Page {
    Page { subscriptions: Some(subscriptions), next_page_token, ..Page::default() }
}

fn value(it: impl serde::Serialize) -> Result<Value, Status> {
    serde_json::to_value(it).map_err(|error| Status::internal(error.to_string()))
}

fn no_method() -> Status {
    Status::unimplemented("this emulator's Pub/Sub has no such method")
}
