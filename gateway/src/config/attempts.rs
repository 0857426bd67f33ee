//! How often and how long requests are tried: what a service says, and what
//! its rules say otherwise.

use std::time::Duration;

use remint_idtoken::Sender;
use remint_idtoken::config::{Kind, Object, Reader};

/// No request is tried more often: there are no more regions either.
const MAX_ATTEMPTS: u32 = 64;
/// No more of a body can be asked to be held.
const MAX_REPLAY_LIMIT: u32 = 64 << 20;
const DEFAULT_ATTEMPTS: usize = 3;
/// A Pub/Sub message has up to 10 MB; most have a few kilobytes.
const DEFAULT_REPLAY_LIMIT: usize = 256 << 10;
const MAX_RETRIES_PER_SECOND: u32 = 1_000_000;

/// How requests are tried, as far as it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    attempts: Option<usize>,
    timeout: Option<Duration>,
    per_try_timeout: Option<Duration>,
    replay_limit: Option<usize>,
    at_least_once: Option<bool>,
    sender: Option<Sender>,
}

/// How one rule's requests are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// Who sends the rule's requests, if it says so.
    pub sender: Option<Sender>,
    /// How often a request is tried, the first time included.
    pub attempts: usize,
    /// Whether requests may be processed twice, whatever their method.
    pub at_least_once: bool,
    /// How many bytes of a body are held, so that it can be sent again.
    pub replay_limit: usize,
    /// The time until the answer's headers, over all attempts. If there is
    /// none here, `upstream.response_timeout` counts.
    pub timeout: Option<Duration>,
    /// The time until an attempt's headers, if another one is possible. If
    /// there is none here, an attempt has all the time that is left.
    pub per_try_timeout: Option<Duration>,
}

/// How many requests of a service may be sent again, judged by its last ten
/// seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    /// Retries for each request, from 0 to 1.
    pub ratio: f64,
    /// Retries that are allowed beside that.
    pub min_per_second: u32,
}

impl Default for RetryBudget {
    /// As Finagle and linkerd have it.
    fn default() -> Self {
        Self { ratio: 0.2, min_per_second: 10 }
    }
}

/// Who sends a rule's requests. All of them send again what fails, so they
/// expect nothing to be processed only once.
const SENDERS: [(&str, Sender); 4] = [
    ("pubsub", Sender::PubSub),
    ("tasks", Sender::Tasks),
    ("scheduler", Sender::Scheduler),
    ("eventarc", Sender::Eventarc),
];

/// How long a sender waits for an answer unless it was told otherwise: the
/// default acknowledgement deadline of a subscription (Eventarc delivers by
/// one), dispatch deadline of a task, attempt deadline of a job.
fn patience(sender: Sender) -> Duration {
    match sender {
        Sender::PubSub | Sender::Eventarc => Duration::from_secs(10),
        Sender::Tasks => Duration::from_secs(600),
        Sender::Scheduler => Duration::from_secs(180),
    }
}

impl Given {
    /// What a service says for all its rules.
    pub(super) fn of_service(object: &mut Object<'_>) -> Option<Self> {
        let attempts = object.maybe("attempts", |it| it.whole_within(1, MAX_ATTEMPTS));
        let timeout = object.maybe("timeout", super::settings::positive);
        let per_try = object.maybe("per_try_timeout", super::settings::positive);
        let replay = object.maybe("replay_limit", |it| it.whole_within(0, MAX_REPLAY_LIMIT));
        Some(Self {
            attempts: attempts?,
            timeout: timeout?,
            per_try_timeout: per_try?,
            replay_limit: replay?,
            at_least_once: None,
            sender: None,
        })
    }

    /// What a rule says, which also tells of its senders.
    pub(super) fn of_rule(object: &mut Object<'_>) -> Option<Self> {
        let common = Self::of_service(object);
        let retry = |it: &Reader<'_>| it.choice(&[("idempotent", false), ("at_least_once", true)]);
        let at_least_once = object.maybe("retry", retry);
        let sender = object.maybe("sender", |it| it.choice(&SENDERS));
        Some(Self { at_least_once: at_least_once?, sender: sender?, ..common? })
    }

    /// What holds for a rule of this service. The rule's word counts first,
    /// then what is known of its sender, then the service's.
    pub(super) fn of(self, service: Self) -> Attempts {
        let patience = self.sender.map(patience);
        let own_times = self.timeout.or(patience);
        Attempts {
            sender: self.sender,
            attempts: self.attempts.or(service.attempts).unwrap_or(DEFAULT_ATTEMPTS),
            at_least_once: self.at_least_once.unwrap_or(self.sender.is_some()),
            replay_limit: self
                .replay_limit
                .or(service.replay_limit)
                .unwrap_or(DEFAULT_REPLAY_LIMIT),
            timeout: own_times.or(service.timeout),
            per_try_timeout: self.per_try_timeout.or(service.per_try_timeout),
        }
    }
}

pub(super) fn retry_budget(from: &Reader<'_>) -> Option<RetryBudget> {
    let default = RetryBudget::default();
    let mut object = from.object()?;
    let ratio = object.maybe("ratio", share);
    let least = object.maybe("min_per_second", |it| it.whole_within(0, MAX_RETRIES_PER_SECOND));
    object.finish();
    let least = least?.and_then(|least| u32::try_from(least).ok());
    Some(RetryBudget {
        ratio: ratio?.unwrap_or(default.ratio),
        min_per_second: least.unwrap_or(default.min_per_second),
    })
}

fn share(from: &Reader<'_>) -> Option<f64> {
    match from.node().kind {
        Kind::Number(number) if (0.0..=1.0).contains(&number) => Some(number),
        _ => {
            from.problem("expected a number from 0 to 1");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_rule_s_word_counts_before_its_sender_s_and_the_service_s() {
        let service = Given { attempts: Some(5), timeout: Some(60 * SECOND), ..Given::default() };
        let silent = Given::default().of(service);
        assert_eq!((silent.attempts, silent.timeout), (5, Some(60 * SECOND)));
        assert!(!silent.at_least_once);
        let pubsub = Given { sender: Some(Sender::PubSub), ..Given::default() };
        assert_eq!(pubsub.of(service).timeout, Some(10 * SECOND));
        assert!(pubsub.of(service).at_least_once);
        let own = Given {
            timeout: Some(SECOND),
            at_least_once: Some(false),
            attempts: Some(1),
            ..pubsub
        };
        let own = own.of(service);
        assert_eq!((own.attempts, own.timeout, own.at_least_once), (1, Some(SECOND), false));
        let nothing = Given::default().of(Given::default());
        assert_eq!((nothing.attempts, nothing.replay_limit), (3, 256 * 1024));
        assert_eq!((nothing.timeout, nothing.per_try_timeout), (None, None));
    }
}
