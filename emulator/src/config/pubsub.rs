//! Topics and subscriptions of Pub/Sub.

use std::time::Duration;

/// What Pub/Sub has from the beginning. More can be made by its API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pubsub {
    /// The topics, by name: `orders`, or `projects/PROJECT/topics/orders`.
    pub topics: Vec<String>,
    /// The subscriptions.
    pub subscriptions: Vec<Subscription>,
}

/// A subscription that pushes, or waits until it is told to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The name: `orders`, or `projects/PROJECT/subscriptions/orders`.
    pub name: String,
    /// The topic, by either form of its name.
    pub topic: String,
    /// Where it pushes to; without it nothing is pushed.
    pub endpoint: Option<String>,
    /// Whose token it sends; without it none.
    pub service_account: Option<String>,
    /// The token's audience; by default the endpoint, letter by letter.
    pub audience: Option<String>,
    /// How long it waits for an answer: 10 s to 10 min.
    pub ack_deadline: Duration,
    /// The wait after the first failure, at most 10 min. With neither wait set
    /// there is no retry policy, and Pub/Sub's push back-off counts.
    pub min_backoff: Option<Duration>,
    /// The longest wait, at most 10 min.
    pub max_backoff: Option<Duration>,
    /// How messages are sent.
    pub wrapping: Wrapping,
    /// Where messages go that nobody takes.
    pub dead_letter: Option<DeadLetter>,
    /// How long a message is kept without an acknowledgement: 10 min to 31 days.
    pub retention: Duration,
    /// Whether messages of one ordering key are sent one after the other.
    pub ordered: bool,
}

/// How a message is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wrapping {
    /// As JSON that wraps it.
    #[default]
    Wrapped,
    /// As it is.
    Unwrapped {
        /// Whether its attributes and `x-goog-pubsub-*` come as headers.
        write_metadata: bool,
    },
}

/// Where messages go that nobody takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The topic, by either form of its name.
    pub topic: String,
    /// After how many attempts: 5 to 100.
    pub max_attempts: u16,
}

impl Subscription {
    /// A subscription with Pub/Sub's defaults that pushes nowhere yet.
    #[must_use]
    pub fn new(name: impl Into<String>, topic: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            topic: topic.into(),
            endpoint: None,
            service_account: None,
            audience: None,
            ack_deadline: Duration::from_secs(10),
            min_backoff: None,
            max_backoff: None,
            wrapping: Wrapping::Wrapped,
            dead_letter: None,
            retention: Duration::from_secs(7 * 24 * 3600),
            ordered: false,
        }
    }

    /// The same, pushing as that account to that endpoint.
    #[must_use]
    pub fn pushing(self, endpoint: impl Into<String>, account: impl Into<String>) -> Self {
        Self { endpoint: Some(endpoint.into()), service_account: Some(account.into()), ..self }
    }
}
