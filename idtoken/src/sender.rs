//! Which Google product a request looks like it comes from.

use crate::request::Headers;

/// The longest name of a job (Cloud Scheduler, "Job"); a subscription's has 255
/// characters behind its project's.
const LONGEST_NAME: usize = 500;

/// A sender, guessed from headers. Anybody can send these headers: a guess
/// makes a refusal easier to understand and decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A Pub/Sub push subscription.
    PubSub,
    /// A Cloud Tasks queue.
    Tasks,
    /// A Cloud Scheduler job.
    Scheduler,
    /// An Eventarc trigger or pipeline.
    Eventarc,
}

impl Sender {
    /// All that are known.
    pub const ALL: [Self; 4] = [Self::PubSub, Self::Tasks, Self::Scheduler, Self::Eventarc];

    /// Looks at the headers that these senders set (Google's documentation of
    /// push subscriptions, task handlers and scheduler targets).
    #[must_use]
    pub fn guess(headers: &impl Headers) -> Option<Self> {
        let has = |name: &str| headers.values(name).next().is_some();
        let agent = headers.values("user-agent").next().unwrap_or_default();
        // The marks stand at the beginning; the rest may be as long as it likes.
        let agent = agent.get(..256).unwrap_or(agent);
        let agent_has = |mark: &[u8]| agent.windows(mark.len()).any(|part| part == mark);
        if has("x-cloudtasks-queuename") || agent_has(b"Google-Cloud-Tasks") {
            Some(Self::Tasks)
        } else if has("x-cloudscheduler") || agent_has(b"Google-Cloud-Scheduler") {
            Some(Self::Scheduler)
        // Eventarc delivers by Pub/Sub, so its marks come first (CloudEvents,
        // HTTP binding, section 3.1.3).
        } else if has("ce-specversion") && has("ce-type") {
            Some(Self::Eventarc)
        } else if has("x-goog-pubsub-subscription-name")
            || agent_has(b"CloudPubSub-Google")
            || agent_has(b"APIs-Google")
        {
            Some(Self::PubSub)
        } else {
            None
        }
    }

    /// What of the sender's has sent a request, as its headers say: a queue or a
    /// job by its short name, a subscription by its whole name where it writes
    /// metadata (Google's documentation of task handlers, of scheduler targets,
    /// and of payload unwrapping). None if that is no name that Google gives.
    pub(crate) fn source(self, headers: &impl Headers) -> Option<&str> {
        let name = match self {
            Self::Tasks => "x-cloudtasks-queuename",
            Self::Scheduler => "x-cloudscheduler-jobname",
            Self::PubSub => "x-goog-pubsub-subscription-name",
            Self::Eventarc => return None,
        };
        let value = std::str::from_utf8(headers.values(name).next()?).ok()?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~+%/:".contains(&byte);
        let is_name = value.starts_with(|first: char| first.is_ascii_alphabetic())
            && value.len() <= LONGEST_NAME
            && value.bytes().all(plain);
        is_name.then_some(value)
    }

    /// The product's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PubSub => "Pub/Sub push",
            Self::Tasks => "Cloud Tasks",
            Self::Scheduler => "Cloud Scheduler",
            Self::Eventarc => "Eventarc",
        }
    }
}
