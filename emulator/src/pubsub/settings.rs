//! What a subscription resource says, checked and ready for its task. The
//! bounds are those of the reference of `google.pubsub.v1.Subscription`.

use std::sync::Arc;
use std::time::Duration;

use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::push_config::{
    AuthenticationMethod, Wrapper,
};
use googleapis_tonic_google_pubsub_v1::google::pubsub::v1::{
    ExpirationPolicy, PushConfig, RetryPolicy, Subscription, subscription,
};
use tonic::Status;

use super::message::Form;
use super::names::Collection;
use super::target::{Target, backoff};
use crate::endpoint::Endpoint;
use crate::network::is_loopback;
use crate::senders::{Credential, Senders};

const DEFAULT_ACK_DEADLINE: i32 = 10;
const DAY: u64 = 24 * 3600;
const DEFAULT_RETENTION: Duration = Duration::from_secs(7 * DAY);
const RETENTION: (Duration, Duration) = (Duration::from_secs(600), Duration::from_secs(31 * DAY));
const LONGEST_BACKOFF: Duration = Duration::from_secs(600);
/// Of a retry policy that leaves them out.
const POLICY_BACKOFF: (Duration, Duration) = (Duration::from_secs(10), LONGEST_BACKOFF);
/// Without a retry policy (Pub/Sub, "Push backoff").
const PUSH_BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));
const DEFAULT_ATTEMPTS: i32 = 5;
/// The attribute of a push configuration that names the form of messages.
const FORMAT: &str = "x-goog-version";

/// What a subscription's task goes by.
pub(super) struct Settings {
    /// Where it pushes to; a pull subscription has none.
    pub(super) target: Option<Target>,
    pub(super) ack_deadline: Duration,
    pub(super) retention: Duration,
    pub(super) dead_letter: Option<DeadLetter>,
    pub(super) ordered: bool,
    backoff: (Duration, Duration),
}

/// Where messages go after that many attempts.
pub(super) struct DeadLetter {
    pub(super) topic: String,
    pub(super) attempts: u32,
}

impl Settings {
    /// `form` is what messages are sent as whatever the resource says.
    pub(super) fn of(
        resource: &Subscription,
        senders: &Arc<Senders>,
        form: Option<&Form>,
    ) -> Result<Self, Status> {
        nothing_unknown(resource)?;
        let push = resource.push_config.as_ref().filter(|it| !it.push_endpoint.is_empty());
        Ok(Self {
            target: push.map(|push| target(push, senders, form)).transpose()?,
            ack_deadline: ack_deadline(resource.ack_deadline_seconds)?,
            retention: retention(resource)?,
            dead_letter: dead_letter(resource)?,
            ordered: resource.enable_message_ordering,
            backoff: resource.retry_policy.as_ref().map_or(Ok(PUSH_BACKOFF), waits)?,
        })
    }

    /// The wait after that many failures.
    pub(super) fn backoff(&self, failures: u32) -> Duration {
        backoff(failures, self.backoff.0, self.backoff.1)
    }
}

/// Fills in what Pub/Sub fills in.
pub(super) fn complete(resource: &mut Subscription) {
    resource.state = subscription::State::Active.into();
    let push = resource.push_config.get_or_insert_default();
    if !push.push_endpoint.is_empty() {
        push.attributes.entry(FORMAT.to_owned()).or_insert_with(|| "v1".to_owned());
    }
    if resource.ack_deadline_seconds == 0 {
        resource.ack_deadline_seconds = DEFAULT_ACK_DEADLINE;
    }
    resource
        .message_retention_duration
        .get_or_insert_with(|| DEFAULT_RETENTION.try_into().unwrap_or_default());
    resource.expiration_policy.get_or_insert_with(|| ExpirationPolicy {
        ttl: Duration::from_secs(31 * DAY).try_into().ok(),
    });
    if let Some(policy) = &mut resource.dead_letter_policy
        && policy.max_delivery_attempts == 0
    {
        policy.max_delivery_attempts = DEFAULT_ATTEMPTS;
    }
    if let Some(RetryPolicy { minimum_backoff, maximum_backoff }) = &mut resource.retry_policy {
        let wait = |it: Duration| move || it.try_into().unwrap_or_default();
        minimum_backoff.get_or_insert_with(wait(POLICY_BACKOFF.0));
        maximum_backoff.get_or_insert_with(wait(POLICY_BACKOFF.1));
    }
}

