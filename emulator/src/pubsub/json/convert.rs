//! Between JSON's resources and the protocol's.

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{self as proto, push_config};

use super::{
    DeadLetterPolicy, ExpirationPolicy, NoWrapper, Nothing, OidcToken, PushConfig, RetryPolicy,
    Subscription, Topic,
};

impl From<Topic> for proto::Topic {
    fn from(it: Topic) -> Self {
        Self {
            name: it.name,
            labels: it.labels,
            kms_key_name: it.kms_key_name,
            message_retention_duration: it.message_retention_duration,
            ..Self::default()
        }
    }
}

impl From<proto::Topic> for Topic {
    fn from(it: proto::Topic) -> Self {
        Self {
            state: it.state().as_str_name().to_owned(),
            name: it.name,
            labels: it.labels,
            kms_key_name: it.kms_key_name,
            message_retention_duration: it.message_retention_duration,
        }
    }
}

impl From<Subscription> for proto::Subscription {
    fn from(it: Subscription) -> Self {
        Self {
            name: it.name,
            topic: it.topic,
            push_config: it.push_config.map(Into::into),
            ack_deadline_seconds: it.ack_deadline_seconds,
            retain_acked_messages: it.retain_acked_messages,
            message_retention_duration: it.message_retention_duration,
            labels: it.labels,
            enable_message_ordering: it.enable_message_ordering,
            expiration_policy: it
                .expiration_policy
                .map(|it| proto::ExpirationPolicy { ttl: it.ttl }),
            filter: it.filter,
            dead_letter_policy: it.dead_letter_policy.map(|it| proto::DeadLetterPolicy {
                dead_letter_topic: it.dead_letter_topic,
                max_delivery_attempts: it.max_delivery_attempts,
            }),
            retry_policy: it.retry_policy.map(|it| proto::RetryPolicy {
                minimum_backoff: it.minimum_backoff,
                maximum_backoff: it.maximum_backoff,
            }),
            enable_exactly_once_delivery: it.enable_exactly_once_delivery,
            ..Self::default()
        }
    }
}

impl From<proto::Subscription> for Subscription {
    fn from(it: proto::Subscription) -> Self {
        Self {
            state: it.state().as_str_name().to_owned(),
            name: it.name,
            topic: it.topic,
            push_config: it.push_config.map(Into::into),
            ack_deadline_seconds: it.ack_deadline_seconds,
            retain_acked_messages: it.retain_acked_messages,
            message_retention_duration: it.message_retention_duration,
            labels: it.labels,
            enable_message_ordering: it.enable_message_ordering,
            expiration_policy: it.expiration_policy.map(|it| ExpirationPolicy { ttl: it.ttl }),
            filter: it.filter,
            dead_letter_policy: it.dead_letter_policy.map(|it| DeadLetterPolicy {
                dead_letter_topic: it.dead_letter_topic,
                max_delivery_attempts: it.max_delivery_attempts,
            }),
            retry_policy: it.retry_policy.map(|it| RetryPolicy {
                minimum_backoff: it.minimum_backoff,
                maximum_backoff: it.maximum_backoff,
            }),
            enable_exactly_once_delivery: it.enable_exactly_once_delivery,
        }
    }
}

impl From<PushConfig> for proto::PushConfig {
    fn from(it: PushConfig) -> Self {
        let wrapper = it.no_wrapper.map(|it| {
            let write_metadata = it.write_metadata;
            push_config::Wrapper::NoWrapper(push_config::NoWrapper { write_metadata })
        });
        let wrapped = it
            .pubsub_wrapper
            .map(|Nothing {}| push_config::Wrapper::PubsubWrapper(push_config::PubsubWrapper {}));
        let token = it.oidc_token.map(|it| {
            push_config::AuthenticationMethod::OidcToken(push_config::OidcToken {
                service_account_email: it.service_account_email,
                audience: it.audience,
            })
        });
        Self {
            push_endpoint: it.push_endpoint,
            attributes: it.attributes,
            authentication_method: token,
            wrapper: wrapper.or(wrapped),
        }
    }
}

impl From<proto::PushConfig> for PushConfig {
    fn from(it: proto::PushConfig) -> Self {
        let (pubsub_wrapper, no_wrapper) = match it.wrapper {
            Some(push_config::Wrapper::PubsubWrapper(_)) => (Some(Nothing {}), None),
            Some(push_config::Wrapper::NoWrapper(it)) => {
                (None, Some(NoWrapper { write_metadata: it.write_metadata }))
            }
            None => (None, None),
        };
        let oidc_token = it.authentication_method.map(|it| {
            let push_config::AuthenticationMethod::OidcToken(token) = it;
            OidcToken {
                service_account_email: token.service_account_email,
                audience: token.audience,
            }
        });
        Self {
            push_endpoint: it.push_endpoint,
            attributes: it.attributes,
            oidc_token,
            pubsub_wrapper,
            no_wrapper,
        }
    }
}
