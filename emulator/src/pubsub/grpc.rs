//! `google.pubsub.v1` as gRPC.

use std::future::ready;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use prost::Message;
use tonic::Status;

use super::broker::Broker;
use crate::answers::{Answer, passed};
use crate::grpc::{unary, unimplemented};

/// What the paths of its methods begin with.
pub(crate) const PREFIX: &str = "/google.pubsub.v1.";

/// Answers a call.
pub(crate) async fn answer(broker: &Arc<Broker>, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    match path.strip_prefix(PREFIX).unwrap_or_default() {
        "Publisher/CreateTopic" => call(broker, request, Broker::create_topic).await,
        "Publisher/GetTopic" => call(broker, request, Broker::get_topic).await,
        "Publisher/UpdateTopic" => call(broker, request, Broker::update_topic).await,
        "Publisher/ListTopics" => call(broker, request, Broker::list_topics).await,
        "Publisher/ListTopicSubscriptions" => {
            call(broker, request, Broker::list_topic_subscriptions).await
        }
        "Publisher/DeleteTopic" => call(broker, request, Broker::delete_topic).await,
        "Publisher/Publish" => call(broker, request, Broker::publish).await,
        "Subscriber/CreateSubscription" => call(broker, request, Broker::create_subscription).await,
        "Subscriber/GetSubscription" => call(broker, request, Broker::get_subscription).await,
        "Subscriber/UpdateSubscription" => call(broker, request, Broker::update_subscription).await,
        "Subscriber/ListSubscriptions" => call(broker, request, Broker::list_subscriptions).await,
        "Subscriber/DeleteSubscription" => call(broker, request, Broker::delete_subscription).await,
        "Subscriber/ModifyPushConfig" => call(broker, request, Broker::modify_push_config).await,
        "Subscriber/Pull"
        | "Subscriber/StreamingPull"
        | "Subscriber/Acknowledge"
        | "Subscriber/ModifyAckDeadline" => {
            push_only().into_http().map(passed::<tonic::body::Body>)
        }
        _ => unimplemented(&path),
    }
}

/// What a pull is told.
pub(super) fn push_only() -> Status {
    Status::unimplemented(
        "this emulator's Pub/Sub only pushes: give the subscription a push endpoint",
    )
}

async fn call<M, R>(
    broker: &Arc<Broker>,
    request: Request<Incoming>,
    method: fn(&Broker, &M) -> Result<R, Status>,
) -> Answer
where
    M: Message + Default + 'static,
    R: Message + Default + 'static,
{
    let broker = Arc::clone(broker);
    unary(request, move |message: M| ready(method(&broker, &message))).await
}