/// What would change which messages are sent, and is not emulated, is refused.
fn nothing_unknown(resource: &Subscription) -> Result<(), Status> {
    let asked = [
        (!resource.filter.is_empty(), "filter"),
        (resource.bigquery_config.is_some(), "bigquery_config"),
        (resource.cloud_storage_config.is_some(), "cloud_storage_config"),
        (resource.bigtable_config.is_some(), "bigtable_config"),
        (resource.enable_exactly_once_delivery, "enable_exactly_once_delivery"),
        (!resource.message_transforms.is_empty(), "message_transforms"),
    ];
    match asked.iter().find(|(is_asked, _)| *is_asked) {
        None => Ok(()),
        Some((_, name)) => {
            Err(Status::unimplemented(format!("this emulator's subscriptions have no {name}")))
        }
    }
}

fn target(
    push: &PushConfig,
    senders: &Arc<Senders>,
    form: Option<&Form>,
) -> Result<Target, Status> {
    let endpoint = endpoint(&push.push_endpoint)?;
    match push.attributes.get(FORMAT).map(String::as_str) {
        None | Some("v1" | "v1beta2") => {}
        Some("v1beta1") => {
            return Err(Status::unimplemented("this emulator does not push in v1beta1's form"));
        }
        Some(_) => return Err(Status::invalid_argument(format!("{FORMAT} is v1 or v1beta2"))),
    }
    let credential = match &push.authentication_method {
        None => None,
        Some(AuthenticationMethod::OidcToken(token)) if token.service_account_email.is_empty() => {
            return Err(Status::invalid_argument("oidc_token.service_account_email is missing"));
        }
        Some(AuthenticationMethod::OidcToken(token)) => Some(Credential {
            account: token.service_account_email.clone(),
            audience: match token.audience.as_str() {
                "" => push.push_endpoint.clone(),
                audience => audience.to_owned(),
            },
        }),
    };
    let form = form.cloned().unwrap_or(match &push.wrapper {
        Some(Wrapper::NoWrapper(it)) => Form::Unwrapped { write_metadata: it.write_metadata },
        Some(Wrapper::PubsubWrapper(_)) | None => Form::Wrapped,
    });
    Ok(Target::new(senders, endpoint, None, credential, form))
}

/// Pub/Sub pushes to https alone. A server of this machine has no certificate
/// that anybody believes, so it may be plain.
fn endpoint(text: &str) -> Result<Endpoint, Status> {
    let parsed = text.parse::<Endpoint>().ok();
    let may_be = |it: &Endpoint| it.is_https || is_loopback(it.host_and_port().0);
    parsed.filter(may_be).ok_or_else(|| {
        Status::invalid_argument(format!(
            "Invalid push endpoint given (endpoint={text}). Refer to https://cloud.google.com/pubsub/subscriber#create for more information."
        ))
    })
}

fn ack_deadline(given: i32) -> Result<Duration, Status> {
    let within = (10..=600).contains(&given).then_some(given);
    let seconds = within.and_then(|it| u64::try_from(it).ok());
    seconds.map(Duration::from_secs).ok_or_else(|| {
        Status::invalid_argument(format!(
            "Invalid ack deadline given (ack_deadline_seconds={given}): it is 10 to 600 seconds."
        ))
    })
}

fn retention(resource: &Subscription) -> Result<Duration, Status> {
    let given =
        resource.message_retention_duration.map_or(Ok(DEFAULT_RETENTION), Duration::try_from);
    given.ok().filter(|it| (RETENTION.0..=RETENTION.1).contains(it)).ok_or_else(|| {
        Status::invalid_argument("message_retention_duration is 10 minutes to 31 days")
    })
}

fn waits(policy: &RetryPolicy) -> Result<(Duration, Duration), Status> {
    let wait = |given: Option<prost_types::Duration>, default: Duration| {
        let given = given.map_or(Ok(default), Duration::try_from).ok();
        given.filter(|it| *it <= LONGEST_BACKOFF)
    };
    let waits = wait(policy.minimum_backoff, POLICY_BACKOFF.0)
        .zip(wait(policy.maximum_backoff, POLICY_BACKOFF.1));
    waits.filter(|(least, most)| least <= most).ok_or_else(|| {
        Status::invalid_argument(
            "retry_policy: both back-offs are 0 to 600 seconds, and the minimum is not above the maximum",
        )
    })
}

fn dead_letter(resource: &Subscription) -> Result<Option<DeadLetter>, Status> {
    let Some(policy) = &resource.dead_letter_policy else {
        return Ok(None);
    };
    Collection::Topics.parse(&policy.dead_letter_topic)?;
    let attempts = match policy.max_delivery_attempts {
        0 => DEFAULT_ATTEMPTS,
        given => given,
    };
    let attempts = Some(attempts).filter(|it| (5..=100).contains(it));
    let attempts = attempts.and_then(|it| u32::try_from(it).ok()).ok_or_else(|| {
        Status::invalid_argument("dead_letter_policy.max_delivery_attempts is 5 to 100")
    })?;
    Ok(Some(DeadLetter { topic: policy.dead_letter_topic.clone(), attempts }))
}
