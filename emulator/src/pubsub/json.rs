//! The resources in JSON, as ProtoJSON spells them. Members that the emulator
//! has no use for are refused, as Google refuses those that it does not know.

mod convert;

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use googleapis_tonic_google_pubsub_v1::google::pubsub::v1 as proto;
use serde::{Deserialize, Serialize};
use tonic::Status;

type Labels = HashMap<String, String>;

/// `google.pubsub.v1.Topic`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Topic {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    labels: Labels,
    #[serde(skip_serializing_if = "String::is_empty")]
    kms_key_name: String,
    #[serde(with = "crate::target::wire::text", skip_serializing_if = "Option::is_none")]
    message_retention_duration: Option<prost_types::Duration>,
    /// Output only.
    #[serde(skip_serializing_if = "String::is_empty")]
    state: String,
}

/// `google.pubsub.v1.Subscription`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Subscription {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    push_config: Option<PushConfig>,
    #[serde(skip_serializing_if = "is_default")]
    ack_deadline_seconds: i32,
    #[serde(skip_serializing_if = "is_default")]
    retain_acked_messages: bool,
    #[serde(with = "crate::target::wire::text", skip_serializing_if = "Option::is_none")]
    message_retention_duration: Option<prost_types::Duration>,
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    labels: Labels,
    #[serde(skip_serializing_if = "is_default")]
    enable_message_ordering: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_policy: Option<ExpirationPolicy>,
    #[serde(skip_serializing_if = "String::is_empty")]
    filter: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter_policy: Option<DeadLetterPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_policy: Option<RetryPolicy>,
    #[serde(skip_serializing_if = "is_default")]
    enable_exactly_once_delivery: bool,
    /// Output only.
    #[serde(skip_serializing_if = "String::is_empty")]
    state: String,
}

/// `google.pubsub.v1.PushConfig`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PushConfig {
    #[serde(skip_serializing_if = "String::is_empty")]
    push_endpoint: String,
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    attributes: Labels,
    #[serde(skip_serializing_if = "Option::is_none")]
    oidc_token: Option<OidcToken>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pubsub_wrapper: Option<Nothing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    no_wrapper: Option<NoWrapper>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct OidcToken {
    service_account_email: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    audience: String,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct NoWrapper {
    #[serde(skip_serializing_if = "is_default")]
    write_metadata: bool,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct RetryPolicy {
    #[serde(with = "crate::target::wire::text", skip_serializing_if = "Option::is_none")]
    minimum_backoff: Option<prost_types::Duration>,
    #[serde(with = "crate::target::wire::text", skip_serializing_if = "Option::is_none")]
    maximum_backoff: Option<prost_types::Duration>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct DeadLetterPolicy {
    dead_letter_topic: String,
    #[serde(skip_serializing_if = "is_default")]
    max_delivery_attempts: i32,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct ExpirationPolicy {
    #[serde(with = "crate::target::wire::text", skip_serializing_if = "Option::is_none")]
    ttl: Option<prost_types::Duration>,
}

/// The body of `:publish`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Publish {
    messages: Vec<Message>,
}

/// `google.pubsub.v1.PubsubMessage`. Its id and time are given by Pub/Sub.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Message {
    data: String,
    attributes: Labels,
    ordering_key: String,
    #[serde(rename = "messageId")]
    _message_id: String,
    #[serde(rename = "publishTime")]
    _publish_time: String,
}

/// The body of an update.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Update {
    pub(super) topic: Option<Topic>,
    pub(super) subscription: Option<Subscription>,
    update_mask: String,
}

/// The body of `:modifyPushConfig`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Modify {
    pub(super) push_config: PushConfig,
}

/// An answer that is a page of a list.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) topics: Option<Vec<Topic>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subscriptions: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) next_page_token: String,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Update {
    pub(super) fn mask(&self) -> Option<prost_types::FieldMask> {
        let paths = self.update_mask.split(',').filter(|path| !path.is_empty());
        Some(prost_types::FieldMask { paths: paths.map(str::to_owned).collect() })
    }
}

impl Publish {
    pub(super) fn into_proto(self, topic: String) -> Result<proto::PublishRequest, Status> {
        let messages = self.messages.into_iter().map(|message| {
            let decoded =
                STANDARD.decode(&message.data).or_else(|_| URL_SAFE.decode(&message.data));
            let data = decoded.map_err(|_| Status::invalid_argument("data is not base64"))?;
            Ok(proto::PubsubMessage {
                data,
                attributes: message.attributes,
                ordering_key: message.ordering_key,
                ..Default::default()
            })
        });
        let messages = messages.collect::<Result<_, Status>>()?;
        Ok(proto::PublishRequest { topic, messages })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_subscription_comes_back_as_it_was_sent() {
        let sent = json!({
            "name": "projects/p/subscriptions/sub",
            "topic": "projects/p/topics/top",
            "pushConfig": {
                "pushEndpoint": "https://a.example/",
                "attributes": { "x-goog-version": "v1" },
                "oidcToken": { "serviceAccountEmail": "a@b", "audience": "c" },
                "noWrapper": { "writeMetadata": true },
            },
            "ackDeadlineSeconds": 20,
            "messageRetentionDuration": "600s",
            "labels": { "k": "v" },
            "enableMessageOrdering": true,
            "expirationPolicy": {},
            "deadLetterPolicy": { "deadLetterTopic": "projects/p/topics/dead", "maxDeliveryAttempts": 7 },
            "retryPolicy": { "minimumBackoff": "0.500s", "maximumBackoff": "10s" },
        });
        let parsed: Subscription = serde_json::from_value(sent.clone()).unwrap();
        let back = Subscription::from(proto::Subscription::from(parsed));
        let mut back = serde_json::to_value(back).unwrap();
        assert_eq!(back.as_object_mut().unwrap().remove("state").unwrap(), "STATE_UNSPECIFIED");
        assert_eq!(back, sent);
    }

    #[test]
    fn data_is_base64_of_either_alphabet_and_unknown_members_are_refused() {
        for (data, bytes) in [("-_8=", [0xfb, 0xff]), ("+/8=", [0xfb, 0xff])] {
            let publish: Publish =
                serde_json::from_value(json!({ "messages": [{ "data": data }] })).unwrap();
            let request = publish.into_proto("t".into()).unwrap();
            assert_eq!(request.messages[0].data, bytes);
        }
        assert!(serde_json::from_value::<Topic>(json!({ "nmae": "x" })).is_err());
    }
}
